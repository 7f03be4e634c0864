/* A person says yes to a plan, by its hash.
 *
 * Happy path: the plan of the rung is built (run_plan.c), its hash stands in the record, receivers are told; somebody
 * approves it; the guards run again, the plan is built again, and only if it is still the same does the rung begin.
 * Failure modes: nobody comes in time, or a person rejects it: not_approved, escalated; the plan has changed meanwhile:
 * the new one waits for an approval of its own; the alert clears: nothing is done. While it waits the run holds no
 * lock: a person may take long, or never come. A rung behind the first waits with what the rungs before it changed. */
#include "base/alloc.h"
#include "base/hash.h"
#include "base/text.h"
#include "core/cluster_event.h"

#include <string.h>

/* What a person approves: where each request goes and what it says. Times that a rebuilt plan freezes anew
 * (restartedAt) are no part of it, or no plan would ever be the same again. */
static json_t *essence_new(const json_t *request)
{
    static const char *const keys[] = {"action", "cluster", "method", "path", "object", NULL};
    json_t *e = json_object(), *changes = json_object(), *change;
    const char *pointer;
    for (size_t i = 0; keys[i]; i++)
        if (json_object_get(request, keys[i]))
            json_object_set(e, keys[i], json_object_get(request, keys[i]));
    json_object_foreach (json_object_get(request, "changes"), pointer, change) {
        json_t *after = json_object_get(change, "after");
        int64_t at_us;
        bool is_time = json_is_string(after) && time_parse(json_string_value(after), &at_us) == 0;
        json_object_set_new(changes, pointer, is_time || !after ? json_string("now") : json_deep_copy(after));
    }
    if (json_object_size(changes) == 0 && json_object_get(request, "body"))
        json_object_set(e, "body", json_object_get(request, "body"));
    json_object_set_new(e, "changes", changes);
    return e;
}

char *run_plan_hash_new(const struct run *run)
{
    _cleanup_json_ json_t *sum = json_array();
    const json_t *plan = json_object_get(run->record, "plan");
    size_t i;
    json_t *request;
    json_array_append_new(sum, json_string(json_text_or(plan, "rung", "")));
    json_array_foreach (json_object_get(plan, "requests"), i, request)
        json_array_append_new(sum, essence_new(request));
    json_array_append(sum, json_object_get(plan, "checks"));
    _cleanup_free_ char *text = json_compact(sum);
    return sha256_hex_new(text, strlen(text));
}

static json_t *approval_of(struct run *run)
{
    json_t *a = json_object_get(run->record, "approval");
    if (json_is_object(a))
        return a;
    a = json_pack("{s:n, s:s, s:n, s:n}", "hash", "status", "waiting", "by", "time");
    json_object_set_new(run->record, "approval", a);
    return a;
}

static void wait_for_person(struct core *c, struct run *run, const char *hash)
{
    json_t *a = approval_of(run);
    const char *rung = run->playbook->ladder[run->rung].name;
    bool again = str_eq(json_text(a, "status"), "approved") && str_eq(json_text(a, "rung"), rung);
    limits_release(c, run);
    if (!run->acted && run->rung == 0) /* nothing was done yet: it begins from the beginning */
        run->began = false;
    run->phase = PHASE_APPROVAL;
    run->approved = false;
    run->expires_us = c->now.boot_us + run->playbook->approval_expires_ms * USEC_PER_MSEC;
    run->reason = REASON_AWAITING_APPROVAL;
    json_set_text(a, "hash", hash);
    json_set_text(a, "status", "waiting");
    json_set_text(a, "rung", rung);
    record_set_time(a, "expires", c->now.wall_us + run->playbook->approval_expires_ms * USEC_PER_MSEC);
    json_set_text(run->record, "reason", reason_name(run->reason));
    const char *words = again ? "the plan changed after it was approved: the new one waits for a person"
                              : "the plan waits for a person to approve it";
    json_set_text(run->record, "message", words);
    askset_close(c, run, &run->set);
    run_state_to(c, run, RUN_AWAITING_APPROVAL, "%s", words);
    core_note(c, run, NOTE_WARN, run->reason, "%s (mendctl actions approve %s)", words, run->id);
    escalation_approval(c, run);
    _cleanup_free_ char *told = xasprintf("%s: mendctl actions approve %s", words, run->id);
    cluster_event_approval(c, run, told);
}

