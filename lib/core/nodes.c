#include "core/nodes.h"

#include "base/alloc.h"
#include "base/text.h"
#include "core/workloads.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const struct kind kind_node = {"Node", "", "v1", "nodes", false};

bool node_is_ready(const json_t *node)
{
    size_t i;
    json_t *c;
    json_array_foreach (json_path(node, "status", "conditions", NULL), i, c) {
        if (str_eq(json_text(c, "type"), "Ready"))
            return str_eq(json_text(c, "status"), "True");
    }
    return false;
}

bool node_is_cordoned(const json_t *node)
{
    return json_is_true(json_path(node, "spec", "unschedulable", NULL));
}

bool node_is_control_plane(const json_t *node)
{
    const json_t *labels = json_path(node, "metadata", "labels", NULL);
    return json_object_get(labels, "node-role.kubernetes.io/control-plane") ||
           json_object_get(labels, "node-role.kubernetes.io/master");
}

bool pod_is_of_daemonset(const json_t *pod)
{
    return str_eq(json_text(object_controller(pod), "kind"), "DaemonSet");
}

bool pod_has_empty_dir(const json_t *pod)
{
    size_t i;
    json_t *v;
    json_array_foreach (json_path(pod, "spec", "volumes", NULL), i, v) {
        if (json_object_get(v, "emptyDir"))
            return true;
    }
    return false;
}

bool pod_stays_on_node(const json_t *pod)
{
    return pod_is_mirror(pod) || pod_is_finished(pod) || pod_has_failed(pod) || pod_is_of_daemonset(pod);
}

static const char *namespace_of(const json_t *pod)
{
    const char *s = json_path_text(pod, "metadata", "namespace", NULL);
    return s ? s : "";
}

char *pod_label(const json_t *pod)
{
    return xasprintf("%s/%s", namespace_of(pod), object_name(pod));
}

static int compare_pods(const void *a, const void *b)
{
    const json_t *const *x = a, *const *y = b;
    int k = strcmp(namespace_of(*x), namespace_of(*y));
    return k ? k : strcmp(object_name(*x), object_name(*y));
}

/* The server was asked for this node's pods only; nothing is built on its having understood that. */
static json_t *pods_of_new(const json_t *list, const char *node)
{
    const json_t *items = json_object_get(list, "items");
    const json_t **sorted = xcalloc(json_array_size(items) + 1, sizeof(*sorted));
    size_t i, n = 0;
    json_t *pod, *out = json_array();
    json_array_foreach (items, i, pod) {
        if (str_eq(json_path_text(pod, "spec", "nodeName", NULL), node))
            sorted[n++] = pod;
    }
    qsort(sorted, n, sizeof(*sorted), compare_pods);
    for (i = 0; i < n; i++)
        json_array_append(out, (json_t *)sorted[i]);
    free(sorted);
    return out;
}

int node_pods_find(struct asks *asks, const char *cluster, const char *node, json_t **ret, struct error *err)
{
    const json_t *list = NULL;
    _cleanup_free_ char *path = kube_path(&kind_pod, NULL, NULL, NULL);
    _cleanup_free_ char *field = xasprintf("spec.nodeName=%s", node);
    kube_path_query(&path, "fieldSelector", field);
    int r = read_kube(asks, cluster, path, "LIST pods of all namespaces", &list, err);
    if (r < 0)
        return r;
    *ret = pods_of_new(list, node);
    return 0;
}
