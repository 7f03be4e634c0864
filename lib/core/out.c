/* What leaves the core: saves, kept documents, questions, effects, notices, words for the log (core.h, struct effects).
 */
#include "base/alloc.h"
#include "base/text.h"
#include "core/internal.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void effects_clear(struct effects *e)
{
    if (!e)
        return;
    for (size_t i = 0; i < e->n_saves; i++)
        json_decref(e->saves[i].doc);
    for (size_t i = 0; i < e->n_outs; i++)
        json_decref(e->outs[i].what);
    for (size_t i = 0; i < e->n_notes; i++) {
        free(e->notes[i].message);
        free(e->notes[i].reason);
        free(e->notes[i].alert);
        free(e->notes[i].playbook);
        free(e->notes[i].target);
    }
    for (size_t i = 0; i < e->n_cluster_events; i++)
        json_decref(e->cluster_events[i].what);
    for (size_t i = 0; i < e->n_keeps; i++) {
        free(e->keeps[i].key);
        json_decref(e->keeps[i].doc);
    }
    for (size_t i = 0; i < e->n_amends; i++)
        json_decref(e->amends[i].escalations);
    for (size_t i = 0; i < e->n_replies; i++) {
        free(e->replies[i].code);
        free(e->replies[i].message);
        json_decref(e->replies[i].body);
    }
    free(e->cluster_events);
    free(e->keeps);
    free(e->amends);
    free(e->replies);
    free(e->saves);
    free(e->inbox_done);
    free(e->outs);
    free(e->notes);
    *e = (struct effects){0};
}

/* Room for one more: arrays double at powers of two. */
static void *grow(void *array, size_t n, size_t size)
{
    return n == 0 ? xreallocarray(NULL, 1, size) : (n & (n - 1)) == 0 ? xreallocarray(array, n * 2, size) : array;
}

void core_inbox_done(struct core *c, int64_t seq)
{
    if (seq == 0)
        return;
    struct effects *e = c->out;
    e->inbox_done = grow(e->inbox_done, e->n_inbox_done, sizeof(*e->inbox_done));
    e->inbox_done[e->n_inbox_done++] = seq;
}

void core_note(struct core *c, const struct run *run, enum note_level level, enum reason reason, const char *fmt, ...)
{
    struct effects *e = c->out;
    va_list args;
    if (!e)
        return;
    e->notes = grow(e->notes, e->n_notes, sizeof(*e->notes));
    struct note *note = &e->notes[e->n_notes++];
    *note = (struct note){.level = level, .reason = xstrdup(reason_name(reason))};
    va_start(args, fmt);
    note->message = xvasprintf(fmt, args);
    va_end(args);
    if (!run)
        return;
    memcpy(note->run, run->id, sizeof(note->run));
    note->alert = xstrdup(record_alertname(run));
    note->playbook = run->playbook ? xstrdup(run->playbook->name) : NULL;
    note->target = run->has_target ? target_describe(&run->target) : NULL;
}

void core_cluster_event(struct core *c, const struct run *run, json_t *what_new)
{
    struct effects *e = c->out;
    e->cluster_events = grow(e->cluster_events, e->n_cluster_events, sizeof(*e->cluster_events));
    struct cluster_event *event = &e->cluster_events[e->n_cluster_events++];
    event->what = what_new;
    memcpy(event->run, run->id, sizeof(event->run));
}

uint64_t core_out(struct core *c, struct run *run, enum op_kind kind, struct askset *set, json_t *what_new,
                  int64_t timeout_us, bool check)
{
    static const enum out_type types[] = {
        [OP_ASK] = OUT_ASK, [OP_SEND] = OUT_SEND, [OP_POST] = OUT_POST, [OP_NOTIFY] = OUT_NOTIFY};
    struct op *op = xnew0(struct op);
    *op = (struct op){.id = c->next_op++, .kind = kind, .run = run, .set = set, .next = run ? run->ops : NULL};
    op->question = kind == OP_ASK || kind == OP_SEND ? json_incref(what_new) : NULL;
    if (op->next)
        op->next->prev = op;
    if (run)
        run->ops = op;
    HASH_ADD(hh, c->ops, id, sizeof(op->id), op);
    struct effects *e = c->out;
    e->outs = grow(e->outs, e->n_outs, sizeof(*e->outs));
    struct out *out = &e->outs[e->n_outs++];
    int64_t ms = timeout_us / USEC_PER_MSEC;
    *out = (struct out){.type = types[kind], .op = op->id, .check = check, .what = what_new};
    out->timeout_ms = ms < 1 ? 1 : ms > INT32_MAX ? INT32_MAX : (int)ms;
    if (run)
        memcpy(out->run, run->id, sizeof(out->run));
    return op->id;
}

static struct op *find_op(struct core *c, uint64_t id)
{
    struct op *op = NULL;
    HASH_FIND(hh, c->ops, &id, sizeof(id), op);
    return op;
}

void core_ask(struct core *c, json_t *question_new, int64_t timeout_us, ask_done done, void *owner)
{
    struct op *op = find_op(c, core_out(c, NULL, OP_ASK, NULL, question_new, timeout_us, false));
    op->done = done;
    op->owner = owner;
}

void core_forget_asks(struct core *c, const void *owner)
{
    struct op *op, *next;
    HASH_ITER (hh, c->ops, op, next)
        if (op->done && op->owner == owner)
            op_free(c, op);
}

