/* The report's own sentences: title, summary, what is left for a person, the runbook's checklist. */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"
#include "core/record.h"
#include "core/report_internal.h"

#include <string.h>

/* ---- what stands in the record ---- */

struct tally {
    size_t sent, done, failed, unknown, undone;
};

static struct tally count_requests(const json_t *record)
{
    struct tally t = {0};
    size_t i, k;
    json_t *step, *request;
    json_array_foreach (json_object_get(record, "steps"), i, step) {
        json_array_foreach (json_object_get(step, "requests"), k, request) {
            const char *status = json_text_or(request, "status", "");
            if (str_ends(json_text(request, "key"), "/undo"))
                continue;
            t.sent += json_text(request, "sent") != NULL;
            t.done += str_eq(status, "done");
            t.failed += str_eq(status, "failed");
            t.unknown += str_eq(status, "unknown");
            t.undone += str_eq(status, "undone");
        }
    }
    return t;
}

static const char *outcome_of(const json_t *record)
{
    return json_text_or(record, "outcome", "");
}

static bool is_over(const json_t *record)
{
    return str_eq(json_text(record, "state"), "done");
}

static const char *explain(const char *reason)
{
    enum reason r;
    return reason && reason_parse(reason, &r) ? reason_explain(r) : NULL;
}

static const char *time_of(const json_t *record, const char *which)
{
    return json_path_text(record, "times", which, NULL);
}

/* ---- title ---- */

char *report_title_new(const json_t *record)
{
    const char *name = json_path_text(record, "alert", "labels", "alertname", NULL);
    _cleanup_free_ char *target = report_object_new(json_object_get(record, "target"));
    return xasprintf("%.200s%s%s", name ? name : "An alert without a name", target ? " on " : "", target ? target : "");
}

/* ---- summary ---- */

/* Whole seconds are enough for a sentence. */
static void say_time(struct strbuf *b, const char *before, const char *time, const char *otherwise)
{
    char text[TIME_TEXT_MAX];
    int64_t us;
    strbuf_printf(b, "%s%.40s", before, time && time_parse(time, &us) == 0 ? time_format_seconds(us, text) : otherwise);
}

static void say_what_fired(struct strbuf *b, const json_t *record)
{
    const json_t *alert = json_object_get(record, "alert");
    const char *name = json_path_text(alert, "labels", "alertname", NULL), *starts = json_text(alert, "startsAt");
    const char *severity = json_path_text(alert, "labels", "severity", NULL), *detected = time_of(record, "detected");
    const long long seen = (long long)json_int_or(record, "seen", 1);
    _cleanup_free_ char *target = report_object_new(json_object_get(record, "target"));
    strbuf_printf(b, "The alert %.200s", name ? name : "(without a name)");
    if (severity)
        strbuf_printf(b, ", severity %.60s,", severity);
    if (starts)
        say_time(b, " began at ", starts, "a time that cannot be read");
    say_time(b, starts ? " and reached mendd at " : " reached mendd at ", detected, "a time that is not recorded");
    if (seen > 1)
        strbuf_printf(b, " (%lld times in all)", seen);
    strbuf_puts(b, ".");
    if (target)
        strbuf_printf(b, " It is about %s in cluster %.100s.", target, json_text_or(record, "cluster", "(not known)"));
}

static void say_what_was_decided(struct strbuf *b, const json_t *record)
{
    const char *playbook = json_text(record, "playbook"), *why = explain(json_text(record, "reason"));
    const char *held = explain(json_path_text(record, "held", "reason", NULL));
    if (playbook)
        strbuf_printf(b, " mendd chose the playbook %.200s.", playbook);
    if (str_eq(outcome_of(record), "skipped"))
        strbuf_printf(b, " It did not act: %s", why ? why : "the record gives no reason.");
    else if (str_eq(outcome_of(record), "cancelled"))
        strbuf_puts(b, " A person cancelled the run.");
    else if (!is_over(record) && held)
        strbuf_printf(b, " It waits: %s", held);
    else if (str_eq(json_text(record, "state"), "awaiting_approval"))
        strbuf_puts(b, " The plan waits for a person's approval.");
}

