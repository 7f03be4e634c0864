/* GET /events: every committed change of a record, as server-sent events.
 *
 * Happy path: a listener's connection sleeps (suspended) until something is queued for it. Failure modes: a listener
 * that does not read has its stream ended when its queue is full (a browser connects again by itself and reads /actions
 * for what it missed); one that is gone is noticed at the next heartbeat. A stream is as good as the login it began
 * with: when tokens, users or certificates may have changed all of them end, and who still may look connects again.
 * Without listeners nothing is made and no timer runs. */
#include "web_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/strbuf.h"

#include <string.h>
#include <time.h>

enum { LISTENERS_MAX = 32, QUEUE_MAX = 1 << 20, BLOCK = 16 * 1024, HEARTBEAT_S = 15 };

struct listener {
    struct web *web;
    struct MHD_Connection *connection;
    struct strbuf queue;
    size_t sent;     /* of the queue */
    int64_t until_s; /* since 1970: its client certificate expires */
    bool suspended, ended;
    struct listener *next;
};

static void wake(struct listener *l)
{
    if (!l->suspended)
        return;
    l->suspended = false;
    MHD_resume_connection(l->connection);
    web_kick(l->web);
}

static void push(struct listener *l, const char *text, size_t len)
{
    if (l->ended)
        return;
    if (l->queue.len - l->sent + len > QUEUE_MAX)
        l->ended = true;
    else
        strbuf_add(&l->queue, text, len);
    wake(l);
}

static ssize_t read_queue(void *cls, uint64_t pos _unused_, char *buf, size_t max)
{
    struct listener *l = cls;
    const size_t left = l->queue.len - l->sent;
    if (left == 0 && l->ended)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (left == 0) {
        l->suspended = true;
        MHD_suspend_connection(l->connection);
        return 0;
    }
    const size_t n = left < max ? left : max;
    memcpy(buf, l->queue.data + l->sent, n);
    l->sent += n;
    if (l->sent == l->queue.len) {
        strbuf_free(&l->queue); /* an idle listener holds nothing */
        l->queue = STRBUF_INIT;
        l->sent = 0;
    }
    return (ssize_t)n;
}

static void listener_free(void *cls)
{
    struct listener *l = cls;
    struct web *w = l->web;
    for (struct listener **p = &w->listeners; *p; p = &(*p)->next) {
        if (*p == l) {
            *p = l->next;
            w->n_listeners--;
            break;
        }
    }
    if (!w->listeners) {
        engine_on_record(w->engine, NULL, NULL);
        w->heartbeat = sd_event_source_disable_unref(w->heartbeat);
    }
    strbuf_free(&l->queue);
    free(l);
}

static void on_record(const json_t *record, void *userdata)
{
    struct web *w = userdata;
    _cleanup_free_ char *text = json_compact(record);
    _cleanup_free_ char *frame = xasprintf("event: action\nid: %s\ndata: %s\n\n", json_text_or(record, "id", ""), text);
    const size_t len = strlen(frame);
    for (struct listener *l = w->listeners; l; l = l->next)
        push(l, frame, len);
}

static int on_heartbeat(sd_event_source *source, uint64_t at_us _unused_, void *userdata)
{
    static const char beat[] = ": still here\n\n";
    struct web *w = userdata;
    const int64_t now_s = time(NULL);
    web_doors_refresh(w); /* its files may have changed, and nobody else came by */
    for (struct listener *l = w->listeners; l; l = l->next) {
        push(l, beat, sizeof(beat) - 1);
        l->ended = l->ended || now_s >= l->until_s;
    }
    sd_event_source_set_time_relative(source, HEARTBEAT_S * (uint64_t)USEC_PER_SEC);
    return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void first_listener(struct web *w)
{
    engine_on_record(w->engine, on_record, w);
    sd_event_add_time_relative(w->event, &w->heartbeat, CLOCK_MONOTONIC, HEARTBEAT_S * (uint64_t)USEC_PER_SEC, 0,
                               on_heartbeat, w);
}

void api_events(struct request *req)
{
    static const char hello[] = "retry: 3000\n: mendd's records as they change\n\n";
    struct web *w = req->web;
    if (w->n_listeners >= LISTENERS_MAX || w->stopping) {
        reply_busy(req, 30, "too_many_listeners", "32 listeners are connected already");
        return;
    }
    struct listener *l = xnew0(struct listener);
    l->web = w;
    l->connection = req->connection;
    l->until_s = req->from->client ? req->from->client->expires_s : INT64_MAX;
    l->next = w->listeners;
    w->listeners = l;
    if (++w->n_listeners == 1)
        first_listener(w);
    push(l, hello, sizeof(hello) - 1);
    reply_response(
        req, 200,
        response_finish(req->web,
                        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, read_queue, l, listener_free),
                        "text/event-stream"));
}

void api_events_stop(struct web *w)
{
    for (struct listener *l = w->listeners; l; l = l->next) {
        l->ended = true;
        wake(l);
    }
}
