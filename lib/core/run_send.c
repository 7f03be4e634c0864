/* Effects on their way: once.
 *
 * Happy path: guards again, the intention is saved, the effect leaves with the same commit, its answer is kept, the
 * next effect. Failure modes: surely not sent (refused, dns) -> again later, until the step's time is over; refused by
 * the API server -> the step fails with its words; outcome not known (timeout, reset, 5xx, 409) -> GET first: done, or
 * untouched and sent again, or changed by somebody else and left alone. What cannot be recognised is never sent twice
 * unless the step says that it may be. */
#include "base/alloc.h"
#include "base/text.h"
#include "core/cluster_event.h"
#include "core/exec.h"
#include "core/foreign.h"
#include "core/internal.h"

#define NODE_WAIT_US (200 * USEC_PER_MSEC)

static bool is_of_node(const json_t *effect)
{
    return str_eq(json_path_text(effect, "object", "kind", NULL), "Node");
}

static void effect_ended(struct core *c, struct run *run, bool ok, enum reason reason, const char *message)
{
    askset_close(c, run, &run->read);
    if (is_of_node(run->current))
        c->node_changed_us = c->now.boot_us;
    if (!ok) {
        json_set_text(run->current, "status", reason == REASON_INTERRUPTED ? "unknown" : "failed");
        json_set_text(run->current, "error", message);
    }
    record_set_time(run->current, "answered", c->now.wall_us);
    record_request(run, run->current);
    run_dirty(c, run);
    _cleanup_free_ char *what = effect_describe(run->current);
    core_note(c, run, ok ? NOTE_INFO : NOTE_WARN, ok ? REASON_NONE : reason, "%s: %s", what, ok ? "done" : message);
    if (run->rolling)
        rollback_effect_ended(c, run, ok, message);
    else if (ok)
        step_effects_go_on(c, run);
    else
        step_failed(c, run, reason, message);
}

/* Stop: neither another rung nor another try may touch what somebody else is changing. */
static void effect_stopped(struct core *c, struct run *run, enum reason reason, const char *message)
{
    if (run->rolling) {
        effect_ended(c, run, false, reason, message);
        return;
    }
    if (is_of_node(run->current))
        c->node_changed_us = c->now.boot_us;
    json_set_text(run->current, "status", "unknown");
    json_set_text(run->current, "error", message);
    record_request(run, run->current);
    record_step_end(c, run, "failed", message);
    askset_close(c, run, &run->read);
    const struct step *step = run_step_now(run);
    _cleanup_free_ char *why = xasprintf("%s: %s", step->name ? step->name : step->action->name, message);
    run_give_up(c, run, reason, why);
}

/* ---- sending ---- */

static json_t *next_pending(const struct run *run)
{
    size_t i;
    json_t *e;
    json_array_foreach (run->effects, i, e) {
        if (str_eq(json_text(e, "status"), "pending") && json_bool_or(e, "inverse", false) == run->rolling)
            return e;
    }
    return NULL;
}

bool run_step_untouched(const struct run *run)
{
    size_t i;
    json_t *e;
    json_array_foreach (run->effects, i, e) {
        if (json_int_or(e, "rung", -1) == (int64_t)run->rung && json_int_or(e, "step", -1) == (int64_t)run->step &&
            json_int_or(e, "attempts", 0) > 0)
            return false;
    }
    return true;
}

