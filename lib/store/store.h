/* The journal: SQLite in WAL mode, synchronous=FULL, one writing connection on a thread of its own, one READONLY
 * connection for the loop. Group commit: whatever batches wait when the writer wakes go into one transaction.
 *
 * Happy path: the loop fills a batch, store_submit() queues it, the writer commits, the batch's callback runs on the
 * loop (through an eventfd source). Batches commit in the order in which they were submitted, each whole or not at all.
 * Failure: a failed commit fails every batch of that transaction and all that were queued behind it (callback with the
 * error); the store is then `broken` and refuses more until store_reopen(). Every callback fires exactly once; on
 * store_close() after what is queued has been committed. One process owns a storage path: flock on <path>/mendd.lock.
 * Schema version in PRAGMA user_version; a newer one is refused. */
#pragma once

#include "base/error.h"
#include "base/json.h"
#include "base/macro.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

struct store;
struct store_batch;

/* Creates the folder (0750) and the database (mendd.db) if missing. -EBUSY: another process owns it; -EPROTO: newer
 * schema. */
int store_open(const char *path, sd_event *event, struct store **ret, struct error *err);
/* After a failed commit: closes and opens the database again. */
int store_reopen(struct store *s, struct error *err);
/* Commits what is queued, runs the callbacks, joins the writer, releases the lock. */
struct store *store_close(struct store *s);
DEFINE_CLEANUP(struct store *, store_close);

/* ---- writing (by the loop's thread only) ---- */

struct store_batch *store_batch_new(void);
struct store_batch *store_batch_free(struct store_batch *b);
DEFINE_CLEANUP(struct store_batch *, store_batch_free);
bool store_batch_is_empty(const struct store_batch *b);

enum inbox_form {
    INBOX_PAYLOAD, /* a whole webhook body that holds one alert, as it came */
    INBOX_ALERT,   /* {"status": payload's status, "alert": one element of `alerts`} */
};
/* Returns the row's number: ascending, never used twice, known before the commit. Takes `bytes`. */
int64_t store_batch_inbox(struct store *s, struct store_batch *b, enum inbox_form form, char *bytes, size_t len,
                          int64_t wall_us);
/* The same; the bytes stay the caller's, who keeps them until the batch's callback. */
int64_t store_batch_inbox_lent(struct store *s, struct store_batch *b, enum inbox_form form, const char *bytes,
                               size_t len, int64_t wall_us);
void store_batch_inbox_done(struct store_batch *b, int64_t seq);

struct store_run { /* the columns that are searched; texts are copied, NULL allowed where said */
    const char *id;
    int64_t created_us, finished_us;      /* 0: not finished */
    const char *state, *outcome, *reason; /* outcome, reason may be NULL */
    const char *playbook, *playbook_hash, *target, *namespace, *cluster, *alertname, *fingerprint; /* may be NULL */
    bool open;           /* the run is not done, or its episode is still open without a run */
    int64_t remember_us; /* finish time if its run sent an effect (limits remember it), else 0 */
    char *doc;           /* the save's JSON; taken */
};
void store_batch_run(struct store_batch *b, const struct store_run *run);
/* Kept once a hash. */
void store_batch_playbook(struct store_batch *b, const char *hash, const char *doc);
/* What the core remembers beside its runs; doc NULL: forgotten. */
void store_batch_keep(struct store_batch *b, const char *key, const char *doc);
/* Replaces the escalations (a JSON array) in the record of a run that is over. */
void store_batch_amend(struct store_batch *b, const char *run, const char *escalations);
void store_batch_meta(struct store_batch *b, const char *key, const char *value);

typedef void (*store_done_cb)(int result, const struct error *err, void *userdata); /* result 0 or negative errno */
/* Takes the batch. `done` (may be NULL) runs on the loop. An empty batch completes with the commit before it. */
void store_submit(struct store *s, struct store_batch *taken, store_done_cb done, void *userdata);
/* Batches submitted and not yet committed. */
size_t store_pending(const struct store *s);

/* ---- reading (loop's thread, committed state only, never blocks on the writer) ---- */

struct store_filter {
    const char *state, *outcome, *reason, *playbook, *target /* substring of "Kind ns/name" */,
        *alertname;             /* NULL: any */
    int64_t since_us, until_us; /* 0: any */
    const char *cursor;         /* an id: rows before it */
    size_t limit;               /* 1..1000 */
};
/* Newest first. Each row's doc is handed out as text; stops when `row` returns non-zero. */
int store_list(struct store *s, const struct store_filter *f,
               int (*row)(const char *id, const char *doc, size_t len, void *ud), void *userdata, struct error *err);
/* -ENOENT. The caller frees. */
int store_get(struct store *s, const char *id, char **ret_doc, struct error *err);
int store_get_playbook(struct store *s, const char *hash, char **ret_doc, struct error *err);
int store_get_meta(struct store *s, const char *key, char **ret, struct error *err); /* -ENOENT */
/* At start: open rows first to last; rows with remember_us at or after `since_us`; inbox rows after `seq`. */
int store_each_open(struct store *s, int (*row)(const char *id, const char *doc, size_t len, void *ud), void *ud,
                    struct error *err);
int store_each_remembered(struct store *s, int64_t since_us,
                          int (*row)(const char *id, const char *doc, size_t len, void *ud), void *ud,
                          struct error *err);
int store_each_kept(struct store *s, int (*row)(const char *key, const char *doc, size_t len, void *ud), void *ud,
                    struct error *err);
int store_each_inbox(struct store *s, int64_t after_seq, size_t limit,
                     int (*row)(int64_t seq, enum inbox_form form, int64_t wall_us, const char *bytes, size_t len,
                                void *ud),
                     void *ud, struct error *err);

/* ---- upkeep ---- */

/* Deletes finished, not open rows created before `before_us`, at most `max_rows` (small pieces), playbooks that no row
 * names, and gives free pages back (incremental vacuum). done gets the number of rows deleted as its result. */
void store_prune(struct store *s, int64_t before_us, int max_rows, store_done_cb done, void *userdata);

enum { STORE_COMMIT_BUCKETS = 9 };
extern const int64_t store_commit_bucket_us[STORE_COMMIT_BUCKETS - 1]; /* upper bounds, inclusive */

struct store_stats {
    uint64_t commits, rows, failed_commits;
    int64_t last_commit_us, max_commit_us, sum_commit_us; /* how long the sync took */
    uint64_t commit_buckets[STORE_COMMIT_BUCKETS];        /* commits by how long they took; the last: longer than all */
    int64_t stalled_us; /* how long the writer has been at one piece of work, or work has waited for it; 0: it rests */
    int64_t db_bytes;
};
void store_stats(const struct store *s, struct store_stats *ret);
/* stats.stalled_us alone: a writer that hangs in a sync, or that died, shows here. */
int64_t store_stalled_us(const struct store *s);
