/* Maps by tables of keys, and the simple forms of values. */
#include "config/read.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"
#include "core/params.h"
#include "core/template.h"

#include <ctype.h>
#include <string.h>
#include <unistd.h>

enum { MAX_KEYS = 64 };

char *node_label_new(const struct node *n)
{
    return n->key ? xasprintf("\"%s\"", n->key->scalar) : xstrdup("an item of this list");
}

bool want_type(struct loader *l, const struct node *n, enum node_type type)
{
    static const char *const names[] = {"nothing", "a single value", "a list", "a map"};
    static const char *const wanted[] = {"empty", "a single value", "a list (- …)", "a map (key: value)"};
    if (n->type == type)
        return true;
    _cleanup_free_ char *label = node_label_new(n);
    faults_add(l->faults, n, "%s must be %s, not %s", label, wanted[type], names[n->type]);
    return false;
}

void fault_suggest(struct loader *l, const struct node *at, const char *word, const char *const *candidates,
                   const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    _cleanup_free_ char *what = xvasprintf(fmt, args);
    va_end(args);
    const char *near = did_you_mean(word, candidates);
    if (near)
        faults_add(l->faults, at, "%s (did you mean \"%s\")", what, near);
    else
        faults_add(l->faults, at, "%s", what);
}

static const struct key *key_find(const struct key *keys, const char *name)
{
    for (; keys->name; keys++)
        if (strcmp(keys->name, name) == 0)
            return keys;
    return NULL;
}

static void refuse_unknown(struct loader *l, const struct node *map, const char *what, const struct key *keys)
{
    const char *names[MAX_KEYS + 1] = {0};
    size_t n = 0;
    for (const struct key *k = keys; k->name && n < MAX_KEYS; k++)
        if (k->form != FORM_ABSENT)
            names[n++] = k->name;
    for (size_t i = 0; i < map->n_children; i++) {
        const struct node *name = map->children[i]->key;
        const struct key *k = key_find(keys, name->scalar);
        if (!k)
            fault_suggest(l, name, name->scalar, names, "unknown key \"%s\" in %s", name->scalar, what);
        else if (k->form == FORM_ABSENT)
            faults_add(l->faults, name, "\"%s\" is not available in this version of mendd", k->name);
    }
}

void read_map(struct loader *l, const struct node *map, const char *what, const struct key *keys, void *out)
{
    if (!want_type(l, map, NODE_MAP))
        return;
    refuse_unknown(l, map, what, keys);
    for (const struct key *k = keys; k->name; k++) {
        const struct node *value = node_get(map, k->name);
        if (value && k->form != FORM_ABSENT) {
            void *field = (char *)out + k->offset;
            if (k->read)
                k->read(l, value, field);
            else
                read_form(l, k, value, field);
        } else if (!value && (k->flags & KEY_REQUIRED)) {
            faults_add(l->faults, map, "%s needs \"%s\": %s", what, k->name, k->doc);
        }
    }
}

/* ---- single values ---- */

static const char *scalar_of(struct loader *l, const struct node *value)
{
    if (!want_type(l, value, NODE_SCALAR))
        return NULL;
    if (*value->scalar)
        return value->scalar;
    _cleanup_free_ char *label = node_label_new(value);
    faults_add(l->faults, value, "%s must not be empty", label);
    return NULL;
}

void read_text(struct loader *l, const struct node *value, char **field)
{
    const char *s = scalar_of(l, value);
    if (s)
        str_replace(field, s);
}

static void read_name(struct loader *l, const struct node *value, char **field)
{
    const char *s = scalar_of(l, value);
    if (s && !is_dns1123_label(s))
        faults_add(l->faults, value,
                   "\"%s\" is not a valid name: lower-case letters, digits and '-', at most 63 characters", s);
    else if (s)
        str_replace(field, s);
}

static void read_bool(struct loader *l, const struct node *value, bool *field)
{
    const char *s = scalar_of(l, value);
    if (!s)
        return;
    _cleanup_json_ json_t *j = node_to_json(value);
    _cleanup_free_ char *label = node_label_new(value);
    if (json_is_boolean(j))
        *field = json_is_true(j);
    else
        faults_add(l->faults, value, "%s must be true or false, not \"%s\"", label, s);
}

static void read_count(struct loader *l, const struct node *value, int *field)
{
    enum { MOST = 100000 };
    const char *s = scalar_of(l, value);
    if (!s)
        return;
    _cleanup_json_ json_t *j = node_to_json(value);
    json_int_t n = json_integer_value(j);
    _cleanup_free_ char *label = node_label_new(value);
    if (json_is_integer(j) && n >= 1 && n <= MOST)
        *field = (int)n;
    else
        faults_add(l->faults, value, "%s must be a whole number from 1 to %d, not \"%s\"", label, MOST, s);
}

static void read_duration(struct loader *l, const struct node *value, int64_t *field)
{
    const int64_t most_ms = INT64_C(10) * 365 * 86400 * MSEC_PER_SEC; /* keeps sums of microseconds within 64 bits */
    const char *s = scalar_of(l, value);
    int64_t ms;
    if (!s)
        return;
    _cleanup_free_ char *label = node_label_new(value);
    if (duration_parse(s, &ms, NULL) < 0)
        faults_add(l->faults, value, "%s must be a duration such as 30s, 5m or 1h30m, not \"%s\"", label, s);
    else if (ms > most_ms)
        faults_add(l->faults, value, "%s is longer than ten years", label);
    else
        *field = ms;
}

