/* Rungs and their steps: condition, plan, and what follows when a step is done or has failed. */
#include "base/alloc.h"
#include "base/text.h"
#include "core/internal.h"

#include <errno.h>

#define PLAN_AGAIN_US (2 * USEC_PER_SEC)

void run_begin_rung(struct core *c, struct run *run, size_t rung)
{
    run->rung = rung;
    run->step = 0;
    run->began = true;
    run->healthy = false;
    run->backoff_us = run->slot_until_us = 0;
    record_held(c, run, NULL);
    json_object_set_new(run->record, "rung", json_integer((json_int_t)rung));
    run->phase = PHASE_STEP;
    if (rung > 0 && guard_mode(c, run) == MODE_APPROVE && !run->approved && !c->settings->dry_run) {
        run_ask_approval(c, run);
        return;
    }
    run_state_to(c, run, RUN_REMEDIATING, "rung \"%s\" begins", run->playbook->ladder[rung].name);
}

/* Nothing that is not done may be taken up by a later step: what never left is forgotten, what waited for another try
 * is known not to have been done, what waited for another look may have been. */
static void drop_pending(struct run *run)
{
    for (size_t i = json_array_size(run->effects); i-- > 0;) {
        json_t *e = json_array_get(run->effects, i);
        bool pending = str_eq(json_text(e, "status"), "pending");
        if (!pending && !str_eq(json_text(e, "status"), "intended"))
            continue;
        if (pending && json_int_or(e, "attempts", 0) == 0) {
            json_array_remove(run->effects, i);
            continue;
        }
        json_set_text(e, "status", !pending && run->look_again ? "unknown" : "failed");
        record_request(run, e);
    }
    run->look_again = false;
    run->backoff_us = 0;
    run->current = NULL;
}

static void open_plan(struct core *c, struct run *run)
{
    bool first = run->rung == 0 && run->step == 0;
    if (!first || !askset_usable(c, &run->set, REUSE_US)) {
        askset_close(c, run, &run->set);
        askset_open(c, &run->set, run->step_deadline_us, false);
    }
    run->set.deadline_us = run->step_deadline_us;
    run->set.rounds = 0;
    run->plan_now = c->now;
}

static void next_step(struct core *c, struct run *run, const char *status, const char *error)
{
    record_step_end(c, run, status, error);
    round_close(c, run);
    askset_close(c, run, &run->guards);
    run->backoff_us = 0;
    run->step++;
    run->phase = PHASE_STEP;
}

/* Whether the conditions of all its steps have skipped them. */
static bool nothing_applied(const struct run *run)
{
    size_t i, skipped = 0;
    json_t *step;
    json_array_foreach (json_object_get(run->record, "steps"), i, step) {
        if (json_int_or(step, "rung", -1) == (json_int_t)run->rung)
            skipped += str_eq(json_text(step, "status"), "skipped");
    }
    return skipped == run->playbook->ladder[run->rung].n_steps;
}

void rung_passed_over(struct core *c, struct run *run)
{
    _cleanup_free_ char *event = xasprintf("rung \"%s\" is passed over: the conditions of its steps do not hold",
                                           run->playbook->ladder[run->rung].name);
    askset_close(c, run, &run->set);
    record_event(c, run, event);
    core_note(c, run, NOTE_INFO, REASON_NONE, "%s", event);
    run->approved = false;
    if (run->rung + 1 < run->playbook->n_rungs) {
        run_begin_rung(c, run, run->rung + 1);
        return;
    }
    _cleanup_free_ char *why = xstrdup(run->fail_message ? run->fail_message : event);
    run_give_up(c, run, run->fail_message ? run->fail_reason : REASON_ACTION_FAILED, why);
}

bool phase_step(struct core *c, struct run *run)
{
    if (run->step >= run->playbook->ladder[run->rung].n_steps) {
        if (run->rung + 1 < run->playbook->n_rungs && !run->cleared && nothing_applied(run)) {
            rung_passed_over(c, run);
            return true;
        }
        run_begin_verify(c, run);
        return true;
    }
    const struct step *step = run_step_now(run);
    int64_t timeout_ms = step->timeout_ms ? step->timeout_ms : STEP_TIMEOUT_MS;
    run->step_deadline_us = c->now.boot_us + timeout_ms * USEC_PER_MSEC;
    record_step_begin(c, run, NULL);
    run->phase = PHASE_STEP_PLAN;
    if (step->condition) {
        round_open(c, run, step->condition, 1, run->step_deadline_us);
        run->phase = PHASE_CONDITION;
    } else {
        open_plan(c, run);
    }
    return true;
}

