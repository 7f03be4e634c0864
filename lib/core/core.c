/* Events in, effects out. core_handle() sets the time, looks for stalls and clock jumps, hands the event to the run or
 * the episode that it belongs to, lets waiting runs be decided again if something was released, and at the end writes
 * one save for each run that changed. */
#include "core/core.h"

#include "base/alloc.h"
#include "core/internal.h"

#include <stdlib.h>
#include <string.h>

struct core *core_new(const struct registry *registry, const struct settings *settings, uint64_t seed)
{
    struct core *c = xnew0(struct core);
    c->registry = registry;
    c->settings = settings;
    c->next_op = 1;
    c->desk_wake_us = INT64_MAX;
    ulid_seed(&c->ids, seed, seed ^ UINT64_C(0x9e3779b97f4a7c15));
    c->cleared_check = (struct check_step){.check = registry_check(registry, "alert.cleared"), .with = json_object()};
    c->ready_check = (struct check_step){.check = registry_check(registry, "pods.ready"), .with = json_object()};
    c->drained_check = (struct check_step){.check = registry_check(registry, "node.drained"), .with = json_object()};
    return c;
}

struct core *core_free(struct core *c)
{
    if (!c)
        return NULL;
    struct run *run, *next;
    HASH_ITER (hh_id, c->runs, run, next)
        run_free(c, run);
    while (c->ops) /* notices: they are of no run */
        op_free(c, c->ops);
    owners_free(c);
    episodes_free(c);
    pauses_free(c);
    maintenance_free(c);
    breakers_free(c);
    budgets_free(c);
    storms_free(c);
    escalations_free(c);
    schedules_free(c);
    cluster_watch_free(c);
    free(c->heap);
    json_decref(c->cleared_check.with);
    json_decref(c->ready_check.with);
    json_decref(c->drained_check.with);
    free(c);
    return NULL;
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
    escalations_write(c);
    core_write_kept(c);
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
        core_save(c, run);
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
    if (op->kind == OP_NOTIFY) {
        uint64_t delivery = op->delivery;
        op_free(c, op);
        escalation_answer(c, delivery, answer);
        json_decref(answer);
        return;
    }
    if (op->kind == OP_ASK || op->kind == OP_SEND)
        breaker_answer(c, op->question, answer);
    if (op->done) {
        _cleanup_json_ json_t *question = json_incref(op->question);
        ask_done done = op->done;
        void *owner = op->owner;
        op_free(c, op);
        done(c, owner, question, answer);
        return;
    }
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
    if (c->desk_wake_us <= c->now.boot_us) {
        c->desk_wake_us = INT64_MAX; /* each says again when it wants the next */
        pause_tick(c);
        maintenance_tick(c);
        schedule_tick(c);
        cluster_watch_tick(c);
        breaker_tick(c);
        storm_tick(c);
        escalation_tick(c);
    }
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
    storms_resume(c);
    for (size_t i = 0; i < n; i++)
        run_resume(c, list[i]);
    for (size_t i = 0; i < n; i++)
        run_advance(c, list[i]);
    free(list);
    escalations_resume(c);
    core_wake_at(c, c->now.boot_us);
}

/* After a stall, a clock jump or a restart nothing that was read before is believed (semantics.md, "In the middle of a
 * run"). */
static void look_at_clocks(struct core *c, struct now now)
{
    if (c->started) {
        int64_t jump = (now.wall_us - c->now.wall_us) - (now.boot_us - c->now.boot_us);
        bool jumped = jump > STALL_US || jump < -STALL_US;
        bool stalled = c->heap_n > 0 && now.boot_us - c->heap[0]->wake_us > STALL_US;
        c->drift_us += jump;
        if (c->drift_us >= DRIFT_US || c->drift_us <= -DRIFT_US) {
            limits_shift(c, c->drift_us);
            pauses_shift(c, c->drift_us);
            budgets_shift(c, c->drift_us);
            breakers_shift(c, c->drift_us);
            c->drift_us = 0;
        }
        if (jumped)
            c->desk_wake_us = now.boot_us; /* windows, expiries: by the new clock */
        if (jumped || stalled) {
            c->epoch++;
            core_note(c, NULL, NOTE_WARN, REASON_NONE, "%s: looking at the world again before acting",
                      jumped ? "the wall clock was set" : "mendd stood still for more than 10 s");
        }
    }
    if (!c->started)
        core_wake_at(c, now.boot_us); /* windows: whether one is open */
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
    budgets_prune(c);
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
        cluster_watch_settings(c);
        episode_settings(c);
        c->recheck = true; /* what held a run may be gone from the configuration */
        core_wake_at(c, c->now.boot_us);
        break;
    case EVENT_COMMAND:
        command_handle(c, event);
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
    int64_t run_us = c->heap_n > 0 ? c->heap[0]->wake_us : INT64_MAX;
    return run_us < c->desk_wake_us ? run_us : c->desk_wake_us;
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
    int64_t max = 24 * 3600 * MSEC_PER_SEC; /* at least a day, for the windows that a reload may make longer */
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

json_t *core_status_new(const struct core *c, struct now now)
{
    json_t *s = json_object(), *half = json_array();
    (void)now;
    json_object_set_new(s, "paused", pauses_status_new(c));
    json_object_set_new(s, "maintenance", maintenance_status_new(c));
    json_object_set_new(s, "breakers", breakers_status_new(c));
    json_object_set_new(s, "budgets", budgets_status_new(c));
    json_object_set_new(s, "storms", storms_status_new(c));
    json_object_set_new(s, "escalations", escalations_status_new(c));
    json_object_set_new(s, "schedules", schedules_status_new(c));
    json_object_set_new(s, "watched_clusters", watched_clusters_status_new(c));
    json_object_set_new(s, "cluster_sets", cluster_sets_status_new(c));
    for (const struct run *run = c->runs; run; run = run->hh_id.next) {
        if (run->phase != PHASE_HELD)
            continue;
        json_t *entry = json_pack("{s:s, s:O}", "run", run->id, "held", json_object_get(run->record, "held"));
        json_set_text(entry, "playbook", run->playbook->name);
        json_array_append_new(half, entry);
    }
    json_object_set_new(s, "half_way", half);
    return s;
}
