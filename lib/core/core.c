/* Events in, effects out. core_handle() sets the time, looks for stalls and clock jumps, hands the event to the run or
 * the episode that it belongs to, lets waiting runs be decided again if something was released, and at the end writes
 * one save for each run that changed. */
#include "core/core.h"

#include "base/alloc.h"
#include "core/internal.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct core *core_new(const struct registry *registry, const struct settings *settings, uint64_t seed)
{
    struct core *c = xnew0(struct core);
    c->registry = registry;
    c->settings = settings;
    c->next_op = 1;
    ulid_seed(&c->ids, seed, seed ^ UINT64_C(0x9e3779b97f4a7c15));
    c->cleared_check = (struct check_step){.check = registry_check(registry, "alert.cleared"), .with = json_object()};
    c->ready_check = (struct check_step){.check = registry_check(registry, "pods.ready"), .with = json_object()};
    return c;
}

struct core *core_free(struct core *c)
{
    if (!c)
        return NULL;
    struct run *run, *next;
    HASH_ITER (hh_id, c->runs, run, next)
        run_free(c, run);
    owners_free(c);
    episodes_free(c);
    free(c->heap);
    json_decref(c->cleared_check.with);
    json_decref(c->ready_check.with);
    free(c);
    return NULL;
}

/* ---- what goes out ---- */

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

uint64_t core_out(struct core *c, struct run *run, enum op_kind kind, struct askset *set, json_t *what_new,
                  int64_t timeout_us, bool check)
{
    static const enum out_type types[] = {[OP_ASK] = OUT_ASK, [OP_SEND] = OUT_SEND, [OP_POST] = OUT_POST};
    struct op *op = xnew0(struct op);
    *op = (struct op){.id = c->next_op++, .kind = kind, .run = run, .set = set, .next = run->ops};
    op->question = kind == OP_ASK ? json_incref(what_new) : NULL;
    if (run->ops)
        run->ops->prev = op;
    run->ops = op;
    HASH_ADD(hh, c->ops, id, sizeof(op->id), op);
    struct effects *e = c->out;
    e->outs = grow(e->outs, e->n_outs, sizeof(*e->outs));
    struct out *out = &e->outs[e->n_outs++];
    int64_t ms = timeout_us / USEC_PER_MSEC;
    *out = (struct out){.type = types[kind], .op = op->id, .check = check, .what = what_new};
    out->timeout_ms = ms < 1 ? 1 : ms > INT32_MAX ? INT32_MAX : (int)ms;
    memcpy(out->run, run->id, sizeof(out->run));
    return op->id;
}

