/* Requests to one API server.
 *
 * Happy path: kube_request_start() copies the request and queues it -> pump() takes it when a slot is free -> one HTTP
 * request on the shared HTTP/2 connection -> the answer becomes JSON -> the slot is free, the callback fires. Failure
 * modes: 401 with a token from a file: read again, sent again, once (the server refused to look at the first). 429, and
 * 5xx with Retry-After: the server did nothing; the request waits, without a slot, and goes again, up to 10 times and
 * within its time. Everything else is an answer. On free all that is queued, waiting or in flight answers "cancelled".
 */
#include "kube/client.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "io/http.h"
#include "kube/kubeconfig.h"

#include <errno.h>
#include <string.h>

enum {
    MAX_IN_FLIGHT = 32,
    MAX_CHECKS = MAX_IN_FLIGHT / 2,
    MAX_RETRIES = 10,
    DEFAULT_TIMEOUT_MS = 30000,
    DEFAULT_TEXT = 65536
};
enum { MAX_JSON = 16 << 20, WORDS_MAX = 512 };
static const int64_t TOKEN_AGE_US = 60 * USEC_PER_SEC;

struct call {
    struct kube_client *client;
    enum kube_class class;
    char *method, *url, *content_type, *body;
    bool text, once, reauthorised;
    int max_text, retries;
    int64_t deadline_us;
    kube_done_cb done;
    void *userdata;
    sd_event_source *timer; /* waits for Retry-After, or to answer from the loop */
    json_t *answer;         /* known already: told from the loop */
    struct http_call *http;
    struct call *prev, *next;
};

struct queue {
    struct call *head, *tail;
};

struct kube_client {
    sd_event *event;
    struct kube_config *config;
    struct http_client *http;
    char *token;
    int64_t token_read_us;
    struct queue first, checks, away; /* away: in flight or waiting for a timer */
    unsigned in_flight, checks_in_flight, waiting;
    bool stopping;
    struct kube_stats stats;
};

static void pump(struct kube_client *c);

static void enqueue(struct queue *q, struct call *k)
{
    k->next = NULL;
    k->prev = q->tail;
    *(q->tail ? &q->tail->next : &q->head) = k;
    q->tail = k;
}

static struct call *dequeue(struct queue *q, struct call *k)
{
    *(k->prev ? &k->prev->next : &q->head) = k->next;
    *(k->next ? &k->next->prev : &q->tail) = k->prev;
    k->prev = k->next = NULL;
    return k;
}

static void call_free(struct call *k)
{
    sd_event_source_disable_unref(k->timer);
    json_decref(k->answer);
    free(k->method);
    free(k->url);
    free(k->content_type);
    free(k->body);
    free(k);
}

/* Takes the call off `away` for good: free first, call back last. */
static void finish(struct call *k, json_t *answer)
{
    struct kube_client *c = k->client;
    const kube_done_cb done = k->done;
    void *userdata = k->userdata;
    if (json_object_get(answer, "error"))
        c->stats.errors++;
    dequeue(&c->away, k);
    call_free(k);
    done(answer, userdata);
}

static json_t *error_answer(const struct call *k, const char *error, const char *message)
{
    json_t *answer = json_object();
    const char *path = k->url + strlen(k->client->config->server);
    _cleanup_free_ char *words = xasprintf("%s %.*s: %s", k->method, (int)strcspn(path, "?"), path, message);
    json_set_text(answer, "error", error);
    json_set_text(answer, "message", words);
    return answer;
}

static int on_known(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
    struct call *k = userdata;
    finish(k, TAKE_PTR(k->answer));
    return 0;
}

static int arm(struct call *k, int64_t in_us, sd_event_time_handler_t handler)
{
    sd_event_source_disable_unref(k->timer);
    k->timer = NULL;
    return sd_event_add_time_relative(k->client->event, &k->timer, CLOCK_BOOTTIME, (uint64_t)in_us, 1, handler, k);
}

/* An answer that is known before anything was sent comes from the loop all the same. */
static void answer_later(struct call *k, json_t *answer)
{
    k->answer = answer;
    if (arm(k, 0, on_known) < 0)
        finish(k, TAKE_PTR(k->answer));
}

/* ---- who we are ---- */

static void keep_token(struct kube_client *c, char *token)
{
    if (c->token)
        explicit_bzero(c->token, strlen(c->token));
    free(c->token);
    c->token = token;
}

