#include "core/embed.h"

#include "base/alloc.h"
#include "base/text.h"

#include <errno.h>
#include <string.h>

#define ALNUM "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

/* ---- PromQL ---- */

enum place { PLACE_CODE, PLACE_STRING, PLACE_REGEX };

/* Where the text ends: a string is "…" or '…' with escapes, or `…` without; a comment reaches to the line's end. */
static enum place place_of(const char *text)
{
    char quote = 0;
    enum place place = PLACE_CODE;
    for (const char *p = text; *p; p++) {
        if (quote) {
            if (*p == '\\' && quote != '`' && p[1])
                p++;
            else if (*p == quote)
                quote = 0;
        } else if (*p == '#') {
            p += strcspn(p, "\n");
            if (!*p)
                break;
        } else if (strchr("\"'`", *p)) {
            const char *before = p;
            quote = *p;
            while (before > text && strchr(" \t\r\n", before[-1]))
                before--;
            place = before > text && before[-1] == '~' ? PLACE_REGEX : PLACE_STRING;
        }
    }
    return quote ? place : PLACE_CODE;
}

static bool has_control(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < ' ' || *s == 0x7f)
            return true;
    return false;
}

int embed_promql(struct strbuf *out, const char *value, bool own, struct error *err)
{
    const enum place place = own ? PLACE_CODE : place_of(strbuf_str(out));
    if (!own && place == PLACE_CODE && (!*value || value[strspn(value, ALNUM "_:.")]))
        return error_set(err, -EINVAL, "\"%.64s\" cannot stand in a query outside of quotes", value);
    if (!own && (strpbrk(value, "\"'`\\{}") || has_control(value)))
        return error_set(err, -EINVAL, "\"%.64s\" could change the query that it is put into", value);
    if (place == PLACE_REGEX && strpbrk(value, "*+?|()[]^$"))
        return error_set(err, -EINVAL, "\"%.64s\" would be a pattern in the query, not a value", value);
    strbuf_puts(out, value);
    return 0;
}

/* ---- URLs ---- */

static bool climbs(const char *value)
{
    for (const char *p = value;; p++) {
        const size_t n = strcspn(p, "/\\");
        if ((n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
            return true;
        p += n;
        if (!*p)
            return false;
    }
}

int embed_url(struct strbuf *out, const char *value, bool own, struct error *err)
{
    const char *host = strstr(strbuf_str(out), "://");
    const char *path = host ? host + 3 + strcspn(host + 3, "/?#") : NULL;
    if (own) {
        strbuf_puts(out, value);
    } else if (!path || !*path) {
        if (!*value || value[strspn(value, ALNUM ".-")])
            return error_set(err, -EINVAL, "\"%.64s\" is no part of a host's name", value);
        strbuf_puts(out, value);
    } else if (strchr(path, '?')) {
        url_encode(out, value);
    } else if (!*value || climbs(value)) {
        return error_set(err, -EINVAL, "\"%.64s\" is no part of a path", value);
    } else {
        url_encode(out, value);
    }
    return 0;
}

/* ---- anything else ---- */

int embed_plain(struct strbuf *out, const char *value, bool own, struct error *err)
{
    if (!own && value[strspn(value, ALNUM " _-.:/@,")])
        return error_set(err, -EINVAL, "\"%.64s\" could change the text that it is put into", value);
    strbuf_puts(out, value);
    return 0;
}

/* ---- parameters ---- */

static template_put put_of(enum param_type type)
{
    switch (type) {
    case PARAM_PROMQL:
        return embed_promql;
    case PARAM_URL:
        return embed_url;
    case PARAM_PLAIN:
        return embed_plain;
    default:
        return NULL;
    }
}

bool embed_params(const struct param *params, const json_t *with, const struct template_vars *v, json_t *expanded,
                  struct error *err)
{
    for (; params && params->name; params++) {
        const char *text = json_text(with, params->name);
        _cleanup_free_ char *value = NULL;
        const template_put put = put_of(params->type);
        if (!text || !put)
            continue;
        if (template_expand_into(text, v, put, &value, err) < 0) {
            error_prefix(err, "%s", params->name);
            return false;
        }
        json_set_text(expanded, params->name, value);
    }
    return true;
}
