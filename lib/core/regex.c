#include "core/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8

#include "base/alloc.h"
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <pcre2.h>
#include <string.h>

/* RE2 matches in linear time; PCRE2 backtracks. These bounds keep a hostile label below some 10 ms. */
enum { MATCH_LIMIT = 200000, DEPTH_LIMIT = 2000, HEAP_LIMIT_KIB = 4096, MAX_PATTERN = 8192 };

struct regex {
    pcre2_code *code;
    pcre2_match_data *match;
    pcre2_match_context *context;
};

struct regex *regex_free(struct regex *r)
{
    if (!r)
        return NULL;
    pcre2_match_data_free(r->match);
    pcre2_match_context_free(r->context);
    pcre2_code_free(r->code);
    free(r);
    return NULL;
}

/* ---- what RE2 refuses ---- */

static const char *refused_group(const char *p)
{
    if (p[0] == '*')
        return "verbs (*…) are";
    if (p[0] != '?')
        return NULL;
    if (str_starts(p, "?=") || str_starts(p, "?!") || str_starts(p, "?<=") || str_starts(p, "?<!"))
        return "look-around (?=…), (?!…) is";
    if (p[1] == '>')
        return "atomic groups (?>…) are";
    if (p[1] == '|' || p[1] == '(' || p[1] == 'R' || p[1] == '&' || p[1] == '#' || p[1] == 'C' ||
        isdigit((unsigned char)p[1]) || (p[1] == '+' || (p[1] == '-' && isdigit((unsigned char)p[2]))))
        return "conditions, recursion and comments in groups are";
    if (str_starts(p, "?P>") || str_starts(p, "?P="))
        return "back-references are";
    return NULL;
}

static const char *refused_escape(char c)
{
    if (!c)
        return NULL; /* a lone backslash: PCRE2 says so itself */
    if (c >= '1' && c <= '9')
        return "back-references are";
    if (strchr("kg", c))
        return "back-references are";
    if (strchr("KCGRXZNHVhve", c))
        return "this escape is";
    return NULL;
}

/* "a++" and "a{2}+" are possessive; "a+?" is not. */
static bool possessive(const char *pattern, const char *p)
{
    if (*p != '+' || p == pattern)
        return false;
    const char before = p[-1];
    const bool escaped = p - pattern >= 2 && p[-2] == '\\';
    if (escaped)
        return false;
    if (before == '}') { /* a real repeat, not a literal brace */
        const char *open = p - 1;
        while (open > pattern && *open != '{')
            open--;
        return *open == '{' && isdigit((unsigned char)open[1]);
    }
    return before == '+' || before == '*' || before == '?';
}

static int lint(const char *pattern, struct error *err)
{
    bool in_class = false;
    for (const char *p = pattern; *p; p++) {
        const char *refused = NULL;
        if (*p == '\\') {
            if (str_starts(p, "\\Q")) { /* literal text up to \E */
                const char *end = strstr(p, "\\E");
                if (!end)
                    return 0;
                p = end + 1;
                continue;
            }
            refused = in_class ? NULL : refused_escape(p[1]);
            if (p[1] && !refused)
                p++;
        } else if (in_class) {
            in_class = *p != ']';
        } else if (*p == '[') {
            in_class = true;
            p += p[1] == '^';
            p += p[1] == ']'; /* the first ] is literal */
        } else if (*p == '(') {
            refused = refused_group(p + 1);
        } else if (possessive(pattern, p)) {
            refused = "possessive quantifiers are";
        }
        if (refused)
            return error_set(err, -EINVAL,
                             "%s not part of RE2, whose syntax Alertmanager uses (at character %zu of the regex)",
                             refused, (size_t)(p - pattern) + 1);
    }
    return 0;
}

/* ---- compile, match ---- */

static struct regex *wrap(pcre2_code *code)
{
    struct regex *r = xnew0(struct regex);
    r->code = code;
    r->match = pcre2_match_data_create(1, NULL);
    r->context = pcre2_match_context_create(NULL);
    if (!r->match || !r->context)
        abort();
    pcre2_set_match_limit(r->context, MATCH_LIMIT);
    pcre2_set_depth_limit(r->context, DEPTH_LIMIT);
    pcre2_set_heap_limit(r->context, HEAP_LIMIT_KIB);
    return r;
}

int regex_compile(const char *pattern, struct regex **ret, struct error *err)
{
    if (strlen(pattern) > MAX_PATTERN)
        return error_set(err, -E2BIG, "the regex is longer than %d bytes", MAX_PATTERN);
    int r = lint(pattern, err);
    if (r < 0)
        return r;
    /* the pattern must be whole by itself: "a)|(b" would break out of the group that anchors it */
    int code;
    PCRE2_SIZE offset;
    const uint32_t options = PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_AUTO_POSSESS;
    pcre2_code *alone = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, options, &code, &offset, NULL);
    _cleanup_free_ char *anchored = xasprintf("\\A(?:%s)\\z", pattern);
    pcre2_code *whole =
        alone ? pcre2_compile((PCRE2_SPTR)anchored, PCRE2_ZERO_TERMINATED, options, &code, &offset, NULL) : NULL;
    pcre2_code_free(alone);
    if (!whole) {
        PCRE2_UCHAR words[128];
        pcre2_get_error_message(code, words, sizeof(words));
        return error_set(err, -EINVAL, "the regex is not valid: %s (at character %zu)", (const char *)words,
                         (size_t)offset + 1);
    }
    *ret = wrap(whole);
    return 0;
}

int regex_matches(const struct regex *r, const char *subject)
{
    const int n = pcre2_match(r->code, (PCRE2_SPTR)subject, strlen(subject), 0, 0, r->match, r->context);
    if (n >= 0)
        return 1;
    return n == PCRE2_ERROR_NOMATCH || (n <= PCRE2_ERROR_UTF8_ERR1 && n >= PCRE2_ERROR_UTF8_ERR21) ? 0 : -ELOOP;
}
