/* PATCH application/apply-patch+yaml: server-side apply, of JSON alone (which is YAML too). */
#include "sim.h"

#include "base/alloc.h"
#include "base/text.h"

static bool check_manager(const struct request *req, struct answer *a)
{
    if (!str_empty(param(req, "fieldManager")))
        return true;
    const struct kind meta = {.group = "meta.k8s.io", .kind = "PatchOptions"};
    fail_invalid(a, &meta, NULL, "fieldManager", "FieldValueRequired", "Required value: is required for apply patch");
    return false;
}

static bool check_patch(const struct request *req, const json_t *patch, struct answer *a)
{
    const json_t *metadata = json_object_get(patch, "metadata");
    const char *name = json_text(metadata, "name"), *version = json_text_or(patch, "apiVersion", "");
    _cleanup_free_ char *own = kind_api_version(req->kind);
    if (!str_eq(version, own))
        fail_bad_request(a, "Incorrect version specified in apply patch. Specified patch version: %s, expected: %s",
                         version, own);
    else if (json_array_size(json_object_get(metadata, "managedFields")) > 0)
        fail_bad_request(a, "metadata.managedFields must be nil");
    else if (str_empty(name))
        fail_bad_request(a, "the name of the object (%s based on URL) was undeterminable: name must be provided",
                         req->name);
    else if (!str_eq(name, req->name))
        fail_bad_request(a, "the name of the object (%s) does not match the name on the URL (%s)", name, req->name);
    else if (wrong_type(patch))
        fail_bad_request(a, "failed to create typed patch object: %s", wrong_type(patch));
    return !answered(a);
}

static void make(struct sim *sim, struct request *req, const json_t *patch, struct answer *a)
{
    const char *uid = json_path_text(patch, "metadata", "uid", NULL);
    if (uid) {
        fail_conflict(a, req->kind, req->name,
                      "uid mismatch: the provided object specified uid %s, and no existing object was found", uid);
        return;
    }
    req->owners = owners_after_apply(req, NULL, patch, NULL, a);
    if (rbac_permits_create(sim, req, a))
        create_object(sim, req, json_deep_copy(patch), a);
}

static void change(struct sim *sim, struct request *req, struct object *o, const json_t *patch, struct answer *a)
{
    json_t *next = strategic_patch(req->kind, o->json, patch, a);
    if (!next)
        return;
    req->owners = owners_after_apply(req, o, patch, next, a);
    if (req->owners)
        update_object(sim, req, o, next, a);
    else
        json_decref(next);
}

void verb_apply(struct sim *sim, struct request *req, struct answer *a)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    if (!check_manager(req, a))
        return;
    _cleanup_json_ json_t *patch = json_parse(req->body ? req->body : "", req->body_len, MAX_BODY, false, &err);
    if (!json_is_object(patch)) {
        fail_bad_request(a, "error decoding YAML: %s", patch ? "not a map" : error_message(&err));
        return;
    }
    if (!check_patch(req, patch, a))
        return;
    struct object *o = store_get(sim->store, req->kind->id, req->ns, req->name);
    if (o)
        change(sim, req, o, patch, a);
    else
        make(sim, req, patch, a);
    json_decref(req->owners);
    req->owners = NULL;
}
