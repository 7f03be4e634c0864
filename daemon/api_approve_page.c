/* The page behind the link of a notice: the plan that waits, and two buttons.
 *
 * Looking never approves: chat programs and mail scanners fetch links. The form posts the hash that was shown, so a
 * plan that changed meanwhile is refused. With tokens configured GET shows no more than a field for one; its form (POST
 * to …/plan) answers with the plan, and that page's form carries the token on: nothing is kept between the two, so
 * there is nothing that another site could make the browser send. What looks like a secret in a plan is not shown. */
#include "web_internal.h"

#include "base/alloc.h"
#include "base/form.h"
#include "base/text.h"
#include "core/redact.h"

#include <string.h>

enum { VALUE_MAX = 2000, BODY_MAX = 4000 };

static void row(struct strbuf *b, const char *name, const char *value)
{
    if (str_empty(value))
        return;
    strbuf_printf(b, "<tr><th>%s</th><td>", name);
    html_text(b, value, VALUE_MAX);
    strbuf_puts(b, "</td></tr>");
}

static void target_row(struct strbuf *b, const json_t *record)
{
    const json_t *t = json_object_get(record, "target");
    const char *name = json_text(t, "name"), *namespace = json_text(t, "namespace");
    _cleanup_free_ char *where = xasprintf(
        "%s %s%s%s (cluster %s)", json_text_or(t, "kind", ""), namespace ? namespace : "", namespace ? "/" : "",
        name ? name : json_text_or(t, "selector", ""), json_text_or(record, "cluster", "?"));
    row(b, "Target", json_is_object(t) ? where : NULL);
}

static void labels_row(struct strbuf *b, const json_t *labels)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)labels, key, value)
        if (!str_eq(key, "alertname"))
            strbuf_printf(&text, "%s%s=%s", text.len ? ", " : "", key,
                          json_string_value(value) ? json_string_value(value) : "");
    row(b, "Labels", strbuf_str(&text));
}

static void facts(struct strbuf *b, const json_t *record)
{
    const json_t *alert = json_object_get(record, "alert"), *approval = json_object_get(record, "approval");
    strbuf_puts(b, "<table>");
    row(b, "Alert", json_path_text(alert, "labels", "alertname", NULL));
    row(b, "Summary", json_path_text(alert, "annotations", "summary", NULL));
    labels_row(b, json_object_get(alert, "labels"));
    target_row(b, record);
    row(b, "Playbook", json_text(record, "playbook"));
    row(b, "Rung", json_path_text(record, "plan", "rung", NULL));
    row(b, "Plan", json_text(approval, "hash"));
    row(b, "Expires", json_text(approval, "expires"));
    row(b, "In words", json_text(record, "message"));
    strbuf_puts(b, "</table>");
}

static void changes(struct strbuf *b, const json_t *request)
{
    const char *pointer;
    json_t *change;
    json_object_foreach (json_object_get(request, "changes"), pointer, change) {
        const json_t *before = json_object_get(change, "before"), *after = json_object_get(change, "after");
        _cleanup_free_ char *old = json_compact(before), *new = json_compact(after);
        html_text(b, pointer, HTML_TEXT_MAX);
        strbuf_puts(b, ": ");
        html_text(b, before ? old : "(not there)", VALUE_MAX);
        strbuf_puts(b, " → ");
        html_text(b, after ? new : "(removed)", VALUE_MAX);
        strbuf_puts(b, "\n");
    }
    const json_t *body = json_object_get(request, "body");
    if (json_object_size(json_object_get(request, "changes")) == 0 && (json_is_object(body) || json_is_array(body))) {
        _cleanup_free_ char *text = json_compact(body);
        html_text(b, text, BODY_MAX);
    }
}

