/* pods.evict: as pods.delete, but PodDisruptionBudgets have a say. A budget that forbids one is waited for within the
 * step's time. An eviction bears the pod's uid as a precondition and is recognised like a delete. */
#include "actions/pods.h"

#include "base/alloc.h"
#include "base/text.h"

#include <errno.h>

int eviction_version(const struct action_in *in, char **ret, struct error *err)
{
    const json_t *list = NULL, *r;
    size_t i;
    int k = read_kube(in->asks, in->cluster, "/api/v1", "discovery of v1", &list, err);
    if (k < 0)
        return k;
    json_array_foreach (json_object_get(list, "resources"), i, r) {
        const char *group = json_text(r, "group"), *version = json_text(r, "version");
        if (!str_eq(json_text(r, "name"), "pods/eviction"))
            continue;
        *ret = str_empty(group) || str_empty(version) ? xstrdup("policy/v1beta1") : xasprintf("%s/%s", group, version);
        return 0;
    }
    return error_set(err, -ENOENT, "the API server knows no evictions (pods/eviction)");
}

json_t *eviction_new(const struct action_in *in, const json_t *pod, const char *version, int64_t grace_s)
{
    const char *own = json_path_text(pod, "metadata", "namespace", NULL), *uid = object_uid(pod);
    _cleanup_free_ char *name = xstrdup(object_name(pod)), *place = xstrdup(own ? own : target_namespace(in->target));
    const struct workload w = {.kind = kind_pod, .namespace = place, .name = name, .object = pod};
    json_t *body =
        json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:{s:s}}}", "apiVersion", version, "kind", "Eviction", "metadata",
                  "name", name, "namespace", place, "deleteOptions", "preconditions", "uid", uid);
    if (grace_s > 0)
        json_object_set_new(json_object_get(body, "deleteOptions"), "gracePeriodSeconds", json_integer(grace_s));
    json_t *effect = effect_on(in, &w, "eviction", uid, "POST", "application/json", body, RECOGNISE_UID);
    _cleanup_free_ char *read = kube_path(&kind_pod, place, name, NULL);
    json_set_text(effect, "read", read);
    effect_irreversible(effect, "an evicted pod does not come back; its controller makes a new one");
    json_object_set_new(effect, "made", json_pack("{s:[s]}", "deleted", uid));
    return effect;
}

static void plan_evictions(const struct action_in *in, const json_t *chosen, const char *version, int64_t grace_s,
                           struct action_plan *plan)
{
    const bool all = str_eq(json_text(in->with, "only"), "all");
    size_t i;
    json_t *pod;
    json_array_foreach (chosen, i, pod) {
        _cleanup_free_ char *why = pod_why_not_ready(pod);
        json_t *effect = eviction_new(in, pod, version, grace_s);
        if (all)
            json_object_set_new(effect, "settle_each", json_true());
        plan_effect(plan, effect);
        if (i < 5)
            plan_note(plan, "evict %s (%s)", object_name(pod), why);
    }
}

static int evict_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    int64_t grace_s;
    _cleanup_json_ json_t *pods = NULL, *chosen = json_array();
    _cleanup_free_ char *version = NULL;
    int r = pods_grace(in, &grace_s, err);
    if (r == 0)
        r = pods_find(in->asks, in->cluster, in->target, in->with, &pods, err);
    if (r == 0)
        r = pods_choose(in, "evicted", pods, chosen, err);
    if (r == 0 && json_array_size(pods) == 0)
        r = error_set(err, -ENOENT, "there are no pods in %s to evict", target_namespace(in->target));
    if (r == 0 && json_array_size(chosen) > 0)
        r = eviction_version(in, &version, err);
    if (r < 0)
        return r;
    ret->effects = json_array();
    plan_evictions(in, chosen, version, grace_s, ret);
    if (json_array_size(chosen) == 0)
        plan_note(ret, "none of the %zu pods is %s", json_array_size(pods),
                  str_eq(json_text(in->with, "only"), "all") ? "there to evict" : "not ready");
    return 0;
}

static void evict_rights(const struct rights_in *in)
{
    _cleanup_choices_ struct choices names = {0};
    rights_pods(in, "name", &names);
    rights_change(in, &(struct rights_what){.kind = "Pod", .subresource = "eviction", .names = &names}, "create");
    pods_settle_rights(in);
}

const struct action action_pods_evict = {
    .name = "pods.evict",
    .class = ACTION_EFFECT,
    .reversible = false,
    .params = pods_params,
    .doc = "evicts pods, as their PodDisruptionBudgets allow it, for their controller to replace them",
    .plan = evict_plan,
    .rights = evict_rights,
};
