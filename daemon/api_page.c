/* GET /: one page for a look, made here, without scripts or anything from elsewhere. */
#include "web_internal.h"

#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "config/config.h"

#include <string.h>

enum { ROWS = 50, LISTED = 20 };

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
    strbuf_puts(b, "<tr><td><a href=\"actions/");
    html_text(b, id, HTML_TEXT_MAX);
    strbuf_puts(b, "\">");
    html_text(b, json_text_or(record, "created", id), HTML_TEXT_MAX);
    strbuf_puts(b, "</a></td>");
    html_cell(b, "", json_path_text(record, "alert", "labels", "alertname", NULL));
    html_cell(b, "", json_text(record, "playbook"));
    html_cell(b, "", where);
    html_cell(b, "", json_text(record, "state"));
    html_cell(b, outcome, outcome);
    html_cell(b, "", json_text(record, "reason"));
    html_cell(b, "", json_text(record, "message"));
    strbuf_puts(b, "</tr>");
    return 0;
}

/* ---- what a person should know first ---- */

static void banner(struct strbuf *b, const char *class, const char *what, const char *text)
{
    strbuf_printf(b, "<p class=\"%s\"><b>%s</b> ", class, what);
    html_text(b, text, HTML_TEXT_MAX);
    strbuf_puts(b, "</p>");
}

/* "playbook redis, namespace shop" of an object's texts, without those that have a place of their own. */
static char *words_new(const json_t *object)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)object, key, value) {
        _cleanup_free_ char *inner = !json_is_object(value)        ? NULL
                                     : json_object_size(value) > 0 ? words_new(value)
                                                                   : xstrdup("everything");
        _cleanup_free_ char *other = json_is_number(value) || json_is_true(value) ? json_compact(value) : NULL;
        const char *s = inner ? inner : json_is_string(value) ? json_string_value(value) : other;
        if (!str_empty(s))
            strbuf_printf(&text, "%s%s %s", text.len ? ", " : "", key, s);
    }
    return strbuf_take(&text);
}

static void banners(struct strbuf *b, const json_t *status)
{
    static const struct {
        const char *key, *class, *what;
    } lists[] = {{"paused", "warn", "Paused:"},
                 {"breakers", "bad", "Breaker:"},
                 {"storms", "bad", "Storm:"},
                 {"escalations", "bad", "Waits for a person:"},
                 {"half_way", "warn", "Stands half-way:"}};
    size_t i;
    json_t *item;
    for (size_t k = 0; k < ARRAY_SIZE(lists); k++) {
        const json_t *list = json_object_get(status, lists[k].key);
        json_array_foreach (list, i, item) {
            _cleanup_free_ char *words = words_new(item);
            if (i == LISTED) {
                banner(b, lists[k].class, lists[k].what, "and more: see /status");
                break;
            }
            if (!str_eq(json_text(item, "state"), "closed"))
                banner(b, lists[k].class, lists[k].what, words);
        }
    }
}

static int add_waiting(const char *id, const char *doc, size_t len, void *userdata)
{
    struct strbuf *b = userdata;
    size_t record_len = 0;
    const char *text = api_record_text(doc, len, &record_len);
    _cleanup_json_ json_t *record = text ? json_loadb(text, record_len, 0, NULL) : NULL;
    strbuf_puts(b, "<p class=\"warn\"><b>A plan waits:</b> <a href=\"actions/");
    html_text(b, id, HTML_TEXT_MAX);
    strbuf_puts(b, "/approve\">");
    html_text(b, json_path_text(record, "alert", "labels", "alertname", NULL), HTML_TEXT_MAX);
    strbuf_puts(b, "</a> ");
    html_text(b, json_text(record, "playbook"), HTML_TEXT_MAX);
    strbuf_puts(b, ", expires ");
    html_text(b, json_path_text(record, "approval", "expires", NULL), HTML_TEXT_MAX);
    strbuf_puts(b, "</p>");
    return 0;
}

static void list(struct strbuf *b, struct web *w, const struct store_filter *filter,
                 int (*add)(const char *id, const char *doc, size_t len, void *userdata))
{
    _cleanup_error_ struct error err = ERROR_NONE;
    if (store_list(engine_store(w->engine), filter, add, b, &err) < 0)
        html_text(b, error_message(&err), HTML_TEXT_MAX);
}

void api_page(struct request *req)
{
    struct web *w = req->web;
    struct strbuf b = STRBUF_INIT;
    const char *why = NULL;
    const bool ready = engine_is_ready(w->engine, &why);
    _cleanup_json_ json_t *status = engine_status_new(w->engine);
    html_begin(&b, "mendd");
    strbuf_printf(&b, "<h1>mendd</h1><p>Version %s, %zu playbooks. %s", MENDD_VERSION, engine_playbooks(w->engine)->n,
                  ready ? "Ready." : "Not ready: ");
    html_text(&b, ready ? "" : why, HTML_TEXT_MAX);
    strbuf_puts(&b, " <a href=\"status\">status</a> <a href=\"playbooks\">playbooks</a> "
                    "<a href=\"metrics\">metrics</a> <a href=\"openapi.json\">API</a></p>");
    banners(&b, status);
    list(&b, w, &(struct store_filter){.state = "awaiting_approval", .limit = LISTED}, add_waiting);
    strbuf_puts(&b, "<h2>The last actions</h2><table><tr><th>created</th><th>alert</th><th>playbook</th><th>target</th>"
                    "<th>state</th><th>outcome</th><th>reason</th><th>in words</th></tr>");
    list(&b, w, &(struct store_filter){.limit = ROWS}, add_row);
    strbuf_puts(&b, "</table>");
    html_reply(req, 200, &b);
}
