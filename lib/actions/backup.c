/* backup: keeps objects as they are, before a later step changes them. */
#include "actions/backup.h"
#include "base/alloc.h"
#include "base/hash.h"
#include "base/text.h"
#include "core/secret.h"
#include "core/settings.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

enum { MANIFEST_MAX = 256 << 10, NAME_MAX_BYTES = 240 };

/* ---- names ---- */

char *backup_name_new(const struct action_in *in, const char *kind, const char *name, const char *suffix)
{
    struct strbuf b = STRBUF_INIT;
    const size_t run = strcspn(in->key, "/");
    _cleanup_free_ char *wanted =
        xasprintf("%.*s-%s-%s%s%s", (int)run, in->key, kind, name, suffix ? "-" : "", suffix ? suffix : "");
    bool odd = false;
    strbuf_puts(&b, "mendd-backup-");
    for (const char *c = wanted; *c; c++) {
        const bool fine = isalnum((unsigned char)*c) || *c == '-' || *c == '.';
        odd = odd || !fine; /* a ClusterRole may be called system:node */
        strbuf_putc(&b, fine ? (char)tolower((unsigned char)*c) : '-');
    }
    _cleanup_free_ char *text = strbuf_take(&b);
    if (!odd && strlen(text) <= NAME_MAX_BYTES && is_dns1123_subdomain(text))
        return TAKE_PTR(text);
    const uint64_t hash = fnv1a64(FNV1A64_INIT, wanted, strlen(wanted));
    for (char *c = text; *c; c++)
        *c = *c == '.' ? '-' : *c;
    return xasprintf("%.200s-%016llx", text, (unsigned long long)hash);
}

static char *label_of(const char *kind, const char *namespace, const char *name)
{
    _cleanup_free_ char *all = xasprintf("%s/%s/%s", kind, namespace ? namespace : "", name);
    return xasprintf("%016llx", (unsigned long long)fnv1a64(FNV1A64_INIT, all, strlen(all)));
}

char *secret_scope_new(const struct workload *w)
{
    return xasprintf("%s/%s", w->namespace ? w->namespace : "", w->name);
}

int look_for(const struct action_in *in, const char *kind, const char *namespace, const char *name, const json_t **ret,
             struct error *err)
{
    const struct kind *k = kind_known(kind);
    _cleanup_error_ struct error absent = ERROR_NONE;
    _cleanup_free_ char *path = kube_path(k, namespace, name, NULL), *what = kube_what("GET", k, namespace, name);
    *ret = NULL;
    int r = read_kube(in->asks, in->cluster, path, what, ret, &absent);
    return r == 0 || r == -ENOENT ? 0 : r == -EAGAIN ? r : error_set(err, r, "%s", error_message(&absent));
}

/* ---- copies ---- */

static json_t *copy_metadata_new(const struct workload *w, const char *name)
{
    _cleanup_free_ char *of = xasprintf("%s/%s", w->kind.kind, w->name);
    _cleanup_free_ char *label = label_of(w->kind.kind, w->namespace, w->name);
    return json_pack("{s:s, s:{s:s}, s:{s:s}}", "name", name, "labels", BACKUP_LABEL, label, "annotations", BACKUP_OF,
                     of);
}

static json_t *copy_effect_new(const struct action_in *in, const struct workload *w, const char *kind, json_t *body)
{
    const struct kind *k = kind_known(kind);
    json_set_text(body, "kind", kind);
    json_set_text(body, "apiVersion", "v1");
    json_t *effect = effect_create_new(in, k, w->namespace, body);
    effect_irreversible(effect, "a copy stays, whatever becomes of the run");
    return effect;
}

