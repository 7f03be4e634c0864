#include "engine/glance.h"

#include "base/text.h"
#include "core/alert.h"

#include <string.h>

enum { MAX_DEPTH = 16, MAX_DIGITS = 18 };

struct scan {
    const unsigned char *p, *end;
    bool high; /* bytes over 0x7f were seen, inside texts */
};

struct text { /* between its quotes, as it stands there: never shorter than what it means */
    const char *s;
    size_t len;
    bool escaped;
};

/* What a text may hold as it is: no control character, no quote, no backslash. */
static const bool literal[256] = {[0x20 ... 0x21] = true, [0x23 ... 0x5b] = true, [0x5d ... 0xff] = true};

static void skip_space(struct scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\r' || *s->p == '\t'))
        s->p++;
}

static bool take(struct scan *s, unsigned char c)
{
    skip_space(s);
    if (s->p >= s->end || *s->p != c)
        return false;
    s->p++;
    return true;
}

static int hex_value(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Behind "\u": Go writes &, < and > this way. Halves of a pair and NUL are the parser's. */
static bool take_code(struct scan *s)
{
    int code = 0;
    if (s->end - s->p < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        const int digit = hex_value(*s->p++);
        if (digit < 0)
            return false;
        code = code << 4 | digit;
    }
    return code != 0 && (code < 0xd800 || code > 0xdfff);
}

static bool take_escape(struct scan *s)
{
    if (s->p >= s->end)
        return false;
    const unsigned char c = *s->p++;
    return c == 'u' ? take_code(s) : c && strchr("\"\\/bfnrt", c);
}

static bool take_text(struct scan *s, struct text *ret)
{
    if (!take(s, '"'))
        return false;
    const unsigned char *begin = s->p;
    unsigned char seen = 0;
    ret->escaped = false;
    for (;;) {
        const unsigned char *p = s->p, *end = s->end; /* in registers: nearly all bytes pass here */
        while (p < end && literal[*p])
            seen |= *p++;
        if (p >= end)
            return false;
        const unsigned char c = *p++;
        s->p = p;
        if (c == '"')
            break;
        ret->escaped = true;
        if (c != '\\' || !take_escape(s))
            return false;
    }
    s->high = s->high || (seen & 0x80);
    ret->s = (const char *)begin;
    ret->len = (size_t)(s->p - 1 - begin);
    return true;
}

static bool text_is(const struct text *t, const char *wanted)
{
    return !t->escaped && t->len == strlen(wanted) && memcmp(t->s, wanted, t->len) == 0;
}

static bool take_word(struct scan *s, const char *word)
{
    const size_t len = strlen(word);
    skip_space(s);
    if ((size_t)(s->end - s->p) < len || memcmp(s->p, word, len) != 0)
        return false;
    s->p += len;
    return true;
}

/* A whole number that fits 64 bits for certain. */
static bool take_integer(struct scan *s, bool *ret_zero)
{
    skip_space(s);
    if (s->p < s->end && *s->p == '-')
        s->p++;
    const unsigned char *first = s->p;
    while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
        s->p++;
    const size_t digits = (size_t)(s->p - first);
    if (digits == 0 || digits > MAX_DIGITS || (*first == '0' && digits > 1))
        return false;
    *ret_zero = *first == '0';
    return s->p < s->end && *s->p != '.' && *s->p != 'e' && *s->p != 'E'; /* it stands in an object or a list */
}

/* 1: a key was read and its colon; 0: the object has ended; -1: the parser's. */
static int next_member(struct scan *s, bool first, struct text *key)
{
    if (take(s, '}'))
        return 0;
    if ((!first && !take(s, ',')) || !take_text(s, key) || key->escaped || !take(s, ':'))
        return -1;
    return 1;
}

static bool skip_value(struct scan *s, int depth);

static bool skip_object(struct scan *s, int depth)
{
    struct text key;
    int r = take(s, '{') ? 1 : -1;
    for (bool first = true; r > 0 && (r = next_member(s, first, &key)) > 0; first = false)
        if (!skip_value(s, depth))
            return false;
    return r == 0;
}

static bool skip_list(struct scan *s, int depth)
{
    if (!take(s, '['))
        return false;
    if (take(s, ']'))
        return true;
    do
        if (!skip_value(s, depth))
            return false;
    while (take(s, ','));
    return take(s, ']');
}

static bool skip_value(struct scan *s, int depth)
{
    struct text text;
    bool zero;
    skip_space(s);
    if (s->p >= s->end || depth >= MAX_DEPTH)
        return false;
    switch (*s->p) {
    case '"':
        return take_text(s, &text);
    case '{':
        return skip_object(s, depth + 1);
    case '[':
        return skip_list(s, depth + 1);
    case 't':
        return take_word(s, "true");
    case 'f':
        return take_word(s, "false");
    case 'n':
        return take_word(s, "null");
    default:
        return take_integer(s, &zero);
    }
}

/* ---- what an alert must be (core/alert.c) ---- */

static bool take_texts(struct scan *s, size_t *ret_n)
{
    struct text key, value;
    size_t n = 0;
    int r = take(s, '{') ? 1 : -1;
    for (; r > 0 && (r = next_member(s, n == 0, &key)) > 0; n++)
        if (n == ALERT_MAX_LABELS || key.len == 0 || key.len > ALERT_MAX_NAME || !take_text(s, &value) ||
            value.len > ALERT_MAX_VALUE)
            return false;
    *ret_n = n;
    return r == 0;
}

static bool two_digits(const char *s, int max)
{
    return s[0] >= '0' && s[0] <= '9' && s[1] >= '0' && s[1] <= '9' && (s[0] - '0') * 10 + s[1] - '0' <= max;
}

/* The form that Go writes: 2026-01-05T10:00:00.123Z, or with an offset. */
static bool is_time(const struct text *t)
{
    const char *s = t->s, *end = t->s + t->len;
    if (t->len < 20 || !two_digits(s, 99) || !two_digits(s + 2, 99) || s[4] != '-' || !two_digits(s + 5, 12) ||
        s[7] != '-' || !two_digits(s + 8, 31) || s[10] != 'T' || !two_digits(s + 11, 23) || s[13] != ':' ||
        !two_digits(s + 14, 59) || s[16] != ':' || !two_digits(s + 17, 60))
        return false;
    if (memcmp(s + 5, "00", 2) == 0 || memcmp(s + 8, "00", 2) == 0)
        return false;
    s += 19;
    if (*s == '.' && s[1] >= '0' && s[1] <= '9') /* the closing quote stands behind, so s[1] is there */
        for (s++; *s >= '0' && *s <= '9';)
            s++;
    if (end - s == 1)
        return *s == 'Z';
    return end - s == 6 && (*s == '+' || *s == '-') && two_digits(s + 1, 23) && s[3] == ':' && two_digits(s + 4, 59);
}

static bool take_time(struct scan *s)
{
    struct text t;
    return take_word(s, "null") || (take_text(s, &t) && !t.escaped && (t.len == 0 || is_time(&t)));
}

static bool take_status(struct scan *s)
{
    struct text t;
    return take_word(s, "null") || (take_text(s, &t) && (text_is(&t, "firing") || text_is(&t, "resolved")));
}

static bool take_short_text(struct scan *s)
{
    struct text t;
    return take_word(s, "null") || (take_text(s, &t) && t.len <= ALERT_MAX_VALUE);
}

static bool take_alert(struct scan *s)
{
    struct text key;
    size_t labels = 0, n;
    int r = take(s, '{') ? 1 : -1;
    for (bool first = true; r > 0 && (r = next_member(s, first, &key)) > 0; first = false) {
        bool good;
        if (text_is(&key, "labels"))
            good = take_texts(s, &labels) && labels > 0;
        else if (text_is(&key, "annotations"))
            good = take_word(s, "null") || take_texts(s, &n);
        else if (text_is(&key, "startsAt") || text_is(&key, "endsAt"))
            good = take_time(s);
        else if (text_is(&key, "status"))
            good = take_status(s);
        else if (text_is(&key, "fingerprint") || text_is(&key, "generatorURL"))
            good = take_short_text(s);
        else
            good = skip_value(s, 2);
        if (!good)
            return false;
    }
    return r == 0 && labels > 0;
}

bool glance_is_one_alert(const char *body, size_t len)
{
    struct scan s = {.p = (const unsigned char *)body, .end = (const unsigned char *)body + len};
    struct text key;
    bool found = false, zero = true;
    int r = take(&s, '{') ? 1 : -1;
    for (bool first = true; r > 0 && (r = next_member(&s, first, &key)) > 0; first = false) {
        bool good;
        if (text_is(&key, "alerts"))
            good = found = take(&s, '[') && take_alert(&s) && take(&s, ']');
        else if (text_is(&key, "truncatedAlerts"))
            good = take_integer(&s, &zero) && zero;
        else
            good = skip_value(&s, 1);
        if (!good)
            return false;
    }
    if (r != 0 || !found)
        return false;
    skip_space(&s);
    return s.p == s.end && (!s.high || utf8_valid(body, len));
}
