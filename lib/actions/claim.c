/* pvc.expand: more room for volume claims, within a maximum. It never shrinks, and it stops where the API server or the
 * driver would: a claim that is not bound, a class that forbids it, an expansion that is still under way. */
#include "actions/common.h"
#include "base/alloc.h"
#include "base/text.h"
#include "core/quantity.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GIB INT64_C(1073741824)
#define MIB INT64_C(1048576)

/* ---- how much ---- */

/* Rounded up to whole Mi, as "12Gi" where it is whole Gi. */
static char *size_text(int64_t milli)
{
    int64_t bytes = (milli + 999) / 1000;
    bytes = (bytes + MIB - 1) / MIB * MIB;
    return bytes % GIB == 0 ? xasprintf("%" PRId64 "Gi", bytes / GIB) : xasprintf("%" PRId64 "Mi", bytes / MIB);
}

/* "+10Gi" or "x1.5" of what is there. */
static int grown(const char *size, int64_t now, int64_t *ret, struct error *err)
{
    int64_t more = 0;
    if (*size == '+') {
        int r = quantity_parse(size + 1, &more, err);
        if (r < 0)
            return r;
        *ret = more > INT64_MAX - now ? INT64_MAX : now + more;
        return 0;
    }
    char *end = NULL;
    const double factor = strtod(size + 1, &end);
    if (*end || size[1 + strspn(size + 1, "0123456789.")] || !(factor >= 1 && factor <= 100))
        return error_set(err, -EINVAL, "size: '%.20s' is neither a quantity nor +10Gi nor x1.5", size);
    const double product = ceil((double)now * factor);
    *ret = product < 9e18 ? (int64_t)product : INT64_MAX;
    return 0;
}

/* 0 with the size, *ret == now: nothing to do. A relative size stops at max; an absolute one above it is a mistake. */
static int wanted(const struct action_in *in, const struct workload *w, int64_t now, int64_t *ret, struct error *err)
{
    const char *size = json_text_or(in->with, "size", ""), *max_text = json_text(in->with, "max");
    const bool relative = *size == '+' || *size == 'x';
    int64_t max = INT64_MAX;
    if (max_text && quantity_parse(max_text, &max, err) < 0)
        return error_prefix(err, "max");
    if (relative && !max_text)
        return error_set(err, -EINVAL, "size %s needs max, or it would grow without end", size);
    int r = relative ? grown(size, now, ret, err) : quantity_parse(size, ret, err);
    if (r < 0)
        return r;
    if (!relative && *ret > max)
        return error_set(err, -EINVAL, "size %s is above max %s", size, max_text);
    if (!relative && *ret < now)
        return error_set(err, -EPERM, "%s asks for %s already: a claim cannot shrink", w->label,
                         json_path_text(w->object, "spec", "resources", "requests", "storage", NULL));
    *ret = *ret > max ? max : *ret;
    *ret = *ret < now ? now : *ret;
    return 0;
}

/* ---- whether it can ---- */

static int check_class(const struct action_in *in, const struct workload *w, struct error *err)
{
    const struct kind *k = kind_known("StorageClass");
    const char *name = json_path_text(w->object, "spec", "storageClassName", NULL);
    const json_t *class = NULL;
    if (str_empty(name))
        return error_set(err, -EPERM, "%s has no StorageClass: nothing could expand its volume", w->label);
    _cleanup_free_ char *path = kube_path(k, NULL, name, NULL), *what = kube_what("GET", k, NULL, name);
    int r = read_kube(in->asks, in->cluster, path, what, &class, err);
    if (r < 0)
        return r;
    if (!json_is_true(json_object_get(class, "allowVolumeExpansion")))
        return error_set(
            err, -EPERM,
            "%s is of StorageClass %s, which does not allow expansion (allowVolumeExpansion): a person must "
            "move the data to a larger volume",
            w->label, name);
    return 0;
}

static int check_claim(const struct workload *w, int64_t now, struct error *err)
{
    const char *phase = json_path_text(w->object, "status", "phase", NULL);
    const char *has = json_path_text(w->object, "status", "capacity", "storage", NULL);
    int64_t capacity = 0;
    if (!str_eq(phase, "Bound"))
        return error_set(err, -EBUSY, "%s is %s, not Bound: there is no volume to expand", w->label,
                         phase ? phase : "without a phase");
    if (object_is_terminating(w->object))
        return error_set(err, -EBUSY, "%s is being deleted", w->label);
    if (has && quantity_parse(has, &capacity, NULL) == 0 && capacity < now)
        return error_set(err, -EBUSY, "%s: the last expansion is still under way (it has %s)", w->label, has);
    return 0;
}

static int expand_one(const struct action_in *in, const struct workload *w, struct action_plan *plan, struct error *err)
{
    const char *have = json_path_text(w->object, "spec", "resources", "requests", "storage", NULL);
    int64_t now = 0, size = 0;
    int r = quantity_parse(have, &now, err);
    if (r == 0)
        r = check_claim(w, now, err);
    if (r == 0)
        r = wanted(in, w, now, &size, err);
    if (r < 0)
        return r;
    if (size == now) {
        plan_note(plan, "%s has %s already, which is what was asked for or the maximum", w->label, have);
        return 0;
    }
    r = check_class(in, w, err);
    if (r < 0)
        return r;
    _cleanup_free_ char *text = size_text(size), *what = xasprintf("expand to %s", text);
    _cleanup_json_ json_t *patch = json_pack("{s:{s:{s:{s:s}}}}", "spec", "resources", "requests", "storage", text);
    plan_merge(in, w, patch, what, plan);
    effect_irreversible(json_array_get(plan->effects, json_array_size(plan->effects) - 1), "a claim cannot shrink");
    return 0;
}

