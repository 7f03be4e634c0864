/* Happy path: tell() finds what was told before by its key (object, type, reason, words), charges the object's bucket,
 * and sends a POST for a new one or a PATCH of count and time for a repeated one; the answer names nobody else.
 *
 * Failure modes: words that repeat while their request is on its way are sent as one PATCH behind it; a PATCH that
 * finds nothing (the Event has expired: after an hour, by default) becomes a POST, a POST whose name is taken (its
 * answer was lost) a PATCH; any other failure is forgotten, so that the next one begins with a POST. */
#include "engine/cluster_events.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/text.h"
#include "notify/notice.h"

#include <inttypes.h>
#include <string.h>
#include <uthash.h>

enum {
    MESSAGE_MAX = 1024,
    NAME_MAX_LEN = 230, /* of 253; the rest is for what makes the name unique */
    REMEMBERED_MAX = 1024,
    OUTSTANDING_MAX = 256,
    TURNS_MAX = 4,
    TIMEOUT_MS = 10000,
    BURST = 25,
};
#define SAME_FOR_US (600 * USEC_PER_SEC)
#define REFILL_US (300 * USEC_PER_SEC)
#define LOG_EVERY_US (60 * USEC_PER_SEC)

struct told { /* one Event, and what it says now */
    char *key, *cluster, *path;
    json_t *event;
    int64_t count, last_boot_us;
    bool exists, in_flight, again;
    int turns; /* requests since it was last told: a server that contradicts itself is not asked for ever */
    struct cluster_events *events;
    UT_hash_handle hh;
};

struct bucket { /* of one object */
    char *key;
    int64_t left, refilled_boot_us;
    UT_hash_handle hh;
};

struct cluster_events {
    char *host;
    cluster_events_find find;
    void *userdata;
    struct told *told; /* in the order in which they were last told */
    struct bucket *buckets;
    unsigned outstanding;
    uint64_t serial;
    int64_t logged_boot_us; /* 0: never */
    struct now now;
    struct cluster_events_stats stats;
};

static void told_free(struct told *e)
{
    HASH_DEL(e->events->told, e);
    free(e->key);
    free(e->cluster);
    free(e->path);
    json_decref(e->event);
    free(e);
}

static void bucket_free(struct cluster_events *t, struct bucket *b)
{
    HASH_DEL(t->buckets, b);
    free(b->key);
    free(b);
}

/* ---- bounds ---- */

static void forget_old(struct cluster_events *t)
{
    struct told *e, *next;
    struct bucket *b, *next_b;
    HASH_ITER (hh, t->told, e, next) {
        if (HASH_COUNT(t->told) <= REMEMBERED_MAX && t->now.boot_us - e->last_boot_us < SAME_FOR_US)
            break;
        if (!e->in_flight)
            told_free(e);
    }
    HASH_ITER (hh, t->buckets, b, next_b) {
        if (HASH_COUNT(t->buckets) <= REMEMBERED_MAX)
            break;
        bucket_free(t, b);
    }
}

static bool may_write(struct cluster_events *t, const char *object_key)
{
    struct bucket *b = NULL;
    HASH_FIND_STR(t->buckets, object_key, b);
    if (b) {
        HASH_DEL(t->buckets, b); /* to the end: the one that is used */
    } else {
        b = xnew0(struct bucket);
        *b = (struct bucket){.key = xstrdup(object_key), .left = BURST, .refilled_boot_us = t->now.boot_us};
    }
    HASH_ADD_KEYPTR(hh, t->buckets, b->key, strlen(b->key), b);
    const int64_t earned = (t->now.boot_us - b->refilled_boot_us) / REFILL_US;
    b->refilled_boot_us += earned * REFILL_US;
    b->left = b->left + earned < BURST ? b->left + earned : BURST;
    if (b->left <= 0)
        return false;
    b->left--;
    return true;
}

/* ---- what is sent ---- */

