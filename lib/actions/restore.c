/* restore: puts an object back as a backup has it. Only in an approved run: what stands there now is overwritten. */
#include "actions/backup.h"
#include "actions/patch.h"
#include "base/alloc.h"
#include "base/base64.h"
#include "base/text.h"
#include "core/secret.h"
#include "core/settings.h"

#include <errno.h>
#include <string.h>

enum { MANIFEST_MAX = 512 << 10 };

/* ---- Secrets ---- */

static int check_copy(const json_t *copy, const char *namespace, const char *from, const char *kind, const char *name,
                      struct error *err)
{
    _cleanup_free_ char *of = xasprintf("%s/%s", kind, name);
    const char *said = json_path_text(copy, "metadata", "annotations", BACKUP_OF, NULL);
    if (!copy)
        return error_set(err, -ENOENT, "there is no backup %s in %s", from, namespace);
    if (!str_eq(said, of))
        return error_set(err, -EINVAL, "%s/%s is a backup of %s, not of %s", namespace, from, said ? said : "nothing",
                         of);
    return 0;
}

/* Every key of the copy, and none that is not there. */
static json_t *keys_new(const char *scope, const json_t *copy, const json_t *present)
{
    json_t *keys = secret_hashes_new(scope, json_object_get(copy, "data")), *value;
    const char *key;
    json_object_foreach (json_object_get(present, "data"), key, value) {
        if (!json_object_get(keys, key))
            json_object_set_new(keys, key, json_null());
    }
    return keys;
}

static json_t *secret_again_new(const struct action_in *in, const struct workload *w, const json_t *copy,
                                const char *from_path)
{
    _cleanup_free_ char *scope = secret_scope_new(w);
    json_t *body =
        json_pack("{s:s, s:s, s:{s:s}, s:s}", "apiVersion", "v1", "kind", "Secret", "metadata", "name", w->name, "type",
                  json_path_text(copy, "metadata", "annotations", "mendd.io/backup-type", NULL)
                      ? json_path_text(copy, "metadata", "annotations", "mendd.io/backup-type", NULL)
                      : "Opaque");
    json_t *effect = effect_create_new(in, &w->kind, w->namespace, body);
    json_set_text(effect, "secret", scope);
    json_object_set_new(
        effect, "assemble",
        json_pack("{s:s, s:o}", "from", from_path, "keys", secret_hashes_new(scope, json_object_get(copy, "data"))));
    effect_irreversible(effect, "a Secret that was put back stays");
    return effect;
}

static int restore_secret(const struct action_in *in, const struct workload *w, struct action_plan *plan,
                          struct error *err)
{
    const char *from = json_text_or(in->with, "from", "");
    const json_t *copy = NULL;
    _cleanup_free_ char *scope = secret_scope_new(w), *path = kube_path(&w->kind, w->namespace, from, NULL);
    int r = look_for(in, "Secret", w->namespace, from, &copy, err);
    if (r == 0)
        r = check_copy(copy, w->namespace, from, "Secret", w->name, err);
    if (r < 0)
        return r;
    if (!w->object) {
        plan_effect(plan, secret_again_new(in, w, copy, path));
        plan_note(plan, "make %s again from %s", w->label, from);
        return 0;
    }
    _cleanup_json_ json_t *keys = keys_new(scope, copy, w->object);
    return plan_secret(in, w, keys, path, "put back", plan, err);
}

/* ---- other objects ---- */

/* The merge patch (RFC 7386) that makes `want` of `have`. */
static json_t *difference_new(const json_t *have, const json_t *want)
{
    json_t *patch = json_object(), *value;
    const char *key;
    json_object_foreach ((json_t *)want, key, value) {
        const json_t *now = json_object_get(have, key);
        if (now && json_equal(now, value))
            continue;
        if (json_is_object(now) && json_is_object(value))
            json_object_set_new(patch, key, difference_new(now, value));
        else
            json_object_set(patch, key, value);
    }
    json_object_foreach ((json_t *)have, key, value) {
        if (!json_object_get(want, key))
            json_object_set_new(patch, key, json_null());
    }
    return patch;
}