static void send_now(struct core *c, struct run *run)
{
    json_t *e = run->current;
    json_int_t attempts = json_int_or(e, "attempts", 0) + 1;
    json_set_text(e, "status", "intended");
    json_object_set_new(e, "attempts", json_integer(attempts));
    record_set_time(e, "sent", c->now.wall_us);
    if (!run->acted) {
        run->acted = true;
        record_time(c, run, "acted");
    }
    run->acted_wall_us = c->now.wall_us;
    limits_note_attempt(c, run);
    _cleanup_free_ char *plain = effect_describe(e);
    _cleanup_free_ char *what = run->rolling ? xasprintf("put back: %s", plain) : xstrdup(plain);
    record_request(run, e);
    if (attempts == 1)
        record_event(c, run, what);
    if (attempts == 1 && !run->rolling)
        cluster_event_acting(c, run, e);
    core_note(c, run, NOTE_INFO, REASON_NONE, "%s%s", what, attempts > 1 ? " (again)" : "");
    int64_t own_ms = json_int_or(json_object_get(e, effect_is_exec(e) ? "body" : "request"), "timeout_ms", 0);
    int64_t left = run->step_deadline_us - c->now.boot_us;
    int64_t most = (own_ms > 0 ? own_ms : SEND_TIMEOUT_MS) * USEC_PER_MSEC;
    left = left > most ? most : left < USEC_PER_SEC ? USEC_PER_SEC : left;
    if (!run->rolling)
        breaker_begins(c, run);
    budget_spend(c, run, e);
    core_out(c, run, OP_SEND, NULL, json_deep_copy(e), left, false);
    run->phase = PHASE_SENT;
    run_dirty(c, run);
}

/* The book of escalations tells people: what it is asked to tell stands in the same commit as the effect, so it is
 * neither lost nor asked for twice, and a receiver that is down holds up nothing. It changes nothing: no budget is
 * spent, and the run has not acted. */
static void tell_now(struct core *c, struct run *run)
{
    json_t *e = run->current;
    _cleanup_free_ char *what = effect_describe(e);
    json_object_set_new(e, "attempts", json_integer(1));
    record_set_time(e, "sent", c->now.wall_us);
    record_event(c, run, what);
    limits_note_attempt(c, run);
    escalation_note(c, run, e);
    effect_done(e, NULL);
    effect_ended(c, run, true, REASON_NONE, NULL);
}

static void guard_stops(struct core *c, struct run *run, const struct guard_result *g)
{
    bool needs_person = g->plan_only || g->reason == REASON_OBSERVE_MODE;
    if (needs_person && run->fail_message) {
        _cleanup_free_ char *why = xasprintf("%s; the next rung \"%s\" is not for mendd alone: %s", run->fail_message,
                                             run->playbook->ladder[run->rung].name, g->message);
        record_step_end(c, run, "skipped", g->message);
        run_give_up(c, run, run->fail_reason, why);
    } else if (g->reason == REASON_ACTION_FAILED || g->reason == REASON_NO_TARGET) {
        step_failed(c, run, REASON_ACTION_FAILED, g->message);
    } else {
        record_step_end(c, run, "skipped", g->message);
        if (run->acted)
            run_give_up(c, run, g->reason, g->message);
        else
            run_end(c, run, OUTCOME_SKIPPED, g->reason, true, "%s", g->message);
    }
}

/* The answers read for the step's plan serve while they are fresh; later the guards read for themselves. */
static struct askset *guard_answers(struct core *c, struct run *run)
{
    if (run->set.in_flight > 0 || askset_usable(c, &run->set, FRESH_US))
        return &run->set;
    if (run->guards.in_flight == 0 && !askset_usable(c, &run->guards, FRESH_US)) {
        int64_t until = c->now.boot_us + FRESH_US;
        askset_close(c, run, &run->guards);
        askset_open(c, &run->guards, until < run->step_deadline_us ? until : run->step_deadline_us, false);
    }
    return &run->guards;
}

/* Another run whose effect on a node of the same cluster is on its way. */
static const struct run *changes_a_node(const struct core *c, const struct run *run)
{
    const char *cluster = json_text(run->current, "cluster");
    for (const struct run *other = c->runs; other; other = other->hh_id.next)
        if (other != run && other->current && is_of_node(other->current) &&
            str_eq(json_text(other->current, "status"), "intended") &&
            str_eq(json_text(other->current, "cluster"), cluster))
            return other;
    return NULL;
}

/* How many nodes serve was read for the plan, and holds only while no other run changes one: two that looked at the
 * same time would go below the minimum together. True: not now. */
