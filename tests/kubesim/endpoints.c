/* Endpoints follow the Services' selectors: ready pods in addresses, others in notReadyAddresses. */
#include "sim.h"

#include "base/alloc.h"
#include "base/text.h"

#include <string.h>

#define MADE_HERE 1 /* since_us of Endpoints that this controller made, and therefore removes */

static json_t *address(const struct object *pod)
{
    json_t *a = json_pack("{s:s}", "ip", json_path_text(pod->json, "status", "podIP", NULL));
    json_set_text(a, "nodeName", json_path_text(pod->json, "spec", "nodeName", NULL));
    json_object_set_new(a, "targetRef",
                        json_pack("{s:s, s:s, s:s, s:s, s:O?}", "kind", "Pod", "namespace", pod->ns, "name", pod->name,
                                  "uid", pod->uid, "resourceVersion",
                                  json_path(pod->json, "metadata", "resourceVersion", NULL)));
    return a;
}

/* A named targetPort is looked up in the pod's containers. 0: not there. */
static json_int_t target_port(const json_t *port, const struct object *pod)
{
    const json_t *target = json_object_get(port, "targetPort");
    if (json_is_integer(target))
        return json_integer_value(target);
    size_t i, j;
    json_t *c, *p;
    json_array_foreach (json_path(pod->json, "spec", "containers", NULL), i, c)
        json_array_foreach (json_object_get(c, "ports"), j, p)
            if (str_eq(json_text(p, "name"), json_string_value(target)))
                return json_int_or(p, "containerPort", 0);
    return 0;
}

static json_t *ports_of(const struct object *service, const struct object *pod)
{
    json_t *ports = json_array();
    size_t i;
    json_t *port;
    json_array_foreach (json_path(service->json, "spec", "ports", NULL), i, port) {
        const json_int_t number = target_port(port, pod);
        if (!number)
            continue;
        json_t *entry = json_pack("{s:I, s:s}", "port", number, "protocol", json_text_or(port, "protocol", "TCP"));
        json_set_text(entry, "name", json_text(port, "name"));
        json_array_append_new(ports, entry);
    }
    return ports;
}

static bool selects(const json_t *selector, const struct object *pod)
{
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)selector, key, value)
        if (!str_eq(json_path_text(pod->json, "metadata", "labels", key, NULL), json_string_value(value)))
            return false;
    return json_object_size(selector) > 0;
}

static json_t *subsets_of(struct sim *sim, const struct object *service)
{
    _cleanup_free_ struct object **pods = NULL;
    const size_t n = store_list(sim->store, KIND_POD, service->ns, &pods);
    const json_t *selector = json_path(service->json, "spec", "selector", NULL);
    json_t *ready = json_array(), *unready = json_array(), *ports = NULL;
    for (size_t i = 0; i < n; i++) {
        if (!pod_is_active(pods[i]) || !selects(selector, pods[i]) ||
            !json_path_text(pods[i]->json, "status", "podIP", NULL))
            continue;
        if (!ports)
            ports = ports_of(service, pods[i]);
        json_array_append_new(pod_is_ready(pods[i]) ? ready : unready, address(pods[i]));
    }
    json_t *subset = json_object();
    if (json_array_size(ready))
        json_object_set(subset, "addresses", ready);
    if (json_array_size(unready))
        json_object_set(subset, "notReadyAddresses", unready);
    json_decref(ready);
    json_decref(unready);
    if (!ports) {
        json_decref(subset);
        return NULL;
    }
    json_object_set_new(subset, "ports", ports);
    return json_pack("[o]", subset);
}

static void sync(struct sim *sim, const struct object *service)
{
    json_t *subsets = subsets_of(sim, service);
    struct object *o = store_get(sim->store, KIND_ENDPOINTS, service->ns, service->name);
    char now[TIME_TEXT_MAX];
    time_format_seconds(sim->now.wall_us, now);
    if (!o) {
        json_t *meta =
            json_pack("{s:s, s:s, s:s}", "name", service->name, "namespace", service->ns, "creationTimestamp", now);
        if (json_path(service->json, "metadata", "labels", NULL))
            json_object_set(meta, "labels", json_path(service->json, "metadata", "labels", NULL));
        json_t *json = json_pack("{s:s, s:s, s:o}", "kind", "Endpoints", "apiVersion", "v1", "metadata", meta);
        if (subsets)
            json_object_set_new(json, "subsets", subsets);
        store_insert(sim->store, kind_row(KIND_ENDPOINTS), json)->since_us = MADE_HERE;
        return;
    }
    const json_t *was = json_object_get(o->json, "subsets");
    if ((!subsets && !was) || (subsets && was && json_equal(subsets, was))) {
        json_decref(subsets);
        return;
    }
    json_t *next = json_deep_copy(o->json), *meta = json_object_get(next, "metadata");
    json_object_del(next, "subsets");
    json_object_del(meta, "annotations");
    if (subsets) {
        json_object_set_new(next, "subsets", subsets);
        json_object_set_new(meta, "annotations",
                            json_pack("{s:s}", "endpoints.kubernetes.io/last-change-trigger-time", now));
    }
    store_replace(sim->store, o, next);
}

void endpoints_tick(struct sim *sim)
{
    _cleanup_free_ struct object **services = NULL, **all = NULL;
    const size_t n = store_list(sim->store, KIND_SERVICE, NULL, &services);
    for (size_t i = 0; i < n; i++)
        if (json_path(services[i]->json, "spec", "selector", NULL))
            sync(sim, services[i]);
    const size_t m = store_list(sim->store, KIND_ENDPOINTS, NULL, &all);
    for (size_t i = 0; i < m; i++)
        if (all[i]->since_us == MADE_HERE && !store_get(sim->store, KIND_SERVICE, all[i]->ns, all[i]->name))
            store_remove(sim->store, all[i]);
}
