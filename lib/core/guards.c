/* Guards, in the order of semantics.md: the first that does not pass decides. They run before the first step and again
 * right before every effect. */
#include "base/alloc.h"
#include "base/text.h"
#include "core/internal.h"

typedef enum guard_answer (*guard_fn)(struct core *c, struct run *run, struct askset *set, struct guard_result *ret);

void guard_result_clear(struct guard_result *r)
{
    free(r->message);
    *r = (struct guard_result){.until_us = INT64_MAX};
}

enum guard_answer guard_final(struct guard_result *ret, enum reason reason, char *message_new)
{
    ret->reason = reason;
    ret->message = message_new;
    return GUARD_FINAL;
}

enum guard_answer guard_hold(struct guard_result *ret, enum reason reason, const char *run, int64_t until_us,
                             char *message_new)
{
    *ret = (struct guard_result){.reason = reason, .message = message_new, .run = run, .until_us = until_us};
    return GUARD_WAIT;
}

/* ---- what an operator or the calendar says ---- */

static enum guard_answer paused(struct core *c, struct run *run, struct askset *set, struct guard_result *ret)
{
    (void)set;
    const struct pause *pause = NULL;
    int64_t until_us = INT64_MAX;
    if (!pause_holds(c, run, &until_us, &pause))
        return GUARD_PASS;
    return guard_hold(ret, REASON_PAUSED, NULL, until_us, pause_words_new(pause));
}

static enum guard_answer maintenance(struct core *c, struct run *run, struct askset *set, struct guard_result *ret)
{
    (void)set;
    const char *window = NULL;
    char text[TIME_TEXT_MAX];
    int64_t until_us = INT64_MAX;
    if (!maintenance_holds(c, run, &until_us, &window))
        return GUARD_PASS;
    bool known = until_us != INT64_MAX;
    if (known)
        time_format_seconds(c->now.wall_us + (until_us - c->now.boot_us), text);
    if (run->playbook->maintenance_only && known)
        return guard_hold(
            ret, REASON_MAINTENANCE, NULL, until_us,
            xasprintf("the playbook runs only inside a maintenance window; the next one, \"%s\", opens %s", window,
                      text));
    if (run->playbook->maintenance_only)
        return guard_hold(ret, REASON_MAINTENANCE, NULL, until_us,
                          xstrdup("the playbook runs only inside a maintenance window; none is to come"));
    return guard_hold(
        ret, REASON_MAINTENANCE, NULL, until_us,
        xasprintf("maintenance window \"%s\" is open%s%s", window, known ? " until " : "", known ? text : ""));
}

/* ---- limits ---- */

static enum guard_answer duplicate(struct core *c, struct run *run, struct askset *set, struct guard_result *ret)
{
    (void)set;
    const struct run *other = limits_lock_blocker(c, run);
    if (!other)
        return GUARD_PASS;
    return guard_hold(ret, REASON_DUPLICATE, other->id, INT64_MAX,
                      xasprintf("run %s works on the same target; decided again when it ends", other->id));
}

static enum guard_answer cooldown(struct core *c, struct run *run, struct askset *set, struct guard_result *ret)
{
    (void)set;
    const char *last = NULL;
    char text[TIME_TEXT_MAX];
    int64_t until = limits_cooldown_until(c, run, &last);
    if (until == 0)
        return GUARD_PASS;
    return guard_hold(ret, REASON_COOLDOWN, last, c->now.boot_us + (until - c->now.wall_us),
                      xasprintf("run %s ended a short while ago on this target; it rests until %s", last,
                                time_format_seconds(until, text)));
}