static bool nodes_move(struct core *c, struct run *run)
{
    if (!is_of_node(run->current) || !run_step_untouched(run))
        return false;
    const struct run *other = changes_a_node(c, run);
    if (other && c->now.boot_us >= run->step_deadline_us) {
        _cleanup_free_ char *why = xasprintf("run %s is changing a node: one at a time", other->id);
        step_failed(c, run, REASON_ACTION_FAILED, why);
    } else if (other) {
        run_wake_at(run, c->now.boot_us + NODE_WAIT_US);
    } else if (c->node_changed_us > run->set.started_us) {
        askset_close(c, run, &run->set);
        run->phase = PHASE_STEP;
    } else {
        return false;
    }
    return true;
}

static bool guard_and_send(struct core *c, struct run *run)
{
    struct guard_result g;
    struct askset *set = guard_answers(c, run);
    if (!askset_ready(c, run, set))
        return false;
    enum guard_answer a = guards_run(c, run, set, &g);
    bool again = true;
    if (a == GUARD_PASS && nodes_move(c, run)) {
        again = run->phase != PHASE_SEND;
    } else if (a == GUARD_PASS) {
        if (!run->locked) /* given to a storm's run, or not there after a restart: it is free again */
            limits_lock(c, run);
        if (effect_is_notice(run->current))
            tell_now(c, run);
        else
            send_now(c, run);
    } else if (a == GUARD_FINAL) {
        guard_stops(c, run, &g);
    } else if (a == GUARD_WAIT) {
        run_hold(c, run, &g);
    } else if (c->now.boot_us >= run->step_deadline_us) {
        step_failed(c, run, REASON_ACTION_FAILED, "no time left to look before acting");
    } else {
        askset_send(c, run, set);
        again = set->in_flight == 0;
    }
    guard_result_clear(&g);
    return again;
}

static void again_later(struct core *c, struct run *run, const char *why);

/* What puts things back spends no budget and waits for no limit, but who opted out meanwhile is left alone. */
static bool guard_and_undo(struct core *c, struct run *run)
{
    struct guard_result g;
    if (run->guards.open && run->guards.epoch != c->epoch)
        askset_close(c, run, &run->guards);
    if (!run->guards.open)
        askset_open(c, &run->guards, c->now.boot_us + FRESH_US, false);
    if (!askset_ready(c, run, &run->guards))
        return false;
    if (c->settings->dry_run) { /* begun without it: mendd was started again to keep it from acting */
        rollback_effect_refused(c, run, "--dry-run: nothing is put back");
        return true;
    }
    enum guard_answer a = guards_undo(c, run, &run->guards, &g);
    if (a == GUARD_ASKING) {
        askset_send(c, run, &run->guards);
        return run->guards.in_flight == 0;
    }
    askset_close(c, run, &run->guards);
    if (a != GUARD_WAIT && !run->locked)
        limits_lock(c, run);
    if (a == GUARD_WAIT)
        run_hold(c, run, &g);
    else if (a == GUARD_FINAL && g.reason == REASON_OPTED_OUT)
        rollback_effect_refused(c, run, g.message);
    else if (a == GUARD_FINAL && g.reason == REASON_ACTION_FAILED) /* it could not be looked at: not blindly */
        again_later(c, run, g.message);
    else
        send_now(c, run);
    guard_result_clear(&g);
    return true;
}

bool phase_send(struct core *c, struct run *run)
{
    run->current = next_pending(run);
    if (!run->current) {
        if (run->rolling)
            run->phase = PHASE_ROLLBACK;
        else
            step_effects_go_on(c, run);
        return true;
    }
    if (run->rolling)
        return guard_and_undo(c, run);
    if (run_step_untouched(run) && run->set.epoch != c->epoch) {
        askset_close(c, run, &run->set);
        run->phase = PHASE_STEP;
        return true;
    }
    return guard_and_send(c, run);
}

/* ---- answers ---- */

static void again_later(struct core *c, struct run *run, const char *why)
{
    json_int_t attempts = json_int_or(run->current, "attempts", 1);
    int64_t pause = 200 * USEC_PER_MSEC << (attempts > 6 ? 5 : attempts > 0 ? attempts - 1 : 0);
    json_set_text(run->current, "error", why);
    if (c->now.boot_us + pause > run->step_deadline_us) {
        _cleanup_free_ char *message = xasprintf("no success within the step's time; last: %s", why);
        effect_ended(c, run, false, REASON_ACTION_FAILED, message);
        return;
    }
    askset_close(c, run, &run->read);
    run->backoff_us = c->now.boot_us + pause;
    run->phase = PHASE_BACKOFF;
    record_request(run, run->current);
    run_dirty(c, run);
}

