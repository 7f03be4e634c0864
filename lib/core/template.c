#include "core/template.h"

#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- what a template is made of ---- */

enum { MAX_FILTERS = 8, MAX_ARGS = 2 };

struct variable {
    char *root, *name;
};

struct argument {
    char *literal; /* or */
    struct variable var;
};

struct filter {
    char *name;
    struct argument args[MAX_ARGS];
    size_t n_args;
};

struct expression {
    struct variable var;
    struct filter filters[MAX_FILTERS];
    size_t n_filters;
};

static const char *const roots[] = {"labels", "annotations", "target", "vars", "alert", "run", NULL};
static const struct {
    const char *name;
    size_t n_args;
} filters[] = {{"default", 1}, {"lower", 0}, {"upper", 0}, {"replace", 2}, {"trim", 0}};
static const char *const filter_names[] = {"default", "lower", "upper", "replace", "trim", NULL};

/* What `target`, `alert` and `run` offer; labels, annotations and vars have names of their own. */
static const char *const target_names[] = {"cluster", "kind", "namespace", "name", "selector", "uid", NULL};
static const char *const alert_names[] = {"name", "fingerprint", "startsAt", "endsAt", "generatorURL", "status", NULL};
static const char *const run_names[] = {"id", NULL};

static void variable_clear(struct variable *v)
{
    free(v->root);
    free(v->name);
}

static void expression_clear(struct expression *e)
{
    variable_clear(&e->var);
    for (size_t i = 0; i < e->n_filters; i++) {
        free(e->filters[i].name);
        for (size_t k = 0; k < e->filters[i].n_args; k++) {
            free(e->filters[i].args[k].literal);
            variable_clear(&e->filters[i].args[k].var);
        }
    }
    *e = (struct expression){0};
}

/* ---- parsing ---- */

struct scan {
    const char *text, *p;
    struct error *err;
};

static int wrong(struct scan *s, const char *what)
{
    return error_set(s->err, -EINVAL, "column %zu of the template: expected %s", (size_t)(s->p - s->text) + 1, what);
}

