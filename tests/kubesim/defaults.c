/* What a real API server adds to an object that leaves it out. */
#include "sim.h"

#include "base/alloc.h"
#include "base/text.h"

#include <string.h>
#include <sys/random.h>

static void set_text(json_t *o, const char *key, const char *value)
{
    if (!json_object_get(o, key))
        json_object_set_new(o, key, json_string(value));
}

static void set_int(json_t *o, const char *key, json_int_t value)
{
    if (!json_object_get(o, key))
        json_object_set_new(o, key, json_integer(value));
}

static void set_empty(json_t *o, const char *key)
{
    if (!json_object_get(o, key))
        json_object_set_new(o, key, json_object());
}

static json_t *map_of(json_t *o, const char *key)
{
    if (!json_is_object(json_object_get(o, key)))
        json_object_set_new(o, key, json_object());
    return json_object_get(o, key);
}

static void default_container(json_t *c)
{
    const char *image = json_text_or(c, "image", "");
    const char *slash = strrchr(image, '/'), *colon = strrchr(slash ? slash : image, ':');
    bool latest = !strchr(image, '@') && (!colon || str_eq(colon, ":latest"));
    set_empty(c, "resources");
    set_text(c, "terminationMessagePath", "/dev/termination-log");
    set_text(c, "terminationMessagePolicy", "File");
    set_text(c, "imagePullPolicy", latest ? "Always" : "IfNotPresent");
    size_t i;
    json_t *port;
    json_array_foreach (json_object_get(c, "ports"), i, port)
        set_text(port, "protocol", "TCP");
}

static void default_pod_spec(json_t *spec)
{
    static const char *const lists[] = {"containers", "initContainers"};
    for (size_t l = 0; l < ARRAY_SIZE(lists); l++) {
        size_t i;
        json_t *c;
        json_array_foreach (json_object_get(spec, lists[l]), i, c)
            default_container(c);
    }
    set_text(spec, "restartPolicy", "Always");
    set_int(spec, "terminationGracePeriodSeconds", 30);
    set_text(spec, "dnsPolicy", "ClusterFirst");
    set_empty(spec, "securityContext");
    set_text(spec, "schedulerName", "default-scheduler");
}

void default_pod_template(json_t *spec)
{
    json_t *template = map_of(spec, "template"), *meta = map_of(template, "metadata");
    json_object_set_new(meta, "creationTimestamp", json_null());
    default_pod_spec(map_of(template, "spec"));
}

static json_t *toleration(const char *key)
{
    return json_pack("{s:s, s:s, s:s, s:i}", "key", key, "operator", "Exists", "effect", "NoExecute",
                     "tolerationSeconds", 300);
}

/* Guaranteed where every container's limits equal its requests; Burstable where any are set; else BestEffort. */
static const char *qos_class(const json_t *spec)
{
    bool any = false, all = true;
    size_t i;
    json_t *c;
    json_array_foreach (json_object_get(spec, "containers"), i, c) {
        const json_t *limits = json_path(c, "resources", "limits", NULL);
        const json_t *requests = json_path(c, "resources", "requests", NULL);
        any = any || json_object_size(limits) || json_object_size(requests);
        all = all && json_object_size(limits) >= 2 && requests && json_equal(limits, requests);
    }
    return !any ? "BestEffort" : all ? "Guaranteed" : "Burstable";
}

static void default_pod(json_t *o)
{
    json_t *spec = map_of(o, "spec");
    default_pod_spec(spec);
    if (!json_object_get(spec, "tolerations"))
        json_object_set_new(spec, "tolerations",
                            json_pack("[o, o]", toleration("node.kubernetes.io/not-ready"),
                                      toleration("node.kubernetes.io/unreachable")));
    set_int(spec, "priority", 0);
    if (!json_object_get(spec, "enableServiceLinks"))
        json_object_set_new(spec, "enableServiceLinks", json_true());
    set_text(spec, "preemptionPolicy", "PreemptLowerPriority");
    size_t i;
    json_t *c;
    json_array_foreach (json_object_get(spec, "containers"), i, c) { /* a limit without a request is its own request */
        json_t *resources = json_object_get(c, "resources");
        if (json_object_get(resources, "limits") && !json_object_get(resources, "requests"))
            json_object_set_new(resources, "requests", json_deep_copy(json_object_get(resources, "limits")));
    }
    json_t *status = map_of(o, "status");
    set_text(status, "phase", "Pending");
    set_text(status, "qosClass", qos_class(spec));
}

