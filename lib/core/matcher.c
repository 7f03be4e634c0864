#include "core/matcher.h"

#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "core/regex.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

struct matcher {
    char *label, *value;
    enum matcher_op op;
    struct regex *regex;
};

struct matcher *matcher_free(struct matcher *m)
{
    if (!m)
        return NULL;
    free(m->label);
    free(m->value);
    regex_free(m->regex);
    free(m);
    return NULL;
}

const char *matcher_label(const struct matcher *m)
{
    return m->label;
}

const char *matcher_value(const struct matcher *m)
{
    return m->value;
}

enum matcher_op matcher_operator(const struct matcher *m)
{
    return m->op;
}

/* ---- parsing ---- */

struct scan {
    const char *text, *p;
    struct error *err;
};

static int expected(struct scan *s, const char *what)
{
    return error_set(s->err, -EINVAL, "column %zu: expected %s", (size_t)(s->p - s->text) + 1, what);
}

static void skip_space(struct scan *s)
{
    while (isspace((unsigned char)*s->p))
        s->p++;
}

/* "…" with \" \\ \n, as Alertmanager's matcher strings have it. */
static int quoted(struct scan *s, char **ret)
{
    _cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
    for (s->p++; *s->p != '"'; s->p++) {
        if (!*s->p)
            return expected(s, "a closing \"");
        if (*s->p != '\\') {
            strbuf_putc(&b, *s->p);
            continue;
        }
        s->p++;
        if (*s->p == 'n')
            strbuf_putc(&b, '\n');
        else if (*s->p == '"' || *s->p == '\\')
            strbuf_putc(&b, *s->p);
        else if (*s->p) { /* a regex's own backslash stays one: "\d" */
            strbuf_putc(&b, '\\');
            strbuf_putc(&b, *s->p);
        } else
            return expected(s, "a closing \"");
    }
    s->p++;
    *ret = strbuf_take(&b);
    return 0;
}

static int label(struct scan *s, char **ret)
{
    if (*s->p == '"') {
        int r = quoted(s, ret);
        return r == 0 && !**ret ? expected(s, "a label name that is not empty") : r;
    }
    const char *start = s->p;
    if (isalpha((unsigned char)*s->p) || *s->p == '_')
        while (isalnum((unsigned char)*s->p) || *s->p == '_' || *s->p == ':')
            s->p++;
    if (s->p == start)
        return expected(s, "a label name (quote it if it holds more than letters, digits and _)");
    *ret = xstrndup(start, (size_t)(s->p - start));
    return 0;
}

static int operator(struct scan *s, enum matcher_op *ret)
{
    static const struct {
        const char *text;
        enum matcher_op op;
    } operators[] = {{"=~", MATCH_REGEX}, {"!~", MATCH_NOT_REGEX}, {"!=", MATCH_NOT_EQUAL}, {"=", MATCH_EQUAL}};
    for (size_t i = 0; i < ARRAY_SIZE(operators); i++)
        if (str_starts(s->p, operators[i].text)) {
            s->p += strlen(operators[i].text);
            *ret = operators[i].op;
            return 0;
        }
    return expected(s, "one of = != =~ !~");
}

/* Bare values end at white space; characters that mean something in a list of matchers must be quoted. */
static int value(struct scan *s, char **ret)
{
    if (*s->p == '"')
        return quoted(s, ret);
    const char *start = s->p;
    while (*s->p && !isspace((unsigned char)*s->p)) {
        if (strchr("{}!=~,\\\"'`", *s->p))
            return expected(s, "a value without {}!=~,\\\"'` (or in double quotes)");
        s->p++;
    }
    *ret = xstrndup(start, (size_t)(s->p - start));
    return 0;
}

static int parse(struct scan *s, struct matcher *m)
{
    skip_space(s);
    int r = label(s, &m->label);
    if (r < 0)
        return r;
    skip_space(s);
    r = operator(s, &m->op);
    if (r < 0)
        return r;
    skip_space(s);
    r = value(s, &m->value);
    if (r < 0)
        return r;
    skip_space(s);
    return *s->p ? expected(s, "the end of the matcher") : 0;
}

int matcher_parse(const char *text, struct matcher **ret, struct error *err)
{
    _cleanup_(matcher_freep) struct matcher *m = xnew0(struct matcher);
    struct scan s = {.text = text, .p = text, .err = err};
    int r = utf8_valid(text, strlen(text)) ? parse(&s, m)
                                           : error_set(err, -EINVAL, "column 1: the matcher is not valid UTF-8");
    if (r == 0 && (m->op == MATCH_REGEX || m->op == MATCH_NOT_REGEX))
        r = regex_compile(m->value, &m->regex, err);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(m);
    return 0;
}

int matcher_matches(const struct matcher *m, const json_t *labels)
{
    const char *have = json_text_or(labels, m->label, "");
    if (m->op == MATCH_EQUAL || m->op == MATCH_NOT_EQUAL)
        return str_eq(have, m->value) == (m->op == MATCH_EQUAL);
    const int r = regex_matches(m->regex, have);
    return r < 0 ? r : (r == 1) == (m->op == MATCH_REGEX);
}
