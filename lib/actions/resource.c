/* resource.patch: a merge, strategic or JSON patch of any object but a Secret. The mark and the uid ride along;
 * `changes` is read off the present object, for the record and for the rollback. */
#include "actions/common.h"
#include "actions/patch.h"
#include "base/alloc.h"
#include "base/text.h"

#include <errno.h>

static bool is_builtin_group(const char *group)
{
    static const char *const groups[] = {"",
                                         "apps",
                                         "batch",
                                         "autoscaling",
                                         "policy",
                                         "networking.k8s.io",
                                         "rbac.authorization.k8s.io",
                                         "storage.k8s.io",
                                         "scheduling.k8s.io",
                                         "coordination.k8s.io",
                                         "discovery.k8s.io",
                                         "certificates.k8s.io",
                                         "node.k8s.io",
                                         "events.k8s.io",
                                         "admissionregistration.k8s.io",
                                         "flowcontrol.apiserver.k8s.io",
                                         NULL};
    return str_in(group, groups);
}

static bool is_scalable(const char *kind)
{
    static const char *const kinds[] = {"Deployment", "StatefulSet", "ReplicaSet", "ReplicationController", NULL};
    return str_in(kind, kinds);
}

static int refuse_patch(const struct action_in *in, const struct workload *w, const char *type, const json_t *patch,
                        struct error *err)
{
    if (str_eq(type, "strategic") && !is_builtin_group(w->kind.group))
        return error_set(err, -EINVAL, "%s is a custom resource, which knows no strategic patch: use type: merge",
                         w->label);
    int r = patch_touches(patch, type, "/spec") ? refuse_if_owned(w, err) : 0;
    if (r == 0 && is_scalable(w->kind.kind) && patch_touches(patch, type, "/spec/replicas"))
        r = refuse_if_autoscaled(in, w, err);
    return r;
}

static json_t *body_new(const struct workload *w, const char *type, const json_t *patch, const char *key)
{
    const bool has_annotations = json_is_object(json_path(w->object, "metadata", "annotations", NULL));
    if (str_eq(type, "json"))
        return patch_json_marked_new(patch, object_uid(w->object), key, has_annotations);
    return patch_merge_marked_new(patch, object_uid(w->object), key);
}

static int patch_one(const struct action_in *in, const struct workload *w, struct action_plan *plan, struct error *err)
{
    const char *type = json_text_or(in->with, "type", "merge");
    const json_t *patch = json_object_get(in->with, "patch");
    int r = str_eq(w->kind.kind, "Secret")
                ? error_set(err, -EPERM, "a Secret's content must not stand in the journal: mendd does not patch %s",
                            w->label)
                : refuse_patch(in, w, type, patch, err);
    if (r < 0)
        return r;
    _cleanup_json_ json_t *changes = patch_changes_new(patch, type, w->object);
    if (json_object_size(changes) == 0) {
        plan_note(plan, "%s is already so", w->label);
        return 0;
    }
    if (is_scalable(w->kind.kind) && (r = refuse_to_nothing(in, w, changes, err)) < 0)
        return r;
    static const char *const content[] = {"json", CONTENT_JSON_PATCH, "strategic", CONTENT_STRATEGIC, NULL};
    const char *content_type = str_eq(type, content[0])   ? content[1]
                               : str_eq(type, content[2]) ? content[3]
                                                          : CONTENT_MERGE;
    _cleanup_free_ char *key = effect_key(in, w->kind.kind, w->name);
    json_t *effect = effect_on(in, w, NULL, object_uid(w->object), "PATCH", content_type, body_new(w, type, patch, key),
                               RECOGNISE_MARK);
    json_object_set(effect, "changes", changes);
    json_object_set_new(effect, "reversible", json_true());
    plan_effect(plan, effect);
    plan_note(plan, "patch %s", w->label);
    return 0;
}

/* Said before anything is read: a Secret's content has no business here. */
static bool means_secret(const struct action_in *in)
{
    const char *kind = json_text(in->with, "kind");
    if (kind)
        return str_eq(kind, "Secret");
    bool any = str_eq(in->target->kind, "Secret");
    for (size_t i = 0; i < in->target->n_owners; i++)
        any = any || str_eq(in->target->owners[i].kind, "Secret");
    return any;
}

static int patch_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    static const struct each_workload each = {.kinds = NULL, .look = true, .one = patch_one};
    if (means_secret(in))
        return error_set(err, -EPERM, "a Secret's content must not stand in the journal: mendd does not patch it");
    int r = patch_check(json_object_get(in->with, "patch"), json_text_or(in->with, "type", "merge"), err);
    return r < 0 ? r : plan_each(in, &each, ret, err);
}

static const char *const type_choices[] = {"merge", "json", "strategic", NULL};

static const struct param patch_params[] = {
    {"apiVersion", PARAM_TEXT, false, NULL, "group/version of the kind; needed for custom resources only"},
    {"kind", PARAM_KIND, false, NULL, "any kind but Secret; the target's by default"},
    {"namespace", PARAM_NAME, false, NULL, "the target's by default"},
    {"name", PARAM_NAME, false, NULL, "the object; the target's owners by default"},
    {"selector", PARAM_SELECTOR, false, NULL, "all objects of the kind with these labels, in name order"},
    {"type", PARAM_CHOICE, false, type_choices, "merge (default), json (RFC 6902) or strategic (built-in kinds only)"},
    {"patch", PARAM_ANY, true, NULL, "a map, or for type json a list of operations"},
    {0},
};

static void patch_kind(const struct rights_in *in, const struct rights_what *what)
{
    const char *type = json_text_or(in->with, "type", "merge");
    if (is_scalable(what->kind) && patch_touches(json_object_get(in->with, "patch"), type, "/spec/replicas"))
        rights_list(in, "HorizontalPodAutoscaler");
}

static void patch_rights(const struct rights_in *in)
{
    rights_patch_objects(in, NULL);
    rights_each_kind(in, NULL, patch_kind);
}

const struct action action_resource_patch = {
    .name = "resource.patch",
    .class = ACTION_EFFECT,
    .reversible = true,
    .params = patch_params,
    .doc = "patches any object but a Secret",
    .plan = patch_plan,
    .rights = patch_rights,
    .changes_spec = true,
    .makes_pods = true,
};
