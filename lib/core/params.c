#include "core/params.h"

#include "core/host_command.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"
#include "base/url.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PROMQL_MAX = 4096 };

static int wrong(struct error *err, const struct param *p, const char *expected, const json_t *value)
{
    _cleanup_free_ char *text = json_compact(value);
    return error_set(err, -EINVAL, "%s: expected %s, not %.80s", p->name, expected, text);
}

/* A scalar as text: templates yield text, YAML yields numbers and booleans. */
static json_t *scalar_text_new(const json_t *value)
{
    if (json_is_string(value))
        return json_deep_copy(value);
    if (json_is_number(value) || json_is_boolean(value)) {
        _cleanup_free_ char *text = json_compact(value);
        return json_string(text);
    }
    return NULL;
}

static bool parse_int(const json_t *value, json_int_t *ret)
{
    if (json_is_integer(value)) {
        *ret = json_integer_value(value);
        return *ret >= 0;
    }
    const char *s = json_string_value(value);
    if (str_empty(s) || strlen(s) > 18 || strspn(s, "0123456789") != strlen(s))
        return false;
    *ret = strtoll(s, NULL, 10);
    return true;
}

static int resolve_number(const struct param *p, const json_t *value, json_t **ret, struct error *err)
{
    if (json_is_number(value)) {
        *ret = json_deep_copy(value);
        return 0;
    }
    const char *s = json_string_value(value);
    char *end = NULL;
    double d = str_empty(s) || isspace((unsigned char)*s) ? 0 : strtod(s, &end);
    if (!end || *end || !isfinite(d))
        return wrong(err, p, "a number", value);
    *ret = json_real(d);
    return 0;
}

static int resolve_bool(const struct param *p, const json_t *value, json_t **ret, struct error *err)
{
    const char *s = json_string_value(value);
    if (!json_is_boolean(value) && !str_eq(s, "true") && !str_eq(s, "false"))
        return wrong(err, p, "true or false", value);
    *ret = json_boolean(json_is_true(value) || str_eq(s, "true"));
    return 0;
}

static int resolve_duration(const struct param *p, const json_t *value, json_t **ret, struct error *err)
{
    int64_t ms = 0;
    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        *ret = json_integer(json_integer_value(value));
        return 0;
    }
    if (!json_is_string(value))
        return wrong(err, p, "a duration such as 30s", value);
    if (duration_parse(json_string_value(value), &ms, err) < 0)
        return error_prefix(err, "%s", p->name);
    *ret = json_integer(ms);
    return 0;
}

static int resolve_texts(const struct param *p, const json_t *value, json_t **ret, struct error *err)
{
    if (!json_is_array(value))
        return wrong(err, p, "a list of text", value);
    _cleanup_json_ json_t *list = json_array();
    size_t i;
    json_t *item;
    json_array_foreach ((json_t *)value, i, item) {
        json_t *text = scalar_text_new(item);
        if (!text)
            return wrong(err, p, "a list of text", value);
        json_array_append_new(list, text);
    }
    *ret = TAKE_PTR(list);
    return 0;
}

static int resolve_text_map(const struct param *p, const json_t *value, json_t **ret, struct error *err)
{
    if (!json_is_object(value))
        return wrong(err, p, "a map of text", value);
    _cleanup_json_ json_t *map = json_object();
    const char *key;
    json_t *item;
    json_object_foreach ((json_t *)value, key, item) {
        json_t *text = scalar_text_new(item);
        if (!text)
            return wrong(err, p, "a map of text", value);
        json_object_set_new(map, key, text);
    }
    *ret = TAKE_PTR(map);
    return 0;
}

static int resolve_ints(const struct param *p, const json_t *value, json_t **ret, struct error *err)
{
    _cleanup_json_ json_t *list = json_array();
    json_int_t n;
    if (parse_int(value, &n)) {
        json_array_append_new(list, json_integer(n));
    } else {
        if (!json_is_array(value) || json_array_size(value) == 0)
            return wrong(err, p, "an integer or a list of integers", value);
        size_t i;
        json_t *item;
        json_array_foreach ((json_t *)value, i, item) {
            if (!parse_int(item, &n))
                return wrong(err, p, "an integer or a list of integers", value);
            json_array_append_new(list, json_integer(n));
        }
    }
    *ret = TAKE_PTR(list);
    return 0;
}

/* ---- selectors ---- */

static size_t word(const char **s, char *buf, size_t size)
{
    while (**s == ' ')
        (*s)++;
    size_t n = strcspn(*s, " =!,()");
    size_t kept = n < size ? n : size - 1;
    memcpy(buf, *s, kept);
    buf[kept] = '\0';
    *s += n;
    while (**s == ' ')
        (*s)++;
    return n;
}

