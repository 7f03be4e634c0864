/* PagerDuty's Events API v2 (https://developer.pagerduty.com/docs/events-api-v2/trigger-events/): trigger, acknowledge
 * and resolve of one incident, which dedup_key (at most 255 characters) names. What asks nobody to do anything, a
 * maintenance window, a digest or a note, goes to its change events (/v2/change/enqueue), which show beside incidents
 * and page nobody. summary: at most 1024 characters; severity: critical, error, warning or info. */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/text.h"
#include "notify/message.h"
#include "notify/notice.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

enum { SUMMARY_MAX = 1024, KEY_MAX = 255, SOURCE_MAX = 255 };

static const char APPROVAL[] = "/approval";

/* Free words into PagerDuty's four. What we do not know is an error: somebody is paged for it after all. */
static const char *severity_of(const char *text)
{
    static const char *const critical[] = {"critical", "crit",      "emergency", "emerg", "fatal",
                                           "disaster", "page",      "p0",        "p1",    "sev0",
                                           "sev1",     "severity1", "s1",        "1",     NULL};
    static const char *const warning[] = {"warning", "warn", "medium",    "moderate", "average", "minor",
                                          "p3",      "sev3", "severity3", "s3",       "3",       NULL};
    static const char *const info[] = {"info", "information", "informational", "notice", "low", "none", "debug",
                                       "p4",   "p5",          "sev4",          "sev5",   "s4",  "4",    NULL};
    char word[32];
    size_t n = 0;
    for (const char *p = text ? text : ""; *p && n + 1 < sizeof(word); p++)
        if (isalnum((unsigned char)*p))
            word[n++] = (char)tolower((unsigned char)*p);
    word[n] = '\0';
    return str_in(word, critical)  ? "critical"
           : str_in(word, warning) ? "warning"
           : str_in(word, info)    ? "info"
                                   : "error";
}

/* An approval is an incident of its own beside that of its run. Keys that are too long stay distinct. */
static char *dedup_key(const json_t *notice, bool approval)
{
    const char *key = json_text_or(notice, "key", "mendd");
    _cleanup_free_ char *full = xasprintf("%s%s", key, approval && !str_ends(key, APPROVAL) ? APPROVAL : "");
    if (strlen(full) <= KEY_MAX)
        return TAKE_PTR(full);
    _cleanup_free_ char *begin = text_cut(full, KEY_MAX - 17);
    return xasprintf("%s~%016llx", begin, (unsigned long long)fnv1a64(FNV1A64_INIT, full, strlen(full)));
}

static char *source_of(const json_t *notice)
{
    struct strbuf b = STRBUF_INIT;
    static const char *const parts[] = {"cluster", "namespace", "target"};
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        const char *text = json_text(notice, parts[i]);
        if (!str_empty(text))
            strbuf_printf(&b, "%s%s", b.len ? "/" : "", text);
    }
    _cleanup_free_ char *full = strbuf_take(&b);
    return *full ? text_line(full, SOURCE_MAX) : xstrdup("mendd");
}

static json_t *details(const json_t *notice)
{
    static const char *const kept[] = {"message", "run",     "playbook",    "cluster",  "namespace", "target",
                                       "state",   "outcome", "reason",      "severity", "level",     "respond_by",
                                       "by",      "labels",  "annotations", "plan",     "items"};
    json_t *d = json_object();
    for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
        json_t *value = json_object_get(notice, kept[i]);
        if (value && !json_is_null(value))
            json_object_set(d, kept[i], value);
    }
    return d;
}

static void set_line(json_t *object, const char *key, const char *text, size_t max)
{
    if (str_empty(text))
        return;
    _cleanup_free_ char *line = text_line(text, max);
    json_set_text(object, key, line);
}

static json_t *payload_of(const json_t *notice, bool change, bool approval)
{
    json_t *p = json_object();
    _cleanup_free_ char *source = source_of(notice);
    const char *time = json_text(notice, "time");
    int64_t at;
    set_line(p, "summary", json_text_or(notice, "summary", notice_sentence(notice)), SUMMARY_MAX);
    set_line(p, "source", source, SOURCE_MAX);
    if (time && time_parse(time, &at) == 0)
        json_set_text(p, "timestamp", time);
    if (!change) {
        json_set_text(p, "severity", approval ? "warning" : severity_of(json_text(notice, "severity")));
        set_line(p, "component", json_text(notice, "target"), SOURCE_MAX);
        set_line(p, "group", json_text(notice, "cluster"), SOURCE_MAX);
        set_line(p, "class", json_text(notice, "alertname"), SOURCE_MAX);
    }
    json_object_set_new(p, "custom_details", details(notice));
    return p;
}

static const char *action_of(const char *event)
{
    if (str_eq(event, "acknowledge") || str_eq(event, "resolve"))
        return event;
    return str_in(event, (const char *const[]){"maintenance", "digest", "note", NULL}) ? NULL : "trigger";
}

/* The address of change events beside that of events, or NULL if it is not PagerDuty's form. */
static char *change_url(const char *url)
{
    static const char tail[] = "/enqueue";
    if (!str_ends(url, tail))
        return NULL;
    return xasprintf("%.*s/change%s", (int)(strlen(url) - strlen(tail)), url, tail);
}

static void add_links(const struct receiver *r, const json_t *notice, json_t *event, bool change)
{
    const char *page = link_ok(json_text(notice, "url"));
    const char *client = link_ok(r->pagerduty.client_url);
    if (page)
        json_object_set_new(event, "links", json_pack("[{s:s, s:s}]", "href", page, "text", "This run in mendd"));
    if (change)
        return;
    json_set_text(event, "client", "mendd");
    json_set_text(event, "client_url", client ? client : page);
}

int pagerduty_message(const struct receiver *r, const json_t *notice, struct message *ret, struct error *err)
{
    const char *event = json_text(notice, "event"), *action = action_of(event);
    const char *url = str_empty(r->url) ? PAGERDUTY_URL : r->url;
    const bool approval = str_eq(event, "approval");
    if (str_empty(r->pagerduty.routing_key))
        return error_set(err, -EINVAL, "the receiver %s has no routing key", r->name);
    _cleanup_free_ char *change = action ? NULL : change_url(url);
    if (!action && !change) {
        ret->nothing = "this is no incident, and the receiver's url does not say where change events go";
        return 0;
    }
    json_t *e = json_object();
    json_set_text(e, "routing_key", r->pagerduty.routing_key);
    if (action) {
        _cleanup_free_ char *key = dedup_key(notice, approval);
        json_set_text(e, "event_action", action);
        json_set_text(e, "dedup_key", key);
    }
    if (!action || str_eq(action, "trigger")) { /* the others need nothing but the key */
        json_object_set_new(e, "payload", payload_of(notice, !action, approval));
        add_links(r, notice, e, !action);
    }
    message_set_json(ret, action ? url : change, e);
    return 0;
}
