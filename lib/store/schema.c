/* The database itself: pragmas, tables, versions, statements.
 *
 * runs holds only what is searched and stays narrow, so that a search reads few pages; the documents, which may be
 * large, lie in a table of their own. Rule for changes: append a step to `steps`, never edit one that was released. */
#include "base/alloc.h"
#include "store/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum { BUSY_TIMEOUT_MS = 5000 };

static const char *const steps[] = {
    /* 1 */
    "CREATE TABLE inbox (seq INTEGER PRIMARY KEY, wall_us INTEGER NOT NULL, form INTEGER NOT NULL, bytes BLOB NOT "
    "NULL);"
    "CREATE TABLE runs (id TEXT PRIMARY KEY, created_us INTEGER NOT NULL, finished_us INTEGER NOT NULL, open INTEGER "
    "NOT "
    "NULL, remember_us INTEGER NOT NULL, state TEXT NOT NULL, outcome TEXT, reason TEXT, playbook TEXT, playbook_hash "
    "TEXT, target TEXT, namespace TEXT, cluster TEXT, alertname TEXT, fingerprint TEXT) WITHOUT ROWID;"
    "CREATE TABLE docs (id TEXT PRIMARY KEY, doc TEXT NOT NULL);"
    "CREATE TABLE playbooks (hash TEXT PRIMARY KEY, doc TEXT NOT NULL);"
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX runs_open ON runs (id) WHERE open = 1;"
    "CREATE INDEX runs_remember ON runs (remember_us) WHERE remember_us > 0;"
    "CREATE INDEX runs_playbook ON runs (playbook, id) WHERE playbook IS NOT NULL;",
    /* 2: what the core remembers beside its runs */
    "CREATE TABLE kept (key TEXT PRIMARY KEY, doc TEXT NOT NULL) WITHOUT ROWID;",
};

static const char *const statements[STMT_COUNT] = {
    [STMT_BEGIN] = "BEGIN IMMEDIATE",
    [STMT_COMMIT] = "COMMIT",
    [STMT_ROLLBACK] = "ROLLBACK",
    [STMT_INBOX] = "INSERT INTO inbox (seq, wall_us, form, bytes) VALUES (?1, ?2, ?3, ?4)",
    [STMT_INBOX_DONE] = "DELETE FROM inbox WHERE seq BETWEEN ?1 AND ?2",
    [STMT_RUN] =
        "INSERT INTO runs (id, created_us, finished_us, open, remember_us, state, outcome, reason, playbook, "
        "playbook_hash, target, namespace, cluster, alertname, fingerprint) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, "
        "?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15) ON CONFLICT (id) DO UPDATE SET created_us = ?2, finished_us = ?3, "
        "open = ?4, remember_us = ?5, state = ?6, outcome = ?7, reason = ?8, playbook = ?9, playbook_hash = ?10, "
        "target = ?11, namespace = ?12, cluster = ?13, alertname = ?14, fingerprint = ?15",
    [STMT_DOC] = "INSERT INTO docs (id, doc) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET doc = ?2",
    [STMT_PLAYBOOK] = "INSERT INTO playbooks (hash, doc) VALUES (?1, ?2) ON CONFLICT (hash) DO NOTHING",
    [STMT_META] = "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2",
    [STMT_KEEP] = "INSERT INTO kept (key, doc) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET doc = ?2",
    [STMT_FORGET] = "DELETE FROM kept WHERE key = ?1 AND ?2 IS NULL",
    [STMT_AMEND] = "UPDATE docs SET doc = json_set(doc, '$.record.escalations', json(?2)) WHERE id = ?1",
};

static int errno_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return -EBADMSG;
    case SQLITE_READONLY:
        return -EROFS;
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        return -EACCES;
    default:
        return -EIO;
    }
}

int sqlite_error(sqlite3 *db, int rc, struct error *err, const char *what)
{
    const char *words = db ? sqlite3_errmsg(db) : sqlite3_errstr(rc);
    const int system = db ? sqlite3_system_errno(db) : 0;
    if (system && errno_of(rc) != -EBADMSG)
        return error_set(err, errno_of(rc), "%s: %s (%s)", what, words, strerror(system));
    return error_set(err, errno_of(rc), "%s: %s", what, words);
}

static int run_sql(sqlite3 *db, const char *sql, struct error *err, const char *what)
{
    int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : sqlite_error(db, rc, err, what);
}

static int query_int(sqlite3 *db, const char *sql, int64_t *ret, struct error *err, const char *what)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        *ret = sqlite3_column_int64(stmt, 0);
        rc = SQLITE_OK;
    }
    if (rc == SQLITE_DONE)
        rc = SQLITE_OK; /* no row: *ret keeps its default */
    int r = rc == SQLITE_OK ? 0 : sqlite_error(db, rc, err, what);
    sqlite3_finalize(stmt);
    return r;
}

