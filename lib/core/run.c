/* A run's life: made, advanced by one handler a phase, ended with an outcome and a reason. */
#include "base/alloc.h"
#include "base/text.h"
#include "core/cluster_event.h"
#include "core/embed.h"
#include "core/host_command.h"
#include "core/internal.h"
#include "core/params.h"
#include "core/template.h"

#include <stdarg.h>
#include <string.h>

#define HEARTBEAT_US (5 * USEC_PER_SEC)

struct run *run_new(struct core *c, const json_t *alert, bool firing)
{
    struct run *run = xnew0(struct run);
    ulid_next(&c->ids, c->now.wall_us, run->id);
    run->arrival = c->next_arrival++;
    run->record = record_new(c, run->id, alert);
    run->alert = json_object_get(run->record, "alert");
    run->effects = json_array();
    run->wake_us = INT64_MAX;
    run->cleared = !firing;
    strncpy(run->fingerprint, json_text_or(alert, "fingerprint", ""), sizeof(run->fingerprint) - 1);
    HASH_ADD(hh_id, c->runs, id, ULID_LEN, run);
    run_dirty(c, run);
    return run;
}

static void unlist_waiting(struct core *c, struct run *run)
{
    if (!run->waiting_listed)
        return;
    *(run->wait_prev ? &run->wait_prev->wait_next : &c->waiting_head) = run->wait_next;
    *(run->wait_next ? &run->wait_next->wait_prev : &c->waiting_tail) = run->wait_prev;
    run->wait_prev = run->wait_next = NULL;
    run->waiting_listed = false;
}

static void list_waiting(struct core *c, struct run *run)
{
    if (run->waiting_listed)
        return;
    run->wait_prev = c->waiting_tail;
    *(c->waiting_tail ? &c->waiting_tail->wait_next : &c->waiting_head) = run;
    c->waiting_tail = run;
    run->waiting_listed = true;
}

/* Everything that is only needed while the run goes on. */
void run_free_lookups(struct core *c, struct run *run)
{
    round_close(c, run);
    askset_close(c, run, &run->set);
    askset_close(c, run, &run->guards);
    askset_close(c, run, &run->read);
    while (run->ops)
        op_free(c, run->ops);
    json_decref(run->answer);
    run->answer = NULL;
    unlist_waiting(c, run);
    run->wake_us = INT64_MAX;
    heap_remove(c, run);
}

struct run *run_free(struct core *c, struct run *run)
{
    if (!run)
        return NULL;
    run_free_lookups(c, run);
    limits_release(c, run);
    episode_close(c, run);
    HASH_DELETE(hh_id, c->runs, run);
    for (size_t i = 0; i < run->n_keys; i++)
        free(run->keys[i]);
    free(run->keys);
    target_clear(&run->target);
    wave_clear(run);
    json_decref(run->effects);
    json_decref(run->ending);
    json_decref(run->record);
    playbook_unref(run->playbook);
    free(run->peers);
    free(run->fail_message);
    free(run);
    return NULL;
}

/* ---- advancing ---- */

static bool phase_done(struct core *c, struct run *run)
{
    (void)c;
    (void)run;
    return false;
}

static bool (*const handlers[PHASE_COUNT])(struct core *c, struct run *run) = {
    [PHASE_DELAY] = phase_delay,         [PHASE_RECHECK] = phase_recheck,     [PHASE_TARGET] = phase_target,
    [PHASE_GUARDS] = phase_guards,       [PHASE_WAITING] = phase_waiting,     [PHASE_PLAN] = phase_plan,
    [PHASE_APPROVAL] = phase_approval,   [PHASE_DIAGNOSE] = phase_diagnose,   [PHASE_PRECHECK] = phase_precheck,
    [PHASE_STEP] = phase_step,           [PHASE_CONDITION] = phase_condition, [PHASE_STEP_PLAN] = phase_step_plan,
    [PHASE_SEND] = phase_send,           [PHASE_SENT] = phase_sent,           [PHASE_READ] = phase_read,
    [PHASE_BACKOFF] = phase_backoff,     [PHASE_HELD] = phase_held,           [PHASE_COME_BACK] = phase_come_back,
    [PHASE_STEP_WAIT] = phase_step_wait, [PHASE_STEP_VERIFY] = phase_verify,  [PHASE_VERIFY] = phase_verify,
    [PHASE_SETTLE] = phase_settle,       [PHASE_ROLLBACK] = phase_rollback,   [PHASE_UNDO_READ] = phase_undo_read,
    [PHASE_DONE] = phase_done,
};

