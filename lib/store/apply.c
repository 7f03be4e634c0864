/* Rows into the open transaction: the writer's half of a batch. Any failure fails the transaction. */
#include "base/alloc.h"
#include "base/ulid.h"
#include "store/internal.h"

#include <errno.h>
#include <string.h>

enum { VACUUM_PAGES = 1024 };

/* Deletions wait here while they continue one another: numbers are never used twice, so a deletion may come later than
 * it was asked for within its transaction. */
struct pending_range {
    int64_t from, to;
    bool any;
};

static int step(struct writer_db *w, enum statement which, struct error *err, const char *what)
{
    sqlite3_stmt *stmt = w->stmts[which];
    int rc = sqlite3_step(stmt);
    int r = rc == SQLITE_DONE ? 0 : sqlite_error(w->db, rc, err, what);
    sqlite3_reset(stmt);
    return r;
}

static void bind_text(sqlite3_stmt *stmt, int index, const char *s)
{
    if (s)
        sqlite3_bind_text(stmt, index, s, -1, SQLITE_STATIC);
    else
        sqlite3_bind_null(stmt, index);
}

static int flush_range(struct writer_db *w, struct pending_range *p, struct error *err)
{
    if (!p->any)
        return 0;
    p->any = false;
    sqlite3_bind_int64(w->stmts[STMT_INBOX_DONE], 1, p->from);
    sqlite3_bind_int64(w->stmts[STMT_INBOX_DONE], 2, p->to);
    return step(w, STMT_INBOX_DONE, err, "cannot delete from the inbox");
}

static int apply_inbox(struct writer_db *w, const struct op *op, struct error *err)
{
    int r = writer_db_reserve(w, op->inbox.seq, err);
    if (r < 0)
        return r;
    sqlite3_stmt *stmt = w->stmts[STMT_INBOX];
    sqlite3_bind_int64(stmt, 1, op->inbox.seq);
    sqlite3_bind_int64(stmt, 2, op->inbox.wall_us);
    sqlite3_bind_int(stmt, 3, (int)op->inbox.form);
    sqlite3_bind_blob64(stmt, 4, op->inbox.len ? op->inbox.bytes : "", op->inbox.len, SQLITE_STATIC);
    return step(w, STMT_INBOX, err, "cannot write to the inbox");
}

static int apply_done(struct writer_db *w, struct pending_range *p, const struct op *op, struct error *err)
{
    if (p->any && p->to + 1 == op->done.from) {
        p->to = op->done.to;
        return 0;
    }
    int r = flush_range(w, p, err);
    *p = (struct pending_range){.from = op->done.from, .to = op->done.to, .any = true};
    return r;
}

static int apply_run(struct writer_db *w, const struct store_run *run, struct error *err)
{
    sqlite3_stmt *stmt = w->stmts[STMT_RUN];
    const char *const texts[] = {run->state,  run->outcome,   run->reason,  run->playbook,  run->playbook_hash,
                                 run->target, run->namespace, run->cluster, run->alertname, run->fingerprint};
    bind_text(stmt, 1, run->id);
    sqlite3_bind_int64(stmt, 2, run->created_us);
    sqlite3_bind_int64(stmt, 3, run->finished_us);
    sqlite3_bind_int(stmt, 4, run->open);
    sqlite3_bind_int64(stmt, 5, run->remember_us);
    for (int i = 0; i < (int)ARRAY_SIZE(texts); i++)
        bind_text(stmt, 6 + i, texts[i]);
    int r = step(w, STMT_RUN, err, "cannot write a record");
    if (r < 0)
        return r;
    bind_text(w->stmts[STMT_DOC], 1, run->id);
    bind_text(w->stmts[STMT_DOC], 2, run->doc ? run->doc : "{}");
    return step(w, STMT_DOC, err, "cannot write a record's document");
}

static int apply_pair(struct writer_db *w, enum statement which, const struct op *op, struct error *err)
{
    bind_text(w->stmts[which], 1, op->pair.key);
    bind_text(w->stmts[which], 2, op->pair.value);
    return step(w, which, err, which == STMT_PLAYBOOK ? "cannot keep a playbook" : "cannot write to meta");
}

