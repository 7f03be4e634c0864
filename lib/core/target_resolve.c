/* From a playbook's target spec and an alert to the workloads that are meant.
 *
 * The function is run again from its beginning until every question is answered; the answers stay in the asks, so that
 * what is read here serves the first step too. Rules: semantics.md, "Which playbook" and "Guards". */
#include "base/alloc.h"
#include "base/text.h"
#include "core/params.h"
#include "core/playbook.h"
#include "core/pods.h"
#include "core/target.h"
#include "core/workloads.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 8 };

struct resolving {
    const struct target_spec *spec;
    const struct template_vars *vars;
    struct asks *asks;
    int max_pods;
    struct kind kind;
    struct target *t;
    struct error *err;
    bool again; /* a question is open; the others are asked in the same round all the same */
};

/* ---- the texts ---- */

struct exporter_trap {
    const json_t *labels;
    char *label; /* the label that names the exporter */
};

/* A scraped label that collides with the scrape's own comes as exported_X: X then names the exporter, not the sick
 * object. */
static void look_for_exporter(const char *root, const char *name, void *userdata)
{
    struct exporter_trap *trap = userdata;
    char exported[300];
    if (trap->label || !str_eq(root, "labels") || strlen(name) > 200)
        return;
    snprintf(exported, sizeof(exported), "exported_%s", name);
    const char *own = json_text(trap->labels, name), *other = json_text(trap->labels, exported);
    if (own && other && !str_eq(own, other))
        trap->label = xstrdup(name);
}

static int refuse_exporter(const struct resolving *r)
{
    const char *const texts[] = {r->spec->namespace, r->spec->name, r->spec->selector};
    struct exporter_trap trap = {.labels = r->vars->labels};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        if (texts[i])
            template_each_variable(texts[i], look_for_exporter, &trap);
    if (!trap.label)
        return 0;
    error_set(
        r->err, -ENOENT,
        "labels.%s names the exporter, the sick object is in labels.exported_%s: use that one in the playbook's target",
        trap.label, trap.label);
    free(trap.label);
    return -ENOENT;
}

static int expand(const struct resolving *r, const char *what, const char *template, char **ret)
{
    *ret = NULL;
    if (!template)
        return 0;
    int k = template_expand(template, r->vars, ret, r->err);
    if (k < 0) {
        error_prefix(r->err, "the target's %s", what);
        return -ENOENT;
    }
    if (!**ret)
        return error_set(r->err, -ENOENT, "the target's %s comes out empty: the alert has no value for %s", what,
                         template);
    return 0;
}

/* Each value by itself: "a,tier=x" would add terms of its own, an empty one would match what has no such label. */
static int expand_selector(const struct resolving *r)
{
    int k = expand(r, "selector", r->spec->selector, &r->t->selector);
    if (k == 0 && r->spec->selector)
        k = template_check_values(r->spec->selector, r->vars, selector_value_ok, r->err);
    if (k == 0 && r->t->selector)
        k = selector_check(r->t->selector, r->err);
    if (k == -EINVAL)
        error_prefix(r->err, "the target's selector");
    return k < 0 ? -ENOENT : 0;
}

static int expand_all(const struct resolving *r, const char *default_cluster)
{
    struct target *t = r->t;
    int k = expand(r, "cluster", r->spec->cluster, &t->cluster);
    if (k == 0)
        k = expand(r, "kind", r->spec->kind, &t->kind);
    if (k == 0)
        k = expand(r, "namespace", r->spec->namespace, &t->namespace);
    if (k == 0)
        k = expand(r, "name", r->spec->name, &t->name);
    if (k == 0)
        k = expand_selector(r);
    if (k == 0 && !t->cluster)
        t->cluster = xstrdup(default_cluster);
    return k;
}