void op_free(struct core *c, struct op *op)
{
    if (op->prev)
        op->prev->next = op->next;
    else
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

static void save_run(struct core *c, struct run *run)
{
    struct effects *e = c->out;
    e->saves = grow(e->saves, e->n_saves, sizeof(*e->saves));
    struct save *save = &e->saves[e->n_saves++];
    *save = (struct save){.open = run->phase != PHASE_DONE || run->parked, .playbook = run->playbook};
    memcpy(save->run, run->id, sizeof(save->run));
    save->doc = json_object();
    json_object_set_new(save->doc, "record", json_deep_copy(run->record));
    json_object_set_new(save->doc, "state", run_state_new(c, run));
}

/* The playbook of a save stays valid until the next call: dead runs are freed then. */
static void bury(struct core *c)
{
    while (c->graves) {
        struct run *run = c->graves;
        c->graves = run->dirty_next;
        run_free(c, run);
    }
}

static void flush(struct core *c)
{
    struct run *list = NULL;
    while (c->dirty) { /* back into the order in which they changed */
        struct run *run = c->dirty;
        c->dirty = run->dirty_next;
        run->dirty_next = list;
        list = run;
    }
    while (list) {
        struct run *run = list;
        list = run->dirty_next;
        run->dirty = false;
        run->dirty_next = NULL;
        save_run(c, run);
        if (run->phase == PHASE_DONE && !run->parked) {
            run->dirty_next = c->graves;
            c->graves = run;
        }
    }
}

/* ---- what comes in ---- */

static void handle_answer(struct core *c, const struct event *event)
{
    struct op *op = NULL;
    json_t *answer = event->answer.answer_new;
    HASH_FIND(hh, c->ops, &event->answer.op, sizeof(event->answer.op), op);
    if (!op) {
        json_decref(answer); /* nobody waits for it any more */
        return;
    }
    struct run *run = op->run;
    struct askset *set = op->set;
    if (op->kind == OP_POST) {
        settle_posted(c, run, op->peer, answer);
        json_decref(answer);
    } else if (op->kind == OP_SEND) {
        json_decref(run->answer);
        run->answer = answer;
    } else {
        asks_answer(&set->asks, op->question, answer);
        set->in_flight--;
    }
    bool ready = !set || set->in_flight == 0;
    op_free(c, op);
    if (ready)
        run_advance(c, run);
}

static void handle_tick(struct core *c)
{
    while (c->heap_n > 0 && c->heap[0]->wake_us <= c->now.boot_us)
        run_advance(c, c->heap[0]);
}

static int by_arrival(const void *a, const void *b)
{
    const struct run *x = *(struct run *const *)a, *y = *(struct run *const *)b;
    return x->arrival < y->arrival ? -1 : x->arrival > y->arrival;
}

static int by_id(const void *a, const void *b)
{
    return strcmp((*(struct run *const *)a)->id, (*(struct run *const *)b)->id);
}

static void handle_resume(struct core *c, int64_t last_alive_wall_us)
{
    size_t n = 0;
    c->last_alive_wall_us = last_alive_wall_us;
    struct run *run, *next, **list = xcalloc(HASH_CNT(hh_id, c->runs) + 1, sizeof(struct run *));
    HASH_ITER (hh_id, c->runs, run, next) {
        if (run->phase != PHASE_DONE)
            list[n++] = run;
    }
    qsort(list, n, sizeof(*list), by_id); /* ids ascend with time: the order of arrival */
    for (size_t i = 0; i < n; i++)
        list[i]->arrival = c->next_arrival++;
    for (size_t i = 0; i < n; i++)
        run_resume(c, list[i]);
    for (size_t i = 0; i < n; i++)
        run_advance(c, list[i]);
    free(list);
}

/* After a stall, a clock jump or a restart nothing that was read before is believed (semantics.md, "In the middle of a
 * run"). */
static void look_at_clocks(struct core *c, struct now now)
{
    if (c->started) {
        int64_t jump = (now.wall_us - c->now.wall_us) - (now.boot_us - c->now.boot_us);
        bool jumped = jump > STALL_US || jump < -STALL_US;
        bool stalled = c->heap_n > 0 && now.boot_us - c->heap[0]->wake_us > STALL_US;
        if (jumped)
            limits_shift(c, jump);
        if (jumped || stalled) {
            c->epoch++;
            core_note(c, NULL, NOTE_WARN, REASON_NONE, "%s: looking at the world again before acting",
                      jumped ? "the wall clock was set" : "mendd stood still for more than 10 s");
        }
    }
    c->started = true;
    c->now = now;
}

/* Something was released: those that wait are decided again, first come, first served. */
static void decide_again(struct core *c)
{
    while (c->recheck) {
        c->recheck = false;
        size_t n = 0, cap = 0;
        struct run **list = NULL;
        for (struct run *run = c->waiting_head; run; run = run->wait_next) {
            if (guards_still_held(c, run))
                continue;
            if (n == cap)
                list = xreallocarray(list, cap = cap ? cap * 2 : 16, sizeof(*list));
            list[n++] = run;
        }
        if (n > 1)
            qsort(list, n, sizeof(*list), by_arrival);
        for (size_t i = 0; i < n; i++) /* the first may have taken what all of them waited for */
            if (!guards_still_held(c, list[i]))
                run_advance(c, list[i]);
        free(list);
    }
}

static void prune(struct core *c)
{
    c->pruned = c->now;
    limits_prune(c);
    episodes_prune(c);
}

void core_handle(struct core *c, const struct event *event, struct now now, struct effects *out)
{
    bury(c);
    *out = (struct effects){0};
    c->out = out;
    look_at_clocks(c, now);
    if (now.boot_us - c->pruned.boot_us > 600 * USEC_PER_SEC)
        prune(c);
    switch (event->type) {
    case EVENT_ALERT:
        episode_alert(c, event);
        break;
    case EVENT_MALFORMED:
        episode_malformed(c, event);
        break;
    case EVENT_ANSWER:
        handle_answer(c, event);
        break;
    case EVENT_TICK:
        break;
    case EVENT_SETTINGS:
        c->settings = event->settings;
        episode_settings(c);
        break;
    case EVENT_RESUME:
        c->epoch++;
        handle_resume(c, event->last_alive_wall_us);
        break;
    }
    handle_tick(c);
    decide_again(c);
    flush(c);
    c->out = NULL;
}

int64_t core_next_boot_us(const struct core *c)
{
    return c->heap_n > 0 ? c->heap[0]->wake_us : INT64_MAX;
}

static int64_t max_window(int64_t max, const struct rate *rates, size_t n)
{
    for (size_t i = 0; i < n; i++)
        max = rates[i].window_ms > max ? rates[i].window_ms : max;
    return max;
}

int64_t core_history_window_ms(const struct core *c)
{
    size_t n = 0;
    int64_t max = 3600 * MSEC_PER_SEC;
    const struct rate *rates = c->settings->target_attempts;
    while (rates && rates[n].count > 0)
        n++;
    max = max_window(max, rates, n);
    const struct playbook_table *t = c->settings->table;
    for (size_t i = 0; t && i < t->n; i++) {
        const struct limits *l = &t->playbooks[i]->limits;
        max = max_window(max, l->attempts, l->n_attempts);
        max = l->cooldown_ms > max ? l->cooldown_ms : max;
    }
    return max;
}

void core_stats(const struct core *c, struct core_stats *ret)
{
    *ret = (struct core_stats){.episodes = HASH_CNT(hh_episode, c->episodes), .ops_in_flight = HASH_COUNT(c->ops)};
    for (const struct run *run = c->runs; run; run = run->hh_id.next)
        ret->runs[run->state]++;
}