void core_notify(struct core *c, uint64_t delivery, json_t *notice_new)
{
    uint64_t id = core_out(c, NULL, OP_NOTIFY, NULL, notice_new, NOTIFY_TIMEOUT_MS * USEC_PER_MSEC, false);
    find_op(c, id)->delivery = delivery;
}

void op_free(struct core *c, struct op *op)
{
    if (op->prev)
        op->prev->next = op->next;
    else if (op->run)
        op->run->ops = op->next;
    if (op->next)
        op->next->prev = op->prev;
    HASH_DELETE(hh, c->ops, op);
    json_decref(op->question);
    free(op);
}

void run_dirty(struct core *c, struct run *run)
{
    if (run->dirty)
        return;
    run->dirty = true;
    run->dirty_next = c->dirty;
    c->dirty = run;
}

void core_save(struct core *c, struct run *run)
{
    struct effects *e = c->out;
    e->saves = grow(e->saves, e->n_saves, sizeof(*e->saves));
    struct save *save = &e->saves[e->n_saves++];
    *save = (struct save){
        .open = run->phase != PHASE_DONE || run->parked, .ended = run->end_unsaved, .playbook = run->playbook};
    run->end_unsaved = false;
    memcpy(save->run, run->id, sizeof(save->run));
    save->doc = json_object();
    json_object_set_new(save->doc, "record", json_deep_copy(run->record));
    json_object_set_new(save->doc, "state", run_state_new(c, run));
}

/* ---- what is kept beside the runs ---- */

static const char *const kept_keys[KEPT_COUNT] = {
    [KEPT_PAUSES] = "pauses",           [KEPT_BREAKERS] = "breakers",
    [KEPT_BUDGETS] = "budgets",         [KEPT_STORMS] = "storms",
    [KEPT_MAINTENANCE] = "maintenance", [KEPT_ESCALATIONS] = "escalations",
    [KEPT_SCHEDULES] = "schedules",     [KEPT_CLOCK] = "clock",
    [KEPT_CLUSTERS] = "clusters",
};
static json_t *(*const kept_docs[KEPT_COUNT])(const struct core *c) = {
    [KEPT_PAUSES] = pauses_doc_new,           [KEPT_BREAKERS] = breakers_doc_new,
    [KEPT_BUDGETS] = budgets_doc_new,         [KEPT_STORMS] = storms_doc_new,
    [KEPT_MAINTENANCE] = maintenance_doc_new, [KEPT_ESCALATIONS] = escalations_doc_new,
    [KEPT_SCHEDULES] = schedules_doc_new,     [KEPT_CLOCK] = limits_clock_doc_new,
    [KEPT_CLUSTERS] = cluster_watch_doc_new,
};

void core_keep_doc(struct core *c, const char *key, json_t *doc_new)
{
    struct effects *e = c->out;
    e->keeps = grow(e->keeps, e->n_keeps, sizeof(*e->keeps));
    e->keeps[e->n_keeps++] = (struct keep){.key = xstrdup(key), .doc = doc_new};
}

void core_keep(struct core *c, enum kept kept)
{
    c->kept_dirty |= 1U << kept;
}

void core_write_kept(struct core *c)
{
    for (int i = 0; c->kept_dirty && i < KEPT_COUNT; i++)
        if (c->kept_dirty & 1U << i)
            core_keep_doc(c, kept_keys[i], kept_docs[i](c));
    c->kept_dirty = 0;
}

int core_restore_kept(struct core *c, const char *key, const json_t *doc, struct error *err)
{
    static int (*const restore[KEPT_COUNT])(struct core * c, const json_t *doc, struct error *err) = {
        [KEPT_PAUSES] = pauses_restore,           [KEPT_BREAKERS] = breakers_restore,
        [KEPT_BUDGETS] = budgets_restore,         [KEPT_STORMS] = storms_restore,
        [KEPT_MAINTENANCE] = maintenance_restore, [KEPT_SCHEDULES] = schedules_restore,
        [KEPT_CLOCK] = limits_clock_restore,      [KEPT_CLUSTERS] = cluster_watch_restore,
    };
    for (int i = 0; i < KEPT_COUNT; i++)
        if (restore[i] && str_eq(kept_keys[i], key))
            return restore[i](c, doc, err);
    return escalations_restore(c, key, doc, err); /* it has documents of several keys */
}

void core_amend(struct core *c, const char *run, json_t *escalations_new)
{
    struct effects *e = c->out;
    e->amends = grow(e->amends, e->n_amends, sizeof(*e->amends));
    struct amend *a = &e->amends[e->n_amends++];
    *a = (struct amend){.escalations = escalations_new};
    strncpy(a->run, run, sizeof(a->run) - 1);
}

void core_reply(struct core *c, uint64_t ticket, int status, const char *code, char *message_new, json_t *body_new)
{
    struct effects *e = c->out;
    e->replies = grow(e->replies, e->n_replies, sizeof(*e->replies));
    e->replies[e->n_replies++] = (struct reply){
        .ticket = ticket, .status = status, .code = xstrdup(code), .message = message_new, .body = body_new};
}

void core_wake_at(struct core *c, int64_t boot_us)
{
    if (boot_us < c->desk_wake_us)
        c->desk_wake_us = boot_us;
}
