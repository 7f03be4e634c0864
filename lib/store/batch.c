/* Batches: what is to be written, collected on the loop's thread. No SQL, no JSON: a webhook's row costs one pointer
 * move. */
#include "base/alloc.h"
#include "store/internal.h"

#include <string.h>

struct store_batch *store_batch_new(void)
{
    struct store_batch *b = xnew0(struct store_batch);
    b->ops = b->inline_ops;
    b->cap = BATCH_INLINE_OPS;
    return b;
}

static void op_clear(struct op *op)
{
    switch (op->type) {
    case OP_INBOX:
        if (!op->inbox.lent)
            free(op->inbox.bytes);
        break;
    case OP_RUN:
        free(op->run->row.doc);
        free(op->run);
        break;
    case OP_PLAYBOOK:
    case OP_META:
    case OP_KEEP:
    case OP_AMEND:
        free(op->pair.key);
        free(op->pair.value);
        break;
    case OP_INBOX_DONE:
        break;
    }
}

void batch_clear(struct store_batch *b)
{
    for (size_t i = 0; i < b->n; i++)
        op_clear(&b->ops[i]);
    if (b->ops != b->inline_ops)
        free(b->ops);
    b->ops = b->inline_ops;
    b->cap = BATCH_INLINE_OPS;
    b->n = 0;
}

struct store_batch *store_batch_free(struct store_batch *b)
{
    if (!b)
        return NULL;
    batch_clear(b);
    free(b);
    return NULL;
}

bool store_batch_is_empty(const struct store_batch *b)
{
    return b->n == 0;
}

static struct op *add_op(struct store_batch *b, enum op_type type)
{
    if (b->n == b->cap) {
        const size_t cap = b->cap * 2 < 8 ? 8 : b->cap * 2;
        if (b->ops == b->inline_ops) {
            b->ops = xreallocarray(NULL, cap, sizeof(struct op));
            memcpy(b->ops, b->inline_ops, b->n * sizeof(struct op));
        } else {
            b->ops = xreallocarray(b->ops, cap, sizeof(struct op));
        }
        b->cap = cap;
    }
    struct op *op = &b->ops[b->n++];
    op->type = type;
    return op;
}

int64_t store_batch_inbox(struct store *s, struct store_batch *b, enum inbox_form form, char *bytes, size_t len,
                          int64_t wall_us)
{
    struct op *op = add_op(b, OP_INBOX);
    op->inbox.seq = s->next_seq++;
    op->inbox.form = form;
    op->inbox.bytes = bytes;
    op->inbox.len = len;
    op->inbox.wall_us = wall_us;
    op->inbox.lent = false;
    return op->inbox.seq;
}

int64_t store_batch_inbox_lent(struct store *s, struct store_batch *b, enum inbox_form form, const char *bytes,
                               size_t len, int64_t wall_us)
{
    const int64_t seq = store_batch_inbox(s, b, form, (char *)bytes, len, wall_us);
    b->ops[b->n - 1].inbox.lent = true;
    return seq;
}

void store_batch_inbox_done(struct store_batch *b, int64_t seq)
{
    struct op *last = b->n ? &b->ops[b->n - 1] : NULL;
    if (last && last->type == OP_INBOX_DONE && last->done.to + 1 == seq) {
        last->done.to = seq;
        return;
    }
    struct op *op = add_op(b, OP_INBOX_DONE);
    op->done.from = op->done.to = seq;
}

void store_batch_run(struct store_batch *b, const struct store_run *run)
{
    const char *const from[] = {run->id,       run->state,         run->outcome,    run->reason,
                                run->playbook, run->playbook_hash, run->target,     run->namespace,
                                run->cluster,  run->alertname,     run->fingerprint};
    size_t total = 0;
    for (size_t i = 0; i < ARRAY_SIZE(from); i++)
        total += from[i] ? strlen(from[i]) + 1 : 0;
    struct run_op *op = xmalloc(sizeof(*op) + total);
    op->row = *run;
    const char **const to[] = {&op->row.id,       &op->row.state,         &op->row.outcome,    &op->row.reason,
                               &op->row.playbook, &op->row.playbook_hash, &op->row.target,     &op->row.namespace,
                               &op->row.cluster,  &op->row.alertname,     &op->row.fingerprint};
    char *p = op->texts;
    for (size_t i = 0; i < ARRAY_SIZE(from); i++) {
        if (!from[i])
            continue;
        const size_t len = strlen(from[i]) + 1;
        *to[i] = memcpy(p, from[i], len);
        p += len;
    }
    add_op(b, OP_RUN)->run = op;
}

static void add_pair(struct store_batch *b, enum op_type type, const char *key, const char *value)
{
    struct op *op = add_op(b, type);
    op->pair.key = xstrdup(key);
    op->pair.value = xstrdup(value);
}

void store_batch_playbook(struct store_batch *b, const char *hash, const char *doc)
{
    add_pair(b, OP_PLAYBOOK, hash, doc);
}

void store_batch_meta(struct store_batch *b, const char *key, const char *value)
{
    add_pair(b, OP_META, key, value);
}

void store_batch_keep(struct store_batch *b, const char *key, const char *doc)
{
    add_pair(b, OP_KEEP, key, doc);
}

void store_batch_amend(struct store_batch *b, const char *run, const char *escalations)
{
    add_pair(b, OP_AMEND, run, escalations);
}

void batch_list_init(struct batch_list *l)
{
    l->head = NULL;
    l->tail = &l->head;
}

void batch_list_push(struct batch_list *l, struct store_batch *b)
{
    b->next = NULL;
    *l->tail = b;
    l->tail = &b->next;
}

void batch_list_append(struct batch_list *to, struct batch_list *from)
{
    if (!from->head)
        return;
    *to->tail = from->head;
    to->tail = from->tail;
    batch_list_init(from);
}
