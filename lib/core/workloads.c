#include "core/workloads.h"

#include "base/alloc.h"
#include "base/text.h"
#include "core/pods.h"

#include <errno.h>
#include <stdlib.h>

void workloads_clear(struct workloads *w)
{
    for (size_t i = 0; i < w->n; i++) {
        free(w->items[i].namespace);
        free(w->items[i].name);
        free(w->items[i].path);
        free(w->items[i].label);
    }
    free(w->items);
    *w = (struct workloads){0};
}

char *kube_what(const char *verb, const struct kind *k, const char *namespace, const char *name)
{
    struct strbuf b = STRBUF_INIT;
    strbuf_printf(&b, "%s %s%s%s", verb, k->plural, *k->group ? "." : "", k->group);
    if (name)
        strbuf_printf(&b, " \"%s\"", name);
    if (namespace)
        strbuf_printf(&b, " in %s", namespace);
    return strbuf_take(&b);
}

const char *target_namespace(const struct target *t)
{
    if (t->namespace)
        return t->namespace;
    return t->n_owners ? t->owners[0].namespace : NULL;
}

int read_kube(struct asks *asks, const char *cluster, const char *path, const char *what, const json_t **ret_body,
              struct error *err)
{
    const json_t *answer = ask_kube(asks, cluster, path);
    if (!answer)
        return -EAGAIN;
    int r = answer_error(answer, what, err);
    if (r < 0)
        return r;
    const json_t *body = answer_body(answer);
    if (!json_is_object(body))
        return error_set(err, -EIO, "%s: the answer is no object", what);
    *ret_body = body;
    return 0;
}

int list_kube(struct asks *asks, const char *cluster, const struct kind *k, const char *namespace, const char *selector,
              const json_t **ret_list, struct error *err)
{
    _cleanup_free_ char *path = kube_path(k, k->namespaced ? namespace : NULL, NULL, NULL);
    _cleanup_free_ char *what = kube_what("LIST", k, namespace, NULL);
    if (selector)
        kube_path_query(&path, "labelSelector", selector);
    return read_kube(asks, cluster, path, what, ret_list, err);
}

/* A step may name another namespace than the target's, where its parameters have one. */
static const char *query_namespace(const struct workloads_query *q)
{
    const char *said = json_text(q->with, "namespace");
    return str_empty(said) ? target_namespace(q->target) : said;
}

static int check_kind(const struct workloads_query *q, const char *kind, const char *name, struct error *err)
{
    if (!q->kinds || str_in(kind, q->kinds))
        return 0;
    struct strbuf b = STRBUF_INIT;
    for (const char *const *k = q->kinds; *k; k++)
        strbuf_printf(&b, "%s%s", b.len == 0 ? "" : k[1] ? ", " : " or ", *k);
    _cleanup_free_ char *kinds = strbuf_take(&b);
    return error_set(err, -EINVAL, "%s %s is not a %s", kind, name ? name : "(by selector)", kinds);
}

static struct workload *add(struct workloads *w, const struct kind *k, const char *namespace, const char *name)
{
    w->items = xreallocarray(w->items, w->n + 1, sizeof(*w->items));
    struct workload *x = &w->items[w->n++];
    *x = (struct workload){.kind = *k, .name = xstrdup(name)};
    x->namespace = k->namespaced ? xstrdup(namespace) : NULL;
    x->path = kube_path(k, x->namespace, name, NULL);
    x->label = x->namespace ? xasprintf("%s %s/%s", k->kind, x->namespace, name) : xasprintf("%s %s", k->kind, name);
    return x;
}

static int add_named(const struct workloads_query *q, const char *api_version, const char *kind, const char *namespace,
                     const char *name, struct workloads *w, struct error *err)
{
    struct kind k;
    int r = check_kind(q, kind, name, err);
    if (r == 0)
        r = kind_find(q->asks, q->cluster, api_version, kind, &k, err);
    if (r < 0)
        return r;
    if (k.namespaced && str_empty(namespace))
        return error_set(err, -EINVAL, "%s %s is in a namespace, and the target names none", kind, name);
    struct workload *x = add(w, &k, namespace, name);
    if (!q->look)
        return 0;
    _cleanup_free_ char *what = kube_what("GET", &k, x->namespace, name);
    return read_kube(q->asks, q->cluster, x->path, what, &x->object, err);
}

static int add_selected(const struct workloads_query *q, const char *kind, const char *selector, struct workloads *w,
                        struct error *err)
{
    struct kind k;
    int r = check_kind(q, kind, NULL, err);
    if (r == 0)
        r = kind_find(q->asks, q->cluster, json_text(q->with, "apiVersion"), kind, &k, err);
    if (r < 0)
        return r;
    const char *namespace = query_namespace(q);
    if (k.namespaced && str_empty(namespace))
        return error_set(err, -EINVAL, "a %s is in a namespace, and the target names none", kind);
    const json_t *list = NULL;
    r = list_kube(q->asks, q->cluster, &k, namespace, selector, &list, err);
    if (r < 0)
        return r;
    _cleanup_json_ json_t *items = items_by_name_new(list);
    size_t i;
    json_t *item;
    json_array_foreach (items, i, item)
        add(w, &k, namespace, object_name(item))->object = item; /* the asks hold it too */
    if (w->n == 0)
        return error_set(err, -ENOENT, "no %s in %s matches \"%s\"", kind, namespace ? namespace : "the cluster",
                         selector);
    return 0;
}