void run_wake_at(struct run *run, int64_t boot_us)
{
    if (boot_us < run->wake_us)
        run->wake_us = boot_us;
}

/* The alert cleared before anything was done: there is nothing to do any more. */
static bool cleared_before_action(struct core *c, struct run *run)
{
    if (!run->cleared || run->acted || run->state == RUN_SETTLING || run->phase == PHASE_DONE)
        return false;
    run_end(c, run, OUTCOME_SKIPPED, REASON_CLEARED_BEFORE_ACTION, false, "the alert cleared before anything was done");
    return true;
}

/* run_timeout, looked at only where nothing is in flight that may have an effect. */
static bool out_of_time(struct core *c, struct run *run)
{
    char text[TIME_TEXT_MAX];
    bool at_work = run->state == RUN_REMEDIATING || run->state == RUN_VERIFYING;
    if (!at_work || run->run_deadline_us == 0 || run->phase == PHASE_SENT || run->phase == PHASE_READ ||
        run->phase == PHASE_HELD)
        return false;
    if (c->now.boot_us < run->run_deadline_us) {
        run_wake_at(run, run->run_deadline_us);
        return false;
    }
    _cleanup_free_ char *message = xasprintf("the run took longer than its run_timeout of %s",
                                             duration_format(run->playbook->run_timeout_ms, text));
    run_give_up(c, run, REASON_ACTION_FAILED, message);
    return run->phase == PHASE_DONE;
}

/* What such a run has read it will act on: its wake-up being late is how a stall is noticed, though nothing else may be
 * due for a minute. */
static bool is_about_to_act(const struct run *run)
{
    return (run->phase >= PHASE_RECHECK && run->phase <= PHASE_GUARDS) ||
           (run->phase >= PHASE_DIAGNOSE && run->phase <= PHASE_STEP_WAIT);
}

void run_advance(struct core *c, struct run *run)
{
    do {
        run->wake_us = INT64_MAX;
        if (run->phase == PHASE_DONE || cleared_before_action(c, run) || run_cancelled(c, run) || out_of_time(c, run))
            break;
    } while (handlers[run->phase](c, run));
    if (is_about_to_act(run))
        run_wake_at(run, c->now.boot_us + HEARTBEAT_US);
    if (run->phase == PHASE_WAITING || run->phase == PHASE_HELD)
        list_waiting(c, run);
    else
        unlist_waiting(c, run);
    if (run->phase == PHASE_DONE)
        run->wake_us = INT64_MAX;
    heap_update(c, run);
}

/* ---- states and the end ---- */

static void set_state(struct core *c, struct run *run, enum run_state state, const char *event)
{
    bool was_active = run->active;
    bool active = state == RUN_REMEDIATING || state == RUN_VERIFYING || state == RUN_ROLLING_BACK;
    run->state = state;
    json_set_text(run->record, "state", run_state_name(state));
    if (was_active != active && run->playbook)
        limits_set_active(c, run, active);
    /* The time of a run is the time at work: what it has left rests while it settles. */
    if (active && run->run_deadline_us == 0) {
        run->run_deadline_us = c->now.boot_us + run->run_left_us;
    } else if (!active && run->run_deadline_us != 0) {
        run->run_left_us = run->run_deadline_us - c->now.boot_us;
        run->run_deadline_us = 0;
    }
    record_event(c, run, event);
}

