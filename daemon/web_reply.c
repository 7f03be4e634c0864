/* Answers: the headers that each has, errors as JSON, and waking a connection that waits. */
#include "web_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/strbuf.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char json_content[] = "application/json; charset=utf-8";

/* Nothing of mendd's is to be framed, run as a script, sniffed or kept, whatever it is. */
static const struct web_header defaults[] = {
    {(char *)"X-Content-Type-Options", (char *)"nosniff"},
    {(char *)"X-Frame-Options", (char *)"DENY"},
    {(char *)"Cache-Control", (char *)"no-store"},
    {(char *)"Referrer-Policy", (char *)"same-origin"},
    {(char *)"Content-Security-Policy", (char *)"default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
                                                "frame-ancestors 'none'; base-uri 'none'"},
};

struct MHD_Response *response_finish(const struct web *w, struct MHD_Response *response, const char *content_type)
{
    const struct web_config *config = web_config_of(w);
    if (!response)
        abort(); /* out of memory, as in base/alloc.h */
    MHD_add_response_header(response, "Content-Type", content_type);
    for (size_t i = 0; i < ARRAY_SIZE(defaults); i++) {
        bool other = false;
        for (size_t k = 0; config && k < config->n_headers && !other; k++)
            other = str_eq(config->headers[k].name, defaults[i].name);
        if (!other)
            MHD_add_response_header(response, defaults[i].name, defaults[i].value);
    }
    for (size_t k = 0; config && k < config->n_headers; k++)
        MHD_add_response_header(response, config->headers[k].name, config->headers[k].value);
    return response;
}

static void answer(struct request *req, unsigned status, struct MHD_Response *response)
{
    req->response = response;
    req->status = status;
    request_wake(req);
}

void reply_response(struct request *req, unsigned status, struct MHD_Response *response)
{
    if (!req->connection || req->response) { /* nobody is there any more, or it was said already */
        MHD_destroy_response(response);
        return;
    }
    answer(req, status, response);
}

void reply_accepted_one(struct request *req)
{
    if (!req->connection || req->response)
        return;
    req->shared = true;
    answer(req, 200, req->web->accepted_one);
}

void reply_text(struct request *req, unsigned status, const char *content_type, char *text, size_t len)
{
    reply_response(
        req, status,
        response_finish(req->web, MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE), content_type));
}

void reply_static(struct request *req, unsigned status, const char *content_type, const char *text, size_t len)
{
    reply_response(req, status,
                   response_finish(req->web, MHD_create_response_from_buffer(len, (void *)text, MHD_RESPMEM_PERSISTENT),
                                   content_type));
}

void reply_json(struct request *req, unsigned status, json_t *taken)
{
    _cleanup_json_ json_t *value = taken;
    _cleanup_free_ char *text = json_compact(value);
    struct strbuf b = STRBUF_INIT;
    strbuf_puts(&b, text);
    strbuf_putc(&b, '\n');
    const size_t len = b.len;
    reply_text(req, status, json_content, strbuf_take(&b), len);
}

static struct MHD_Response *error_new(const struct web *w, const char *code, const char *message)
{
    _cleanup_json_ json_t *inner = json_object();
    json_set_text(inner, "code", code);
    json_set_text(inner, "message", message);
    _cleanup_json_ json_t *outer = json_object();
    json_object_set(outer, "error", inner);
    char *text = json_compact(outer);
    return response_finish(w, MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE), json_content);
}

void reply_error(struct request *req, unsigned status, const char *code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    _cleanup_free_ char *message = xvasprintf(fmt, args);
    va_end(args);
    reply_response(req, status, error_new(req->web, code, message));
}

static void reply_retry(struct request *req, unsigned status, int64_t after_s, const char *code, const char *message)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, after_s > 0 ? after_s : 1);
    struct MHD_Response *response = error_new(req->web, code, message);
    MHD_add_response_header(response, "Retry-After", text);
    reply_response(req, status, response);
}

void reply_busy(struct request *req, int retry_after_s, const char *code, const char *message)
{
    reply_retry(req, 503, retry_after_s, code, message);
}

void reply_stopping(struct request *req)
{
    reply_busy(req, 5, "stopping", "mendd is stopping; send it again");
}

void reply_limited(struct request *req, int64_t wait_us, const char *message)
{
    reply_retry(req, 429, (wait_us + USEC_PER_SEC - 1) / USEC_PER_SEC, "too_many", message);
}

void reply_not_allowed(struct request *req, const char *allow)
{
    _cleanup_free_ char *message = xasprintf("this path answers to %s only", allow);
    struct MHD_Response *response = error_new(req->web, "method_not_allowed", message);
    MHD_add_response_header(response, "Allow", allow);
    reply_response(req, 405, response);
}

void response_add_challenges(const struct request *req, struct MHD_Response *response)
{
    const struct config *config = engine_config(req->web->engine);
    const struct web_config *web = web_config_of(req->web);
    if (web && web->n_users > 0)
        MHD_add_response_header(response, "WWW-Authenticate", "Basic realm=\"mendd\", charset=\"UTF-8\"");
    if (config && config->n_tokens > 0)
        MHD_add_response_header(response, "WWW-Authenticate", "Bearer realm=\"mendd\"");
}

void reply_unauthorized(struct request *req, const char *message)
{
    struct MHD_Response *response = error_new(req->web, "unauthorized", message);
    response_add_challenges(req, response);
    reply_response(req, 401, response);
}
