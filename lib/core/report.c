/* Puts the report together, and keeps it within its bound. */
#include "core/report.h"

#include "base/alloc.h"
#include "base/text.h"
#include "core/record.h"
#include "core/redact.h"
#include "core/report_internal.h"

#include <string.h>

static void copy(json_t *report, const json_t *record, const char *key)
{
    json_object_set_new(report, key, report_bounded_new(json_object_get(record, key)));
}

/* ---- times ---- */

static void set_span(json_t *times, const char *key, const char *from, const char *to)
{
    const int64_t us = report_span_us(json_text(times, from), json_text(times, to));
    json_object_set_new(times, key, us < 0 ? json_null() : json_integer(us / 1000));
}

static json_t *times_new(const json_t *record)
{
    static const char *const keys[] = {"detected", "acted", "verified", "resolved", NULL};
    json_t *times = json_object();
    for (const char *const *k = keys; *k; k++)
        json_object_set_new(times, *k, report_bounded_new(json_path(record, "times", *k, NULL)));
    copy(times, record, "finished");
    set_span(times, "time_to_act_ms", "detected", "acted");
    set_span(times, "time_to_verify_ms", "acted", "verified");
    set_span(times, "time_to_resolve_ms", "detected", "resolved");
    return times;
}

/* ---- lists ---- */

/* The beginning and the end: what is in the middle of a long story repeats itself. */
static json_t *timeline_new(const json_t *record, json_t *cut)
{
    const json_t *all = json_object_get(record, "timeline");
    const size_t n = json_array_size(all), half = REPORT_ITEMS_MAX / 2;
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        if (n <= REPORT_ITEMS_MAX || i < half || i >= n - half)
            json_array_append_new(list, report_bounded_new(json_array_get(all, i)));
    }
    if (n > REPORT_ITEMS_MAX)
        report_cut(cut, "timeline: %zu events in its middle", n - REPORT_ITEMS_MAX);
    return list;
}

static json_t *parts_new(const json_t *list, const char *const keys[])
{
    json_t *parts = json_array(), *entry;
    size_t i;
    json_array_foreach ((json_t *)list, i, entry) {
        if (i == REPORT_ITEMS_MAX)
            break;
        json_t *part = json_object();
        for (const char *const *k = keys; *k; k++)
            copy(part, entry, *k);
        json_array_append_new(parts, part);
    }
    return parts;
}

static json_t *steps_new(const json_t *record)
{
    static const char *const keys[] = {"rung_name", "action", "name",  "status", "started",
                                       "finished",  "note",   "error", NULL};
    return parts_new(json_object_get(record, "steps"), keys);
}

static json_t *checks_new(const json_t *record)
{
    static const char *const keys[] = {"rung",  "check", "with", "verdict", "seen",
                                       "tries", "first", "last", "history", NULL};
    return parts_new(json_object_get(record, "checks"), keys);
}

static json_t *plan_new(const json_t *record, json_t *cut)
{
    const json_t *plan = json_object_get(record, "plan");
    if (!json_is_object(plan))
        return json_null();
    json_t *p = json_object();
    json_object_set_new(p, "requests", report_planned_new(json_object_get(plan, "requests"), cut));
    copy(p, plan, "checks");
    return p;
}

static json_t *rollback_new(const json_t *record)
{
    const char *result = json_text(record, "rollback");
    return result ? json_pack("{s:s, s:s}", "result", result, "words", report_rollback_words(result)) : json_null();
}

/* ---- evidence ---- */

static json_t *piece_new(const json_t *e, size_t *left, json_t *cut)
{
    json_t *piece = json_object();
    const json_t *data = json_object_get(e, "data");
    const char *name = json_text_or(e, "name", "");
    _cleanup_free_ char *shown =
        data ? json_dumps(data, JSON_INDENT(2) | JSON_ENCODE_ANY) : xstrdup(json_text_or(e, "text", ""));
    const size_t len = shown ? strlen(shown) : 0, max = *left < REPORT_BLOCK_MAX ? *left : REPORT_BLOCK_MAX;
    copy(piece, e, "time");
    copy(piece, e, "action");
    copy(piece, e, "name");
    const bool log = str_eq(json_text(e, "action"), "pod.logs");
    json_object_set_new(piece, "text", log ? report_tail_new(shown, max) : report_text_new(shown ? shown : "", max));
    json_object_set_new(piece, "truncated", json_boolean(len > max || json_bool_or(e, "truncated", false)));
    if (len > max)
        report_cut(cut, "evidence %.200s: %zu of its %zu bytes are shown", name, max, len);
    *left -= len < max ? len : max;
    return piece;
}

