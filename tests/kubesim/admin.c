/* The test's own side door, outside of the API's paths: /_sim/load, /_sim/faults, /_sim/rbac. */
#include "sim.h"

#include "base/alloc.h"
#include "base/text.h"
#include "faults.h"

#include <string.h>

static json_t *member(json_t *object, const char *key)
{
    if (!json_is_object(json_object_get(object, key)))
        json_object_set_new(object, key, json_object());
    return json_object_get(object, key);
}

/* A namespace that a fixture names but does not bring is made. */
static void ensure_namespace(struct sim *sim, const char *name)
{
    if (store_get(sim->store, KIND_NAMESPACE, NULL, name))
        return;
    _cleanup_json_ json_t *ns =
        json_pack("{s:s, s:s, s:{s:s}}", "apiVersion", "v1", "kind", "Namespace", "metadata", "name", name);
    free(load_object(sim, ns));
}

static void prepare(struct sim *sim, const struct kind *kind, json_t *copy)
{
    json_t *meta = json_object_get(copy, "metadata");
    char now[TIME_TEXT_MAX];
    if (kind->namespaced && str_empty(json_text(meta, "namespace")))
        json_object_set_new(meta, "namespace", json_string("default"));
    if (kind->namespaced)
        ensure_namespace(sim, json_text(meta, "namespace"));
    if (!json_text(meta, "creationTimestamp"))
        json_set_text(meta, "creationTimestamp", time_format_seconds(sim->now.wall_us, now));
    if ((kind->flags & KIND_HAS_GENERATION) && !json_object_get(meta, "generation"))
        json_object_set_new(meta, "generation", json_integer(1));
}

char *load_object(struct sim *sim, const json_t *object)
{
    const char *api_version = json_text_or(object, "apiVersion", ""), *kind_name = json_text_or(object, "kind", "");
    const struct kind *kind = kind_of(api_version, kind_name);
    const char *name = json_path_text(object, "metadata", "name", NULL);
    if (!kind)
        return xasprintf("kubesim serves no kind %s in %s", kind_name, api_version);
    if (str_empty(name))
        return xasprintf("a %s without metadata.name", kind_name);
    if (wrong_type(object))
        return xasprintf("%s %s: %s is of a wrong type", kind_name, name, wrong_type(object));
    json_t *copy = json_deep_copy(object);
    prepare(sim, kind, copy);
    set_defaults(sim, kind, copy);
    struct answer a = {0};
    if (!validate(kind, copy, NULL, &a)) {
        char *why = xstrdup(json_text_or(a.body, "message", "invalid"));
        answer_free(&a);
        json_decref(copy);
        return why;
    }
    struct object *old = store_get(sim->store, kind->id, json_path_text(copy, "metadata", "namespace", NULL), name);
    if (old) {
        json_object_set_new(member(copy, "metadata"), "uid", json_string(old->uid));
        store_replace(sim->store, old, copy);
    } else {
        store_insert(sim->store, kind, copy);
    }
    return NULL;
}

char *load_any(struct sim *sim, const json_t *value)
{
    const json_t *items = json_is_array(value) ? value : json_object_get(value, "items");
    if (!json_is_array(items))
        return load_object(sim, value);
    size_t i;
    json_t *item;
    json_array_foreach (items, i, item) {
        char *why = load_any(sim, item);
        if (why)
            return why;
    }
    return NULL;
}

static void serve_load(struct sim *sim, const json_t *body, struct answer *a)
{
    _cleanup_free_ char *why = load_any(sim, body);
    if (why)
        fail_bad_request(a, "%s", why);
    else
        answer_json(a, 200, json_pack("{s:s}", "status", "loaded"));
}

static void serve_faults(struct sim *sim, struct request *req, const json_t *body, struct answer *a)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    if (str_eq(req->method, "DELETE"))
        faults_clear(sim->faults);
    else if (str_eq(req->method, "POST") && faults_add(sim->faults, body, &err) < 0) {
        fail_bad_request(a, "%s", error_message(&err));
        return;
    }
    answer_json(a, 200, json_pack("{s:o}", "faults", faults_json(sim->faults)));
}

void serve_admin(struct sim *sim, struct request *req, struct answer *a)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_json_ json_t *body = NULL;
    if (str_eq(req->method, "POST") && !(body = json_parse(req->body, req->body_len, MAX_BODY, true, &err)))
        fail_bad_request(a, "%s", error_message(&err));
    else if (str_eq(req->path, "/_sim/load") && body)
        serve_load(sim, body, a);
    else if (str_eq(req->path, "/_sim/faults"))
        serve_faults(sim, req, body, a);
    else if (str_eq(req->path, "/_sim/rbac"))
        serve_rbac(sim, req, body, a);
    else
        fail_no_resource(a);
}