void run_state_to(struct core *c, struct run *run, enum run_state state, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    _cleanup_free_ char *event = xvasprintf(fmt, args);
    va_end(args);
    set_state(c, run, state, event);
}

void run_escalate(struct core *c, struct run *run, enum reason reason, const char *message)
{
    if (json_bool_or(run->record, "escalated", false))
        return;
    json_object_set_new(run->record, "escalated", json_true());
    core_note(c, run, NOTE_ERROR, reason, "escalated: %s", message);
    run_dirty(c, run);
    escalation_begin(c, run, reason, message);
}

static bool any_effect_done(const struct run *run)
{
    size_t i;
    json_t *e;
    json_array_foreach (run->effects, i, e) {
        if (str_eq(json_text(e, "status"), "done"))
            return true;
    }
    return false;
}

/* A decision without a run of its own keeps its episode open: a person is told once, re-sends only raise `seen`. */
static bool parks(const struct run *run)
{
    switch (run->reason) {
    case REASON_NO_PLAYBOOK:
    case REASON_IGNORED:
    case REASON_NO_TARGET:
    case REASON_AMBIGUOUS_TARGET:
    case REASON_ATTEMPTS_EXHAUSTED:
    case REASON_OPTED_OUT:
    case REASON_PROTECTED_NAMESPACE:
    case REASON_FORBIDDEN:
    case REASON_GITOPS:
    case REASON_OBSERVE_MODE:
    case REASON_PLAN_MODE:
    case REASON_DRY_RUN:
    case REASON_NOT_APPROVED:
        return run->episode && !run->cleared && !any_effect_done(run);
    default:
        return false;
    }
}

void run_end(struct core *c, struct run *run, enum run_outcome outcome, enum reason reason, bool escalate,
             const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    _cleanup_free_ char *message = xvasprintf(fmt, args);
    va_end(args);
    if (run_restores_first(c, run, outcome, reason, escalate, message))
        return;
    run->outcome = outcome;
    run->reason = reason;
    json_set_text(run->record, "outcome", run_outcome_name(outcome));
    json_set_text(run->record, "reason", reason_name(reason));
    json_set_text(run->record, "message", message);
    record_held(c, run, NULL);
    record_set_time(run->record, "finished", c->now.wall_us);
    run->ended_wall_us = c->now.wall_us;
    set_state(c, run, RUN_DONE, message);
    run->phase = PHASE_DONE;
    run->end_unsaved = true;
    run_free_lookups(c, run);
    limits_release(c, run);
    if (run->began)
        limits_ended(c, run, c->now.wall_us);
    if (reason_only_says(reason_name(reason)))
        limits_would_have_acted(c, run, c->now.wall_us);
    run->parked = parks(run);
    if (!run->parked)
        episode_close(c, run);
    else
        episodes_bound(c);
    core_note(c, run, outcome == OUTCOME_FAILED ? NOTE_WARN : NOTE_INFO, reason, "%s: %s", run_outcome_name(outcome),
              message);
    cluster_event_ended(c, run, escalate, message);
    escalation_approval_over(c, run);
    if (escalate)
        run_escalate(c, run, reason, message);
    breaker_ended(c, run);
    if (run->storm)
        storm_ended(c, run);
    if (outcome == OUTCOME_RESOLVED && reason == REASON_REPAIRED)
        escalation_repaired(c, run);
    if (outcome == OUTCOME_RESOLVED || run->cleared)
        escalation_cleared(c, run->id);
}

/* ---- what steps and checks are given ---- */

const struct step *run_step_now(const struct run *run)
{
    return &run->playbook->ladder[run->rung].steps[run->step];
}