/* Labels and annotations stay as they are: they are others' too. */
static json_t *content_new(const json_t *object)
{
    static const char *const rest[] = {"apiVersion", "kind", "metadata", "status"};
    json_t *copy = json_deep_copy(object);
    for (size_t i = 0; i < ARRAY_SIZE(rest); i++)
        json_object_del(copy, rest[i]);
    return copy;
}

static int read_file(const struct action_in *in, const char *from, const char **ret, struct error *err)
{
    _cleanup_free_ char *file = xasprintf("%s.json", from);
    const json_t *answer = ask(in->asks, json_pack("{s:s, s:s}", "ask", "backup", "file", file));
    if (!answer)
        return -EAGAIN;
    *ret = json_text(answer, "text");
    return *ret ? 0 : answer_error(answer, file, err) < 0 ? -ENOENT : error_set(err, -EIO, "%s: no answer", file);
}

/* The text that a copy of an object holds, wherever it lies. The caller frees. */
static int read_copy(const struct action_in *in, const struct workload *w, const char *from, char **ret,
                     struct error *err)
{
    const char *kind = in->backup && in->backup->to == BACKUP_SECRET ? "Secret" : "ConfigMap", *text = NULL;
    const json_t *copy = NULL;
    size_t len;
    const bool folder = in->backup && in->backup->to == BACKUP_FOLDER;
    int r = folder ? read_file(in, from, &text, err) : look_for(in, kind, w->namespace, from, &copy, err);
    if (r == 0 && !folder)
        r = check_copy(copy, w->namespace, from, w->kind.kind, w->name, err);
    if (r < 0)
        return r;
    text = folder ? text : json_path_text(copy, "data", BACKUP_FILE, NULL);
    *ret = text && str_eq(kind, "Secret") ? base64_decode_new(text, &len) : xstrdup(text);
    return *ret ? 0 : error_set(err, -EINVAL, "%s %s/%s holds no %s", kind, w->namespace, from, BACKUP_FILE);
}

static int parse_manifest(const struct workload *w, const char *text, json_t **ret, struct error *err)
{
    _cleanup_json_ json_t *m = json_parse(text, strlen(text), MANIFEST_MAX, true, err);
    const char *namespace = json_path_text(m, "metadata", "namespace", NULL);
    if (!m)
        return error_prefix(err, "the backup of %s", w->label);
    if (!str_eq(json_text(m, "kind"), w->kind.kind) || !str_eq(json_path_text(m, "metadata", "name", NULL), w->name) ||
        (namespace && !str_eq(namespace, w->namespace)))
        return error_set(err, -EINVAL, "the backup is one of another object than %s", w->label);
    *ret = TAKE_PTR(m);
    return 0;
}

static int restore_object(const struct action_in *in, const struct workload *w, struct action_plan *plan,
                          struct error *err)
{
    const char *from = json_text_or(in->with, "from", "");
    _cleanup_free_ char *text = NULL;
    _cleanup_json_ json_t *manifest = NULL;
    int r = read_copy(in, w, from, &text, err);
    if (r == 0)
        r = parse_manifest(w, text, &manifest, err);
    if (r < 0)
        return r;
    if (!w->object) {
        json_t *effect = effect_create_new(in, &w->kind, w->namespace, json_incref(manifest));
        effect_undo_by_delete(effect);
        plan_effect(plan, effect);
        plan_note(plan, "make %s again from %s", w->label, from);
        return 0;
    }
    _cleanup_json_ json_t *have = content_new(w->object), *want = content_new(manifest),
                          *patch = difference_new(have, want);
    r = refuse_if_owned(w, err);
    if (r == 0 && patch_touches(patch, "merge", "/spec/replicas"))
        r = refuse_if_autoscaled(in, w, err);
    if (r == 0)
        plan_merge(in, w, patch, "put back", plan);
    return r;
}