static void default_deployment(json_t *o)
{
    json_t *spec = map_of(o, "spec");
    set_int(spec, "replicas", 1);
    default_pod_template(spec);
    json_t *strategy = map_of(spec, "strategy");
    set_text(strategy, "type", "RollingUpdate");
    if (str_eq(json_text(strategy, "type"), "RollingUpdate")) {
        json_t *rolling = map_of(strategy, "rollingUpdate");
        set_text(rolling, "maxUnavailable", "25%");
        set_text(rolling, "maxSurge", "25%");
    }
    set_int(spec, "revisionHistoryLimit", 10);
    set_int(spec, "progressDeadlineSeconds", 600);
    map_of(o, "status");
}

static void default_replicaset(json_t *o)
{
    json_t *spec = map_of(o, "spec");
    set_int(spec, "replicas", 1);
    default_pod_template(spec);
    set_int(map_of(o, "status"), "replicas", 0);
}

static void default_statefulset(json_t *o)
{
    json_t *spec = map_of(o, "spec");
    set_int(spec, "replicas", 1);
    default_pod_template(spec);
    set_text(spec, "serviceName", "");
    set_text(spec, "podManagementPolicy", "OrderedReady");
    json_t *strategy = map_of(spec, "updateStrategy");
    set_text(strategy, "type", "RollingUpdate");
    if (str_eq(json_text(strategy, "type"), "RollingUpdate"))
        set_int(map_of(strategy, "rollingUpdate"), "partition", 0);
    set_int(spec, "revisionHistoryLimit", 10);
    set_int(map_of(o, "status"), "replicas", 0);
}

static void default_daemonset(json_t *o)
{
    json_t *spec = map_of(o, "spec");
    default_pod_template(spec);
    json_t *strategy = map_of(spec, "updateStrategy");
    set_text(strategy, "type", "RollingUpdate");
    if (str_eq(json_text(strategy, "type"), "RollingUpdate"))
        set_int(map_of(strategy, "rollingUpdate"), "maxUnavailable", 1);
    set_int(spec, "revisionHistoryLimit", 10);
    json_t *status = map_of(o, "status");
    set_int(status, "currentNumberScheduled", 0);
    set_int(status, "numberMisscheduled", 0);
    set_int(status, "desiredNumberScheduled", 0);
    set_int(status, "numberReady", 0);
    set_text(map_of(map_of(o, "metadata"), "annotations"), "deprecated.daemonset.template.generation", "1");
}

static void default_job(json_t *o)
{
    json_t *spec = map_of(o, "spec"), *meta = map_of(o, "metadata");
    const char *uid = json_text(meta, "uid");
    set_int(spec, "parallelism", 1);
    set_int(spec, "completions", 1);
    set_int(spec, "backoffLimit", 6);
    default_pod_template(spec);
    map_of(o, "status");
    if (!uid || json_object_get(spec, "selector"))
        return;
    json_object_set_new(spec, "selector", json_pack("{s:{s:s}}", "matchLabels", "controller-uid", uid));
    json_t *maps[] = {map_of(json_path(spec, "template", "metadata", NULL), "labels")};
    if (!json_object_get(meta, "labels")) /* from the template's, as the real server has it */
        json_object_set_new(meta, "labels", json_object());
    for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
        json_object_set_new(maps[i], "controller-uid", json_string(uid));
        json_object_set_new(maps[i], "job-name", json_string(json_text_or(meta, "name", "")));
    }
    json_object_update_missing(json_object_get(meta, "labels"), maps[0]);
}

static void default_cronjob(json_t *o)
{
    json_t *spec = map_of(o, "spec"), *job = json_path(spec, "jobTemplate", "spec", NULL);
    set_text(spec, "concurrencyPolicy", "Allow");
    if (!json_object_get(spec, "suspend"))
        json_object_set_new(spec, "suspend", json_false());
    set_int(spec, "successfulJobsHistoryLimit", 3);
    set_int(spec, "failedJobsHistoryLimit", 1);
    if (json_is_object(job))
        default_pod_template(job);
    json_t *meta = map_of(map_of(spec, "jobTemplate"), "metadata");
    json_object_set_new(meta, "creationTimestamp", json_null());
    map_of(o, "status");
}

