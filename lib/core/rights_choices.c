/* What a template may come to, as far as the playbook says: a label that its matchers tie to a few values is one of
 * those, a var is what the configuration says, target.x is what the target's own template may come to. Anything else an
 * alert brings: any. */
#include "base/alloc.h"
#include "base/text.h"
#include "core/playbook.h"
#include "core/rights_internal.h"

#include <string.h>

enum { CHOICES_MAX = 64, VARIABLES_MAX = 8, DEPTH_MAX = 3 };

void choices_clear(struct choices *c)
{
    for (size_t i = 0; i < c->n; i++)
        free(c->texts[i]);
    free(c->texts);
    *c = (struct choices){0};
}

bool choices_add(struct choices *c, const char *text)
{
    for (size_t i = 0; i < c->n; i++)
        if (str_eq(c->texts[i], text))
            return false;
    c->texts = xreallocarray(c->texts, c->n + 1, sizeof(*c->texts));
    c->texts[c->n++] = xstrdup(text);
    return true;
}

/* ---- labels ---- */

/* "a|b|c\.d" without any other syntax, maybe in one pair of brackets. false: it is something else. */
static bool split_alternation(const char *regex, struct choices *ret)
{
    _cleanup_free_ char *text = xstrdup(regex);
    size_t n = strlen(text);
    char *at = text;
    if (n >= 2 && *text == '(' && text[n - 1] == ')') {
        text[n - 1] = '\0';
        at += str_starts(text, "(?:") ? 3 : 1;
    }
    struct strbuf one = STRBUF_INIT;
    for (;; at++) {
        if (*at == '|' || *at == '\0') {
            choices_add(ret, strbuf_str(&one));
            strbuf_reset(&one);
            if (*at == '\0')
                break;
            continue;
        }
        if (*at == '\\' && at[1] == '.')
            at++;
        else if (strchr("\\.^$*+?()[]{}", *at))
            break;
        strbuf_putc(&one, *at);
    }
    strbuf_free(&one);
    return *at == '\0';
}

static bool candidates(const struct playbook *p, const char *label, struct choices *ret)
{
    for (size_t i = 0; i < p->n_matchers; i++) {
        const struct matcher *m = p->matchers[i];
        if (!str_eq(matcher_label(m), label))
            continue;
        if (matcher_operator(m) == MATCH_EQUAL) {
            choices_add(ret, matcher_value(m));
            return true;
        }
        if (matcher_operator(m) == MATCH_REGEX && split_alternation(matcher_value(m), ret))
            return true;
        choices_clear(ret);
    }
    return false;
}

static bool all_match(const struct playbook *p, const char *label, const char *value)
{
    _cleanup_json_ json_t *labels = json_object();
    json_set_text(labels, label, value);
    for (size_t i = 0; i < p->n_matchers; i++)
        if (str_eq(matcher_label(p->matchers[i]), label) && matcher_matches(p->matchers[i], labels) != 1)
            return false;
    return true;
}

struct choices choices_of_label(const struct playbook *p, const char *label)
{
    _cleanup_choices_ struct choices some = {0};
    struct choices left = {0};
    if (!candidates(p, label, &some) || some.n > CHOICES_MAX)
        return (struct choices){.any = true};
    for (size_t i = 0; i < some.n; i++)
        if (all_match(p, label, some.texts[i]))
            choices_add(&left, some.texts[i]);
    return left;
}

/* ---- templates ---- */

struct variable {
    char *root, *name;
    struct choices values;
};

struct variables {
    const struct playbook *playbook;
    struct variable items[VARIABLES_MAX];
    size_t n;
    int depth;
    bool any;
};

static struct choices expand(const struct playbook *p, const char *template, int depth);

static struct choices of_target(const struct variables *v, const char *name)
{
    const struct target_spec *t = &v->playbook->target;
    const struct {
        const char *name, *template;
    } fields[] = {{"namespace", t->namespace}, {"name", t->name}, {"kind", t->kind}, {"cluster", t->cluster}};
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        if (str_eq(fields[i].name, name) && fields[i].template && v->depth < DEPTH_MAX)
            return expand(v->playbook, fields[i].template, v->depth + 1);
    return (struct choices){.any = true};
}

