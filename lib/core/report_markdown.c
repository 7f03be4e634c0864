/* The report as Markdown. Sections are written one by one; one that does not fit any more is replaced by a line that
 * says so, so that no code block is ever cut open. */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"
#include "core/markdown.h"
#include "core/report.h"
#include "core/report_internal.h"

#include <string.h>

enum { FOOT_ROOM = 8 * 1024 };

static void field(struct strbuf *b, const char *name, const char *value)
{
    if (str_empty(value))
        return;
    strbuf_printf(b, "- %s: ", name);
    markdown_inline(b, value);
    strbuf_putc(b, '\n');
}

/* " words" in brackets behind something, if there are any. */
static void aside(struct strbuf *b, const char *before, const char *text, const char *after)
{
    if (str_empty(text))
        return;
    strbuf_puts(b, before);
    markdown_inline(b, text);
    strbuf_puts(b, after);
}

/* Texts as they are, other values as JSON. */
static void value_inline(struct strbuf *b, const json_t *value)
{
    _cleanup_free_ char *text = json_is_string(value) || !value ? NULL : json_compact(value);
    markdown_inline(b, text ? text : json_string_value(value));
}

/* ---- head ---- */

static void section_head(struct strbuf *b, const json_t *r)
{
    _cleanup_free_ char *target = report_object_new(json_object_get(r, "target"));
    const char *reason = json_text(r, "reason");
    strbuf_puts(b, "# Incident report: ");
    markdown_inline(b, json_text(r, "title"));
    strbuf_puts(b, "\n\n");
    const char *summary = json_text_or(r, "summary", "");
    markdown_inline(b, summary);
    strbuf_puts(b, "\n\n");
    field(b, "run", json_text(r, "id"));
    field(b, "state", json_text(r, "state"));
    field(b, "outcome", json_text(r, "outcome"));
    if (reason) {
        strbuf_puts(b, "- reason: ");
        markdown_inline(b, reason);
        aside(b, ": ", json_text(r, "reason_explained"), "");
        strbuf_putc(b, '\n');
    }
    field(b, "escalated", json_bool_or(r, "escalated", false) ? "yes" : "no");
    field(b, "target", target);
    field(b, "cluster", json_text(r, "cluster"));
    field(b, "playbook", json_text(r, "playbook"));
    field(b, "playbook hash", json_text(r, "playbook_hash"));
}

static void section_left(struct strbuf *b, const json_t *r)
{
    size_t i;
    json_t *text;
    json_array_foreach (json_object_get(r, "left"), i, text) {
        strbuf_puts(b, "- [ ] ");
        markdown_inline(b, json_string_value(text));
        strbuf_putc(b, '\n');
    }
}

/* ---- alert ---- */

static void map_lines(struct strbuf *b, const char *what, const json_t *map)
{
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)map, key, value) {
        strbuf_printf(b, "- %s ", what);
        markdown_inline(b, key);
        strbuf_puts(b, " = ");
        value_inline(b, value);
        strbuf_putc(b, '\n');
    }
}

static void section_alert(struct strbuf *b, const json_t *r)
{
    const json_t *alert = json_object_get(r, "alert");
    char seen[32];
    snprintf(seen, sizeof(seen), "%lld", (long long)json_int_or(r, "seen", 1));
    map_lines(b, "label", json_object_get(alert, "labels"));
    map_lines(b, "annotation", json_object_get(alert, "annotations"));
    field(b, "fingerprint", json_text(alert, "fingerprint"));
    field(b, "generator", json_text(alert, "generatorURL"));
    field(b, "seen", seen);
    field(b, "last seen", json_text(r, "last_seen"));
}

/* ---- times ---- */

static void time_row(struct strbuf *b, const json_t *times, const char *what, const char *key, const char *span,
                     const char *of)
{
    const int64_t ms = span ? json_int_or(times, span, -1) : -1;
    _cleanup_free_ char *text = ms >= 0 ? report_span_new(ms * USEC_PER_MSEC) : NULL;
    strbuf_printf(b, "| %s | ", what);
    markdown_inline(b, json_text(times, key));
    strbuf_printf(b, " | %s%s |\n", text ? text : "", text ? of : "");
}

static void section_times(struct strbuf *b, const json_t *r)
{
    const json_t *times = json_object_get(r, "times");
    strbuf_puts(b, "| | when | took |\n|---|---|---|\n");
    time_row(b, times, "detected", "detected", NULL, "");
    time_row(b, times, "acted", "acted", "time_to_act_ms", " from detection");
    time_row(b, times, "verified", "verified", "time_to_verify_ms", " from the first change");
    time_row(b, times, "resolved", "resolved", "time_to_resolve_ms", " from detection");
    time_row(b, times, "ended", "finished", NULL, "");
}

