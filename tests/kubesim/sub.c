/* Subresources: status, scale, binding; eviction and log have files of their own. */
#include "sim.h"

#include "base/alloc.h"
#include "base/text.h"

#include <string.h>

static bool is(const struct request *req, const char *method)
{
    return str_eq(req->method, method);
}

/* "app=web,tier=db", in byte order. */
static char *selector_text(const json_t *selector)
{
    struct strbuf b = STRBUF_INIT;
    const char *key;
    json_t *value;
    _cleanup_free_ char *sorted = json_canonical(json_object_get(selector, "matchLabels"));
    _cleanup_json_ json_t *labels = json_loads(sorted, JSON_DECODE_ANY, NULL);
    json_object_foreach (labels, key, value)
        strbuf_printf(&b, "%s%s=%s", b.len ? "," : "", key, json_string_value(value));
    return strbuf_take(&b);
}

static json_t *scale_view(const struct object *o)
{
    json_t *view = json_pack("{s:s, s:s, s:{s:s, s:s}, s:{}, s:{s:I}}", "kind", "Scale", "apiVersion", "autoscaling/v1",
                             "metadata", "name", o->name, "namespace", o->ns, "spec", "status", "replicas",
                             json_int_or(json_object_get(o->json, "status"), "replicas", 0));
    static const char *const copied[] = {"uid", "resourceVersion", "creationTimestamp"};
    for (size_t i = 0; i < ARRAY_SIZE(copied); i++)
        json_object_set(json_object_get(view, "metadata"), copied[i], json_path(o->json, "metadata", copied[i], NULL));
    const json_int_t replicas = json_int_or(json_object_get(o->json, "spec"), "replicas", 0);
    if (replicas)
        json_object_set_new(json_object_get(view, "spec"), "replicas", json_integer(replicas));
    _cleanup_free_ char *selector = selector_text(json_path(o->json, "spec", "selector", NULL));
    if (*selector)
        json_object_set_new(json_object_get(view, "status"), "selector", json_string(selector));
    return view;
}

/* What the scale asked for may collide with: another object of this name, a newer version of it, sense. */
static bool check_scale(const struct request *req, const struct object *o, const json_t *scale, struct answer *a)
{
    const char *uid = json_path_text(scale, "metadata", "uid", NULL);
    const char *version = json_path_text(scale, "metadata", "resourceVersion", NULL);
    const json_int_t replicas = json_int_or(json_object_get(scale, "spec"), "replicas", 0);
    static const struct kind scale_kind = {.group = "autoscaling", .kind = "Scale"};
    if (!str_empty(uid) && !str_eq(uid, o->uid)) {
        _cleanup_free_ char *plural = xasprintf("%s/scale", req->kind->plural);
        const struct kind as = {.group = req->kind->group, .plural = plural};
        fail_conflict(a, &as, o->name, "Precondition failed: UID in precondition: %s, UID in object meta: %s", uid,
                      o->uid);
    } else if (!str_empty(version) && !str_eq(version, json_path_text(o->json, "metadata", "resourceVersion", NULL))) {
        fail_conflict(a, req->kind, o->name,
                      "the object has been modified; please apply your changes to the latest version and try again");
    } else if (replicas < 0) {
        fail_invalid(a, &scale_kind, o->name, "spec.replicas", "FieldValueInvalid",
                     "Invalid value: %lld: must be greater than or equal to 0", (long long)replicas);
    }
    return !answered(a);
}

static void write_scale(struct sim *sim, struct request *req, struct object *o, const json_t *scale, struct answer *a)
{
    if (!check_scale(req, o, scale, a))
        return;
    const json_int_t replicas = json_int_or(json_object_get(scale, "spec"), "replicas", 0);
    json_t *next = json_deep_copy(o->json), *meta = json_object_get(next, "metadata");
    json_t *spec = json_object_get(next, "spec");
    if (replicas != json_int_or(spec, "replicas", 0)) {
        json_object_set_new(spec, "replicas", json_integer(replicas));
        json_object_set_new(meta, "generation", json_integer(json_int_or(meta, "generation", 0) + 1));
    }
    if (req->dry_run) {
        const struct object shown = {.kind = o->kind, .ns = o->ns, .name = o->name, .uid = o->uid, .json = next};
        answer_json(a, 200, scale_view(&shown));
        json_decref(next);
        return;
    }
    store_replace(sim->store, o, next);
    answer_json(a, 200, scale_view(o));
}