static int set_values(const char **s, const char *text, struct error *err)
{
    char value[128];
    if (**s != '(')
        return error_set(err, -EINVAL, "selector \"%s\": expected ( after in/notin", text);
    do {
        (*s)++;
        if (!word(s, value, sizeof(value)) || !is_label_value(value))
            return error_set(err, -EINVAL, "selector \"%s\": \"%s\" is no value of a label", text, value);
    } while (**s == ',');
    if (**s != ')')
        return error_set(err, -EINVAL, "selector \"%s\": missing )", text);
    (*s)++;
    while (**s == ' ')
        (*s)++;
    return 0;
}

static int requirement(const char **s, const char *text, struct error *err)
{
    char key[384], value[128];
    while (**s == ' ')
        (*s)++;
    bool absent = **s == '!';
    *s += absent;
    word(s, key, sizeof(key));
    if (!is_qualified_name(key))
        return error_set(err, -EINVAL, "selector \"%s\": \"%s\" is no name of a label", text, key);
    if (absent || !**s || **s == ',')
        return 0;
    if (**s == '=' || (**s == '!' && (*s)[1] == '=')) {
        *s += strspn(*s, "!") ? 2 : strspn(*s, "=") >= 2 ? 2 : 1;
        word(s, value, sizeof(value));
        if (str_empty(value))
            return error_set(err, -EINVAL, "selector \"%s\": the value of %s is empty", text, key);
        if (!is_label_value(value))
            return error_set(err, -EINVAL, "selector \"%s\": \"%s\" is no value of a label", text, value);
        return 0;
    }
    word(s, value, sizeof(value));
    if (!str_eq(value, "in") && !str_eq(value, "notin"))
        return error_set(err, -EINVAL, "selector \"%s\": expected =, !=, in or notin after %s", text, key);
    return set_values(s, text, err);
}

bool selector_value_ok(const char *value)
{
    return *value && is_label_value(value);
}

int selector_check(const char *text, struct error *err)
{
    const char *s = text;
    if (str_empty(text))
        return error_set(err, -EINVAL, "the selector is empty");
    if (strlen(text) > 4096)
        return error_set(err, -EINVAL, "the selector is longer than 4096 bytes");
    for (;;) {
        int r = requirement(&s, text, err);
        if (r < 0)
            return r;
        if (!*s)
            return 0;
        if (*s++ != ',')
            return error_set(err, -EINVAL, "selector \"%s\": expected , at \"%s\"", text, s - 1);
    }
}

static int resolve_selector(const struct param *p, const json_t *value, json_t **ret, struct error *err)
{
    _cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
    if (json_is_string(value)) {
        strbuf_puts(&b, json_string_value(value));
    } else if (json_is_object(value)) {
        const char *key;
        json_t *item;
        json_object_foreach ((json_t *)value, key, item) {
            _cleanup_json_ json_t *text = scalar_text_new(item);
            if (!text)
                return wrong(err, p, "a selector or a map of labels", value);
            strbuf_printf(&b, "%s%s=%s", b.len ? "," : "", key, json_string_value(text));
        }
    } else {
        return wrong(err, p, "a selector or a map of labels", value);
    }
    if (selector_check(strbuf_str(&b), err) < 0)
        return error_prefix(err, "%s", p->name);
    *ret = json_string(strbuf_str(&b));
    return 0;
}

/* ---- texts ---- */

static bool kind_valid(const char *s)
{
    if (str_empty(s) || !isupper((unsigned char)*s) || strlen(s) > 63)
        return false;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s))
            return false;
    return true;
}

static int resolve_choice(const struct param *p, const char *s, const json_t *value, struct error *err)
{
    if (str_in(s, p->choices))
        return 0;
    const char *near = did_you_mean(s, p->choices);
    if (near)
        return error_set(err, -EINVAL, "%s: unknown value \"%.80s\" (did you mean \"%s\"?)", p->name, s, near);
    _cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
    for (const char *const *c = p->choices; *c; c++)
        strbuf_printf(&b, "%s%s", b.len ? ", " : "one of ", *c);
    return wrong(err, p, strbuf_str(&b), value);
}