static void say_what_was_done(struct strbuf *b, const json_t *record)
{
    const struct tally t = count_requests(record);
    const char *rollback = json_text(record, "rollback");
    _cleanup_free_ char *span = NULL;
    const int64_t us = report_span_us(time_of(record, "detected"), time_of(record, "acted"));
    if (t.sent == 0) {
        strbuf_printf(b, " Nothing was changed%s.", is_over(record) ? "" : " so far");
        return;
    }
    span = us >= 0 ? report_span_new(us) : NULL;
    strbuf_printf(b, " It sent %zu change%s", t.sent, t.sent == 1 ? "" : "s");
    if (span)
        strbuf_printf(b, ", the first after %s", span);
    const struct {
        size_t n;
        const char *words;
    } fates[] = {{t.done, "done"},
                 {t.undone, "done and undone"},
                 {t.failed, "failed"},
                 {t.unknown, "of which nobody knows whether they took effect"}};
    const char *glue = ": ";
    for (size_t i = 0; i < ARRAY_SIZE(fates); i++) {
        if (fates[i].n == 0)
            continue;
        strbuf_printf(b, "%s%zu %s", glue, fates[i].n, fates[i].words);
        glue = ", ";
    }
    strbuf_puts(b, ".");
    if (rollback)
        strbuf_printf(b, " Rollback: %s.", report_rollback_words(rollback));
}

static void say_whether_proven(struct strbuf *b, const json_t *record)
{
    const char *verified = time_of(record, "verified"), *resolved = time_of(record, "resolved");
    const int64_t verify_us = report_span_us(time_of(record, "acted"), verified);
    const int64_t resolve_us = report_span_us(time_of(record, "detected"), resolved);
    _cleanup_free_ char *verify = verify_us >= 0 ? report_span_new(verify_us) : NULL;
    _cleanup_free_ char *resolve = resolve_us >= 0 ? report_span_new(resolve_us) : NULL;
    if (count_requests(record).sent == 0) {
        if (resolved)
            strbuf_printf(b, " The alert cleared without it.");
        return;
    }
    if (verified)
        strbuf_printf(b, " The checks passed%s%s", verify ? " after " : "", verify ? verify : "");
    if (verified && resolved)
        strbuf_printf(b, ", and the alert cleared%s%s: the repair is proven.", resolve ? " after " : "",
                      resolve ? resolve : "");
    else if (verified)
        strbuf_printf(b, ", but the alert %s: the repair is not proven.",
                      is_over(record) ? "did not clear" : "has not cleared yet");
    else
        strbuf_printf(b, " The repair is not proven: the checks have not passed%s.",
                      resolved ? ", though the alert cleared" : "");
}

char *report_summary_new(const json_t *record, const json_t *left)
{
    _cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
    const char *message = json_text(record, "message");
    say_what_fired(&b, record);
    say_what_was_decided(&b, record);
    say_what_was_done(&b, record);
    say_whether_proven(&b, record);
    if (message)
        strbuf_printf(&b, " In mendd's words: %.1000s%s", message, str_ends(message, ".") ? "" : ".");
    const size_t n = json_array_size(left);
    if (n > 0)
        strbuf_printf(&b, " Left for a person: %zu thing%s, listed below.", n, n == 1 ? "" : "s");
    else
        strbuf_puts(&b, " Nothing is left to repair.");
    return strbuf_take(&b);
}

const char *report_rollback_words(const char *result)
{
    if (str_eq(result, "done"))
        return "every change was undone";
    if (str_eq(result, "partial"))
        return "some changes were undone, some still stand";
    if (str_eq(result, "failed"))
        return "the changes could not be undone and still stand";
    return str_eq(result, "none") ? "no change could be undone (a restart or a deletion has no inverse)" : "not known";
}

/* ---- what is left ---- */

static void left_add(json_t *left, char *text_new)
{
    json_array_append_new(left, report_text_new(text_new, REPORT_TEXT_MAX));
    free(text_new);
}

static void left_of_requests(json_t *left, const json_t *record)
{
    size_t i, k;
    json_t *step, *request;
    json_array_foreach (json_object_get(record, "steps"), i, step) {
        json_array_foreach (json_object_get(step, "requests"), k, request) {
            if (!str_eq(json_text(request, "status"), "unknown") || json_array_size(left) > 20)
                continue;
            left_add(left, xasprintf("Find out whether %s %s took effect: its answer was lost.",
                                     json_text_or(request, "method", "?"), json_text_or(request, "path", "?")));
        }
    }
}