/* The plan stands in the record: begin if it is the one that was approved. */
void run_begin_approval(struct core *c, struct run *run)
{
    _cleanup_free_ char *hash = run_plan_hash_new(run);
    run_redact_plan(run);
    if (!run->approved || !str_eq(hash, json_path_text(run->record, "approval", "hash", NULL))) {
        wait_for_person(c, run, hash);
        return;
    }
    json_object_set_new(run->record, "reason", json_null());
    json_object_set_new(run->record, "message", json_null());
    run->reason = REASON_NONE;
    if (run->began)
        run_begin_rung(c, run, run->rung);
    else
        run_begin_work(c, run);
}

void run_ask_approval(struct core *c, struct run *run)
{
    run->index = 0;
    run->plan_now = c->now;
    run->reason = REASON_AWAITING_APPROVAL;
    run->step_deadline_us = c->now.boot_us + STEP_TIMEOUT_MS * USEC_PER_MSEC;
    json_object_set_new(run->record, "plan", json_null());
    askset_close(c, run, &run->set);
    askset_open(c, &run->set, run->step_deadline_us, false);
    run->phase = PHASE_PLAN;
}

static void not_approved(struct core *c, struct run *run, const char *status, const char *words)
{
    json_set_text(approval_of(run), "status", status);
    record_set_time(approval_of(run), "time", c->now.wall_us);
    escalation_approval_over(c, run);
    if (run->began) {
        _cleanup_free_ char *why =
            run->fail_message ? xasprintf("%s; then %s", run->fail_message, words) : xstrdup(words);
        run_give_up(c, run, REASON_NOT_APPROVED, why);
    } else {
        run_end(c, run, OUTCOME_SKIPPED, REASON_NOT_APPROVED, true, "%s", words);
    }
}

void run_approve(struct core *c, struct run *run, const char *by)
{
    json_t *a = approval_of(run);
    json_set_text(a, "status", "approved");
    json_set_text(a, "by", by);
    record_set_time(a, "time", c->now.wall_us);
    run->approved = true;
    run->held = REASON_NONE;
    run->expires_us = c->now.boot_us + run->playbook->limits.expires_ms * USEC_PER_MSEC;
    escalation_approval_over(c, run);
    json_object_set_new(run->record, "plan", json_null());
    run_state_to(c, run, RUN_QUEUED, "%s approved plan %s", by, json_text_or(a, "hash", ""));
    core_note(c, run, NOTE_INFO, REASON_NONE, "%s approved the plan", by);
    run->phase = PHASE_RECHECK;
}

void run_reject(struct core *c, struct run *run, const char *by, const char *why)
{
    json_set_text(approval_of(run), "by", by);
    _cleanup_free_ char *words = xasprintf("%s rejected the plan%s%s", by, why ? ": " : "", why ? why : "");
    not_approved(c, run, "rejected", words);
}

bool phase_approval(struct core *c, struct run *run)
{
    char text[TIME_TEXT_MAX];
    if (run->cleared && run->acted) { /* "no further rung, no rollback" */
        json_set_text(approval_of(run), "status", "cleared");
        escalation_approval_over(c, run);
        _cleanup_free_ char *why = xstrdup(run->fail_message ? run->fail_message : "the alert cleared");
        run_give_up(c, run, run->fail_reason ? run->fail_reason : REASON_NOT_APPROVED, why);
        return true;
    }
    if (c->now.boot_us < run->expires_us) {
        run_wake_at(run, run->expires_us);
        return false;
    }
    duration_format(run->playbook->approval_expires_ms, text);
    _cleanup_free_ char *words = xasprintf("nobody approved the plan within %s", text);
    not_approved(c, run, "expired", words);
    return true;
}
