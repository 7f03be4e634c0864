/* The record as /actions shows it (core/record.h), kept up to date while a run goes on. */
#include "base/alloc.h"
#include "base/text.h"
#include "core/internal.h"
#include "core/redact.h"

#include <string.h>

void record_set_time(json_t *record, const char *key, int64_t wall_us)
{
    char text[TIME_TEXT_MAX];
    json_set_text(record, key, time_format(wall_us, text));
}

json_t *record_new(struct core *c, const char *id, const json_t *alert)
{
    char now[TIME_TEXT_MAX];
    time_format(c->now.wall_us, now);
    json_t *r = json_pack("{s:s, s:s, s:n, s:O, s:n, s:n, s:n, s:n, s:s, s:n, s:n, s:n, s:b}", "id", id, "created", now,
                          "finished", "alert", alert, "playbook", "playbook_hash", "cluster", "target", "state",
                          "queued", "outcome", "reason", "message", "escalated", 0);
    json_object_set_new(r, "escalations", json_array());
    json_object_set_new(r, "rung", json_null());
    static const char *const lists[] = {"steps", "checks", "evidence", "timeline"};
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        json_object_set_new(r, lists[i], json_array());
    json_object_set_new(r, "times",
                        json_pack("{s:s, s:n, s:n, s:n}", "detected", now, "acted", "verified", "resolved"));
    json_object_set_new(r, "seen", json_integer(1));
    json_set_text(r, "last_seen", now);
    json_object_set_new(r, "also_matched", json_array());
    static const char *const nulls[] = {"held", "run", "rollback", "plan", "approval"};
    for (size_t i = 0; i < ARRAY_SIZE(nulls); i++)
        json_object_set_new(r, nulls[i], json_null());
    return r;
}

const char *record_alertname(const struct run *run)
{
    return json_path_text(run->alert, "labels", "alertname", NULL);
}

void record_event(struct core *c, struct run *run, const char *event)
{
    json_t *entry = json_object();
    record_set_time(entry, "time", c->now.wall_us);
    json_set_text(entry, "state", run_state_name(run->state));
    json_set_text(entry, "event", event);
    json_array_append_new(json_object_get(run->record, "timeline"), entry);
    run_dirty(c, run);
}

/* Only the first time counts: an alert is detected, acted on, verified and resolved once. */
void record_time(struct core *c, struct run *run, const char *which)
{
    json_t *times = json_object_get(run->record, "times");
    if (json_text(times, which))
        return;
    record_set_time(times, which, c->now.wall_us);
    run_dirty(c, run);
}

/* ---- steps and requests ---- */

json_t *record_step(struct run *run)
{
    json_t *steps = json_object_get(run->record, "steps");
    size_t i;
    json_t *s;
    json_array_foreach (steps, i, s) {
        if (json_int_or(s, "rung", -1) == (int64_t)run->rung && json_int_or(s, "step", -1) == (int64_t)run->step)
            return s;
    }
    return NULL;
}

json_t *record_step_begin(struct core *c, struct run *run, const json_t *with)
{
    const struct step *step = run_step_now(run);
    json_t *s = record_step(run);
    if (!s) {
        s = json_pack("{s:I, s:I, s:s, s:n, s:s, s:{}, s:s, s:n, s:n, s:n, s:n, s:[]}", "rung", (json_int_t)run->rung,
                      "step", (json_int_t)run->step, "rung_name", run->playbook->ladder[run->rung].name, "name",
                      "action", step->action->name, "with", "status", "pending", "started", "finished", "note", "error",
                      "requests");
        if (step->name)
            json_set_text(s, "name", step->name);
        json_array_append_new(json_object_get(run->record, "steps"), s);
        record_set_time(s, "started", c->now.wall_us);
    }
    if (with)
        json_object_set_new(s, "with", redact_json_new(with));
    json_set_text(s, "status", "running");
    run_dirty(c, run);
    return s;
}

void record_step_end(struct core *c, struct run *run, const char *status, const char *error)
{
    json_t *s = record_step(run);
    if (!s)
        s = record_step_begin(c, run, NULL);
    json_set_text(s, "status", status);
    record_set_time(s, "finished", c->now.wall_us);
    if (error)
        json_set_text(s, "error", error);
    run_dirty(c, run);
}

/* What a reader wants of an effect; the rest (how it is recognised, the object that came back) stays in the state. */
json_t *record_projection(const json_t *effect)
{
    static const char *const keys[] = {"key",  "object",   "method", "path",     "content_type", "body", "status",
                                       "code", "attempts", "sent",   "answered", "changes",      "error"};
    json_t *r = json_object();
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        json_t *v = json_object_get(effect, keys[i]);
        json_object_set_new(r, keys[i], v ? json_deep_copy(v) : json_null());
    }
    return r;
}

static json_t *shown_request_new(const json_t *effect)
{
    _cleanup_json_ json_t *r = record_projection(effect);
    return redact_json_new(r);
}

void record_request(struct run *run, const json_t *effect)
{
    json_t *s = NULL, *steps = json_object_get(run->record, "steps"), *entry;
    size_t i;
    json_array_foreach (steps, i, s) {
        if (json_int_or(s, "rung", -1) == json_int_or(effect, "rung", -2) &&
            json_int_or(s, "step", -1) == json_int_or(effect, "step", -2))
            break;
    }
    if (i == json_array_size(steps))
        return;
    json_t *requests = json_object_get(s, "requests");
    json_array_foreach (requests, i, entry) {
        if (str_eq(json_text(entry, "key"), json_text(effect, "key"))) {
            json_array_set_new(requests, i, shown_request_new(effect));
            return;
        }
    }
    json_array_append_new(requests, shown_request_new(effect));
}

