/* What the journal's files share. Two threads: the loop's (everything in store.h) and the writer (writer.c).
 * Under `lock`: queue, finished, flags, stats. The writing connection and its statements belong to the writer while it
 * is `busy`, else to whoever holds the lock. The reading connection, next_seq and the sources are the loop's alone. */
#pragma once

#include "store/store.h"

#include <pthread.h>
#include <sqlite3.h>

enum op_type { OP_INBOX, OP_INBOX_DONE, OP_RUN, OP_PLAYBOOK, OP_META, OP_KEEP, OP_AMEND };

struct run_op { /* one allocation: the row and the texts that it points to */
    struct store_run row;
    char texts[];
};

struct op {
    enum op_type type;
    union {
        struct {
            int64_t seq, wall_us;
            char *bytes;
            size_t len;
            enum inbox_form form;
            bool lent;
        } inbox;
        struct {
            int64_t from, to; /* inclusive */
        } done;
        struct run_op *run;
        struct {
            char *key, *value; /* playbooks: hash, doc */
        } pair;
    };
};

enum { BATCH_INLINE_OPS = 1 }; /* a webhook with one alert needs no second allocation */

struct store_batch {
    struct op inline_ops[BATCH_INLINE_OPS];
    struct op *ops; /* inline_ops, or its own memory */
    size_t n, cap;
    bool prune;
    int64_t prune_before_us;
    int prune_max_rows;
    store_done_cb done;
    void *userdata;
    int result;
    struct store_batch *next;
};

/* Frees what the operations hold; the batch itself stays for its callback. */
void batch_clear(struct store_batch *b);

struct batch_list {
    struct store_batch *head, **tail;
};
void batch_list_init(struct batch_list *l);
void batch_list_push(struct batch_list *l, struct store_batch *b);
/* Moves all of `from` behind what is in `to`. */
void batch_list_append(struct batch_list *to, struct batch_list *from);

enum statement {
    STMT_BEGIN,
    STMT_COMMIT,
    STMT_ROLLBACK,
    STMT_INBOX,
    STMT_INBOX_DONE,
    STMT_RUN,
    STMT_DOC,
    STMT_PLAYBOOK,
    STMT_META,
    STMT_KEEP,
    STMT_FORGET,
    STMT_AMEND,
    STMT_COUNT
};

struct writer_db {
    sqlite3 *db;
    sqlite3_stmt *stmts[STMT_COUNT];
    int64_t reserved_seq; /* numbers below it may have been used: the table's max() forgets deleted rows */
    int wal_pages;        /* in the WAL and not yet copied into the database, by the last commit */
};

struct store {
    char *folder, *file;
    int lock_fd;
    sd_event_source *source;
    int event_fd;
    sqlite3 *reader;
    int64_t next_seq;

    pthread_t thread;
    bool thread_started;
    pthread_mutex_t lock;
    pthread_cond_t wake; /* for the writer: work, stop */
    pthread_cond_t idle; /* for the loop: the writer is not busy */
    struct batch_list queue, finished;
    size_t pending;
    bool busy, stop, broken, closing;
    int64_t progress_us; /* CLOCK_MONOTONIC: when the piece of work under way, or the wait for it, began */
    size_t last_batches; /* in the transaction before: whether a moment's wait gathers more */
    bool held;           /* test hook: the writer leaves the queue alone */
    int fail_commits;    /* test hook */
    struct error failure;
    struct store_stats stats;
    struct writer_db writer;
};

/* ---- schema.c ---- */

/* sqlite's answer as an errno, with its words behind `what`. */
int sqlite_error(sqlite3 *db, int rc, struct error *err, const char *what);
/* Brings the database from its user_version to `n`, each step in a transaction with its version. -EPROTO if it is
 * newer. */
int schema_migrate(sqlite3 *db, const char *const *steps, int n, struct error *err);
/* Opens, sets the pragmas, migrates, prepares, reserves inbox numbers. */
int writer_db_open(const char *file, struct writer_db *ret, struct error *err);
void writer_db_close(struct writer_db *w);
int reader_open(const char *file, sqlite3 **ret, struct error *err);

enum { SEQ_BLOCK = 1000000 };
int writer_db_reserve(struct writer_db *w, int64_t seq, struct error *err);

/* ---- writer.c ---- */
int64_t store_monotonic_us(void);
void *writer_main(void *store);

/* ---- apply.c ---- */
/* The batches' rows inside the open transaction; counts them. */
int apply_batches(struct writer_db *w, struct store_batch *head, uint64_t *ret_rows, struct error *err);
/* Gives free pages back; outside a transaction. */
void apply_vacuum(struct writer_db *w);
/* Copies the WAL into the database; outside a transaction. */
void apply_checkpoint(struct writer_db *w);
