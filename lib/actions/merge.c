/* Actions that are one small merge patch: rollout.pause and rollout.resume, hpa.set, resource.annotate, resource.label,
 * keda.pause and keda.resume. Each bears its mark and is undone from what stood there. */
#include "actions/common.h"
#include "base/alloc.h"
#include "base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- rollout.pause, rollout.resume (spec.paused of a Deployment) ---- */

static const char *const deployment_only[] = {"Deployment", NULL};

static int set_paused(const struct action_in *in, const struct workload *w, bool paused, struct action_plan *plan,
                      struct error *err)
{
    int r = refuse_if_owned(w, err);
    if (r < 0)
        return r;
    bool is = json_is_true(json_path(w->object, "spec", "paused", NULL));
    _cleanup_json_ json_t *patch = json_pack("{s:{s:b}}", "spec", "paused", paused);
    if (is == paused)
        plan_note(plan, "%s is %s already", w->label, paused ? "paused" : "not paused");
    else
        plan_merge(in, w, patch, paused ? "pause" : "resume", plan);
    return 0;
}

static int pause_one(const struct action_in *in, const struct workload *w, struct action_plan *plan, struct error *err)
{
    return set_paused(in, w, true, plan, err);
}

static int resume_one(const struct action_in *in, const struct workload *w, struct action_plan *plan, struct error *err)
{
    return set_paused(in, w, false, plan, err);
}

static int pause_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    static const struct each_workload each = {.kinds = deployment_only, .look = true, .one = pause_one};
    return plan_each(in, &each, ret, err);
}

static int resume_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    static const struct each_workload each = {.kinds = deployment_only, .look = true, .one = resume_one};
    return plan_each(in, &each, ret, err);
}

/* ---- hpa.set ---- */

enum { REPLICAS_MAX = 10000 };

/* 3 or "+2" of what is there. */
static int bound(const json_t *wish, int64_t current, int64_t *ret, struct error *err)
{
    const char *text = json_string_value(wish);
    *ret = json_is_integer(wish) ? json_integer_value(wish) : -1;
    if (text && *text == '+' && text[1] && strlen(text) < 8 && text[1 + strspn(text + 1, "0123456789")] == '\0')
        *ret = current + strtol(text + 1, NULL, 10);
    if (*ret < 1 || *ret > REPLICAS_MAX)
        return error_set(err, -EINVAL, "min and max: expected a number from 1 to %d, or one more as \"+1\"",
                         REPLICAS_MAX);
    return 0;
}

static int hpa_one(const struct action_in *in, const struct workload *w, struct action_plan *plan, struct error *err)
{
    const json_t *spec = json_object_get(w->object, "spec"), *wish;
    int64_t min = json_int_or(spec, "minReplicas", 1), max = json_int_or(spec, "maxReplicas", 1);
    _cleanup_json_ json_t *patch = json_object();
    json_t *change = json_object();
    json_object_set_new(patch, "spec", change);
    if ((wish = json_object_get(in->with, "min"))) {
        if (bound(wish, min, &min, err) < 0)
            return -EINVAL;
        json_object_set_new(change, "minReplicas", json_integer(min));
    }
    if ((wish = json_object_get(in->with, "max"))) {
        if (bound(wish, max, &max, err) < 0)
            return -EINVAL;
        json_object_set_new(change, "maxReplicas", json_integer(max));
    }
    int64_t limit = json_int_or(in->with, "limit", REPLICAS_MAX);
    if (max > limit)
        return error_set(err, -EPERM, "%s would scale up to %lld, above the limit of %lld", w->label, (long long)max,
                         (long long)limit);
    if (min > max)
        return error_set(err, -EINVAL, "%s: min %lld is above max %lld", w->label, (long long)min, (long long)max);
    plan_merge(in, w, patch, "set the bounds of", plan);
    return 0;
}

static bool scales_target(const struct action_in *in, const json_t *hpa)
{
    const json_t *ref = json_path(hpa, "spec", "scaleTargetRef", NULL);
    for (size_t i = 0; i < in->target->n_owners; i++)
        if (str_eq(json_text(ref, "kind"), in->target->owners[i].kind) &&
            str_eq(json_text(ref, "name"), in->target->owners[i].name))
            return true;
    return false;
}

