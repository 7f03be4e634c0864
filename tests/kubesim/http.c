/* Happy path: libmicrohttpd collects a body (bounded), the request goes through the faults to route(), the answer is
 * queued, a mutating one is written to the audit file before that. A fault can delay the answer: the connection is
 * suspended with its answer kept, and resumed by http_run() when its time has come. Failure: a body over the limit is
 * answered with 413 after it was read to its end; a client that leaves is forgotten in on_completed(). */
#include "http.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "exec.h"
#include "faults.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

struct connection {
    struct MHD_Connection *mhd;
    struct strbuf body;
    struct answer answer;
    struct fault fault;
    bool served, suspended;
    int64_t resume_us;
    struct connection *prev, *next;
};

struct http {
    struct sim *sim;
    struct MHD_Daemon *daemon;
    struct connection *connections;
    struct execs *execs;
    char *cert, *key;
};

static void connection_free(struct http *h, struct connection *c)
{
    if (c->prev)
        c->prev->next = c->next;
    else
        h->connections = c->next;
    if (c->next)
        c->next->prev = c->prev;
    strbuf_free(&c->body);
    answer_free(&c->answer);
    free(c);
}

static struct connection *connection_new(struct http *h, struct MHD_Connection *mhd)
{
    struct connection *c = xnew0(struct connection);
    c->mhd = mhd;
    c->body.max = MAX_BODY;
    c->next = h->connections;
    if (c->next)
        c->next->prev = c;
    h->connections = c;
    return c;
}

static enum MHD_Result add_param(void *userdata, enum MHD_ValueKind kind, const char *key, const char *value)
{
    (void)kind;
    json_t *query = userdata;
    if (utf8_valid(key, strlen(key)) && !json_object_get(query, key))
        json_object_set_new(query, key, json_text_new(value ? value : "", value ? strlen(value) : 0));
    return MHD_YES;
}

static enum MHD_Result add_command(void *userdata, enum MHD_ValueKind kind, const char *key, const char *value)
{
    (void)kind;
    if (str_eq(key, "command"))
        json_array_append_new(userdata, json_text_new(value ? value : "", value ? strlen(value) : 0));
    return MHD_YES;
}

static const char *header(struct connection *c, const char *name)
{
    return MHD_lookup_connection_value(c->mhd, MHD_HEADER_KIND, name);
}

static bool authorized(const struct http *h, struct connection *c)
{
    const char *given = header(c, "Authorization"), *token = h->sim->options.token;
    const char *bearer = given && str_starts(given, "Bearer ") ? given + 7 : NULL;
    return !token || str_eq(bearer, token) || (bearer && str_eq(bearer, json_text(h->sim->rbac, "token")));
}

static bool mutates(const char *method)
{
    return !str_eq(method, "GET") && !str_eq(method, "HEAD") && !str_eq(method, "OPTIONS");
}

/* One line a mutating request or command, as the judge of "once": what was asked, and what the server did about it. */
static void audit(struct http *h, const struct request *req, const struct connection *c)
{
    if (!h->sim->audit || (!mutates(req->method) && !c->answer.exec))
        return;
    char now[TIME_TEXT_MAX];
    json_t *body =
        c->answer.exec ? json_incref(req->commands) : json_loadb(req->body, req->body_len, JSON_DECODE_ANY, NULL);
    if (!body && req->body_len)
        body = json_text_new(req->body, req->body_len);
    json_t *line =
        json_pack("{s:s, s:s, s:s, s:O, s:o*, s:i, s:b}", "time", time_format(h->sim->now.wall_us, now), "method",
                  req->method, "path", req->path, "query", req->query, "body", body, "code", c->answer.code, "applied",
                  c->answer.exec || (c->answer.code >= 200 && c->answer.code < 300 && !req->dry_run));
    if (c->fault.kind)
        json_object_set_new(line, "fault", json_string(fault_name(c->fault.kind)));
    _cleanup_free_ char *text = json_compact(line);
    fprintf(h->sim->audit, "%s\n", text);
    fflush(h->sim->audit);
    json_decref(line);
}

static void answer_fault(struct connection *c)
{
    struct answer *a = &c->answer;
    if (c->fault.kind == FAULT_CONFLICT)
        answer_fail(a, 409, "Conflict", json_object(),
                    "Operation cannot be fulfilled: the object has been modified; please apply your changes to the "
                    "latest version and try again");
    else if (c->fault.kind == FAULT_THROTTLE)
        answer_fail(a, 429, "TooManyRequests", NULL, "Too many requests, please try again later.");
    else
        answer_fail(a, c->fault.kind == FAULT_ERROR ? c->fault.code : 500,
                    c->fault.code == 503 ? "ServiceUnavailable" : "InternalError", NULL, "a fault on demand");
    a->retry_after_s = c->fault.retry_after_s;
}