static void skip_space(struct scan *s)
{
    while (isspace((unsigned char)*s->p))
        s->p++;
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static int word(struct scan *s, const char *what, char **ret)
{
    const char *start = s->p;
    while (is_word(*s->p))
        s->p++;
    if (s->p == start)
        return wrong(s, what);
    *ret = xstrndup(start, (size_t)(s->p - start));
    return 0;
}

static int quoted(struct scan *s, char **ret)
{
    _cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
    const char quote = *s->p++;
    for (; *s->p != quote; s->p++) {
        if (*s->p == '\\' && s->p[1])
            s->p++;
        if (!*s->p)
            return wrong(s, "a closing quote");
        strbuf_putc(&b, *s->p);
    }
    s->p++;
    *ret = strbuf_take(&b);
    return 0;
}

/* root.name or root["name"] */
static int variable(struct scan *s, struct variable *v)
{
    int r = word(s, "a variable like labels.namespace", &v->root);
    if (r < 0)
        return r;
    if (*s->p == '.') {
        s->p++;
        return word(s, "a name after the dot (odd names: labels[\"odd name\"])", &v->name);
    }
    if (*s->p != '[' || (s->p[1] != '"' && s->p[1] != '\''))
        return wrong(s, "a dot and a name, as in labels.namespace");
    s->p++;
    r = quoted(s, &v->name);
    if (r < 0)
        return r;
    if (*s->p != ']')
        return wrong(s, "]");
    s->p++;
    return 0;
}

static int argument(struct scan *s, struct argument *a)
{
    skip_space(s);
    return *s->p == '"' || *s->p == '\'' ? quoted(s, &a->literal) : variable(s, &a->var);
}

static int filter(struct scan *s, struct filter *f)
{
    skip_space(s);
    int r = word(s, "a filter after |", &f->name);
    if (r < 0)
        return r;
    skip_space(s);
    if (*s->p != ':')
        return 0;
    do {
        s->p++;
        if (f->n_args == MAX_ARGS)
            return wrong(s, "no further argument");
        r = argument(s, &f->args[f->n_args++]);
        if (r < 0)
            return r;
        skip_space(s);
    } while (*s->p == ',');
    return 0;
}

/* s->p stands behind "{{"; afterwards behind "}}". */
static int expression(struct scan *s, struct expression *e)
{
    skip_space(s);
    int r = variable(s, &e->var);
    skip_space(s);
    while (r == 0 && *s->p == '|') {
        s->p++;
        if (e->n_filters == MAX_FILTERS)
            return wrong(s, "no further filter");
        r = filter(s, &e->filters[e->n_filters++]);
        skip_space(s);
    }
    if (r < 0)
        return r;
    if (!str_starts(s->p, "}}"))
        return wrong(s, "}} or | and a filter");
    s->p += 2;
    return 0;
}

typedef int (*part_fn)(const char *literal, size_t len, const struct expression *e, void *userdata);

/* Calls `part` for each run of plain text (e NULL) and each expression. */
static int each_part(const char *text, part_fn part, void *userdata, struct error *err)
{
    struct scan s = {.text = text, .p = text, .err = err};
    int r = 0;
    while (*s.p && r == 0) {
        const char *open = strstr(s.p, "{{");
        const size_t len = open ? (size_t)(open - s.p) : strlen(s.p);
        if (len)
            r = part(s.p, len, NULL, userdata);
        s.p += len;
        if (!open || r < 0)
            break;
        struct expression e = {0};
        s.p += 2;
        r = expression(&s, &e);
        if (r == 0)
            r = part(NULL, 0, &e, userdata);
        expression_clear(&e);
    }
    return r;
}

bool template_is(const char *text)
{
    return text && strstr(text, "{{");
}

/* ---- checking at load ---- */

struct checking {
    const json_t *vars;
    unsigned flags;
    struct error *err;
};

/* `prefix`: the root and its dot, where only the name behind it is wrong. */
static int unknown(struct error *err, const char *what, const char *prefix, const char *name,
                   const char *const candidates[])
{
    const char *near = did_you_mean(name, candidates);
    if (!near)
        return error_set(err, -EINVAL, "unknown %s \"%s%s\"", what, prefix, name);
    return error_set(err, -EINVAL, "unknown %s \"%s%s\" (did you mean \"%s%s\"?)", what, prefix, name, prefix, near);
}

static int check_var_name(const struct checking *c, const struct variable *v)
{
    if (!c->vars || json_object_get(c->vars, v->name))
        return 0;
    _cleanup_free_ const char **names = xcalloc(json_object_size(c->vars) + 1, sizeof(char *));
    size_t n = 0;
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)c->vars, key, value)
        names[n++] = key;
    return unknown(c->err, "template variable", "vars.", v->name, names);
}

static int check_variable(const struct checking *c, const struct variable *v)
{
    if (!str_in(v->root, roots))
        return unknown(c->err, "template variable", "", v->root, roots);
    if (str_eq(v->root, "vars"))
        return check_var_name(c, v);
    if (str_eq(v->root, "target") && (c->flags & TEMPLATE_NO_TARGET))
        return error_set(c->err, -EINVAL, "target.%s is not known yet here", v->name);
    if (str_eq(v->root, "target") && !str_in(v->name, target_names))
        return unknown(c->err, "template variable", "target.", v->name, target_names);
    if (str_eq(v->root, "alert") && !str_in(v->name, alert_names))
        return unknown(c->err, "template variable", "alert.", v->name, alert_names);
    if (str_eq(v->root, "run") && !str_in(v->name, run_names))
        return unknown(c->err, "template variable", "run.", v->name, run_names);
    return 0;
}

