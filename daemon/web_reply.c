/* Answers: the headers that each has, errors as JSON, and waking a connection that waits. */
#include "web_internal.h"

#include "base/alloc.h"
#include "base/strbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char json_content[] = "application/json; charset=utf-8";

struct MHD_Response *response_finish(struct MHD_Response *response, const char *content_type)
{
    if (!response)
        abort(); /* out of memory, as in base/alloc.h */
    MHD_add_response_header(response, "Content-Type", content_type);
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(response, "Cache-Control", "no-store");
    return response;
}

static void answer(struct request *req, unsigned status, struct MHD_Response *response)
{
    req->response = response;
    req->status = status;
    if (!req->suspended)
        return;
    req->suspended = false;
    *req->link = req->next;
    if (req->next)
        req->next->link = req->link;
    MHD_resume_connection(req->connection);
    web_kick(req->web);
}

void reply_response(struct request *req, unsigned status, struct MHD_Response *response)
{
    if (!req->connection || req->response) { /* nobody is there any more, or it was said already */
        MHD_destroy_response(response);
        return;
    }
    answer(req, status, response);
}

void reply_shared(struct request *req, unsigned status, struct MHD_Response *response)
{
    if (!req->connection || req->response)
        return;
    req->shared = true;
    answer(req, status, response);
}

void reply_text(struct request *req, unsigned status, const char *content_type, char *text, size_t len)
{
    reply_response(req, status,
                   response_finish(MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE), content_type));
}

void reply_static(struct request *req, unsigned status, const char *content_type, const char *text, size_t len)
{
    reply_response(
        req, status,
        response_finish(MHD_create_response_from_buffer(len, (void *)text, MHD_RESPMEM_PERSISTENT), content_type));
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

static struct MHD_Response *error_new(const char *code, const char *message)
{
    _cleanup_json_ json_t *inner = json_object();
    json_set_text(inner, "code", code);
    json_set_text(inner, "message", message);
    _cleanup_json_ json_t *outer = json_object();
    json_object_set(outer, "error", inner);
    char *text = json_compact(outer);
    return response_finish(MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE), json_content);
}

void reply_error(struct request *req, unsigned status, const char *code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    _cleanup_free_ char *message = xvasprintf(fmt, args);
    va_end(args);
    reply_response(req, status, error_new(code, message));
}

void reply_busy(struct request *req, int retry_after_s, const char *code, const char *message)
{
    char text[16];
    snprintf(text, sizeof(text), "%d", retry_after_s > 0 ? retry_after_s : 1);
    struct MHD_Response *response = error_new(code, message);
    MHD_add_response_header(response, "Retry-After", text);
    reply_response(req, 503, response);
}

void reply_not_allowed(struct request *req, const char *allow)
{
    _cleanup_free_ char *message = xasprintf("this path answers to %s only", allow);
    struct MHD_Response *response = error_new("method_not_allowed", message);
    MHD_add_response_header(response, "Allow", allow);
    reply_response(req, 405, response);
}

void reply_unauthorized(struct request *req, const char *message)
{
    struct MHD_Response *response = error_new("unauthorized", message);
    MHD_add_response_header(response, "WWW-Authenticate", "Bearer realm=\"mendd\"");
    reply_response(req, 401, response);
}