/* ---- the action ---- */

static int restore_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    static const char *const never[] = {"Namespace", "Node", "PersistentVolume", "CustomResourceDefinition",
                                        "Pod",       NULL};
    const char *kind = json_text_or(in->with, "kind", ""), *name = json_text_or(in->with, "name", "");
    struct kind k;
    if (!in->approved)
        return error_set(err, -EPERM, "what stands there now is overwritten: only a person may say so (mode: approve)");
    if (str_in(kind, never))
        return error_set(err, -EPERM, "a %s is not put back from a backup", kind);
    int r = kind_find(in->asks, in->cluster, json_text(in->with, "apiVersion"), kind, &k, err);
    const char *namespace = r == 0 && k.namespaced ? step_namespace(in, err) : NULL;
    if (r < 0 || (k.namespaced && !namespace))
        return r < 0 ? r : -EINVAL;
    _cleanup_error_ struct error absent = ERROR_NONE;
    _cleanup_free_ char *path = kube_path(&k, namespace, name, NULL), *what = kube_what("GET", &k, namespace, name);
    _cleanup_free_ char *label = xasprintf("%s %s%s%s", kind, namespace ? namespace : "", namespace ? "/" : "", name);
    struct workload w = {.kind = k,
                         .namespace = (char *)(uintptr_t) namespace,
                         .name = (char *)(uintptr_t)name,
                         .path = path,
                         .label = label};
    r = read_kube(in->asks, in->cluster, path, what, &w.object, &absent);
    if (r == -EAGAIN || (r < 0 && r != -ENOENT))
        return r == -EAGAIN ? r : error_set(err, r, "%s", error_message(&absent));
    struct action_plan plan = {.effects = json_array()};
    r = str_eq(kind, "Secret") ? restore_secret(in, &w, &plan, err) : restore_object(in, &w, &plan, err);
    if (r < 0)
        action_plan_clear(&plan);
    else
        *ret = plan;
    return r;
}

static const struct param restore_params[] = {
    {"apiVersion", PARAM_TEXT, false, NULL, "group/version of the kind; needed for custom resources only"},
    {"from", PARAM_NAME, true, NULL, "the backup: the name of its ConfigMap, Secret or file (without .json)"},
    {"kind", PARAM_KIND, true, NULL, "of the object"},
    {"name", PARAM_NAME, true, NULL, "the object"},
    {"namespace", PARAM_NAME, false, NULL, "the target's by default"},
    {0},
};

static bool restores_replicas(const char *kind)
{
    static const char *const kinds[] = {"Deployment", "StatefulSet", "ReplicaSet", "ReplicationController", NULL};
    return str_in(kind, kinds);
}

static void restore_kind(const struct rights_in *in, const struct rights_what *what)
{
    const bool secret = str_eq(what->kind, "Secret");
    const int to = secret ? BACKUP_SECRET : in->settings->backup.to;
    _cleanup_choices_ struct choices from = rights_param(in, "from");
    const struct rights_what copy = {.kind = to == BACKUP_SECRET ? "Secret" : "ConfigMap", .names = &from};
    if (!in->approved)
        return;
    rights_read(in, what, "get");
    if (to != BACKUP_FOLDER)
        rights_read(in, &copy, "get");
    rights_create(in, what, !secret);
    if (secret)
        secret_change_rights(in, what->names);
    else
        rights_change(in, what, "patch");
    if (restores_replicas(what->kind))
        rights_list(in, "HorizontalPodAutoscaler");
}

static void restore_rights(const struct rights_in *in)
{
    rights_each_kind(in, NULL, restore_kind);
}

const struct action action_restore = {
    .name = "restore",
    .class = ACTION_EFFECT,
    .reversible = true,
    .params = restore_params,
    .doc = "puts an object back as a backup has it; only in an approved run",
    .plan = restore_plan,
    .rights = restore_rights,
    .changes_spec = true,
    .makes_pods = true,
};
