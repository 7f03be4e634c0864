#include "base/text.h"

#include "base/alloc.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

bool str_eq(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

bool str_starts(const char *s, const char *prefix)
{
    return s && strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
    size_t n = s ? strlen(s) : 0, m = strlen(suffix);
    return s && n >= m && strcmp(s + n - m, suffix) == 0;
}

bool str_in(const char *s, const char *const list[])
{
    for (; s && *list; list++)
        if (strcmp(s, *list) == 0)
            return true;
    return false;
}

void texts_free(char **texts)
{
    for (char **p = texts; p && *p; p++)
        free(*p);
    free(texts);
}

char **texts_dup(char *const *texts)
{
    size_t n = 0;
    while (texts && texts[n])
        n++;
    char **copy = texts ? xcalloc(n + 1, sizeof(char *)) : NULL;
    for (size_t i = 0; i < n; i++)
        copy[i] = xstrdup(texts[i]);
    return copy;
}

static bool is_lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_ascii_alnum(char c)
{
    return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

static bool label_ok(const char *s, size_t len)
{
    if (len == 0 || len > 63 || !is_lower_alnum(s[0]) || !is_lower_alnum(s[len - 1]))
        return false;
    for (size_t i = 0; i < len; i++)
        if (!is_lower_alnum(s[i]) && s[i] != '-')
            return false;
    return true;
}

bool is_dns1123_label(const char *s)
{
    return s && label_ok(s, strlen(s));
}

bool is_dns1123_subdomain(const char *s)
{
    if (!s || strlen(s) > 253)
        return false;
    for (;;) {
        size_t len = strcspn(s, ".");
        /* a part of a subdomain may be longer than a label's 63 characters only in theory: the total bounds it */
        if (len == 0 || !is_lower_alnum(s[0]) || !is_lower_alnum(s[len - 1]))
            return false;
        for (size_t i = 0; i < len; i++)
            if (!is_lower_alnum(s[i]) && s[i] != '-')
                return false;
        if (!s[len])
            return true;
        s += len + 1;
    }
}

static bool name_part_ok(const char *s)
{
    size_t len = strlen(s);
    if (len == 0 || len > 63 || !is_ascii_alnum(s[0]) || !is_ascii_alnum(s[len - 1]))
        return false;
    for (size_t i = 0; i < len; i++)
        if (!is_ascii_alnum(s[i]) && !strchr("-_.", s[i]))
            return false;
    return true;
}

bool is_qualified_name(const char *s)
{
    const char *slash = s ? strchr(s, '/') : NULL;
    if (!s)
        return false;
    if (!slash)
        return name_part_ok(s);
    _cleanup_free_ char *prefix = xstrndup(s, (size_t)(slash - s));
    return is_dns1123_subdomain(prefix) && name_part_ok(slash + 1);
}

bool is_label_value(const char *s)
{
    return s && (!*s || name_part_ok(s));
}

bool utf8_valid(const char *s, size_t len)
{
    const unsigned char *p = (const unsigned char *)s, *end = p + len;
    while (p < end) {
        unsigned char c = *p++;
        if (c < 0x80)
            continue;
        int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
        uint32_t code = c & (0x3fu >> more);
        if (c < 0xc2 || c > 0xf4 || end - p < more)
            return false;
        for (int i = 0; i < more; i++, p++) {
            if ((*p & 0xc0) != 0x80)
                return false;
            code = code << 6 | (*p & 0x3f);
        }
        static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
        if (code < least[more] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
            return false;
    }
    return true;
}

size_t utf8_prefix(const char *s, size_t max)
{
    const size_t len = strnlen(s, max + 1);
    if (len <= max)
        return len;
    while (max > 0 && ((unsigned char)s[max] & 0xc0) == 0x80)
        max--;
    return max;
}

void url_encode(struct strbuf *b, const char *s)
{
    for (; *s; s++) {
        if (is_ascii_alnum(*s) || strchr("-._~", *s))
            strbuf_putc(b, *s);
        else
            strbuf_printf(b, "%%%02X", (unsigned)(unsigned char)*s);
    }
}

/* Levenshtein distance with two rows; words longer than the row are never similar to what we know. */
static size_t distance(const char *a, const char *b)
{
    enum { MAX = 64 };
    size_t n = strlen(a), m = strlen(b), row[MAX + 1];
    if (n > MAX || m > MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = diagonal + (tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]));
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[m];
}

const char *did_you_mean(const char *word, const char *const candidates[])
{
    const char *best = NULL;
    size_t limit = strlen(word) / 3 + 1, best_distance = limit + 1;
    for (; *candidates; candidates++) {
        size_t d = distance(word, *candidates);
        if (d < best_distance) {
            best = *candidates;
            best_distance = d;
        }
    }
    return best;
}