static char *full_path(const struct request *req)
{
    struct strbuf b = STRBUF_INIT;
    const char *key;
    json_t *value;
    strbuf_puts(&b, req->path);
    json_object_foreach (req->query, key, value)
        strbuf_printf(&b, "%c%s=%s", strchr(strbuf_str(&b), '?') ? '&' : '?', key, json_string_value(value));
    return strbuf_take(&b);
}

static void serve(struct http *h, struct connection *c, const char *url, const char *method)
{
    _cleanup_json_ json_t *query = json_object(), *commands = json_array();
    const char *upgrade = header(c, "Upgrade"), *given = header(c, "Authorization");
    MHD_get_connection_values(c->mhd, MHD_GET_ARGUMENT_KIND, add_command, commands);
    MHD_get_connection_values(c->mhd, MHD_GET_ARGUMENT_KIND, add_param, query);
    struct request req = {.method = method,
                          .path = url,
                          .content_type = header(c, "Content-Type"),
                          .query = query,
                          .commands = commands,
                          .bearer = given && str_starts(given, "Bearer ") ? given + 7 : NULL,
                          .upgrade = upgrade && strcasecmp(upgrade, "websocket") == 0,
                          .body = strbuf_str(&c->body),
                          .body_len = c->body.len};
    struct answer *a = &c->answer;
    h->sim->now = now_read();
    c->served = true;
    if (!utf8_valid(url, strlen(url))) {
        fail_bad_request(a, "the path is no UTF-8");
        return;
    }
    if (c->body.truncated) {
        answer_fail(a, 413, "RequestEntityTooLarge", NULL, "Request entity too large: limit is %u", MAX_BODY);
        return;
    }
    if (str_starts(url, "/_sim/")) {
        serve_admin(h->sim, &req, a);
        return;
    }
    if (!authorized(h, c)) {
        answer_fail(a, 401, "Unauthorized", NULL, "Unauthorized");
        return;
    }
    if (rbac_review(h->sim, &req, a))
        return;
    _cleanup_free_ char *path = full_path(&req);
    c->fault = faults_match(h->sim->faults, method, path);
    if (c->fault.kind && !c->fault.apply)
        answer_fault(c);
    else
        route(h->sim, &req, a);
    audit(h, &req, c);
    if (c->fault.ms > 0)
        c->resume_us = h->sim->now.boot_us + c->fault.ms * USEC_PER_MSEC;
}

/* Closing with a linger time of zero sends a reset instead of an orderly end. */
static enum MHD_Result reset_connection(struct connection *c)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    if (info)
        setsockopt(info->connect_fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    return MHD_NO;
}

struct half {
    char *text;
    size_t len;
};

static ssize_t read_half(void *userdata, uint64_t pos, char *buf, size_t max)
{
    const struct half *half = userdata;
    if (pos >= half->len)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    const size_t n = half->len - (size_t)pos < max ? half->len - (size_t)pos : max;
    memcpy(buf, half->text + pos, n);
    return (ssize_t)n;
}

static void free_half(void *userdata)
{
    struct half *half = userdata;
    free(half->text);
    free(half);
}

static struct MHD_Response *response_of(const struct connection *c)
{
    char *text = c->answer.text ? xstrdup(c->answer.text) : NULL;
    if (!text) {
        _cleanup_free_ char *body = json_compact(c->answer.body);
        text = xasprintf("%s\n", body);
    }
    struct MHD_Response *r;
    const size_t len = strlen(text);
    if (c->fault.kind == FAULT_TRUNCATE) {
        struct half *half = xnew0(struct half);
        *half = (struct half){text, len / 2};
        r = MHD_create_response_from_callback(len, 4096, read_half, half, free_half);
    } else {
        r = MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE);
    }
    char seconds[16];
    snprintf(seconds, sizeof(seconds), "%d", c->answer.retry_after_s);
    MHD_add_response_header(r, "Content-Type", c->answer.text ? c->answer.type : "application/json");
    MHD_add_response_header(r, "Cache-Control", "no-cache, private");
    if (c->answer.retry_after_s > 0)
        MHD_add_response_header(r, "Retry-After", seconds);
    return r;
}