/* What a label said becomes part of a path only after this. */
static int check_names(const struct resolving *r)
{
    const struct target *t = r->t;
    if (t->namespace && !is_dns1123_label(t->namespace))
        return error_set(r->err, -ENOENT, "the target's namespace \"%.80s\" is no name of a namespace", t->namespace);
    if (t->name && !is_dns1123_subdomain(t->name))
        return error_set(r->err, -ENOENT, "the target's name \"%.80s\" is no name of an object", t->name);
    if (!t->name && !t->selector)
        return error_set(r->err, -ENOENT, "the target has neither a name nor a selector");
    if (t->selector && strlen(t->selector) > 1024)
        return error_set(r->err, -ENOENT, "the target's selector is longer than 1024 bytes");
    if (str_eq(t->kind, "Pod") && t->name && str_eq(json_text(r->vars->labels, "container"), "kube-state-metrics"))
        return error_set(r->err, -ENOENT, "labels.pod names the exporter (kube-state-metrics) itself, not a sick pod");
    return 0;
}

/* ---- owners ---- */

static const struct object_ref *find_owner(const struct target *t, const char *kind, const char *namespace,
                                           const char *name)
{
    for (size_t i = 0; i < t->n_owners; i++)
        if (str_eq(t->owners[i].kind, kind) && str_eq(t->owners[i].namespace, namespace) &&
            str_eq(t->owners[i].name, name))
            return &t->owners[i];
    return NULL;
}

static void add_owner(struct target *t, const struct kind *k, const json_t *object)
{
    const char *name = object_name(object), *namespace = json_path_text(object, "metadata", "namespace", NULL);
    if (find_owner(t, k->kind, namespace, name))
        return;
    t->owners = xreallocarray(t->owners, t->n_owners + 1, sizeof(*t->owners));
    t->owners[t->n_owners++] = (struct object_ref){
        .api_version = k->group[0] ? xasprintf("%s/%s", k->group, k->version) : xstrdup(k->version),
        .kind = xstrdup(k->kind),
        .namespace = k->namespaced ? xstrdup(namespace) : NULL,
        .name = xstrdup(name),
        .uid = xstrdup(object_uid(object)),
    };
}

/* One step up. 1: *kind and *object are the controller; 0: there is none that mendd knows; -EAGAIN; other errors. */
static int controller_of(struct resolving *r, struct kind *kind, const json_t **object)
{
    const json_t *ref = object_controller(*object);
    const char *name = json_text(ref, "name"), *of_kind = json_text(ref, "kind");
    const char *namespace = json_path_text(*object, "metadata", "namespace", NULL);
    if (!ref || !is_dns1123_subdomain(name))
        return 0;
    const struct kind *known = kind_known(of_kind);
    struct kind up;
    if (!known && !str_eq(of_kind, "CronJob")) {
        if (!r->t->custom_owner)
            r->t->custom_owner =
                xasprintf("%s %s%s%s", of_kind, namespace ? namespace : "", namespace ? "/" : "", name);
        return 0;
    }
    int k = kind_find(r->asks, r->t->cluster, NULL, of_kind, &up, r->err);
    if (k < 0)
        return k;
    _cleanup_free_ char *path = kube_path(&up, namespace, name, NULL);
    _cleanup_free_ char *what = kube_what("GET", &up, namespace, name);
    const json_t *body = NULL;
    k = read_kube(r->asks, r->t->cluster, path, what, &body, r->err);
    if (k == -ENOENT || (k == 0 && !str_eq(object_uid(body), json_text(ref, "uid")))) {
        error_clear(r->err); /* its controller is gone: it stands for itself */
        return 0;
    }
    if (k < 0)
        return k;
    *kind = up;
    *object = body;
    return 1;
}

static int walk_up(struct resolving *r, struct kind kind, const json_t *object)
{
    for (int depth = 0; depth < MAX_DEPTH; depth++) {
        int k = controller_of(r, &kind, &object);
        if (k == -EAGAIN)
            r->again = true;
        if (k < 0)
            return k == -EAGAIN ? 0 : k;
        if (k == 0)
            break;
    }
    add_owner(r->t, &kind, object);
    return 0;
}