static enum guard_answer attempts(struct core *c, struct run *run, struct askset *set, struct guard_result *ret)
{
    (void)set;
    char window[TIME_TEXT_MAX];
    size_t n = 0;
    const struct limits *l = &run->playbook->limits;
    const struct rate *rate = limits_exhausted(c, run, l->attempts, l->n_attempts, run->playbook->name);
    if (rate)
        return guard_final(ret, REASON_ATTEMPTS_EXHAUSTED,
                           xasprintf("playbook %s already tried %d times within %s on this target and it fires again",
                                     run->playbook->name, rate->count, duration_format(rate->window_ms, window)));
    const struct rate *across = c->settings->target_attempts;
    while (across && across[n].count > 0)
        n++;
    rate = limits_exhausted(c, run, across, n, NULL);
    if (rate)
        return guard_final(ret, REASON_ATTEMPTS_EXHAUSTED,
                           xasprintf("%d repairs within %s on this target, of all playbooks together (target_attempts)",
                                     rate->count, duration_format(rate->window_ms, window)));
    return GUARD_PASS;
}

static enum guard_answer concurrent(struct core *c, struct run *run, struct askset *set, struct guard_result *ret)
{
    (void)set;
    int active = limits_active(c, run);
    if (run->active) /* it has its place; two that are at work must not wait for each other */
        return GUARD_PASS;
    if (run->playbook->limits.concurrent <= 0 || active < run->playbook->limits.concurrent)
        return GUARD_PASS;
    return guard_hold(ret, REASON_CONCURRENT, NULL, INT64_MAX,
                      xasprintf("%d of %d runs of playbook %s are at work", active, run->playbook->limits.concurrent,
                                run->playbook->name));
}

static enum guard_answer breaker(struct core *c, struct run *run, struct askset *set, struct guard_result *ret)
{
    (void)set;
    const char *name = NULL;
    int64_t until_us = INT64_MAX;
    if (!breaker_holds(c, run, &until_us, &name))
        return GUARD_PASS;
    if (until_us == INT64_MAX && cluster_watch_lost(c, run->target.cluster))
        return guard_hold(
            ret, REASON_BREAKER_OPEN, NULL, until_us,
            xasprintf("cluster %s is away: what works on it waits until it is back", run->target.cluster));
    return guard_hold(ret, REASON_BREAKER_OPEN, NULL, until_us,
                      xasprintf("breaker \"%s\" is open: too much failed a short while ago", name));
}

static enum guard_answer storm(struct core *c, struct run *run, struct askset *set, struct guard_result *ret)
{
    (void)set;
    const char *other = NULL;
    int64_t until_us = INT64_MAX;
    if (!storm_holds(c, run, &until_us, &other))
        return GUARD_PASS;
    return guard_hold(
        ret, REASON_STORM, other, until_us,
        xasprintf("a storm of alerts: single repairs wait%s%s", other ? " for run " : "", other ? other : ""));
}

enum playbook_mode guard_mode(const struct core *c, const struct run *run)
{
    const char *window = NULL;
    enum playbook_mode m = run->playbook->mode;
    if (run->playbook->n_rungs > run->rung && run->playbook->ladder[run->rung].mode < m) /* only ever stricter */
        m = run->playbook->ladder[run->rung].mode;
    if (maintenance_observes(c, run, &window))
        m = MODE_OBSERVE;
    return c->settings->dry_run && m > MODE_PLAN ? MODE_PLAN : m;
}

static enum guard_answer mode(struct core *c, struct run *run, struct askset *set, struct guard_result *ret)
{
    (void)set;
    enum playbook_mode m = guard_mode(c, run);
    if (c->settings->dry_run) {
        ret->plan_only = true;
        return guard_final(ret, REASON_DRY_RUN,
                           xstrdup(run->acted ? "--dry-run: the run was half-way, and nothing more is changed"
                                              : "--dry-run: nothing was changed; the plan says what would be"));
    }
    const char *window = NULL;
    if (m == MODE_OBSERVE && maintenance_observes(c, run, &window))
        return guard_final(ret, REASON_OBSERVE_MODE,
                           xasprintf("maintenance window \"%s\" is open: mendd only observes", window));
    if (m == MODE_OBSERVE)
        return guard_final(ret, REASON_OBSERVE_MODE, xstrdup("the playbook only observes (mode: observe)"));
    if (m == MODE_APPROVE && run->approved)
        return GUARD_PASS;
    ret->plan_only = m != MODE_AUTO;
    if (m == MODE_PLAN)
        return guard_final(ret, REASON_PLAN_MODE,
                           xstrdup("the playbook only plans (mode: plan); the plan says what it would do"));
    if (m == MODE_APPROVE)
        return guard_final(ret, REASON_AWAITING_APPROVAL, xstrdup("the plan waits for a person to approve it"));
    return GUARD_PASS;
}

