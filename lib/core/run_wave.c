/* One by one, or wave by wave: what was changed must have come back before the next is touched, and the first that does
 * not come back stops the step.
 *
 * Effects that say `settle_each` (pods.delete, only: all) wait for the target's pods to be Ready. A playbook with
 * `parallel: 3` sends a step's effects in waves of three and waits until the rollout of each workload of the wave is
 * complete; every wave has the step's whole time. After the last eviction of a drain all its pods must have left. What
 * the last wave made of it is the verification's matter. */
#include "base/alloc.h"
#include "base/text.h"
#include "core/internal.h"

#define LOOK_AGAIN_US (2 * USEC_PER_SEC)
#define LOOK_US (10 * USEC_PER_SEC)

void wave_clear(struct run *run)
{
    for (size_t i = 0; i < run->n_wave; i++)
        json_decref(run->wave[i].with);
    free(run->wave);
    run->wave = NULL;
    run->n_wave = 0;
}

static bool is_of_wave(const struct run *run, const json_t *e)
{
    return json_int_or(e, "rung", -1) == (int64_t)run->rung && json_int_or(e, "step", -1) == (int64_t)run->step &&
           str_eq(json_text(e, "status"), "done") && !json_bool_or(e, "came_back", false);
}

bool wave_is_full(const struct run *run)
{
    int n = 0;
    size_t i;
    json_t *e;
    json_array_foreach (run->effects, i, e)
        n += is_of_wave(run, e);
    return run->playbook->parallel > 0 && n >= run->playbook->parallel;
}

/* A look at each workload of the wave; other kinds (a ConfigMap, a Node) have nothing to wait for. */
static void build(struct core *c, struct run *run)
{
    static const char *const kinds[] = {"Deployment", "StatefulSet", "DaemonSet", NULL};
    const struct check *check = registry_check(c->registry, "rollout.complete");
    size_t i;
    json_t *e;
    wave_clear(run);
    run->wave = xcalloc(json_array_size(run->effects) + 1, sizeof(*run->wave));
    json_array_foreach (run->effects, i, e) {
        const json_t *o = json_object_get(e, "object");
        const char *kind = json_text_or(o, "kind", "");
        if (check && is_of_wave(run, e) && str_in(kind, kinds))
            run->wave[run->n_wave++] = (struct check_step){
                .check = check, .with = json_pack("{s:s, s:s}", "kind", kind, "name", json_text_or(o, "name", ""))};
    }
}

static void wave_is_back(struct core *c, struct run *run)
{
    const struct step *step = run_step_now(run);
    size_t i;
    json_t *e;
    json_array_foreach (run->effects, i, e) {
        if (is_of_wave(run, e))
            json_object_set_new(e, "came_back", json_true());
    }
    wave_clear(run);
    run->step_deadline_us = c->now.boot_us + (step->timeout_ms ? step->timeout_ms : STEP_TIMEOUT_MS) * USEC_PER_MSEC;
    run_dirty(c, run);
}

static void look(struct core *c, struct run *run, bool drains)
{
    if (drains) {
        round_open(c, run, &c->drained_check, 1, c->now.boot_us + LOOK_US);
        return;
    }
    if (run->playbook->parallel == 0) {
        round_open(c, run, &c->ready_check, 1, c->now.boot_us + LOOK_US);
        return;
    }
    build(c, run);
    round_open(c, run, run->wave, run->n_wave, c->now.boot_us + LOOK_US);
}

/* The first probe that did not pass, or NULL. */
static const struct probe *not_back(const struct run *run)
{
    for (size_t i = 0; i < run->round.n; i++)
        if (run->round.probes[i].result.verdict != VERDICT_PASS)
            return &run->round.probes[i];
    return NULL;
}

bool phase_come_back(struct core *c, struct run *run)
{
    const bool drains = !step_has_pending(run);
    if (!run->round.active) {
        if (c->now.boot_us < run->verify_next_us) {
            run_wake_at(run, run->verify_next_us);
            return false;
        }
        run->verify_next_us = c->now.boot_us + LOOK_AGAIN_US;
        look(c, run, drains);
    }
    if (!round_done(c, run))
        return false;
    const struct probe *missing = not_back(run);
    _cleanup_free_ char *seen = missing ? xstrdup(missing->result.seen ? missing->result.seen : "") : NULL;
    round_close(c, run);
    if (!seen) {
        if (run->playbook->parallel > 0 && !drains)
            wave_is_back(c, run);
        run->phase = PHASE_SEND;
    } else if (c->now.boot_us >= run->step_deadline_us) {
        wave_clear(run);
        _cleanup_free_ char *why = xasprintf(
            "%s in time: %s", drains ? "the pods did not leave" : "stopped: the one before did not come back", seen);
        step_failed(c, run, REASON_ACTION_FAILED, why);
    }
    return true;
}