/* The selector of the pods that belong to the owner: what the checks and pods.delete look at. */
static void keep_selector(struct resolving *r)
{
    struct target *t = r->t;
    if (t->selector || t->n_owners != 1)
        return;
    const struct object_ref *o = &t->owners[0];
    const struct kind *k = kind_known(o->kind);
    if (!k)
        return;
    _cleanup_free_ char *path = kube_path(k, o->namespace, o->name, NULL);
    const json_t *body = answer_body(ask_kube(r->asks, t->cluster, path));
    t->selector = selector_text(json_path(body, "spec", "selector", NULL));
}

/* ---- by name, by selector ---- */

static int by_name(struct resolving *r)
{
    _cleanup_free_ char *path = kube_path(&r->kind, r->t->namespace, r->t->name, NULL);
    _cleanup_free_ char *what = kube_what("GET", &r->kind, r->t->namespace, r->t->name);
    const json_t *body = NULL;
    int k = read_kube(r->asks, r->t->cluster, path, what, &body, r->err);
    if (k == -ENOENT) {
        _cleanup_free_ char *described = target_describe(r->t);
        return error_set(r->err, -ENOENT, "there is no %s", described);
    }
    return k < 0 ? k : walk_up(r, r->kind, body);
}

static int compare_owners(const void *a, const void *b)
{
    const struct object_ref *x = a, *y = b;
    int k = strcmp(x->name, y->name);
    return k ? k : strcmp(x->kind, y->kind);
}

static int by_selector(struct resolving *r)
{
    const json_t *list = NULL;
    int k = list_kube(r->asks, r->t->cluster, &r->kind, r->t->namespace, r->t->selector, &list, r->err);
    if (k < 0)
        return k;
    const json_t *items = json_object_get(list, "items");
    const size_t n = json_array_size(items);
    if (n == 0)
        return error_set(r->err, -ENOENT, "no %s%s%s matches the selector %s", r->kind.kind,
                         r->t->namespace ? " in " : "", r->t->namespace ? r->t->namespace : "", r->t->selector);
    if (str_eq(r->kind.kind, "Pod") && r->max_pods > 0 && n > (size_t)r->max_pods)
        return error_set(r->err, -E2BIG, "the selector %s matches %zu %s, limits.pods allows %d", r->t->selector, n,
                         r->kind.plural, r->max_pods);
    size_t i;
    json_t *item;
    json_array_foreach (items, i, item)
        if ((k = walk_up(r, r->kind, item)) < 0)
            return k;
    qsort(r->t->owners, r->t->n_owners, sizeof(*r->t->owners), compare_owners);
    return 0;
}

static int resolve(struct resolving *r, const char *default_cluster)
{
    int k = refuse_exporter(r);
    if (k == 0)
        k = expand_all(r, default_cluster);
    if (k == 0)
        k = check_names(r);
    if (k == 0)
        k = kind_find(r->asks, r->t->cluster, r->spec->api_version, r->t->kind, &r->kind, r->err);
    if (k == -EINVAL)
        k = -ENOENT;
    if (k < 0)
        return k;
    if (r->kind.namespaced && !r->t->namespace)
        return error_set(r->err, -ENOENT, "a %s is in a namespace, and the target names none", r->kind.kind);
    k = r->t->name ? by_name(r) : by_selector(r);
    if (k == 0 && r->again)
        return -EAGAIN;
    if (k == 0)
        keep_selector(r);
    return k;
}

int target_resolve(const struct target_spec *spec, const char *default_cluster, const struct template_vars *v,
                   int max_pods, struct asks *asks, struct target *ret, struct error *err)
{
    struct target t = {0};
    _cleanup_error_ struct error own = ERROR_NONE;
    struct resolving r = {.spec = spec, .vars = v, .asks = asks, .max_pods = max_pods, .t = &t, .err = &own};
    int k = resolve(&r, default_cluster);
    if (k < 0) {
        target_clear(&t);
        if (k != -EAGAIN)
            error_move(err, &own);
        return k == -EBUSY || k == -EINVAL ? -EIO : k;
    }
    *ret = t;
    return 0;
}
