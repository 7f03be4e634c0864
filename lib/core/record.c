#include "core/record.h"

#include "base/text.h"

#include <stddef.h>

static const char *const states[] = {"queued",   "awaiting_approval", "remediating", "verifying",
                                     "settling", "rolling_back",      "done"};
static const char *const outcomes[] = {NULL, "resolved", "failed", "skipped", "cancelled"};

static const struct {
    const char *name, *explain;
} reasons[REASON_COUNT] = {
    [REASON_NONE] = {NULL, NULL},
    [REASON_NO_PLAYBOOK] =
        {"no_playbook",
         "No playbook's matchers fit the alert; a person has to look (or the config says unmatched: record)."},
    [REASON_IGNORED] = {"ignored", "A playbook with decision: ignore says that this alert needs no repair."},
    [REASON_MALFORMED] = {"malformed", "What was sent is no alert that mendd can act on (wrong types, no labels, a "
                                       "name that is mendd's own, or a truncated group)."},
    [REASON_NO_TARGET] = {"no_target", "The alert's labels lead to nothing that exists, to an empty name, or to the "
                                       "exporter instead of the sick object."},
    [REASON_AMBIGUOUS_TARGET] = {"ambiguous_target", "The target names more objects, or more pods, than the playbook "
                                                     "allows; mendd does not guess which one is meant."},
    [REASON_ALREADY_HEALTHY] = {"already_healthy", "The playbook's precheck passed: there was nothing to repair."},
    [REASON_CLEARED_BEFORE_ACTION] = {"cleared_before_action", "The alert was resolved before mendd changed anything."},
    [REASON_DUPLICATE] =
        {"duplicate", "Another run holds the lock of the same workload; this one is decided again when that run ends."},
    [REASON_PAUSED] = {"paused", "Somebody paused mendd; it is decided again when that ends."},
    [REASON_MAINTENANCE] = {"maintenance", "A maintenance window is open; it is decided again when that ends."},
    [REASON_PROTECTED_NAMESPACE] = {"protected_namespace",
                                    "The namespace is protected and the playbook does not say protected: allow."},
    [REASON_OPTED_OUT] = {"opted_out",
                          "The object, its owner or its namespace bears the annotation that keeps mendd away."},
    [REASON_COOLDOWN] =
        {"cooldown",
         "The last run on this workload ended too short a time ago; it is decided again after the cooldown."},
    [REASON_ATTEMPTS_EXHAUSTED] =
        {"attempts_exhausted",
         "mendd has acted on this workload as often as the limits allow; repeating it would not be a repair."},
    [REASON_CONCURRENT] = {"concurrent",
                           "As many runs of this playbook as allowed are at work; it is decided again when one ends."},
    [REASON_BREAKER_OPEN] =
        {"breaker_open",
         "Too many repairs or requests to the API server failed lately; nothing acts until that is better."},
    [REASON_STORM] = {"storm", "Too many different targets are sick at once; single repairs wait."},
    [REASON_BUDGET] = {"budget",
                       "As many different workloads or nodes as the budget allows were changed in its window."},
    [REASON_EXPIRED] = {"expired", "What it waited for did not lift within limits.expires."},
    [REASON_OBSERVE_MODE] = {"observe_mode", "The playbook is in mode observe, or a maintenance window lets it only "
                                             "observe: noted, nothing planned or done."},
    [REASON_PLAN_MODE] = {"plan_mode", "The playbook is in mode plan: the record holds what would have been done."},
    [REASON_DRY_RUN] = {"dry_run", "mendd runs with --dry-run: the record holds what would have been done."},
    [REASON_AWAITING_APPROVAL] = {"awaiting_approval", "The plan waits for a person's approval."},
    [REASON_NOT_APPROVED] = {"not_approved", "Nobody approved the plan in time, or somebody rejected it."},
    [REASON_GITOPS] = {"gitops", "GitOps or a custom resource owns the object and would take the change back."},
    [REASON_FORBIDDEN] =
        {"forbidden",
         "The API server does not allow mendd what the playbook needs; the message names the verb and the resource."},
    [REASON_ACTION_FAILED] = {"action_failed",
                              "A step could not be carried out, or the object was changed by somebody else meanwhile."},
    [REASON_VERIFY_FAILED] = {"verify_failed", "The repair was carried out, but the checks did not pass in time."},
    [REASON_VERIFY_UNKNOWN] = {"verify_unknown", "The checks could not be answered (name not found, API server or "
                                                 "Alertmanager not reachable): nothing is known about the repair."},
    [REASON_STILL_FIRING] = {"still_firing",
                             "The checks passed, but the alert still fires after its settle time, or fired again."},
    [REASON_INTERRUPTED] =
        {"interrupted",
         "It is not known whether a request that must not be sent twice took effect; a person has to look."},
    [REASON_CANCELLED] = {"cancelled", "A person cancelled the run."},
    [REASON_REPAIRED] = {"repaired", "mendd acted, the checks passed, and the alert cleared."},
};

const char *run_state_name(enum run_state s)
{
    return states[s];
}

const char *run_outcome_name(enum run_outcome o)
{
    return outcomes[o];
}

const char *reason_name(enum reason r)
{
    return reasons[r].name;
}

const char *reason_explain(enum reason r)
{
    return reasons[r].explain;
}

bool run_state_parse(const char *s, enum run_state *ret)
{
    for (size_t i = 0; i < ARRAY_SIZE(states); i++)
        if (str_eq(s, states[i])) {
            *ret = (enum run_state)i;
            return true;
        }
    return false;
}

bool run_outcome_parse(const char *s, enum run_outcome *ret)
{
    for (size_t i = 1; i < ARRAY_SIZE(outcomes); i++)
        if (str_eq(s, outcomes[i])) {
            *ret = (enum run_outcome)i;
            return true;
        }
    return false;
}

bool reason_only_says(const char *reason)
{
    static const enum reason says[] = {REASON_OBSERVE_MODE, REASON_PLAN_MODE, REASON_DRY_RUN};
    for (size_t i = 0; i < ARRAY_SIZE(says); i++)
        if (str_eq(reason, reason_name(says[i])))
            return true;
    return false;
}

bool reason_parse(const char *s, enum reason *ret)
{
    for (size_t i = 1; i < REASON_COUNT; i++)
        if (str_eq(s, reasons[i].name)) {
            *ret = (enum reason)i;
            return true;
        }
    return false;
}