json_t *secret_copy_effect_new(const struct action_in *in, const struct workload *w, const char *name)
{
    _cleanup_free_ char *scope = secret_scope_new(w);
    json_t *body = json_pack("{s:o, s:s}", "metadata", copy_metadata_new(w, name), "type", "Opaque");
    json_t *effect = copy_effect_new(in, w, "Secret", body);
    json_set_text(json_path(body, "metadata", "annotations", NULL), "mendd.io/backup-type",
                  json_text(w->object, "type"));
    json_set_text(effect, "secret", scope);
    json_object_set_new(
        effect, "assemble",
        json_pack("{s:s, s:o}", "from", w->path, "keys", secret_hashes_new(scope, json_object_get(w->object, "data"))));
    return effect;
}

static json_t *file_effect_new(const struct action_in *in, const struct workload *w, const char *name,
                               json_t *manifest_taken)
{
    _cleanup_free_ char *file = xasprintf("%s.json", name);
    json_t *effect = effect_on(in, w, NULL, object_uid(w->object), "FILE", "application/json", manifest_taken,
                               RECOGNISE_VALUE); /* writing it twice is writing it once */
    json_set_text(effect, "path", file);
    effect_irreversible(effect, "a copy stays, whatever becomes of the run");
    return effect;
}

static int object_effect_new(const struct action_in *in, const struct workload *w, enum backup_to to, const char *name,
                             json_t **ret, struct error *err)
{
    json_t *manifest = object_again_new(w);
    _cleanup_free_ char *text = json_canonical(manifest);
    if (strlen(text) > MANIFEST_MAX) {
        json_decref(manifest);
        return error_set(err, -EINVAL, "%s has %zu bytes; more than %d are not kept", w->label, strlen(text),
                         MANIFEST_MAX);
    }
    if (to == BACKUP_FOLDER) {
        *ret = file_effect_new(in, w, name, manifest);
        return 0;
    }
    const bool secret = to == BACKUP_SECRET;
    json_t *body = json_pack("{s:o, s:{s:s}}", "metadata", copy_metadata_new(w, name), secret ? "stringData" : "data",
                             BACKUP_FILE, text);
    *ret = copy_effect_new(in, w, secret ? "Secret" : "ConfigMap", body);
    json_decref(manifest);
    return 0;
}

/* ---- retention ---- */

static bool is_old(const struct action_in *in, const json_t *copy, int64_t retention_ms)
{
    int64_t made_us = 0;
    const char *made = json_path_text(copy, "metadata", "creationTimestamp", NULL);
    return made && time_parse(made, &made_us) == 0 && in->now.wall_us - made_us > retention_ms * USEC_PER_MSEC;
}

/* Older copies of the same object. A Secret is deleted in an approved run only. */
static int plan_prune(const struct action_in *in, const struct workload *w, const char *kind, struct action_plan *plan,
                      struct error *err)
{
    const int64_t said = in->backup ? in->backup->retention_ms : 0;
    const struct kind *k = kind_known(kind);
    _cleanup_free_ char *label = label_of(w->kind.kind, w->namespace, w->name);
    _cleanup_free_ char *selector = xasprintf("%s=%s", BACKUP_LABEL, label);
    const json_t *list = NULL;
    size_t i;
    json_t *copy;
    if (str_eq(kind, "Secret") && !in->approved)
        return 0;
    int r = list_kube(in->asks, in->cluster, k, w->namespace, selector, &list, err);
    if (r < 0)
        return r;
    json_array_foreach (json_object_get(list, "items"), i, copy) {
        if (!is_old(in, copy, said > 0 ? said : BACKUP_RETENTION_MS) || object_is_terminating(copy))
            continue;
        const struct workload old = {
            .kind = *k, .namespace = w->namespace, .name = (char *)(uintptr_t)object_name(copy), .object = copy};
        json_t *body = json_pack("{s:s, s:s, s:{s:s}}", "apiVersion", "v1", "kind", "DeleteOptions", "preconditions",
                                 "uid", object_uid(copy));
        json_t *effect = effect_on(in, &old, NULL, object_uid(copy), "DELETE", "application/json", body, RECOGNISE_UID);
        effect_irreversible(effect, "a copy that is older than the retention");
        plan_effect(plan, effect);
    }
    return 0;
}

