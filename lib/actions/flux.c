/* flux.reconcile, flux.suspend, flux.resume: what `flux` does by hand (fluxcd/flux2 cmd/flux/reconcile.go, suspend.go).
 * A reconciliation is asked for by an annotation; the check flux.ready says when it was done. gitops.suspend (gitops.c)
 * is the one that ends with the run. */
#include "actions/common.h"
#include "base/alloc.h"
#include "base/text.h"

#include <errno.h>

#define REQUESTED_AT "reconcile.fluxcd.io/requestedAt"
#define FORCE_AT "reconcile.fluxcd.io/forceAt"

static const char *const flux_kinds[] = {"Kustomization", "HelmRelease",   "GitRepository", "HelmRepository",
                                         "HelmChart",     "OCIRepository", "Bucket",        NULL};

static bool is_suspended(const struct workload *w)
{
    return json_is_true(json_path(w->object, "spec", "suspend", NULL));
}

static int reconcile_one(const struct action_in *in, const struct workload *w, struct action_plan *plan,
                         struct error *err)
{
    char at[TIME_TEXT_MAX];
    if (is_suspended(w))
        return error_set(err, -EBUSY, "%s is suspended: it would not reconcile (flux.resume)", w->label);
    time_format(in->now.wall_us, at);
    _cleanup_json_ json_t *patch = json_pack("{s:{s:{s:s}}}", "metadata", "annotations", REQUESTED_AT, at);
    if (json_bool_or(in->with, "force", false)) {
        if (!str_eq(w->kind.kind, "HelmRelease"))
            return error_set(err, -EINVAL, "force is for a HelmRelease, not for %s", w->label);
        json_object_set_new(json_path(patch, "metadata", "annotations", NULL), FORCE_AT, json_string(at));
    }
    size_t before = json_array_size(plan->effects);
    plan_merge(in, w, patch, "reconcile", plan);
    json_t *effect = json_array_get(plan->effects, before);
    if (effect) {
        effect_irreversible(effect, "a reconciliation has no inverse");
        json_object_set_new(effect, "made", json_pack("{s:s}", "requestedAt", at));
    }
    return 0;
}

static int set_suspend(const struct action_in *in, const struct workload *w, bool suspend, struct action_plan *plan)
{
    _cleanup_json_ json_t *patch = json_pack("{s:{s:b}}", "spec", "suspend", suspend);
    if (is_suspended(w) == suspend)
        plan_note(plan, "%s is %s already", w->label, suspend ? "suspended" : "not suspended");
    else
        plan_merge(in, w, patch, suspend ? "suspend" : "resume", plan);
    return 0;
}

static int suspend_one(const struct action_in *in, const struct workload *w, struct action_plan *plan,
                       struct error *err _unused_)
{
    return set_suspend(in, w, true, plan);
}

static int resume_one(const struct action_in *in, const struct workload *w, struct action_plan *plan,
                      struct error *err _unused_)
{
    return set_suspend(in, w, false, plan);
}

static int reconcile_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    static const struct each_workload each = {.kinds = flux_kinds, .look = true, .one = reconcile_one};
    return plan_each(in, &each, ret, err);
}

static int suspend_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    static const struct each_workload each = {.kinds = flux_kinds, .look = true, .one = suspend_one};
    return plan_each(in, &each, ret, err);
}

static int resume_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    static const struct each_workload each = {.kinds = flux_kinds, .look = true, .one = resume_one};
    return plan_each(in, &each, ret, err);
}

#define WHICH                                                                                                          \
    {"apiVersion", PARAM_TEXT, false, NULL, "group/version; found by itself for Kustomization and HelmRelease"},       \
        {"kind", PARAM_KIND, false, NULL, "Kustomization, HelmRelease, GitRepository, …; the target's by default"},    \
        {"namespace", PARAM_NAME, false, NULL, "the target's by default"},                                             \
        {"name", PARAM_NAME, false, NULL, "which one; the target by default"},                                         \
    {                                                                                                                  \
        "selector", PARAM_SELECTOR, false, NULL, "all of the kind with these labels, in name order"                    \
    }

static const struct param reconcile_params[] = {
    WHICH, {"force", PARAM_BOOL, false, NULL, "a HelmRelease: upgrade even if nothing changed"}, {0}};
static const struct param suspend_params[] = {WHICH, {0}};

static void flux_rights(const struct rights_in *in)
{
    rights_patch_objects(in, flux_kinds);
}

const struct action action_flux_reconcile = {
    .name = "flux.reconcile",
    .class = ACTION_EFFECT,
    .reversible = false,
    .params = reconcile_params,
    .doc = "asks Flux to reconcile now",
    .plan = reconcile_plan,
    .rights = flux_rights,
};
const struct action action_flux_suspend = {
    .name = "flux.suspend",
    .class = ACTION_EFFECT,
    .reversible = true,
    .params = suspend_params,
    .doc = "suspends reconciliation until flux.resume",
    .plan = suspend_plan,
    .rights = flux_rights,
};
const struct action action_flux_resume = {
    .name = "flux.resume",
    .class = ACTION_EFFECT,
    .reversible = true,
    .params = suspend_params,
    .doc = "lets suspended reconciliation go on",
    .plan = resume_plan,
    .rights = flux_rights,
};
