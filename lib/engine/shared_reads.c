#include "engine/shared_reads.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"

#include <string.h>
#include <uthash.h>

#define NAMESPACES "/api/v1/namespaces/"
enum { MAX_ENTRIES = 64, MAX_AGE_US = 500000 };

struct waiter {
    kube_done_cb done;
    void *userdata;
    struct waiter *next;
};

struct entry {
    char *key; /* client and path: two clusters of one server may have different rights */
    json_t *answer;
    int64_t answered_us;
    bool in_flight;
    struct waiter *waiters;
    sd_event_source *source; /* tells waiters of an answer that is there already, from the loop */
    UT_hash_handle hh;
};

struct shared_reads {
    sd_event *event;
    struct entry *entries;
};

bool shared_read_applies(const char *path)
{
    return str_starts(path, NAMESPACES) && !strpbrk(path + strlen(NAMESPACES), "/?");
}

static void entry_free(struct shared_reads *s, struct entry *e)
{
    HASH_DEL(s->entries, e);
    sd_event_source_disable_unref(e->source);
    while (e->waiters) {
        struct waiter *w = e->waiters;
        e->waiters = w->next;
        w->done(json_pack("{s:s, s:s}", "error", "cancelled", "message", "mendd is stopping"), w->userdata);
        free(w);
    }
    json_decref(e->answer);
    free(e->key);
    free(e);
}

struct shared_reads *shared_reads_new(sd_event *event)
{
    struct shared_reads *s = xnew0(struct shared_reads);
    s->event = sd_event_ref(event);
    return s;
}

struct shared_reads *shared_reads_free(struct shared_reads *s)
{
    if (!s)
        return NULL;
    struct entry *e, *next;
    HASH_ITER (hh, s->entries, e, next)
        entry_free(s, e);
    sd_event_unref(s->event);
    free(s);
    return NULL;
}

/* Each waiter gets a copy: whoever takes an answer may change it. The list is taken first, since a waiter may ask
 * again. */
static void tell(struct entry *e)
{
    struct waiter *w = TAKE_PTR(e->waiters);
    json_t *answer = json_incref(e->answer);
    while (w) {
        struct waiter *next = w->next;
        w->done(json_deep_copy(answer), w->userdata);
        free(w);
        w = next;
    }
    json_decref(answer);
}

static void on_answer(json_t *answer_new, void *userdata)
{
    struct entry *e = userdata;
    json_decref(e->answer);
    e->answer = answer_new;
    e->answered_us = now_read().boot_us;
    e->in_flight = false;
    tell(e);
}

static int on_known(sd_event_source *source _unused_, void *userdata)
{
    tell(userdata);
    return 0;
}

static void prune(struct shared_reads *s, int64_t now_us)
{
    struct entry *e, *next;
    if (HASH_COUNT(s->entries) < MAX_ENTRIES)
        return;
    HASH_ITER (hh, s->entries, e, next)
        if (!e->in_flight && !e->waiters && now_us - e->answered_us > MAX_AGE_US)
            entry_free(s, e);
}

static struct entry *entry_get(struct shared_reads *s, const char *key)
{
    struct entry *e;
    HASH_FIND_STR(s->entries, key, e);
    if (e)
        return e;
    e = xnew0(struct entry);
    e->key = xstrdup(key);
    HASH_ADD_KEYPTR(hh, s->entries, e->key, strlen(e->key), e);
    return e;
}

static void add_waiter(struct entry *e, kube_done_cb done, void *userdata)
{
    struct waiter *w = xnew0(struct waiter);
    *w = (struct waiter){.done = done, .userdata = userdata, .next = e->waiters};
    e->waiters = w;
}

void shared_read(struct shared_reads *s, struct kube_client *client, const struct kube_request *req, kube_done_cb done,
                 void *userdata)
{
    const int64_t now_us = now_read().boot_us;
    _cleanup_free_ char *key = xasprintf("%p %s", (void *)client, req->path);
    prune(s, now_us);
    struct entry *e = entry_get(s, key);
    add_waiter(e, done, userdata);
    if (e->in_flight)
        return;
    const bool fresh = e->answer && json_int_or(e->answer, "status", 0) == 200 && now_us - e->answered_us <= MAX_AGE_US;
    if (fresh && !e->source && sd_event_add_defer(s->event, &e->source, on_known, e) < 0)
        e->source = NULL;
    if (fresh && e->source && sd_event_source_set_enabled(e->source, SD_EVENT_ONESHOT) >= 0)
        return;
    e->in_flight = true;
    kube_request_start(client, req, on_answer, e);
}