static void plan(struct strbuf *b, const json_t *record)
{
    _cleanup_json_ json_t *p = redact_json_new(json_object_get(record, "plan"));
    size_t i;
    json_t *item;
    strbuf_puts(b, "<h2>What would be done</h2><ol>");
    json_array_foreach (json_object_get(p, "requests"), i, item) {
        _cleanup_free_ char *line =
            xasprintf("%s %s", json_text_or(item, "method", "?"), json_text_or(item, "path", "?"));
        strbuf_puts(b, "<li>");
        html_text(b, json_text_or(item, "action", ""), HTML_TEXT_MAX);
        strbuf_puts(b, "<pre>");
        html_text(b, line, VALUE_MAX);
        strbuf_puts(b, "\n");
        changes(b, item);
        strbuf_puts(b, "</pre></li>");
    }
    strbuf_puts(b, "</ol><h2>How it would be proven</h2><ul>");
    json_array_foreach (json_object_get(p, "checks"), i, item) {
        _cleanup_free_ char *with = json_compact(json_object_get(item, "with"));
        strbuf_puts(b, "<li>");
        html_text(b, json_text_or(item, "check", "?"), HTML_TEXT_MAX);
        strbuf_puts(b, " ");
        html_text(b, json_object_size(json_object_get(item, "with")) ? with : "", VALUE_MAX);
        strbuf_puts(b, "</li>");
    }
    strbuf_puts(b, "</ul>");
}

/* Relative addresses: they hold behind a proxy that puts mendd under a path. */
static void form(struct strbuf *b, const json_t *record, const char *token)
{
    strbuf_puts(b, "<h2>Your answer</h2><form method=\"post\" action=\"approve\" autocomplete=\"off\">"
                   "<input type=\"hidden\" name=\"hash\" value=\"");
    html_text(b, json_path_text(record, "approval", "hash", NULL), HTML_TEXT_MAX);
    strbuf_puts(b, "\">");
    if (token) {
        strbuf_puts(b, "<input type=\"hidden\" name=\"token\" value=\"");
        html_text(b, token, COMMAND_MAX);
        strbuf_puts(b, "\">");
    }
    strbuf_puts(b, "<p><input name=\"by\" maxlength=\"100\" placeholder=\"your name\"></p>"
                   "<p><button>Approve this plan</button></p>"
                   "<p><input name=\"reason\" maxlength=\"500\" placeholder=\"why not\">"
                   "<button formaction=\"reject\">Reject it</button></p></form>");
}

static void show(struct request *req, const char *token)
{
    _cleanup_json_ json_t *record = api_record_new(req);
    if (!record)
        return;
    struct strbuf b = STRBUF_INIT;
    html_begin(&b, "mendd: a plan waits");
    if (str_eq(json_text(record, "state"), "awaiting_approval")) {
        strbuf_puts(&b, "<h1>A plan waits for a person</h1>");
        facts(&b, record);
        plan(&b, record);
        form(&b, record, token);
    } else { /* the link may be old */
        strbuf_puts(&b, "<h1>Nothing to approve</h1><p>Run ");
        html_text(&b, req->param, HTML_TEXT_MAX);
        strbuf_puts(&b, " does not wait for an approval: it is ");
        html_text(&b, json_text_or(record, "state", "?"), HTML_TEXT_MAX);
        strbuf_puts(&b, ".</p>");
    }
    html_reply(req, 200, &b);
}

void api_approve_page(struct request *req)
{
    static const char *const none[] = {NULL};
    if (!request_check_query(req, none))
        return;
    if (web_may_look(req)) {
        show(req, NULL);
        return;
    }
    struct strbuf b = STRBUF_INIT; /* the same for every id: it does not tell which runs there are */
    html_begin(&b, "mendd: a plan waits");
    strbuf_puts(&b, "<h1>A plan waits for a person</h1><form method=\"post\" action=\"plan\" autocomplete=\"off\">"
                    "<p><input type=\"password\" name=\"token\" required placeholder=\"your token\">"
                    "<button>Show the plan</button></p></form>");
    html_reply(req, 200, &b);
}

void api_plan_page(struct request *req)
{
    size_t len = 0;
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_free_ char *body = request_take_body(req, &len);
    _cleanup_json_ json_t *fields = web_is_form(req) ? form_parse_new(body, &err) : NULL;
    explicit_bzero(body, len);
    if (req->admitted || web_admit_secret(req, json_text(fields, "token")))
        show(req, json_text(fields, "token"));
}
