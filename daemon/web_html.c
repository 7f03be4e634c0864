/* The pages' common ground: one style, everything escaped, nothing from elsewhere, no scripts (web_reply.c's headers).
 *
 * Referrer-Policy is same-origin and not no-referrer: with the latter a browser sends "Origin: null" with the form,
 * which the Origin check refuses. */
#include "web_internal.h"

#include "base/text.h"

#include <string.h>

static const char head[] =
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">"
    "<meta name=\"viewport\" content=\"width=device-width\"><style>"
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem;color:#1c2430;background:#fff}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid "
    "#dde3ea;vertical-align:top}th{font-weight:600}td.resolved{color:#116329}td.failed{color:#b3261e}a{color:#0b57d0}"
    "pre{background:#f5f7fa;padding:.6rem;white-space:pre-wrap;overflow-wrap:anywhere}"
    ".warn{background:#fff4d6;border-left:4px solid #b78103;padding:.5rem .8rem}"
    ".bad{background:#fde7e5;border-left:4px solid #b3261e;padding:.5rem .8rem}"
    "input,button{font:inherit;padding:.35rem .8rem;margin:.2rem .4rem .2rem 0}input{width:22rem;max-width:90%}"
    "</style><title>";

void html_text(struct strbuf *b, const char *s, size_t max)
{
    size_t n = 0;
    for (; s && *s && (n < max || ((unsigned char)*s & 0xc0) == 0x80); s++, n++) {
        if (*s == '<')
            strbuf_puts(b, "&lt;");
        else if (*s == '>')
            strbuf_puts(b, "&gt;");
        else if (*s == '&')
            strbuf_puts(b, "&amp;");
        else if (*s == '"')
            strbuf_puts(b, "&quot;");
        else if (*s == '\'')
            strbuf_puts(b, "&#39;");
        else
            strbuf_putc(b, *s);
    }
    strbuf_puts(b, s && *s ? "…" : "");
}

void html_begin(struct strbuf *b, const char *title)
{
    strbuf_puts(b, head);
    html_text(b, title, HTML_TEXT_MAX);
    strbuf_puts(b, "</title></head><body>");
}

void html_cell(struct strbuf *b, const char *class, const char *text)
{
    strbuf_puts(b, "<td class=\"");
    html_text(b, class, HTML_TEXT_MAX);
    strbuf_puts(b, "\">");
    html_text(b, text, HTML_TEXT_MAX);
    strbuf_puts(b, "</td>");
}

void html_reply(struct request *req, unsigned status, struct strbuf *b)
{
    strbuf_puts(b, "</body></html>\n");
    const size_t len = b->len;
    struct MHD_Response *response =
        response_finish(req->web, MHD_create_response_from_buffer(len, strbuf_take(b), MHD_RESPMEM_MUST_FREE),
                        "text/html; charset=utf-8");
    if (status == 401)
        response_add_challenges(req, response);
    reply_response(req, status, response);
}

bool web_is_form(struct request *req)
{
    static const char form[] = "application/x-www-form-urlencoded";
    const char *type = request_header(req, "Content-Type");
    const size_t len = type ? strcspn(type, "; \t") : 0;
    return len == sizeof(form) - 1 && strncasecmp(type, form, len) == 0;
}

bool html_wanted(struct request *req)
{
    const char *accept = request_header(req, "Accept");
    return accept && strstr(accept, "text/html") && web_is_form(req);
}

void html_message(struct request *req, unsigned status, const char *message)
{
    struct strbuf b = STRBUF_INIT;
    html_begin(&b, "mendd");
    strbuf_printf(&b, "<h1>%s</h1><p>", status < 300 ? "Done" : "Not done");
    html_text(&b, message, 2000);
    strbuf_puts(&b, "</p>");
    if (*req->param) {
        strbuf_puts(&b, "<p><a href=\"approve\">Back to the plan</a> of run ");
        html_text(&b, req->param, HTML_TEXT_MAX);
        strbuf_puts(&b, "</p>");
    }
    html_reply(req, status, &b);
}