/* The order of semantics.md; what others own is looked at together with who opted out. */
static const guard_fn guards[] = {paused,   maintenance, guard_protected, guard_opted_out, guard_owned, duplicate,
                                  cooldown, attempts,    concurrent,      breaker,         storm,       budget_guard,
                                  mode};

enum guard_answer guards_run(struct core *c, struct run *run, struct askset *set, struct guard_result *ret)
{
    *ret = (struct guard_result){.until_us = INT64_MAX};
    for (size_t i = 0; i < ARRAY_SIZE(guards); i++) {
        enum guard_answer a = guards[i](c, run, set, ret);
        if (a != GUARD_PASS)
            return a;
    }
    return GUARD_PASS;
}

enum guard_answer guards_undo(struct core *c, struct run *run, struct askset *set, struct guard_result *ret)
{
    *ret = (struct guard_result){.until_us = INT64_MAX};
    enum guard_answer a = guards_undo_waiting(c, run, ret);
    return a == GUARD_PASS ? guard_opted_out(c, run, set, ret) : a;
}

enum guard_answer guards_undo_waiting(struct core *c, struct run *run, struct guard_result *ret)
{
    *ret = (struct guard_result){.until_us = INT64_MAX};
    enum guard_answer a = paused(c, run, NULL, ret);
    if (a == GUARD_PASS)
        a = maintenance(c, run, NULL, ret);
    return a == GUARD_PASS ? duplicate(c, run, NULL, ret) : a; /* waiting for a person it gave up its lock */
}

enum guard_answer guards_waiting(struct core *c, struct run *run, struct guard_result *ret)
{
    static const guard_fn waiting[] = {paused, maintenance, duplicate, cooldown, concurrent, breaker, storm};
    *ret = (struct guard_result){.until_us = INT64_MAX};
    for (size_t i = 0; i < ARRAY_SIZE(waiting); i++) {
        enum guard_answer a = waiting[i](c, run, NULL, ret);
        if (a != GUARD_PASS)
            return a;
    }
    return budget_waits(c, run, ret);
}

/* Another budget than before, or another time: its words are said anew. */
static bool same_budget_holds(const struct core *c, const struct run *run)
{
    int64_t until_us = INT64_MAX;
    if (!budget_holds(c, run, &until_us))
        return false;
    const int64_t was_us = run->held_until_us;
    return until_us > was_us ? until_us - was_us < USEC_PER_SEC : was_us - until_us < USEC_PER_SEC;
}

bool guards_still_held(const struct core *c, const struct run *run)
{
    const char *what = NULL;
    const struct pause *pause = NULL;
    int64_t until_us = INT64_MAX;
    switch (run->held) {
    case REASON_DUPLICATE: /* only the next in line is told who holds it up when that changes */
        return !limits_is_next(c, run) && limits_lock_blocker(c, run);
    case REASON_COOLDOWN:
        return c->now.boot_us < run->held_until_us;
    case REASON_CONCURRENT:
        return limits_active(c, run) >= run->playbook->limits.concurrent;
    case REASON_PAUSED:
        return pause_holds(c, run, &until_us, &pause);
    case REASON_MAINTENANCE:
        return maintenance_holds(c, run, &until_us, &what);
    case REASON_BREAKER_OPEN:
        return breaker_holds(c, run, &until_us, &what);
    case REASON_STORM:
        return storm_holds(c, run, &until_us, &what);
    case REASON_BUDGET:
        return same_budget_holds(c, run);
    default:
        return false;
    }
}
