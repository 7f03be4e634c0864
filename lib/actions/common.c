#include "actions/common.h"

#include "actions/patch.h"

#include "base/alloc.h"
#include "base/text.h"

#include <errno.h>

const char *const rollout_kinds[] = {"Deployment", "StatefulSet", "DaemonSet", NULL};

char *effect_key(const struct action_in *in, const char *kind, const char *name)
{
    return xasprintf("%s/%s.%s", in->key, kind, name);
}

json_t *effect_on(const struct action_in *in, const struct workload *w, const char *subresource, const char *uid,
                  const char *method, const char *content_type, json_t *body_new, enum recognition how)
{
    _cleanup_free_ char *key = effect_key(in, w->kind.kind, w->name);
    _cleanup_free_ char *path = kube_path(&w->kind, w->namespace, w->name, subresource);
    _cleanup_free_ char *api_version =
        *w->kind.group ? xasprintf("%s/%s", w->kind.group, w->kind.version) : xstrdup(w->kind.version);
    json_t *effect = effect_new(key, method, path, content_type, body_new, how);
    json_t *object =
        json_pack("{s:s, s:s, s:s, s:s}", "apiVersion", api_version, "kind", w->kind.kind, "name", w->name, "uid", uid);
    json_set_text(object, "namespace", w->namespace);
    json_object_set_new(effect, "object", object);
    json_set_text(effect, "cluster", in->cluster ? in->cluster : "");
    json_set_text(effect, "read", path);
    return effect;
}

json_t *marked_metadata_new(const char *uid, const char *key)
{
    return json_pack("{s:s, s:{s:s}}", "uid", uid, "annotations", MARK_ANNOTATION, key);
}

void effect_change(json_t *effect, const char *pointer, const json_t *before, json_t *after_new)
{
    json_t *changes = json_object_get(effect, "changes"), *change = json_object();
    if (!changes) {
        changes = json_object();
        json_object_set_new(effect, "changes", changes);
    }
    if (before)
        json_object_set_new(change, "before", json_deep_copy(before));
    if (after_new)
        json_object_set_new(change, "after", after_new);
    json_object_set_new(changes, pointer, change);
}

void effect_irreversible(json_t *effect, const char *why)
{
    json_object_set_new(effect, "reversible", json_false());
    json_set_text(effect, "irreversible", why);
}

void plan_merge(const struct action_in *in, const struct workload *w, const json_t *patch, const char *what,
                struct action_plan *plan)
{
    _cleanup_json_ json_t *changes = patch_changes_new(patch, "merge", w->object);
    if (json_object_size(changes) == 0) {
        plan_note(plan, "%s: nothing to do, %s is already so", what, w->label);
        return;
    }
    const char *uid = object_uid(w->object);
    _cleanup_free_ char *key = effect_key(in, w->kind.kind, w->name);
    json_t *body = patch_merge_marked_new(patch, uid, key);
    json_t *effect = effect_on(in, w, NULL, uid, "PATCH", CONTENT_MERGE, body, RECOGNISE_MARK);
    json_object_set(effect, "changes", changes);
    json_object_set_new(effect, "reversible", json_true());
    plan_effect(plan, effect);
    plan_note(plan, "%s %s", what, w->label);
}

void plan_effect(struct action_plan *plan, json_t *effect_new_taken)
{
    if (!plan->effects)
        plan->effects = json_array();
    json_array_append_new(plan->effects, effect_new_taken);
}

void plan_note(struct action_plan *plan, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    _cleanup_free_ char *text = xvasprintf(fmt, args);
    va_end(args);
    char *note = plan->note ? xasprintf("%s; %s", plan->note, text) : TAKE_PTR(text);
    free(plan->note);
    plan->note = note;
}

int refuse_if_owned(const struct workload *w, struct error *err)
{
    const json_t *owner = object_controller(w->object);
    if (!owner || !kind_known(json_text(owner, "kind"))) /* custom resources: the playbook's `gitops` rule */
        return 0;
    return error_set(err, -EPERM, "%s belongs to %s %s, which would revert the change", w->label,
                     json_text_or(owner, "kind", "?"), json_text_or(owner, "name", "?"));
}

int refuse_to_nothing(const struct action_in *in, const struct workload *w, const json_t *changes, struct error *err)
{
    const json_t *change = json_object_get(changes, "/spec/replicas"), *after = json_object_get(change, "after");
    if (in->approved || !json_is_integer(after) || json_integer_value(after) > 0 ||
        json_int_or(change, "before", 1) < 1)
        return 0;
    return error_set(err, -EPERM, "mendd scales %s to nothing only when a person has approved it (mode: approve)",
                     w->label);
}

int refuse_if_autoscaled(const struct action_in *in, const struct workload *w, struct error *err)
{
    const json_t *list = NULL, *hpa;
    int r = list_kube(in->asks, in->cluster, &kind_hpa, w->namespace, NULL, &list, err);
    if (r < 0)
        return r;
    size_t i;
    json_array_foreach (json_object_get(list, "items"), i, hpa) {
        const json_t *ref = json_path(hpa, "spec", "scaleTargetRef", NULL);
        if (str_eq(json_text(ref, "kind"), w->kind.kind) && str_eq(json_text(ref, "name"), w->name))
            return error_set(err, -EPERM,
                             "%s is scaled by HorizontalPodAutoscaler %s, which would undo it: use hpa.set", w->label,
                             object_name(hpa));
    }
    return 0;
}

int plan_each(const struct action_in *in, const struct each_workload *each, struct action_plan *ret, struct error *err)
{
    _cleanup_workloads_ struct workloads w = {0};
    const struct workloads_query q = {.asks = in->asks,
                                      .cluster = in->cluster,
                                      .target = in->target,
                                      .with = in->with,
                                      .kinds = each->kinds,
                                      .look = each->look};
    int r = workloads_find(&q, &w, err);
    if (r < 0)
        return r;
    struct action_plan plan = {.effects = json_array()};
    bool again = false;
    for (size_t i = 0; i < w.n; i++) {
        r = each->one(in, &w.items[i], &plan, err);
        if (r < 0 && r != -EAGAIN) {
            action_plan_clear(&plan);
            return r;
        }
        again = again || r == -EAGAIN;
    }
    if (again) {
        action_plan_clear(&plan);
        return -EAGAIN;
    }
    *ret = plan;
    return 0;
}
