/* DELETE: options and preconditions, graceful deletion of pods, finalizers, and the garbage collector. */
#include "sim.h"

#include "base/alloc.h"
#include "base/text.h"

#include <string.h>

struct delete_options {
    int64_t grace_s; /* -1: none asked */
    char *uid, *resource_version, *propagation;
    bool dry_run;
};

static void options_free(struct delete_options *o)
{
    free(o->uid);
    free(o->resource_version);
    free(o->propagation);
}

static bool options_parse(const struct request *req, struct delete_options *o, struct answer *a)
{
    const char *grace = param(req, "gracePeriodSeconds");
    *o = (struct delete_options){.grace_s = grace ? strtoll(grace, NULL, 10) : -1, .dry_run = req->dry_run};
    str_replace(&o->propagation, param(req, "propagationPolicy"));
    if (req->body_len > 0) {
        _cleanup_error_ struct error err = ERROR_NONE;
        _cleanup_json_ json_t *body = json_parse(req->body, req->body_len, MAX_BODY, false, &err);
        if (!json_is_object(body)) { /* an error of no kind in the real server, hence 500 */
            answer_fail(a, 500, NULL, NULL, "couldn't get version/kind; json parse error: %s", error_message(&err));
            return false;
        }
        o->grace_s = json_int_or(body, "gracePeriodSeconds", o->grace_s);
        str_replace(&o->uid, json_path_text(body, "preconditions", "uid", NULL));
        str_replace(&o->resource_version, json_path_text(body, "preconditions", "resourceVersion", NULL));
        if (json_text(body, "propagationPolicy"))
            str_replace(&o->propagation, json_text(body, "propagationPolicy"));
        if (str_eq(json_string_value(json_array_get(json_object_get(body, "dryRun"), 0)), "All"))
            o->dry_run = true;
    }
    static const char *const policies[] = {"Foreground", "Background", "Orphan", NULL};
    if (!o->propagation || str_in(o->propagation, policies))
        return true;
    const struct kind meta = {.group = "meta.k8s.io", .kind = "DeleteOptions"};
    fail_invalid(a, &meta, NULL, "propagationPolicy", "FieldValueNotSupported",
                 "Unsupported value: \"%s\": supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\"",
                 o->propagation);
    return false;
}

/* This conflict names the kind, not the resource. */
static void fail_precondition(const struct object *o, struct answer *a, const char *what, const char *wanted,
                              const char *have, const char *why)
{
    const struct kind as = {.group = o->kind->group, .plural = o->kind->kind};
    fail_conflict(a, &as, o->name,
                  "the %s in the precondition (%s) does not match the %s in record (%s). The object "
                  "might have been %s",
                  what, wanted, what, have, why);
}

static bool check_preconditions(const struct delete_options *opts, const struct object *o, struct answer *a)
{
    const char *version = json_path_text(o->json, "metadata", "resourceVersion", NULL);
    if (opts->uid && !str_eq(opts->uid, o->uid))
        fail_precondition(o, a, "UID", opts->uid, o->uid, "deleted and then recreated");
    else if (opts->resource_version && !str_eq(opts->resource_version, version))
        fail_precondition(o, a, "ResourceVersion", opts->resource_version, version, "modified");
    return !answered(a);
}

static void mark_deleted(struct sim *sim, struct object *o, int64_t grace_s, const char *finalizer)
{
    json_t *next = json_deep_copy(o->json), *meta = json_object_get(next, "metadata");
    char buf[TIME_TEXT_MAX];
    if (!json_object_get(meta, "deletionTimestamp")) {
        time_format_seconds(sim->now.wall_us + grace_s * USEC_PER_SEC, buf);
        json_object_set_new(meta, "deletionTimestamp", json_string(buf));
        json_object_set_new(meta, "deletionGracePeriodSeconds", json_integer(grace_s));
        if (json_object_get(meta, "generation"))
            json_object_set_new(meta, "generation", json_integer(json_int_or(meta, "generation", 0) + 1));
        o->since_us = sim->now.boot_us;
    }
    if (finalizer) {
        if (!json_object_get(meta, "finalizers"))
            json_object_set_new(meta, "finalizers", json_array());
        json_array_append_new(json_object_get(meta, "finalizers"), json_string(finalizer));
    }
    store_replace(sim->store, o, next);
}