static void look_first(struct core *c, struct run *run)
{
    askset_close(c, run, &run->read);
    int64_t until = c->now.boot_us + 10 * USEC_PER_SEC;
    askset_open(c, &run->read, until, false);
    run->phase = PHASE_READ;
}

static bool may_repeat(const struct run *run)
{
    return foreign_may_repeat(run->current) || (!run->rolling && run_step_now(run)->idempotent);
}

/* The outcome is not known. */
static void unsure(struct core *c, struct run *run, const char *why)
{
    json_set_text(run->current, "error", why);
    if (!str_eq(json_text(run->current, "recognise"), "never")) {
        look_first(c, run);
    } else if (may_repeat(run)) {
        again_later(c, run, why);
    } else {
        _cleanup_free_ char *message =
            xasprintf("%s; whether it took effect cannot be known and it is never sent twice: a person must look", why);
        effect_stopped(c, run, REASON_INTERRUPTED, message);
    }
}

/* What a command printed is kept whatever became of it; whether it did its work, its exit code says. False: the answer
 * holds none and is judged as every other. */
static bool exec_ended(struct core *c, struct run *run, const json_t *answer)
{
    json_t *e = run->current;
    _cleanup_json_ json_t *items = json_array();
    const char *pod = json_path_text(e, "object", "name", NULL);
    json_t *item = exec_evidence_new(pod ? pod : "mendd's host", json_object_get(e, "body"), answer);
    if (item) {
        json_array_append_new(items, item);
        record_evidence(c, run, run_step_now(run)->action->name, items);
    }
    if (answer_status(answer) != 101)
        return false;
    _cleanup_free_ char *words = NULL;
    bool ok = exec_effect_ok(e, answer, &words);
    if (ok) {
        effect_done(e, NULL);
        json_object_del(e, "error");
    }
    effect_ended(c, run, ok, ok ? REASON_NONE : REASON_ACTION_FAILED, words);
    return true;
}

/* Another system than Kubernetes answered, or did not. */
static void foreign_ended(struct core *c, struct run *run, const json_t *answer)
{
    json_t *e = run->current;
    _cleanup_free_ char *words = NULL;
    _cleanup_json_ json_t *items = json_array(), *item = foreign_evidence_new(e, answer);
    enum foreign_end end = foreign_judge(e, answer, &words);
    if (item) {
        json_array_append(items, item);
        record_evidence(c, run, run_step_now(run)->action->name, items);
    }
    if (end == FOREIGN_DONE) {
        effect_done(e, NULL);
        json_object_del(e, "error");
        effect_ended(c, run, true, REASON_NONE, NULL);
    } else if (end == FOREIGN_LATER || (end == FOREIGN_UNSURE && surely_not_sent(answer))) {
        again_later(c, run, words);
    } else if (end == FOREIGN_UNSURE) {
        unsure(c, run, words);
    } else {
        effect_ended(c, run, false, end == FOREIGN_FORBIDDEN ? REASON_FORBIDDEN : REASON_ACTION_FAILED, words);
    }
}

