/* A run that stops where it stands: held by a waiting guard, or cancelled by an operator.
 *
 * Before its first effect a held run gives up its lock and waits in PHASE_WAITING, so that two never wait for each
 * other. Half-way it keeps its lock and waits in PHASE_HELD; the time that it stands still counts for no deadline. Held
 * longer than limits.expires it gives up and puts back what it changed. Held by a storm it gives its lock to the
 * storm's own run if that one needs it, lines up for it, and has it again before anything else. Only a pause holds the
 * rollback too: then a person is told once that the run stands half-way, and it waits on. */
#include "base/alloc.h"
#include "base/text.h"
#include "core/cluster_event.h"

static void tell_held(struct core *c, struct run *run, const struct guard_result *g)
{
    bool news = !str_eq(json_path_text(run->record, "held", "reason", NULL), reason_name(g->reason));
    run->held = g->reason;
    run->held_until_us = g->until_us;
    if (!news && str_eq(json_path_text(run->record, "held", "run", NULL), g->run) &&
        str_eq(json_path_text(run->record, "held", "message", NULL), g->message))
        return;
    record_held(c, run, g);
    if (news && run->held_told) { /* a pause that was told is over, something else holds it now */
        run->held_told = false;
        run->expires_us = c->now.boot_us + run->playbook->limits.expires_ms * USEC_PER_MSEC;
    }
    if (news) {
        record_event(c, run, g->message);
        core_note(c, run, NOTE_INFO, g->reason, "waits: %s", g->message);
    }
}

void run_hold(struct core *c, struct run *run, const struct guard_result *g)
{
    if (run->acted && (run->state == RUN_REMEDIATING || run->rolling)) {
        if (run->phase != PHASE_HELD) {
            run->held_since_us = c->now.boot_us;
            run->expires_us = c->now.boot_us + run->playbook->limits.expires_ms * USEC_PER_MSEC;
        }
        run->phase = PHASE_HELD;
        askset_close(c, run, &run->guards);
        if (!run->locked)
            limits_line_up(c, run);
        if (g->reason == REASON_STORM) /* its lock may be wanted by the storm's own run */
            c->recheck = true;
        tell_held(c, run, g);
        run_wake_at(run, g->until_us);
        return;
    }
    /* It may hold nothing while it waits, or two runs could wait for each other. */
    if (run->locked || run->active)
        limits_release(c, run);
    if (g->reason == REASON_DUPLICATE)
        limits_line_up(c, run);
    else
        limits_leave_line(c, run);
    if (run->state == RUN_REMEDIATING) { /* evidence was taken, perhaps a step planned; nothing was changed */
        json_t *step = run->began ? record_step(run) : NULL;
        if (step)
            json_set_text(step, "status", "pending");
        run_state_to(c, run, RUN_QUEUED, "%s", g->message);
    }
    run->target_tries = 0;
    run->phase = PHASE_WAITING;
    askset_close(c, run, &run->set);
    askset_close(c, run, &run->guards);
    tell_held(c, run, g);
}

static void go_on(struct core *c, struct run *run)
{
    int64_t stood_us = c->now.boot_us - run->held_since_us;
    run->step_deadline_us += stood_us;
    if (run->run_deadline_us)
        run->run_deadline_us += stood_us;
    run->held_since_us = 0;
    run->held_told = false;
    run->held = REASON_NONE;
    record_held(c, run, NULL);
    record_event(c, run, "what held it is gone: going on");
    askset_close(c, run, &run->set); /* what was read before is old */
    askset_close(c, run, &run->guards);
    run->phase = !run->rolling && run_step_untouched(run) ? PHASE_STEP : PHASE_SEND;
}

static bool too_long(struct core *c, struct run *run, const struct guard_result *g)
{
    char text[TIME_TEXT_MAX];
    duration_format(run->playbook->limits.expires_ms, text);
    if (g->reason == REASON_PAUSED || run->rolling) { /* what was changed cannot be put back yet */
        if (!run->held_told) {
            _cleanup_free_ char *words = xasprintf("half-way for %s: %s", text, g->message);
            run_escalate(c, run, g->reason, words);
            cluster_event_held(c, run, words);
        }
        run->held_told = true;
        return false;
    }
    _cleanup_free_ char *words = xasprintf("held half-way for %s: %s", text, g->message);
    record_held(c, run, NULL);
    run->held_since_us = 0;
    record_step_end(c, run, "failed", words);
    run_give_up(c, run, g->reason, words);
    return true;
}

bool phase_held(struct core *c, struct run *run)
{
    struct guard_result g;
    if (!run->locked && !limits_lock_blocker(c, run))
        limits_lock(c, run);
    enum guard_answer a = run->rolling ? guards_undo_waiting(c, run, &g) : guards_waiting(c, run, &g);
    bool again = a == GUARD_PASS;
    if (a == GUARD_PASS) {
        go_on(c, run);
    } else {
        tell_held(c, run, &g);
        if (c->now.boot_us >= run->expires_us && !run->held_told)
            again = (run->locked || run->rolling) && too_long(c, run, &g); /* without its lock nothing is put back */
        else if (c->now.boot_us < run->expires_us)
            run_wake_at(run, run->expires_us);
        if (!again)
            run_wake_at(run, g.until_us > c->now.boot_us ? g.until_us : c->now.boot_us + USEC_PER_SEC);
    }
    guard_result_clear(&g);
    return again;
}

/* ---- cancelled ---- */

/* "After the step in flight": where nothing of a step is on its way. */
static bool between_steps(const struct run *run)
{
    switch (run->phase) {
    case PHASE_CONDITION:
    case PHASE_STEP_PLAN:
    case PHASE_SEND:
    case PHASE_SENT:
    case PHASE_READ:
    case PHASE_BACKOFF:
    case PHASE_COME_BACK:
    case PHASE_ROLLBACK:
    case PHASE_UNDO_READ:
    case PHASE_DONE:
        return false;
    default:
        return !run->rolling;
    }
}

bool run_cancelled(struct core *c, struct run *run)
{
    if (run->cancel == CANCEL_NO || !between_steps(run))
        return false;
    if (run->cancel == CANCEL_ROLLBACK && run->phase == PHASE_HELD && !run->locked)
        return false; /* a storm's run works there: as soon as the lock is back */
    const char *by = json_text_or(run->record, "cancelled_by", "somebody");
    bool rollback = run->cancel == CANCEL_ROLLBACK && run->acted;
    run->cancel = CANCEL_NO;
    if (run->phase == PHASE_APPROVAL)
        escalation_approval_over(c, run);
    _cleanup_free_ char *words = xasprintf("cancelled by %s", by);
    run_keep_failure(run, REASON_CANCELLED, words);
    if (run->phase == PHASE_STEP_WAIT || run->phase == PHASE_STEP_VERIFY || run->phase == PHASE_HELD)
        record_step_end(c, run, run_step_untouched(run) ? "skipped" : "failed", words);
    round_close(c, run);
    if (rollback) {
        run_begin_rollback(c, run);
        return false;
    }
    json_object_set_new(run->record, "rollback", run->acted ? json_string("none") : json_null());
    run_end(c, run, OUTCOME_CANCELLED, REASON_CANCELLED, false, "%s%s", words,
            run->acted ? "; what it changed stays" : "; nothing was changed");
    return true;
}
