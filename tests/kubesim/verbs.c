/* GET, LIST, POST, PUT and PATCH of objects. */
#include "sim.h"

#include "base/alloc.h"
#include "base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

json_t *object_view(const struct object *o, const struct kind *as)
{
    json_t *view = json_copy(o->json);
    if (as && as->id == o->kind->id) {
        _cleanup_free_ char *api_version = kind_api_version(as);
        json_object_set_new(view, "apiVersion", json_string(api_version));
    }
    return view;
}

static struct object *find(struct sim *sim, struct request *req, struct answer *a)
{
    struct object *o = store_get(sim->store, req->kind->id, req->ns, req->name);
    if (!o)
        fail_not_found(a, req->kind, req->name);
    return o;
}

void verb_get(struct sim *sim, struct request *req, struct answer *a)
{
    struct object *o = find(sim, req, a);
    if (o)
        answer_json(a, 200, object_view(o, req->kind));
}

/* A continue token is "NAMESPACE/NAME" of the last object shown, in hexadecimal. */
static char *token_new(const struct object *o)
{
    _cleanup_free_ char *key = xasprintf("%s/%s", o->ns, o->name);
    struct strbuf b = STRBUF_INIT;
    for (const char *p = key; *p; p++)
        strbuf_printf(&b, "%02x", (unsigned)(unsigned char)*p);
    return strbuf_take(&b);
}

static bool token_parse(const char *s, char **ret)
{
    size_t n = strlen(s);
    if (n % 2 || n > 1024 || strspn(s, "0123456789abcdef") != n)
        return false;
    char *key = xcalloc(n / 2 + 1, 1);
    for (size_t i = 0; i < n / 2; i++) {
        const char pair[3] = {s[2 * i], s[2 * i + 1], '\0'};
        key[i] = (char)strtol(pair, NULL, 16);
    }
    if (!strchr(key, '/')) {
        free(key);
        return false;
    }
    *ret = key;
    return true;
}

static bool after(const struct object *o, const char *key)
{
    if (!key)
        return true;
    _cleanup_free_ char *own = xasprintf("%s/%s", o->ns, o->name);
    /* '/' sorts after '-' and '.', but the store orders by namespace first: compare the parts */
    const char *a = strchr(own, '/'), *b = strchr(key, '/');
    size_t na = (size_t)(a - own), nb = (size_t)(b - key);
    int order = strncmp(own, key, na < nb ? na : nb);
    if (order == 0 && na != nb)
        order = na < nb ? -1 : 1;
    return (order ? order : strcmp(a, b)) > 0;
}

static bool parse_limit(const struct request *req, long *ret, struct answer *a)
{
    const char *s = param(req, "limit");
    char *end;
    *ret = 0;
    if (str_empty(s))
        return true;
    *ret = strtol(s, &end, 10);
    if (!*end && *ret >= 0)
        return true;
    fail_bad_request(a, "strconv.ParseInt: parsing \"%s\": invalid syntax", s);
    return false;
}

static json_t *list_item(const struct object *o)
{
    json_t *item = json_copy(o->json);
    json_object_del(item, "kind");
    json_object_del(item, "apiVersion");
    return item;
}

/* What of all fits the selector, the token and the limit. */
static json_t *collect(struct sim *sim, struct request *req, const struct selector *s, const char *from, long limit,
                       json_t *meta)
{
    _cleanup_free_ struct object **all = NULL;
    const size_t n = store_list(sim->store, req->kind->id, req->kind->namespaced ? req->ns : NULL, &all);
    json_t *items = json_array();
    const struct object *last = NULL;
    json_int_t left = 0;
    for (size_t i = 0; i < n; i++) {
        if (!after(all[i], from) || !selector_matches(s, all[i]))
            continue;
        if (limit > 0 && json_array_size(items) >= (size_t)limit) {
            left++;
            continue;
        }
        json_array_append_new(items, list_item(last = all[i]));
    }
    if (left > 0) {
        _cleanup_free_ char *token = token_new(last);
        json_object_set_new(meta, "continue", json_string(token));
        if (str_empty(param(req, "labelSelector")) && str_empty(param(req, "fieldSelector")))
            json_object_set_new(meta, "remainingItemCount", json_integer(left));
    }
    return items;
}