/* ---- checks, evidence ---- */

static json_t *check_entry(struct core *c, struct run *run, const struct probe *probe)
{
    json_t *checks = json_object_get(run->record, "checks"), *entry;
    _cleanup_json_ json_t *with = redact_json_new(probe->with ? probe->with : probe->spec->with);
    size_t i;
    json_array_foreach (checks, i, entry) {
        if (json_int_or(entry, "rung", -1) == (int64_t)run->rung &&
            str_eq(json_text(entry, "check"), probe->spec->check->name) &&
            (!probe->with || json_equal(json_object_get(entry, "with"), with)))
            return entry;
    }
    entry = json_pack("{s:I, s:s, s:O, s:n, s:n, s:i}", "rung", (json_int_t)run->rung, "check",
                      probe->spec->check->name, "with", with, "verdict", "seen", "tries", 0);
    record_set_time(entry, "first", c->now.wall_us);
    json_object_set_new(entry, "history", json_array());
    json_array_append_new(checks, entry);
    return entry;
}

void record_check(struct core *c, struct run *run, const struct probe *probe)
{
    json_t *entry = check_entry(c, run, probe);
    const char *verdict = verdict_name(probe->result.verdict), *seen = probe->result.seen ? probe->result.seen : "";
    /* Latencies differ with every try: what passes again is no news. */
    bool passed = str_eq(json_text(entry, "verdict"), verdict) && probe->result.verdict == VERDICT_PASS;
    bool news = !passed && (!str_eq(json_text(entry, "verdict"), verdict) || !str_eq(json_text(entry, "seen"), seen));
    json_set_text(entry, "verdict", verdict);
    json_set_text(entry, "seen", seen);
    json_object_set_new(entry, "tries", json_integer(json_int_or(entry, "tries", 0) + 1));
    record_set_time(entry, "last", c->now.wall_us);
    json_t *h = json_object(), *history = json_object_get(entry, "history");
    record_set_time(h, "time", c->now.wall_us);
    json_set_text(h, "verdict", verdict);
    json_set_text(h, "seen", seen);
    json_array_append_new(history, h);
    if (json_array_size(history) > CHECK_HISTORY_MAX)
        json_array_remove(history, 0);
    /* A try that saw nothing new is kept with the next save: polling costs no sync. */
    if (news)
        run_dirty(c, run);
}

static json_t *bounded_text(const char *s, size_t max, bool *ret_cut)
{
    size_t len = strlen(s);
    *ret_cut = len > max;
    if (len <= max)
        return json_text_new(s, len);
    while (max > 0 && ((unsigned char)s[max] & 0xc0) == 0x80)
        max--; /* not within a character */
    return json_text_new(s, max);
}

void record_evidence(struct core *c, struct run *run, const char *action, const json_t *items)
{
    json_t *list = json_object_get(run->record, "evidence"), *item;
    size_t i;
    json_array_foreach ((json_t *)items, i, item) {
        _cleanup_json_ json_t *clean = redact_json_new(item);
        json_t *entry = json_object(), *text = json_object_get(clean, "text"), *data = json_object_get(clean, "data");
        size_t left = run->evidence_bytes < EVIDENCE_RUN_MAX ? EVIDENCE_RUN_MAX - run->evidence_bytes : 0;
        size_t max = left < EVIDENCE_MAX ? left : EVIDENCE_MAX;
        bool cut = false;
        _cleanup_free_ char *compact = data ? json_compact(data) : NULL;
        record_set_time(entry, "time", c->now.wall_us);
        json_set_text(entry, "action", action);
        json_set_text(entry, "name", json_text_or(clean, "name", ""));
        if (compact && strlen(compact) <= max) {
            json_object_set(entry, "data", data);
            run->evidence_bytes += strlen(compact);
        } else {
            const char *s = compact ? compact : json_string_value(text);
            json_object_set_new(entry, "text", bounded_text(s ? s : "", max, &cut));
            run->evidence_bytes += json_string_length(json_object_get(entry, "text"));
        }
        if (cut)
            json_object_set_new(entry, "truncated", json_true());
        json_array_append_new(list, entry);
    }
    run_dirty(c, run);
}

void record_held(struct core *c, struct run *run, const struct guard_result *held)
{
    if (!held) {
        if (!json_is_null(json_object_get(run->record, "held"))) {
            json_object_set_new(run->record, "held", json_null());
            run_dirty(c, run);
        }
        return;
    }
    json_t *was = json_object_get(run->record, "held"), *entry = json_object();
    json_set_text(entry, "reason", reason_name(held->reason));
    if (str_eq(json_text(was, "reason"), reason_name(held->reason)))
        json_set_text(entry, "since", json_text(was, "since"));
    else
        record_set_time(entry, "since", c->now.wall_us);
    json_set_text(entry, "message", held->message);
    if (held->run)
        json_set_text(entry, "run", held->run);
    if (held->until_us != INT64_MAX)
        record_set_time(entry, "until", c->now.wall_us + (held->until_us - c->now.boot_us));
    if (held->reason == REASON_DUPLICATE && held->run)
        json_set_text(run->record, "run", held->run);
    json_object_set_new(run->record, "held", entry);
    run_dirty(c, run);
}
