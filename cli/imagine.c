#include "imagine.h"

#include "base/alloc.h"
#include "base/text.h"
#include "core/kinds.h"

#include <ctype.h>
#include <string.h>

#define POD_HASH "7d4b9c8f6d"

static const struct kind *kind_of(const char *plural)
{
    static const char *const kinds[] = {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet",
                                        "Pod",        "Namespace",   "Node",      "Job"};
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (str_eq(kind_known(kinds[i])->plural, plural))
            return kind_known(kinds[i]);
    return NULL;
}

static json_t *metadata_new(const struct kind *k, const char *namespace, const char *name, const char *app)
{
    _cleanup_free_ char *uid =
        xasprintf("imagined-%s-%s-%s", k->plural, k->namespaced && namespace ? namespace : "", name);
    json_t *m = json_pack("{s:s, s:s, s:s, s:i, s:s}", "name", name, "uid", uid, "resourceVersion", "1", "generation",
                          1, "creationTimestamp", "2000-01-01T00:00:00Z");
    if (k->namespaced)
        json_set_text(m, "namespace", namespace);
    if (app)
        json_object_set_new(m, "labels", json_pack("{s:s, s:s}", "app", app, "pod-template-hash", POD_HASH));
    return m;
}

static json_t *object_new(const struct kind *k, json_t *metadata_taken)
{
    json_t *o = json_object();
    _cleanup_free_ char *version = k->group[0] ? xasprintf("%s/%s", k->group, k->version) : xstrdup(k->version);
    json_set_text(o, "apiVersion", version);
    json_set_text(o, "kind", k->kind);
    json_object_set_new(o, "metadata", metadata_taken);
    return o;
}

static void set_owner(json_t *object, const char *kind, const char *namespace, const char *name)
{
    const struct kind *k = kind_known(kind);
    _cleanup_free_ char *uid = xasprintf("imagined-%s-%s-%s", k->plural, namespace ? namespace : "", name);
    json_object_set_new(json_object_get(object, "metadata"), "ownerReferences",
                        json_pack("[{s:s, s:s, s:s, s:s, s:b}]", "apiVersion", "apps/v1", "kind", kind, "name", name,
                                  "uid", uid, "controller", 1));
}

static void set_revision(json_t *object, const char *revision)
{
    json_object_set_new(json_object_get(object, "metadata"), "annotations",
                        json_pack("{s:s}", "deployment.kubernetes.io/revision", revision));
}

static json_t *template_new(const char *app)
{
    return json_pack("{s:{s:{s:s}}, s:{s:[{s:s, s:s}]}}", "metadata", "labels", "app", app, "spec", "containers",
                     "name", "app", "image", "imagined");
}

static json_t *workload_new(const struct kind *k, const char *namespace, const char *name, const char *app)
{
    json_t *o = object_new(k, metadata_new(k, namespace, name, app));
    json_object_set_new(o, "spec",
                        json_pack("{s:i, s:{s:{s:s}}, s:o}", "replicas", 2, "selector", "matchLabels", "app", app,
                                  "template", template_new(app)));
    json_object_set_new(o, "status",
                        json_pack("{s:i, s:i, s:i, s:i, s:i}", "observedGeneration", 1, "replicas", 2, "readyReplicas",
                                  1, "updatedReplicas", 2, "availableReplicas", 1));
    return o;
}

/* Where the last "-part" of a name begins, if it looks as `is` wants; else 0. */
static size_t last_part(const char *name, size_t len, size_t least, size_t most, int (*is)(int c))
{
    size_t at = len;
    while (at > 0 && name[at - 1] != '-')
        at--;
    if (at < 2 || len - at < least || len - at > most)
        return 0;
    for (size_t i = at; i < len; i++)
        if (!is((unsigned char)name[i]))
            return 0;
    return at - 1;
}

static json_t *replicaset_new(const char *namespace, const char *name, const char *revision)
{
    const size_t base = last_part(name, strlen(name), 6, 11, isalnum);
    _cleanup_free_ char *deployment = xstrndup(name, base ? base : strlen(name));
    json_t *o = workload_new(kind_known("ReplicaSet"), namespace, name, deployment);
    set_revision(o, revision);
    if (base)
        set_owner(o, "Deployment", namespace, deployment);
    return o;
}

static json_t *pod_new(const char *namespace, const char *name)
{
    const struct kind *k = kind_known("Pod");
    const size_t len = strlen(name), ordinal = last_part(name, len, 1, 4, isdigit),
                 random = last_part(name, len, 5, 5, isalnum),
                 set = random ? last_part(name, random, 6, 11, isalnum) : 0;
    const char *kind = ordinal ? "StatefulSet" : set ? "ReplicaSet" : random ? "DaemonSet" : NULL;
    const size_t owner = ordinal ? ordinal : random;
    _cleanup_free_ char *controller = xstrndup(name, owner ? owner : len);
    _cleanup_free_ char *app = xstrndup(name, set ? set : owner ? owner : len);
    json_t *o = object_new(k, metadata_new(k, namespace, name, app));
    json_object_set_new(o, "spec", json_pack("{s:[{s:s, s:s}]}", "containers", "name", "app", "image", "imagined"));
    json_object_set_new(o, "status",
                        json_pack("{s:s, s:[{s:s, s:s}], s:[{s:s, s:b, s:i}]}", "phase", "Running", "conditions",
                                  "type", "Ready", "status", "False", "containerStatuses", "name", "app", "ready", 0,
                                  "restartCount", 3));
    if (kind)
        set_owner(o, kind, namespace, controller);
    return o;
}

json_t *imagine_object_new(const char *plural, const char *namespace, const char *name)
{
    const struct kind *k = kind_of(plural);
    if (!k)
        return NULL;
    if (str_eq(k->kind, "Pod"))
        return pod_new(namespace, name);
    if (str_eq(k->kind, "ReplicaSet"))
        return replicaset_new(namespace, name, "2");
    if (!k->namespaced)
        return object_new(k, metadata_new(k, NULL, name, NULL));
    json_t *o = workload_new(k, namespace, name, name);
    set_revision(o, "2");
    return o;
}

json_t *imagine_items_new(const char *plural, const char *namespace, const char *label_selector)
{
    json_t *items = json_array();
    const char *value = label_selector ? strchr(label_selector, '=') : NULL;
    _cleanup_free_ char *app = value ? xstrndup(value + 1, strcspn(value + 1, ", ")) : NULL;
    if (!app || !is_dns1123_label(app))
        return items;
    _cleanup_free_ char *old = xasprintf("%s-5f6b7c8d9f", app), *new = xasprintf("%s-" POD_HASH, app);
    _cleanup_free_ char *pod = xasprintf("%s-imagn", new);
    if (str_eq(plural, "pods"))
        json_array_append_new(items, pod_new(namespace, pod));
    if (str_eq(plural, "replicasets")) {
        json_array_append_new(items, replicaset_new(namespace, old, "1"));
        json_array_append_new(items, replicaset_new(namespace, new, "2"));
    }
    if (str_eq(plural, "deployments"))
        json_array_append_new(items, imagine_object_new(plural, namespace, app));
    return items;
}