static int check_filter(const struct checking *c, const struct filter *f)
{
    size_t i = 0;
    while (i < ARRAY_SIZE(filters) && !str_eq(filters[i].name, f->name))
        i++;
    if (i == ARRAY_SIZE(filters))
        return unknown(c->err, "filter", "", f->name, filter_names);
    if (f->n_args != filters[i].n_args)
        return error_set(c->err, -EINVAL, "filter \"%s\" takes %zu arguments, here are %zu", f->name, filters[i].n_args,
                         f->n_args);
    for (size_t k = 0; k < f->n_args; k++) {
        const struct argument *a = &f->args[k];
        if (i == 0 && (c->flags & TEMPLATE_NO_LITERAL_DEFAULT) && (a->literal || !str_eq(a->var.root, "vars")))
            return error_set(
                c->err, -EINVAL,
                "a target may fall back to vars only (default: vars.name), never to a literal or another label");
        if (!a->literal && check_variable(c, &a->var) < 0)
            return -EINVAL;
    }
    return 0;
}

static int check_part(const char *literal _unused_, size_t len _unused_, const struct expression *e, void *userdata)
{
    const struct checking *c = userdata;
    int r = e ? check_variable(c, &e->var) : 0;
    for (size_t i = 0; e && r == 0 && i < e->n_filters; i++)
        r = check_filter(c, &e->filters[i]);
    return r;
}

int template_check(const char *text, const json_t *vars, unsigned flags, struct error *err)
{
    struct checking c = {.vars = vars, .flags = flags, .err = err};
    return each_part(text, check_part, &c, err);
}

/* ---- expanding ---- */

struct expanding {
    const struct template_vars *vars;
    bool (*ok)(const char *value); /* NULL: any */
    template_put put;              /* NULL: as it is */
    struct strbuf out;
    struct error *err;
};

static const json_t *root_of(const struct template_vars *v, const char *root)
{
    const json_t *const values[] = {v->labels, v->annotations, v->target, v->vars, v->alert, v->run};
    for (size_t i = 0; roots[i]; i++)
        if (str_eq(root, roots[i]))
            return values[i];
    return NULL;
}

/* Missing is empty text; numbers and booleans are written as JSON writes them. */
static char *value_of(const struct template_vars *v, const struct variable *var)
{
    const json_t *value = json_object_get(root_of(v, var->root), var->name);
    if (json_is_string(value))
        return xstrdup(json_string_value(value));
    if (json_is_integer(value) || json_is_real(value) || json_is_boolean(value))
        return json_compact(value);
    return xstrdup("");
}

static void change_case(char *s, int (*change)(int))
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x80)
            *s = (char)change((unsigned char)*s);
}

static void trim(char *s)
{
    size_t len = strlen(s);
    while (len && isspace((unsigned char)s[len - 1]))
        s[--len] = '\0';
    const size_t lead = strspn(s, " \t\r\n\v\f");
    memmove(s, s + lead, len - (lead < len ? lead : len) + 1);
}

static char *replace_all(const char *s, const char *from, const char *to)
{
    struct strbuf b = {.max = TEMPLATE_MAX + 1};
    const size_t n = strlen(from);
    while (n && *s) {
        const char *at = strstr(s, from);
        if (!at)
            break;
        strbuf_add(&b, s, (size_t)(at - s));
        strbuf_puts(&b, to);
        s = at + n;
    }
    strbuf_puts(&b, s);
    return strbuf_take(&b);
}

static void apply(const struct template_vars *v, const struct filter *f, char **value)
{
    char *args[MAX_ARGS] = {0};
    for (size_t i = 0; i < f->n_args; i++)
        args[i] = f->args[i].literal ? xstrdup(f->args[i].literal) : value_of(v, &f->args[i].var);
    if (str_eq(f->name, "default") && !**value) {
        str_replace(value, args[0]);
    } else if (str_eq(f->name, "replace")) {
        char *replaced = replace_all(*value, args[0], args[1]);
        free(*value);
        *value = replaced;
    } else if (str_eq(f->name, "lower")) {
        change_case(*value, tolower);
    } else if (str_eq(f->name, "upper")) {
        change_case(*value, toupper);
    } else if (str_eq(f->name, "trim")) {
        trim(*value);
    }
    for (size_t i = 0; i < f->n_args; i++)
        free(args[i]);
}

