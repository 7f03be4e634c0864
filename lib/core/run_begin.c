/* From the alert to the decision to act: grace, target, guards, waiting. */
#include "base/alloc.h"
#include "base/text.h"
#include "core/internal.h"
#include "core/template.h"

#include <errno.h>

bool phase_delay(struct core *c, struct run *run)
{
    int64_t until = run->received_us + run->playbook->delay_ms * USEC_PER_MSEC;
    if (c->now.boot_us < until) {
        run_wake_at(run, until);
        return false;
    }
    run->expires_us = until + run->playbook->limits.expires_ms * USEC_PER_MSEC;
    run->phase = PHASE_TARGET;
    return true;
}

/* What held the run is gone: repaired by the run before, the alert may have cleared without its webhook being here yet.
 */
bool phase_recheck(struct core *c, struct run *run)
{
    /* Half-way the target is the one that it began with: its pods may have other names by now. */
    const enum phase next = run->began ? PHASE_GUARDS : PHASE_TARGET;
    if (!c->cleared_check.check || c->settings->n_alertmanagers == 0 ||
        alert_name_is_internal(record_alertname(run))) { /* mendd's own: no Alertmanager knows them */
        run->phase = next;
        return true;
    }
    if (!run->round.active)
        round_open(c, run, &c->cleared_check, 1, c->now.boot_us + 5 * USEC_PER_SEC);
    if (!round_done(c, run))
        return false;
    bool gone = run->round.probes[0].result.verdict == VERDICT_PASS;
    round_close(c, run);
    run->phase = next;
    if (gone && run->acted)
        run_give_up(c, run, run->fail_reason, "the alert cleared while the run waited");
    else if (gone)
        run_end(c, run, OUTCOME_SKIPPED, REASON_CLEARED_BEFORE_ACTION, false,
                "the alert cleared while the run waited; nothing was done");
    return true;
}

/* ---- target ---- */

static void no_such_target(struct core *c, struct run *run, int code, const struct error *err)
{
    enum reason reason = code == -E2BIG    ? REASON_AMBIGUOUS_TARGET
                         : code == -EACCES ? REASON_FORBIDDEN
                         : code == -EIO    ? REASON_ACTION_FAILED
                                           : REASON_NO_TARGET;
    run_end(c, run, reason == REASON_ACTION_FAILED ? OUTCOME_FAILED : OUTCOME_SKIPPED, reason, true, "%s",
            error_message(err));
}

/* The API server could not be asked: again with growing pauses, as long as a step may take. */
static bool ask_later(struct core *c, struct run *run, const char *message)
{
    int64_t pause = USEC_PER_SEC << (run->target_tries < 4 ? run->target_tries : 4);
    if (run->target_tries == 0)
        run->step_deadline_us = c->now.boot_us + STEP_TIMEOUT_MS * USEC_PER_MSEC;
    askset_close(c, run, &run->set);
    if (c->now.boot_us + pause > run->step_deadline_us) {
        run_end(c, run, OUTCOME_FAILED, REASON_ACTION_FAILED, true, "the API server cannot be asked: %s", message);
        return true;
    }
    if (run->target_tries++ == 0)
        record_event(c, run, message);
    run->backoff_us = c->now.boot_us + pause;
    run->phase = PHASE_TARGET;
    return true;
}

static int resolve(struct core *c, struct run *run, struct target *ret, struct error *err)
{
    _cleanup_json_ json_t *alert = json_object();
    _cleanup_json_ json_t *id = json_pack("{s:s}", "id", run->id);
    json_set_text(alert, "name", record_alertname(run));
    json_set_text(alert, "fingerprint", run->fingerprint);
    json_set_text(alert, "startsAt", json_text_or(run->alert, "startsAt", ""));
    json_set_text(alert, "status", "firing");
    const struct template_vars v = {.labels = json_object_get(run->alert, "labels"),
                                    .annotations = json_object_get(run->alert, "annotations"),
                                    .vars = run->playbook->vars,
                                    .alert = alert,
                                    .run = id};
    if (!run->playbook->has_target) {
        *ret = (struct target){.cluster = xstrdup(c->settings->default_cluster)};
        return 0;
    }
    return target_resolve(&run->playbook->target, c->settings->default_cluster, &v, run->playbook->limits.pods,
                          &run->set.asks, ret, err);
}

static void keep_target(struct core *c, struct run *run, struct target *found)
{
    target_clear(&run->target);
    run->target = *found;
    run->has_target = run->playbook->has_target;
    json_set_text(run->record, "cluster", run->target.cluster);
    if (run->has_target)
        json_object_set_new(run->record, "target", target_to_json(&run->target));
    limits_set_keys(c, run);
    storm_target(c, run);
    run_dirty(c, run);
}

/* Before the target is looked up its cluster is known: with its API server known to be away there is nobody to ask. */
static bool hold_without_api(struct core *c, struct run *run)
{
    _cleanup_free_ char *cluster = NULL;
    int64_t until_us = INT64_MAX;
    const struct target_spec *spec = &run->playbook->target;
    const struct template_vars v = {.labels = json_object_get(run->alert, "labels"),
                                    .annotations = json_object_get(run->alert, "annotations"),
                                    .vars = run->playbook->vars};
    if (!run->playbook->has_target)
        return false;
    if (!spec->cluster || template_expand(spec->cluster, &v, &cluster, NULL) < 0 || str_empty(cluster))
        str_replace(&cluster, c->settings->default_cluster);
    if (!breaker_api_holds(c, cluster, &until_us))
        return false;
    struct guard_result g;
    guard_hold(&g, REASON_BREAKER_OPEN, NULL, until_us,
               xasprintf("the API server of cluster %s is away: decided again when it is back", cluster));
    str_replace(&run->target.cluster, cluster); /* what waits must say for whom */
    run_hold(c, run, &g);
    guard_result_clear(&g);
    return true;
}