static void section_timeline(struct strbuf *b, const json_t *r)
{
    size_t i;
    json_t *e;
    strbuf_puts(b, "| time | state | event |\n|---|---|---|\n");
    json_array_foreach (json_object_get(r, "timeline"), i, e) {
        aside(b, "| ", json_text_or(e, "time", "-"), " | ");
        markdown_inline(b, json_text(e, "state"));
        aside(b, " | ", json_text_or(e, "event", "-"), " |\n");
    }
}

/* ---- cause ---- */

static void section_cause(struct strbuf *b, const json_t *r)
{
    const json_t *cause = json_object_get(r, "cause");
    size_t i;
    json_t *f;
    markdown_inline(b, json_text(cause, "words"));
    strbuf_putc(b, '\n');
    json_array_foreach (json_object_get(cause, "findings"), i, f) {
        strbuf_puts(b, i == 0 ? "\n- " : "- ");
        strbuf_puts(b, "found: ");
        markdown_inline(b, json_text(f, "what"));
        aside(b, " (", json_text(f, "from"), ")");
        strbuf_putc(b, '\n');
    }
}

/* ---- what was done ---- */

static void section_steps(struct strbuf *b, const json_t *r)
{
    size_t i;
    json_t *s;
    json_array_foreach (json_object_get(r, "steps"), i, s) {
        strbuf_puts(b, "- step ");
        markdown_inline(b, json_text(s, "action"));
        aside(b, " (rung ", json_text(s, "rung_name"), ")");
        aside(b, ": ", json_text(s, "status"), "");
        aside(b, "; ", json_text(s, "note"), "");
        aside(b, "; ", json_text(s, "error"), "");
        strbuf_putc(b, '\n');
    }
}

static void one_change(struct strbuf *b, const json_t *c)
{
    strbuf_puts(b, json_bool_or(c, "undo", false) ? "Rollback of " : "Change of ");
    markdown_inline(b, json_text(c, "object"));
    aside(b, " by ", json_text(c, "action"), "");
    aside(b, ": ", json_text(c, "request"), "");
    aside(b, ", ", json_text(c, "status"), "");
    if (json_int_or(c, "code", 0))
        strbuf_printf(b, " (HTTP %lld)", (long long)json_int_or(c, "code", 0));
    aside(b, ", sent ", json_text(c, "sent"), "");
    aside(b, ", answered ", json_text(c, "answered"), "");
    aside(b, "; ", json_text(c, "error"), "");
    strbuf_puts(b, ".\n\n");
    if (json_text(c, "diff")) {
        markdown_block(b, "diff", json_text(c, "diff"));
        strbuf_putc(b, '\n');
    }
}

static void section_changes(struct strbuf *b, const json_t *r)
{
    size_t i;
    json_t *c;
    json_array_foreach (json_object_get(r, "changes"), i, c)
        one_change(b, c);
}

static void section_plan(struct strbuf *b, const json_t *r)
{
    const json_t *plan = json_object_get(r, "plan");
    size_t i;
    json_t *c;
    if (json_object_size(plan) == 0)
        return;
    strbuf_puts(b, "What would be done; the record says whether it was.\n\n");
    json_array_foreach (json_object_get(plan, "requests"), i, c)
        one_change(b, c);
    json_array_foreach (json_object_get(plan, "checks"), i, c) {
        strbuf_puts(b, "- check ");
        value_inline(b, c);
        strbuf_putc(b, '\n');
    }
}

static void section_rollback(struct strbuf *b, const json_t *r)
{
    const json_t *rollback = json_object_get(r, "rollback");
    if (!json_is_object(rollback))
        return;
    strbuf_puts(b, "Result ");
    markdown_inline(b, json_text(rollback, "result"));
    aside(b, ": ", json_text(rollback, "words"), ".\n");
}

/* ---- checks ---- */

static void section_checks(struct strbuf *b, const json_t *r)
{
    size_t i;
    json_t *c;
    if (json_array_size(json_object_get(r, "checks")) == 0)
        return;
    strbuf_puts(b, "| check | with | verdict | tries | last seen | when |\n|---|---|---|---|---|---|\n");
    json_array_foreach (json_object_get(r, "checks"), i, c) {
        aside(b, "| ", json_text_or(c, "check", "-"), " | ");
        value_inline(b, json_object_get(c, "with"));
        aside(b, " | ", json_text_or(c, "verdict", "-"), "");
        strbuf_printf(b, " | %lld", (long long)json_int_or(c, "tries", 0));
        aside(b, " | ", json_text_or(c, "seen", "-"), "");
        aside(b, " | ", json_text_or(c, "last", "-"), " |\n");
    }
}

/* ---- people ---- */

/* Members by their names, one level within another in brackets: what else a record says of it is shown too. */
static void members(struct strbuf *b, const json_t *value, int depth)
{
    const char *key, *glue = "";
    json_t *member;
    size_t i;
    if (depth > 3 || !(json_is_object(value) || json_is_array(value))) {
        value_inline(b, value);
        return;
    }
    json_object_foreach ((json_t *)value, key, member) {
        if (json_is_null(member) || (json_is_array(member) && json_array_size(member) == 0))
            continue;
        const bool nested = json_is_object(member) || json_is_array(member);
        strbuf_puts(b, glue);
        markdown_inline(b, key);
        strbuf_puts(b, nested ? " (" : " ");
        members(b, member, depth + 1);
        strbuf_puts(b, nested ? ")" : "");
        glue = ", ";
    }
    json_array_foreach (value, i, member) {
        strbuf_puts(b, i ? "; " : "");
        members(b, member, depth + 1);
    }
}

