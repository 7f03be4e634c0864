#include "kinds.h"

#include "base/alloc.h"
#include "base/text.h"

#include <string.h>

#define WORKLOAD (KIND_HAS_STATUS | KIND_HAS_SCALE | KIND_HAS_GENERATION)

const struct kind kinds[] = {
    {KIND_NAMESPACE, "", "v1", "namespaces", "Namespace", "ns", false, KIND_HAS_STATUS | KIND_RETURNS_DELETED},
    {KIND_NODE, "", "v1", "nodes", "Node", "no", false, KIND_HAS_STATUS},
    {KIND_POD, "", "v1", "pods", "Pod", "po", true, KIND_HAS_STATUS | KIND_RETURNS_DELETED},
    {KIND_SERVICE, "", "v1", "services", "Service", "svc", true, KIND_HAS_STATUS},
    {KIND_ENDPOINTS, "", "v1", "endpoints", "Endpoints", "ep", true, 0},
    {KIND_CONFIGMAP, "", "v1", "configmaps", "ConfigMap", "cm", true, 0},
    {KIND_SECRET, "", "v1", "secrets", "Secret", NULL, true, 0},
    {KIND_EVENT, "", "v1", "events", "Event", "ev", true, 0},
    {KIND_PVC, "", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", "pvc", true,
     KIND_HAS_STATUS | KIND_RETURNS_DELETED},
    {KIND_SERVICEACCOUNT, "", "v1", "serviceaccounts", "ServiceAccount", "sa", true, KIND_RETURNS_DELETED},
    {KIND_REPLICASET, "apps", "v1", "replicasets", "ReplicaSet", "rs", true, WORKLOAD},
    {KIND_DEPLOYMENT, "apps", "v1", "deployments", "Deployment", "deploy", true, WORKLOAD | KIND_ANNOTATION_GENERATION},
    {KIND_STATEFULSET, "apps", "v1", "statefulsets", "StatefulSet", "sts", true, WORKLOAD},
    {KIND_DAEMONSET, "apps", "v1", "daemonsets", "DaemonSet", "ds", true, KIND_HAS_STATUS | KIND_HAS_GENERATION},
    {KIND_CONTROLLERREVISION, "apps", "v1", "controllerrevisions", "ControllerRevision", NULL, true, 0},
    {KIND_HPA, "autoscaling", "v1", "horizontalpodautoscalers", "HorizontalPodAutoscaler", "hpa", true,
     KIND_HAS_STATUS},
    {KIND_JOB, "batch", "v1", "jobs", "Job", NULL, true, KIND_HAS_STATUS},
    {KIND_CRONJOB, "batch", "v1", "cronjobs", "CronJob", "cj", true, KIND_HAS_STATUS},
    {KIND_CRONJOB, "batch", "v1beta1", "cronjobs", "CronJob", "cj", true, KIND_HAS_STATUS},
    {KIND_PDB, "policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", "pdb", true,
     KIND_HAS_STATUS | KIND_HAS_GENERATION},
    {KIND_PDB, "policy", "v1beta1", "poddisruptionbudgets", "PodDisruptionBudget", "pdb", true,
     KIND_HAS_STATUS | KIND_HAS_GENERATION},
    {KIND_LEASE, "coordination.k8s.io", "v1", "leases", "Lease", NULL, true, 0},
    {KIND_NETWORKPOLICY, "networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", "netpol", true,
     KIND_HAS_GENERATION},
    {KIND_STORAGECLASS, "storage.k8s.io", "v1", "storageclasses", "StorageClass", "sc", false, KIND_RETURNS_DELETED},
};
const size_t kinds_count = ARRAY_SIZE(kinds);

const struct kind *kind_find(const char *group, const char *version, const char *plural)
{
    for (size_t i = 0; i < kinds_count; i++)
        if (str_eq(kinds[i].group, group) && str_eq(kinds[i].version, version) && str_eq(kinds[i].plural, plural))
            return &kinds[i];
    return NULL;
}

const struct kind *kind_of(const char *api_version, const char *kind)
{
    for (size_t i = 0; i < kinds_count; i++) {
        _cleanup_free_ char *own = kind_api_version(&kinds[i]);
        if (str_eq(own, api_version) && str_eq(kinds[i].kind, kind))
            return &kinds[i];
    }
    return NULL;
}

const struct kind *kind_row(enum kind_id id)
{
    const struct kind *k = kinds;
    while (k->id != id)
        k++;
    return k;
}

char *kind_api_version(const struct kind *kind)
{
    return *kind->group ? xasprintf("%s/%s", kind->group, kind->version) : xstrdup(kind->version);
}

char *kind_qualified(const struct kind *kind)
{
    return *kind->group ? xasprintf("%s.%s", kind->plural, kind->group) : xstrdup(kind->plural);
}

bool kind_group_served(const char *group)
{
    for (size_t i = 0; i < kinds_count; i++)
        if (str_eq(kinds[i].group, group))
            return true;
    return false;
}