bool phase_condition(struct core *c, struct run *run)
{
    const struct step *step = run_step_now(run);
    if (!run->round.active)
        round_open(c, run, step->condition, 1, run->step_deadline_us);
    if (!round_done(c, run))
        return false;
    const struct check_result *r = &run->round.probes[0].result;
    const char *word = step->negate ? "unless" : "if";
    _cleanup_free_ char *seen = xstrdup(r->seen ? r->seen : "");
    enum verdict v = r->verdict;
    round_close(c, run);
    if (v == VERDICT_UNKNOWN) {
        _cleanup_free_ char *why = xasprintf("%s: %s cannot be told: %s", word, step->condition->check->name, seen);
        step_failed(c, run, REASON_ACTION_FAILED, why);
    } else if ((v == VERDICT_PASS) == step->negate) {
        _cleanup_free_ char *note = xasprintf("%s %s: %s", word, step->condition->check->name, seen);
        json_set_text(record_step(run), "note", note);
        next_step(c, run, "skipped", NULL);
    } else {
        open_plan(c, run);
        run->phase = PHASE_STEP_PLAN;
    }
    return true;
}

/* Its effects are done, or its time to wait is over. */
static void step_done(struct core *c, struct run *run)
{
    if (run_step_now(run)->verify)
        run_begin_step_verify(c, run);
    else
        next_step(c, run, "done", NULL);
}

void step_verified(struct core *c, struct run *run)
{
    next_step(c, run, "done", NULL);
}

/* The effects of a plan, frozen: from here on they are what the journal says. */
static void keep_effects(struct run *run, const json_t *effects, const char *cluster)
{
    size_t i;
    json_t *e;
    json_array_foreach ((json_t *)effects, i, e) {
        json_t *kept = json_deep_copy(e);
        json_object_set_new(kept, "rung", json_integer((json_int_t)run->rung));
        json_object_set_new(kept, "step", json_integer((json_int_t)run->step));
        json_set_text(kept, "status", "pending");
        json_object_set_new(kept, "attempts", json_integer(0));
        if (str_empty(json_text(kept, "cluster")))
            json_set_text(kept, "cluster", cluster);
        json_array_append_new(run->effects, kept);
    }
}

static bool take_plan(struct core *c, struct run *run, struct action_plan *plan, const char *cluster)
{
    const struct step *step = run_step_now(run);
    if (plan->note)
        json_set_text(record_step(run), "note", plan->note);
    if (plan->evidence)
        record_evidence(c, run, step->action->name, plan->evidence);
    if (step->action->class == ACTION_WAIT) {
        run->step_wait_us = c->now.boot_us + plan->wait_ms * USEC_PER_MSEC;
        run->phase = PHASE_STEP_WAIT;
    } else {
        drop_pending(run);
        keep_effects(run, plan->effects, cluster);
        run->phase = PHASE_SEND;
    }
    return true;
}

/* Nobody could be asked: no reason to give the rung up before the step's time is over. */
static void plan_later(struct core *c, struct run *run)
{
    askset_close(c, run, &run->set);
    run->backoff_us = c->now.boot_us + PLAN_AGAIN_US;
}

bool phase_step_plan(struct core *c, struct run *run)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_json_ json_t *with = NULL;
    _cleanup_free_ char *cluster = NULL;
    const struct step *step = run_step_now(run);
    if (run->set.open && run->set.epoch != c->epoch) { /* its condition too is looked at again */
        askset_close(c, run, &run->set);
        run->phase = PHASE_STEP;
        return true;
    }
    if (c->now.boot_us < run->backoff_us) {
        run_wake_at(run, run->backoff_us);
        return false;
    }
    if (!run->set.open)
        open_plan(c, run);
    if (!askset_ready(c, run, &run->set))
        return false;
    if (!run_expand(run, step->action->params, step->with, step->cluster, &with, &cluster, &err)) {
        step_failed(c, run, REASON_ACTION_FAILED, error_message(&err));
        return true;
    }
    record_step_begin(c, run, with);
    struct action_plan plan = {0};
    _cleanup_free_ char *key = xasprintf("%s/%zu/%zu", run->id, run->rung, run->step);
    struct action_in in = run_action_in(c, run, with, cluster, key, &run->set.asks);
    in.now = run->plan_now;
    int r = step->action->plan(&in, &plan, &err);
    if (r == -EAGAIN) {
        askset_send(c, run, &run->set);
        return run->set.in_flight == 0;
    }
    if (r == -EIO && c->now.boot_us + PLAN_AGAIN_US < run->step_deadline_us)
        plan_later(c, run);
    else if (r < 0)
        step_failed(c, run, r == -EACCES ? REASON_FORBIDDEN : REASON_ACTION_FAILED, error_message(&err));
    else
        take_plan(c, run, &plan, cluster);
    action_plan_clear(&plan);
    return true;
}

