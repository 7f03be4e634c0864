/* Rollback: the inverse of every reversible effect, last first, each only where the object still holds what mendd
 * wrote. What was only to hold while the run goes on (`restore: end`: suspended GitOps) is put back in the same way
 * when the run ends, however it ends. Each inverse is an effect of its own, journalled and sent like any other. */
#include "base/alloc.h"
#include "base/text.h"
#include "core/cluster_event.h"

void run_begin_rollback(struct core *c, struct run *run)
{
    run->rolling = true;
    run->phase = PHASE_ROLLBACK;
    run_state_to(c, run, RUN_ROLLING_BACK, "%s: rolling back", run->fail_message);
}

static bool only_meanwhile(const json_t *e)
{
    return str_eq(json_text(e, "restore"), "end");
}

static bool candidate(const struct run *run, const json_t *e)
{
    const char *status = json_text(e, "status");
    return only_meanwhile(e) == run->restoring && !json_bool_or(e, "inverse", false) &&
           json_bool_or(e, "reversible", false) && (run->restoring || !json_bool_or(e, "verified", false)) &&
           !json_object_get(e, "undone") && (str_eq(status, "done") || str_eq(status, "unknown"));
}

static json_t *last_to_undo(const struct run *run)
{
    for (size_t i = json_array_size(run->effects); i-- > 0;) {
        json_t *e = json_array_get(run->effects, i);
        if (candidate(run, e))
            return e;
    }
    return NULL;
}

static const char *sum_up(const struct run *run)
{
    int undone = 0, skipped = 0, failed = 0;
    size_t i;
    json_t *e;
    json_array_foreach (run->effects, i, e) {
        const char *how = only_meanwhile(e) ? NULL : json_text(e, "undone");
        undone += str_eq(how, "done");
        skipped += str_eq(how, "skipped");
        failed += str_eq(how, "failed");
    }
    if (failed > 0)
        return undone > 0 ? "partial" : "failed";
    return skipped > 0 ? "partial" : undone > 0 ? "done" : "none";
}

static void note_undone(struct core *c, struct run *run, json_t *effect, const char *how, const char *message)
{
    _cleanup_free_ char *what = effect_describe(effect);
    _cleanup_free_ char *event =
        xasprintf("rollback of %s: %s%s%s", what, how, message ? ": " : "", message ? message : "");
    json_set_text(effect, "undone", how);
    if (str_eq(how, "done"))
        json_set_text(effect, "status", "undone");
    record_request(run, effect);
    record_event(c, run, event);
    cluster_event_undone(c, run, effect, how, message);
}

bool run_restores_first(struct core *c, struct run *run, enum run_outcome outcome, enum reason reason, bool escalate,
                        const char *message)
{
    size_t i, n = 0;
    json_t *e;
    if (run->restoring)
        return false;
    run->restoring = true; /* for candidate() */
    json_array_foreach (run->effects, i, e)
        n += candidate(run, e);
    run->restoring = n > 0;
    if (n == 0)
        return false;
    run->ending = json_pack("{s:i, s:i, s:b, s:s}", "outcome", outcome, "reason", reason, "escalate", escalate,
                            "message", message);
    round_close(c, run);
    askset_close(c, run, &run->set);
    askset_close(c, run, &run->guards);
    askset_close(c, run, &run->read);
    run->rolling = true;
    run->phase = PHASE_ROLLBACK;
    run_state_to(c, run, RUN_ROLLING_BACK, "%s; putting back what was suspended meanwhile", message);
    run_wake_at(run, c->now.boot_us);
    return true;
}

/* What was suspended is not put back: somebody must do it. */
static bool not_restored(const struct run *run)
{
    size_t i;
    json_t *e;
    json_array_foreach (run->effects, i, e) {
        if (only_meanwhile(e) && json_object_get(e, "undone") && !str_eq(json_text(e, "undone"), "done"))
            return true;
    }
    return false;
}

