/* A request from its first header to its answer.
 *
 * Happy path: first call: headers are judged, the route found; then the body in pieces; then the handler, which answers
 * at once or later (the connection is suspended meanwhile). Failure modes: what could be read in two ways (two lengths,
 * length and chunks) is refused before a byte of the body is taken; a body over the limit gets 413 at once when its
 * length says so, else when it is through; a client that goes away leaves a request without a connection, whose answer
 * is dropped. */
#include "web_internal.h"

#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* Bodies up to SMALL_BODY are always taken (the number of connections bounds them); all larger ones together may hold
 * LARGE_TOTAL. After a refusal DISCARD_FACTOR times the limit is read and thrown away before the line is cut. */
enum { SMALL_BODY = 64 * 1024, LARGE_TOTAL = 64 << 20, DISCARD_FACTOR = 4, CHUNKED_START = 4096 };

static bool match_path(const char *path, const char *url, char param[WEB_PARAM_MAX])
{
    const char *brace = strchr(path, '{');
    if (!brace)
        return strcmp(path, url) == 0;
    const size_t prefix = (size_t)(brace - path);
    const char *rest = url + prefix, *suffix = strchr(brace, '}') + 1; /* "/report" of "/actions/{id}/report" */
    if (strncmp(path, url, prefix) != 0)
        return false;
    const size_t len = strcspn(rest, "/");
    if (len == 0 || len >= WEB_PARAM_MAX || strcmp(rest + len, suffix) != 0)
        return false;
    memcpy(param, rest, len);
    param[len] = '\0';
    return true;
}

static void find_route(struct request *req, const char *url, const char *method)
{
    _cleanup_strbuf_ struct strbuf allow = STRBUF_INIT;
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    for (const struct route *r = web_routes; r->path; r++) {
        if (!match_path(r->path, url, req->param))
            continue;
        if (strcmp(r->method, wanted) == 0) {
            req->route = r;
            return;
        }
        strbuf_printf(&allow, "%s%s", allow.len ? ", " : "", strcmp(r->method, "GET") == 0 ? "GET, HEAD" : r->method);
    }
    if (allow.len)
        reply_not_allowed(req, strbuf_str(&allow));
    else
        reply_error(req, 404, "not_found", "there is nothing at this path; see /openapi.json");
}

static void request_drop_response(struct request *req)
{
    if (req->response && !req->shared)
        MHD_destroy_response(req->response);
    req->response = NULL;
}

static enum MHD_Result send_answer(struct request *req)
{
    if (req->shared)
        req->response = req->web->accepted_one; /* the one of now: it is made anew with another web configuration */
    enum MHD_Result r = MHD_queue_response(req->connection, req->status, req->response);
    request_drop_response(req);
    return r;
}

static size_t body_limit(const struct request *req)
{
    return req->route && req->route->body_max ? req->route->body_max : req->web->max_body;
}

static bool is_webhook(const struct request *req)
{
    return req->route->handle == api_webhook;
}

/* Alerts may have been lost in it: a person hears of that. */
static void note_oversized(struct request *req, uint64_t len)
{
    if (is_webhook(req))
        api_webhook_oversized(req->web, len);
    else
        web_audit_refused(req, 413, "the body is too large");
}

void web_count_refusal(struct web *w, enum refusal why)
{
    w->refused[why]++;
}

/* The connection ends with it: what follows on it may belong to a body that nobody asked for. */
static enum MHD_Result refuse(struct request *req, enum refusal why, unsigned status, const char *code,
                              const char *words)
{
    web_count_refusal(req->web, why);
    request_drop_response(req);
    reply_error(req, status, code, "%s", words);
    if (req->response && !req->shared)
        MHD_add_response_header(req->response, "Connection", "close");
    return send_answer(req);
}

static bool is_over_rate(struct request *req, int64_t *ret_wait_us)
{
    struct peer *peer = req->from->peer;
    *ret_wait_us = peer && !peer->loopback ? bucket_take(&peer->requests, &peer_requests, web_now_us(req->web)) : 0;
    return *ret_wait_us > 0;
}

