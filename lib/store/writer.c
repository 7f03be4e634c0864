/* The writer thread: takes whatever is queued, commits it as one transaction, hands the batches back through the
 * eventfd.
 *
 * Happy path: submit wakes it; while one sync runs the next batches gather, so that the rows a commit grow with the
 * load. Failure: everything of the transaction is rolled back, it and what is queued behind it goes back with the
 * error, and the store stays broken (what is submitted goes straight back) until store_reopen(). */
#include "base/alloc.h"
#include "base/clock.h"
#include "store/internal.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { GATHER_BATCHES = 10, GATHER_US = 100 };
enum { CHECKPOINT_PAGES = 4000, CHECKPOINT_QUIET_PAGES = 1000 };

int64_t store_monotonic_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * USEC_PER_SEC + ts.tv_nsec / 1000;
}

static int run_statement(struct writer_db *w, enum statement which, struct error *err, const char *what)
{
    int rc = sqlite3_step(w->stmts[which]);
    int r = rc == SQLITE_DONE ? 0 : sqlite_error(w->db, rc, err, what);
    sqlite3_reset(w->stmts[which]);
    return r;
}

static int commit(struct writer_db *w, bool fail, int64_t *ret_us, struct error *err)
{
    if (fail)
        return error_set(err, -EIO, "cannot commit to the journal: injected failure");
    const int64_t started = store_monotonic_us();
    int r = run_statement(w, STMT_COMMIT, err, "cannot commit to the journal");
    *ret_us = store_monotonic_us() - started;
    return r;
}

static bool worth_a_commit(const struct store_batch *b)
{
    for (; b; b = b->next)
        if (b->n || b->prune)
            return true;
    return false;
}

/* One transaction. */
static int write_all(struct store *s, struct store_batch *head, bool fail, uint64_t *ret_rows, int64_t *ret_us,
                     struct error *err)
{
    struct writer_db *w = &s->writer;
    bool vacuum = false;
    if (!w->db)
        return error_set(err, -EIO, "the journal is closed");
    int r = run_statement(w, STMT_BEGIN, err, "cannot begin a transaction");
    if (r >= 0)
        r = apply_batches(w, head, ret_rows, err);
    if (r >= 0)
        r = commit(w, fail, ret_us, err);
    if (r < 0) {
        if (!sqlite3_get_autocommit(w->db))
            run_statement(w, STMT_ROLLBACK, NULL, "cannot roll back");
        return r;
    }
    for (const struct store_batch *b = head; b; b = b->next)
        vacuum = vacuum || b->prune;
    if (vacuum)
        apply_vacuum(w);
    return 0;
}

static void note_commit(struct store *s, uint64_t rows, int64_t took_us)
{
    struct store_stats *st = &s->stats;
    st->commits++;
    st->rows += rows;
    st->last_commit_us = took_us;
    st->sum_commit_us += took_us;
    if (took_us > st->max_commit_us)
        st->max_commit_us = took_us;
    size_t bucket = 0;
    while (bucket < STORE_COMMIT_BUCKETS - 1 && took_us > store_commit_bucket_us[bucket])
        bucket++;
    st->commit_buckets[bucket]++;
}

static void hand_back(struct store *s, struct batch_list *l)
{
    const bool first = !s->finished.head;
    batch_list_append(&s->finished, l);
    if (first && s->finished.head) { /* one wake-up for many */
        const uint64_t one = 1;
        ssize_t n _unused_ = write(s->event_fd, &one, sizeof(one));
    }
}

/* With the lock held. */
static void set_busy(struct store *s, bool busy)
{
    s->busy = busy;
    s->progress_us = store_monotonic_us();
    if (!busy)
        pthread_cond_signal(&s->idle);
}

/* With the lock held; let go during the work. */
static void turn(struct store *s)
{
    struct batch_list work;
    batch_list_init(&work);
    batch_list_append(&work, &s->queue);
    const bool broken = s->broken, wanted = worth_a_commit(work.head);
    const bool fail = !broken && wanted && s->fail_commits > 0;
    s->fail_commits -= fail;
    set_busy(s, true);
    pthread_mutex_unlock(&s->lock);

    _cleanup_error_ struct error err = ERROR_NONE;
    uint64_t rows = 0;
    int64_t took_us = 0;
    int r = 0;
    if (!broken && wanted)
        r = write_all(s, work.head, fail, &rows, &took_us, &err);
    size_t batches = 0;
    for (struct store_batch *b = work.head; b; b = b->next, batches++)
        batch_clear(b);

    pthread_mutex_lock(&s->lock);
    s->last_batches = batches;
    if (r < 0) {
        s->broken = true;
        s->stats.failed_commits++;
        error_move(&s->failure, &err);
        batch_list_append(&work, &s->queue);
    } else if (!broken && wanted) {
        note_commit(s, rows, took_us);
    }
    if (s->broken)
        for (struct store_batch *b = work.head; b; b = b->next)
            b->result = s->failure.code;
    set_busy(s, false);
    hand_back(s, &work);
}

/* The WAL goes back into the database when its answers are out, so that no webhook waits for its own commit and for a
 * checkpoint behind it. In small pieces while little is to do; under load in larger ones, since a flood's rows fill new
 * pages and a storm's are mostly deleted again before they would be copied. With the lock held; let go meanwhile. */
static void checkpoint(struct store *s)
{
    const bool quiet = !s->queue.head && s->last_batches < GATHER_BATCHES;
    if (s->broken || s->writer.wal_pages < (quiet ? CHECKPOINT_QUIET_PAGES : CHECKPOINT_PAGES))
        return;
    set_busy(s, true);
    pthread_mutex_unlock(&s->lock);
    apply_checkpoint(&s->writer);
    pthread_mutex_lock(&s->lock);
    set_busy(s, false);
}

/* Under load a moment's wait makes one commit out of several: fewer syncs and page writes for the same rows. A batch
 * that comes alone never waits. With the lock held; let go meanwhile. */
static void gather(struct store *s)
{
    const struct timespec moment = {.tv_nsec = GATHER_US * 1000};
    if (s->last_batches < GATHER_BATCHES || s->stop)
        return;
    pthread_mutex_unlock(&s->lock);
    clock_nanosleep(CLOCK_MONOTONIC, 0, &moment, NULL);
    pthread_mutex_lock(&s->lock);
}

void *writer_main(void *store)
{
    struct store *s = store;
    pthread_mutex_lock(&s->lock);
    for (;;) {
        while ((!s->queue.head || s->held) && !s->stop)
            pthread_cond_wait(&s->wake, &s->lock);
        if (!s->queue.head)
            break; /* stop, and all is written */
        gather(s);
        if (!s->queue.head || (s->held && !s->stop))
            continue; /* taken back or held meanwhile */
        turn(s);
        checkpoint(s);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}
