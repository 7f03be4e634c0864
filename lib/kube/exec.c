/* Happy path: kube_exec_start() arms the exec's defer source; its dispatch opens a WebSocket as the client's identity
 * with the present token; on_data() sorts what comes by channel; once a whole Status is there only the server's close
 * is waited for, a second at most; on_end() makes the answer, frees the exec, lets the next one begin, and calls back.
 *
 * Failure modes: no status, a hang, a refusal are answers (exec.h); 401 reads the token file again and tries once more,
 * as nothing was done; what waited too long is answered "timeout" without being sent; freeing the client answers
 * "cancelled" to all. */
#include "kube/exec_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#include <string.h>

static const char *const protocols[] = {"v5.channel.k8s.io", "v4.channel.k8s.io", NULL};

enum { CHANNEL_STDIN, CHANNEL_STDOUT, CHANNEL_STDERR, CHANNEL_STATUS, CHANNEL_CLOSE = 255 };

static void exec_free(struct kube_exec *x)
{
    sd_event_source_disable_unref(x->defer);
    free(x->url);
    free(x->label);
    free(x->input);
    json_decref(x->answer);
    strbuf_free(&x->out.kept);
    strbuf_free(&x->err.kept);
    strbuf_free(&x->status);
    free(x);
}

static void exec_freep(struct kube_exec **x)
{
    exec_free(*x);
}

static void arm(struct kube_exec *x)
{
    sd_event_source_set_enabled(x->defer, SD_EVENT_ONESHOT);
}

static struct kube_exec *first_waiting(const struct kube_client *c)
{
    struct kube_exec *x = c->execs;
    while (x && (x->ws || x->answer))
        x = x->next;
    return c->execs_running < KUBE_EXECS_RUNNING ? x : NULL;
}

void kube_execs_wake(struct kube_client *c)
{
    struct kube_exec *x = c->closing ? NULL : first_waiting(c);
    if (x)
        arm(x);
}

static void unlink_exec(struct kube_exec *x)
{
    struct kube_client *c = x->client;
    *(x->prev ? &x->prev->next : &c->execs) = x->next;
    *(x->next ? &x->next->prev : &c->execs_last) = x->prev;
}

/* The callback may free the client: it comes last. */
static void finish(struct kube_exec *taken, json_t *answer_new)
{
    _cleanup_(exec_freep) struct kube_exec *x = taken;
    struct kube_client *c = x->client;
    unlink_exec(x);
    if (json_object_get(answer_new, "error"))
        c->stats.errors++;
    kube_execs_wake(c);
    x->done(answer_new, x->userdata);
}

/* ---- the connection ---- */

static void on_open(const char *protocol, void *userdata)
{
    struct kube_exec *x = userdata;
    x->opened = true;
    if (!x->input)
        return;
    const char end[] = {(char)CHANNEL_CLOSE, CHANNEL_STDIN};
    _cleanup_strbuf_ struct strbuf message = STRBUF_INIT;
    strbuf_putc(&message, CHANNEL_STDIN);
    strbuf_puts(&message, x->input);
    websocket_send(x->ws, strbuf_str(&message), message.len);
    if (str_eq(protocol, "v5.channel.k8s.io"))
        websocket_send(x->ws, end, sizeof(end));
}

static void keep(struct kube_stream *s, const char *data, size_t len)
{
    s->total += len;
    strbuf_add(&s->kept, data, len);
}

static void keep_status(struct kube_exec *x, const char *data, size_t len)
{
    strbuf_add(&x->status, data, len);
    json_t *whole = kube_exec_status_new(x);
    if (whole)
        websocket_linger(x->ws, KUBE_EXEC_LINGER_MS);
    json_decref(whole);
}

static bool on_data(const void *data, size_t len, bool begins, void *userdata)
{
    struct kube_exec *x = userdata;
    const char *bytes = data;
    if (begins) {
        x->channel = (unsigned char)*bytes++;
        len--;
    }
    if (len > 0 && x->channel == CHANNEL_STDOUT)
        keep(&x->out, bytes, len);
    else if (len > 0 && x->channel == CHANNEL_STDERR)
        keep(&x->err, bytes, len);
    else if (len > 0 && x->channel == CHANNEL_STATUS)
        keep_status(x, bytes, len);
    return x->out.total + x->err.total <= KUBE_EXEC_OUTPUT_MAX && !x->status.truncated;
}

static void on_end(const struct websocket_end *end, void *userdata)
{
    struct kube_exec *x = userdata;
    struct kube_client *c = x->client;
    x->ws = NULL;
    kube_way_leave(TAKE_PTR(x->way));
    c->execs_running--;
    if (log_enabled(LOG_LEVEL_DEBUG)) {
        _cleanup_free_ char *status = xasprintf("%ld", end->status);
        log_event(LOG_LEVEL_DEBUG, "Kubernetes exec", "cluster", c->config->name, "exec", x->label, "status", status,
                  "error", end->message, NULL);
    }
    if (end->error == HTTP_OK && end->status == 401 && !x->token_retried && !c->closing) {
        x->token_retried = true;
        if (kube_access_refused(c, x->credential)) {
            c->stats.retries++;
            arm(x);
            return;
        }
    }
    finish(x, kube_exec_answer_new(x, end));
}