static enum MHD_Result limit(struct request *req, int64_t wait_us)
{
    static const char words[] = "too many requests from this address";
    web_count_refusal(req->web, REFUSED_RATE);
    web_audit_refused(req, 429, words);
    request_drop_response(req);
    reply_limited(req, wait_us, words);
    return send_answer(req);
}

/* The size of the body is known to be within bounds, or unknown yet. */
static enum MHD_Result expect_body(struct request *req)
{
    if (req->length > body_limit(req)) {
        note_oversized(req, req->length);
        reply_error(req, 413, "too_large", "the body has %" PRIu64 " bytes, the limit is %zu%s", req->length,
                    body_limit(req), is_webhook(req) ? " (--web.max-body)" : "");
        return send_answer(req);
    }
    if (req->route->takes_body) /* at most this much ahead of what really comes */
        req->body_cap = req->chunked ? CHUNKED_START : req->length < SMALL_BODY ? (size_t)req->length + 1 : SMALL_BODY;
    return MHD_YES;
}

static enum MHD_Result admit(struct request *req)
{
    const enum admission r = web_admit(req);
    if (r == ADMISSION_NO)
        return send_answer(req);
    req->begun = r == ADMISSION_YES;
    return req->begun ? expect_body(req) : MHD_YES;
}

static enum MHD_Result begin(struct request *req, const char *url, const char *method, const char *version)
{
    struct framing f;
    int64_t wait_us;
    web_look_at_framing(req, version, &f);
    if (f.fault)
        return refuse(req, REFUSED_REQUEST, 400, "bad_request", f.fault);
    if (req->web->stopping) {
        reply_stopping(req);
        return send_answer(req);
    }
    req->length = f.length;
    req->chunked = f.chunked;
    find_route(req, url, method);
    if (is_over_rate(req, &wait_us))
        return limit(req, wait_us);
    if (req->from->distrusted) {
        static const char words[] = "the client certificate of this connection does not hold any more: connect again";
        web_audit_refused(req, 401, words);
        return refuse(req, REFUSED_LOGIN, 401, "unauthorized", words);
    }
    const char *foreign = web_foreign_site(req, method);
    if (foreign && req->route && strcmp(method, "POST") == 0)
        web_audit(req, req->route->path, "another site's page", 403, foreign);
    if (foreign)
        return refuse(req, REFUSED_SITE, 403, "other_site", foreign);
    if (req->route)
        return admit(req);
    req->begun = true;
    return f.length == 0 && !f.chunked ? MHD_YES : send_answer(req); /* MHD_YES: the connection is kept */
}

static void drop_body(struct request *req)
{
    free(req->body);
    req->body = NULL;
    req->body_len = 0;
    req->web->large_bytes -= req->counted;
    req->counted = 0;
}

static bool reserve(struct request *req, size_t needed)
{
    if (!req->body) {
        req->body_cap = req->body_cap > needed ? req->body_cap : needed;
        req->body = xmalloc(req->body_cap);
    }
    if (needed <= req->body_cap)
        return true;
    size_t cap = req->body_cap * 2 > needed ? req->body_cap * 2 : needed;
    cap =
        cap > body_limit(req) + 1 ? body_limit(req) + 1 : cap; /* never less than `needed`: that is within the limit */
    if (cap > SMALL_BODY) {
        if (req->web->large_bytes - req->counted + cap > LARGE_TOTAL)
            return false;
        req->web->large_bytes += cap - req->counted;
        req->counted = cap;
    }
    req->body = xrealloc(req->body, cap);
    req->body_cap = cap;
    return true;
}

static enum MHD_Result take_piece(struct request *req, const char *data, size_t len)
{
    struct web *w = req->web;
    req->received += len;
    if (req->received > w->max_body * DISCARD_FACTOR)
        return MHD_NO;
    if (req->response || !req->route->takes_body)
        return MHD_YES; /* thrown away; what is to be said is said at its end */
    if (req->received > body_limit(req)) {
        drop_body(req);
        note_oversized(req, req->received);
        reply_error(req, 413, "too_large", "the body has more than %zu bytes%s", body_limit(req),
                    is_webhook(req) ? " (--web.max-body)" : "");
    } else if (!reserve(req, req->body_len + len + 1)) {
        drop_body(req);
        reply_busy(req, 5, "busy", "too many large bodies at once; send it again");
    } else {
        memcpy(req->body + req->body_len, data, len);
        req->body_len += len;
    }
    return MHD_YES;
}