static enum MHD_Result send_answer(struct http *h, struct connection *c)
{
    const enum fault_kind k = c->fault.kind;
    if (c->resume_us > h->sim->now.boot_us) {
        c->suspended = true;
        MHD_suspend_connection(c->mhd);
        return MHD_YES;
    }
    if (k == FAULT_RESET_BEFORE || k == FAULT_RESET_AFTER || k == FAULT_STALL)
        return reset_connection(c);
    if (c->answer.code == 0)
        answer_fail(&c->answer, 500, "InternalError", NULL, "kubesim gave no answer");
    struct MHD_Response *r = c->answer.exec ? exec_response(h->execs, c->mhd, c->answer.exec) : NULL;
    if (c->answer.exec && !r)
        answer_fail(&c->answer, 403, "Forbidden", NULL, "no common protocol");
    if (!r)
        r = response_of(c);
    const enum MHD_Result queued = MHD_queue_response(c->mhd, (unsigned)c->answer.code, r);
    MHD_destroy_response(r);
    return queued;
}

static enum MHD_Result on_request(void *userdata, struct MHD_Connection *mhd, const char *url, const char *method,
                                  const char *version, const char *data, size_t *len, void **slot)
{
    (void)version;
    struct http *h = userdata;
    struct connection *c = *slot;
    if (!c) {
        *slot = connection_new(h, mhd);
        return MHD_YES;
    }
    if (*len > 0) {
        strbuf_add(&c->body, data, *len);
        *len = 0;
        return MHD_YES;
    }
    h->sim->now = now_read();
    if (!c->served)
        serve(h, c, url, method);
    return send_answer(h, c);
}

static void on_completed(void *userdata, struct MHD_Connection *mhd, void **slot, enum MHD_RequestTerminationCode why)
{
    (void)mhd, (void)why;
    if (*slot)
        connection_free(userdata, *slot);
    *slot = NULL;
}

static int read_tls(struct http *h, struct error *err)
{
    const struct sim_options *o = &h->sim->options;
    if (!o->tls_cert)
        return 0;
    int r = file_read(o->tls_cert, 1 << 20, &h->cert, NULL, err);
    return r < 0 ? r : file_read(o->tls_key, 1 << 20, &h->key, NULL, err);
}

struct http *http_new(struct sim *sim, struct error *err)
{
    struct http *h = xnew0(struct http);
    h->sim = sim;
    h->execs = execs_new();
    if (read_tls(h, err) < 0) {
        http_free(h);
        return NULL;
    }
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(sim->options.port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_UPGRADE | MHD_USE_ERROR_LOG | (h->cert ? MHD_USE_TLS : 0u);
    const struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_KEY, 0, h->key}, {MHD_OPTION_HTTPS_MEM_CERT, 0, h->cert}, {MHD_OPTION_END, 0, NULL}};
    const struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
    h->daemon =
        MHD_start_daemon(flags, 0, NULL, NULL, on_request, h, MHD_OPTION_SOCK_ADDR, &at, MHD_OPTION_NOTIFY_COMPLETED,
                         on_completed, h, MHD_OPTION_CONNECTION_LIMIT, 4096u, MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u,
                         MHD_OPTION_ARRAY, h->cert ? tls : none, MHD_OPTION_END);
    if (!h->daemon) {
        error_set(err, -errno, "cannot listen on 127.0.0.1:%u: %s", sim->options.port, strerror(errno));
        http_free(h);
        return NULL;
    }
    return h;
}

void http_free(struct http *h)
{
    if (!h)
        return;
    for (struct connection *c = h->connections; c; c = c->next)
        if (c->suspended)
            MHD_resume_connection(c->mhd);
    execs_free(h->execs);
    if (h->daemon)
        MHD_stop_daemon(h->daemon);
    free(h->cert);
    free(h->key);
    free(h);
}

int http_epoll_fd(const struct http *h)
{
    return MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

uint16_t http_port(const struct http *h)
{
    return MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}

/* Suspended connections whose time has come. Returns the ms until the next one, -1 if there is none. */
static int resume_due(struct http *h)
{
    const int64_t now_us = now_read().boot_us;
    int64_t next_us = -1;
    for (struct connection *c = h->connections; c; c = c->next) {
        if (!c->suspended)
            continue;
        if (c->resume_us <= now_us) {
            c->suspended = false;
            MHD_resume_connection(c->mhd);
            next_us = 0;
        } else if (next_us < 0 || c->resume_us - now_us < next_us) {
            next_us = c->resume_us - now_us;
        }
    }
    return next_us < 0 ? -1 : (int)(next_us / USEC_PER_MSEC) + (next_us > 0 ? 1 : 0);
}

int http_run(struct http *h)
{
    const int due_ms = resume_due(h);
    MHD_UNSIGNED_LONG_LONG wait_ms;
    MHD_run(h->daemon);
    int timeout_ms = MHD_get_timeout(h->daemon, &wait_ms) == MHD_YES ? (int)(wait_ms < 60000 ? wait_ms : 60000) : -1;
    if (due_ms >= 0 && (timeout_ms < 0 || due_ms < timeout_ms))
        timeout_ms = due_ms;
    return timeout_ms;
}