static void add_variable(const char *root, const char *name, void *userdata)
{
    struct variables *v = userdata;
    if (v->any || str_eq(root, "vars"))
        return;
    for (size_t i = 0; i < v->n; i++)
        if (str_eq(v->items[i].root, root) && str_eq(v->items[i].name, name))
            return;
    struct choices values = str_eq(root, "labels")   ? choices_of_label(v->playbook, name)
                            : str_eq(root, "target") ? of_target(v, name)
                                                     : (struct choices){.any = true};
    if (values.any || v->n == VARIABLES_MAX) {
        choices_clear(&values);
        v->any = true;
        return;
    }
    v->items[v->n++] = (struct variable){xstrdup(root), xstrdup(name), values};
}

/* The text for one choice of each variable; empty results name nothing and are refused at run time. */
static void expand_one(const struct variables *v, const char *template, const size_t *at, struct choices *ret)
{
    _cleanup_json_ json_t *labels = json_object(), *target = json_object();
    for (size_t i = 0; i < v->n; i++)
        json_set_text(str_eq(v->items[i].root, "labels") ? labels : target, v->items[i].name,
                      v->items[i].values.texts[at[i]]);
    const struct template_vars vars = {.labels = labels, .target = target, .vars = v->playbook->vars};
    _cleanup_free_ char *text = NULL;
    if (template_expand(template, &vars, &text, NULL) == 0 && !str_empty(text))
        choices_add(ret, text);
}

static struct choices expand_each(const struct variables *v, const char *template)
{
    struct choices out = {0};
    size_t at[VARIABLES_MAX] = {0}, total = 1;
    for (size_t i = 0; i < v->n; i++) {
        total *= v->items[i].values.n;
        if (total > CHOICES_MAX)
            return (struct choices){.any = true};
    }
    for (size_t k = 0; k < total; k++) {
        size_t rest = k;
        for (size_t i = 0; i < v->n; i++) {
            at[i] = rest % v->items[i].values.n;
            rest /= v->items[i].values.n;
        }
        expand_one(v, template, at, &out);
    }
    return out;
}

static struct choices expand(const struct playbook *p, const char *template, int depth)
{
    struct variables v = {.playbook = p, .depth = depth};
    template_each_variable(template, add_variable, &v);
    struct choices out = v.any ? (struct choices){.any = true} : expand_each(&v, template);
    for (size_t i = 0; i < v.n; i++) {
        free(v.items[i].root);
        free(v.items[i].name);
        choices_clear(&v.items[i].values);
    }
    return out;
}

struct choices rights_choices(const struct rights_in *in, const char *template)
{
    return template ? expand(in->playbook, template, 0) : (struct choices){.any = true};
}

struct choices rights_param(const struct rights_in *in, const char *param)
{
    return rights_choices(in, json_text(in->with, param));
}

struct choices rights_param_or_target(const struct rights_in *in, const char *param)
{
    return rights_has(in, param) ? rights_param(in, param) : rights_choices(in, in->playbook->target.name);
}

bool rights_target_is_named(const struct rights_in *in)
{
    return in->playbook->target.name != NULL;
}

struct choices rights_namespaces(const struct rights_in *in)
{
    const char *said = json_text(in->with, "namespace");
    said = said ? said : in->playbook->target.namespace;
    return said ? rights_choices(in, said) : (struct choices){0}; /* such a step is refused: it needs nothing */
}

bool rights_target_is(const struct rights_in *in, const char *kind)
{
    _cleanup_choices_ struct choices kinds = rights_choices(in, in->playbook->target.kind);
    for (size_t i = 0; i < kinds.n; i++)
        if (str_eq(kinds.texts[i], kind))
            return true;
    return false;
}

struct choices rights_target_name(const struct rights_in *in, const char *kind)
{
    return rights_target_is(in, kind) ? rights_choices(in, in->playbook->target.name) : (struct choices){.any = true};
}