static int apply_op(struct writer_db *w, struct pending_range *p, const struct op *op, struct error *err)
{
    switch (op->type) {
    case OP_INBOX:
        return apply_inbox(w, op, err);
    case OP_INBOX_DONE:
        return apply_done(w, p, op, err);
    case OP_RUN:
        return apply_run(w, &op->run->row, err);
    case OP_PLAYBOOK:
        return apply_pair(w, STMT_PLAYBOOK, op, err);
    case OP_META:
        return apply_pair(w, STMT_META, op, err);
    case OP_KEEP:
        return apply_pair(w, op->pair.value ? STMT_KEEP : STMT_FORGET, op, err);
    case OP_AMEND:
        return apply_pair(w, STMT_AMEND, op, err);
    }
    return error_set(err, -EINVAL, "unknown operation");
}

static int delete_with(sqlite3 *db, const char *sql, const char *bound, int64_t before_us, int max_rows,
                       struct error *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_bind_text(stmt, 1, bound, -1, SQLITE_STATIC);
        sqlite3_bind_int64(stmt, 2, before_us);
        sqlite3_bind_int(stmt, 3, max_rows);
        rc = sqlite3_step(stmt);
    }
    int r = rc == SQLITE_DONE ? sqlite3_changes(db) : sqlite_error(db, rc, err, "cannot delete old records");
    sqlite3_finalize(stmt);
    return r;
}

#define OLD_RUNS                                                                                                       \
    "(SELECT id FROM runs WHERE id < ?1 AND open = 0 AND finished_us > 0 AND created_us < ?2 ORDER BY id LIMIT ?3)"

/* Ids sort by time, and an id is never older than its `created`, at most a little younger: one day past the limit the
 * search can stop. */
static int apply_prune(struct writer_db *w, struct store_batch *b, struct error *err)
{
    struct ulid_source source = {0};
    char bound[ULID_LEN + 1];
    const int64_t day_us = INT64_C(86400000000);
    ulid_next(&source, b->prune_before_us > INT64_MAX - day_us ? INT64_MAX : b->prune_before_us + day_us, bound);
    if (b->prune_before_us > INT64_C(200000000000000000)) /* beyond what an id can hold: everything */
        strcpy(bound, "~");
    int r =
        delete_with(w->db, "DELETE FROM docs WHERE id IN " OLD_RUNS, bound, b->prune_before_us, b->prune_max_rows, err);
    if (r >= 0)
        r = delete_with(w->db, "DELETE FROM runs WHERE id IN " OLD_RUNS, bound, b->prune_before_us, b->prune_max_rows,
                        err);
    if (r <= 0)
        return r;
    b->result = r;
    if (sqlite3_exec(w->db,
                     "DELETE FROM playbooks WHERE NOT EXISTS (SELECT 1 FROM runs WHERE playbook_hash = playbooks.hash)",
                     NULL, NULL, NULL) != SQLITE_OK)
        return sqlite_error(w->db, SQLITE_ERROR, err, "cannot delete old playbooks");
    return 0;
}

int apply_batches(struct writer_db *w, struct store_batch *head, uint64_t *ret_rows, struct error *err)
{
    struct pending_range range = {0};
    uint64_t rows = 0;
    int r = 0;
    for (struct store_batch *b = head; b && r >= 0; b = b->next) {
        rows += b->n;
        for (size_t i = 0; i < b->n && r >= 0; i++)
            r = apply_op(w, &range, &b->ops[i], err);
        if (r >= 0 && b->prune)
            r = apply_prune(w, b, err);
    }
    if (r >= 0)
        r = flush_range(w, &range, err);
    if (r < 0)
        return r;
    *ret_rows = rows;
    return 0;
}

void apply_vacuum(struct writer_db *w)
{
    char sql[64];
    sqlite3_snprintf(sizeof(sql), sql, "PRAGMA incremental_vacuum(%d)", VACUUM_PAGES);
    sqlite3_exec(w->db, sql, NULL, NULL, NULL); /* a failure costs disk space only; the next prune tries again */
}

void apply_checkpoint(struct writer_db *w)
{
    int pages = 0, copied = 0;
    /* a failure costs nothing but a longer WAL; it is tried again after the next commit */
    if (sqlite3_wal_checkpoint_v2(w->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &pages, &copied) == SQLITE_OK)
        w->wal_pages = pages - copied;
}
