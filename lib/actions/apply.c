/* resource.apply and resource.delete: whole objects.
 *
 * Apply is the server's own (PATCH application/apply-patch+yaml, fieldManager mendd): a field that somebody
 * else manages answers 409 with that manager's name and stays as it is. An object that was not there is
 * recognised by name and mark, and goes again in a rollback if this run made it; one that was there is recognised by
 * the mark, and what changed is put back field by field. Sources: kubernetes.io/docs "Server-Side Apply"; metadata.uid
 * as guard (apiserver, endpoints/handlers/patch.go). */
#include "actions/create.h"
#include "actions/patch.h"
#include "base/alloc.h"
#include "base/text.h"
#include "core/manifest.h"

#include <errno.h>
#include <string.h>

#define CONTENT_APPLY "application/apply-patch+yaml"

/* ---- what is not for mendd alone ---- */

static int refuse_kind(const struct action_in *in, const char *verb, const char *const kinds[], const char *kind,
                       struct error *err)
{
    if (!str_in(kind, kinds) || in->approved)
        return 0;
    return error_set(err, -EPERM, "mendd does not %s a %s unless a person has approved it (mode: approve)", verb, kind);
}

/* ---- resource.apply ---- */

static int check_manifest(const struct action_in *in, const json_t *m, struct error *err)
{
    static const char *const grave[] = {"Namespace", "CustomResourceDefinition", "PersistentVolume", NULL};
    const char *at;
    int r = manifest_check(m, false, &at, err);
    return r < 0 ? r : refuse_kind(in, "make", grave, json_text(m, "kind"), err);
}

/* As it is sent: without what only the server sets. */
static json_t *clean_new(const json_t *m)
{
    static const char *const server_side[] = {
        "uid",           "resourceVersion", "generation",        "creationTimestamp",
        "managedFields", "selfLink",        "deletionTimestamp", "deletionGracePeriodSeconds"};
    json_t *copy = json_deep_copy(m);
    json_object_del(copy, "status");
    for (size_t i = 0; i < ARRAY_SIZE(server_side); i++)
        json_object_del(json_object_get(copy, "metadata"), server_side[i]);
    return copy;
}

/* Whether all that is wanted is there already; lists element by element, since the server adds defaults to each. */
static bool is_within(const json_t *want, const json_t *have)
{
    const char *key;
    json_t *value;
    size_t i;
    if (json_is_object(want) && json_is_object(have)) {
        json_object_foreach ((json_t *)want, key, value) {
            if (!json_is_null(value) && !is_within(value, json_object_get(have, key)))
                return false;
        }
        return true;
    }
    if (json_is_array(want) && json_array_size(want) == json_array_size(have)) {
        json_array_foreach ((json_t *)want, i, value) {
            if (!is_within(value, json_array_get(have, i)))
                return false;
        }
        return true;
    }
    return have && json_equal(want, have);
}

/* {pointer: {before?, after?}}; of lists the server says what came of them. */
static json_t *changes_new(const json_t *manifest, const json_t *object)
{
    json_t *changes = patch_changes_new(manifest, "strategic", object), *change;
    const char *pointer;
    void *next;
    json_object_foreach_safe (changes, next, pointer, change) {
        if (is_within(json_pointer(manifest, pointer), json_pointer(object, pointer)))
            json_object_del(changes, pointer);
    }
    return changes;
}

static int refuse_present(const struct action_in *in, const struct workload *w, const json_t *changes,
                          struct error *err)
{
    if (object_is_terminating(w->object))
        return error_set(err, -EBUSY, "%s is being deleted", w->label);
    int r = refuse_if_owned(w, err);
    if (r == 0)
        r = refuse_to_nothing(in, w, changes, err);
    return r == 0 && json_object_get(changes, "/spec/replicas") ? refuse_if_autoscaled(in, w, err) : r;
}

/* "/spec/replicas" in {"f:spec": {"f:replicas": {}}}; lists are taken as one field. */
static bool owns(const json_t *fields, const char *pointer)
{
    while (fields && *pointer) {
        const size_t n = strcspn(++pointer, "/");
        struct strbuf b = STRBUF_INIT;
        strbuf_puts(&b, "f:");
        for (size_t i = 0; i < n; i++) {
            const bool escaped = pointer[i] == '~' && i + 1 < n;
            strbuf_putc(&b, !escaped ? pointer[i] : pointer[i + 1] == '1' ? '/' : '~');
            i += escaped;
        }
        _cleanup_free_ char *key = strbuf_take(&b);
        fields = json_object_get(fields, key);
        pointer += n;
    }
    return fields != NULL;
}

/* What mendd patched (an Update) is another manager's to the server than what it applies: with nobody else's field
 * among the changes it is taken over, or a second apply after a rollback would meet mendd itself. */
static bool only_ours(const json_t *object, const json_t *changes)
{
    size_t i;
    json_t *entry, *change;
    const char *pointer;
    json_array_foreach (json_path(object, "metadata", "managedFields", NULL), i, entry) {
        if (str_eq(json_text(entry, "manager"), FIELD_MANAGER))
            continue;
        json_object_foreach ((json_t *)changes, pointer, change) {
            if (owns(json_object_get(entry, "fieldsV1"), pointer))
                return false;
        }
    }
    return true;
}

