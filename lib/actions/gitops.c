/* gitops.suspend: keeps Flux or Argo CD from reverting a repair while its run goes on (playbook: gitops: suspend, which
 * puts this step before each rung's own). Flux: spec.suspend of the Kustomization or HelmRelease that applied the
 * target
 * (`flux suspend`); Argo CD: spec.syncPolicy.automated is taken off. Whatever the outcome, what was there before is put
 * back when the run ends (`restore: end`), each only where it still holds mendd's value. What somebody else has
 * suspended is left as it is. */
#include "actions/common.h"
#include "base/alloc.h"
#include "base/text.h"
#include "core/kinds.h"

#include <errno.h>
#include <string.h>

struct applier { /* who applied a workload */
    const char *kind;
    char *namespace, *name;
};

static void applier_clear(struct applier *a)
{
    free(a->namespace);
    free(a->name);
}
#define _cleanup_applier_ _cleanup_(applier_clear)

static const char *mark_of(const json_t *object, const char *where, const char *key)
{
    const char *value = json_path_text(object, "metadata", where, key, NULL);
    return str_empty(value) ? NULL : value;
}

/* Argo CD's tracking id is "app:group/kind:namespace/name"; an app outside of Argo CD's own namespace is "ns_app". */
static void argo_app(const char *id, const char *argo_namespace, struct applier *ret)
{
    _cleanup_free_ char *app = xstrndup(id, strcspn(id, ":"));
    char *underscore = strchr(app, '_');
    ret->kind = "Application";
    ret->name = xstrdup(underscore ? underscore + 1 : app);
    ret->namespace = underscore ? xstrndup(app, (size_t)(underscore - app)) : xstrdup(argo_namespace);
}

static bool find_applier(const json_t *object, const char *argo_namespace, struct applier *ret)
{
    static const struct {
        const char *kind, *name, *namespace;
    } flux[] = {
        {"HelmRelease", "helm.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/namespace"},
        {"Kustomization", "kustomize.toolkit.fluxcd.io/name", "kustomize.toolkit.fluxcd.io/namespace"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(flux); i++) {
        const char *name = mark_of(object, "labels", flux[i].name);
        const char *namespace = mark_of(object, "labels", flux[i].namespace);
        if (!name)
            continue;
        *ret = (struct applier){flux[i].kind, xstrdup(namespace ? namespace : "flux-system"), xstrdup(name)};
        return true;
    }
    const char *tracking = mark_of(object, "annotations", "argocd.argoproj.io/tracking-id");
    const char *instance = mark_of(object, "labels", "argocd.argoproj.io/instance");
    if (!tracking && !instance)
        return false;
    argo_app(tracking ? tracking : instance, argo_namespace, ret);
    return true;
}

static json_t *suspend_effect(const struct action_in *in, const struct workload *w, bool argo)
{
    const char *pointer = argo ? "/spec/syncPolicy/automated" : "/spec/suspend", *uid = object_uid(w->object);
    json_t *spec = argo ? json_pack("{s:{s:n}}", "syncPolicy", "automated") : json_pack("{s:b}", "suspend", 1);
    json_t *body = json_pack("{s:{s:s}, s:o}", "metadata", "uid", uid, "spec", spec);
    json_t *effect = effect_on(in, w, NULL, uid, "PATCH", CONTENT_MERGE, body, RECOGNISE_VALUE);
    effect_change(effect, pointer, json_pointer(w->object, pointer), argo ? json_null() : json_true());
    json_object_set_new(effect, "reversible", json_true());
    json_object_set_new(effect, "restore", json_string("end"));
    return effect;
}

static int suspend(const struct action_in *in, const struct applier *a, struct action_plan *plan, struct error *err)
{
    struct workload w = {.namespace = a->namespace, .name = a->name};
    if (!is_dns1123_label(a->namespace) || !is_dns1123_subdomain(a->name))
        return error_set(err, -EINVAL, "the label that names the %s of the target is no name", a->kind);
    int r = kind_find(in->asks, in->cluster, NULL, a->kind, &w.kind, err);
    if (r < 0)
        return r;
    const bool argo = str_eq(a->kind, "Application");
    _cleanup_free_ char *path = kube_path(&w.kind, a->namespace, a->name, NULL);
    _cleanup_free_ char *what = kube_what("GET", &w.kind, a->namespace, a->name);
    _cleanup_free_ char *label = xasprintf("%s %s/%s", a->kind, a->namespace, a->name);
    w.path = path;
    w.label = label;
    r = read_kube(in->asks, in->cluster, path, what, &w.object, err);
    if (r < 0)
        return r;
    const json_t *automated = json_path(w.object, "spec", "syncPolicy", "automated", NULL);
    bool off =
        argo ? !automated || json_is_null(automated) : json_is_true(json_path(w.object, "spec", "suspend", NULL));
    if (off) {
        plan_note(plan, "%s is suspended already", label);
        return 0;
    }
    plan_effect(plan, suspend_effect(in, &w, argo));
    plan_note(plan, "suspend %s until the run ends", label);
    return 0;
}

static bool planned(const struct action_plan *plan, const struct applier *a)
{
    size_t i;
    json_t *e;
    json_array_foreach (plan->effects, i, e) {
        const json_t *o = json_object_get(e, "object");
        if (str_eq(json_text(o, "kind"), a->kind) && str_eq(json_text(o, "name"), a->name) &&
            str_eq(json_text(o, "namespace"), a->namespace))
            return true;
    }
    return false;
}

static int suspend_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    _cleanup_workloads_ struct workloads w = {0};
    _cleanup_json_ json_t *nothing = json_object();
    const struct workloads_query q = {
        .asks = in->asks, .cluster = in->cluster, .target = in->target, .with = nothing, .look = true};
    int r = workloads_find(&q, &w, err);
    if (r < 0)
        return r;
    struct action_plan plan = {.effects = json_array()};
    bool again = false;
    for (size_t i = 0; i < w.n; i++) {
        _cleanup_applier_ struct applier a = {0};
        if (!find_applier(w.items[i].object, json_text_or(in->with, "argocd_namespace", "argocd"), &a) ||
            planned(&plan, &a))
            continue;
        r = suspend(in, &a, &plan, err);
        again = again || r == -EAGAIN;
        if (r < 0 && r != -EAGAIN) {
            action_plan_clear(&plan);
            return r;
        }
    }
    if (again) {
        action_plan_clear(&plan);
        return -EAGAIN;
    }
    if (!plan.note)
        plan_note(&plan, "neither Flux nor Argo CD owns the target");
    *ret = plan;
    return 0;
}

static const struct param suspend_params[] = {
    {"argocd_namespace", PARAM_NAME, false, NULL, "where Argo CD keeps its applications (argocd)"},
    {0},
};

/* Who applied the target stands in its labels: any of these, wherever they are kept. */
static void suspend_rights(const struct rights_in *in)
{
    static const char *const appliers[] = {"HelmRelease", "Kustomization", "Application", NULL};
    static const struct choices everywhere = {.any = true};
    rights_look_at_objects(in, NULL);
    for (const char *const *kind = appliers; *kind; kind++) {
        const struct rights_what what = {.kind = *kind, .namespaces = &everywhere};
        rights_read(in, &what, "get");
        rights_change(in, &what, "patch");
    }
}

const struct action action_gitops_suspend = {
    .name = "gitops.suspend",
    .class = ACTION_EFFECT,
    .reversible = true,
    .params = suspend_params,
    .doc = "suspends what Flux or Argo CD applies the target with, until the run ends",
    .plan = suspend_plan,
    .rights = suspend_rights,
};
