/* The invariants of what the journal says: decisions, escalations, the end of it all. */
#include "simulation.h"

#include "base/alloc.h"
#include "base/text.h"

#include <string.h>

static const struct {
    const char *name, *sentence;
} invariants[] = {
    {"one_decision", "Every alert has exactly one decision: each firing alert that was taken from the inbox stands in "
                     "exactly one record, as its cause or as one more time that it was seen."},
    {"closed_reason", "A decision has an outcome and a reason of the closed set, and never another one afterwards."},
    {"one_run_per_owner", "Never do two runs change the same workload before the first of them has ended."},
    {"cooldown", "No run changes a workload sooner than its cooldown after the end of the last one that did."},
    {"attempts", "No playbook changes a workload more often than limits.attempts in any of its windows."},
    {"target_attempts", "All playbooks together change a workload no more often than target_attempts."},
    {"concurrent", "No more runs of a playbook are at work than limits.concurrent."},
    {"pods", "No step deletes more pods than limits.pods."},
    {"opted_out", "What opted out, itself or by its namespace, is never changed, not even by a rollback."},
    {"protected", "Nothing in a protected namespace is changed unless the playbook says protected: allow."},
    {"owned_by_others", "What a custom resource owns is not patched, what an autoscaler scales is not scaled."},
    {"mode", "Only mode auto acts by itself; a rung for approval acts after a person's yes; --dry-run never does."},
    {"applied_once", "No effect changes the world twice."},
    {"unknowable_once", "An effect that cannot be recognised as done leaves at most once."},
    {"intention_first", "Nothing leaves before its intention is durable."},
    {"look_again", "After a start, a stall or a clock jump a run looks at the world before it acts."},
    {"cleared", "After its alert cleared a run begins nothing: no first effect, no further rung, no rollback."},
    {"verified_stays", "A verified rung is never rolled back."},
    {"own_values", "A rollback puts back only what still is as mendd wrote it, and only if the playbook wants it."},
    {"proof_first", "An alert is posted as resolved only after the repair was verified."},
    {"posted_once", "An alert is posted as resolved once to each Alertmanager."},
    {"paused", "Nothing that changes something leaves while it is paused."},
    {"budget", "No more distinct workloads are changed within a window than the budgets allow."},
    {"maintenance", "Nothing is changed where a maintenance window is open, but by a rollback."},
    {"breaker", "While the breaker of a playbook is open none of its runs begins to act."},
    {"told_once", "A receiver that took a notice, and could say so, is not told it again."},
    {"one_reply", "Every command gets exactly one reply."},
    {"told_when_failed", "What failed, was refused or is not known reaches a person."},
    {"told_only_then", "What was repaired, cleared by itself or is nobody's business pages nobody."},
    {"escalated_once", "A run is escalated at most once a level."},
    {"runs_end", "Every run ends within a bound after the history has stopped."},
    {"memory_returns", "When every alert is resolved the core remembers no run and no episode, and waits for nothing."},
    {"journal_read", "Whatever was saved can be read again."},
};

const char *invariant_sentence(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(invariants); i++)
        if (str_eq(invariants[i].name, name))
            return invariants[i].sentence;
    return NULL;
}

/* ---- decisions ---- */

static bool must_be_told(const char *outcome, const char *reason)
{
    static const char *const told[] = {"malformed",          "no_target",      "ambiguous_target",
                                       "attempts_exhausted", "opted_out",      "protected_namespace",
                                       "not_approved",       "forbidden",      "gitops",
                                       "interrupted",        "verify_unknown", "still_firing",
                                       "verify_failed",      "action_failed",  NULL};
    return str_eq(outcome, "failed") || str_in(reason, told);
}

static bool must_not_be_told(const char *reason)
{
    static const char *const quiet[] = {"repaired", "ignored", "cleared_before_action", "observe_mode", "plan_mode",
                                        "dry_run",  NULL};
    return str_in(reason, quiet);
}

/* Held half-way by a pause for too long it was told, however it ended later. */
static bool told_half_way(const json_t *record)
{
    const json_t *first = json_array_get(json_object_get(record, "escalations"), 0);
    return str_eq(json_text(first, "reason"), "paused");
}

static void decided(struct sim *s, struct jrun *run, const json_t *record)
{
    const char *outcome = json_text(record, "outcome"), *reason = json_text(record, "reason");
    enum reason r;
    enum run_outcome o;
    bool escalated = json_bool_or(record, "escalated", false);
    const json_t *before = json_object_get(run->doc, "record");
    if (!reason || !reason_parse(reason, &r) || !outcome || !run_outcome_parse(outcome, &o)) {
        violated(s, "closed_reason", "record %s is done with outcome %s and reason %s", run->id,
                 outcome ? outcome : "none", reason ? reason : "none");
        return;
    }
    if (str_eq(json_text(before, "state"), "done")) {
        if (!str_eq(json_text(before, "reason"), reason) || !str_eq(json_text(before, "outcome"), outcome))
            violated(s, "closed_reason", "record %s was %s (%s) and is now %s (%s)", run->id,
                     json_text_or(before, "outcome", ""), json_text_or(before, "reason", ""), outcome, reason);
        return;
    }
    s->counts->reasons[r]++;
    s->counts->outcomes[o]++;
    if (must_be_told(outcome, reason) && !escalated)
        violated(s, "told_when_failed", "record %s is %s (%s) and nobody was told", run->id, outcome, reason);
    if (must_not_be_told(reason) && escalated && !told_half_way(record))
        violated(s, "told_only_then", "record %s is %s (%s) and a person was told", run->id, outcome, reason);
}

