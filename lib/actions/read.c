/* resource.read: objects of any kind as evidence, as `kubectl get -o yaml` shows them: Gateways, routes, database
 * clusters, whatever a custom resource says of itself. It only looks; what cannot be read is evidence too. */
#include "actions/common.h"
#include "base/alloc.h"
#include "base/text.h"

#include <errno.h>
#include <string.h>

enum { OBJECTS_MAX = 20, OBJECT_TEXT_MAX = 8192 };

static void add_text(struct action_plan *plan, const char *name, const char *text, bool missing)
{
    json_t *item = json_object();
    json_set_text(item, "name", name);
    json_set_text(item, "text", text);
    if (missing)
        json_object_set_new(item, "missing", json_true());
    json_array_append_new(plan->evidence, item);
}

/* What nobody reads: who wrote which field, and the whole object once more. */
static json_t *readable_new(const json_t *object)
{
    json_t *copy = json_deep_copy(object);
    json_t *metadata = json_object_get(copy, "metadata"), *annotations = json_object_get(metadata, "annotations");
    json_object_del(metadata, "managedFields");
    json_object_del(metadata, "selfLink");
    json_object_del(annotations, "kubectl.kubernetes.io/last-applied-configuration");
    return copy;
}

static void add_object(const struct kind *k, const json_t *object, struct action_plan *plan)
{
    const char *namespace = json_path_text(object, "metadata", "namespace", NULL);
    _cleanup_free_ char *title =
        xasprintf("%s %s%s%s", k->kind, namespace ? namespace : "", namespace ? "/" : "", object_name(object));
    _cleanup_json_ json_t *copy = readable_new(object);
    _cleanup_free_ char *text = json_dumps(copy, JSON_INDENT(2));
    if (strlen(text) > OBJECT_TEXT_MAX) {
        size_t len = OBJECT_TEXT_MAX;
        while (len && !utf8_valid(text, len))
            len--;
        text[len] = '\0';
    }
    add_text(plan, title, text, false);
}

static void add_objects(const struct kind *k, const json_t *items, const char *title, struct action_plan *plan)
{
    const size_t n = json_array_size(items);
    size_t i;
    json_t *item;
    json_array_foreach ((json_t *)items, i, item)
        if (i < OBJECTS_MAX)
            add_object(k, item, plan);
    if (n == 0)
        add_text(plan, title, "there is none", false);
    if (n > OBJECTS_MAX) {
        _cleanup_free_ char *words = xasprintf("%zu more are left out", n - OBJECTS_MAX);
        add_text(plan, title, words, false);
    }
}

/* All of a kind: those with these labels, or all, in one namespace or in all of them. */
static int read_list(const struct action_in *in, const struct kind *k, const char *namespace, struct action_plan *plan,
                     struct error *err)
{
    const json_t *list = NULL;
    int r = list_kube(in->asks, in->cluster, k, namespace, json_text(in->with, "selector"), &list, err);
    if (r < 0)
        return r;
    _cleanup_json_ json_t *items = items_by_name_new(list);
    _cleanup_free_ char *title = kube_what("LIST", k, namespace, NULL);
    add_objects(k, items, title, plan);
    return 0;
}

static int read_named(const struct action_in *in, const struct kind *k, const char *namespace, const char *name,
                      struct action_plan *plan, struct error *err)
{
    const json_t *object = NULL;
    _cleanup_free_ char *path = kube_path(k, namespace, name, NULL);
    _cleanup_free_ char *what = kube_what("GET", k, namespace, name);
    int r = read_kube(in->asks, in->cluster, path, what, &object, err);
    if (r == 0)
        add_object(k, object, plan);
    return r;
}

static int read_owners(const struct action_in *in, struct action_plan *plan, struct error *err)
{
    _cleanup_workloads_ struct workloads w = {0};
    const struct workloads_query q = {
        .asks = in->asks, .cluster = in->cluster, .target = in->target, .with = in->with, .look = true};
    int r = workloads_find(&q, &w, err);
    for (size_t i = 0; r == 0 && i < w.n && i < OBJECTS_MAX; i++)
        add_object(&w.items[i].kind, w.items[i].object, plan);
    return r;
}

static int read_any(const struct action_in *in, struct action_plan *plan, struct error *err)
{
    const char *kind = json_text(in->with, "kind"), *name = json_text(in->with, "name");
    const bool everywhere = json_bool_or(in->with, "all_namespaces", false);
    const char *namespace = json_text(in->with, "namespace");
    struct kind k;
    if (!kind && !name)
        return read_owners(in, plan, err);
    int r =
        kind_find(in->asks, in->cluster, json_text(in->with, "apiVersion"), kind ? kind : in->target->kind, &k, err);
    if (r < 0)
        return r;
    namespace = everywhere || !k.namespaced ? NULL : str_empty(namespace) ? target_namespace(in->target) : namespace;
    if (k.namespaced && !everywhere && str_empty(namespace))
        return error_set(err, -EINVAL, "a %s is in a namespace: say which, or all_namespaces", k.kind);
    return name ? read_named(in, &k, namespace, name, plan, err) : read_list(in, &k, namespace, plan, err);
}

static int read_plan(const struct action_in *in, struct action_plan *ret, struct error *err _unused_)
{
    _cleanup_error_ struct error why = ERROR_NONE;
    const char *kind = json_text(in->with, "kind");
    _cleanup_free_ char *title = xasprintf("read %s", kind ? kind : "the target");
    struct action_plan plan = {.effects = json_array(), .evidence = json_array()};
    if (str_eq(kind, "Secret") || (!kind && str_eq(in->target->kind, "Secret"))) {
        add_text(&plan, title, "the content of a Secret is never kept", true);
        *ret = plan;
        return 0;
    }
    int r = read_any(in, &plan, &why);
    if (r == -EAGAIN) {
        action_plan_clear(&plan);
        return r;
    }
    if (r < 0) {
        _cleanup_free_ char *text = xasprintf("could not be read: %s", error_message(&why));
        add_text(&plan, title, text, true);
    }
    *ret = plan;
    return 0;
}

static const struct param read_params[] = {
    {"apiVersion", PARAM_TEXT, false, NULL, "group/version of the kind; needed for custom resources only"},
    {"kind", PARAM_KIND, false, NULL, "any kind but Secret; the target by default"},
    {"namespace", PARAM_NAME, false, NULL, "the target's by default"},
    {"name", PARAM_NAME, false, NULL, "one object; all of the kind by default"},
    {"selector", PARAM_SELECTOR, false, NULL, "all of the kind with these labels"},
    {"all_namespaces", PARAM_BOOL, false, NULL, "of the whole cluster (false)"},
    {0},
};

static void read_kind(const struct rights_in *in, const struct rights_what *what)
{
    static const struct choices everywhere = {.any = true};
    struct rights_what all = *what;
    if (str_eq(what->kind, "Secret"))
        return;
    if (json_bool_or(in->with, "all_namespaces", false))
        all.namespaces = &everywhere;
    const bool one = rights_has(in, "name") || !rights_has(in, "kind");
    rights_read(in, &all, one ? "get" : "list");
}

static void read_rights(const struct rights_in *in)
{
    rights_each_kind(in, NULL, read_kind);
}

const struct action action_resource_read = {
    .name = "resource.read",
    .class = ACTION_EVIDENCE,
    .params = read_params,
    .doc = "keeps what objects of any kind say of themselves",
    .plan = read_plan,
    .rights = read_rights,
};