void verb_list(struct sim *sim, struct request *req, struct answer *a)
{
    _cleanup_free_ char *from = NULL;
    const char *token = param(req, "continue");
    struct selector *s = NULL;
    long limit;
    if (str_eq(param(req, "watch"), "true") || str_eq(param(req, "watch"), "1")) {
        answer_fail(a, 501, "NotImplemented", NULL, "kubesim does not serve watches");
        return;
    }
    if (!parse_limit(req, &limit, a))
        return;
    if (!str_empty(token) && !token_parse(token, &from)) {
        fail_bad_request(a, "invalid continue token: continue key is not valid: invalid character");
        return;
    }
    if (selector_parse(req, &s, a) < 0)
        return;
    _cleanup_free_ char *version = xasprintf("%llu", (unsigned long long)store_version(sim->store));
    _cleanup_free_ char *api_version = kind_api_version(req->kind), *kind = xasprintf("%sList", req->kind->kind);
    json_t *meta = json_pack("{s:s}", "resourceVersion", version);
    json_t *items = collect(sim, req, s, from, limit, meta);
    selector_free(s);
    answer_json(
        a, 200,
        json_pack("{s:s, s:s, s:o, s:o}", "kind", kind, "apiVersion", api_version, "metadata", meta, "items", items));
}

static bool media_type_is(const char *type, const char *wanted)
{
    size_t n = strlen(wanted);
    return type && strncasecmp(type, wanted, n) == 0 && (!type[n] || type[n] == ';' || type[n] == ' ');
}

static void fail_decode(const struct request *req, const struct error *err, struct answer *a)
{
    if (req->body_len == 0)
        fail_bad_request(a,
                         "the object provided is unrecognized (must be of type %s): couldn't get version/kind; json "
                         "parse error: unexpected end of JSON input (<empty>)",
                         req->kind->kind);
    else
        fail_bad_request(a,
                         "the object provided is unrecognized (must be of type %s): couldn't get version/kind; json "
                         "parse error: %s",
                         req->kind->kind, error_message(err));
}

json_t *decode_body(const struct request *req, struct answer *a)
{
    if (req->content_type && !media_type_is(req->content_type, "application/json")) {
        answer_fail(a, 415, "UnsupportedMediaType", NULL,
                    "the body of the request was in an unknown format - accepted media types include: "
                    "application/json, application/yaml, application/vnd.kubernetes.protobuf");
        return NULL;
    }
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_json_ json_t *body = json_parse(req->body ? req->body : "", req->body_len, MAX_BODY, false, &err);
    if (!json_is_object(body)) {
        if (body)
            error_set(&err, -EBADMSG, "json: cannot unmarshal array into Go value of type struct");
        fail_decode(req, &err, a);
        return NULL;
    }
    return TAKE_PTR(body);
}

/* A body may leave out kind and apiVersion; what it says must be what the URL says. */
static bool check_type(const struct request *req, json_t *body, struct answer *a)
{
    const char *api_version = json_text(body, "apiVersion"), *kind = json_text(body, "kind");
    const struct kind *claimed = api_version && kind ? kind_of(api_version, kind) : NULL;
    _cleanup_free_ char *own = kind_api_version(req->kind);
    if ((!api_version && !kind) || claimed == req->kind) {
        const char *wrong = wrong_type(body);
        wrong = wrong ? wrong : wrong_data(req->kind, body);
        if (wrong) {
            fail_bad_request(a, "%s in version \"%s\" cannot be handled as a %s: v1.%s: %s", req->kind->kind,
                             req->kind->version, req->kind->kind, req->kind->kind, wrong);
            return false;
        }
        json_object_set_new(body, "apiVersion", json_string(own));
        json_object_set_new(body, "kind", json_string(req->kind->kind));
        return true;
    }
    const char *slash = api_version ? strchr(api_version, '/') : NULL;
    const char *version = slash ? slash + 1 : api_version ? api_version : "";
    if (claimed && claimed->id == req->kind->id)
        fail_bad_request(a, "the API version in the data (%s) does not match the expected API version (%s)",
                         api_version, own);
    else if (claimed)
        fail_bad_request(a,
                         "%s in version \"%s\" cannot be handled as a %s: converting (%s.%s) to (%s.%s): unknown "
                         "conversion",
                         kind, version, req->kind->kind, version, kind, *req->kind->group ? req->kind->group : "core",
                         req->kind->kind);
    else
        fail_bad_request(a,
                         "%s in version \"%s\" cannot be handled as a %s: no kind \"%s\" is registered for version "
                         "\"%s\" in scheme \"k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30\"",
                         kind ? kind : "", version, req->kind->kind, kind ? kind : "", api_version ? api_version : "");
    return false;
}

static json_t *metadata(json_t *object)
{
    json_t *meta = json_object_get(object, "metadata");
    if (json_is_object(meta))
        return meta;
    json_object_set_new(object, "metadata", json_object());
    return json_object_get(object, "metadata");
}