static void end_restored(struct core *c, struct run *run)
{
    _cleanup_json_ json_t *ending = TAKE_PTR(run->ending);
    bool lost = not_restored(run);
    run->rolling = false;
    run_end(c, run, (enum run_outcome)json_int_or(ending, "outcome", OUTCOME_FAILED),
            (enum reason)json_int_or(ending, "reason", REASON_INTERRUPTED),
            lost || json_bool_or(ending, "escalate", false), "%s%s", json_text_or(ending, "message", "ended"),
            lost ? "; what was suspended meanwhile could not be put back: look at the timeline" : "");
}

bool phase_rollback(struct core *c, struct run *run)
{
    run->undoing = last_to_undo(run);
    if (run->undoing) {
        run->step_deadline_us = c->now.boot_us + STEP_TIMEOUT_MS * USEC_PER_MSEC;
        askset_close(c, run, &run->read);
        askset_open(c, &run->read, c->now.boot_us + 10 * USEC_PER_SEC, false);
        run->phase = PHASE_UNDO_READ;
        return true;
    }
    if (run->restoring) {
        end_restored(c, run);
        return true;
    }
    const char *result = sum_up(run);
    run->rolling = false;
    json_set_text(run->record, "rollback", result);
    _cleanup_free_ char *text = TAKE_PTR(run->fail_message);
    bool cancelled = run->fail_reason == REASON_CANCELLED; /* who cancelled knows */
    run_end(c, run, cancelled ? OUTCOME_CANCELLED : OUTCOME_FAILED, run->fail_reason,
            !cancelled || str_eq(result, "partial") || str_eq(result, "failed"), "%s (rollback: %s)", text, result);
    return true;
}

static void send_inverse(struct core *c, struct run *run, json_t *inverse_new)
{
    json_set_text(inverse_new, "status", "pending");
    json_object_set_new(inverse_new, "attempts", json_integer(0));
    json_object_set_new(inverse_new, "inverse", json_true());
    json_array_append_new(run->effects, inverse_new);
    run->phase = PHASE_SEND;
    run_dirty(c, run);
}

bool phase_undo_read(struct core *c, struct run *run)
{
    if (!run->undoing || !run->read.open) { /* after a restart */
        run->phase = PHASE_ROLLBACK;
        return true;
    }
    if (!askset_ready(c, run, &run->read))
        return false;
    json_t *e = run->undoing;
    const json_t *answer =
        ask_kube(&run->read.asks, json_text_or(e, "cluster", ""), json_text_or(e, "read", json_text_or(e, "path", "")));
    if (!answer) {
        askset_send(c, run, &run->read);
        return run->read.in_flight == 0;
    }
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_free_ char *what = effect_describe(e);
    _cleanup_free_ char *words = NULL;
    json_t *inverse = NULL;
    const bool gone = answer_status(answer) == 404,
               was_made = str_eq(json_path_text(e, "undo", "method", NULL), "DELETE");
    if (answer_error(answer, what, &err) < 0)
        note_undone(c, run, e, gone && was_made ? "done" : gone ? "skipped" : "failed", error_message(&err));
    else if (!(inverse = effect_inverse_new(e, answer_body(answer), &words)))
        note_undone(c, run, e, "skipped", words);
    askset_close(c, run, &run->read);
    if (inverse)
        send_inverse(c, run, inverse);
    else
        run->phase = PHASE_ROLLBACK;
    return true;
}

void rollback_effect_refused(struct core *c, struct run *run, const char *message)
{
    if (!run->undoing)
        run->undoing = last_to_undo(run);
    json_set_text(run->current, "status", "failed");
    json_set_text(run->current, "error", message);
    run->current = NULL;
    if (run->undoing)
        note_undone(c, run, run->undoing, "skipped", message);
    run->undoing = NULL;
    run->phase = PHASE_ROLLBACK;
}

void rollback_effect_ended(struct core *c, struct run *run, bool done, const char *message)
{
    if (!run->undoing)
        run->undoing = last_to_undo(run);
    run->current = NULL;
    if (run->undoing)
        note_undone(c, run, run->undoing, done ? "done" : "failed", message);
    run->undoing = NULL;
    run->phase = PHASE_ROLLBACK;
}
