/* Texts: logs, descriptions, messages, URLs. One pass from left to right; at each place the first rule that fits takes
 * what it knows and says how much of the text that was. Rules look ahead within a line (key blocks and nested YAML
 * excepted), and what was looked at by a rule that fits is not looked at again. */
#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "core/redact.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { NAME_LOOK = 128, USERINFO_MAX = 1024, RANDOM_MIN = 40, TEXT_JSON_MAX = 2 << 20 };

struct scan {
    const char *text, *p, *line; /* the whole, the place, where its line begins */
    struct strbuf out;
};

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.';
}

/* Blanks, other control characters, and a terminal's colours: logs put them between a name and its value. */
static const char *skip_blanks(const char *p)
{
    for (;;) {
        if (p[0] == '\x1b' && p[1] == '[') {
            const char *end = p + 2 + strspn(p + 2, "0123456789;");
            p = isalpha((unsigned char)*end) ? end + 1 : end;
        } else if (*p == ' ' || (*p && iscntrl((unsigned char)*p) && *p != '\n' && *p != '\r')) {
            p++;
        } else {
            return p;
        }
    }
}

static const char *skip_backslashes(const char *p)
{
    return p + strspn(p, "\\");
}

/* Says [from the place to `value`] and, instead of what stands up to `end`, that it was redacted. */
static bool replace(struct scan *s, const char *value, const char *end)
{
    static const char *const nothing[] = {"", "true", "false", "null", "nil", "None", "none", REDACTED, NULL};
    strbuf_add(&s->out, s->p, (size_t)(value - s->p));
    _cleanup_free_ char *old = end - value < 16 ? xstrndup(value, (size_t)(end - value)) : NULL;
    if (old && str_in(old, nothing))
        strbuf_puts(&s->out, old);
    else
        strbuf_puts(&s->out, REDACTED);
    s->p = end;
    return true;
}

/* ---- private keys ---- */

static bool key_block(struct scan *s)
{
    static const char begin[] = "-----BEGIN ", private[] = "PRIVATE KEY";
    if (*s->p != '-' || strncmp(s->p, begin, sizeof(begin) - 1) != 0)
        return false;
    const char *head = s->p + sizeof(begin) - 1, *head_end = memmem(head, strnlen(head, 80), "-----", 5);
    if (!head_end || !memmem(head, (size_t)(head_end - head), private, sizeof(private) - 1))
        return false;
    const char *tail = strstr(head_end + 5, "-----END "), *tail_end = tail ? strstr(tail + 9, "-----") : NULL;
    return replace(s, s->p, tail_end ? tail_end + 5 : s->p + strlen(s->p));
}

/* ---- URLs ---- */

/* scheme://user:password@host. For schemes of the web the userinfo ends before the path; others (redis, postgres) are
 * written with anything in their passwords. */
static bool url_userinfo(struct scan *s)
{
    if (strncmp(s->p, "://", 3) != 0 || s->p == s->text || !isalnum((unsigned char)s->p[-1]))
        return false;
    const char *start = s->p + 3, *at = NULL;
    const bool web =
        s->p - s->text >= 4 && (strncasecmp(s->p - 4, "http", 4) == 0 || strncasecmp(s->p - 4, "ttps", 4) == 0);
    for (const char *p = start;
         p - start < USERINFO_MAX && *p && !strchr(web ? " \t\r\n\"'<>`/?#" : " \t\r\n\"'<>`", *p); p++) {
        if (*p == '@')
            at = p;
        if (strncmp(p, "://", 3) == 0)
            break;
    }
    return at && at > start && replace(s, start, at);
}

/* ---- bearer, basic ---- */