/* Whether nothing of the alert is in what the expression yields. */
static bool is_own(const struct expression *e)
{
    bool own = str_eq(e->var.root, "vars");
    for (size_t i = 0; i < e->n_filters; i++)
        for (size_t k = 0; k < e->filters[i].n_args; k++)
            own = own && (e->filters[i].args[k].literal || str_eq(e->filters[i].args[k].var.root, "vars"));
    return own;
}

static int expand_part(const char *literal, size_t len, const struct expression *e, void *userdata)
{
    struct expanding *x = userdata;
    /* templates come checked from the loader; what does not is refused here, not trusted */
    struct checking checking = {.err = x->err};
    int r = check_part(literal, len, e, &checking);
    if (r < 0)
        return r;
    if (!e) {
        strbuf_add(&x->out, literal, len);
    } else {
        _cleanup_free_ char *value = value_of(x->vars, &e->var);
        for (size_t i = 0; i < e->n_filters; i++)
            apply(x->vars, &e->filters[i], &value);
        if (x->ok && !x->ok(value))
            return error_set(x->err, -EINVAL, "%s.%s is \"%.64s\", which is no value for a label selector", e->var.root,
                             e->var.name, value);
        if (!x->put)
            strbuf_puts(&x->out, value);
        else if ((r = x->put(&x->out, value, is_own(e), x->err)) < 0)
            return error_prefix(x->err, "%s.%s", e->var.root, e->var.name);
    }
    if (x->out.truncated || x->out.len > TEMPLATE_MAX)
        return error_set(x->err, -E2BIG, "a template yields more than %d bytes", TEMPLATE_MAX);
    return 0;
}

int template_expand(const char *text, const struct template_vars *v, char **ret, struct error *err)
{
    struct expanding x = {.vars = v, .out = {.max = TEMPLATE_MAX + 1}, .err = err};
    int r = each_part(text, expand_part, &x, err);
    if (r == 0)
        *ret = strbuf_take(&x.out);
    strbuf_free(&x.out);
    return r;
}

int template_expand_into(const char *text, const struct template_vars *v, template_put put, char **ret,
                         struct error *err)
{
    struct expanding x = {.vars = v, .put = put, .out = {.max = TEMPLATE_MAX + 1}, .err = err};
    int r = each_part(text, expand_part, &x, err);
    if (r == 0)
        *ret = strbuf_take(&x.out);
    strbuf_free(&x.out);
    return r;
}

int template_check_values(const char *text, const struct template_vars *v, bool (*ok)(const char *value),
                          struct error *err)
{
    struct expanding x = {.vars = v, .ok = ok, .out = {.max = TEMPLATE_MAX + 1}, .err = err};
    int r = each_part(text, expand_part, &x, err);
    strbuf_free(&x.out);
    return r;
}

/* ---- looking ---- */

struct looking {
    void (*found)(const char *root, const char *name, void *ud);
    void *userdata;
};

static int look_part(const char *literal _unused_, size_t len _unused_, const struct expression *e, void *userdata)
{
    const struct looking *l = userdata;
    if (!e)
        return 0;
    l->found(e->var.root, e->var.name, l->userdata);
    for (size_t i = 0; i < e->n_filters; i++)
        for (size_t k = 0; k < e->filters[i].n_args; k++)
            if (!e->filters[i].args[k].literal)
                l->found(e->filters[i].args[k].var.root, e->filters[i].args[k].var.name, l->userdata);
    return 0;
}

void template_each_variable(const char *text, void (*found)(const char *root, const char *name, void *ud), void *ud)
{
    struct looking l = {.found = found, .userdata = ud};
    each_part(text, look_part, &l, NULL);
}
