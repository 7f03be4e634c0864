/* secret.set: keys of a Secret from files of mendd's host, kept in a copy first.
 *
 * No value comes here: the engine says what a file's text hashes to, and puts it in when the change is sent
 * (core/secret.h). The inverse takes what stood there before from the copy. */
#include "core/secret.h"
#include "actions/backup.h"
#include "base/alloc.h"
#include "base/text.h"

#include <errno.h>
#include <string.h>

int refuse_secret(const struct workload *w, struct error *err)
{
    static const char *const servers[] = {"kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token", NULL};
    const char *type = json_text_or(w->object, "type", "Opaque");
    if (json_is_true(json_object_get(w->object, "immutable")))
        return error_set(err, -EBUSY, "%s is immutable: it can only be replaced under another name", w->label);
    if (str_in(type, servers))
        return error_set(err, -EPERM, "%s is of type %s: the cluster makes its content", w->label, type);
    if (object_is_terminating(w->object))
        return error_set(err, -EBUSY, "%s is being deleted", w->label);
    return refuse_if_owned(w, err);
}

/* ---- the copy ---- */

/* Whether a copy holds what stands at these pointers. */
static bool keeps(const json_t *copy, const char *scope, const json_t *changes)
{
    const char *pointer;
    json_t *change;
    _cleanup_json_ json_t *probe = json_pack("{s:s}", "secret", scope);
    json_object_foreach ((json_t *)changes, pointer, change) {
        _cleanup_json_ json_t *seen = secret_seen_new(probe, pointer, copy);
        const json_t *before = json_object_get(change, "before");
        if (!seen != !before || (seen && !json_equal(seen, before)))
            return false;
    }
    return true;
}

/* The copy of this run if it holds what is about to change, else one of the step's own. *ret_effect NULL: it is there.
 */
static int choose_copy(const struct action_in *in, const struct workload *w, const json_t *changes, char **ret_name,
                       json_t **ret_effect, struct error *err)
{
    _cleanup_free_ char *scope = secret_scope_new(w);
    const char *key = strchr(in->key, '/');
    _cleanup_free_ char *step = xstrdup(key ? key + 1 : "step");
    for (char *c = step; *c; c++)
        *c = *c == '/' ? '-' : *c;
    for (int own = 0; own < 2; own++) {
        const json_t *there = NULL;
        _cleanup_free_ char *name = backup_name_new(in, "Secret", w->name, own ? step : NULL);
        int r = look_for(in, "Secret", w->namespace, name, &there, err);
        if (r < 0)
            return r;
        if (there && !keeps(there, scope, changes))
            continue;
        *ret_effect = there ? NULL : secret_copy_effect_new(in, w, name);
        *ret_name = TAKE_PTR(name);
        return 0;
    }
    return error_set(err, -EBUSY, "%s: its copies hold something else; nothing is changed without one", w->label);
}

/* ---- the change ---- */

static json_t *changes_new(const char *scope, const json_t *data, const json_t *keys)
{
    json_t *changes = json_object(), *spec;
    const char *key;
    json_object_foreach ((json_t *)keys, key, spec) {
        _cleanup_json_ json_t *before = secret_hashed_new(scope, key, data);
        const char *wanted = json_text(spec, "sha256");
        if (wanted ? str_eq(wanted, json_text(before, "sha256")) : !before)
            continue;
        _cleanup_free_ char *pointer = json_pointer_join("/data", key);
        json_t *change = wanted ? json_pack("{s:{s:s}}", "after", "sha256", wanted) : json_pack("{s:n}", "after");
        if (before)
            json_object_set(change, "before", before);
        json_object_set_new(changes, pointer, change);
    }
    return changes;
}

static json_t *assemble_new(const json_t *changes, const json_t *keys, const char *from)
{
    json_t *used = json_object(), *assemble, *change;
    const char *pointer;
    json_object_foreach ((json_t *)changes, pointer, change) {
        const char *key = pointer + strlen("/data/");
        json_object_set(used, key, json_object_get(keys, key));
    }
    assemble = json_pack("{s:o}", "keys", used);
    json_set_text(assemble, "from", from);
    return assemble;
}

int plan_secret(const struct action_in *in, const struct workload *w, const json_t *keys, const char *from,
                const char *verb, struct action_plan *plan, struct error *err)
{
    _cleanup_free_ char *scope = secret_scope_new(w), *copy = NULL, *key = effect_key(in, "Secret", w->name);
    _cleanup_json_ json_t *changes = changes_new(scope, json_object_get(w->object, "data"), keys);
    json_t *copying = NULL;
    if (json_object_size(changes) == 0) {
        plan_note(plan, "%s is already so", w->label);
        return 0;
    }
    int r = refuse_secret(w, err);
    if (r == 0)
        r = choose_copy(in, w, changes, &copy, &copying, err);
    if (r < 0)
        return r;
    _cleanup_free_ char *copy_path = kube_path(&w->kind, w->namespace, copy, NULL);
    json_t *metadata = json_pack("{s:o}", "metadata", marked_metadata_new(object_uid(w->object), key));
    json_t *effect = effect_on(in, w, NULL, object_uid(w->object), "PATCH", CONTENT_MERGE, metadata, RECOGNISE_MARK);
    json_set_text(effect, "secret", scope);
    json_object_set_new(effect, "assemble", assemble_new(changes, keys, from));
    json_object_set(effect, "changes", changes);
    json_object_set_new(effect, "reversible", json_true());
    json_object_set_new(effect, "undo", json_pack("{s:s}", "from", copy_path));
    if (copying)
        plan_effect(plan, copying);
    plan_effect(plan, effect);
    plan_note(plan, "%s %zu key%s of %s; what stands there is kept in Secret %s", verb, json_object_size(changes),
              json_object_size(changes) == 1 ? "" : "s", w->label, copy);
    return 0;
}