/* DNS-1123 as the API server wants it, which not every object's name is (a ClusterRole's may hold colons). */
static char *name_new(struct cluster_events *t, const char *object)
{
    const uint64_t unique = (uint64_t)t->now.wall_us * 1000 + t->serial++ % 1000;
    _cleanup_free_ char *begin = xstrndup(is_dns1123_subdomain(object) ? object : "mendd", NAME_MAX_LEN);
    size_t len = strlen(begin);
    while (len > 0 && strchr(".-", begin[len - 1]))
        begin[--len] = '\0';
    return xasprintf("%s.%" PRIx64, begin, unique);
}

static char *message_new(const json_t *what)
{
    _cleanup_free_ char *tail =
        xasprintf(" (run %s, playbook %.200s)", json_text_or(what, "run", ""), json_text_or(what, "playbook", ""));
    _cleanup_free_ char *words = text_line(json_text_or(what, "message", ""), MESSAGE_MAX - strlen(tail));
    return xasprintf("%s%s", words, tail);
}

static json_t *event_new(struct cluster_events *t, const json_t *what, const char *namespace)
{
    char at[TIME_TEXT_MAX];
    const json_t *object = json_object_get(what, "object");
    _cleanup_free_ char *name = name_new(t, json_text_or(object, "name", ""));
    const char *host = t->host ? t->host : "mendd";
    time_format_seconds(t->now.wall_us, at);
    return json_pack("{s:s, s:s, s:{s:s, s:s}, s:O, s:s, s:s, s:s, s:{s:s, s:s}, s:s, s:s, s:s, s:s}", "apiVersion",
                     "v1", "kind", "Event", "metadata", "name", name, "namespace", namespace, "involvedObject", object,
                     "type", json_text_or(what, "type", "Normal"), "reason", json_text_or(what, "reason", ""),
                     "message", "", "source", "component", "mendd", "host", host, "reportingComponent", "mendd",
                     "reportingInstance", host, "firstTimestamp", at, "lastTimestamp", at);
}

static void on_answer(json_t *answer_new, void *userdata);

static void send_told(struct told *e)
{
    struct cluster_events *t = e->events;
    struct kube_client *client = t->find(e->cluster, t->userdata);
    e->again = false;
    if (!client || t->outstanding >= OUTSTANDING_MAX) {
        t->stats.dropped++;
        return;
    }
    _cleanup_json_ json_t *patch = NULL;
    _cleanup_free_ char *path =
        e->exists ? xasprintf("%s/%s", e->path, json_path_text(e->event, "metadata", "name", NULL)) : xstrdup(e->path);
    json_object_set_new(e->event, "count", json_integer(e->count));
    if (e->exists)
        patch = json_pack("{s:I, s:O, s:O}", "count", (json_int_t)e->count, "lastTimestamp",
                          json_object_get(e->event, "lastTimestamp"), "message", json_object_get(e->event, "message"));
    const struct kube_request req = {.class = KUBE_EVENT,
                                     .method = e->exists ? "PATCH" : "POST",
                                     .path = path,
                                     .content_type = e->exists ? "application/merge-patch+json" : NULL,
                                     .body = e->exists ? patch : e->event,
                                     .timeout_ms = TIMEOUT_MS};
    e->in_flight = true;
    e->turns++;
    t->outstanding++;
    kube_request_start(client, &req, on_answer, e);
}

static void failed(struct told *e, const json_t *answer)
{
    struct cluster_events *t = e->events;
    const int64_t status = json_int_or(answer, "status", 0);
    t->stats.failed++;
    e->exists = false;
    if (t->logged_boot_us && t->now.boot_us - t->logged_boot_us < LOG_EVERY_US)
        return;
    t->logged_boot_us = t->now.boot_us;
    _cleanup_free_ char *code = xasprintf("%" PRId64, status);
    const char *said = json_path_text(answer, "body", "message", NULL);
    log_event(LOG_LEVEL_WARN,
              status == 403 ? "a Kubernetes Event was refused: mendd's role needs create and patch on events"
                            : "a Kubernetes Event could not be written; the repair is not held up by it",
              "cluster", e->cluster, "namespace", json_path_text(e->event, "metadata", "namespace", NULL), "status",
              status ? code : NULL, "error", said ? said : json_text(answer, "message"), NULL);
}

