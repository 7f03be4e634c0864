/* Happy path: kube_request_start() queues the call and arms the defer source; its dispatch starts what fits (reads and
 * writes first, in the order they came, then checks up to half of the slots, then events, two at a time); the answer
 * frees the slot, starts the next and calls back.
 *
 * Failure modes: 429, and 5xx with Retry-After, wait in `pausing` (without a slot) on a timer of their own and go to
 * the front again; 401 reads the token file again and, if it brought another token, tries once more. A call whose total
 * timeout ended while it waited is answered "timeout" when its turn comes, without being sent. No callback fires from
 * within kube_request_start(); freeing the client answers "cancelled" to all. */
#include "kube/client_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#include <errno.h>
#include <string.h>

/* One that runs begins (by 1) or ends (by -1). */
static void count_running(struct kube_call *call, int by)
{
    if (call->class == KUBE_CHECK)
        call->client->checks_running += (unsigned)by;
    else if (call->class == KUBE_EVENT)
        call->client->events_running += (unsigned)by;
}

static void take_out(struct kube_call *call)
{
    struct kube_calls *l = call->list;
    if (!l)
        return;
    *(call->prev ? &call->prev->next : &l->first) = call->next;
    *(call->next ? &call->next->prev : &l->last) = call->prev;
    l->n--;
    if (l == &call->client->running)
        count_running(call, -1);
    call->list = NULL;
    call->prev = call->next = NULL;
}

static void put_in(struct kube_calls *l, struct kube_call *call, bool front)
{
    take_out(call);
    call->list = l;
    call->prev = front ? NULL : l->last;
    call->next = front ? l->first : NULL;
    *(call->prev ? &call->prev->next : &l->first) = call;
    *(call->next ? &call->next->prev : &l->last) = call;
    l->n++;
    if (l == &call->client->running)
        count_running(call, 1);
}

static struct kube_calls *queue_of(struct kube_call *call)
{
    struct kube_client *c = call->client;
    return call->class == KUBE_CHECK ? &c->checks : call->class == KUBE_EVENT ? &c->events : &c->waiting;
}

static void arm(struct kube_client *c)
{
    if (!c->closing)
        sd_event_source_set_enabled(c->defer, SD_EVENT_ONESHOT);
}

/* The callback may free the client: it comes last. */
static void finish(struct kube_call *taken, json_t *answer_new)
{
    _cleanup_(kube_call_freep) struct kube_call *call = taken;
    struct kube_client *c = call->client;
    take_out(call);
    const int64_t class = json_int_or(answer_new, "status", 0) / 100;
    if (json_object_get(answer_new, "error"))
        c->stats.errors++;
    else if (class > 0 && class < (int64_t)ARRAY_SIZE(c->stats.answers))
        c->stats.answers[class]++;
    arm(c);
    call->done(answer_new, call->userdata);
}

static int on_pause_over(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
    struct kube_call *call = userdata;
    call->timer = sd_event_source_disable_unref(call->timer);
    put_in(queue_of(call), call, true);
    arm(call->client);
    return 0;
}

/* False if there is no time left for another try. */
static bool try_later(struct kube_call *call, int delay_s)
{
    const int64_t delay_us = delay_s * USEC_PER_SEC;
    if (call->retries >= KUBE_RETRIES || kube_monotonic_us() + delay_us >= call->deadline_us)
        return false;
    if (sd_event_add_time_relative(call->client->event, &call->timer, CLOCK_MONOTONIC, (uint64_t)delay_us, 1000,
                                   on_pause_over, call) < 0)
        return false;
    call->retries++;
    call->client->stats.retries++;
    put_in(&call->client->pausing, call, false);
    arm(call->client);
    return true;
}

static bool tried_again(struct kube_call *call, const struct http_result *r)
{
    if (r->error != HTTP_OK || call->once || call->client->closing)
        return false;
    if (r->status == 401 && !call->token_retried && !(call->proxied && call->client->plugin)) {
        call->token_retried = true;
        if (!kube_access_refused(call->client, call->credential))
            return false;
        call->client->stats.retries++;
        put_in(queue_of(call), call, true);
        arm(call->client);
        return true;
    }
    if (call->proxied) /* "later" is what that program says to its callers: whoever looks at its health wants to know */
        return false;
    if (r->status == 429)
        return try_later(call, r->retry_after_s >= 0 ? r->retry_after_s : 1);
    return r->status >= 500 && r->retry_after_s >= 0 && try_later(call, r->retry_after_s);
}

static void on_done(const struct http_result *r, void *userdata)
{
    struct kube_call *call = userdata;
    call->http = NULL;
    kube_way_leave(TAKE_PTR(call->way));
    if (log_enabled(LOG_LEVEL_DEBUG)) {
        _cleanup_free_ char *status = xasprintf("%ld", r->status);
        log_event(LOG_LEVEL_DEBUG, "Kubernetes request", "cluster", call->client->config->name, "method", call->method,
                  "url", call->url, "status", status, "error", r->message, NULL);
    }
    if (!tried_again(call, r))
        finish(call, kube_answer_new(call, r));
}

