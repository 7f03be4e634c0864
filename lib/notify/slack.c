/* Slack's incoming webhook with Block Kit (https://docs.slack.dev/reference/block-kit/blocks): at most 50 blocks, a
 * header of 150 characters, texts of 3000, ten fields of 2000 each. Bytes are counted here, which is never more
 * generous than characters.
 *
 * Texts of alerts cannot mention anybody or hide a link: & < > are escaped, so that <!channel> is only text, `verbatim`
 * keeps Slack from finding names and links by itself, and nothing is unfurled. */
#include "base/alloc.h"
#include "base/text.h"
#include "notify/message.h"
#include "notify/notice.h"

#include <errno.h>
#include <string.h>

enum {
    HEADER_MAX = 150,
    TEXT_MAX = 3000,
    FIELD_MAX = 2000,
    VALUE_MAX = 300, /* of a field or label, before it is escaped */
    REQUESTS_SHOWN = 20,
    ITEMS_SHOWN = 20,
    LABELS_SHOWN = 20
};

/* Adds s escaped; a character (or its escape) that would not fit whole is left out, and so is what follows. */
static void add_escaped(struct strbuf *b, const char *s, size_t max)
{
    while (*s) {
        size_t len = utf8_len(s);
        const char *out = s;
        if (*s == '&')
            out = "&amp;";
        else if (*s == '<')
            out = "&lt;";
        else if (*s == '>')
            out = "&gt;";
        const size_t out_len = out == s ? len : strlen(out);
        if (b->len + out_len > max)
            return;
        strbuf_add(b, out, out_len);
        s += len;
    }
}

static json_t *text_new(const char *type, const struct strbuf *text)
{
    json_t *t = json_object();
    json_set_text(t, "type", type);
    json_set_text(t, "text", strbuf_str(text));
    if (str_eq(type, "mrkdwn"))
        json_object_set_new(t, "verbatim", json_true());
    else
        json_object_set_new(t, "emoji", json_false());
    return t;
}

static json_t *block_new(const char *type, const char *member, json_t *value_new)
{
    json_t *b = json_object();
    json_set_text(b, "type", type);
    json_object_set_new(b, member, value_new);
    return b;
}

static void add_section(json_t *blocks, const struct strbuf *text)
{
    if (text->len)
        json_array_append_new(blocks, block_new("section", "text", text_new("mrkdwn", text)));
}

static void add_header(json_t *blocks, const json_t *notice)
{
    _cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
    _cleanup_free_ char *title = notice_title(notice, HEADER_MAX);
    add_escaped(&b, title, HEADER_MAX);
    json_array_append_new(blocks, block_new("header", "text", text_new("plain_text", &b)));
}

static void add_sentence(json_t *blocks, const json_t *notice)
{
    _cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
    _cleanup_free_ char *text = text_cut(notice_sentence(notice), TEXT_MAX);
    add_escaped(&b, text, TEXT_MAX);
    add_section(blocks, &b);
}

static void add_fields(json_t *blocks, const json_t *notice)
{
    struct notice_field fields[NOTICE_FIELDS_MAX];
    const size_t n = notice_fields(notice, VALUE_MAX, fields);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        _cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
        strbuf_printf(&b, "*%s*\n", fields[i].name);
        add_escaped(&b, fields[i].value, FIELD_MAX);
        json_array_append_new(list, text_new("mrkdwn", &b));
    }
    notice_fields_clear(fields, n);
    if (n)
        json_array_append_new(blocks, block_new("section", "fields", list));
    else
        json_decref(list);
}

/* Lines that are cut off are counted, so that nobody takes a part for the whole. */
static void end_list(struct strbuf *b, size_t shown, size_t all)
{
    if (shown < all)
        strbuf_printf(b, "\n… and %zu more", all - shown);
}

static void add_line(struct strbuf *b, const char *s)
{
    _cleanup_free_ char *line = text_line(s, VALUE_MAX);
    strbuf_puts(b, b->len ? "\n• " : "• ");
    add_escaped(b, line, TEXT_MAX - 100);
}

static void add_names(json_t *blocks, const char *heading, const json_t *names)
{
    _cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
    size_t i;
    json_t *name;
    if (json_array_size(names) == 0)
        return;
    strbuf_puts(&b, heading);
    json_array_foreach (names, i, name) {
        if (i >= REQUESTS_SHOWN || b.len + VALUE_MAX > TEXT_MAX - 100)
            break;
        add_line(&b, json_is_string(name) ? json_string_value(name) : "?");
    }
    end_list(&b, i, json_array_size(names));
    add_section(blocks, &b);
}

