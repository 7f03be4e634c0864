/* The names of the outside: states, outcomes and the closed set of reasons (semantics.md), each with one sentence for
 * people.
 *
 * A record is what /actions returns, a JSON object:
 *   id, created, finished                      ULID; RFC 3339 with microseconds, UTC
 *   alert {labels, annotations, fingerprint, startsAt, …}   as alert_to_json()
 *   playbook, playbook_hash                    texts or null
 *   cluster, target {kind, namespace, name, selector, owners: […]} or null
 *   state, outcome, reason, message            outcome/reason null while undecided; message: one sentence for the
 * person on call escalated, escalations [{time, level (from 0), severity, reason,
 * message, receivers: [{receiver, event, status: pending sent failed, time, tries, error}], acknowledged: {by, time} or
 * null, respond_by}] rung index from 0, or null steps [{rung,
 * rung_name, name, action, with, status, started, finished, note, error, requests: [{key, object, method, path,
 * content_type, body, status, code, attempts, sent, answered, changes, error}]}] step status: pending running done
 * skipped failed; request status: intended sent done failed unknown undone checks [{rung, check, with, verdict, seen,
 * tries, first, last, history: [{time, verdict, seen}] (the last 20)}] evidence [{time, action, name, text | data}]
 *   timeline [{time, state, event}]            every transition, in words
 *   times {detected, acted, verified, resolved}
 *   seen, last_seen                            how often the alert came while the episode was open
 *   also_matched [names]
 *   held {reason, message?, since, run?, until?} or null what a queued run waits for
 *   run                                        for a duplicate: the id of the run that it waits for
 *   rollback                                   none | done | partial | failed, or null before it was a question
 *   plan {requests: […], checks: […]}          modes observe/plan/approve and --dry-run: what would be done */
#pragma once

#include <stdbool.h>

enum run_state {
    RUN_QUEUED,
    RUN_AWAITING_APPROVAL,
    RUN_REMEDIATING,
    RUN_VERIFYING,
    RUN_SETTLING,
    RUN_ROLLING_BACK,
    RUN_DONE
};
enum run_outcome { OUTCOME_NONE, OUTCOME_RESOLVED, OUTCOME_FAILED, OUTCOME_SKIPPED, OUTCOME_CANCELLED };

enum reason {
    REASON_NONE,
    REASON_NO_PLAYBOOK,
    REASON_IGNORED,
    REASON_MALFORMED,
    REASON_NO_TARGET,
    REASON_AMBIGUOUS_TARGET,
    REASON_ALREADY_HEALTHY,
    REASON_CLEARED_BEFORE_ACTION,
    REASON_DUPLICATE,
    REASON_PAUSED,
    REASON_MAINTENANCE,
    REASON_PROTECTED_NAMESPACE,
    REASON_OPTED_OUT,
    REASON_COOLDOWN,
    REASON_ATTEMPTS_EXHAUSTED,
    REASON_CONCURRENT,
    REASON_BREAKER_OPEN,
    REASON_STORM,
    REASON_BUDGET,
    REASON_EXPIRED,
    REASON_OBSERVE_MODE,
    REASON_PLAN_MODE,
    REASON_DRY_RUN,
    REASON_AWAITING_APPROVAL,
    REASON_NOT_APPROVED,
    REASON_GITOPS,
    REASON_FORBIDDEN,
    REASON_ACTION_FAILED,
    REASON_VERIFY_FAILED,
    REASON_VERIFY_UNKNOWN,
    REASON_STILL_FIRING,
    REASON_INTERRUPTED,
    REASON_CANCELLED,
    REASON_REPAIRED,
    REASON_COUNT
};

const char *run_state_name(enum run_state s);
const char *run_outcome_name(enum run_outcome o); /* NULL for OUTCOME_NONE */
const char *reason_name(enum reason r);           /* NULL for REASON_NONE */
const char *reason_explain(enum reason r);        /* one sentence */
bool run_state_parse(const char *s, enum run_state *ret);
bool run_outcome_parse(const char *s, enum run_outcome *ret);
bool reason_parse(const char *s, enum reason *ret);
/* It ended by saying what would have been done (modes observe and plan, --dry-run): shadow limits remember it. */
bool reason_only_says(const char *reason);