static int send_call(struct kube_call *call, int64_t left_us, struct error *err)
{
    struct kube_client *c = call->client;
    _cleanup_free_ char *authorization = c->token ? xasprintf("Authorization: Bearer %s", c->token) : NULL;
    _cleanup_free_ char *type = call->content_type ? xasprintf("Content-Type: %s", call->content_type) : NULL;
    const char *headers[4] = {"Accept: application/json, */*"};
    size_t n = 1;
    if (type)
        headers[n++] = type;
    if (authorization)
        headers[n++] = authorization;
    const struct http_request req = {.method = call->method,
                                     .url = call->url,
                                     .headers = headers,
                                     .body = call->body,
                                     .body_len = call->body ? strlen(call->body) : 0,
                                     .timeout_ms = (int)(left_us / USEC_PER_MSEC) + 1,
                                     .connect_timeout_ms = KUBE_CONNECT_TIMEOUT_MS,
                                     .max_answer = call->text ? (size_t)call->max_text : KUBE_ANSWER_MAX,
                                     .truncate = call->text,
                                     .fresh_connect = call->once};
    const int r = http_start(c->way->http, &req, on_done, call, &call->http, err);
    if (r >= 0) {
        call->way = kube_way_use(c);
        call->credential = c->credential;
    }
    if (authorization)
        explicit_bzero(authorization, strlen(authorization));
    return r;
}

static void start(struct kube_call *call)
{
    struct kube_client *c = call->client;
    const int64_t left_us = call->deadline_us - kube_monotonic_us();
    _cleanup_error_ struct error err = ERROR_NONE;
    if (call->answer) {
        finish(call, TAKE_PTR(call->answer));
        return;
    }
    if (left_us <= 0) {
        finish(call, kube_answer_error_new(call, "timeout", "the request's time ended while it waited for its turn",
                                           call->retries > 0));
        return;
    }
    put_in(&c->running, call, false);
    if (send_call(call, left_us, &err) < 0)
        finish(call, kube_answer_error_new(call, "local", error_message(&err), false));
}

static struct kube_call *next_call(const struct kube_client *c)
{
    if (c->running.n >= KUBE_IN_FLIGHT)
        return NULL;
    if (c->waiting.first)
        return c->waiting.first;
    if (c->checks.first && c->checks_running < KUBE_CHECKS_IN_FLIGHT)
        return c->checks.first;
    return c->events_running < KUBE_EVENTS_IN_FLIGHT ? c->events.first : NULL;
}

/* One call a dispatch, as its callback may free the client; the source is armed again before. */
static int on_defer(sd_event_source *source _unused_, void *userdata)
{
    struct kube_client *c = userdata;
    kube_ways_drop(c);
    struct kube_call *call = next_call(c);
    const char *why = NULL;
    const enum kube_plugin_state access = call && !call->answer ? kube_access(c, &why) : KUBE_PLUGIN_READY;
    if (!call || access == KUBE_PLUGIN_RUNNING) /* armed again when it has ended */
        return 0;
    arm(c);
    if (access == KUBE_PLUGIN_FAILED)
        finish(call, kube_answer_error_new(call, "local", why, call->retries > 0));
    else
        start(call);
    return 0;
}

static const char *fault_of(const struct kube_request *req)
{
    if (str_empty(req->path) || req->path[0] != '/' || strchr(req->path, '#'))
        return "not a path of the Kubernetes API";
    if (req->body && !json_is_object(req->body) && !json_is_array(req->body))
        return "the request's body is neither object nor list";
    return NULL;
}

void kube_request_start(struct kube_client *c, const struct kube_request *req, kube_done_cb done, void *userdata)
{
    struct kube_call *call = kube_call_new(c, req);
    call->done = done;
    call->userdata = userdata;
    const char *fault = c->closing ? "the client is shutting down" : fault_of(req);
    if (fault)
        call->answer = kube_answer_error_new(call, c->closing ? "cancelled" : "local", fault, false);
    c->stats.requests++;
    put_in(queue_of(call), call, false);
    arm(c);
}

int kube_client_new(sd_event *event, struct kube_config *taken, struct kube_client **ret, struct error *err)
{
    _cleanup_(kube_client_freep) struct kube_client *c = xnew0(struct kube_client);
    c->event = sd_event_ref(event);
    c->config = taken;
    int r = kube_access_open(c, err);
    if (r < 0)
        return r;
    r = sd_event_add_defer(event, &c->defer, on_defer, c);
    if (r >= 0)
        r = sd_event_source_set_enabled(c->defer, SD_EVENT_OFF);
    if (r < 0)
        return error_set(err, r, "cannot add the Kubernetes client to the event loop");
    *ret = TAKE_PTR(c);
    return 0;
}

static void cancel_all(struct kube_calls *l)
{
    while (l->first)
        finish(l->first,
               kube_answer_error_new(l->first, "cancelled", "the client is shutting down", l->first->retries > 0));
}

struct kube_client *kube_client_free(struct kube_client *c)
{
    if (!c)
        return NULL;
    c->closing = true;
    kube_execs_cancel(c);
    kube_access_close(c); /* answers what is running */
    cancel_all(&c->pausing);
    cancel_all(&c->waiting);
    cancel_all(&c->checks);
    cancel_all(&c->events);
    sd_event_source_disable_unref(c->defer);
    kube_config_free(c->config);
    sd_event_unref(c->event);
    free(c);
    return NULL;
}

const char *kube_client_server(const struct kube_client *c)
{
    return c->config->server;
}

void kube_client_stats(const struct kube_client *c, struct kube_stats *ret)
{
    *ret = c->stats;
    ret->in_flight = c->running.n;
    ret->waiting = c->waiting.n + c->checks.n + c->events.n + c->pausing.n;
}