/* ---- secret.set ---- */

static bool is_data_key(const char *key)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    return *key && strlen(key) <= 253 && key[strspn(key, allowed)] == '\0' && !str_eq(key, ".") &&
           !str_starts(key, "..");
}

static int ask_file(const struct action_in *in, const char *scope, const char *key, const char *file, json_t *keys,
                    struct error *err)
{
    if (!is_data_key(key))
        return error_set(err, -EINVAL, "'%.80s' is no key of a Secret: letters, digits, '-', '_' and '.'", key);
    if (*file != '/' && strstr(file, ".."))
        return error_set(err, -EINVAL, "from_files: %s leads out of the folder of credentials", key);
    const json_t *answer =
        ask(in->asks, json_pack("{s:s, s:s, s:s, s:s}", "ask", "secret", "file", file, "scope", scope, "key", key));
    if (!answer)
        return -EAGAIN;
    const char *hash = json_text(answer, "sha256");
    if (!hash)
        return error_set(err, -EINVAL, "from_files: %s: %s", key,
                         json_text_or(answer_body(answer), "message", json_text_or(answer, "message", "no answer")));
    if (json_int_or(answer, "bytes", 0) == 0)
        return error_set(err, -EINVAL, "from_files: %s: %s is empty", key, file);
    json_object_set_new(keys, key, json_pack("{s:s, s:s}", "sha256", hash, "file", file));
    return 0;
}

static int ask_files(const struct action_in *in, const char *scope, json_t *keys, struct error *err)
{
    json_t *files = json_object_get(in->with, "from_files"), *file;
    const char *key;
    int sum = json_object_size(files) > 0 ? 0 : error_set(err, -EINVAL, "from_files is empty: there is nothing to set");
    json_object_foreach (files, key, file) {
        int r = sum == 0 || sum == -EAGAIN ? ask_file(in, scope, key, json_string_value(file), keys, err) : 0;
        sum = r < 0 && (r != -EAGAIN || sum == 0) ? r : sum;
    }
    return sum;
}

static int set_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    static const char *const kinds[] = {"Secret", NULL};
    _cleanup_json_ json_t *with = json_deep_copy(in->with), *keys = json_object();
    _cleanup_workloads_ struct workloads found = {0};
    json_set_text(with, "kind", "Secret");
    if (!json_text(with, "name") && str_eq(in->target->kind, "Secret"))
        json_set_text(with, "name", in->target->name);
    if (!json_text(with, "name"))
        return error_set(err, -EINVAL, "the target is no Secret: say which one (name)");
    const struct workloads_query q = {
        .asks = in->asks, .cluster = in->cluster, .target = in->target, .with = with, .kinds = kinds, .look = true};
    struct action_plan plan = {.effects = json_array()};
    int r = workloads_find(&q, &found, err);
    _cleanup_free_ char *scope = r == 0 ? secret_scope_new(&found.items[0]) : NULL;
    if (r == 0)
        r = ask_files(in, scope, keys, err);
    if (r == 0)
        r = plan_secret(in, &found.items[0], keys, NULL, "set", &plan, err);
    if (r < 0)
        action_plan_clear(&plan);
    else
        *ret = plan;
    return r;
}

static const struct param set_params[] = {
    {"name", PARAM_NAME, false, NULL, "the Secret; the target by default"},
    {"namespace", PARAM_NAME, false, NULL, "the target's by default"},
    {"from_files", PARAM_FILES, true, NULL,
     "key: credential or file on mendd's host that holds the value; other keys stay; no templates"},
    {0},
};

void secret_change_rights(const struct rights_in *in, const struct choices *names)
{
    const struct rights_what secret = {.kind = "Secret", .names = names};
    rights_read(in, &secret, "get");
    rights_change(in, &secret, "patch");
    backup_copy_rights(in, "Secret");
}

static void set_rights(const struct rights_in *in)
{
    _cleanup_choices_ struct choices names =
        rights_has(in, "name") ? rights_param(in, "name") : rights_target_name(in, "Secret");
    secret_change_rights(in, &names);
}

const struct action action_secret_set = {
    .name = "secret.set",
    .class = ACTION_EFFECT,
    .reversible = true,
    .params = set_params,
    .doc = "sets keys of a Secret from files, with a copy of it beside it",
    .plan = set_plan,
    .rights = set_rights,
    .changes_spec = true,
};