/* What the server alone sets on a new object. */
static void stamp_new(struct sim *sim, const struct request *req, json_t *object)
{
    static const char *const server_side[] = {"uid",
                                              "resourceVersion",
                                              "creationTimestamp",
                                              "generation",
                                              "deletionGracePeriodSeconds",
                                              "deletionTimestamp",
                                              "selfLink",
                                              "managedFields"};
    json_t *meta = metadata(object);
    char buf[TIME_TEXT_MAX], suffix[6];
    for (size_t i = 0; i < ARRAY_SIZE(server_side); i++)
        json_object_del(meta, server_side[i]);
    const char *prefix = json_text(meta, "generateName");
    if (!json_text(meta, "name") && !str_empty(prefix)) {
        _cleanup_free_ char *name = xasprintf("%s%s", prefix, random_suffix(suffix));
        json_object_set_new(meta, "name", json_string(name));
    }
    if (req->ns)
        json_object_set_new(meta, "namespace", json_string(req->ns));
    _cleanup_free_ char *uid = uuid_new();
    json_object_set_new(meta, "uid", json_string(uid));
    json_object_set_new(meta, "creationTimestamp", json_string(time_format_seconds(sim->now.wall_us, buf)));
    if (req->kind->flags & KIND_HAS_GENERATION)
        json_object_set_new(meta, "generation", json_integer(1));
    if (req->kind->flags & KIND_HAS_STATUS)
        json_object_del(object, "status");
}

static bool check_namespace(struct sim *sim, const struct request *req, json_t *object, struct answer *a)
{
    const char *own = json_path_text(object, "metadata", "namespace", NULL);
    if (!req->ns)
        return true;
    if (own && *own && !str_eq(own, req->ns)) {
        fail_bad_request(a, "the namespace of the provided object does not match the namespace sent on the request");
        return false;
    }
    if (store_get(sim->store, KIND_NAMESPACE, NULL, req->ns))
        return true;
    fail_not_found(a, kind_row(KIND_NAMESPACE), req->ns);
    return false;
}

void verb_create(struct sim *sim, struct request *req, struct answer *a)
{
    _cleanup_json_ json_t *body = decode_body(req, a);
    if (body && check_type(req, body, a))
        create_object(sim, req, TAKE_PTR(body), a);
}

static void keep_owners(const struct request *req, const struct object *o, json_t *next)
{
    if (req->owners)
        json_object_set(metadata(next), "managedFields", req->owners);
    else
        owners_after_write(req, o, next);
}

void create_object(struct sim *sim, struct request *req, json_t *body_taken, struct answer *a)
{
    _cleanup_json_ json_t *body = body_taken;
    if (!check_namespace(sim, req, body, a))
        return;
    stamp_new(sim, req, body);
    keep_owners(req, NULL, body);
    set_defaults(sim, req->kind, body);
    if (!validate(req->kind, body, NULL, a))
        return;
    const char *name = json_path_text(body, "metadata", "name", NULL);
    if (store_get(sim->store, req->kind->id, req->ns, name)) {
        _cleanup_free_ char *qualified = kind_qualified(req->kind);
        answer_fail(a, 409, "AlreadyExists", details(req->kind, name), "%s \"%s\" already exists", qualified, name);
        return;
    }
    if (req->dry_run) {
        answer_json(a, 201, TAKE_PTR(body));
        return;
    }
    struct object *o = store_insert(sim->store, req->kind, TAKE_PTR(body));
    answer_json(a, 201, object_view(o, req->kind));
}

/* Names, UID and resourceVersion in the new object, where it has them, must be those of the old one. */
static bool check_identity(const struct request *req, const struct object *o, const json_t *next, struct answer *a)
{
    const json_t *meta = json_object_get(next, "metadata");
    const char *name = json_text(meta, "name"), *ns = json_text(meta, "namespace"), *uid = json_text(meta, "uid");
    const char *version = json_text(meta, "resourceVersion");
    if (str_empty(name))
        fail_bad_request(a, "the name of the object (%s based on URL) was undeterminable: name must be provided",
                         o->name);
    else if (!str_eq(name, o->name))
        fail_bad_request(a, "the name of the object (%s) does not match the name on the URL (%s)", name, o->name);
    else if (!str_empty(ns) && !str_eq(ns, o->ns))
        fail_bad_request(a, "the namespace of the object (%s) does not match the namespace on the request (%s)", ns,
                         o->ns);
    else if (!str_empty(uid) && !str_eq(uid, o->uid) && str_eq(req->method, "PUT"))
        fail_conflict(a, req->kind, o->name,
                      "StorageError: invalid object, Code: 4, Key: /registry/%s/%s/%s, ResourceVersion: 0, "
                      "AdditionalErrorMsg: Precondition failed: UID in precondition: %s, UID in object meta: %s",
                      req->kind->plural, o->ns, o->name, uid, o->uid);
    else if (!str_empty(version) && !str_eq(version, json_path_text(o->json, "metadata", "resourceVersion", NULL)))
        fail_conflict(a, req->kind, o->name,
                      "the object has been modified; please apply your changes to the latest version and try again");
    else if (!str_empty(uid) && !str_eq(uid, o->uid))
        for (int i = 0; i < 2; i++) /* the real server checks it twice, and says so */
            fail_invalid(a, req->kind, o->name, "metadata.uid", "FieldValueInvalid",
                         "Invalid value: \"%s\": field is immutable", uid);
    return !answered(a);
}