/* Bound tokens rotate: read again after a minute; a failed read keeps the old one, which is most likely still good. */
static void read_token(struct kube_client *c, bool force)
{
    const int64_t now = now_read().boot_us;
    _cleanup_error_ struct error err = ERROR_NONE;
    char *token = NULL;
    if (!c->config->token_file) {
        if (!c->token)
            keep_token(c, xstrdup(c->config->token));
        return;
    }
    if (c->token && !force && now - c->token_read_us < TOKEN_AGE_US)
        return;
    if (secret_read(c->config->token_file, &token, &err) == 0)
        keep_token(c, token);
    else
        log_event(LOG_LEVEL_WARN, "the cluster's token cannot be read; the old one stays", "error", error_message(&err),
                  NULL);
    c->token_read_us = now;
}

/* ---- one request ---- */

static int on_retry(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
    struct call *k = userdata;
    struct kube_client *c = k->client;
    c->waiting--;
    dequeue(&c->away, k);
    enqueue(k->class == KUBE_CHECK ? &c->checks : &c->first, k);
    pump(c);
    return 0;
}

static void again_in(struct call *k, int64_t in_us)
{
    k->client->stats.retries++;
    k->client->waiting++;
    if (arm(k, in_us, on_retry) < 0) {
        k->client->waiting--;
        finish(k, error_answer(k, "local", "no timer could be had"));
    }
}

static bool try_again(struct call *k, const struct http_result *r)
{
    if (k->client->stopping || r->error != HTTP_OK)
        return false;
    if (r->status == 401 && k->client->config->token_file && !k->reauthorised) {
        k->reauthorised = true;
        read_token(k->client, true);
        again_in(k, 0);
        return true;
    }
    const bool did_nothing = r->status == 429 || (r->status >= 500 && r->retry_after_s >= 0);
    const int64_t wait_us = (r->retry_after_s > 0 ? r->retry_after_s : 1) * USEC_PER_SEC;
    if (!did_nothing || k->once || k->retries >= MAX_RETRIES || now_read().boot_us + wait_us >= k->deadline_us)
        return false;
    k->retries++;
    again_in(k, wait_us);
    return true;
}

static json_t *answer_of(const struct call *k, const struct http_result *r)
{
    if (r->error != HTTP_OK) {
        json_t *answer = error_answer(k, http_error_name(r->error), r->message);
        if (!r->sent)
            json_object_set_new(answer, "sent", json_false());
        return answer;
    }
    json_t *answer = json_pack("{s:i}", "status", (int)r->status);
    json_t *body = k->text && r->status < 300 ? NULL : json_parse(r->body, r->body_len, MAX_JSON, false, NULL);
    if (body)
        json_object_set_new(answer, "body", body);
    else
        json_object_set_new(answer, "text",
                            json_text_new(r->body, k->text || r->body_len < WORDS_MAX ? r->body_len : WORDS_MAX));
    return answer;
}

static void on_done(const struct http_result *r, void *userdata)
{
    struct call *k = userdata;
    struct kube_client *c = k->client;
    k->http = NULL;
    c->in_flight--;
    if (k->class == KUBE_CHECK)
        c->checks_in_flight--;
    if (!try_again(k, r))
        finish(k, answer_of(k, r));
    if (!c->stopping)
        pump(c);
}

static int send_call(struct call *k, int timeout_ms, struct error *err)
{
    struct kube_client *c = k->client;
    const char *headers[5] = {"Accept: application/json", "User-Agent: mendd/" MENDD_VERSION};
    _cleanup_free_ char *type = NULL, *authorization = NULL;
    size_t n = 2;
    read_token(c, false);
    if (c->token)
        headers[n++] = authorization = xasprintf("Authorization: Bearer %s", c->token);
    if (k->body)
        headers[n++] = type = xasprintf("Content-Type: %s", k->content_type ? k->content_type : "application/json");
    const struct http_request req = {.method = k->method,
                                     .url = k->url,
                                     .headers = headers,
                                     .body = k->body,
                                     .body_len = k->body ? strlen(k->body) : 0,
                                     .timeout_ms = timeout_ms,
                                     .max_answer = k->text ? (size_t)k->max_text : MAX_JSON,
                                     .truncate = k->text,
                                     .fresh_connect = k->once || (k->class == KUBE_WRITE && !k->body)};
    int r = http_start(c->http, &req, on_done, k, &k->http, err);
    if (authorization)
        explicit_bzero(authorization, strlen(authorization));
    return r;
}