static bool is_acknowledged(const json_t *record)
{
    size_t i;
    json_t *e;
    json_array_foreach (json_object_get(record, "escalations"), i, e) {
        const json_t *a = json_object_get(e, "acknowledged");
        if (a && !json_is_null(a) && !json_is_false(a))
            return true;
    }
    return false;
}

json_t *report_left_new(const json_t *record)
{
    json_t *left = json_array();
    const bool well = str_eq(outcome_of(record), "resolved"), escalated = json_bool_or(record, "escalated", false);
    const char *rollback = json_text(record, "rollback"), *resolved = time_of(record, "resolved");
    const char *id = json_text_or(record, "id", "ID"), *why = explain(json_text(record, "reason"));
    _cleanup_free_ char *target = report_object_new(json_object_get(record, "target"));
    if (str_eq(json_text(record, "state"), "awaiting_approval"))
        left_add(left, xasprintf("Read the plan and decide: mendctl actions approve %s, or reject.", id));
    else if (!is_over(record))
        left_add(left, xstrdup("The run is not over: this report tells how far it is."));
    if (is_over(record) && !well && count_requests(record).sent > 0)
        left_add(left, xasprintf("See whether %s is well: it is not proven.", target ? target : "the target"));
    else if (is_over(record) && !well && escalated && !resolved)
        left_add(left,
                 xasprintf("Repair %s by hand if the alert still fires. %s", target ? target : "it", why ? why : ""));
    if (str_eq(rollback, "partial") || str_eq(rollback, "failed"))
        left_add(left, xasprintf("Look at what was changed and not undone: %s.", report_rollback_words(rollback)));
    left_of_requests(left, record);
    if (escalated && !is_acknowledged(record) && !resolved)
        left_add(left, xstrdup("Acknowledge the escalation: nobody has, as far as the record knows."));
    return left;
}

/* ---- the runbook's checklist ---- */

static void item(json_t *list, const char *what, bool done, char *fact_new)
{
    json_t *i = json_object();
    json_set_text(i, "item", what);
    json_object_set_new(i, "done", json_boolean(done));
    json_object_set_new(i, "fact", fact_new ? report_text_new(fact_new, REPORT_TEXT_MAX) : json_null());
    json_array_append_new(list, i);
    free(fact_new);
}

static char *fact_of_runbook(const json_t *record)
{
    const char *playbook = json_text(record, "playbook");
    const struct tally t = count_requests(record);
    if (!playbook)
        return xstrdup("no playbook fits this alert: what was done by hand could become one");
    if (t.sent == 0)
        return xasprintf("playbook %.200s did not act", playbook);
    if (time_of(record, "verified"))
        return xasprintf("playbook %.200s helped at rung %lld", playbook,
                         (long long)json_int_or(record, "rung", 0) + 1);
    return xasprintf("playbook %.200s did not help", playbook);
}

static char *fact_of_detection(const json_t *record)
{
    const int64_t us = report_span_us(json_path_text(record, "alert", "startsAt", NULL), time_of(record, "detected"));
    _cleanup_free_ char *span = us >= 0 ? report_span_new(us) : NULL;
    return span ? xasprintf("the alert reached mendd %s after it began", span) : NULL;
}

/* Post-Incident Checklist of the operational runbook: what the record can answer is ticked, the rest is a person's. */
json_t *report_checklist_new(const json_t *record, const json_t *cause)
{
    json_t *list = json_array();
    const size_t events = json_array_size(json_object_get(record, "timeline"));
    const size_t pointers = json_array_size(json_object_get(cause, "findings"));
    const bool escalated = json_bool_or(record, "escalated", false), over = is_over(record) && events > 0;
    item(list, "Document timeline of events", over,
         over ? xasprintf("%zu events, in this report", events) : xstrdup("the run is not over"));
    item(list, "Identify root cause", false,
         json_bool_or(cause, "known", false) ? xasprintf("%zu pointers in the evidence, above", pointers)
                                             : xstrdup("nothing in the evidence points at one"));
    item(list, "Update runbook with lessons learned", false, fact_of_runbook(record));
    item(list, "Add monitoring/alerting if gaps found", false, fact_of_detection(record));
    item(list, "Schedule post-mortem review", false, escalated ? xstrdup("a person was told") : NULL);
    item(list, "Implement preventive measures", false, NULL);
    return list;
}