bool kind_version_served(const char *group, const char *version)
{
    for (size_t i = 0; i < kinds_count; i++)
        if (str_eq(kinds[i].group, group) && str_eq(kinds[i].version, version))
            return true;
    return false;
}

json_t *discovery_api(void)
{
    return json_pack("{s:s, s:[s], s:[{s:s, s:s}]}", "kind", "APIVersions", "versions", "v1",
                     "serverAddressByClientCIDRs", "clientCIDR", "0.0.0.0/0", "serverAddress", "127.0.0.1");
}

/* A group with its versions in the table's order, the first one preferred. */
static json_t *group_entry(const char *group)
{
    json_t *versions = json_array();
    const char *last = NULL;
    for (size_t i = 0; i < kinds_count; i++) {
        if (!str_eq(kinds[i].group, group) || str_eq(kinds[i].version, last))
            continue;
        bool known = false;
        size_t at;
        json_t *entry;
        json_array_foreach (versions, at, entry)
            known = known || str_eq(json_string_value(json_object_get(entry, "version")), kinds[i].version);
        last = kinds[i].version;
        if (known)
            continue;
        _cleanup_free_ char *api_version = kind_api_version(&kinds[i]);
        json_array_append_new(versions, json_pack("{s:s, s:s}", "groupVersion", api_version, "version", last));
    }
    json_t *preferred = json_deep_copy(json_array_get(versions, 0));
    return json_pack("{s:s, s:o, s:o}", "name", group, "versions", versions, "preferredVersion", preferred);
}

json_t *discovery_groups(void)
{
    json_t *groups = json_array();
    for (size_t i = 0; i < kinds_count; i++) {
        bool known = !*kinds[i].group;
        for (size_t j = 0; j < i; j++)
            known = known || str_eq(kinds[i].group, kinds[j].group);
        if (!known)
            json_array_append_new(groups, group_entry(kinds[i].group));
    }
    return json_pack("{s:s, s:s, s:o}", "kind", "APIGroupList", "apiVersion", "v1", "groups", groups);
}

json_t *discovery_group(const char *group)
{
    if (!*group || !kind_group_served(group))
        return NULL;
    json_t *entry = group_entry(group);
    json_object_set_new(entry, "kind", json_string("APIGroup"));
    json_object_set_new(entry, "apiVersion", json_string("v1"));
    return entry;
}

static void add_resource(json_t *list, const struct kind *k, const char *sub, const char *kind, const char *verbs)
{
    _cleanup_free_ char *name = sub ? xasprintf("%s/%s", k->plural, sub) : xstrdup(k->plural);
    json_t *names = json_array();
    _cleanup_free_ char *copy = xstrdup(verbs);
    for (char *save, *verb = strtok_r(copy, " ", &save); verb; verb = strtok_r(NULL, " ", &save))
        json_array_append_new(names, json_string(verb));
    json_t *entry = json_pack("{s:s, s:s, s:b, s:s, s:o}", "name", name, "singularName", "", "namespaced",
                              k->namespaced, "kind", kind, "verbs", names);
    if (!sub && k->short_name)
        json_object_set_new(entry, "shortNames", json_pack("[s]", k->short_name));
    json_array_append_new(list, entry);
}

static void add_scale(json_t *list, const struct kind *k)
{
    add_resource(list, k, "scale", "Scale", "get patch update");
    json_t *entry = json_array_get(list, json_array_size(list) - 1);
    json_object_set_new(entry, "group", json_string("autoscaling"));
    json_object_set_new(entry, "version", json_string("v1"));
}

/* The version of pods/eviction is what a client learns the eviction's own version from. */
static void add_eviction(json_t *list, const struct kind *k)
{
    add_resource(list, k, "eviction", "Eviction", "create");
    json_t *entry = json_array_get(list, json_array_size(list) - 1);
    json_object_set_new(entry, "group", json_string("policy"));
    json_object_set_new(entry, "version", json_string("v1beta1"));
}

json_t *discovery_resources(const char *group, const char *version)
{
    if (!kind_version_served(group, version))
        return NULL;
    json_t *list = json_array();
    char *group_version = NULL;
    for (size_t i = 0; i < kinds_count; i++) {
        const struct kind *k = &kinds[i];
        if (!str_eq(k->group, group) || !str_eq(k->version, version))
            continue;
        if (!group_version)
            group_version = kind_api_version(k);
        add_resource(list, k, NULL, k->kind, "create delete deletecollection get list patch update watch");
        if (k->flags & KIND_HAS_STATUS)
            add_resource(list, k, "status", k->kind, "get patch update");
        if (k->flags & KIND_HAS_SCALE)
            add_scale(list, k);
        if (k->id == KIND_POD) {
            add_resource(list, k, "log", "Pod", "get");
            add_resource(list, k, "binding", "Binding", "create");
            add_resource(list, k, "exec", "PodExecOptions", "create get");
            add_eviction(list, k);
        }
    }
    json_t *body = json_pack("{s:s, s:s, s:s, s:o}", "kind", "APIResourceList", "apiVersion", "v1", "groupVersion",
                             group_version, "resources", list);
    free(group_version);
    return body;
}