static int resolve_text(const struct param *p, const json_t *value, json_t **ret, struct error *err)
{
    _cleanup_json_ json_t *text = scalar_text_new(value);
    const char *s = json_string_value(text);
    if (!s)
        return wrong(err, p, "text", value);
    if (p->type == PARAM_NAME && !is_dns1123_subdomain(s))
        return wrong(err, p, "the name of an object (lowercase letters, digits, - and .)", value);
    if (p->type == PARAM_KIND && !kind_valid(s))
        return wrong(err, p, "a kind such as Deployment", value);
    struct url url;
    if (p->type == PARAM_URL && url_parse(s, &url, err) < 0)
        return error_prefix(err, "%s", p->name);
    if (p->type == PARAM_PROMQL && (str_empty(s) || strlen(s) > PROMQL_MAX))
        return wrong(err, p, "a query of at most 4096 bytes", value);
    int r = p->type == PARAM_CHOICE ? resolve_choice(p, s, value, err) : 0;
    if (r < 0)
        return r;
    *ret = TAKE_PTR(text);
    return 0;
}

int param_resolve(const struct param *p, const json_t *value, json_t **ret, struct error *err)
{
    json_int_t n;
    switch (p->type) {
    case PARAM_TEXT:
    case PARAM_NAME:
    case PARAM_KIND:
    case PARAM_CHOICE:
    case PARAM_PROMQL:
    case PARAM_URL:
    case PARAM_PLAIN:
    case PARAM_MANIFEST_FILE:
        return resolve_text(p, value, ret, err);
    case PARAM_BOOL:
        return resolve_bool(p, value, ret, err);
    case PARAM_INT:
        if (!parse_int(value, &n))
            return wrong(err, p, "an integer of 0 or more", value);
        *ret = json_integer(n);
        return 0;
    case PARAM_NUMBER:
        return resolve_number(p, value, ret, err);
    case PARAM_DURATION:
        return resolve_duration(p, value, ret, err);
    case PARAM_COMMAND: {
        int r = resolve_texts(p, value, ret, err);
        if (r == 0 && (r = host_command_check(*ret, err)) < 0) {
            json_decref(*ret);
            *ret = NULL;
        }
        return r;
    }
    case PARAM_HOST_PATH:
        if (!is_host_path(json_string_value(value)))
            return wrong(err, p, "an absolute path on mendd's host, without templates", value);
        *ret = json_incref((json_t *)value);
        return 0;
    case PARAM_TEXTS:
    case PARAM_RECEIVERS:
        return resolve_texts(p, value, ret, err);
    case PARAM_TEXT_MAP:
    case PARAM_FILES:
        return resolve_text_map(p, value, ret, err);
    case PARAM_SELECTOR:
        return resolve_selector(p, value, ret, err);
    case PARAM_INT_OR_TEXT:
        if (parse_int(value, &n)) {
            *ret = json_integer(n);
            return 0;
        }
        if (!json_is_string(value) || str_empty(json_string_value(value)))
            return wrong(err, p, "an integer of 0 or more, or text", value);
        *ret = json_deep_copy(value);
        return 0;
    case PARAM_INTS:
        return resolve_ints(p, value, ret, err);
    case PARAM_MANIFEST:
    case PARAM_ANY:
        *ret = json_deep_copy(value);
        return 0;
    }
    return error_set(err, -EINVAL, "%s: unknown type of parameter", p->name);
}

static int unknown_param(const struct param *params, const char *key, struct error *err)
{
    const char *names[64] = {0};
    for (size_t i = 0; params[i].name && i < ARRAY_SIZE(names) - 1; i++)
        names[i] = params[i].name;
    const char *near = did_you_mean(key, names);
    if (near)
        return error_set(err, -EINVAL, "unknown parameter \"%.80s\" (did you mean \"%s\"?)", key, near);
    return error_set(err, -EINVAL, "unknown parameter \"%.80s\"", key);
}

int params_resolve(const struct param *params, const json_t *with, json_t **ret, struct error *err)
{
    static const struct param none[] = {{0}};
    const struct param *table = params ? params : none;
    if (with && !json_is_object(with) && !json_is_null(with))
        return error_set(err, -EINVAL, "parameters must be a map");
    _cleanup_json_ json_t *out = json_object();
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)with, key, value) {
        const struct param *p = param_find(table, key);
        if (!p)
            return unknown_param(table, key, err);
        if (json_is_null(value))
            continue;
        json_t *resolved = NULL;
        int r = param_resolve(p, value, &resolved, err);
        if (r < 0)
            return r;
        json_object_set_new(out, key, resolved);
    }
    for (const struct param *p = table; p->name; p++)
        if (p->required && !json_object_get(out, p->name))
            return error_set(err, -EINVAL, "parameter \"%s\" is missing", p->name);
    *ret = TAKE_PTR(out);
    return 0;
}