/* ---- which ---- */

/* The names of the claims that the target's pods mount, each once, in name order. */
static int claims_of_pods(const struct action_in *in, json_t **ret, struct error *err)
{
    _cleanup_json_ json_t *pods = NULL, *names = json_object();
    int r = pods_find(in->asks, in->cluster, in->target, NULL, &pods, err);
    if (r < 0)
        return r;
    size_t i, k;
    json_t *pod, *volume;
    json_array_foreach (pods, i, pod) {
        json_array_foreach (json_path(pod, "spec", "volumes", NULL), k, volume) {
            const char *claim = json_path_text(volume, "persistentVolumeClaim", "claimName", NULL);
            if (claim)
                json_object_set_new(names, claim, json_true());
        }
    }
    if (json_object_size(names) == 0)
        return error_set(err, -ENOENT, "none of the target's pods mounts a volume claim: name one");
    *ret = TAKE_PTR(names);
    return 0;
}

static int expand_found(const struct action_in *in, const json_t *with, struct action_plan *plan, struct error *err)
{
    static const char *const kinds[] = {"PersistentVolumeClaim", NULL};
    const struct workloads_query q = {
        .asks = in->asks, .cluster = in->cluster, .target = in->target, .with = with, .kinds = kinds, .look = true};
    _cleanup_workloads_ struct workloads w = {0};
    int r = workloads_find(&q, &w, err);
    bool again = r == -EAGAIN;
    if (w.n > (size_t)(in->max_pods > 0 ? in->max_pods : 0))
        return error_set(err, -E2BIG, "%zu claims would be expanded, limits.pods allows %d: none is", w.n,
                         in->max_pods);
    for (size_t i = 0; (r == 0 || r == -EAGAIN) && i < w.n; i++) {
        r = expand_one(in, &w.items[i], plan, err);
        again = again || r == -EAGAIN;
    }
    return r < 0 && r != -EAGAIN ? r : again ? -EAGAIN : 0;
}

static int expand_mounted(const struct action_in *in, struct action_plan *plan, struct error *err)
{
    _cleanup_json_ json_t *names = NULL;
    int r = claims_of_pods(in, &names, err);
    if (r < 0)
        return r;
    if (json_object_size(names) > (size_t)(in->max_pods > 0 ? in->max_pods : 0))
        return error_set(err, -E2BIG, "%zu claims would be expanded, limits.pods allows %d: none is",
                         json_object_size(names), in->max_pods);
    bool again = false;
    const char *name;
    json_t *value;
    json_object_foreach (names, name, value) {
        _cleanup_json_ json_t *with = json_pack("{s:s, s:s}", "kind", "PersistentVolumeClaim", "name", name);
        r = expand_found(in, with, plan, err);
        if (r < 0 && r != -EAGAIN)
            return r;
        again = again || r == -EAGAIN;
    }
    return again ? -EAGAIN : 0;
}

static int expand_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    struct action_plan plan = {.effects = json_array()};
    const bool said = json_text(in->with, "name") || json_text(in->with, "selector");
    _cleanup_json_ json_t *with = json_deep_copy(in->with);
    json_set_text(with, "kind", "PersistentVolumeClaim");
    if (!said && str_eq(in->target->kind, "PersistentVolumeClaim"))
        json_set_text(with, "name", in->target->name);
    const bool named = json_text(with, "name") || json_text(with, "selector");
    int r = named ? expand_found(in, with, &plan, err) : expand_mounted(in, &plan, err);
    if (r < 0) {
        action_plan_clear(&plan);
        return r;
    }
    *ret = plan;
    return 0;
}

static const struct param expand_params[] = {
    {"name", PARAM_NAME, false, NULL, "the claim; by default those that the target's pods mount"},
    {"selector", PARAM_SELECTOR, false, NULL, "all claims with these labels, in name order"},
    {"namespace", PARAM_NAME, false, NULL, "the target's by default"},
    {"size", PARAM_TEXT, true, NULL, "50Gi, \"+10Gi\" or \"x1.5\""},
    {"max", PARAM_TEXT, false, NULL, "never above this; needed with a relative size, which stops there"},
    {0},
};

static void expand_rights(const struct rights_in *in)
{
    const bool named = rights_has(in, "name") || rights_has(in, "selector");
    _cleanup_choices_ struct choices names =
        named ? rights_param(in, "name") : rights_target_name(in, "PersistentVolumeClaim");
    const struct rights_what claim = {.kind = "PersistentVolumeClaim", .names = &names};
    if (!named && !rights_target_is(in, "PersistentVolumeClaim"))
        rights_pods(in, "name", NULL); /* whose claims are meant */
    rights_read(in, &claim, rights_has(in, "selector") && !rights_has(in, "name") ? "list" : "get");
    rights_read(in, &(struct rights_what){.kind = "StorageClass"}, "get");
    rights_change(in, &claim, "patch");
}

const struct action action_pvc_expand = {
    .name = "pvc.expand",
    .class = ACTION_EFFECT,
    .reversible = false,
    .params = expand_params,
    .doc = "gives volume claims more room, within a maximum",
    .plan = expand_plan,
    .rights = expand_rights,
};
