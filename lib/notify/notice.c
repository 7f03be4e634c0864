#include "notify/notice.h"

#include "base/alloc.h"
#include "base/text.h"

#include <ctype.h>
#include <string.h>

enum { DEPTH_MAX = 6, KEY_MAX = 256, LINK_MAX = 2000 };

static const char ELLIPSIS[] = "\xe2\x80\xa6";

size_t utf8_len(const char *s)
{
    for (size_t n = 1; n <= 4; n++) {
        if (n > 1 && ((unsigned char)s[n - 1] & 0xc0) != 0x80)
            return 1;
        if (utf8_valid(s, n))
            return n;
    }
    return 1;
}

char *text_cut(const char *s, size_t max)
{
    const size_t len = strlen(s);
    if (len <= max)
        return xstrdup(s);
    size_t keep = max - strlen(ELLIPSIS);
    while (keep > 0 && ((unsigned char)s[keep] & 0xc0) == 0x80)
        keep--;
    return xasprintf("%.*s%s", (int)keep, s, ELLIPSIS);
}

/* Also the C1 controls, U+0080 to U+009F, which UTF-8 writes as C2 80 to C2 9F. */
static void blank_controls(char *s, bool breaks_too)
{
    for (char *p = s; *p; p++) {
        const unsigned char c = (unsigned char)*p, next = (unsigned char)p[1];
        if ((c < 0x20 && (breaks_too || (c != '\n' && c != '\t'))) || c == 0x7f)
            *p = ' ';
        else if (c == 0xc2 && next >= 0x80 && next <= 0x9f)
            p[0] = p[1] = ' ';
    }
}

char *text_line(const char *s, size_t max)
{
    _cleanup_free_ char *line = xstrdup(s);
    blank_controls(line, true);
    const char *begin = line + strspn(line, " ");
    size_t len = strlen(begin);
    while (len > 0 && begin[len - 1] == ' ')
        len--;
    _cleanup_free_ char *trimmed = xstrndup(begin, len);
    return text_cut(trimmed, max);
}

/* What is below the top (labels, annotations, plan, items) shares a budget, so that many long texts do not add up. */
struct bounds {
    size_t left;
};

static json_t *bounded(const json_t *value, int depth, struct bounds *b);

static void spend(struct bounds *b, size_t len)
{
    b->left -= len < b->left ? len : b->left;
}

static json_t *bounded_object(const json_t *object, int depth, struct bounds *b)
{
    json_t *copy = json_object(), *member;
    const char *key;
    json_object_foreach ((json_t *)object, key, member) {
        if (json_object_size(copy) >= NOTICE_MEMBERS_MAX || (depth > 0 && b->left == 0))
            break;
        _cleanup_free_ char *name = text_line(key, KEY_MAX);
        spend(b, depth > 0 ? strlen(name) : 0);
        json_object_set_new(copy, name, bounded(member, depth + 1, b));
    }
    return copy;
}

static json_t *bounded_array(const json_t *array, int depth, struct bounds *b)
{
    json_t *copy = json_array(), *element;
    size_t i;
    json_array_foreach (array, i, element) {
        if (i >= NOTICE_ITEMS_MAX || b->left == 0)
            break;
        json_array_append_new(copy, bounded(element, depth + 1, b));
    }
    return copy;
}

static json_t *bounded(const json_t *value, int depth, struct bounds *b)
{
    if (json_is_string(value)) {
        _cleanup_free_ char *text = text_cut(json_string_value(value), NOTICE_TEXT_MAX);
        blank_controls(text, false);
        spend(b, depth > 1 ? strlen(text) : 0);
        return json_text_new(text, strlen(text));
    }
    if (depth >= DEPTH_MAX && (json_is_object(value) || json_is_array(value)))
        return json_null();
    if (json_is_object(value))
        return bounded_object(value, depth, b);
    if (json_is_array(value))
        return bounded_array(value, depth, b);
    return json_copy((json_t *)value);
}

json_t *notice_bounded_new(const json_t *notice)
{
    struct bounds b = {.left = NOTICE_NESTED_MAX};
    return bounded(notice, 0, &b);
}

char *notice_title(const json_t *notice, size_t max)
{
    const char *event = json_text_or(notice, "event", ""), *word = NULL;
    static const struct {
        const char *event, *word;
    } words[] = {{"acknowledge", "Acknowledged"},  {"resolve", "Resolved"}, {"approval", "Approval needed"},
                 {"maintenance", "Maintenance"},   {"digest", "Repaired"},  {"note", "Note"},
                 {"update", "Nobody has answered"}};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (str_eq(event, words[i].event))
            word = words[i].word;
    if (!word)
        word = json_text_or(notice, "severity", "alert");
    const char *what = json_text(notice, "summary");
    _cleanup_free_ char *full = xasprintf("%s: %s", word, what ? what : notice_sentence(notice));
    return text_line(full, max);
}

const char *notice_sentence(const json_t *notice)
{
    const char *message = json_text(notice, "message");
    return str_empty(message) ? json_text_or(notice, "summary", "no further words") : message;
}

static char *joined(const json_t *notice, const char *first, const char *second)
{
    const char *a = json_text_or(notice, first, ""), *b = json_text_or(notice, second, "");
    return xasprintf("%s%s%s", a, *a && *b ? ", " : "", b);
}

static char *severity(const json_t *notice)
{
    const int64_t level = json_int_or(notice, "level", 0);
    const char *text = json_text_or(notice, "severity", "");
    return level > 0 ? xasprintf("%s%sescalation level %lld", text, *text ? ", " : "", (long long)level)
                     : xstrdup(text);
}

size_t notice_fields(const json_t *notice, size_t max, struct notice_field ret[NOTICE_FIELDS_MAX])
{
    const struct notice_field all[NOTICE_FIELDS_MAX] = {
        {"Severity", severity(notice)},
        {"Alert", xstrdup(json_text(notice, "alertname"))},
        {"Target", xstrdup(json_text(notice, "target"))},
        {"Namespace", xstrdup(json_text(notice, "namespace"))},
        {"Cluster", xstrdup(json_text(notice, "cluster"))},
        {"Playbook", xstrdup(json_text(notice, "playbook"))},
        {"State", joined(notice, "state", "outcome")},
        {"Reason", xstrdup(json_text(notice, "reason"))},
        {"Respond by", xstrdup(json_text(notice, "respond_by"))},
        {"By", xstrdup(json_text(notice, "by"))},
    };
    size_t n = 0;
    for (size_t i = 0; i < NOTICE_FIELDS_MAX; i++) {
        _cleanup_free_ char *value = all[i].value;
        if (!str_empty(value))
            ret[n++] = (struct notice_field){.name = all[i].name, .value = text_line(value, max)};
    }
    return n;
}

void notice_fields_clear(struct notice_field *fields, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(fields[i].value);
}

const char *link_ok(const char *url)
{
    if (!url || strlen(url) > LINK_MAX || (!str_starts(url, "http://") && !str_starts(url, "https://")))
        return NULL;
    for (const char *p = url; *p; p++)
        if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f || strchr("<>|\"\\`", *p))
            return NULL;
    return url;
}
