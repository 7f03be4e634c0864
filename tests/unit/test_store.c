#include "store_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void test_order_and_group_commit(void **state)
{
    struct fixture *f = *state;
    store_hold_writer(f->store, true);
    const int64_t a = put_inbox(f, "a"), b = put_inbox(f, "b"), c = put_inbox(f, "c");
    assert_true(a < b && b < c);
    struct store_batch *empty = store_batch_new();
    assert_true(store_batch_is_empty(empty));
    store_submit(f->store, empty, note, f);
    assert_int_equal(store_pending(f->store), 4);
    assert_inbox(f, 0, 10, ""); /* nothing shows before its commit */
    store_hold_writer(f->store, false);
    settle(f);
    assert_int_equal(f->n, 4);
    assert_int_equal(commits(f), 1);
    assert_inbox(f, 0, 10, "a b c ");
    assert_inbox(f, a, 1, "b ");
}

static void test_inbox_done_ranges(void **state)
{
    struct fixture *f = *state;
    int64_t seqs[6];
    for (int i = 0; i < 6; i++)
        seqs[i] = put_inbox(f, (const char *const[]){"0", "1", "2", "3", "4", "5"}[i]);
    struct store_batch *b = store_batch_new();
    store_batch_inbox_done(b, seqs[1]);
    store_batch_inbox_done(b, seqs[2]);
    assert_int_equal(b->n, 1); /* one DELETE */
    store_batch_inbox_done(b, seqs[5]);
    store_batch_inbox_done(b, seqs[0]);
    store_submit(f->store, b, note, f);
    settle(f);
    assert_inbox(f, 0, 10, "3 4 ");
}

static void test_batch_is_whole_or_nothing(void **state)
{
    struct fixture *f = *state;
    put_inbox(f, "first");
    settle(f);
    store_hold_writer(f->store, true);
    store_fail_next_commit(f->store);
    struct store_batch *b = store_batch_new();
    store_batch_inbox(f->store, b, INBOX_ALERT, xstrdup("x"), 1, 42);
    struct store_run run = row("r1", "queued");
    store_batch_run(b, &run);
    store_submit(f->store, b, note, f);
    put_inbox(f, "same transaction");
    store_hold_writer(f->store, false);
    settle(f);
    put_inbox(f, "behind");
    settle(f);
    assert_int_equal(f->n, 4);
    assert_int_equal(f->results[0], 0);
    for (int i = 1; i < 4; i++)
        assert_int_equal(f->results[i], -EIO);
    assert_inbox(f, 0, 10, "first ");
    assert_int_equal(store_get(f->store, "r1", &(char *){NULL}, NULL), -ENOENT);
}

static void test_reopen(void **state)
{
    struct fixture *f = *state;
    const int64_t before = put_inbox(f, "kept");
    settle(f);
    store_fail_next_commit(f->store);
    put_inbox(f, "lost");
    settle(f);
    assert_int_equal(store_reopen(f->store, NULL), 0);
    assert_true(put_inbox(f, "after") > before + 1); /* the lost one's number is not used again */
    settle(f);
    assert_int_equal(f->results[2], 0);
    assert_inbox(f, 0, 10, "kept after ");
    struct store_stats st;
    store_stats(f->store, &st);
    assert_int_equal(st.failed_commits, 1);
    assert_true(st.db_bytes > 0);
}

static void test_numbers_survive_deletion_and_restart(void **state)
{
    struct fixture *f = *state;
    const int64_t seq = put_inbox(f, "x");
    struct store_batch *b = store_batch_new();
    store_batch_inbox_done(b, seq);
    store_submit(f->store, b, note, f);
    f->store = store_close(f->store);
    assert_int_equal(f->n, 2); /* close ran the callbacks */
    assert_int_equal(open_at(f, NULL), 0);
    assert_inbox(f, 0, 10, "");
    assert_true(put_inbox(f, "y") > seq);
    settle(f);
}

static void submit_again(int result, const struct error *err, void *userdata)
{
    struct fixture *f = userdata;
    assert_int_equal(result, 0);
    assert_null(err);
    put_inbox(f, "from a callback");
}

static void test_close_commits_what_is_queued(void **state)
{
    struct fixture *f = *state;
    put_inbox(f, "queued");
    store_submit(f->store, store_batch_new(), submit_again, f);
    f->store = store_close(f->store);
    assert_int_equal(f->n, 2);
    assert_int_equal(f->results[1], -ECANCELED);
    assert_int_equal(open_at(f, NULL), 0);
    assert_inbox(f, 0, 10, "queued ");
}

