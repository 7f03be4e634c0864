/* One seed from its beginning to its end. */
#include "simulation.h"

#include "base/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* When the history has stopped every run must end within this: the longest wait (expires), all rungs with their
 * verification and settling, rollback; twice, for those that waited for another. */
#define END_WITHIN_US (12 * HOUR_US)

void trace(struct sim *s, const char *fmt, ...)
{
    va_list args;
    char wall[TIME_TEXT_MAX];
    if (!s->verbose)
        return;
    printf("%11.3f %s  ", (double)(s->now.boot_us - s->start_us) / 1e6, time_format(s->now.wall_us, wall) + 11);
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    putchar('\n');
}

void violated(struct sim *s, const char *name, const char *fmt, ...)
{
    va_list args;
    if (s->violated)
        return;
    s->violated = true;
    s->invariant = name;
    va_start(args, fmt);
    s->violation = xvasprintf(fmt, args);
    va_end(args);
    trace(s, "VIOLATED %s: %s", name, s->violation);
}

void sim_after(struct sim *s, int64_t in_us, struct item item)
{
    item.at_us = s->now.boot_us + (in_us > 0 ? in_us : 0);
    schedule_add(&s->schedule, item);
}

void advance_to(struct sim *s, int64_t boot_us)
{
    if (boot_us <= s->now.boot_us)
        return;
    s->now.wall_us += boot_us - s->now.boot_us;
    s->now.boot_us = boot_us;
}

static void on_answer(struct sim *s, const struct item *item)
{
    network_answer(s, item);
}

static void on_flush(struct sim *s, const struct item *item)
{
    (void)item;
    shell_flush(s);
}

static void on_commit(struct sim *s, const struct item *item)
{
    (void)item;
    shell_commit(s);
}

static void on_alive(struct sim *s, const struct item *item)
{
    (void)item;
    if (!s->calm)
        shell_alive(s);
}

static void on_start(struct sim *s, const struct item *item)
{
    (void)item;
    shell_start(s);
}

static void on_evaluate(struct sim *s, const struct item *item)
{
    alert_evaluate(s, (int)item->a);
}

static void on_reconcile(struct sim *s, const struct item *item)
{
    cluster_reconcile(s, (int)item->a);
}

static void on_pod(struct sim *s, const struct item *item)
{
    cluster_pods_changed(s, (int)item->a);
}

static void on_heal(struct sim *s, const struct item *item)
{
    workload_heal(s, (int)item->a);
}

static void on_history(struct sim *s, const struct item *item)
{
    (void)item;
    history_next(s);
}

static void (*const handlers[H_COUNT])(struct sim *s, const struct item *item) = {
    [H_ANSWER] = on_answer,      [H_ARRIVE] = network_arrive,  [H_FLUSH] = on_flush, [H_COMMIT] = on_commit,
    [H_INBOX] = shell_inbox,     [H_ALIVE] = on_alive,         [H_START] = on_start, [H_EVALUATE] = on_evaluate,
    [H_WEBHOOK] = alert_webhook, [H_RECONCILE] = on_reconcile, [H_POD] = on_pod,     [H_HEAL] = on_heal,
    [H_HISTORY] = on_history,
};

/* What the loop of a process that stands still would do waits. */
static bool is_of_process(const struct item *item)
{
    return item->generation != 0 || item->what == H_INBOX || item->what == H_WEBHOOK;
}

static void happen(struct sim *s)
{
    struct item item = schedule_take(&s->schedule);
    const struct process *p = &s->process;
    advance_to(s, item.at_us);
    if (item.generation != 0 && (item.generation != p->generation || !p->up)) {
        json_decref(item.doc);
        return;
    }
    if (is_of_process(&item) && p->up && p->stalled_until_us > s->now.boot_us) {
        item.at_us = p->stalled_until_us;
        schedule_add(&s->schedule, item);
        return;
    }
    handlers[item.what](s, &item);
    json_decref(item.doc);
}

static int64_t next_tick(const struct sim *s)
{
    const struct process *p = &s->process;
    int64_t tick = p->up ? core_next_boot_us(p->core) : INT64_MAX;
    return tick < p->stalled_until_us ? p->stalled_until_us : tick;
}

/* False: nothing more will happen before `until_us`. */
static bool step(struct sim *s, int64_t until_us)
{
    const struct item *head = schedule_head(&s->schedule);
    const int64_t tick = next_tick(s), next = head ? head->at_us : INT64_MAX;
    if (s->crash_again_us != 0 && s->crash_again_us <= tick && s->crash_again_us <= next) {
        advance_to(s, s->crash_again_us);
        s->crash_again_us = 0;
        shell_crash(s, true, 100 * USEC_PER_MSEC, "kill -9 in the thick of it");
        return true;
    }
    if (tick > until_us && next > until_us)
        return false;
    if (next <= tick) {
        happen(s);
        return true;
    }
    advance_to(s, tick);
    const struct event event = {.type = EVENT_TICK};
    shell_feed(s, &event);
    return true;
}

static void run_until(struct sim *s, int64_t until_us)
{
    const uint64_t most = s->events + 400000;
    while (!s->violated && step(s, until_us))
        if (s->events > most)
            violated(s, "runs_end", "mendd does not come to rest: %llu events", (unsigned long long)s->events);
}

static void begin(struct sim *s)
{
    s->rng.state = s->seed * UINT64_C(0x2545f4914f6cdd1d) + 1;
    s->now = (struct now){.boot_us = 1000 * USEC_PER_SEC};
    time_parse("2026-01-05T10:00:00Z", &s->now.wall_us);
    s->start_us = s->now.boot_us;
    s->start_wall_us = s->now.wall_us;
    s->applied = json_object();
    s->sent_times = json_object();
    s->fired = json_object();
    s->label_sets = json_object();
    s->told = json_object();
    s->tickets = json_object();
    s->paused = json_object();
    s->journal.keeps = json_object();
    s->counts->seeds++;
    cluster_draw(s);
    settings_draw(s);
    alerts_draw(s);
    history_draw(s);
    shell_start(s);
}

bool simulate(struct sim *s)
{
    begin(s);
    run_until(s, s->end_us);
    advance_to(s, s->end_us);
    history_stop(s);
    run_until(s, s->end_us + END_WITHIN_US);
    if (!s->violated)
        watch_end(s);
    alerts_resolve_all(s);
    run_until(s, s->now.boot_us + MINUTE_US);
    if (!s->violated)
        watch_resolved(s);
    s->counts->virtual_us += s->now.boot_us - s->start_us;
    return !s->violated;
}

void sim_clear(struct sim *s)
{
    shell_clear(s);
    network_clear(s);
    schedule_clear(&s->schedule);
    alerts_clear(s);
    cluster_clear(s);
    settings_clear(s);
    json_decref(s->applied);
    json_decref(s->sent_times);
    json_decref(s->fired);
    json_decref(s->label_sets);
    json_decref(s->told);
    json_decref(s->tickets);
    json_decref(s->paused);
    free(s->violation);
}