json_t *run_effects_of_rung(const struct run *run, size_t rung)
{
    json_t *list = json_array(), *e;
    size_t i;
    json_array_foreach (run->effects, i, e) {
        const char *status = json_text(e, "status");
        if (json_int_or(e, "rung", -1) == (int64_t)rung && !json_bool_or(e, "inverse", false) && status &&
            (str_eq(status, "done") || str_eq(status, "sent") || str_eq(status, "unknown")))
            json_array_append(list, e);
    }
    return list;
}

static json_t *target_texts_new(const struct target *t)
{
    json_t *r = json_object();
    json_set_text(r, "cluster", t->cluster ? t->cluster : "");
    json_set_text(r, "kind", t->kind ? t->kind : "");
    json_set_text(r, "namespace", t->namespace ? t->namespace : "");
    json_set_text(r, "name", t->name ? t->name : t->n_owners == 1 ? t->owners[0].name : "");
    json_set_text(r, "selector", t->selector ? t->selector : "");
    return r;
}

/* A selector has a syntax of its own: no template may add to it. */
static bool selectors_ok(const struct param *params, const json_t *with, const struct template_vars *v,
                         struct error *err)
{
    for (; params && params->name; params++) {
        const char *text = json_text(with, params->name);
        if (params->type != PARAM_SELECTOR || !text || template_check_values(text, v, selector_value_ok, err) == 0)
            continue;
        error_prefix(err, "%s", params->name);
        return false;
    }
    return true;
}

/* What an alert says is no option of a program. */
static bool commands_ok(const struct param *params, const json_t *with, const json_t *expanded, struct error *err)
{
    for (; params && params->name; params++)
        if (params->type == PARAM_COMMAND &&
            host_command_check_expanded(json_object_get(with, params->name), json_object_get(expanded, params->name),
                                        err) < 0)
            return false;
    return true;
}

struct action_in run_action_in(const struct core *c, const struct run *run, const json_t *with, const char *cluster,
                               const char *key, struct asks *asks)
{
    return (struct action_in){.target = &run->target,
                              .with = with,
                              .cluster = cluster,
                              .key = key,
                              .now = c->now,
                              .max_pods = run->playbook->limits.pods,
                              .asks = asks,
                              .approved = run->approved,
                              .backup = &c->settings->backup,
                              .n_alertmanagers = c->settings->n_alertmanagers,
                              .escalation = &c->settings->escalation,
                              .severity = notice_severity(run)};
}

bool run_expand(struct run *run, const struct param *params, const json_t *with, const char *cluster, json_t **ret_with,
                char **ret_cluster, struct error *err)
{
    _cleanup_json_ json_t *target = target_texts_new(&run->target);
    _cleanup_json_ json_t *id = json_pack("{s:s}", "id", run->id);
    _cleanup_json_ json_t *alert = json_object();
    _cleanup_json_ json_t *expanded = NULL;
    json_set_text(alert, "name", json_path_text(run->alert, "labels", "alertname", NULL));
    json_set_text(alert, "fingerprint", run->fingerprint);
    json_set_text(alert, "startsAt", json_text_or(run->alert, "startsAt", ""));
    json_set_text(alert, "status", run->cleared ? "resolved" : "firing");
    const struct template_vars v = {.labels = json_object_get(run->alert, "labels"),
                                    .annotations = json_object_get(run->alert, "annotations"),
                                    .target = target,
                                    .vars = run->playbook->vars,
                                    .alert = alert,
                                    .run = id};
    _cleanup_free_ char *where = NULL;
    if (cluster && template_expand(cluster, &v, &where, err) < 0)
        return false;
    if (!selectors_ok(params, with, &v, err) || template_expand_json(with, &v, &expanded, err) < 0 ||
        !commands_ok(params, with, expanded, err) || !embed_params(params, with, &v, expanded, err) ||
        params_resolve(params, expanded, ret_with, err) < 0)
        return false;
    *ret_cluster = str_empty(where) ? xstrdup(run->target.cluster) : TAKE_PTR(where);
    return true;
}