void finish_removal(struct sim *sim, struct object *o)
{
    const json_t *meta = json_object_get(o->json, "metadata");
    if (json_array_size(json_object_get(meta, "finalizers")) == 0 &&
        json_int_or(meta, "deletionGracePeriodSeconds", 0) == 0)
        store_remove(sim->store, o);
}

/* The grace a deletion gets: only a pod that is on a node, and has not ended, has something to end. */
static int64_t grace_of(const struct object *o, int64_t asked_s)
{
    const char *phase = json_path_text(o->json, "status", "phase", NULL);
    if (o->kind->id != KIND_POD || str_empty(json_path_text(o->json, "spec", "nodeName", NULL)) ||
        str_eq(phase, "Succeeded") || str_eq(phase, "Failed"))
        return 0;
    if (asked_s >= 0)
        return asked_s;
    return json_int_or(json_object_get(o->json, "spec"), "terminationGracePeriodSeconds", 30);
}

static void begin_removal(struct sim *sim, struct object *o, int64_t grace_s, const char *finalizer)
{
    grace_s = grace_of(o, grace_s);
    mark_deleted(sim, o, grace_s, finalizer);
    if (grace_s == 0 && json_int_or(json_object_get(o->json, "metadata"), "deletionGracePeriodSeconds", 0) != 0) {
        json_t *next = json_deep_copy(o->json); /* a second, harder deletion */
        json_object_set_new(json_object_get(next, "metadata"), "deletionGracePeriodSeconds", json_integer(0));
        store_replace(sim->store, o, next);
    }
    if (o->kind->id == KIND_NAMESPACE) {
        json_t *next = json_deep_copy(o->json);
        json_object_set_new(json_object_get(next, "status"), "phase", json_string("Terminating"));
        store_replace(sim->store, o, next);
        return; /* its content goes first (collect_garbage) */
    }
    if (grace_s == 0)
        finish_removal(sim, o);
}

void delete_object(struct sim *sim, struct object *o, int64_t grace_s)
{
    if (!o->removed && !json_path(o->json, "metadata", "deletionTimestamp", NULL))
        begin_removal(sim, o, grace_s, NULL);
}

static void answer_removal(const struct request *req, const struct object *o, const json_t *shown, struct answer *a)
{
    if (o->removed && !(o->kind->flags & KIND_RETURNS_DELETED))
        answer_success(a, req->kind, o->name, o->uid);
    else
        answer_json(a, 200, json_deep_copy(shown));
}

void verb_delete(struct sim *sim, struct request *req, struct answer *a)
{
    _cleanup_(options_free) struct delete_options opts = {0};
    if (!options_parse(req, &opts, a))
        return;
    struct object *o = store_get(sim->store, req->kind->id, req->ns, req->name);
    if (!o) {
        fail_not_found(a, req->kind, req->name);
        return;
    }
    if (!check_preconditions(&opts, o, a))
        return;
    if (opts.dry_run) {
        if (o->kind->flags & KIND_RETURNS_DELETED)
            answer_json(a, 200, object_view(o, req->kind));
        else
            answer_success(a, req->kind, o->name, o->uid);
        return;
    }
    const char *finalizer = str_eq(opts.propagation, "Foreground") ? "foregroundDeletion"
                            : str_eq(opts.propagation, "Orphan")   ? "orphan"
                                                                   : NULL;
    begin_removal(sim, o, opts.grace_s, finalizer);
    answer_removal(req, o, o->json, a);
}

void verb_delete_collection(struct sim *sim, struct request *req, struct answer *a)
{
    _cleanup_(options_free) struct delete_options opts = {0};
    struct selector *s = NULL;
    if (!options_parse(req, &opts, a) || selector_parse(req, &s, a) < 0)
        return;
    _cleanup_free_ struct object **all = NULL;
    const size_t n = store_list(sim->store, req->kind->id, req->ns, &all);
    json_t *items = json_array();
    for (size_t i = 0; i < n; i++) {
        if (!selector_matches(s, all[i]))
            continue;
        if (!opts.dry_run)
            begin_removal(sim, all[i], opts.grace_s, NULL);
        json_array_append(items, all[i]->json);
    }
    selector_free(s);
    _cleanup_free_ char *api_version = kind_api_version(req->kind), *kind = xasprintf("%sList", req->kind->kind);
    answer_json(
        a, 200,
        json_pack("{s:s, s:s, s:{}, s:o}", "kind", kind, "apiVersion", api_version, "metadata", "items", items));
}