static void add_plan(json_t *blocks, const json_t *notice)
{
    const json_t *plan = json_object_get(notice, "plan");
    if (!json_is_object(plan))
        return;
    _cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
    _cleanup_free_ char *hash = text_line(json_text_or(plan, "hash", "?"), VALUE_MAX);
    _cleanup_free_ char *run = text_line(json_text_or(notice, "run", "ID"), VALUE_MAX);
    strbuf_puts(&b, "*Plan* ");
    add_escaped(&b, hash, TEXT_MAX);
    strbuf_puts(&b, "\n`mendctl actions approve|reject ");
    add_escaped(&b, run, TEXT_MAX - 100);
    strbuf_putc(&b, '`');
    add_section(blocks, &b);
    add_names(blocks, "*Requests*", json_object_get(plan, "requests"));
    add_names(blocks, "*Proven by*", json_object_get(plan, "checks"));
}

static void add_items(json_t *blocks, const json_t *items)
{
    _cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
    size_t i;
    json_t *item;
    json_array_foreach (items, i, item) {
        if (i >= ITEMS_SHOWN || b.len + VALUE_MAX > TEXT_MAX - 100)
            break;
        _cleanup_free_ char *line = xasprintf("%s  %s: %s", json_text_or(item, "time", ""),
                                              json_text_or(item, "title", ""), json_text_or(item, "text", ""));
        add_line(&b, line);
    }
    end_list(&b, i, json_array_size(items));
    add_section(blocks, &b);
}

static void add_link(json_t *blocks, const json_t *notice)
{
    const char *url = link_ok(json_text(notice, "url"));
    if (!url)
        return;
    _cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
    strbuf_putc(&b, '<');
    add_escaped(&b, url, TEXT_MAX - 100);
    strbuf_printf(&b, "|%s>", str_eq(json_text(notice, "event"), "approval") ? "Look at the plan" : "Open in mendd");
    add_section(blocks, &b);
}

static void add_context(json_t *blocks, const json_t *notice)
{
    _cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
    _cleanup_free_ char *run = text_line(json_text_or(notice, "run", ""), VALUE_MAX);
    _cleanup_free_ char *time = text_line(json_text_or(notice, "time", ""), VALUE_MAX);
    size_t n = 0;
    const char *name;
    json_t *value;
    add_escaped(&b, "mendd", TEXT_MAX);
    for (size_t i = 0; i < 2; i++) {
        const char *text = i ? time : run;
        if (*text) {
            strbuf_puts(&b, "  ");
            add_escaped(&b, text, TEXT_MAX);
        }
    }
    json_object_foreach (json_object_get(notice, "labels"), name, value) {
        if (n++ >= LABELS_SHOWN || !json_is_string(value))
            continue;
        _cleanup_free_ char *pair = xasprintf("%s=%s", name, json_string_value(value));
        _cleanup_free_ char *line = text_line(pair, VALUE_MAX);
        strbuf_puts(&b, b.len + 2 <= TEXT_MAX - 100 ? "  " : "");
        add_escaped(&b, line, TEXT_MAX - 100);
    }
    json_t *elements = json_array();
    json_array_append_new(elements, text_new("mrkdwn", &b));
    json_array_append_new(blocks, block_new("context", "elements", elements));
}

int slack_message(const struct receiver *r, const json_t *notice, struct message *ret, struct error *err)
{
    if (str_empty(r->url))
        return error_set(err, -EINVAL, "the receiver %s has no url", r->name);
    _cleanup_strbuf_ struct strbuf fallback = STRBUF_INIT;
    _cleanup_free_ char *title = notice_title(notice, TEXT_MAX);
    json_t *body = json_object(), *blocks = json_array();
    add_escaped(&fallback, title, TEXT_MAX);
    add_header(blocks, notice);
    add_sentence(blocks, notice);
    add_fields(blocks, notice);
    add_plan(blocks, notice);
    add_items(blocks, json_object_get(notice, "items"));
    add_link(blocks, notice);
    add_context(blocks, notice);
    json_set_text(body, "channel", r->slack.channel);
    json_set_text(body, "username", r->slack.username);
    json_set_text(body, "text", strbuf_str(&fallback));
    json_object_set_new(body, "blocks", blocks);
    json_object_set_new(body, "link_names", json_false());
    json_object_set_new(body, "unfurl_links", json_false());
    json_object_set_new(body, "unfurl_media", json_false());
    message_set_json(ret, r->url, body);
    return 0;
}