static json_t *apply_effect_new(const struct action_in *in, const struct workload *w, json_t *manifest,
                                enum recognition how, bool force)
{
    _cleanup_free_ char *key = effect_key(in, w->kind.kind, w->name), *path = xstrdup(w->path);
    json_t *metadata = json_object_get(manifest, "metadata");
    if (!json_object_get(metadata, "annotations"))
        json_object_set_new(metadata, "annotations", json_object());
    json_set_text(json_object_get(metadata, "annotations"), MARK_ANNOTATION, key);
    json_set_text(metadata, "namespace", w->namespace);
    json_set_text(metadata, "uid", w->object ? object_uid(w->object) : NULL);
    kube_path_query(&path, "fieldManager", FIELD_MANAGER);
    kube_path_query(&path, "force", force ? "true" : "false");
    json_t *effect = effect_new(key, "PATCH", path, CONTENT_APPLY, json_incref(manifest), how);
    json_t *object = object_ref_new(&w->kind, w->namespace, w->name);
    if (w->object)
        json_set_text(object, "uid", object_uid(w->object));
    json_object_set_new(effect, "object", object);
    json_set_text(effect, "cluster", in->cluster ? in->cluster : "");
    json_set_text(effect, "read", w->path);
    return effect;
}

static int apply_known(const struct action_in *in, const struct workload *w, json_t *manifest, struct action_plan *plan,
                       struct error *err)
{
    if (!w->object) {
        json_t *effect = apply_effect_new(in, w, manifest, RECOGNISE_NAME, false);
        effect_undo_by_delete(effect);
        plan_effect(plan, effect);
        plan_note(plan, "make %s", w->label);
        return 0;
    }
    _cleanup_json_ json_t *changes = changes_new(manifest, w->object);
    if (json_object_size(changes) == 0) {
        plan_note(plan, "%s is already so", w->label);
        return 0;
    }
    int r = refuse_present(in, w, changes, err);
    if (r < 0)
        return r;
    json_t *effect = apply_effect_new(in, w, manifest, RECOGNISE_MARK, only_ours(w->object, changes));
    json_object_set(effect, "changes", changes);
    json_object_set_new(effect, "reversible", json_true());
    plan_effect(plan, effect);
    plan_note(plan, "apply %s (%zu change%s)", w->label, json_object_size(changes),
              json_object_size(changes) == 1 ? "" : "s");
    return 0;
}

/* The object where the manifest belongs; object NULL: there is none. The caller clears it. */
static int find_object(const struct action_in *in, const char *api_version, const char *kind, const char *namespace,
                       const char *name, struct workload *ret, struct error *err)
{
    struct kind k;
    int r = kind_find(in->asks, in->cluster, api_version, kind, &k, err);
    if (r < 0)
        return r;
    const char *own = k.namespaced ? step_namespace(in, err) : NULL;
    if (k.namespaced && !own)
        return -EINVAL;
    if (namespace && !str_eq(namespace, own))
        return error_set(err, -EPERM, "%s %s is in namespace %s, the step acts in %s: say so (namespace)", kind, name,
                         namespace, own ? own : "none");
    const json_t *object = NULL;
    _cleanup_free_ char *path = kube_path(&k, own, name, NULL), *what = kube_what("GET", &k, own, name);
    _cleanup_error_ struct error absent = ERROR_NONE;
    r = read_kube(in->asks, in->cluster, path, what, &object, &absent);
    if (r < 0 && r != -ENOENT)
        return r == -EAGAIN ? r : error_set(err, r, "%s", error_message(&absent));
    *ret = (struct workload){.kind = k,
                             .namespace = own ? xstrdup(own) : NULL,
                             .name = xstrdup(name),
                             .path = TAKE_PTR(path),
                             .label = xasprintf("%s %s%s%s", k.kind, own ? own : "", own ? "/" : "", name),
                             .object = object};
    return 0;
}

static void found_clear(struct workload *w)
{
    free(w->namespace);
    free(w->name);
    free(w->path);
    free(w->label);
}

static int apply_one(const struct action_in *in, const json_t *m, struct action_plan *plan, struct error *err)
{
    _cleanup_(found_clear) struct workload w = {0};
    int r = check_manifest(in, m, err);
    if (r == 0)
        r = find_object(in, json_text(m, "apiVersion"), json_text(m, "kind"),
                        json_path_text(m, "metadata", "namespace", NULL), json_path_text(m, "metadata", "name", NULL),
                        &w, err);
    if (r < 0)
        return r;
    _cleanup_json_ json_t *clean = clean_new(m);
    return apply_known(in, &w, clean, plan, err);
}