static void once_a_level(struct sim *s, const struct jrun *run, const json_t *record)
{
    const json_t *list = json_object_get(record, "escalations");
    size_t i, k;
    json_t *a;
    json_array_foreach (list, i, a) {
        for (k = 0; k < i; k++)
            if (json_equal(json_object_get(a, "level"), json_object_get(json_array_get(list, k), "level")))
                violated(s, "escalated_once", "run %s is escalated twice on one level", run->id);
    }
}

void watch_saved(struct sim *s, struct jrun *run, const json_t *doc, int64_t decided_us)
{
    const json_t *record = json_object_get(doc, "record"), *state = json_object_get(doc, "state");
    const char *word = json_text_or(record, "state", "");
    const int64_t rung = json_int_or(state, "rung", 0);
    if (run->cleared_us == 0 && json_bool_or(state, "cleared", false)) {
        run->cleared_us = decided_us;
        run->rung_when_cleared = (int)rung;
        run->rolling_when_cleared = json_bool_or(state, "rolling", false);
    }
    /* The rung as it stood when settling began: later it may be the next one already, which is still to be planned. */
    const bool settled = str_eq(json_path_text(run->doc, "record", "state", NULL), "settling");
    if (str_eq(word, "settling") && !settled && !json_bool_or(state, "healthy", false))
        run->verified |= 1u << rung;
    /* Without its lock: it gave it to the run of a storm. */
    if (str_eq(word, "queued") || str_eq(word, "awaiting_approval") || !json_bool_or(state, "locked", false))
        run->rested_us = decided_us;
    once_a_level(s, run, record);
    if (!str_eq(word, "done"))
        return;
    decided(s, run, record);
    if (run->done_us == 0)
        run->done_us = decided_us;
}

void watch_note(struct sim *s, const struct note *note)
{
    const struct jrun *run = *note->run ? journal_run(s, note->run) : NULL;
    if (run && str_starts(note->message, "escalated: ") &&
        !json_bool_or(json_object_get(run->doc, "record"), "escalated", false))
        violated(s, "intention_first", "run %s is told as escalated before its record says so", run->id);
}

/* ---- every alert ---- */

void row_counted(struct sim *s, const struct row *row)
{
    char fingerprint[17];
    json_t *labels = json_object_get(row->payload, "labels");
    alert_fingerprint(labels, fingerprint);
    json_object_set_new(s->fired, fingerprint, json_integer(json_int_or(s->fired, fingerprint, 0) + 1));
    json_object_set(s->label_sets, fingerprint, labels);
}

static void all_decided(struct sim *s)
{
    _cleanup_json_ json_t *seen = json_object();
    int64_t malformed = 0;
    const char *fingerprint;
    json_t *n;
    for (const struct jrun *run = s->journal.runs; run; run = run->hh.next) {
        const json_t *record = json_object_get(run->doc, "record"), *alert = json_object_get(record, "alert");
        const char *key = json_text_or(alert, "fingerprint", "");
        bool is_malformed = str_eq(json_text(record, "reason"), "malformed");
        malformed += is_malformed;
        if (run->doc && !is_malformed && str_eq(json_text(alert, "status"), "firing"))
            json_object_set_new(seen, key, json_integer(json_int_or(seen, key, 0) + json_int_or(record, "seen", 0)));
    }
    if (malformed != s->malformed)
        violated(s, "one_decision", "%lld elements were malformed, %lld records say so", (long long)s->malformed,
                 (long long)malformed);
    json_object_foreach (s->fired, fingerprint, n) {
        if (json_integer_value(n) != json_int_or(seen, fingerprint, 0))
            violated(s, "one_decision", "alert %s was taken %lld times, its records saw it %lld times", fingerprint,
                     (long long)json_integer_value(n), (long long)json_int_or(seen, fingerprint, 0));
    }
}

/* ---- the end ---- */

void watch_end(struct sim *s)
{
    struct core_stats st;
    for (const struct jrun *run = s->journal.runs; run; run = run->hh.next) {
        const json_t *record = json_object_get(run->doc, "record");
        if (run->doc && !str_eq(json_text(record, "state"), "done"))
            violated(s, "runs_end", "run %s is still %s (%s) long after the history has stopped", run->id,
                     json_text_or(record, "state", "?"),
                     json_path_text(record, "held", "reason", NULL) ? json_path_text(record, "held", "reason", NULL)
                                                                    : "not held");
    }
    core_stats(s->process.core, &st);
    for (int i = 0; i < RUN_DONE; i++)
        if (st.runs[i] > 0)
            violated(s, "runs_end", "the core has %zu runs %s that the journal does not have", st.runs[i],
                     run_state_name((enum run_state)i));
    all_decided(s);
    watch_everybody_told(s);
}

/* Alerts that mendd raised itself end when what they are about does, which Alertmanager knows nothing of. */
static size_t open_of_our_own(const struct sim *s)
{
    size_t n = 0;
    for (const struct jrun *run = s->journal.runs; run; run = run->hh.next)
        n += run->doc && run->open &&
             alert_name_is_internal(json_path_text(run->doc, "record", "alert", "labels", "alertname", NULL));
    return n;
}

void watch_resolved(struct sim *s)
{
    struct core_stats st;
    size_t runs = 0;
    const size_t own = open_of_our_own(s);
    const struct event tick = {.type = EVENT_TICK};
    shell_feed(s, &tick); /* the dead are freed with the next call */
    core_stats(s->process.core, &st);
    for (size_t i = 0; i < ARRAY_SIZE(st.runs); i++)
        runs += st.runs[i];
    if (runs > own || st.episodes > own || st.ops_in_flight > 0)
        violated(s, "memory_returns", "%zu runs, %zu episodes and %zu questions are left", runs, st.episodes,
                 st.ops_in_flight);
    all_decided(s);
}