static void default_service(json_t *o)
{
    json_t *spec = map_of(o, "spec"), *port;
    set_text(spec, "type", "ClusterIP");
    set_text(spec, "sessionAffinity", "None");
    if (!json_object_get(spec, "clusterIP")) {
        unsigned char r[2] = {1, 1};
        if (getrandom(r, sizeof(r), GRND_NONBLOCK) < 0)
            r[0] = 2;
        _cleanup_free_ char *ip = xasprintf("10.96.%u.%u", r[0], r[1]);
        json_object_set_new(spec, "clusterIP", json_string(ip));
    }
    if (!json_object_get(spec, "clusterIPs"))
        json_object_set_new(spec, "clusterIPs", json_pack("[O]", json_object_get(spec, "clusterIP")));
    size_t i;
    json_array_foreach (json_object_get(spec, "ports"), i, port) {
        set_text(port, "protocol", "TCP");
        if (!json_object_get(port, "targetPort"))
            json_object_set_new(port, "targetPort", json_deep_copy(json_object_get(port, "port")));
    }
    set_empty(map_of(o, "status"), "loadBalancer");
}

static void default_pdb(json_t *o)
{
    json_t *status = map_of(o, "status");
    set_int(status, "disruptionsAllowed", 0);
    set_int(status, "currentHealthy", 0);
    set_int(status, "desiredHealthy", 0);
    set_int(status, "expectedPods", 0);
}

static void default_namespace(json_t *o)
{
    json_t *spec = map_of(o, "spec");
    if (!json_object_get(spec, "finalizers"))
        json_object_set_new(spec, "finalizers", json_pack("[s]", "kubernetes"));
    set_text(map_of(o, "status"), "phase", "Active");
}

/* Empty lists, empty maps of texts and nulls are not kept by a typed server. */
static void prune(json_t *value)
{
    static const char *const maps[] = {"annotations", "labels", "nodeSelector", "matchLabels", NULL};
    const char *key;
    json_t *v;
    size_t i;
    void *next;
    json_array_foreach (value, i, v)
        prune(v);
    json_object_foreach_safe (value, next, key, v) {
        const bool empty = (json_is_array(v) || (json_is_object(v) && str_in(key, maps))) && !json_array_size(v) &&
                           !json_object_size(v);
        if (empty || (json_is_null(v) && !str_eq(key, "creationTimestamp")))
            json_object_del(value, key);
        else
            prune(v);
    }
}

void set_defaults(const struct sim *sim, const struct kind *kind, json_t *o)
{
    (void)sim;
    prune(json_object_get(o, "spec"));
    static void (*const by_kind[KIND_COUNT])(json_t *) = {
        [KIND_POD] = default_pod,
        [KIND_DEPLOYMENT] = default_deployment,
        [KIND_REPLICASET] = default_replicaset,
        [KIND_STATEFULSET] = default_statefulset,
        [KIND_DAEMONSET] = default_daemonset,
        [KIND_JOB] = default_job,
        [KIND_CRONJOB] = default_cronjob,
        [KIND_SERVICE] = default_service,
        [KIND_PDB] = default_pdb,
        [KIND_NAMESPACE] = default_namespace,
    };
    if (by_kind[kind->id])
        by_kind[kind->id](o);
    if (kind->id == KIND_SECRET)
        set_text(o, "type", "Opaque");
    if (kind->id == KIND_SECRET || kind->id == KIND_CONFIGMAP)
        default_data(kind, o);
    if (kind->id == KIND_HPA) {
        json_t *spec = map_of(o, "spec"), *status = map_of(o, "status");
        set_int(spec, "minReplicas", 1);
        set_int(spec, "targetCPUUtilizationPercentage", 80);
        set_int(status, "currentReplicas", 0);
        set_int(status, "desiredReplicas", 0);
    }
    if (kind->id == KIND_STORAGECLASS) {
        set_text(o, "reclaimPolicy", "Delete");
        set_text(o, "volumeBindingMode", "Immediate");
    }
    if (kind->id == KIND_PVC) {
        set_text(map_of(o, "spec"), "volumeMode", "Filesystem");
        set_text(map_of(o, "status"), "phase", "Pending");
    }
    if (kind->id == KIND_NODE && !json_bool_or(map_of(o, "spec"), "unschedulable", true)) /* false is left out */
        json_object_del(json_object_get(o, "spec"), "unschedulable");
    if (kind->id == KIND_EVENT && !json_object_get(o, "eventTime"))
        json_object_set_new(o, "eventTime", json_null());
}
