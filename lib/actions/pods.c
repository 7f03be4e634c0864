/* pods.delete: the controller makes new ones. Each delete bears the pod's uid as a precondition, so that a pod of the
 * same name that came meanwhile is never hit. */
#include "actions/pods.h"

#include "base/alloc.h"
#include "base/text.h"

#include <errno.h>

static int refuse_pod(const json_t *pod, const char *namespace, struct error *err)
{
    if (pod_is_mirror(pod))
        return error_set(err, -EPERM, "pod %s/%s mirrors a static pod of its node: that would do nothing", namespace,
                         object_name(pod));
    if (!object_controller(pod) && pod_has_claim(pod))
        return error_set(err, -EPERM, "pod %s/%s has a volume claim and no controller: nothing would bring it back",
                         namespace, object_name(pod));
    return 0;
}

int pods_grace(const struct action_in *in, int64_t *ret_s, struct error *err)
{
    const json_t *grace = json_object_get(in->with, "grace");
    *ret_s = grace ? (json_integer_value(grace) + MSEC_PER_SEC - 1) / MSEC_PER_SEC : -1;
    if (*ret_s == 0)
        return error_set(err, -EPERM, "grace 0 would force-delete the pods, which mendd never does");
    return 0;
}

int pods_choose(const struct action_in *in, const char *done, const json_t *pods, json_t *chosen, struct error *err)
{
    const bool all = str_eq(json_text(in->with, "only"), "all");
    const char *namespace = target_namespace(in->target);
    size_t i;
    json_t *pod;
    json_array_foreach (pods, i, pod) {
        if (object_is_terminating(pod) || pod_is_finished(pod) || (!all && pod_is_ready(pod)))
            continue;
        int r = refuse_pod(pod, namespace, err);
        if (r < 0)
            return r;
        json_array_append(chosen, pod);
    }
    if (json_array_size(chosen) > (size_t)(in->max_pods > 0 ? in->max_pods : 0))
        return error_set(err, -E2BIG, "%zu pods would be %s, limits.pods allows %d: none is", json_array_size(chosen),
                         done, in->max_pods);
    return 0;
}

void pods_settle_rights(const struct rights_in *in)
{
    if (str_eq(json_text(in->with, "only"), "all") && !in->plans_only)
        rights_list(in, "Pod");
}

static json_t *delete_effect_new(const struct action_in *in, const json_t *pod, int64_t grace_s)
{
    const char *namespace = target_namespace(in->target), *uid = object_uid(pod);
    _cleanup_free_ char *name = xstrdup(object_name(pod)), *place = xstrdup(namespace);
    const struct workload w = {.kind = kind_pod, .namespace = place, .name = name, .object = pod};
    json_t *body =
        json_pack("{s:s, s:s, s:{s:s}}", "apiVersion", "v1", "kind", "DeleteOptions", "preconditions", "uid", uid);
    if (grace_s > 0)
        json_object_set_new(body, "gracePeriodSeconds", json_integer(grace_s));
    json_t *effect = effect_on(in, &w, NULL, uid, "DELETE", "application/json", body, RECOGNISE_UID);
    effect_irreversible(effect, "a deleted pod does not come back; its controller makes a new one");
    json_object_set_new(effect, "made", json_pack("{s:[s]}", "deleted", uid));
    if (str_eq(json_text(in->with, "only"), "all"))
        json_object_set_new(effect, "settle_each", json_true());
    return effect;
}

static int delete_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    int64_t grace_s;
    _cleanup_json_ json_t *pods = NULL, *chosen = json_array();
    int r = pods_grace(in, &grace_s, err);
    if (r == 0)
        r = pods_find(in->asks, in->cluster, in->target, in->with, &pods, err);
    if (r == 0)
        r = pods_choose(in, "deleted", pods, chosen, err);
    if (r < 0)
        return r;
    const bool all = str_eq(json_text(in->with, "only"), "all");
    if (json_array_size(pods) == 0)
        return error_set(err, -ENOENT, "there are no pods in %s to delete", target_namespace(in->target));
    ret->effects = json_array();
    size_t i;
    json_t *pod;
    json_array_foreach (chosen, i, pod) {
        _cleanup_free_ char *why = pod_why_not_ready(pod);
        plan_effect(ret, delete_effect_new(in, pod, grace_s));
        if (i < 5)
            plan_note(ret, "delete %s (%s)", object_name(pod), why);
    }
    if (json_array_size(chosen) == 0)
        plan_note(ret, "none of the %zu pods is %s", json_array_size(pods), all ? "there to delete" : "not ready");
    return 0;
}

static const char *const only_choices[] = {"not_ready", "all", NULL};

const struct param pods_params[] = {
    {"name", PARAM_NAME, false, NULL, "one pod; the target's pods by default"},
    {"selector", PARAM_SELECTOR, false, NULL, "the pods with these labels in the target's namespace"},
    {"only", PARAM_CHOICE, false, only_choices,
     "not_ready (default), or all: one by one, each replaced before the next"},
    {"grace", PARAM_DURATION, false, NULL, "time to stop in; the pod's own by default, never 0"},
    {0},
};

static void delete_rights(const struct rights_in *in)
{
    _cleanup_choices_ struct choices names = {0};
    rights_pods(in, "name", &names);
    rights_change(in, &(struct rights_what){.kind = "Pod", .names = &names}, "delete");
    pods_settle_rights(in);
}

const struct action action_pods_delete = {
    .name = "pods.delete",
    .class = ACTION_EFFECT,
    .reversible = false,
    .params = pods_params,
    .doc = "deletes pods, for their controller to replace them",
    .plan = delete_plan,
    .rights = delete_rights,
};