bool phase_target(struct core *c, struct run *run)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    struct target found = {0};
    if (run->set.in_flight == 0 && hold_without_api(c, run))
        return true;
    if (c->now.boot_us < run->backoff_us) {
        run_wake_at(run, run->backoff_us);
        return false;
    }
    if (!askset_usable(c, &run->set, STEP_TIMEOUT_MS * USEC_PER_MSEC)) {
        askset_close(c, run, &run->set);
        askset_open(c, &run->set, c->now.boot_us + SEND_TIMEOUT_MS * USEC_PER_MSEC, false);
    }
    if (!askset_ready(c, run, &run->set))
        return false;
    int r = resolve(c, run, &found, &err);
    if (r == -EAGAIN) {
        askset_send(c, run, &run->set);
        return run->set.in_flight == 0;
    }
    if (r == -EIO)
        return ask_later(c, run, error_message(&err));
    if (r < 0) {
        no_such_target(c, run, r, &err);
        return true;
    }
    run->backoff_us = 0;
    keep_target(c, run, &found);
    run->phase = PHASE_GUARDS;
    return true;
}

/* ---- guards ---- */

static bool stopped_by_guard(struct core *c, struct run *run, const struct guard_result *g)
{
    if (g->reason == REASON_ACTION_FAILED)
        return ask_later(c, run, g->message);
    if (run->began && g->reason != REASON_AWAITING_APPROVAL) { /* approved half-way, but no longer possible */
        run_give_up(c, run, g->reason, g->message);
        return true;
    }
    run->reason = g->reason;
    if (g->plan_only) {
        run->index = 0;
        run->plan_now = c->now;
        run->step_deadline_us = c->now.boot_us + STEP_TIMEOUT_MS * USEC_PER_MSEC;
        run->phase = PHASE_PLAN;
        return true;
    }
    run_end(c, run, OUTCOME_SKIPPED, g->reason, g->reason != REASON_OBSERVE_MODE, "%s", g->message);
    return true;
}

/* An approved plan is built once more, to see whether it is still the one that was approved. */
static void passed(struct core *c, struct run *run)
{
    if (!run->approved && !run->began) {
        run_begin_work(c, run);
        return;
    }
    limits_lock(c, run);
    if (!run->approved) { /* a rung had begun when it had to wait: its evidence is kept already */
        run_begin_rung(c, run, run->rung);
        return;
    }
    run->reason = REASON_AWAITING_APPROVAL;
    run->index = 0;
    run->plan_now = c->now;
    run->step_deadline_us = c->now.boot_us + STEP_TIMEOUT_MS * USEC_PER_MSEC;
    json_object_set_new(run->record, "plan", json_null());
    run->phase = PHASE_PLAN;
}

bool phase_guards(struct core *c, struct run *run)
{
    struct guard_result g;
    if (run->set.open && run->set.epoch != c->epoch) {
        askset_close(c, run, &run->set);
        run->phase = run->began ? PHASE_GUARDS : PHASE_TARGET;
        return true;
    }
    if (!run->set.open)
        askset_open(c, &run->set, c->now.boot_us + SEND_TIMEOUT_MS * USEC_PER_MSEC, false);
    if (!askset_ready(c, run, &run->set))
        return false;
    enum guard_answer a = guards_run(c, run, &run->set, &g);
    bool again = true;
    if (a == GUARD_ASKING) {
        askset_send(c, run, &run->set);
        again = run->set.in_flight == 0;
    } else if (a == GUARD_WAIT) {
        run_hold(c, run, &g);
    } else if (a == GUARD_FINAL) {
        again = stopped_by_guard(c, run, &g);
    } else {
        passed(c, run);
    }
    guard_result_clear(&g);
    return again;
}

static bool expired(struct core *c, struct run *run)
{
    char text[TIME_TEXT_MAX];
    if (c->now.boot_us < run->expires_us) {
        run_wake_at(run, run->expires_us);
        return false;
    }
    _cleanup_free_ char *held = xstrdup(json_path_text(run->record, "held", "reason", NULL));
    duration_format(run->playbook->limits.expires_ms, text);
    _cleanup_free_ char *words = xasprintf("waited %s (%s) and was not allowed to act", text, held ? held : "queued");
    if (run->began)
        run_give_up(c, run, REASON_EXPIRED, words);
    else /* of a storm a person hears once, by the storm's own run */
        run_end(c, run, OUTCOME_SKIPPED, REASON_EXPIRED, run->held != REASON_STORM, "%s", words);
    return true;
}

/* What it waited for is taken at once, so that one release does not send everybody to look at the cluster. */
bool phase_waiting(struct core *c, struct run *run)
{
    struct guard_result g;
    if (run->cleared && run->acted) {
        _cleanup_free_ char *why = xstrdup(run->fail_message);
        run_give_up(c, run, run->fail_reason, why ? why : "the alert cleared while the run waited");
        return true;
    }
    if (expired(c, run))
        return true;
    enum guard_answer a = guards_waiting(c, run, &g);
    if (a == GUARD_PASS) {
        record_held(c, run, NULL);
        record_event(c, run, "what held it is gone: decided again");
        limits_lock(c, run);
        limits_set_active(c, run, true);
        breaker_begins(c, run);
        run->phase = PHASE_RECHECK;
    } else {
        run_hold(c, run, &g);
        run_wake_at(run, g.until_us);
    }
    guard_result_clear(&g);
    return a == GUARD_PASS;
}