/* Named, or the one that scales the target. */
static int hpa_find(const struct action_in *in, const char *namespace, const json_t **ret, struct error *err)
{
    const json_t *list = NULL;
    const char *name = json_text(in->with, "name");
    size_t i;
    json_t *hpa;
    int r = list_kube(in->asks, in->cluster, &kind_hpa, namespace, NULL, &list, err);
    if (r < 0)
        return r;
    json_array_foreach (json_object_get(list, "items"), i, hpa) {
        if (name ? str_eq(object_name(hpa), name) : scales_target(in, hpa)) {
            *ret = hpa;
            return 0;
        }
    }
    return error_set(err, -ENOENT, "there is no HorizontalPodAutoscaler %s%s in %s", name ? name : "of the target", "",
                     namespace);
}

static int hpa_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    const char *namespace = target_namespace(in->target);
    const json_t *hpa = NULL;
    if (!namespace || (!json_object_get(in->with, "min") && !json_object_get(in->with, "max")))
        return error_set(err, -EINVAL, "hpa.set needs min, max or both, and a target in a namespace");
    int r = hpa_find(in, namespace, &hpa, err);
    if (r < 0)
        return r;
    const char *name = object_name(hpa);
    _cleanup_free_ char *label = xasprintf("HorizontalPodAutoscaler %s/%s", namespace, name);
    const struct workload w = {.kind = kind_hpa,
                               .namespace = (char *)(uintptr_t) namespace,
                               .name = (char *)(uintptr_t)name,
                               .label = label,
                               .object = hpa};
    struct action_plan plan = {.effects = json_array()};
    r = hpa_one(in, &w, &plan, err);
    if (r < 0) {
        action_plan_clear(&plan);
        return r;
    }
    *ret = plan;
    return 0;
}

/* ---- resource.annotate, resource.label, keda.pause, keda.resume: metadata only ---- */

static int check_keys(const json_t *map, bool label, struct error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)map, key, value) {
        if (!is_qualified_name(key) || str_starts(key, "mendd.io/"))
            return error_set(err, -EINVAL, "'%.80s' is not a key that may be set", key);
        if (label && !is_label_value(json_string_value(value) ? json_string_value(value) : ""))
            return error_set(err, -EINVAL, "the value of label %s is none: at most 63 letters, digits, '-', '_', '.'",
                             key);
    }
    return 0;
}

/* {metadata: {where: {…}}}; an empty text takes the key away. */
static json_t *metadata_patch_new(const char *where, const json_t *map)
{
    json_t *set = json_object(), *value;
    const char *key;
    json_object_foreach ((json_t *)map, key, value)
        json_object_set_new(set, key, str_empty(json_string_value(value)) ? json_null() : json_incref(value));
    return json_pack("{s:{s:o}}", "metadata", where, set);
}

static int annotate_one(const struct action_in *in, const struct workload *w, struct action_plan *plan,
                        struct error *err)
{
    const json_t *map = json_object_get(in->with, "annotations");
    int r = check_keys(map, false, err);
    if (r < 0)
        return r;
    _cleanup_json_ json_t *patch = metadata_patch_new("annotations", map);
    plan_merge(in, w, patch, "annotate", plan);
    return 0;
}

static int label_one(const struct action_in *in, const struct workload *w, struct action_plan *plan, struct error *err)
{
    const json_t *map = json_object_get(in->with, "labels");
    int r = check_keys(map, true, err);
    if (r < 0)
        return r;
    _cleanup_json_ json_t *patch = metadata_patch_new("labels", map);
    plan_merge(in, w, patch, "label", plan);
    return 0;
}

static int annotate_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    static const struct each_workload each = {.kinds = NULL, .look = true, .one = annotate_one};
    return plan_each(in, &each, ret, err);
}

static int label_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    static const struct each_workload each = {.kinds = NULL, .look = true, .one = label_one};
    return plan_each(in, &each, ret, err);
}

#define KEDA_PAUSED "autoscaling.keda.sh/paused"
static const char *const keda_kinds[] = {"ScaledJob", "ScaledObject", NULL};

static int keda_pause_one(const struct action_in *in, const struct workload *w, struct action_plan *plan,
                          struct error *err _unused_)
{
    _cleanup_json_ json_t *patch = json_pack("{s:{s:{s:s}}}", "metadata", "annotations", KEDA_PAUSED, "true");
    plan_merge(in, w, patch, "pause", plan);
    return 0;
}

static int keda_resume_one(const struct action_in *in, const struct workload *w, struct action_plan *plan,
                           struct error *err _unused_)
{
    _cleanup_json_ json_t *patch = json_pack("{s:{s:{s:n}}}", "metadata", "annotations", KEDA_PAUSED);
    plan_merge(in, w, patch, "resume", plan);
    return 0;
}