int schema_migrate(sqlite3 *db, const char *const *list, int n, struct error *err)
{
    int64_t version = 0;
    int r = query_int(db, "PRAGMA user_version", &version, err, "cannot read the journal's version");
    if (r < 0)
        return r;
    if (version > n)
        return error_set(err, -EPROTO,
                         "the journal has schema version %" PRId64
                         ", this mendd knows versions up to %d: run the newer mendd, or another --storage.path",
                         version, n);
    for (int i = (int)version; i < n; i++) {
        _cleanup_free_ char *sql = xasprintf("BEGIN IMMEDIATE; %s; PRAGMA user_version = %d; COMMIT", list[i], i + 1);
        r = run_sql(db, sql, err, "cannot bring the journal to this version");
        if (r < 0) {
            sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
            return r;
        }
    }
    return 0;
}

int writer_db_reserve(struct writer_db *w, int64_t seq, struct error *err)
{
    if (seq < w->reserved_seq)
        return 0;
    char text[32];
    snprintf(text, sizeof(text), "%" PRId64, seq + SEQ_BLOCK);
    sqlite3_stmt *stmt = w->stmts[STMT_META];
    sqlite3_bind_text(stmt, 1, "store.inbox_seq", -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 2, text, -1, SQLITE_STATIC);
    int rc = sqlite3_step(stmt);
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    if (rc != SQLITE_DONE)
        return sqlite_error(w->db, rc, err, "cannot reserve inbox numbers");
    w->reserved_seq = seq + SEQ_BLOCK;
    return 0;
}

static int prepare_all(struct writer_db *w, struct error *err)
{
    for (int i = 0; i < STMT_COUNT; i++) {
        int rc = sqlite3_prepare_v3(w->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT, &w->stmts[i], NULL);
        if (rc != SQLITE_OK)
            return sqlite_error(w->db, rc, err, "cannot prepare a statement");
    }
    return 0;
}

static int open_writer(const char *file, struct writer_db *w, struct error *err)
{
    int rc = sqlite3_open_v2(file, &w->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK)
        return sqlite_error(w->db, rc, err, "cannot open the journal");
    sqlite3_extended_result_codes(w->db, 1);
    sqlite3_busy_timeout(w->db, BUSY_TIMEOUT_MS);
    /* auto_vacuum counts only before the first page is written. The writer does the checkpoints itself (writer.c). */
    int r = run_sql(w->db,
                    "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                    "PRAGMA foreign_keys = OFF; PRAGMA journal_size_limit = 33554432;"
                    "PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY",
                    err, "cannot set up the journal");
    if (r < 0 || (r = schema_migrate(w->db, steps, ARRAY_SIZE(steps), err)) < 0 || (r = prepare_all(w, err)) < 0)
        return r;
    int64_t used = 0, reserved = 0;
    r = query_int(w->db, "SELECT coalesce(max(seq), 0) + 1 FROM inbox", &used, err, "cannot read the inbox");
    if (r == 0)
        r = query_int(w->db, "SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'store.inbox_seq'", &reserved, err,
                      "cannot read the inbox's numbers");
    if (r < 0)
        return r;
    w->reserved_seq = used > reserved ? used : reserved;
    return 0;
}

static int note_wal(void *writer_db, sqlite3 *db _unused_, const char *name _unused_, int pages)
{
    struct writer_db *w = writer_db;
    w->wal_pages = pages;
    return SQLITE_OK;
}

int writer_db_open(const char *file, struct writer_db *ret, struct error *err)
{
    struct writer_db w = {0};
    int r = open_writer(file, &w, err);
    if (r < 0) {
        error_prefix(err, "%s", file);
        writer_db_close(&w);
        return r;
    }
    *ret = w;
    sqlite3_wal_hook(ret->db, note_wal, ret); /* instead of sqlite's own checkpoints */
    return 0;
}

void writer_db_close(struct writer_db *w)
{
    for (int i = 0; i < STMT_COUNT; i++)
        sqlite3_finalize(w->stmts[i]);
    sqlite3_close(w->db);
    *w = (struct writer_db){0};
}

int reader_open(const char *file, sqlite3 **ret, struct error *err)
{
    sqlite3 *db = NULL;
    int rc = sqlite3_open_v2(file, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
    int r = rc == SQLITE_OK ? 0 : sqlite_error(db, rc, err, "cannot open the journal for reading");
    if (r == 0) {
        sqlite3_extended_result_codes(db, 1);
        sqlite3_busy_timeout(db, 100); /* WAL readers wait for nobody but a recovery */
        r = run_sql(db, "PRAGMA query_only = ON; PRAGMA cache_size = -512; PRAGMA trusted_schema = OFF", err,
                    "cannot set up the reading connection");
    }
    if (r < 0) {
        error_prefix(err, "%s", file);
        sqlite3_close(db);
        return r;
    }
    *ret = db;
    return 0;
}
