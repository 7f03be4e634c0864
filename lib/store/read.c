/* Reading through the loop's own READONLY connection: committed rows only. Searches run on the loop, so they have a
 * budget of time. */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/strbuf.h"
#include "base/ulid.h"
#include "store/internal.h"

#include <errno.h>
#include <string.h>

enum { SEARCH_BUDGET_MS = 200, SEARCH_OPS_BETWEEN_LOOKS = 10000, LIMIT_MAX = 1000 };

static int prepare(struct store *s, const char *sql, sqlite3_stmt **ret, struct error *err)
{
    if (!s->reader)
        return error_set(err, -EIO, "the journal is closed after a failure and could not be opened again yet");
    int rc = sqlite3_prepare_v2(s->reader, sql, -1, ret, NULL);
    return rc == SQLITE_OK ? 0 : sqlite_error(s->reader, rc, err, "cannot read the journal");
}

static int finish(struct store *s, sqlite3_stmt *stmt, int rc, struct error *err)
{
    int r = rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : sqlite_error(s->reader, rc, err, "cannot read the journal");
    sqlite3_finalize(stmt);
    return r;
}

/* Rows of (id, doc) to the caller, until it has enough. */
static int each_doc(struct store *s, sqlite3_stmt *stmt, int (*row)(const char *, const char *, size_t, void *),
                    void *userdata, struct error *err)
{
    int rc;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *id = (const char *)sqlite3_column_text(stmt, 0);
        const char *doc = (const char *)sqlite3_column_text(stmt, 1);
        if (id && doc && row(id, doc, (size_t)sqlite3_column_bytes(stmt, 1), userdata) != 0)
            break;
    }
    return finish(s, stmt, rc, err);
}

enum { MAX_TERMS = 12 };

struct search {
    struct strbuf sql;
    const char *texts[MAX_TERMS];
    int64_t numbers[MAX_TERMS];
    int n;
};

static void add_text(struct search *q, const char *term, const char *value)
{
    if (!value)
        return;
    q->texts[q->n++] = value;
    strbuf_printf(&q->sql, " AND %s ?%d%s", term, q->n, strchr(term, '(') ? ") > 0" : "");
}

static void add_number(struct search *q, const char *term, int64_t value)
{
    if (!value)
        return;
    q->numbers[q->n++] = value;
    strbuf_printf(&q->sql, " AND %s ?%d", term, q->n);
}

/* An id's time is never before its record's `created` (it is drawn later), so `since` bounds the ids as well and the
 * search ends there; a second's slack for rounding. */
static void since_id(int64_t since_us, char ret[ULID_LEN + 1])
{
    struct ulid_source source = {0};
    ulid_next(&source, since_us - USEC_PER_SEC, ret);
    ret[10] = '\0';
}

static void build(struct search *q, const struct store_filter *f, const char *since)
{
    strbuf_puts(&q->sql, "SELECT r.id, d.doc FROM runs r JOIN docs d ON d.id = r.id WHERE 1");
    if (f->state && strcmp(f->state, "done") != 0)
        strbuf_puts(&q->sql, " AND r.open = 1"); /* only these can be in such a state: the partial index */
    add_text(q, "r.state =", f->state);
    add_text(q, "r.outcome =", f->outcome);
    add_text(q, "r.reason =", f->reason);
    add_text(q, "r.playbook =", f->playbook);
    add_text(q, "instr(r.target,", f->target);
    add_text(q, "r.alertname =", f->alertname);
    add_text(q, "r.id <", f->cursor);
    add_text(q, "r.id >=", since);
    add_number(q, "r.created_us >=", f->since_us);
    add_number(q, "r.created_us <=", f->until_us);
    const size_t limit = f->limit < 1 ? 1 : f->limit > LIMIT_MAX ? LIMIT_MAX : f->limit;
    strbuf_printf(&q->sql, " ORDER BY r.id DESC LIMIT %zu", limit);
}

static int over_budget(void *deadline_us)
{
    return now_read().boot_us > *(const int64_t *)deadline_us;
}

