/* What all controllers share, and the order in which they run. */
#include "sim.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/text.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <sys/random.h>

/* As k8s.io/apimachinery/pkg/util/rand: no vowels, no digits that read as letters. */
static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";

char *random_suffix(char buf[6])
{
    unsigned char r[5];
    if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r))
        memset(r, 0, sizeof(r));
    for (size_t i = 0; i < 5; i++)
        buf[i] = alphabet[r[i] % (sizeof(alphabet) - 1)];
    buf[5] = '\0';
    return buf;
}

void template_hash(const json_t *template, char buf[11])
{
    _cleanup_free_ char *text = json_canonical(template);
    uint64_t hash = fnv1a64(FNV1A64_INIT, text, strlen(text));
    for (size_t i = 0; i < 10; i++, hash /= sizeof(alphabet) - 1)
        buf[i] = alphabet[hash % (sizeof(alphabet) - 1)];
    buf[10] = '\0';
}

void wake_at(struct object *o, int64_t boot_us)
{
    if (o->wake_us == 0 || boot_us < o->wake_us)
        o->wake_us = boot_us;
}

bool object_due(const struct sim *sim, const struct object *o)
{
    return o->version > o->synced || o->touched > o->synced || (o->wake_us && sim->now.boot_us >= o->wake_us);
}

void object_begin(const struct sim *sim, struct object *o)
{
    o->synced = store_version(sim->store);
    o->wake_us = 0;
}

/* The nearest time that any object waits for. */
static int64_t next_wake(struct sim *sim)
{
    static const enum kind_id waiting[] = {KIND_POD, KIND_DEPLOYMENT, KIND_JOB};
    int64_t next_us = 0;
    for (size_t k = 0; k < ARRAY_SIZE(waiting); k++) {
        _cleanup_free_ struct object **all = NULL;
        const size_t n = store_list(sim->store, waiting[k], NULL, &all);
        for (size_t i = 0; i < n; i++)
            if (all[i]->wake_us && (!next_us || all[i]->wake_us < next_us))
                next_us = all[i]->wake_us;
    }
    return next_us;
}

/* Whether any of the kinds changed since *seen. */
static bool changed(const struct sim *sim, const enum kind_id *ids, size_t n, uint64_t *seen)
{
    uint64_t last = 0;
    for (size_t i = 0; i < n; i++)
        if (store_kind_version(sim->store, ids[i]) > last)
            last = store_kind_version(sim->store, ids[i]);
    const bool news = last != *seen;
    *seen = last;
    return news;
}

void patch_status(struct sim *sim, struct object *o, json_t *status)
{
    if (json_equal(status, json_object_get(o->json, "status"))) {
        json_decref(status);
        return;
    }
    json_t *next = json_deep_copy(o->json);
    json_object_set_new(next, "status", status);
    store_replace(sim->store, o, next);
}

bool pod_is_ready(const struct object *pod)
{
    size_t i;
    json_t *condition;
    json_array_foreach (json_path(pod->json, "status", "conditions", NULL), i, condition)
        if (str_eq(json_text(condition, "type"), "Ready"))
            return str_eq(json_text(condition, "status"), "True");
    return false;
}

bool pod_is_active(const struct object *pod)
{
    const char *phase = json_path_text(pod->json, "status", "phase", NULL);
    return !pod->removed && !str_eq(phase, "Succeeded") && !str_eq(phase, "Failed") &&
           !json_path(pod->json, "metadata", "deletionTimestamp", NULL);
}

json_t *owner_reference(const struct object *owner)
{
    _cleanup_free_ char *api_version = kind_api_version(owner->kind);
    return json_pack("{s:s, s:s, s:s, s:s, s:b, s:b}", "apiVersion", api_version, "kind", owner->kind->kind, "name",
                     owner->name, "uid", owner->uid, "controller", 1, "blockOwnerDeletion", 1);
}

struct object *create_pod(struct sim *sim, const struct object *owner, const json_t *template, const char *name,
                          const char *prefix)
{
    char suffix[6], buf[TIME_TEXT_MAX];
    json_t *pod = json_pack("{s:s, s:s, s:{}}", "kind", "Pod", "apiVersion", "v1", "metadata");
    json_t *meta = json_object_get(pod, "metadata"), *from = json_object_get(template, "metadata");
    _cleanup_free_ char *own = name ? xstrdup(name) : xasprintf("%s%s", prefix, random_suffix(suffix));
    json_set_text(meta, "name", own);
    if (!name)
        json_set_text(meta, "generateName", prefix);
    json_set_text(meta, "namespace", owner->ns);
    json_set_text(meta, "creationTimestamp", time_format_seconds(sim->now.wall_us, buf));
    if (json_object_get(from, "labels"))
        json_object_set_new(meta, "labels", json_deep_copy(json_object_get(from, "labels")));
    if (json_object_size(json_object_get(from, "annotations")))
        json_object_set_new(meta, "annotations", json_deep_copy(json_object_get(from, "annotations")));
    json_object_set_new(meta, "ownerReferences", json_pack("[o]", owner_reference(owner)));
    json_object_set_new(pod, "spec", json_deep_copy(json_object_get(template, "spec")));
    set_defaults(sim, kind_row(KIND_POD), pod);
    if (store_get(sim->store, KIND_POD, owner->ns, own)) {
        json_decref(pod);
        return NULL;
    }
    return store_insert(sim->store, kind_row(KIND_POD), pod);
}