bool phase_sent(struct core *c, struct run *run)
{
    if (!run->answer)
        return false;
    _cleanup_json_ json_t *answer = TAKE_PTR(run->answer);
    _cleanup_error_ struct error err = ERROR_NONE;
    int status = answer_status(answer);
    const char *error = json_text(answer, "error");
    bool leaves = str_eq(json_text(run->current, "recognise"), "uid"); /* a delete, an eviction */
    json_object_set_new(run->current, "code", status ? json_integer(status) : json_null());
    budget_answered(c, run, run->current, surely_refused(run->current, answer));
    if (effect_is_exec(run->current) && exec_ended(c, run, answer))
        return true;
    if (effect_is_foreign(run->current)) {
        foreign_ended(c, run, answer);
        return true;
    }
    if (!error && ((status >= 200 && status < 300) || (status == 404 && leaves))) {
        effect_done(run->current, status < 300 ? answer_body(answer) : NULL);
        json_object_del(run->current, "error");
        effect_ended(c, run, true, REASON_NONE, NULL);
        return true;
    }
    _cleanup_free_ char *what = effect_describe(run->current);
    answer_error(answer, what, &err);
    say_what_apply_lacks(run->current, answer, &err);
    const char *why = error_message(&err);
    if (status == 429 && str_ends(json_text_or(run->current, "path", ""), "/eviction")) {
        _cleanup_free_ char *words =
            xasprintf("%s; the PodDisruptionBudget needs room: more replicas, or another budget", why);
        again_later(c, run, words);
    } else if (surely_not_sent(answer) || status == 429)
        again_later(c, run, why);
    else if (status == 401 || status == 403)
        effect_ended(c, run, false, REASON_FORBIDDEN, why);
    else if (is_managed_by_others(answer))
        effect_ended(c, run, false, REASON_ACTION_FAILED, why);
    else if (error || status >= 500 || status == 408 || status == 409 || status < 200 ||
             guard_refused(run->current, answer))
        unsure(c, run, why);
    else
        effect_ended(c, run, false, REASON_ACTION_FAILED, why);
    return true;
}

static void not_done(struct core *c, struct run *run)
{
    if (json_int_or(run->current, "attempts", 0) >= SEND_ATTEMPTS_MAX) {
        _cleanup_free_ char *message = xasprintf("sent %d times without effect; last: %s", SEND_ATTEMPTS_MAX,
                                                 json_text_or(run->current, "error", "no answer"));
        effect_ended(c, run, false, REASON_ACTION_FAILED, message);
        return;
    }
    _cleanup_free_ char *why = xstrdup(json_text_or(run->current, "error", "no answer"));
    again_later(c, run, why);
}

bool phase_read(struct core *c, struct run *run)
{
    if (!run->read.open)
        look_first(c, run);
    if (!askset_ready(c, run, &run->read))
        return false;
    const json_t *request = json_object_get(run->current, "request"); /* of another system: asked there */
    const char *read = json_text_or(run->current, "read", json_text_or(run->current, "path", ""));
    const json_t *answer = request ? ask_alertmanager(&run->read.asks, (int)json_int_or(request, "peer", 0), read)
                                   : ask_kube(&run->read.asks, json_text_or(run->current, "cluster", ""), read);
    if (!answer) {
        askset_send(c, run, &run->read);
        return run->read.in_flight == 0;
    }
    _cleanup_free_ char *words = NULL;
    enum seen seen = effect_recognise(run->current, answer, &words);
    if (seen == SEEN_DONE) {
        budget_answered(c, run, run->current, false);
        effect_found_done(run->current, answer_ok(answer) ? answer_body(answer) : NULL);
        effect_ended(c, run, true, REASON_NONE, NULL);
    } else if (seen == SEEN_NOT_DONE) {
        not_done(c, run);
    } else if (seen == SEEN_CHANGED) {
        effect_stopped(c, run, REASON_ACTION_FAILED, words);
    } else if (seen == SEEN_GONE) {
        effect_ended(c, run, false, REASON_ACTION_FAILED, words);
    } else if (c->now.boot_us >= run->step_deadline_us) {
        _cleanup_free_ char *message = xasprintf("it is not known whether it took effect: %s", words);
        effect_stopped(c, run, REASON_INTERRUPTED, message);
    } else { /* look again in a moment; nothing is sent meanwhile */
        askset_close(c, run, &run->read);
        run->backoff_us = c->now.boot_us + USEC_PER_SEC;
        run->look_again = true;
        run->phase = PHASE_BACKOFF;
    }
    return true;
}

bool phase_backoff(struct core *c, struct run *run)
{
    if (c->now.boot_us < run->backoff_us) {
        run_wake_at(run, run->backoff_us);
        return false;
    }
    run->backoff_us = 0;
    if (run->look_again) {
        run->look_again = false;
        look_first(c, run);
        return true;
    }
    json_set_text(run->current, "status", "pending");
    run->phase = PHASE_SEND;
    return true;
}