static void drop_finalizer(struct sim *sim, struct object *o, const char *name)
{
    json_t *next = json_deep_copy(o->json), *meta = json_object_get(next, "metadata");
    json_t *list = json_object_get(meta, "finalizers");
    for (size_t i = json_array_size(list); i-- > 0;)
        if (str_eq(json_string_value(json_array_get(list, i)), name))
            json_array_remove(list, i);
    if (json_array_size(list) == 0)
        json_object_del(meta, "finalizers");
    store_replace(sim->store, o, next);
    finish_removal(sim, o);
}

static bool has_finalizer(const struct object *o, const char *name)
{
    size_t i;
    json_t *value;
    json_array_foreach (json_path(o->json, "metadata", "finalizers", NULL), i, value)
        if (str_eq(json_string_value(value), name))
            return true;
    return false;
}

static void forget_owner(struct sim *sim, struct object *o)
{
    json_t *next = json_deep_copy(o->json);
    json_object_del(json_object_get(next, "metadata"), "ownerReferences");
    store_replace(sim->store, o, next);
}

/* An owner that is being deleted in the foreground waits for its dependents; an orphaning one lets them go. */
static void settle_dependents(struct sim *sim, struct object *owner)
{
    const bool orphan = has_finalizer(owner, "orphan"), foreground = has_finalizer(owner, "foregroundDeletion");
    if (!orphan && !foreground)
        return;
    size_t left = 0;
    for (int id = 0; id < KIND_COUNT; id++) {
        _cleanup_free_ struct object **children = NULL;
        const size_t n = store_children(sim->store, (enum kind_id)id, owner->uid, &children);
        for (size_t i = 0; i < n; i++) {
            if (orphan)
                forget_owner(sim, children[i]);
            else
                delete_object(sim, children[i], -1);
        }
        left += orphan ? 0 : n;
    }
    if (left == 0)
        drop_finalizer(sim, owner, orphan ? "orphan" : "foregroundDeletion");
}

static bool owner_is_gone(struct sim *sim, const struct object *o)
{
    const json_t *owners = json_path(o->json, "metadata", "ownerReferences", NULL);
    size_t i;
    json_t *reference;
    json_array_foreach (owners, i, reference)
        if (store_by_uid(sim->store, json_text_or(reference, "uid", "")))
            return false;
    return json_array_size(owners) > 0;
}

/* A namespace that is being deleted takes everything in it along. */
static void empty_namespace(struct sim *sim, struct object *ns)
{
    size_t left = 0;
    for (int id = 0; id < KIND_COUNT; id++) {
        if (!kind_row((enum kind_id)id)->namespaced)
            continue;
        _cleanup_free_ struct object **all = NULL;
        const size_t n = store_list(sim->store, (enum kind_id)id, ns->name, &all);
        for (size_t i = 0; i < n; i++)
            delete_object(sim, all[i], 0);
        left += n;
    }
    if (left == 0)
        store_remove(sim->store, ns);
}

void collect_garbage(struct sim *sim)
{
    if (store_garbage_version(sim->store) == sim->seen_garbage)
        return;
    sim->seen_garbage = store_garbage_version(sim->store);
    for (int id = 0; id < KIND_COUNT; id++) {
        _cleanup_free_ struct object **all = NULL;
        const size_t n = store_list(sim->store, (enum kind_id)id, NULL, &all);
        for (size_t i = 0; i < n; i++) {
            const bool deleted = json_path(all[i]->json, "metadata", "deletionTimestamp", NULL) != NULL;
            if (deleted && id == KIND_NAMESPACE)
                empty_namespace(sim, all[i]);
            else if (deleted)
                settle_dependents(sim, all[i]);
            else if (owner_is_gone(sim, all[i]))
                delete_object(sim, all[i], -1);
        }
    }
}