void request_suspend(struct request *req)
{
    MHD_suspend_connection(req->connection);
    req->suspended = true;
    req->next = req->web->suspended;
    req->link = &req->web->suspended;
    if (req->next)
        req->next->link = &req->next;
    req->web->suspended = req;
}

void request_wake(struct request *req)
{
    if (!req->suspended)
        return;
    req->suspended = false;
    *req->link = req->next;
    if (req->next)
        req->next->link = req->link;
    MHD_resume_connection(req->connection);
    web_kick(req->web);
}

static enum MHD_Result handle(struct request *req)
{
    enum MHD_Result r = MHD_YES;
    request_ref(req);
    connection_phase(req->from, PHASE_WORK, NULL);
    req->route->handle(req);
    if (req->response)
        r = send_answer(req);
    else
        request_suspend(req);
    request_unref(req);
    return r;
}

static struct request *request_new(struct web *w, struct MHD_Connection *connection)
{
    struct request *req = xnew0(struct request);
    req->web = w;
    req->connection = connection;
    req->refs = 1;
    req->from = connection_of(connection);
    connection_phase(req->from, PHASE_BODY, req);
    web_doors_refresh(w);
    connection_look(req->from, connection);
    web_name_anonymous(req);
    return req;
}

enum MHD_Result web_on_request(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
                               const char *version, const char *upload, size_t *upload_len, void **state)
{
    struct request *req = *state;
    if (!req) {
        *state = req = request_new(cls, connection);
        return begin(req, url, method, version);
    }
    if (req->web->stopping && !req->response)
        reply_stopping(req);
    if (!req->begun && !req->response)
        return admit(req); /* again: the password has been checked */
    if (*upload_len) {
        const size_t len = *upload_len;
        *upload_len = 0;
        return take_piece(req, upload, len);
    }
    return req->response ? send_answer(req) : handle(req);
}

void web_on_completed(void *cls _unused_, struct MHD_Connection *connection _unused_, void **state,
                      enum MHD_RequestTerminationCode why _unused_)
{
    struct request *req = *state;
    *state = NULL;
    if (!req)
        return;
    drop_body(req);
    connection_phase(req->from, PHASE_HEAD, NULL);
    req->from = NULL;
    req->connection = NULL;
    request_unref(req);
}

struct request *request_ref(struct request *req)
{
    req->refs++;
    return req;
}

void request_unref(struct request *req)
{
    if (--req->refs > 0)
        return;
    request_drop_response(req);
    free(req->body);
    free(req);
}

char *request_take_body(struct request *req, size_t *ret_len)
{
    *ret_len = req->body_len;
    char *body = req->body ? TAKE_PTR(req->body) : xcalloc(1, 1);
    body[req->body_len] = '\0';
    drop_body(req);
    return body;
}

const char *request_query(struct request *req, const char *name)
{
    return MHD_lookup_connection_value(req->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *request_header(struct request *req, const char *name)
{
    return MHD_lookup_connection_value(req->connection, MHD_HEADER_KIND, name);
}

struct known_names {
    const char *const *known;
    const char *unknown;
};

static enum MHD_Result look_at_argument(void *cls, enum MHD_ValueKind kind _unused_, const char *name,
                                        const char *value _unused_)
{
    struct known_names *k = cls;
    if (!str_in(name, k->known))
        k->unknown = name;
    return k->unknown ? MHD_NO : MHD_YES;
}

bool request_check_query(struct request *req, const char *const known[])
{
    struct known_names k = {.known = known};
    MHD_get_connection_values(req->connection, MHD_GET_ARGUMENT_KIND, look_at_argument, &k);
    if (!k.unknown)
        return true;
    const char *near = did_you_mean(k.unknown, known);
    reply_error(req, 400, "bad_parameter", "there is no parameter '%.60s'%s%s%s", k.unknown,
                near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
    return false;
}