bool phase_step_wait(struct core *c, struct run *run)
{
    if (c->now.boot_us < run->step_wait_us) {
        run_wake_at(run, run->step_wait_us);
        return false;
    }
    step_done(c, run);
    return true;
}

/* ---- after an effect ---- */

bool step_has_pending(const struct run *run)
{
    size_t i;
    json_t *e;
    json_array_foreach (run->effects, i, e) {
        if (str_eq(json_text(e, "status"), "pending"))
            return true;
    }
    return false;
}

bool step_effects_go_on(struct core *c, struct run *run)
{
    bool settle = run->current && json_bool_or(run->current, "settle_each", false);
    bool drains = run->current && json_bool_or(run->current, "drains", false) && c->drained_check.check;
    run->current = NULL;
    if (!step_has_pending(run) && drains) {
        run->verify_next_us = c->now.boot_us;
        run->phase = PHASE_COME_BACK;
    } else if (!step_has_pending(run)) {
        step_done(c, run);
    } else if ((settle && c->ready_check.check) || wave_is_full(run)) {
        run->verify_next_us = c->now.boot_us;
        run->phase = PHASE_COME_BACK;
    } else {
        run->phase = PHASE_SEND;
    }
    return true;
}

/* ---- failures ---- */

void step_failed(struct core *c, struct run *run, enum reason reason, const char *message)
{
    const struct step *step = run_step_now(run);
    _cleanup_free_ char *why = xasprintf("%s: %s", step->name ? step->name : step->action->name, message);
    drop_pending(run);
    round_close(c, run);
    core_note(c, run, NOTE_WARN, reason, "step failed: %s", why);
    const bool of_rung = reason == REASON_ACTION_FAILED || reason == REASON_VERIFY_FAILED;
    if (step->on_error_continue && of_rung) {
        next_step(c, run, "failed", message);
        return;
    }
    record_step_end(c, run, "failed", message);
    if (of_rung)
        rung_failed(c, run, reason, why);
    else
        run_give_up(c, run, reason, why);
}

void run_keep_failure(struct run *run, enum reason reason, const char *message)
{
    run->fail_reason = reason;
    char *copy = xstrdup(message);
    free(run->fail_message);
    run->fail_message = copy;
}

void rung_failed(struct core *c, struct run *run, enum reason reason, const char *message)
{
    const struct playbook *p = run->playbook;
    askset_close(c, run, &run->set);
    askset_close(c, run, &run->guards);
    if (run->cleared || run->rung + 1 >= p->n_rungs) {
        run_give_up(c, run, reason, message);
        return;
    }
    run_keep_failure(run, reason, message);
    run->approved = false; /* each rung has a plan of its own */
    _cleanup_free_ char *event = xasprintf("rung \"%s\" failed: %s", p->ladder[run->rung].name, message);
    record_event(c, run, event);
    core_note(c, run, NOTE_WARN, reason, "%s", event);
    run_begin_rung(c, run, run->rung + 1);
}

void run_give_up(struct core *c, struct run *run, enum reason reason, const char *message)
{
    run_keep_failure(run, reason, message);
    drop_pending(run);
    round_close(c, run);
    askset_close(c, run, &run->set);
    askset_close(c, run, &run->guards);
    askset_close(c, run, &run->read);
    if (run->playbook->rollback && run->acted && !run->cleared && reason != REASON_OPTED_OUT) {
        run_begin_rollback(c, run);
        return;
    }
    _cleanup_free_ char *text = TAKE_PTR(run->fail_message);
    run_end(c, run, OUTCOME_FAILED, run->fail_reason, true, "%s", text);
}