/* What a client cannot change stays as it was, whatever the body says. */
static void keep_server_side(const struct object *o, json_t *next)
{
    static const char *const kept[] = {
        "uid",       "creationTimestamp", "generation",     "deletionTimestamp", "deletionGracePeriodSeconds",
        "namespace", "generateName",      "resourceVersion"};
    json_t *meta = metadata(next), *old = json_object_get(o->json, "metadata");
    for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
        json_t *value = json_object_get(old, kept[i]);
        if (value)
            json_object_set(meta, kept[i], value);
        else
            json_object_del(meta, kept[i]);
    }
    static const char *const maps[] = {"labels", "annotations", "ownerReferences", "finalizers"};
    for (size_t i = 0; i < ARRAY_SIZE(maps); i++) { /* empty ones are not shown */
        const json_t *v = json_object_get(meta, maps[i]);
        if (v && !json_object_size(v) && !json_array_size(v))
            json_object_del(meta, maps[i]);
    }
    json_object_del(meta, "managedFields");
    json_object_set(next, "apiVersion", json_object_get(o->json, "apiVersion"));
    json_object_set(next, "kind", json_object_get(o->json, "kind"));
}

static void raise_generation(const struct kind *kind, const struct object *o, json_t *next)
{
    if (!(kind->flags & KIND_HAS_GENERATION))
        return;
    const json_t *was = json_path(o->json, "metadata", "annotations", NULL);
    const json_t *is = json_path(next, "metadata", "annotations", NULL);
    bool changed = !json_equal(json_object_get(o->json, "spec"), json_object_get(next, "spec"));
    if (kind->flags & KIND_ANNOTATION_GENERATION)
        changed = changed || ((was || is) && !(was && is && json_equal(was, is)));
    if (changed)
        json_object_set_new(json_object_get(next, "metadata"), "generation",
                            json_integer(json_int_or(json_object_get(o->json, "metadata"), "generation", 0) + 1));
}

void update_object(struct sim *sim, struct request *req, struct object *o, json_t *next_taken, struct answer *a)
{
    _cleanup_json_ json_t *next = next_taken;
    const bool status_only = str_eq(req->sub, "status");
    metadata(next);
    if (!check_identity(req, o, next, a))
        return;
    keep_server_side(o, next);
    if (status_only) {
        json_t *with_status = json_deep_copy(o->json);
        if (json_object_get(next, "status"))
            json_object_set(with_status, "status", json_object_get(next, "status"));
        json_decref(next);
        next = with_status;
    } else {
        if (req->kind->flags & KIND_HAS_STATUS)
            json_object_set_new(next, "status", json_deep_copy(json_object_get(o->json, "status")));
        set_defaults(sim, req->kind, next);
        if (!validate(req->kind, next, o->json, a) || !admit(sim, req->kind, next, o->json, a))
            return;
        keep_owners(req, o, next);
        raise_generation(req->kind, o, next);
    }
    if (req->dry_run) {
        answer_json(a, 200, TAKE_PTR(next));
        return;
    }
    store_replace(sim->store, o, TAKE_PTR(next));
    answer_json(a, 200, object_view(o, req->kind));
    if (json_path(o->json, "metadata", "deletionTimestamp", NULL))
        finish_removal(sim, o);
}

void verb_update(struct sim *sim, struct request *req, struct answer *a)
{
    _cleanup_json_ json_t *body = decode_body(req, a);
    if (!body || !check_type(req, body, a))
        return;
    if (str_empty(json_path_text(body, "metadata", "name", NULL))) {
        fail_bad_request(a, "the name of the object (%s based on URL) was undeterminable: name must be provided",
                         req->name);
        return;
    }
    if (!str_eq(json_path_text(body, "metadata", "name", NULL), req->name)) {
        fail_bad_request(a, "the name of the object (%s) does not match the name on the URL (%s)",
                         json_path_text(body, "metadata", "name", NULL), req->name);
        return;
    }
    struct object *o = find(sim, req, a);
    if (o)
        update_object(sim, req, o, TAKE_PTR(body), a);
}
