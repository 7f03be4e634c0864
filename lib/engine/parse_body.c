#include "engine/parser.h"

#include "base/alloc.h"
#include "engine/glance.h"

#include <errno.h>
#include <string.h>

/* 10,000 real alerts hold some 60,000 containers and 700,000 separators. */
enum { MAX_CONTAINERS = 300 * 1000, MAX_SEPARATORS = 2 * 1000 * 1000 };

/* One pass over the bytes, strings left out: what the parser would have to allocate for. */
static int count_tokens(const char *s, size_t len, struct error *err)
{
    size_t containers = 0, separators = 0;
    if (len < MAX_CONTAINERS)
        return 0; /* it cannot hold as many */
    for (const char *p = s, *end = s + len; p < end; p++) {
        if (*p == '"') {
            for (p++; p < end && *p != '"'; p++)
                p += *p == '\\';
        } else if (*p == '{' || *p == '[') {
            containers++;
        } else if (*p == ',' || *p == ':') {
            separators++;
        }
    }
    if (containers > MAX_CONTAINERS || separators > MAX_SEPARATORS)
        return error_set(err, -E2BIG, "%zu objects and lists are more than a webhook may hold", containers);
    return 0;
}

static void add_alert(struct parsed *p, const json_t *element, const char *status, struct now now)
{
    struct parsed_alert *a = &p->alerts[p->n++];
    a->waiting = waiting_from_alert(0, element, status, now);
    p->n_malformed += a->waiting->alert == NULL;
}

/* Several alerts: each gets a row of its own, that can be read again without the rest. */
static void make_rows(struct parsed *p, const json_t *alerts, const char *status)
{
    for (size_t i = 0; i < p->n; i++) {
        _cleanup_json_ json_t *row = json_object();
        json_set_text(row, "status", status);
        json_object_set(row, "alert", json_array_get(alerts, i));
        p->alerts[i].row = json_compact(row);
        p->alerts[i].row_len = strlen(p->alerts[i].row);
        p->alerts[i].waiting->bytes = p->alerts[i].row_len;
    }
}

static char first_byte(const struct parsed *p)
{
    size_t i = 0;
    while (i < p->len && strchr(" \t\r\n", p->body[i]))
        i++;
    return i < p->len ? p->body[i] : '\0';
}

static json_t *load_document(struct parsed *p)
{
    json_error_t at;
    json_t *document = json_loadb(p->body, p->len, JSON_ALLOW_NUL, &at);
    if (!document)
        error_set(&p->err, -EBADMSG, "not valid JSON: line %d, column %d: %s", at.line, at.column, at.text);
    return document;
}

static void add_alerts(struct parsed *p, const json_t *alerts, const char *status, struct now now)
{
    size_t i;
    json_t *element;
    if (json_array_size(alerts) > PARSED_INLINE_ALERTS)
        p->alerts = xcalloc(json_array_size(alerts), sizeof(*p->alerts));
    json_array_foreach (alerts, i, element)
        add_alert(p, element, status, now);
}

/* Half of what a webhook costs is building its alert: put off until it is decided, it keeps nobody's answer waiting. */
static int put_off(struct parsed *p)
{
    struct waiting *w = xnew0(struct waiting);
    w->bytes = p->len;
    p->alerts[p->n++].waiting = w;
    p->unread = true;
    return 200;
}

static int parse(struct parsed *p, struct now now)
{
    if (glance_is_one_alert(p->body, p->len))
        return put_off(p);
    if (first_byte(p) == '[') { /* known before a million elements are looked at */
        error_set(&p->err, -EBADMSG, "not a webhook of Alertmanager: the body is a list, not an object");
        return 400;
    }
    if (count_tokens(p->body, p->len, &p->err) < 0)
        return 413;
    _cleanup_json_ json_t *document = load_document(p);
    struct payload payload;
    if (!document || payload_from_json(document, &payload, &p->err) < 0)
        return 400;
    p->truncated = payload.truncated;
    add_alerts(p, payload.alerts, payload.status, now);
    if (p->n_malformed == p->n) {
        error_set(&p->err, -EBADMSG, "not one of the %zu alerts is valid; the first: %s", p->n,
                  p->alerts[0].waiting->why);
        return 400;
    }
    if (p->n > 1)
        make_rows(p, payload.alerts, payload.status);
    else
        p->alerts[0].waiting->bytes = p->len;
    return 200;
}

/* A gettable alert of the API says its status as an object; a webhook's says it as text. */
static json_t *to_webhook(const json_t *alert)
{
    json_t *o = json_object();
    static const char *const same[] = {"labels", "annotations", "startsAt", "endsAt", "generatorURL", "fingerprint"};
    for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
        json_t *value = json_object_get(alert, same[i]);
        if (value)
            json_object_set(o, same[i], value);
    }
    json_object_set_new(o, "status", json_string("firing"));
    return o;
}

static int parse_list(struct parsed *p, struct now now)
{
    if (count_tokens(p->body, p->len, &p->err) < 0)
        return 413;
    _cleanup_json_ json_t *document = load_document(p), *alerts = json_array();
    if (!document)
        return 400;
    if (!json_is_array(document)) {
        error_set(&p->err, -EBADMSG, "not a list of alerts");
        return 400;
    }
    size_t i;
    json_t *alert;
    json_array_foreach (document, i, alert)
        json_array_append_new(alerts, to_webhook(alert));
    add_alerts(p, alerts, "firing", now);
    make_rows(p, alerts, "firing");
    return 200;
}

static struct parsed *parsed_new(char *body_taken, size_t len)
{
    struct parsed *p = xnew0(struct parsed);
    p->alerts = p->inline_alerts;
    p->body = body_taken;
    p->len = len;
    return p;
}

struct parsed *parse_body(char *body_taken, size_t len, struct now now)
{
    struct parsed *p = parsed_new(body_taken, len);
    p->status = parse(p, now);
    return p;
}

struct parsed *parse_active(char *body_taken, size_t len, struct now now)
{
    struct parsed *p = parsed_new(body_taken, len);
    p->status = parse_list(p, now);
    return p;
}

struct parsed *parse_nothing(char *body_taken, size_t len, struct now now _unused_)
{
    struct parsed *p = parsed_new(body_taken, len);
    p->status = 503;
    error_set(&p->err, -ECANCELED, "mendd is stopping; send it again");
    return p;
}

struct parsed *parsed_free(struct parsed *p)
{
    if (!p)
        return NULL;
    for (size_t i = 0; i < p->n; i++) {
        waiting_free(p->alerts[i].waiting);
        free(p->alerts[i].row);
    }
    if (p->alerts != p->inline_alerts)
        free(p->alerts);
    free(p->body);
    error_clear(&p->err);
    free(p);
    return NULL;
}