static void test_one_owner(void **state)
{
    struct fixture *f = *state;
    struct store *second = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    assert_int_equal(store_open(f->path, f->event, &second, &err), -EBUSY);
    assert_null(second);
    assert_non_null(strstr(error_message(&err), "in use by another mendd"));
    f->store = store_close(f->store);
    assert_int_equal(open_at(f, NULL), 0);
}

static int64_t pragma(sqlite3 *db, const char *text)
{
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, text, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return value;
}

static void sql(struct fixture *f, const char *text)
{
    _cleanup_free_ char *file = xasprintf("%s/mendd.db", f->path);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void test_newer_schema_is_refused(void **state)
{
    struct fixture *f = *state;
    const int version = (int)pragma(f->store->writer.db, "PRAGMA user_version");
    f->store = store_close(f->store);
    sql(f, "PRAGMA user_version = 99");
    _cleanup_error_ struct error err = ERROR_NONE;
    assert_int_equal(open_at(f, &err), -EPROTO);
    assert_non_null(strstr(error_message(&err), "version 99"));
    _cleanup_free_ char *own = xasprintf("PRAGMA user_version = %d", version);
    sql(f, own);
    assert_int_equal(open_at(f, NULL), 0);
}

static void test_not_a_database(void **state)
{
    struct fixture *f = *state;
    f->store = store_close(f->store);
    _cleanup_free_ char *file = xasprintf("%s/mendd.db", f->path);
    FILE *out = fopen(file, "w");
    for (int i = 0; i < 1000; i++)
        fputs("this is no database\n", out);
    fclose(out);
    _cleanup_error_ struct error err = ERROR_NONE;
    assert_int_equal(open_at(f, &err), -EBADMSG);
    assert_non_null(strstr(error_message(&err), file));
}

static void test_migrations(void **state)
{
    (void)state;
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    const char *const steps[] = {"CREATE TABLE a (x); INSERT INTO a VALUES (1)", "UPDATE a SET x = x + 10",
                                 "CREATE TABLE b (y); INSERT INTO nowhere VALUES (1)"};
    assert_int_equal(schema_migrate(db, steps, 1, NULL), 0);
    assert_int_equal(schema_migrate(db, steps, 2, NULL), 0);
    assert_int_equal(pragma(db, "SELECT x FROM a"), 11);
    assert_true(schema_migrate(db, steps, 3, NULL) < 0);
    assert_int_equal(pragma(db, "PRAGMA user_version"), 2); /* a failed step leaves nothing */
    assert_int_equal(pragma(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'b'"), 0);
    assert_int_equal(schema_migrate(db, steps, 1, NULL), -EPROTO);
    sqlite3_close(db);
}

static void test_pragmas(void **state)
{
    struct fixture *f = *state;
    sqlite3 *w = f->store->writer.db, *r = f->store->reader;
    assert_int_equal(pragma(w, "PRAGMA synchronous"), 2);
    assert_int_equal(pragma(w, "PRAGMA auto_vacuum"), 2);
    assert_int_equal(pragma(w, "SELECT journal_mode = 'wal' FROM pragma_journal_mode"), 1);
    assert_int_equal(sqlite3_exec(r, "DELETE FROM runs", NULL, NULL, NULL), SQLITE_READONLY);
}

/* The WAL is copied back without a close, and behind the answers. */
static void test_the_wal_does_not_grow(void **state)
{
    struct fixture *f = *state;
    const size_t len = 1 << 20; /* 256 pages each */
    struct store_stats before, after;
    store_stats(f->store, &before);
    for (int i = 0; i < 12; i++) {
        struct store_batch *b = store_batch_new();
        store_batch_inbox(f->store, b, INBOX_ALERT, xcalloc(1, len), len, 42);
        store_submit(f->store, b, note, f);
        settle(f);
    }
    put_inbox(f, "last"); /* the checkpoint before it is over once it is committed */
    settle(f);
    store_stats(f->store, &after);
    assert_true(after.db_bytes > before.db_bytes + (int64_t)(8 * len));
    _cleanup_free_ char *wal = xasprintf("%s-wal", f->store->file);
    struct stat st;
    assert_int_equal(stat(wal, &st), 0);
    assert_true(st.st_size < (off_t)(8 * len));
}

#define ID(n) "01kgbsb9z0000000000000000" n

static void put_five(struct fixture *f)
{
    static const char *const ids[] = {ID("1"), ID("2"), ID("3"), ID("4"), ID("5")};
    for (int i = 0; i < 5; i++) {
        struct store_run run = row(ids[i], i == 4 ? "verifying" : "done");
        run.created_us = (i + 1) * 1000;
        run.finished_us = 9000 + i; /* the last one's episode is still open */
        run.outcome = i == 4 ? NULL : i % 2 ? "failed" : "resolved";
        run.reason = i % 2 ? "verify_failed" : NULL;
        run.playbook = i < 3 ? "redis" : "gitea";
        run.playbook_hash = i < 3 ? "h1" : "h2";
        run.target = i == 0 ? "Deployment shop/api_%" : "Deployment raibid-ci/redis";
        run.alertname = i == 1 ? "RedisDown" : "Other";
        run.remember_us = i == 2 || i == 1 ? 9000 + i : 0;
        put(f, &run);
    }
    settle(f);
}

static void test_filters_and_cursor(void **state)
{
    struct fixture *f = *state;
    put_five(f);
    assert_list(f, &(struct store_filter){.limit = 3}, ID("5") " " ID("4") " " ID("3") " ");
    assert_list(f, &(struct store_filter){.limit = 3, .cursor = ID("3")}, ID("2") " " ID("1") " ");
    assert_list(f, &(struct store_filter){.limit = 9, .state = "verifying"}, ID("5") " ");
    assert_list(f, &(struct store_filter){.limit = 9, .state = "done", .outcome = "failed"}, ID("4") " " ID("2") " ");
    assert_list(f, &(struct store_filter){.limit = 9, .reason = "verify_failed", .playbook = "redis"}, ID("2") " ");
    assert_list(f, &(struct store_filter){.limit = 9, .target = "shop/"}, ID("1") " ");
    assert_list(f, &(struct store_filter){.limit = 9, .target = "_%"}, ID("1") " "); /* no wildcards */
    assert_list(f, &(struct store_filter){.limit = 9, .alertname = "RedisDown"}, ID("2") " ");
    assert_list(f, &(struct store_filter){.limit = 9, .since_us = 2000, .until_us = 3000}, ID("3") " " ID("2") " ");
    assert_list(f, &(struct store_filter){.limit = 9, .playbook = "' OR 1 --"}, "");
    _cleanup_free_ char *doc = NULL;
    assert_int_equal(store_get(f->store, ID("2"), &doc, NULL), 0);
    assert_string_equal(doc, "{\"id\":\"" ID("2") "\"}");
}

static void test_start_up_reads(void **state)
{
    struct fixture *f = *state;
    put_five(f);
    _cleanup_strbuf_ struct strbuf open = STRBUF_INIT, remembered = STRBUF_INIT;
    assert_int_equal(store_each_open(f->store, gather, &open, NULL), 0);
    assert_string_equal(strbuf_str(&open), ID("5") " ");
    assert_int_equal(store_each_remembered(f->store, 9002, gather, &remembered, NULL), 0);
    assert_string_equal(strbuf_str(&remembered), ID("3") " ");
}

static void test_save_replaces(void **state)
{
    struct fixture *f = *state;
    struct store_run run = row("a", "queued");
    put(f, &run);
    run = row("a", "done");
    free(run.doc);
    run.doc = xstrdup("{\"second\":1}");
    run.outcome = "resolved";
    put(f, &run);
    settle(f);
    _cleanup_free_ char *doc = NULL;
    assert_int_equal(store_get(f->store, "a", &doc, NULL), 0);
    assert_string_equal(doc, "{\"second\":1}");
    assert_list(f, &(struct store_filter){.limit = 9, .state = "queued"}, "");
    assert_list(f, &(struct store_filter){.limit = 9, .outcome = "resolved"}, "a ");
}

static void test_playbooks_and_meta(void **state)
{
    struct fixture *f = *state;
    struct store_batch *b = store_batch_new();
    store_batch_playbook(b, "h1", "{}");
    store_batch_playbook(b, "h1", "{\"never\":1}");
    store_batch_meta(b, "alive", "1");
    store_batch_meta(b, "alive", "2");
    store_submit(f->store, b, NULL, NULL);
    settle(f);
    _cleanup_free_ char *doc = NULL, *alive = NULL;
    assert_int_equal(store_get_playbook(f->store, "h1", &doc, NULL), 0);
    assert_string_equal(doc, "{}");
    assert_int_equal(store_get_meta(f->store, "alive", &alive, NULL), 0);
    assert_string_equal(alive, "2");
    assert_int_equal(store_get_meta(f->store, "nothing", &alive, NULL), -ENOENT);
}

static void test_prune(void **state)
{
    struct fixture *f = *state;
    struct store_batch *b = store_batch_new();
    store_batch_playbook(b, "h1", "{}");
    store_batch_playbook(b, "h2", "{}");
    store_submit(f->store, b, NULL, NULL);
    put_five(f);
    f->n = 0;
    const int64_t all = INT64_MAX;
    store_prune(f->store, all, 2, note, f);
    settle(f);
    assert_int_equal(f->results[0], 2);
    assert_list(f, &(struct store_filter){.limit = 9}, ID("5") " " ID("4") " " ID("3") " ");
    store_prune(f->store, 3000, 9, note, f); /* not before: created at 3000 */
    store_prune(f->store, all, 9, note, f);
    settle(f);
    assert_int_equal(f->results[1], 0);
    assert_int_equal(f->results[2], 2);
    assert_list(f, &(struct store_filter){.limit = 9}, ID("5") " "); /* open rows stay */
    char *doc = NULL;
    assert_int_equal(store_get(f->store, ID("1"), &doc, NULL), -ENOENT);
    assert_int_equal(store_get_playbook(f->store, "h1", &doc, NULL), -ENOENT);
    assert_int_equal(store_get_playbook(f->store, "h2", &doc, NULL), 0);
    free(doc);
}

/* The child acknowledges each commit on a pipe, until it is killed. */
static void write_until_killed(const char *path, int fd)
{
    struct fixture f = {0};
    snprintf(f.path, sizeof(f.path), "%s", path);
    if (sd_event_new(&f.event) < 0 || open_at(&f, NULL) < 0)
        _exit(1);
    for (;;) {
        const int64_t seq = put_inbox(&f, "x");
        put_inbox(&f, "y");
        f.n = 0;
        while (store_pending(f.store))
            sd_event_run(f.event, UINT64_MAX);
        if (f.results[0] < 0 || write(fd, &seq, sizeof(seq)) != sizeof(seq))
            _exit(1);
    }
}

static int count_inbox(int64_t seq, enum inbox_form form, int64_t wall_us, const char *bytes, size_t len,
                       void *userdata)
{
    (void)seq, (void)form, (void)wall_us, (void)bytes, (void)len;
    ++*(size_t *)userdata;
    return 0;
}

static void test_kill_keeps_what_was_acknowledged(void **state)
{
    struct fixture *f = *state;
    f->store = store_close(f->store);
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    if (child == 0)
        write_until_killed(f->path, fds[1]);
    close(fds[1]);
    int64_t seq = 0, acknowledged = 0;
    while (acknowledged < 50 && read(fds[0], &seq, sizeof(seq)) == sizeof(seq))
        acknowledged++;
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    while (read(fds[0], &seq, sizeof(seq)) == sizeof(seq))
        acknowledged++;
    close(fds[0]);
    assert_true(acknowledged >= 50);
    assert_int_equal(open_at(f, NULL), 0);
    size_t rows = 0;
    assert_int_equal(store_each_inbox(f->store, 0, 1000000, count_inbox, &rows, NULL), 0);
    assert_in_range(rows, 2 * acknowledged, 2 * acknowledged + 2); /* at most the one that was under way besides */
}

static int child_tests_skip_signals(void **state)
{
    signal(SIGPIPE, SIG_IGN);
    return setup(state);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_order_and_group_commit),
        T(test_inbox_done_ranges),
        T(test_batch_is_whole_or_nothing),
        T(test_reopen),
        T(test_numbers_survive_deletion_and_restart),
        T(test_close_commits_what_is_queued),
        T(test_one_owner),
        T(test_newer_schema_is_refused),
        T(test_not_a_database),
        cmocka_unit_test(test_migrations),
        T(test_pragmas),
        T(test_the_wal_does_not_grow),
        T(test_filters_and_cursor),
        T(test_start_up_reads),
        T(test_save_replaces),
        T(test_playbooks_and_meta),
        T(test_prune),
        cmocka_unit_test_setup_teardown(test_kill_keeps_what_was_acknowledged, child_tests_skip_signals, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
