/* Small texts of the report: bounded, clean, readable. */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"
#include "core/report_internal.h"

#include <stdio.h>
#include <string.h>

enum { DEPTH_MAX = 24 };

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* C0 and C1 controls and DEL; line breaks and tabs stay, a carriage return goes. */
static json_t *clean_new(const char *s, size_t len, const char *head, const char *tail)
{
    _cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
    strbuf_puts(&b, head);
    for (const char *p = s, *end = s + len; p < end; p++) {
        const unsigned char c = (unsigned char)*p;
        if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
            continue;
        if (c == 0xc2 && p + 1 < end && (unsigned char)p[1] < 0xa0) {
            p++;
            continue;
        }
        strbuf_putc(&b, *p);
    }
    strbuf_puts(&b, tail);
    return json_text_new(strbuf_str(&b), b.len);
}

json_t *report_text_new(const char *s, size_t max)
{
    size_t len = strlen(s);
    if (len <= max)
        return clean_new(s, len, "", "");
    for (len = max; len > 0 && is_continuation(s[len]); len--)
        ;
    return clean_new(s, len, "", "…");
}

json_t *report_tail_new(const char *s, size_t max)
{
    const size_t len = strlen(s);
    if (len <= max)
        return clean_new(s, len, "", "");
    const char *p = s + len - max, *line = strchr(p, '\n');
    if (line && line + 1 < s + len)
        p = line + 1;
    while (is_continuation(*p))
        p++;
    return clean_new(p, strlen(p), "…\n", "");
}

static json_t *bounded_new(const json_t *value, int depth)
{
    const char *key;
    json_t *member, *copy;
    size_t i, n = 0;
    if (!value || depth > DEPTH_MAX)
        return json_null();
    if (json_is_string(value))
        return report_text_new(json_string_value(value), REPORT_TEXT_MAX);
    if (json_is_array(value)) {
        copy = json_array();
        json_array_foreach ((json_t *)value, i, member)
            if (i < REPORT_ITEMS_MAX)
                json_array_append_new(copy, bounded_new(member, depth + 1));
        return copy;
    }
    if (!json_is_object(value))
        return json_deep_copy(value);
    copy = json_object();
    json_object_foreach ((json_t *)value, key, member) {
        if (n++ < REPORT_ITEMS_MAX && strlen(key) <= REPORT_TEXT_MAX)
            json_object_set_new(copy, key, bounded_new(member, depth + 1));
    }
    return copy;
}

json_t *report_bounded_new(const json_t *value)
{
    return bounded_new(value, 0);
}

void report_cut(json_t *cut, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    _cleanup_free_ char *text = xvasprintf(fmt, args);
    va_end(args);
    json_array_append_new(cut, report_text_new(text, REPORT_TEXT_MAX));
}

char *report_object_new(const json_t *object)
{
    const char *namespace = json_text(object, "namespace"), *name = json_text(object, "name");
    const char *selector = json_text(object, "selector"), *kind = json_text(object, "kind");
    if (!kind)
        return NULL;
    return xasprintf("%.100s %.100s%s%.260s", kind, namespace ? namespace : "", str_empty(namespace) ? "" : "/",
                     name       ? name
                     : selector ? selector
                                : "*");
}

int64_t report_span_us(const char *from, const char *to)
{
    int64_t from_us, to_us;
    if (!from || !to || time_parse(from, &from_us) < 0 || time_parse(to, &to_us) < 0 || to_us < from_us)
        return -1;
    return to_us - from_us;
}

char *report_span_new(int64_t us)
{
    char text[TIME_TEXT_MAX];
    const int64_t ms = us / USEC_PER_MSEC;
    if (ms >= 10 * MSEC_PER_SEC)
        return xstrdup(duration_format(ms / MSEC_PER_SEC * MSEC_PER_SEC, text));
    if (ms < MSEC_PER_SEC)
        return xasprintf("%lld ms", (long long)ms);
    return xasprintf("%lld.%lld s", (long long)(ms / MSEC_PER_SEC), (long long)(ms % MSEC_PER_SEC / 100));
}