static void members_line(struct strbuf *b, const char *head, const json_t *object)
{
    strbuf_puts(b, head);
    members(b, object, 0);
    strbuf_putc(b, '\n');
}

static void section_escalations(struct strbuf *b, const json_t *r)
{
    size_t i;
    json_t *e;
    json_array_foreach (json_object_get(r, "escalations"), i, e)
        members_line(b, "- told: ", e);
}

static void section_approval(struct strbuf *b, const json_t *r)
{
    const json_t *approval = json_object_get(r, "approval");
    if (json_object_size(approval) == 0)
        return;
    members_line(b, "- plan ", approval);
}

static void section_related(struct strbuf *b, const json_t *r)
{
    const json_t *related = json_object_get(r, "related");
    json_t *name;
    size_t i;
    json_array_foreach (json_object_get(related, "also_matched"), i, name) {
        strbuf_puts(b, "- also matched: playbook ");
        value_inline(b, name);
        strbuf_putc(b, '\n');
    }
    if (json_object_size(json_object_get(related, "held")) > 0)
        members_line(b, "- held by: ", json_object_get(related, "held"));
    field(b, "waits for run", json_text(related, "run"));
}

/* ---- evidence, checklist ---- */

static void section_evidence(struct strbuf *b, const json_t *r)
{
    size_t i;
    json_t *e;
    json_array_foreach (json_object_get(r, "evidence"), i, e) {
        strbuf_puts(b, "Kept by ");
        markdown_inline(b, json_text(e, "action"));
        aside(b, ", ", json_text(e, "name"), "");
        aside(b, ", at ", json_text(e, "time"), "");
        strbuf_printf(b, "%s:\n\n", json_bool_or(e, "truncated", false) ? " (a part of it)" : "");
        markdown_block(b, "", json_text_or(e, "text", ""));
        strbuf_putc(b, '\n');
    }
}

static void section_checklist(struct strbuf *b, const json_t *r)
{
    size_t i;
    json_t *c;
    json_array_foreach (json_object_get(r, "checklist"), i, c) {
        strbuf_puts(b, json_bool_or(c, "done", false) ? "- [x] " : "- [ ] ");
        markdown_inline(b, json_text(c, "item"));
        aside(b, " (", json_text(c, "fact"), ")");
        strbuf_putc(b, '\n');
    }
}

static void section_cut(struct strbuf *b, const json_t *r)
{
    size_t i;
    json_t *text;
    json_array_foreach (json_object_get(r, "cut"), i, text) {
        if (b->len > FOOT_ROOM / 2)
            break;
        strbuf_puts(b, "- left out: ");
        markdown_inline(b, json_string_value(text));
        strbuf_putc(b, '\n');
    }
}

static const struct {
    const char *title;
    void (*write)(struct strbuf *b, const json_t *report);
} sections[] = {
    {NULL, section_head},
    {"Left for a person", section_left},
    {"Times", section_times},
    {"Cause, as far as known", section_cause},
    {"What mendd did", section_steps},
    {"Changes", section_changes},
    {"Rollback", section_rollback},
    {"Plan", section_plan},
    {"Checks", section_checks},
    {"Approval", section_approval},
    {"Escalations", section_escalations},
    {"Timeline", section_timeline},
    {"Alert", section_alert},
    {"Related", section_related},
    {"Post-incident checklist", section_checklist},
    {"Evidence", section_evidence},
};

static void add_section(struct strbuf *b, const char *title, const struct strbuf *text, size_t max)
{
    if (text->len == 0)
        return;
    if (title)
        strbuf_printf(b, "\n## %s\n\n", title);
    size_t len = text->len;
    while (len > 1 && text->data[len - 1] == '\n' && text->data[len - 2] == '\n')
        len--; /* one blank line between sections is enough */
    if (b->len + len <= max)
        strbuf_add(b, text->data, len);
    else
        strbuf_puts(b, "Left out: the report would have been too long. It stands in the record.\n");
}

char *report_markdown_new(const json_t *report)
{
    struct strbuf b = STRBUF_INIT;
    for (size_t i = 0; i < ARRAY_SIZE(sections); i++) {
        _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
        sections[i].write(&text, report);
        add_section(&b, sections[i].title, &text, REPORT_MAX - FOOT_ROOM);
    }
    _cleanup_strbuf_ struct strbuf cut = STRBUF_INIT;
    section_cut(&cut, report);
    add_section(&b, "Left out", &cut, REPORT_MAX);
    return strbuf_take(&b);
}