static int open_websocket(struct kube_exec *x, int left_ms, struct error *err)
{
    static const struct websocket_events events = {on_open, on_data, on_end};
    struct kube_client *c = x->client;
    _cleanup_free_ char *authorization = c->token ? xasprintf("Authorization: Bearer %s", c->token) : NULL;
    const char *const headers[] = {"Accept: application/json, */*", authorization, NULL};
    const struct websocket_request req = {.url = x->url,
                                          .headers = headers,
                                          .protocols = protocols,
                                          .timeout_ms = left_ms,
                                          .connect_timeout_ms = KUBE_CONNECT_TIMEOUT_MS};
    const int r = websocket_start(c->way->http, &req, &events, x, &x->ws, err);
    if (r >= 0) {
        x->way = kube_way_use(c);
        x->credential = c->credential;
    }
    if (authorization)
        explicit_bzero(authorization, strlen(authorization));
    return r;
}

static void begin(struct kube_exec *x)
{
    const int64_t left_us = x->deadline_us - kube_monotonic_us();
    _cleanup_error_ struct error err = ERROR_NONE;
    const char *why = NULL;
    if (left_us <= 0) {
        finish(x, kube_exec_error_new(x, "timeout", "the command's time ended while it waited for its turn", false));
        return;
    }
    const enum kube_plugin_state access = kube_access(x->client, &why);
    if (access == KUBE_PLUGIN_RUNNING) /* woken when it has ended */
        return;
    if (access == KUBE_PLUGIN_FAILED) {
        finish(x, kube_exec_error_new(x, "local", why, false));
        return;
    }
    x->channel = -1;
    if (open_websocket(x, (int)(left_us / USEC_PER_MSEC) + 1, &err) < 0) {
        finish(x, kube_exec_error_new(x, "local", error_message(&err), false));
        return;
    }
    x->client->execs_running++;
    kube_execs_wake(x->client);
}

/* The loop calls armed sources in no order of ours: whoever's turn it is, the one that came first begins. */
static int on_defer(sd_event_source *source _unused_, void *userdata)
{
    struct kube_exec *x = userdata, *first = first_waiting(x->client);
    if (x->answer)
        finish(x, TAKE_PTR(x->answer));
    else if (first)
        begin(first);
    return 0;
}

/* ---- what is asked ---- */

static void add_part(struct strbuf *b, const char *before, const char *value)
{
    strbuf_puts(b, before);
    url_encode(b, value);
}

static char *url_new(const struct kube_client *c, const struct kube_exec_request *req)
{
    struct strbuf b = STRBUF_INIT;
    size_t i;
    json_t *word;
    strbuf_puts(&b, c->config->server);
    add_part(&b, "/api/v1/namespaces/", req->namespace ? req->namespace : "");
    add_part(&b, "/pods/", req->pod ? req->pod : "");
    strbuf_puts(&b, "/exec?stdout=true&stderr=true");
    if (req->input)
        strbuf_puts(&b, "&stdin=true");
    if (req->container)
        add_part(&b, "&container=", req->container);
    json_array_foreach (req->command, i, word)
        add_part(&b, "&command=", json_string_value(word) ? json_string_value(word) : "");
    return strbuf_take(&b);
}

static const char *fault_of(const struct kube_exec *x, const struct kube_exec_request *req)
{
    size_t i;
    json_t *word;
    if (!is_dns1123_label(req->namespace) || !is_dns1123_subdomain(req->pod) ||
        (req->container && !is_dns1123_label(req->container)))
        return "namespace, pod and container must be names";
    if (json_array_size(req->command) == 0)
        return "the command is empty";
    json_array_foreach (req->command, i, word)
        if (!json_is_string(word) || (i == 0 && json_string_length(word) == 0))
            return "the command is not a list of texts";
    return strlen(x->url) > KUBE_EXEC_URL_MAX ? "the command is too long: it travels in the URL" : NULL;
}

static struct kube_exec *exec_new(struct kube_client *c, const struct kube_exec_request *req)
{
    struct kube_exec *x = xnew0(struct kube_exec);
    const size_t max = req->max > 0 ? (size_t)req->max : KUBE_TEXT_MAX;
    x->client = c;
    x->class = req->class;
    x->url = url_new(c, req);
    x->label = xasprintf("exec in %s/%s", req->namespace ? req->namespace : "", req->pod ? req->pod : "");
    x->input = xstrdup(req->input);
    x->timeout_ms = req->timeout_ms > 0 ? req->timeout_ms : KUBE_TIMEOUT_MS;
    x->deadline_us = kube_monotonic_us() + x->timeout_ms * USEC_PER_MSEC;
    x->out.kept.max = x->err.kept.max = max < KUBE_EXEC_OUTPUT_MAX ? max : KUBE_EXEC_OUTPUT_MAX;
    x->status.max = KUBE_EXEC_STATUS_MAX;
    x->prev = c->execs_last;
    *(x->prev ? &x->prev->next : &c->execs) = x;
    c->execs_last = x;
    return x;
}

void kube_exec_start(struct kube_client *c, const struct kube_exec_request *req, kube_done_cb done, void *userdata)
{
    struct kube_exec *x = exec_new(c, req);
    x->done = done;
    x->userdata = userdata;
    const char *fault = c->closing ? "the client is shutting down" : fault_of(x, req);
    if (fault)
        x->answer = kube_exec_error_new(x, c->closing ? "cancelled" : "local", fault, false);
    c->stats.requests++;
    if (sd_event_add_defer(c->event, &x->defer, on_defer, x) < 0)
        sd_event_exit(c->event, -1); /* no memory for a source: the journal makes a restart safe */
}

void kube_execs_cancel(struct kube_client *c)
{
    while (c->execs) {
        struct kube_exec *x = c->execs;
        if (x->ws)
            websocket_cancel(x->ws);
        else
            finish(x, kube_exec_error_new(x, "cancelled", "the client is shutting down", false));
    }
}