int64_t int_or_percent(const json_t *value, int64_t total, bool round_up, int64_t otherwise)
{
    if (json_is_integer(value))
        return json_integer_value(value);
    const char *s = json_string_value(value);
    if (!s)
        return otherwise;
    const double share = (double)strtol(s, NULL, 10) * (double)total / 100.0;
    return (int64_t)(strchr(s, '%') ? (round_up ? ceil(share) : floor(share)) : (double)strtol(s, NULL, 10));
}

static const char *component_of(const struct object *about)
{
    switch (about->kind->id) {
    case KIND_DEPLOYMENT:
        return "deployment-controller";
    case KIND_REPLICASET:
        return "replicaset-controller";
    case KIND_POD:
        return "kubelet";
    default:
        return "kubesim";
    }
}

void emit_event(struct sim *sim, const struct object *about, const char *type, const char *reason, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    _cleanup_free_ char *message = xvasprintf(fmt, args);
    va_end(args);
    static unsigned long long counter;
    _cleanup_free_ char *name =
        xasprintf("%s.%016llx", about->name, (unsigned long long)sim->now.wall_us * 4096 + counter++ % 4096);
    _cleanup_free_ char *api_version = kind_api_version(about->kind);
    char now[TIME_TEXT_MAX];
    time_format_seconds(sim->now.wall_us, now);
    json_t *event = json_pack(
        "{s:s, s:s, s:{s:s, s:s, s:s}, s:{s:s, s:s, s:s, s:s, s:s, s:o}, s:s, s:s, s:{s:s}, s:s, s:s, s:i, s:s, s:n, "
        "s:s, s:s}",
        "kind", "Event", "apiVersion", "v1", "metadata", "name", name, "namespace", about->ns, "creationTimestamp", now,
        "involvedObject", "kind", about->kind->kind, "namespace", about->ns, "name", about->name, "uid", about->uid,
        "apiVersion", api_version, "resourceVersion",
        json_deep_copy(json_path(about->json, "metadata", "resourceVersion", NULL)), "reason", reason, "message",
        message, "source", "component", component_of(about), "firstTimestamp", now, "lastTimestamp", now, "count", 1,
        "type", type, "eventTime", "reportingComponent", "", "reportingInstance", "");
    if (event)
        store_insert(sim->store, kind_row(KIND_EVENT), event);
}

/* One pass: from the owners down to the pods, then back up to what is counted from pods. Another pass follows at once
 * as long as something changes (the loop sees that the store's version moved). */
void controllers_tick(struct sim *sim)
{
    const bool due = sim->wake_us && sim->now.boot_us >= sim->wake_us;
    if (!due && store_version(sim->store) == sim->seen_version)
        return;
    sim->seen_version = store_version(sim->store);
    collect_garbage(sim);
    deployments_tick(sim);
    statefulsets_tick(sim);
    daemonsets_tick(sim);
    jobs_tick(sim);
    replicasets_tick(sim);
    claims_tick(sim);
    pods_tick(sim);
    static const enum kind_id for_endpoints[] = {KIND_POD, KIND_SERVICE, KIND_ENDPOINTS};
    static const enum kind_id for_budgets[] = {KIND_POD, KIND_PDB, KIND_REPLICASET};
    if (changed(sim, for_endpoints, ARRAY_SIZE(for_endpoints), &sim->seen_endpoints))
        endpoints_tick(sim);
    if (changed(sim, for_budgets, ARRAY_SIZE(for_budgets), &sim->seen_budgets))
        disruption_tick(sim);
    sim->wake_us = next_wake(sim);
    store_reap(sim->store);
}

static void add_node(struct sim *sim, int i)
{
    char now[TIME_TEXT_MAX];
    time_format_seconds(sim->now.wall_us, now);
    _cleanup_free_ char *name = xasprintf("node-%d", i);
    json_t *room = json_pack("{s:s, s:s, s:s}", "cpu", "8", "memory", "32Gi", "pods", "500");
    json_t *ready = json_pack("{s:s, s:s, s:s, s:s, s:s}", "type", "Ready", "status", "True", "reason", "KubeletReady",
                              "lastHeartbeatTime", now, "lastTransitionTime", now);
    json_t *status = json_pack("{s:O, s:o, s:[{s:s, s:s}, {s:s, s:s}], s:[o]}", "capacity", room, "allocatable", room,
                               "addresses", "type", "InternalIP", "address", "127.0.0.1", "type", "Hostname", "address",
                               name, "conditions", ready);
    json_t *node = json_pack("{s:s, s:s, s:{s:s, s:{s:s}, s:s}, s:{}, s:o}", "kind", "Node", "apiVersion", "v1",
                             "metadata", "name", name, "labels", "kubernetes.io/hostname", name, "creationTimestamp",
                             now, "spec", "status", status);
    store_insert(sim->store, kind_row(KIND_NODE), node);
}

void seed_world(struct sim *sim)
{
    static const char *const namespaces[] = {"default", "kube-node-lease", "kube-public", "kube-system"};
    for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++) {
        _cleanup_json_ json_t *ns = json_pack("{s:s, s:s, s:{s:s}}", "apiVersion", "v1", "kind", "Namespace",
                                              "metadata", "name", namespaces[i]);
        free(load_object(sim, ns));
    }
    for (int i = 0; i < sim->options.nodes; i++)
        add_node(sim, i);
}