static void on_answer(json_t *answer_new, void *userdata)
{
    _cleanup_json_ json_t *answer = answer_new;
    struct told *e = userdata;
    struct cluster_events *t = e->events;
    const int64_t status = json_int_or(answer, "status", 0);
    e->in_flight = false;
    t->outstanding--;
    if (str_eq(json_text(answer, "error"), "cancelled"))
        return;
    if ((status == 404 && e->exists) || (status == 409 && !e->exists)) { /* expired; or it was taken, unseen */
        e->exists = !e->exists;
        e->again = true;
    } else if (status >= 200 && status < 300) {
        e->exists = true;
        t->stats.written++;
    } else {
        failed(e, answer);
        e->again = false;
    }
    if (e->again && e->turns < TURNS_MAX)
        send_told(e);
}

/* ---- telling ---- */

static char *object_key_new(const json_t *what)
{
    const json_t *o = json_object_get(what, "object");
    return xasprintf("%s\n%s\n%s\n%s\n%s", json_text_or(what, "cluster", ""), json_text_or(o, "namespace", ""),
                     json_text_or(o, "kind", ""), json_text_or(o, "name", ""), json_text_or(o, "uid", ""));
}

static struct told *told_of(struct cluster_events *t, const json_t *what, const char *object_key)
{
    struct told *e = NULL;
    _cleanup_free_ char *key = xasprintf("%s\n%s\n%s\n%s", object_key, json_text_or(what, "type", ""),
                                         json_text_or(what, "reason", ""), json_text_or(what, "message", ""));
    HASH_FIND_STR(t->told, key, e);
    if (e) {
        HASH_DEL(t->told, e); /* to the end: the latest */
    } else {
        const char *namespace = json_path_text(what, "object", "namespace", NULL);
        e = xnew0(struct told);
        *e = (struct told){.key = TAKE_PTR(key), .events = t, .cluster = xstrdup(json_text_or(what, "cluster", ""))};
        e->event = event_new(t, what, namespace ? namespace : "default");
        e->path = xasprintf("/api/v1/namespaces/%s/events", namespace ? namespace : "default");
    }
    HASH_ADD_KEYPTR(hh, t->told, e->key, strlen(e->key), e);
    return e;
}

void cluster_events_tell(struct cluster_events *t, const json_t *what, struct now now)
{
    t->now = now;
    forget_old(t);
    _cleanup_free_ char *object_key = object_key_new(what), *message = message_new(what);
    char at[TIME_TEXT_MAX];
    struct told *e = told_of(t, what, object_key);
    e->count++;
    e->turns = 0;
    e->last_boot_us = now.boot_us;
    json_set_text(e->event, "message", message);
    json_set_text(e->event, "lastTimestamp", time_format_seconds(now.wall_us, at));
    if (!may_write(t, object_key))
        t->stats.dropped++;
    else if (e->in_flight)
        e->again = true;
    else
        send_told(e);
}

struct cluster_events *cluster_events_new(const char *host, cluster_events_find find, void *userdata)
{
    struct cluster_events *t = xnew0(struct cluster_events);
    t->host = xstrdup(host);
    t->find = find;
    t->userdata = userdata;
    return t;
}

struct cluster_events *cluster_events_free(struct cluster_events *t)
{
    struct told *e, *next;
    struct bucket *b, *next_b;
    if (!t)
        return NULL;
    HASH_ITER (hh, t->told, e, next)
        told_free(e);
    HASH_ITER (hh, t->buckets, b, next_b)
        bucket_free(t, b);
    free(t->host);
    free(t);
    return NULL;
}

void cluster_events_stats(const struct cluster_events *t, struct cluster_events_stats *ret)
{
    *ret = t->stats;
}