static int keda_pause_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    static const struct each_workload each = {.kinds = keda_kinds, .look = true, .one = keda_pause_one};
    return plan_each(in, &each, ret, err);
}

static int keda_resume_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    static const struct each_workload each = {.kinds = keda_kinds, .look = true, .one = keda_resume_one};
    return plan_each(in, &each, ret, err);
}

/* ---- parameters and tables ---- */

#define WHICH(kinds)                                                                                                   \
    {"kind", PARAM_KIND, false, NULL, kinds}, {"name", PARAM_NAME, false, NULL, "which one; the target by default"},   \
    {                                                                                                                  \
        "selector", PARAM_SELECTOR, false, NULL, "all of the kind with these labels, in name order"                    \
    }

static const struct param deployment_params[] = {WHICH("Deployment"), {0}};
static const struct param keda_params[] = {
    WHICH("ScaledJob or ScaledObject"), {"apiVersion", PARAM_TEXT, false, NULL, "default keda.sh/v1alpha1"}, {0}};
static const struct param annotate_params[] = {
    WHICH("any kind; the target's by default"),
    {"apiVersion", PARAM_TEXT, false, NULL, "group/version of the kind; needed for custom resources only"},
    {"annotations", PARAM_TEXT_MAP, true, NULL, "key: value; an empty value takes the key away"},
    {0},
};
static const struct param label_params[] = {
    WHICH("any kind; the target's by default"),
    {"apiVersion", PARAM_TEXT, false, NULL, "group/version of the kind; needed for custom resources only"},
    {"labels", PARAM_TEXT_MAP, true, NULL, "key: value; an empty value takes the key away"},
    {0},
};
static const struct param hpa_params[] = {
    {"name", PARAM_NAME, false, NULL, "the HorizontalPodAutoscaler; by default the one that scales the target"},
    {"min", PARAM_INT_OR_TEXT, false, NULL, "3, or \"+1\""},
    {"max", PARAM_INT_OR_TEXT, false, NULL, "10, or \"+2\""},
    {"limit", PARAM_INT, false, NULL, "max never above this"},
    {0},
};

static void deployment_rights(const struct rights_in *in)
{
    rights_patch_objects(in, deployment_only);
}

static void metadata_rights(const struct rights_in *in)
{
    rights_patch_objects(in, NULL);
}

static void keda_rights(const struct rights_in *in)
{
    rights_patch_objects(in, keda_kinds);
}

static void hpa_rights(const struct rights_in *in)
{
    _cleanup_choices_ struct choices names = rights_param(in, "name");
    rights_list(in, "HorizontalPodAutoscaler");
    rights_change(in, &(struct rights_what){.kind = "HorizontalPodAutoscaler", .names = &names}, "patch");
}

#define ACTION(id, text, parameters, words, function, needs, of_spec)                                                  \
    const struct action id = {.name = text,                                                                            \
                              .class = ACTION_EFFECT,                                                                  \
                              .reversible = true,                                                                      \
                              .params = parameters,                                                                    \
                              .doc = words,                                                                            \
                              .plan = function,                                                                        \
                              .rights = needs,                                                                         \
                              .changes_spec = of_spec}

ACTION(action_rollout_pause, "rollout.pause", deployment_params, "stops a Deployment's rollout where it is", pause_plan,
       deployment_rights, true);
ACTION(action_rollout_resume, "rollout.resume", deployment_params, "lets a paused rollout go on", resume_plan,
       deployment_rights, true);
ACTION(action_hpa_set, "hpa.set", hpa_params, "changes the bounds of a HorizontalPodAutoscaler", hpa_plan, hpa_rights,
       false);
ACTION(action_resource_annotate, "resource.annotate", annotate_params, "sets or takes away annotations of an object",
       annotate_plan, metadata_rights, false);
ACTION(action_resource_label, "resource.label", label_params, "sets or takes away labels of an object", label_plan,
       metadata_rights, false);
ACTION(action_keda_pause, "keda.pause", keda_params, "pauses a KEDA ScaledJob or ScaledObject", keda_pause_plan,
       keda_rights, false);
ACTION(action_keda_resume, "keda.resume", keda_params, "lets a paused KEDA ScaledJob or ScaledObject go on",
       keda_resume_plan, keda_rights, false);