static void read_choice(struct loader *l, const struct key *key, const struct node *value, int *field)
{
    const char *s = scalar_of(l, value);
    if (!s)
        return;
    for (int i = 0; key->choices[i]; i++)
        if (strcmp(key->choices[i], s) == 0) {
            *field = i;
            return;
        }
    _cleanup_strbuf_ struct strbuf all = STRBUF_INIT;
    for (int i = 0; key->choices[i]; i++) /* "": what cannot be said, only left out */
        if (*key->choices[i])
            strbuf_printf(&all, "%s%s", all.len == 0 ? "" : key->choices[i + 1] ? ", " : " or ", key->choices[i]);
    fault_suggest(l, value, s, key->choices, "\"%s\" must be %s, not \"%s\"", key->name, strbuf_str(&all), s);
}

bool url_ok(const char *url, const char **ret_why)
{
    size_t scheme = str_starts(url, "http://") ? 7 : str_starts(url, "https://") ? 8 : 0;
    size_t host = scheme ? strcspn(url + scheme, "/") : 0;
    *ret_why = NULL;
    if (!scheme)
        *ret_why = "it must start with http:// or https://";
    else if (host == 0 || url[scheme] == ':')
        *ret_why = "it names no host";
    else if (memchr(url + scheme, '@', host))
        *ret_why = "credentials belong under auth, not into the URL";
    else if (strpbrk(url, "?#"))
        *ret_why = "it must have no query and no fragment";
    for (const char *p = url; *p && !*ret_why; p++)
        if (!isgraph((unsigned char)*p))
            *ret_why = "it holds a blank or a character that is not ASCII";
    return !*ret_why;
}

static void read_url(struct loader *l, const struct node *value, char **field)
{
    const char *s = scalar_of(l, value), *why;
    if (!s)
        return;
    if (!url_ok(s, &why)) {
        faults_add(l->faults, value, "\"%s\" is not a usable URL: %s", s, why);
        return;
    }
    str_replace(field, s);
    for (size_t n = strlen(*field); n > 0 && (*field)[n - 1] == '/'; n--)
        (*field)[n - 1] = '\0';
}

/* A relative name: systemd's LoadCredential= first, else beside the configuration. */
static void read_path(struct loader *l, const struct node *value, char **field)
{
    const char *s = scalar_of(l, value), *credentials = getenv("CREDENTIALS_DIRECTORY");
    if (!s)
        return;
    _cleanup_free_ char *there = credentials && *s != '/' ? xasprintf("%s/%s", credentials, s) : NULL;
    free(*field);
    *field = there && access(there, R_OK) == 0 ? TAKE_PTR(there)
             : *s == '/' || !l->folder         ? xstrdup(s)
                                               : xasprintf("%s/%s", l->folder, s);
}

/* ---- several values ---- */

static void read_texts(struct loader *l, enum key_form form, const struct node *value, char ***field)
{
    if (!want_type(l, value, NODE_LIST))
        return;
    char **texts = xcalloc(value->n_children + 1, sizeof(char *));
    for (size_t i = 0, n = 0; i < value->n_children; i++) {
        if (form == FORM_URLS)
            read_url(l, value->children[i], &texts[n]);
        else
            read_text(l, value->children[i], &texts[n]);
        n += texts[n] != NULL;
    }
    texts_free(*field);
    *field = texts;
}

static void read_template(struct loader *l, const struct node *value, char **field)
{
    const char *s = scalar_of(l, value);
    _cleanup_error_ struct error err = ERROR_NONE;
    if (s && template_is(s) && template_check(s, l->vars, l->template_flags, &err) < 0)
        faults_add(l->faults, value, "%s", error_message(&err));
    else if (s)
        str_replace(field, s);
}

static char *selector_join(struct loader *l, const struct node *map)
{
    _cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
    for (size_t i = 0; i < map->n_children; i++) {
        const char *value = scalar_of(l, map->children[i]);
        if (value)
            strbuf_printf(&b, "%s%s=%s", b.len ? "," : "", map->children[i]->key->scalar, value);
    }
    return b.len ? strbuf_take(&b) : NULL;
}

static void read_selector(struct loader *l, const struct node *value, char **field)
{
    _cleanup_free_ char *text = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    if (value->type == NODE_MAP)
        text = selector_join(l, value);
    else
        text = xstrdup(scalar_of(l, value));
    if (!text)
        return;
    int r = template_is(text) ? template_check(text, l->vars, l->template_flags, &err) : selector_check(text, &err);
    if (r < 0) {
        faults_add(l->faults, value, "%s", error_message(&err));
        return;
    }
    free(*field);
    *field = TAKE_PTR(text);
}

void read_form(struct loader *l, const struct key *key, const struct node *value, void *field)
{
    switch (key->form) {
    case FORM_TEXT:
        return read_text(l, value, field);
    case FORM_NAME:
        return read_name(l, value, field);
    case FORM_URL:
        return read_url(l, value, field);
    case FORM_PATH:
    case FORM_SECRET:
        return read_path(l, value, field);
    case FORM_BOOL:
        return read_bool(l, value, field);
    case FORM_COUNT:
        return read_count(l, value, field);
    case FORM_DURATION:
        return read_duration(l, value, field);
    case FORM_CHOICE:
        return read_choice(l, key, value, field);
    case FORM_TEXTS:
    case FORM_URLS:
        return read_texts(l, key->form, value, field);
    case FORM_RATES:
        return read_rates(l, value, field);
    case FORM_VARS:
        vars_read(l, value, field);
        return;
    case FORM_TEMPLATE:
        return read_template(l, value, field);
    case FORM_SELECTOR:
        return read_selector(l, value, field);
    case FORM_MAP: {
        _cleanup_free_ char *what = node_label_new(value);
        return read_map(l, value, what, key->sub, field);
    }
    default:
        break; /* these have a reader of their own */
    }
}
