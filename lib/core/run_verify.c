/* Verification: rounds of all checks until they have passed for long enough in a row, or the time is over.
 *
 * Unknown is no failure: if at the end nothing fails and something cannot be told, no rung and no rollback follows. A
 * timeout is believed only after a round that began after it. While everything passes at the timeout, `for` may run
 * out: a repair that has just come good is not undone.
 *
 * A step may have a verification of its own (PHASE_STEP_VERIFY): by the same rules, but what follows is the next step,
 * and a failure is the step's. */
#include "base/alloc.h"
#include "base/strbuf.h"
#include "core/internal.h"

static int64_t round_limit(const struct verify *v)
{
    int64_t us = v->interval_ms * 5 * USEC_PER_MSEC;
    return us > 10 * USEC_PER_SEC ? 10 * USEC_PER_SEC : us < USEC_PER_SEC ? USEC_PER_SEC : us;
}

void run_begin_verify(struct core *c, struct run *run)
{
    const struct verify *v = &run->playbook->verify;
    askset_close(c, run, &run->set);
    if (!v->present || v->n_checks == 0) {
        run_begin_settle(c, run, false);
        return;
    }
    run->verify_deadline_us = c->now.boot_us + v->timeout_ms * USEC_PER_MSEC;
    run->verify_next_us = c->now.boot_us;
    run->passing_since_us = 0;
    run->phase = PHASE_VERIFY;
    run_state_to(c, run, RUN_VERIFYING, "the steps are done: verifying");
}

void run_begin_step_verify(struct core *c, struct run *run)
{
    const struct step *step = run_step_now(run);
    askset_close(c, run, &run->set);
    run->verify_deadline_us = c->now.boot_us + step->verify->timeout_ms * USEC_PER_MSEC;
    run->verify_next_us = c->now.boot_us;
    run->passing_since_us = 0;
    run->phase = PHASE_STEP_VERIFY;
    _cleanup_free_ char *event =
        xasprintf("%s: verified before the next step", step->name ? step->name : step->action->name);
    record_event(c, run, event);
}

static const struct verify *verify_now(const struct run *run)
{
    return run->phase == PHASE_STEP_VERIFY ? run_step_now(run)->verify : &run->playbook->verify;
}

static enum verdict sum_up(struct core *c, struct run *run, struct strbuf *words)
{
    enum verdict sum = VERDICT_PASS;
    for (size_t i = 0; i < run->round.n; i++) {
        struct probe *p = &run->round.probes[i];
        record_check(c, run, p);
        if (p->result.verdict == VERDICT_PASS)
            continue;
        strbuf_printf(words, "%s%s: %s", words->len ? "; " : "", p->spec->check->name,
                      p->result.seen ? p->result.seen : verdict_name(p->result.verdict));
        if (sum != VERDICT_FAIL)
            sum = p->result.verdict;
    }
    return sum;
}

/* A verified rung is never rolled back, whatever later rungs come to. */
static void keep_rung(struct run *run)
{
    size_t i;
    json_t *e;
    json_array_foreach (run->effects, i, e) {
        if (json_int_or(e, "rung", -1) == (int64_t)run->rung)
            json_object_set_new(e, "verified", json_true());
    }
}

static void verified(struct core *c, struct run *run)
{
    if (run->phase == PHASE_STEP_VERIFY) {
        step_verified(c, run);
        return;
    }
    keep_rung(run);
    record_time(c, run, "verified");
    core_note(c, run, NOTE_INFO, REASON_NONE, "verified: all checks passed");
    run_begin_settle(c, run, false);
}

static void timed_out(struct core *c, struct run *run, enum verdict v, const char *words)
{
    char text[TIME_TEXT_MAX];
    const bool of_step = run->phase == PHASE_STEP_VERIFY;
    duration_format(verify_now(run)->timeout_ms, text);
    if (v == VERDICT_UNKNOWN) {
        if (of_step)
            record_step_end(c, run, "failed", words);
        run_end(c, run, OUTCOME_FAILED, REASON_VERIFY_UNKNOWN, true, "after %s it cannot be told whether it helped: %s",
                text, words);
        return;
    }
    _cleanup_free_ char *message = xasprintf("not healthy within %s: %s", text, words);
    if (of_step)
        step_failed(c, run, REASON_VERIFY_FAILED, message);
    else
        rung_failed(c, run, REASON_VERIFY_FAILED, message);
}

static bool judge_round(struct core *c, struct run *run)
{
    const struct verify *v = verify_now(run);
    _cleanup_strbuf_ struct strbuf words = STRBUF_INIT;
    const int64_t began = run->round_began_us;
    enum verdict sum = sum_up(c, run, &words);
    round_close(c, run);
    run->verify_next_us = began + v->interval_ms * USEC_PER_MSEC;
    if (sum != VERDICT_PASS)
        run->passing_since_us = 0;
    else if (run->passing_since_us == 0)
        run->passing_since_us = began;
    if (sum == VERDICT_PASS) {
        int64_t enough = run->passing_since_us + v->for_ms * USEC_PER_MSEC;
        if (began >= enough)
            verified(c, run);
        else if (enough < run->verify_next_us)
            run->verify_next_us = enough;
    } else if (began >= run->verify_deadline_us) {
        timed_out(c, run, sum, strbuf_str(&words));
    } else if (run->verify_next_us > run->verify_deadline_us) {
        run->verify_next_us = run->verify_deadline_us; /* the last look */
    }
    return true;
}

bool phase_verify(struct core *c, struct run *run)
{
    const struct verify *v = verify_now(run);
    if (run->round.active)
        return round_done(c, run) && judge_round(c, run);
    if (c->now.boot_us < run->verify_next_us) {
        run_wake_at(run, run->verify_next_us);
        return false;
    }
    run->round_began_us = c->now.boot_us;
    round_open(c, run, v->checks, v->n_checks, c->now.boot_us + round_limit(v));
    return true;
}
