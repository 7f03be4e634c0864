/* The words of notices (notice.h). Alerts are hostile: what a notice repeats of them is bounded, and annotations and
 * messages go without secrets (redact.h). */
#include "base/alloc.h"
#include "base/text.h"
#include "core/escalation.h"
#include "core/redact.h"

#include <string.h>

enum { MEMBERS_MAX = 32, TEXT_MAX = 1024, TEXTS_MAX = 16 * 1024, LINES_MAX = 50, SUMMARY_MAX = 200, NOTE_MAX = 4000 };

/* At most max bytes, not cut within a character. */
static json_t *cut_new(const char *s, size_t max)
{
    size_t len = utf8_prefix(s, max);
    if (!s[len])
        return json_text_new(s, len);
    _cleanup_free_ char *text = xasprintf("%.*s\xe2\x80\xa6", (int)len, s);
    return json_text_new(text, strlen(text));
}

/* A map of texts with bounds on each and on the whole. */
static json_t *bounded_new(const json_t *map)
{
    json_t *copy = json_object(), *value;
    const char *key;
    size_t left = TEXTS_MAX;
    json_object_foreach ((json_t *)map, key, value) {
        const char *s = json_string_value(value);
        size_t max = left < TEXT_MAX ? left : TEXT_MAX, size = strlen(key) + (s ? strlen(s) : 0);
        if (!s || json_object_size(copy) >= MEMBERS_MAX || strlen(key) >= max)
            continue;
        json_object_set_new(copy, key, cut_new(s, max - strlen(key)));
        left -= size < max ? size : max;
    }
    return copy;
}

/* The playbook's word, else the alert's label. */
const char *notice_severity(const struct run *run)
{
    const char *label = json_path_text(run->alert, "labels", "severity", NULL);
    if (run->playbook && !str_empty(run->playbook->severity))
        return run->playbook->severity;
    return str_empty(label) ? "default" : label;
}

static const char *how_it_stands(const struct run *run)
{
    switch (run->outcome) {
    case OUTCOME_FAILED:
        return "the repair failed";
    case OUTCOME_SKIPPED:
        return "not repaired";
    case OUTCOME_CANCELLED:
        return "cancelled";
    case OUTCOME_RESOLVED:
        return "resolved";
    case OUTCOME_NONE:
        break;
    }
    return run->state == RUN_AWAITING_APPROVAL ? "a plan waits for approval" : "the repair stands half-way";
}

static char *summary_new(const struct run *run, const char *target, enum reason reason)
{
    const char *alertname = record_alertname(run);
    const char *why = run->state == RUN_AWAITING_APPROVAL ? NULL : reason_name(reason);
    return xasprintf("%s%s%s: %s%s%s%s", str_empty(alertname) ? "an alert" : alertname, target ? " on " : "",
                     target ? target : "", how_it_stands(run), why ? " (" : "", why ? why : "", why ? ")" : "");
}

static void set_redacted(json_t *notice, const char *key, const char *text, size_t max)
{
    _cleanup_free_ char *clean = redact_text_new(text ? text : "");
    json_object_set_new(notice, key, cut_new(clean, max));
}

json_t *notice_base_new(const struct run *run, const char *severity, enum reason reason, const char *message)
{
    json_t *n = json_object();
    const json_t *labels = json_object_get(run->alert, "labels");
    const char *namespace = run->has_target ? run->target.namespace : NULL;
    _cleanup_free_ char *target = run->has_target ? target_describe(&run->target) : NULL;
    _cleanup_free_ char *summary = summary_new(run, target, reason);
    _cleanup_free_ char *path = xasprintf("/actions/%s", run->id);
    _cleanup_json_ json_t *annotations = bounded_new(json_object_get(run->alert, "annotations"));
    json_set_text(n, "severity", severity);
    json_object_set_new(n, "summary", cut_new(summary, SUMMARY_MAX));
    set_redacted(n, "message", message, TEXT_MAX);
    json_set_text(n, "run", run->id);
    json_set_text(n, "alertname", record_alertname(run));
    json_set_text(n, "playbook", run->playbook ? run->playbook->name : NULL);
    json_set_text(n, "cluster", run->target.cluster ? run->target.cluster : json_text(run->record, "cluster"));
    json_set_text(n, "namespace", namespace ? namespace : json_text(labels, "namespace"));
    json_set_text(n, "target", target);
    json_set_text(n, "state", run_state_name(run->state));
    json_set_text(n, "outcome", run_outcome_name(run->outcome));
    json_set_text(n, "reason", reason_name(reason));
    json_object_set_new(n, "labels", bounded_new(labels));
    json_object_set_new(n, "annotations", redact_json_new(annotations));
    json_set_text(n, "path", path);
    return n;
}

json_t *notice_words_new(const struct core *c, const char *message)
{
    json_t *w = json_object();
    record_set_time(w, "time", c->now.wall_us);
    if (message)
        set_redacted(w, "message", message, TEXT_MAX);
    return w;
}

/* What a person is asked to say yes to, short enough to read. */
json_t *notice_plan_new(const struct run *run)
{
    const json_t *plan = json_object_get(run->record, "plan");
    json_t *requests = json_array(), *checks = json_array(), *e;
    size_t i;
    json_array_foreach (json_object_get(plan, "requests"), i, e) {
        if (json_array_size(requests) == LINES_MAX)
            break;
        _cleanup_free_ char *line = xasprintf("%s %s", json_text_or(e, "method", "?"), json_text_or(e, "path", "?"));
        json_array_append_new(requests, cut_new(line, TEXT_MAX));
    }
    json_array_foreach (json_object_get(plan, "checks"), i, e) {
        if (json_array_size(checks) < LINES_MAX)
            json_array_append_new(checks, json_string(json_text_or(e, "check", "?")));
    }
    json_t *p = json_pack("{s:o, s:o}", "requests", requests, "checks", checks);
    json_set_text(p, "hash", json_path_text(run->record, "approval", "hash", NULL));
    return p;
}

json_t *notice_of_step_new(const struct run *run, const json_t *body)
{
    const char *title = json_text_or(body, "title", "");
    json_t *n = notice_base_new(run, json_text_or(body, "severity", notice_severity(run)), REASON_NONE, NULL);
    set_redacted(n, "summary", title, SUMMARY_MAX);
    set_redacted(n, "message", json_text_or(body, "text", title), NOTE_MAX);
    return n;
}

json_t *notice_new(const struct telling *t)
{
    static const char *const texts[] = {"time",        "severity", "summary", "message",   "run",
                                        "alertname",   "playbook", "cluster", "namespace", "target",
                                        "state",       "outcome",  "reason",  "labels",    "by",
                                        "annotations", "plan",     "items",   "path",      "respond_by"};
    json_t *n = json_object();
    json_set_text(n, "event", notice_event_name(t->event));
    json_set_text(n, "receiver", t->receiver->name);
    json_set_text(n, "key", t->story->notice_key);
    json_object_set_new(n, "level", json_integer(t->level));
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        json_t *own = json_object_get(t->words, texts[i]), *v = own ? own : json_object_get(t->story->base, texts[i]);
        json_object_set_new(n, texts[i], v ? json_deep_copy(v) : json_null());
    }
    return n;
}