/* ---- the action ---- */

static int keep_one(const struct action_in *in, const struct workload *w, struct action_plan *plan, struct error *err)
{
    const bool secret = str_eq(w->kind.kind, "Secret");
    const enum backup_to to = secret ? BACKUP_SECRET : in->backup ? (enum backup_to)in->backup->to : BACKUP_CONFIGMAP;
    const char *kind = to == BACKUP_SECRET ? "Secret" : "ConfigMap";
    _cleanup_free_ char *name = backup_name_new(in, w->kind.kind, w->name, NULL);
    const json_t *there = NULL;
    json_t *effect = NULL;
    if (to != BACKUP_FOLDER && !w->namespace)
        return error_set(err, -EINVAL, "%s is in no namespace: only a folder keeps it (backup: {to: folder})",
                         w->label);
    int r = to == BACKUP_FOLDER ? 0 : look_for(in, kind, w->namespace, name, &there, err);
    if (r < 0)
        return r;
    if (there) {
        plan_note(plan, "%s is kept already in %s %s", w->label, kind, name);
        return 0;
    }
    if (secret)
        effect = secret_copy_effect_new(in, w, name);
    else
        r = object_effect_new(in, w, to, name, &effect, err);
    if (r < 0)
        return r;
    plan_effect(plan, effect);
    plan_note(plan, "keep %s in %s %s", w->label, to == BACKUP_FOLDER ? "file" : kind,
              to == BACKUP_FOLDER ? json_text(effect, "path") : name);
    return to == BACKUP_FOLDER ? 0 : plan_prune(in, w, kind, plan, err);
}

static int backup_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    static const struct each_workload each = {.kinds = NULL, .look = true, .one = keep_one};
    return plan_each(in, &each, ret, err);
}

static const struct param backup_params[] = {
    {"apiVersion", PARAM_TEXT, false, NULL, "group/version of the kind; needed for custom resources only"},
    {"kind", PARAM_KIND, false, NULL, "any kind; the target's by default"},
    {"name", PARAM_NAME, false, NULL, "the object; the target's owners by default"},
    {"namespace", PARAM_NAME, false, NULL, "the target's by default"},
    {"selector", PARAM_SELECTOR, false, NULL, "all objects of the kind with these labels, in name order"},
    {0},
};

void backup_copy_rights(const struct rights_in *in, const char *kind)
{
    const struct rights_what copy = {.kind = kind};
    rights_read(in, &copy, "get");
    rights_create(in, &copy, false);
}

static void keep_kind(const struct rights_in *in, const struct rights_what *what)
{
    const bool secret = str_eq(what->kind, "Secret");
    const int to = secret ? BACKUP_SECRET : in->settings->backup.to;
    const char *kind = to == BACKUP_SECRET ? "Secret" : "ConfigMap";
    const bool selected = rights_has(in, "selector") && !rights_has(in, "name");
    rights_read(in, what, selected ? "list" : "get");
    if (secret && !in->plans_only)
        rights_read(in, what, "get"); /* what its copy is filled from */
    if (to == BACKUP_FOLDER)
        return;
    backup_copy_rights(in, kind);
    if (to == BACKUP_SECRET && !in->approved)
        return;
    rights_list(in, kind); /* those that are too old */
    rights_change(in, &(struct rights_what){.kind = kind}, "delete");
}

static void backup_rights(const struct rights_in *in)
{
    rights_each_kind(in, NULL, keep_kind);
}

const struct action action_backup = {
    .name = "backup",
    .class = ACTION_EFFECT,
    .reversible = true, /* there is nothing to undo */
    .params = backup_params,
    .doc = "keeps objects as they are, before a later step changes them",
    .plan = backup_plan,
    .rights = backup_rights,
};
