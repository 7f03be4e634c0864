/* GET /: one page for a look, made here, without scripts or anything from elsewhere. */
#include "web_internal.h"

#include "base/alloc.h"
#include "base/strbuf.h"
#include "config/config.h"

#include <string.h>

enum { ROWS = 50, TEXT_MAX = 200 };

static const char head[] =
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>mendd</title>"
    "<meta name=\"viewport\" content=\"width=device-width\"><style>"
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem;color:#1c2430;background:#fff}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid "
    "#dde3ea;"
    "vertical-align:top}th{font-weight:600}td.resolved{color:#116329}td.failed{color:#b3261e}a{color:#0b57d0}"
    "</style></head><body><h1>mendd</h1>";

/* Whatever stands in an alert is text here and nothing else. */
static void escape(struct strbuf *b, const char *s)
{
    size_t n = 0;
    for (; s && *s && n < TEXT_MAX; s++, n++) {
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

static void cell(struct strbuf *b, const char *class, const char *text)
{
    strbuf_puts(b, "<td class=\"");
    escape(b, class);
    strbuf_puts(b, "\">");
    escape(b, text);
    strbuf_puts(b, "</td>");
}

static int add_row(const char *id, const char *doc, size_t len, void *userdata)
{
    struct strbuf *b = userdata;
    size_t record_len = 0;
    const char *text = api_record_text(doc, len, &record_len);
    _cleanup_json_ json_t *record = text ? json_loadb(text, record_len, 0, NULL) : NULL;
    const json_t *target = json_object_get(record, "target");
    _cleanup_free_ char *where = xasprintf("%s %s %s", json_text_or(target, "kind", ""),
                                           json_text_or(target, "namespace", ""), json_text_or(target, "name", ""));
    const char *outcome = json_text_or(record, "outcome", "");
    strbuf_puts(b, "<tr><td><a href=\"/actions/");
    escape(b, id);
    strbuf_puts(b, "\">");
    escape(b, json_text_or(record, "created", id));
    strbuf_puts(b, "</a></td>");
    cell(b, "", json_path_text(record, "alert", "labels", "alertname", NULL));
    cell(b, "", json_text(record, "playbook"));
    cell(b, "", where);
    cell(b, "", json_text(record, "state"));
    cell(b, outcome, outcome);
    cell(b, "", json_text(record, "reason"));
    cell(b, "", json_text(record, "message"));
    strbuf_puts(b, "</tr>");
    return 0;
}

void api_page(struct request *req)
{
    struct web *w = req->web;
    struct strbuf b = STRBUF_INIT;
    _cleanup_error_ struct error err = ERROR_NONE;
    const char *why = NULL;
    const bool ready = engine_is_ready(w->engine, &why);
    strbuf_puts(&b, head);
    strbuf_printf(&b, "<p>Version %s, %zu playbooks. ", MENDD_VERSION, engine_playbooks(w->engine)->n);
    strbuf_puts(&b, ready ? "Ready." : "Not ready: ");
    escape(&b, ready ? "" : why);
    strbuf_puts(
        &b, " <a href=\"/status\">status</a> <a href=\"/playbooks\">playbooks</a> <a href=\"/metrics\">metrics</a> "
            "<a href=\"/openapi.json\">API</a></p><h2>The last actions</h2><table><tr><th>created</th><th>alert</th>"
            "<th>playbook</th><th>target</th><th>state</th><th>outcome</th><th>reason</th><th>in words</th></tr>");
    if (store_list(engine_store(w->engine), &(struct store_filter){.limit = ROWS}, add_row, &b, &err) < 0)
        escape(&b, error_message(&err));
    strbuf_puts(&b, "</table></body></html>\n");
    const size_t len = b.len;
    struct MHD_Response *response = response_finish(
        MHD_create_response_from_buffer(len, strbuf_take(&b), MHD_RESPMEM_MUST_FREE), "text/html; charset=utf-8");
    MHD_add_response_header(response, "Content-Security-Policy",
                            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'");
    reply_response(req, 200, response);
}