static bool scheme_credentials(struct scan *s, size_t len)
{
    static const char *const prose[] = {"authentication", "authorization", "credentials", "challenge",
                                        "scheme",         "required",      "realm",       NULL};
    if (!((len == 6 && strncasecmp(s->p, "bearer", 6) == 0) || (len == 5 && strncasecmp(s->p, "basic", 5) == 0)))
        return false;
    const char *value = skip_blanks(s->p + len), *end = value;
    while (*end && (isalnum((unsigned char)*end) || strchr("-._~+/=:", *end)))
        end++;
    if (value == s->p + len || end - value < 6)
        return false;
    _cleanup_free_ char *word = xstrndup(value, (size_t)(end - value) < 20 ? (size_t)(end - value) : 20);
    word[strcspn(word, "=:.")] = '\0';
    for (char *c = word; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return !str_in(word, prose) && replace(s, value, end);
}

/* ---- tokens by their shape ---- */

static bool known_shape(struct scan *s, size_t len)
{
    static const struct {
        const char *prefix;
        size_t least;
    } shapes[] = {{"eyJ", 30},      {"ghp_", 20},        {"gho_", 20},      {"ghs_", 20},  {"ghu_", 20},
                  {"ghr_", 20},     {"github_pat_", 20}, {"glpat-", 20},    {"xoxb-", 16}, {"xoxp-", 16},
                  {"xoxa-", 16},    {"xoxs-", 16},       {"xoxr-", 16},     {"xapp-", 16}, {"sk-", 24},
                  {"sk_live_", 16}, {"sk_test_", 16},    {"AKIA", 20},      {"ASIA", 20},  {"AIza", 35},
                  {"npm_", 30},     {"hvs.", 20},        {"dckr_pat_", 20}, {"SG.", 30},   {"pypi-", 40},
                  {"ya29.", 20},    {"dop_v1_", 30}};
    for (size_t i = 0; i < ARRAY_SIZE(shapes); i++)
        if (len >= shapes[i].least && str_starts(s->p, shapes[i].prefix))
            return replace(s, s->p, s->p + len);
    static const char slack[] = "hooks.slack.com/services/";
    if (str_starts(s->p, slack)) {
        const char *value = s->p + sizeof(slack) - 1;
        return replace(s, value, value + strcspn(value, " \t\r\n\"'<>`\\"));
    }
    return false;
}

static bool is_base64(char c)
{
    return isalnum((unsigned char)c) || (c && strchr("+/_-", c));
}

/* Base64 and its like: long, of both cases and digits, and no path. Judged once, where it begins. */
static bool random_text(struct scan *s)
{
    size_t upper = 0, lower = 0, digits = 0, marks = 0, len = 0;
    if (s->p > s->text && is_base64(s->p[-1]))
        return false;
    for (const char *p = s->p; is_base64(*p); p++, len++) {
        upper += isupper((unsigned char)*p) != 0;
        lower += islower((unsigned char)*p) != 0;
        digits += isdigit((unsigned char)*p) != 0;
        marks += !isalnum((unsigned char)*p);
    }
    len += strspn(s->p + len, "=");
    return len >= RANDOM_MIN && upper >= 4 && lower >= 4 && digits >= 2 && marks * 10 <= len &&
           replace(s, s->p, s->p + len);
}

/* ---- a name and its value ---- */

/* Where a quoted value that was opened with `escapes` backslashes before its quote ends: at its quote, or the line's
 * end. */
static const char *quoted_end(const char *value, char quote, size_t escapes)
{
    size_t backslashes = 0;
    for (const char *p = value; *p && *p != '\n'; p++) {
        if (*p == quote && backslashes <= escapes)
            return p - backslashes;
        backslashes = *p == '\\' ? backslashes + 1 : 0;
    }
    return value + strcspn(value, "\n");
}

/* Whether the value is over at this ',' ';' or '&': behind it stands nothing, or the next name. */
static bool next_begins(const char *p)
{
    const char *q = p + 1 + strspn(p + 1, "\\\"'");
    size_t n = 0;
    if (!*q || isspace((unsigned char)*q))
        return true;
    while (n < NAME_LOOK && is_word(q[n]))
        n++;
    return n > 0 && strchr("=:\"'\\", q[n]);
}

static const char *plain_end(const char *value)
{
    const char *p = value;
    while (*p && !isspace((unsigned char)*p) && !strchr("\"'`<>)]}", *p) && !(strchr(",;&", *p) && next_begins(p)))
        p++;
    return p;
}

/* The matching bracket, or the line's end. */
static const char *bracket_end(const char *value)
{
    int depth = 0;
    const char *p = value;
    for (; *p && *p != '\n'; p++) {
        depth += *p == '[' || *p == '{';
        depth -= *p == ']' || *p == '}';
        if (depth == 0)
            return p + 1;
    }
    return p;
}

/* The lines of a YAML block ("password: |"): all that are further in than the line of their name. */
static const char *yaml_block_end(const struct scan *s, const char *value)
{
    const size_t indent = strspn(s->line, " -");
    const char *p = value + strcspn(value, "\n");
    while (*p) {
        const size_t in = strspn(p + 1, " ");
        if (p[1 + in] != '\n' && (in <= indent || !p[1 + in]))
            break;
        p = p + 1 + in + strcspn(p + 1 + in, "\n");
    }
    return p;
}

static bool takes_whole_line(const struct scan *s, size_t len, const char *value, char separator)
{
    static const char *const headers[] = {"authorization", "proxy-authorization", "cookie", "set-cookie", NULL};
    _cleanup_free_ char *name = xstrndup(s->p, len);
    for (char *c = name; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    if (str_in(name, headers))
        return true;
    if (s->line + strspn(s->line, " \t-") != s->p)
        return false;
    /* "password: with blanks" in YAML, PASSWORD=with blanks in a list of variables; but not "password=x level=info" */
    const char *line_end = value + strcspn(value, "\n"), *blank = memchr(value, ' ', (size_t)(line_end - value));
    return separator == ':' || !blank || !memchr(blank, '=', (size_t)(line_end - blank));
}

static bool value_at(struct scan *s, const char *value, size_t name_len, char separator)
{
    const size_t escapes = strspn(value, "\\");
    if (value[escapes] == '"' || value[escapes] == '\'') {
        const char *start = value + escapes + 1;
        return replace(s, start, quoted_end(start, value[escapes], escapes));
    }
    if (!*value || *value == '\n' || *value == '\r')
        return false;
    if (str_starts(value, REDACTED))
        return replace(s, value, value + strlen(REDACTED));
    if (separator == ':' && strchr("|>", *value) && value[1 + strspn(value + 1, "+-0123456789 ")] == '\n')
        return replace(s, value, yaml_block_end(s, value));
    if (*value == '[' || *value == '{')
        return replace(s, value, bracket_end(value));
    if (separator == '>')
        return replace(s, value, value + strcspn(value, "<\n"));
    if (takes_whole_line(s, name_len, value, separator))
        return replace(s, value, value + strcspn(value, "\r\n\"'"));
    return replace(s, value, plain_end(value));
}

/* "DB_PASSWORD", "value": "x" and "- name: DB_PASSWORD\n  value: x": the value of an environment variable. */
static const char *paired_value(const char *p)
{
    p += strspn(p, " \t\r\n,");
    p += strspn(p, "\\\"'");
    if (strncmp(p, "value", 5) != 0)
        return NULL;
    p += 5;
    p += strspn(p, "\\\"'");
    p = skip_blanks(p);
    return *p == ':' || *p == '=' ? skip_blanks(p + 1) : NULL;
}

static bool word_is(const struct scan *s, size_t len, const char *word)
{
    return len == strlen(word) && strncasecmp(s->p, word, len) == 0;
}

/* Where the value of the name at the place stands, by what is between them alone; NULL: there is none. Most words of a
 * log end here, before anybody asks what they mean. */
static const char *find_value(const struct scan *s, size_t len, bool quoted, char *ret_separator)
{
    const char *after = s->p + len, *p = skip_backslashes(after);
    p = quoted && (*p == '"' || *p == '\'') ? p + 1 : after;
    const char *sep = skip_blanks(p);
    *ret_separator = *sep;
    if (*sep == ':' || *sep == '=') { /* ":=", "=>" too; "::" and "://" are none */
        if (sep[0] == ':' && (sep[1] == ':' || strncmp(sep, "://", 3) == 0))
            return NULL;
        return skip_blanks(sep + 1 + ((sep[0] == ':' && sep[1] == '=') || (sep[0] == '=' && sep[1] == '>')));
    }
    if (*sep == '>' && s->p > s->text && s->p[-1] == '<')
        return sep + 1;
    *ret_separator = ' ';
    const bool flag = *s->p == '-' || word_is(s, len, "requirepass") || word_is(s, len, "masterauth");
    if (flag && sep > p && *sep != '-')
        return sep; /* --password hunter2 */
    if (quoted && sep > p && *sep == '"' && word_is(s, len, "auth"))
        return sep; /* redis' own log of commands: "AUTH" "hunter2" */
    *ret_separator = ':';
    return paired_value(p);
}

static bool named_value(struct scan *s, size_t len)
{
    const bool quoted = s->p > s->text && (s->p[-1] == '"' || s->p[-1] == '\'');
    const bool auth = word_is(s, len, "auth"), pass = word_is(s, len, "pass");
    char separator;
    const char *value = find_value(s, len, quoted, &separator);
    if (!value)
        return false;
    if (auth && separator == ' ')
        return replace(s, value, value + strcspn(value, "\n"));
    if ((auth || pass) && separator != '=' && !quoted)
        return false; /* "pass: 3, fail: 0" */
    return (auth || redact_is_secret_name(s->p, len)) && value_at(s, value, len, separator);
}

/* ---- the pass ---- */

static bool at_word(struct scan *s)
{
    size_t len = 0;
    while (is_word(s->p[len]))
        len++;
    if (len == 0 || (s->p > s->text && is_word(s->p[-1])))
        return false;
    if (key_block(s) || known_shape(s, len) || scheme_credentials(s, len) || named_value(s, len))
        return true;
    strbuf_add(&s->out, s->p, len);
    s->p += len;
    return true;
}

static char *scan_new(const char *text)
{
    struct scan s = {.text = text, .p = text, .line = text};
    while (*s.p) {
        if (s.p > text && s.p[-1] == '\n')
            s.line = s.p;
        if (random_text(&s) || at_word(&s) || url_userinfo(&s))
            continue;
        strbuf_putc(&s.out, *s.p++);
    }
    return strbuf_take(&s.out);
}

/* ---- manifests of Secrets ---- */

/* YAML: below "data:" and "stringData:" every value goes, whatever its name is, and every line of a block. */
static char *yaml_secret_new(const char *text)
{
    struct strbuf b = STRBUF_INIT;
    size_t data_indent = 0, name_indent = 0;
    bool in_data = false;
    for (const char *line = text; *line;) {
        const size_t len = strcspn(line, "\n"), indent = strspn(line, " ");
        const char *colon = memchr(line, ':', len);
        in_data = in_data && (indent > data_indent || indent == len);
        if (in_data && indent < len) {
            name_indent = name_indent ? name_indent : indent;
            const bool named = colon && indent <= name_indent;
            strbuf_add(&b, line, named ? (size_t)(colon - line) + 1 : indent);
            strbuf_printf(&b, "%s" REDACTED, named ? " " : "");
        } else {
            strbuf_add(&b, line, len);
        }
        if (!in_data && (strncmp(line + indent, "data:", 5) == 0 || strncmp(line + indent, "stringData:", 11) == 0)) {
            in_data = true;
            data_indent = indent;
            name_indent = 0;
        }
        line += len;
        if (*line)
            strbuf_putc(&b, *line++);
    }
    return strbuf_take(&b);
}

/* A text that is JSON as a whole is judged as JSON, which sees more. NULL: it is none. */
static char *json_text_redacted_new(const char *text)
{
    const char *start = text + strspn(text, " \t\r\n");
    if (*start != '{' && *start != '[')
        return NULL;
    _cleanup_json_ json_t *value = json_parse(text, strlen(text), TEXT_JSON_MAX, false, NULL);
    if (!value)
        return NULL;
    _cleanup_json_ json_t *clean = redact_json_new(value);
    return json_equal(value, clean) ? xstrdup(text) : json_compact(clean);
}

char *redact_text_new(const char *text)
{
    if (!text)
        return NULL;
    char *json = json_text_redacted_new(text);
    if (json)
        return json;
    const char *kind = strstr(text, "kind: Secret");
    if (!kind)
        return scan_new(text);
    _cleanup_free_ char *yaml = yaml_secret_new(text);
    return scan_new(yaml);
}