static void serve_scale(struct sim *sim, struct request *req, struct object *o, struct answer *a)
{
    if (is(req, "GET")) {
        answer_json(a, 200, scale_view(o));
    } else if (is(req, "PUT")) {
        _cleanup_json_ json_t *body = decode_body(req, a);
        if (body)
            write_scale(sim, req, o, body, a);
    } else if (is(req, "PATCH")) {
        _cleanup_json_ json_t *before = scale_view(o);
        _cleanup_json_ json_t *scale = check_patch_type(req, a) ? patch_body(req, before, a) : NULL;
        if (scale)
            write_scale(sim, req, o, scale, a);
    } else {
        fail_method(a);
    }
}

static void serve_status(struct sim *sim, struct request *req, struct object *o, struct answer *a)
{
    if (is(req, "GET")) {
        answer_json(a, 200, object_view(o, req->kind));
    } else if (is(req, "PUT")) {
        json_t *body = decode_body(req, a);
        if (body)
            update_object(sim, req, o, body, a);
    } else if (is(req, "PATCH")) {
        json_t *next = check_patch_type(req, a) ? patch_body(req, o->json, a) : NULL;
        if (next)
            update_object(sim, req, o, next, a);
    } else {
        fail_method(a);
    }
}

static void serve_binding(struct sim *sim, struct request *req, struct object *o, struct answer *a)
{
    _cleanup_json_ json_t *body = is(req, "POST") ? decode_body(req, a) : NULL;
    if (!body) {
        if (!answered(a))
            fail_method(a);
        return;
    }
    if (!str_empty(json_path_text(o->json, "spec", "nodeName", NULL))) {
        fail_conflict(a, req->kind, o->name, "pod %s is already assigned to node \"%s\"", o->name,
                      json_path_text(o->json, "spec", "nodeName", NULL));
        return;
    }
    json_t *next = json_deep_copy(o->json);
    json_set_text(json_object_get(next, "spec"), "nodeName", json_path_text(body, "target", "name", NULL));
    store_replace(sim->store, o, next);
    o->since_us = sim->now.boot_us;
    answer_json(a, 201,
                json_pack("{s:s, s:s, s:{}, s:s, s:i}", "kind", "Status", "apiVersion", "v1", "metadata", "status",
                          "Success", "code", 201));
}

static bool known(const struct request *req)
{
    static const char *const of_pods[] = {"log", "eviction", "binding", "exec", NULL};
    return (str_eq(req->sub, "status") && (req->kind->flags & KIND_HAS_STATUS)) ||
           (str_eq(req->sub, "scale") && (req->kind->flags & KIND_HAS_SCALE)) ||
           (req->kind->id == KIND_POD && str_in(req->sub, of_pods));
}

/* Reading the scale of nothing names the subresource, writing it does not: so in the real server. */
static void fail_missing(const struct request *req, struct answer *a)
{
    _cleanup_free_ char *plural = xasprintf("%s/scale", req->kind->plural);
    struct kind as = *req->kind;
    if (str_eq(req->sub, "scale") && is(req, "GET"))
        as.plural = plural;
    fail_not_found(a, &as, req->name);
}

void serve_sub(struct sim *sim, struct request *req, struct answer *a)
{
    if (!known(req)) {
        fail_no_resource(a);
        return;
    }
    struct object *o = store_get(sim->store, req->kind->id, req->ns, req->name);
    if (!o)
        fail_missing(req, a);
    else if (str_eq(req->sub, "status"))
        serve_status(sim, req, o, a);
    else if (str_eq(req->sub, "scale"))
        serve_scale(sim, req, o, a);
    else if (str_eq(req->sub, "binding"))
        serve_binding(sim, req, o, a);
    else if (str_eq(req->sub, "exec"))
        serve_exec(sim, req, o, a);
    else if (str_eq(req->sub, "eviction"))
        serve_eviction(sim, req, o, a);
    else
        serve_log(sim, req, o, a);
}