int store_list(struct store *s, const struct store_filter *f,
               int (*row)(const char *id, const char *doc, size_t len, void *ud), void *userdata, struct error *err)
{
    struct search q = {0};
    char since[ULID_LEN + 1];
    if (f->since_us > 0)
        since_id(f->since_us, since);
    build(&q, f, f->since_us > 0 ? since : NULL);
    sqlite3_stmt *stmt = NULL;
    int r = prepare(s, strbuf_str(&q.sql), &stmt, err);
    strbuf_free(&q.sql);
    if (r < 0)
        return r;
    for (int i = 0; i < q.n; i++) {
        if (q.texts[i])
            sqlite3_bind_text(stmt, i + 1, q.texts[i], -1, SQLITE_STATIC);
        else
            sqlite3_bind_int64(stmt, i + 1, q.numbers[i]);
    }
    int64_t deadline_us = now_read().boot_us + SEARCH_BUDGET_MS * USEC_PER_MSEC;
    sqlite3_progress_handler(s->reader, SEARCH_OPS_BETWEEN_LOOKS, over_budget, &deadline_us);
    r = each_doc(s, stmt, row, userdata, err);
    sqlite3_progress_handler(s->reader, 0, NULL, NULL);
    if (r < 0 && sqlite3_errcode(s->reader) == SQLITE_INTERRUPT)
        return error_set(err, -ETIME, "the search took longer than %d ms; narrow it with since", SEARCH_BUDGET_MS);
    return r;
}

static int get_text(struct store *s, const char *sql, const char *key, char **ret, struct error *err, const char *what)
{
    sqlite3_stmt *stmt = NULL;
    int r = prepare(s, sql, &stmt, err);
    if (r < 0)
        return r;
    sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
    int rc = sqlite3_step(stmt);
    char *text = NULL;
    if (rc == SQLITE_ROW)
        text = xstrndup((const char *)sqlite3_column_text(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0));
    r = finish(s, stmt, rc, err);
    if (r < 0)
        return r;
    if (!text)
        return error_set(err, -ENOENT, "no %s '%s' in the journal", what, key);
    *ret = text;
    return 0;
}

int store_get(struct store *s, const char *id, char **ret_doc, struct error *err)
{
    return get_text(s, "SELECT doc FROM docs WHERE id = ?1", id, ret_doc, err, "action");
}

int store_get_playbook(struct store *s, const char *hash, char **ret_doc, struct error *err)
{
    return get_text(s, "SELECT doc FROM playbooks WHERE hash = ?1", hash, ret_doc, err, "playbook");
}

int store_get_meta(struct store *s, const char *key, char **ret, struct error *err)
{
    return get_text(s, "SELECT value FROM meta WHERE key = ?1", key, ret, err, "entry");
}

int store_each_open(struct store *s, int (*row)(const char *id, const char *doc, size_t len, void *ud), void *ud,
                    struct error *err)
{
    sqlite3_stmt *stmt = NULL;
    int r = prepare(s, "SELECT r.id, d.doc FROM runs r JOIN docs d ON d.id = r.id WHERE r.open = 1 ORDER BY r.id",
                    &stmt, err);
    return r < 0 ? r : each_doc(s, stmt, row, ud, err);
}

int store_each_remembered(struct store *s, int64_t since_us,
                          int (*row)(const char *id, const char *doc, size_t len, void *ud), void *ud,
                          struct error *err)
{
    sqlite3_stmt *stmt = NULL;
    int r = prepare(s,
                    "SELECT r.id, d.doc FROM runs r JOIN docs d ON d.id = r.id WHERE r.remember_us > 0 AND "
                    "r.remember_us >= ?1 ORDER BY r.remember_us",
                    &stmt, err);
    if (r < 0)
        return r;
    sqlite3_bind_int64(stmt, 1, since_us);
    return each_doc(s, stmt, row, ud, err);
}

int store_each_kept(struct store *s, int (*row)(const char *key, const char *doc, size_t len, void *ud), void *ud,
                    struct error *err)
{
    sqlite3_stmt *stmt = NULL;
    int r = prepare(s, "SELECT key, doc FROM kept ORDER BY key", &stmt, err);
    return r < 0 ? r : each_doc(s, stmt, row, ud, err);
}

int store_each_inbox(struct store *s, int64_t after_seq, size_t limit,
                     int (*row)(int64_t seq, enum inbox_form form, int64_t wall_us, const char *bytes, size_t len,
                                void *ud),
                     void *ud, struct error *err)
{
    sqlite3_stmt *stmt = NULL;
    int r = prepare(s, "SELECT seq, form, wall_us, bytes FROM inbox WHERE seq > ?1 ORDER BY seq LIMIT ?2", &stmt, err);
    if (r < 0)
        return r;
    sqlite3_bind_int64(stmt, 1, after_seq);
    sqlite3_bind_int64(stmt, 2, (int64_t)limit);
    int rc;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *bytes = sqlite3_column_blob(stmt, 3);
        if (row(sqlite3_column_int64(stmt, 0), (enum inbox_form)sqlite3_column_int(stmt, 1),
                sqlite3_column_int64(stmt, 2), bytes ? bytes : "", (size_t)sqlite3_column_bytes(stmt, 3), ud) != 0)
            break;
    }
    return finish(s, stmt, rc, err);
}