static void start(struct call *k)
{
    struct kube_client *c = k->client;
    _cleanup_error_ struct error err = ERROR_NONE;
    const int64_t left_ms = (k->deadline_us - now_read().boot_us) / USEC_PER_MSEC;
    enqueue(&c->away, k);
    if (left_ms <= 0) {
        json_t *answer = error_answer(k, "timeout", "no slot became free in time");
        json_object_set_new(answer, "sent", json_false());
        answer_later(k, answer);
        return;
    }
    c->in_flight++;
    if (k->class == KUBE_CHECK)
        c->checks_in_flight++;
    c->stats.requests++;
    if (send_call(k, (int)left_ms, &err) >= 0)
        return;
    c->in_flight--;
    if (k->class == KUBE_CHECK)
        c->checks_in_flight--;
    answer_later(k, error_answer(k, "local", error_message(&err)));
}

static void pump(struct kube_client *c)
{
    while (c->in_flight < MAX_IN_FLIGHT && c->first.head)
        start(dequeue(&c->first, c->first.head));
    while (c->in_flight < MAX_IN_FLIGHT && c->checks_in_flight < MAX_CHECKS && c->checks.head)
        start(dequeue(&c->checks, c->checks.head));
}

static char *url_of(const struct kube_client *c, const struct kube_request *req)
{
    struct strbuf b = STRBUF_INIT;
    strbuf_puts(&b, c->config->server);
    strbuf_puts(&b, req->path);
    bool query = strchr(req->path, '?') != NULL;
    if (req->class == KUBE_WRITE && !str_eq(req->method, "DELETE")) {
        strbuf_puts(&b, query ? "&fieldManager=mendd" : "?fieldManager=mendd");
        query = true;
    }
    if (req->dry_run)
        strbuf_puts(&b, query ? "&dryRun=All" : "?dryRun=All");
    return strbuf_take(&b);
}

void kube_request_start(struct kube_client *c, const struct kube_request *req, kube_done_cb done, void *userdata)
{
    struct call *k = xnew0(struct call);
    const int timeout_ms = req->timeout_ms > 0 ? req->timeout_ms : DEFAULT_TIMEOUT_MS;
    *k = (struct call){.client = c,
                       .class = req->class,
                       .method = xstrdup(req->method),
                       .url = url_of(c, req),
                       .content_type = xstrdup(req->content_type),
                       .body = req->body ? json_compact(req->body) : NULL,
                       .text = req->text,
                       .once = req->once,
                       .max_text = req->max_text > 0 ? req->max_text : DEFAULT_TEXT,
                       .deadline_us = now_read().boot_us + timeout_ms * USEC_PER_MSEC,
                       .done = done,
                       .userdata = userdata};
    if (req->path[0] != '/') {
        enqueue(&c->away, k);
        answer_later(k, error_answer(k, "local", "the path does not begin with /"));
        return;
    }
    enqueue(k->class == KUBE_CHECK ? &c->checks : &c->first, k);
    pump(c);
}

/* ---- life ---- */

int kube_client_new(sd_event *event, struct kube_config *taken, struct kube_client **ret, struct error *err)
{
    _cleanup_(kube_client_freep) struct kube_client *c = xnew0(struct kube_client);
    c->event = sd_event_ref(event);
    c->config = taken;
    const struct http_identity id = {.ca_file = taken->ca_file,
                                     .ca_data = taken->ca_data,
                                     .cert_file = taken->cert_file,
                                     .cert_data = taken->cert_data,
                                     .key_file = taken->key_file,
                                     .key_data = taken->key_data,
                                     .server_name = taken->server_name,
                                     .insecure = taken->insecure,
                                     .http2 = true};
    int r = http_client_new(event, &id, &c->http, err);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(c);
    return 0;
}

static void cancel_queue(struct kube_client *c, struct queue *q)
{
    while (q->head) {
        struct call *k = dequeue(q, q->head);
        enqueue(&c->away, k);
        finish(k, error_answer(k, "cancelled", "mendd lets go of this cluster"));
    }
}

struct kube_client *kube_client_free(struct kube_client *c)
{
    if (!c)
        return NULL;
    c->stopping = true;
    cancel_queue(c, &c->first);
    cancel_queue(c, &c->checks);
    http_client_free(c->http); /* what is in flight answers "cancelled" through on_done() */
    while (c->away.head)
        finish(c->away.head, error_answer(c->away.head, "cancelled", "mendd lets go of this cluster"));
    keep_token(c, NULL);
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
    ret->in_flight = c->in_flight;
    ret->waiting = c->waiting;
}