/* All are asked for in the same round: the first -EAGAIN does not stop the others. */
static int add_owners(const struct workloads_query *q, struct workloads *w, struct error *err)
{
    const char *only = json_text(q->with, "kind");
    bool again = false;
    for (size_t i = 0; i < q->target->n_owners; i++) {
        const struct object_ref *o = &q->target->owners[i];
        if (only && !str_eq(only, o->kind))
            continue;
        int r = add_named(q, o->api_version, o->kind, o->namespace, o->name, w, err);
        if (r < 0 && r != -EAGAIN)
            return r;
        again = again || r == -EAGAIN;
    }
    if (again)
        return -EAGAIN;
    if (w->n == 0)
        return error_set(err, -EINVAL, "the target has no %s: name one", only ? only : "owner");
    return 0;
}

int workloads_find(const struct workloads_query *q, struct workloads *ret, struct error *err)
{
    struct workloads w = {0};
    const char *name = json_text(q->with, "name"), *selector = json_text(q->with, "selector");
    const char *kind = json_text(q->with, "kind");
    if (!kind) /* a name beside a target that is a pod means a workload of its owner's kind */
        kind = str_eq(q->target->kind, "Pod") && q->target->n_owners ? q->target->owners[0].kind : q->target->kind;
    int r;
    if ((name || selector) && !kind)
        r = error_set(err, -EINVAL, "kind is missing: the target names none");
    else if (name)
        r = add_named(q, json_text(q->with, "apiVersion"), kind, query_namespace(q), name, &w, err);
    else if (selector)
        r = add_selected(q, kind, selector, &w, err);
    else
        r = add_owners(q, &w, err);
    if (r < 0) {
        workloads_clear(&w);
        return r;
    }
    *ret = w;
    return 0;
}

/* ---- pods ---- */

static int one_pod(struct asks *asks, const char *cluster, const char *namespace, const char *name, json_t **ret,
                   struct error *err)
{
    const json_t *pod = NULL;
    _cleanup_free_ char *path = kube_path(&kind_pod, namespace, name, NULL);
    _cleanup_free_ char *what = kube_what("GET", &kind_pod, namespace, name);
    int r = read_kube(asks, cluster, path, what, &pod, err);
    if (r < 0)
        return r;
    *ret = json_pack("[O]", pod);
    return 0;
}

static int selected_pods(struct asks *asks, const char *cluster, const char *namespace, const char *selector,
                         json_t **ret, struct error *err)
{
    const json_t *list = NULL;
    int r = list_kube(asks, cluster, &kind_pod, namespace, selector, &list, err);
    if (r < 0)
        return r;
    *ret = items_by_name_new(list);
    return 0;
}

/* The selector of each owner is read from the owner: what it selects is what it would replace. */
static int owners_pods(struct asks *asks, const char *cluster, const struct target *target, json_t **ret,
                       struct error *err)
{
    _cleanup_workloads_ struct workloads w = {0};
    const struct workloads_query q = {.asks = asks, .cluster = cluster, .target = target, .look = true};
    int r = workloads_find(&q, &w, err);
    if (r < 0)
        return r;
    _cleanup_json_ json_t *pods = json_array();
    bool again = false;
    for (size_t i = 0; i < w.n; i++) {
        if (str_eq(w.items[i].kind.kind, "Pod")) {
            json_array_append(pods, (json_t *)w.items[i].object);
            continue;
        }
        _cleanup_free_ char *selector = selector_text(json_path(w.items[i].object, "spec", "selector", NULL));
        if (!selector)
            return error_set(err, -EINVAL, "%s has no selector: say which pods are meant", w.items[i].label);
        _cleanup_json_ json_t *some = NULL;
        r = selected_pods(asks, cluster, w.items[i].namespace, selector, &some, err);
        if (r < 0 && r != -EAGAIN)
            return r;
        again = again || r == -EAGAIN;
        if (some)
            json_array_extend(pods, some);
    }
    if (again)
        return -EAGAIN;
    *ret = TAKE_PTR(pods);
    return 0;
}

int pods_find(struct asks *asks, const char *cluster, const struct target *target, const json_t *with, json_t **ret,
              struct error *err)
{
    const char *said = json_text(with, "namespace"), *name = json_text(with, "name");
    const char *namespace = str_empty(said) ? target_namespace(target) : said, *selector = json_text(with, "selector");
    if (str_empty(namespace))
        return error_set(err, -EINVAL, "pods are in a namespace, and the target names none");
    if (name)
        return one_pod(asks, cluster, namespace, name, ret, err);
    if (!selector && target->n_owners <= 1)
        selector = target->selector;
    if (selector)
        return selected_pods(asks, cluster, namespace, selector, ret, err);
    return owners_pods(asks, cluster, target, ret, err);
}