static json_t *evidence_new(const json_t *record, json_t *cut)
{
    size_t i, left = REPORT_BLOCKS_MAX;
    json_t *list = json_array(), *e, *all = json_object_get(record, "evidence");
    json_array_foreach (all, i, e) {
        if (left == 0 || i == REPORT_ITEMS_MAX) {
            report_cut(cut, "evidence: the last %zu pieces", json_array_size(all) - i);
            break;
        }
        json_array_append_new(list, piece_new(e, &left, cut));
    }
    return list;
}

/* ---- the whole ---- */

static void add_heads(json_t *report, const json_t *record)
{
    static const char *const keys[] = {"id",        "state",    "outcome",       "reason", "message", "escalated",
                                       "cluster",   "playbook", "playbook_hash", "target", "alert",   "seen",
                                       "last_seen", NULL};
    enum reason reason;
    for (const char *const *k = keys; *k; k++)
        copy(report, record, *k);
    const char *name = json_text(record, "reason");
    json_set_text(report, "reason_explained", name && reason_parse(name, &reason) ? reason_explain(reason) : NULL);
}

static json_t *related_new(const json_t *record)
{
    json_t *related = json_object();
    copy(related, record, "also_matched");
    copy(related, record, "held");
    copy(related, record, "run");
    return related;
}

static size_t size_of(const json_t *report)
{
    return json_dumpb(report, NULL, 0, JSON_COMPACT);
}

/* The bounds of the parts keep usual reports far below the whole's. What is left is hostile or huge, and whole parts of
 * it go, the least told first. */
static void keep_within_bound(json_t *report, json_t *cut)
{
    static const char *const parts[] = {"evidence", "plan",        "checks",   "changes", "steps",  "alert",
                                        "timeline", "escalations", "approval", "related", "target", NULL};
    for (const char *const *p = parts; *p && size_of(report) > REPORT_MAX; p++) {
        json_t *part = json_object_get(report, *p);
        if (json_array_size(part) + json_object_size(part) == 0)
            continue;
        json_object_set_new(report, *p, json_is_array(part) ? json_array() : json_null());
        report_cut(cut, "%s: all of it, the report would have been too long", *p);
    }
}

json_t *report_new(const json_t *record)
{
    _cleanup_json_ json_t *clean = redact_json_new(record);
    json_t *report = json_object(), *cut = json_array(), *left = report_left_new(clean),
           *cause = report_cause_new(clean);
    _cleanup_free_ char *title = report_title_new(clean), *summary = report_summary_new(clean, left);
    add_heads(report, clean);
    json_object_set_new(report, "title", report_text_new(title, REPORT_TEXT_MAX));
    json_object_set_new(report, "summary", report_text_new(summary, 2 * REPORT_TEXT_MAX));
    json_object_set_new(report, "times", times_new(clean));
    json_object_set_new(report, "left", left);
    json_object_set_new(report, "timeline", timeline_new(clean, cut));
    json_object_set_new(report, "checklist", report_checklist_new(clean, cause));
    json_object_set_new(report, "cause", cause);
    json_object_set_new(report, "steps", steps_new(clean));
    json_object_set_new(report, "changes", report_changes_new(clean, cut));
    json_object_set_new(report, "plan", plan_new(clean, cut));
    json_object_set_new(report, "checks", checks_new(clean));
    json_object_set_new(report, "rollback", rollback_new(clean));
    copy(report, clean, "approval");
    copy(report, clean, "escalations");
    json_object_set_new(report, "evidence", evidence_new(clean, cut));
    json_object_set_new(report, "related", related_new(clean));
    json_object_set_new(report, "cut", cut);
    keep_within_bound(report, cut);
    return report;
}