static int apply_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    json_t *manifest = json_object_get(in->with, "manifest"), *item;
    _cleanup_json_ json_t *list = json_is_array(manifest) ? json_incref(manifest) : json_pack("[O]", manifest);
    struct action_plan plan = {.effects = json_array()};
    bool again = false;
    size_t i;
    int r = json_array_size(list) > 0 && json_array_size(list) <= MANIFESTS_MAX
                ? 0
                : error_set(err, -EINVAL, "manifest: expected an object, or a list of 1 to %d", MANIFESTS_MAX);
    json_array_foreach (list, i, item) { /* all are asked for in one round */
        int k = r == 0 ? apply_one(in, item, &plan, err) : 0;
        again = again || k == -EAGAIN;
        r = k < 0 && k != -EAGAIN ? k : r;
    }
    if (r < 0 || again) {
        action_plan_clear(&plan);
        return r < 0 ? r : -EAGAIN;
    }
    *ret = plan;
    return 0;
}

/* ---- resource.delete ---- */

/* Pods have an action of their own, with rules of its own; a Job's end has no controller that would bring it back. */
static int refuse_delete(const struct action_in *in, const struct workload *w, struct error *err)
{
    if (str_eq(w->kind.kind, "Pod"))
        return error_set(err, -EPERM, "a pod is pods.delete's or pods.evict's");
    return str_eq(w->kind.kind, "Job") || in->approved ? 0 : refuse_if_owned(w, err);
}

static int delete_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    static const char *const grave[] = {
        "Namespace", "PersistentVolume", "PersistentVolumeClaim", "Secret", "CustomResourceDefinition", "Node", NULL};
    const char *kind = json_text_or(in->with, "kind", ""), *name = json_text_or(in->with, "name", "");
    _cleanup_(found_clear) struct workload w = {0};
    int r = refuse_kind(in, "delete", grave, kind, err);
    if (r == 0)
        r = find_object(in, json_text(in->with, "apiVersion"), kind, NULL, name, &w, err);
    if (r == 0 && w.object)
        r = refuse_delete(in, &w, err);
    if (r < 0)
        return r;
    ret->effects = json_array();
    if (!w.object || object_is_terminating(w.object)) {
        plan_note(ret, "%s is %s", w.label, w.object ? "being deleted already" : "not there");
        return 0;
    }
    json_t *effect = effect_delete_new(in, &w);
    effect_irreversible(effect, "what was deleted does not come back: a backup must be applied");
    plan_effect(ret, effect);
    plan_note(ret, "delete %s and what depends on it", w.label);
    return 0;
}

/* ---- tables ---- */

static const struct param apply_params[] = {
    {"manifest", PARAM_MANIFEST, false, NULL,
     "an object with apiVersion, kind and metadata.name, or a list of 1 to 20"},
    {"file", PARAM_MANIFEST_FILE, false, NULL,
     "or a file with them, in the playbook's folder; read when that is loaded"},
    {"namespace", PARAM_NAME, false, NULL, "where they belong; the target's by default"},
    {0},
};

static const struct param delete_params[] = {
    {"apiVersion", PARAM_TEXT, false, NULL, "group/version of the kind; needed for custom resources only"},
    {"kind", PARAM_KIND, true, NULL, "any kind but Pod; some only in an approved run"},
    {"name", PARAM_NAME, true, NULL, "the object"},
    {"namespace", PARAM_NAME, false, NULL, "the target's by default"},
    {0},
};

static void manifest_rights(const struct rights_in *in, const json_t *m)
{
    const char *version = json_text(m, "apiVersion"), *kind = json_text(m, "kind");
    _cleanup_choices_ struct choices names = rights_choices(in, json_path_text(m, "metadata", "name", NULL));
    struct rights_what what = {.api_version = version, .kind = kind, .names = &names, .names_create = true};
    if (!kind || !version) {
        rights_fault(in, "a manifest without apiVersion and kind: its rights cannot be told");
        return;
    }
    rights_read(in, &what, "get");
    rights_create(in, &what, true);
    rights_change(in, &what, "patch");
    if (json_path(m, "spec", "replicas", NULL))
        rights_list(in, "HorizontalPodAutoscaler");
}

static void apply_rights(const struct rights_in *in)
{
    const json_t *manifest = json_object_get(in->with, "manifest"), *item;
    size_t i;
    if (json_is_object(manifest))
        manifest_rights(in, manifest);
    json_array_foreach (manifest, i, item)
        manifest_rights(in, item);
}

static void delete_kind(const struct rights_in *in, const struct rights_what *what)
{
    rights_read(in, what, "get");
    rights_change(in, what, "delete");
}

static void delete_rights(const struct rights_in *in)
{
    rights_each_kind(in, NULL, delete_kind);
}

const struct action action_resource_apply = {
    .name = "resource.apply",
    .class = ACTION_EFFECT,
    .reversible = true,
    .params = apply_params,
    .doc = "makes or changes objects by server-side apply",
    .plan = apply_plan,
    .rights = apply_rights,
    .changes_spec = true,
    .makes_pods = true,
};

const struct action action_resource_delete = {
    .name = "resource.delete",
    .class = ACTION_EFFECT,
    .reversible = false,
    .params = delete_params,
    .doc = "deletes one object and what depends on it",
    .plan = delete_plan,
    .rights = delete_rights,
    .changes_spec = true,
};
