/* scale: through the scale subresource, which drops annotations: the value itself is how the effect is recognised, so
 * it is always absolute by the time it is sent. The object itself is read for one thing: who owns it. */
#include "actions/common.h"
#include "base/alloc.h"
#include "base/text.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { REPLICAS_MAX = 100000 };

static int wrong_replicas(const char *text, struct error *err)
{
    return error_set(err, -EINVAL, "replicas: expected 3, \"+1\" or \"x2\", not \"%.40s\"", text);
}

/* What `replicas` asks for, before min and max. */
static int wanted_replicas(const json_t *replicas, int64_t current, int64_t *ret, bool *ret_relative, struct error *err)
{
    if (json_is_integer(replicas)) {
        *ret = json_integer_value(replicas);
        *ret_relative = false;
    } else {
        const char *s = json_string_value(replicas);
        if (str_empty(s) || (*s != '+' && *s != 'x'))
            return wrong_replicas(s ? s : "", err);
        char *end;
        const double n = strtod(s + 1, &end);
        if (*end || s[1 + strspn(s + 1, "0123456789.")] || !(s[1] >= '0' && s[1] <= '9') || !isfinite(n) ||
            n > REPLICAS_MAX || (*s == '+' && floor(n) < n) || (*s == 'x' && n < 1))
            return wrong_replicas(s, err);
        const double product = *s == '+' ? (double)current + n : ceil((double)current * n - 1e-9);
        *ret = product > REPLICAS_MAX ? REPLICAS_MAX + 1 : (int64_t)product;
        *ret_relative = true;
    }
    return 0;
}

/* An absolute number outside min and max is a mistake; a relative one stops at the bound, and never goes down. */
static int bounded_replicas(const struct action_in *in, int64_t current, int64_t *ret, struct error *err)
{
    const int64_t min = json_int_or(in->with, "min", 1), max = json_int_or(in->with, "max", REPLICAS_MAX);
    int64_t wanted = 0;
    bool relative = false;
    if (min > max)
        return error_set(err, -EINVAL, "min %lld is above max %lld", (long long)min, (long long)max);
    int r = wanted_replicas(json_object_get(in->with, "replicas"), current, &wanted, &relative, err);
    if (r < 0)
        return r;
    if (!relative && (wanted < min || wanted > max))
        return error_set(err, -EINVAL, "%lld replicas are not between min %lld and max %lld", (long long)wanted,
                         (long long)min, (long long)max);
    wanted = wanted > max ? max : wanted < min ? min : wanted;
    *ret = relative && wanted < current ? current : wanted;
    return 0;
}

static int refuse_if_controlled(const struct action_in *in, const struct workload *w, struct error *err)
{
    struct workload looked = *w;
    _cleanup_free_ char *what = kube_what("GET", &w->kind, w->namespace, w->name);
    int r = read_kube(in->asks, in->cluster, w->path, what, &looked.object, err);
    return r < 0 ? r : refuse_if_owned(&looked, err);
}

/* The three reads in one round: none waits for the other's answer. */
static int look(const struct action_in *in, const struct workload *w, const json_t **ret_scale, struct error *err)
{
    _cleanup_free_ char *path = kube_path(&w->kind, w->namespace, w->name, "scale");
    _cleanup_free_ char *read = kube_what("GET", &w->kind, w->namespace, w->name);
    _cleanup_free_ char *what = xasprintf("%s (scale)", read);
    const int r[] = {read_kube(in->asks, in->cluster, path, what, ret_scale, NULL), refuse_if_controlled(in, w, NULL),
                     refuse_if_autoscaled(in, w, NULL)};
    if (r[0] == -EAGAIN || r[1] == -EAGAIN || r[2] == -EAGAIN)
        return -EAGAIN;
    if (r[0] < 0) /* again, for its words */
        return read_kube(in->asks, in->cluster, path, what, ret_scale, err);
    return r[1] < 0 ? refuse_if_controlled(in, w, err) : r[2] < 0 ? refuse_if_autoscaled(in, w, err) : 0;
}

static int scale_one(const struct action_in *in, const struct workload *w, struct action_plan *plan, struct error *err)
{
    const json_t *scale = NULL;
    int64_t wanted = 0;
    int r = look(in, w, &scale, err);
    if (r < 0)
        return r;
    const int64_t current = json_int_or(json_path(scale, "spec", NULL), "replicas", 0);
    r = bounded_replicas(in, current, &wanted, err);
    if (r < 0)
        return r;
    if (wanted == current) {
        plan_note(plan, "%s already has %lld replicas", w->label, (long long)current);
        return 0;
    }
    _cleanup_json_ json_t *changes = json_pack("{s:{s:I}}", "/spec/replicas", "after", (json_int_t)wanted);
    r = refuse_to_nothing(in, w, changes, err);
    if (r < 0)
        return r;
    const char *uid = object_uid(scale);
    json_t *body = json_pack("{s:{s:s}, s:{s:I}}", "metadata", "uid", uid, "spec", "replicas", (json_int_t)wanted);
    json_t *effect = effect_on(in, w, "scale", uid, "PATCH", CONTENT_MERGE, body, RECOGNISE_VALUE);
    _cleanup_json_ json_t *before = json_integer(current);
    effect_change(effect, "/spec/replicas", before, json_integer(wanted));
    json_object_set_new(effect, "reversible", json_true());
    json_object_set_new(effect, "made", json_pack("{s:I}", "replicas", (json_int_t)wanted));
    plan_effect(plan, effect);
    plan_note(plan, "scale %s from %lld to %lld", w->label, (long long)current, (long long)wanted);
    return 0;
}

static const char *const scale_kinds[] = {"Deployment", "StatefulSet", "ReplicaSet", "ReplicationController", NULL};

static int scale_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    static const struct each_workload each = {.kinds = scale_kinds, .look = false, .one = scale_one};
    return plan_each(in, &each, ret, err);
}

static const struct param scale_params[] = {
    {"kind", PARAM_KIND, false, NULL,
     "Deployment, StatefulSet, ReplicaSet or ReplicationController; the target's by default"},
    {"name", PARAM_NAME, false, NULL, "the workload; the target's owners by default"},
    {"selector", PARAM_SELECTOR, false, NULL, "all workloads of the kind with these labels, in name order"},
    {"replicas", PARAM_INT_OR_TEXT, true, NULL, "3, \"+1\" (one more) or \"x2\" (twice as many, rounded up)"},
    {"min", PARAM_INT, false, NULL, "never fewer than this (1); 0 takes effect in an approved run only"},
    {"max", PARAM_INT, false, NULL, "never more than this"},
    {0},
};

static void scale_kind(const struct rights_in *in, const struct rights_what *what)
{
    struct rights_what scale = *what;
    scale.subresource = "scale";
    rights_read(in, what, "get"); /* who owns it */
    rights_read(in, &scale, "get");
    rights_change(in, &scale, "patch");
    if (rights_has(in, "selector") && !rights_has(in, "name"))
        rights_read(in, what, "list");
    rights_list(in, "HorizontalPodAutoscaler");
}

static void scale_rights(const struct rights_in *in)
{
    rights_each_kind(in, scale_kinds, scale_kind);
}

const struct action action_scale = {
    .name = "scale",
    .class = ACTION_EFFECT,
    .reversible = true,
    .params = scale_params,
    .doc = "changes how many replicas a workload has",
    .plan = scale_plan,
    .rights = scale_rights,
    .changes_spec = true,
};
