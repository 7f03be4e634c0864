/* Documents of stories, there and back, and what /status shows of them. */
#include "base/alloc.h"
#include "base/text.h"
#include "core/escalation.h"

#include <errno.h>
#include <string.h>

static const char *const kinds[] = {
    [STORY_ESCALATION] = "escalation", [STORY_APPROVAL] = "approval", [STORY_NOTE] = "note"};

static void set_time_or_null(json_t *o, const char *key, int64_t wall_us, bool known)
{
    json_object_set_new(o, key, json_null());
    if (known)
        record_set_time(o, key, wall_us);
}

static json_t *telling_doc_new(const struct core *c, const struct telling *t)
{
    json_t *o =
        json_pack("{s:s, s:s, s:s, s:i, s:O}", "receiver", t->receiver->name, "event", notice_event_name(t->event),
                  "status", telling_status_name(t->status), "level", t->level, "words", t->words);
    record_set_time(o, "since", to_wall(c, t->since_us));
    if (t->error)
        json_set_text(o, "error", t->error);
    return o;
}

json_t *story_doc_new(const struct core *c, const struct story *s)
{
    json_t *tellings = json_array();
    for (const struct telling *t = s->tellings; t; t = t->story_next)
        json_array_append_new(tellings, telling_doc_new(c, t));
    json_t *o =
        json_pack("{s:s, s:s, s:s, s:s, s:i, s:I, s:b, s:b, s:b}", "kind", kinds[s->kind], "notice_key", s->notice_key,
                  "run", s->run, "fingerprint", s->fingerprint, "level", s->level, "overdue", (json_int_t)s->overdue,
                  "single", s->single, "acknowledged", s->acknowledged, "cleared", s->cleared);
    record_set_time(o, "since", s->since_wall_us);
    set_time_or_null(o, "respond_by", to_wall(c, s->deadline_us), s->deadline_us != INT64_MAX);
    json_object_set_new(o, "notice", json_deep_copy(s->base));
    json_object_set_new(o, "entries", json_deep_copy(s->entries));
    json_object_set_new(o, "tellings", tellings);
    return o;
}

/* ---- loading: times stay wall times until escalations_resume() ---- */

static bool kind_parse(const char *s, enum story_kind *ret)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (str_eq(kinds[i], s)) {
            *ret = (enum story_kind)i;
            return true;
        }
    return false;
}

static bool telling_restore(struct core *c, struct story *s, const json_t *doc)
{
    enum notice_event event;
    enum telling_status status;
    int64_t since_us;
    const char *receiver = json_text(doc, "receiver");
    if (!receiver || !notice_event_parse(json_text(doc, "event"), &event) ||
        !telling_status_parse(json_text(doc, "status"), &status) ||
        time_parse(json_text_or(doc, "since", ""), &since_us) < 0)
        return false;
    json_t *words = json_object_get(doc, "words");
    struct telling *t = telling_restored(c, s, receiver, event, status);
    t->level = (int)json_int_or(doc, "level", 0);
    t->words = words ? json_deep_copy(words) : json_object();
    t->since_us = since_us;
    t->error = xstrdup(json_text(doc, "error"));
    return true;
}

static bool load(struct core *c, struct story *s, const json_t *doc)
{
    const char *until = json_text(doc, "respond_by");
    const json_t *entries = json_object_get(doc, "entries"), *tellings = json_object_get(doc, "tellings"), *t;
    if (time_parse(json_text_or(doc, "since", ""), &s->since_wall_us) < 0 ||
        (until && time_parse(until, &s->deadline_us) < 0) || !json_is_array(entries) || !json_is_array(tellings))
        return false;
    strncpy(s->run, json_text_or(doc, "run", ""), sizeof(s->run) - 1);
    s->level = (int)json_int_or(doc, "level", 0);
    s->overdue = (unsigned)json_int_or(doc, "overdue", 0);
    s->single = json_bool_or(doc, "single", false);
    s->cleared = json_bool_or(doc, "cleared", false);
    s->restored = true;
    if (json_bool_or(doc, "acknowledged", false))
        story_set_acknowledged(c, s);
    json_decref(s->entries);
    s->entries = json_deep_copy(entries);
    story_track_alert(c, s, json_text_or(doc, "fingerprint", ""));
    size_t i;
    json_array_foreach (tellings, i, t) {
        if (!telling_restore(c, s, t))
            return false;
    }
    return true;
}

int story_restore(struct core *c, const char *key, const json_t *doc, struct error *err)
{
    enum story_kind kind;
    const json_t *notice = json_object_get(doc, "notice");
    const char *notice_key = json_text(doc, "notice_key");
    if (!kind_parse(json_text(doc, "kind"), &kind) || !json_is_object(notice) || !notice_key ||
        !str_starts(notice_key, "mendd/"))
        return error_set(err, -EBADMSG, "the journal's %s cannot be understood", key);
    struct story *s = story_new(c, kind, notice_key, json_deep_copy(notice));
    if (!str_eq(s->key, key) || !load(c, s, doc))
        return error_set(err, -EBADMSG, "the journal's %s cannot be understood", key);
    return 0;
}

/* ---- status ---- */

json_t *escalations_status_new(const struct core *c)
{
    json_t *list = json_array();
    for (const struct story *s = c->escalations ? c->escalations->stories : NULL; s; s = s->hh.next) {
        if (s->kind != STORY_ESCALATION)
            continue;
        json_t *o = json_pack("{s:s, s:s, s:s, s:i}", "run", s->run, "alertname", s->alertname ? s->alertname : "",
                              "severity", s->severity, "level", s->level);
        json_t *last = json_array_get(s->entries, json_array_size(s->entries) - 1);
        json_t *acknowledged = json_object_get(last, "acknowledged");
        record_set_time(o, "since", s->since_wall_us);
        set_time_or_null(o, "respond_by", to_wall(c, s->deadline_us), s->deadline_us != INT64_MAX);
        json_object_set_new(o, "acknowledged", acknowledged ? json_deep_copy(acknowledged) : json_null());
        json_object_set_new(o, "pending", json_integer((json_int_t)s->n_open));
        json_array_append_new(list, o);
    }
    return list;
}
