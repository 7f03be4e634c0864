/* PATCH: which of the patch types, decoding as the real server fails at it, and the objects' types afterwards. */
#include "sim.h"

#include "base/alloc.h"
#include "base/text.h"

#include <string.h>

enum patch_type { PATCH_JSON, PATCH_MERGE, PATCH_STRATEGIC, PATCH_APPLY, PATCH_UNKNOWN };

static enum patch_type patch_type(const char *content_type)
{
    static const char *const types[] = {"application/json-patch+json", "application/merge-patch+json",
                                        "application/strategic-merge-patch+json", "application/apply-patch+yaml"};
    _cleanup_free_ char *type = xstrdup(content_type ? content_type : "");
    type[strcspn(type, ";")] = '\0';
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (str_eq(type, types[i]))
            return (enum patch_type)i;
    return PATCH_UNKNOWN;
}

static void fail_patch_body(enum patch_type type, const struct request *req, const struct error *err, struct answer *a)
{
    /* the real server's merge patch library answers with an error of no kind, which becomes a 500 */
    if (type == PATCH_MERGE)
        answer_fail(a, 500, NULL, NULL, "Invalid JSON Patch");
    else
        fail_bad_request(a, "%s", req->body_len ? error_message(err) : "unexpected end of JSON input");
}

static void fail_as_patch(const struct request *req, const char *why, struct answer *a)
{
    const struct kind none = {.group = "", .kind = ""};
    _cleanup_free_ char *body = xstrndup(req->body, req->body_len);
    fail_invalid(a, &none, NULL, "patch", "FieldValueInvalid", "Invalid value: \"%s\": %s", body, why);
}

static json_t *apply(enum patch_type type, struct request *req, const json_t *target, const json_t *patch,
                     struct answer *a)
{
    if (type == PATCH_JSON)
        return json_patch(target, patch, a);
    if (type == PATCH_STRATEGIC)
        return strategic_patch(req->kind, target, patch, a);
    return merge_patch(target, patch);
}

json_t *patch_body(struct request *req, const json_t *target, struct answer *a)
{
    const enum patch_type type = patch_type(req->content_type);
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_json_ json_t *patch = json_parse(req->body ? req->body : "", req->body_len, MAX_BODY, false, &err);
    if (!patch) {
        fail_patch_body(type, req, &err, a);
        return NULL;
    }
    _cleanup_json_ json_t *next = apply(type, req, target, patch, a);
    if (!next)
        return NULL;
    if (!json_is_object(next)) {
        fail_as_patch(req, "couldn't get version/kind; json parse error: json: cannot unmarshal array into Go value",
                      a);
        return NULL;
    }
    const char *wrong = wrong_type(next);
    wrong = wrong ? wrong : wrong_data(req->kind, next);
    if (wrong) {
        fail_as_patch(req, wrong, a);
        return NULL;
    }
    return TAKE_PTR(next);
}

bool check_patch_type(const struct request *req, struct answer *a)
{
    enum patch_type type = patch_type(req->content_type);
    if (type != PATCH_UNKNOWN && (type != PATCH_APPLY || !req->sub))
        return true;
    answer_fail(a, 415, "UnsupportedMediaType", json_object(), "415: Unsupported Media Type");
    return false;
}

void verb_patch(struct sim *sim, struct request *req, struct answer *a)
{
    if (!check_patch_type(req, a))
        return;
    if (patch_type(req->content_type) == PATCH_APPLY) {
        verb_apply(sim, req, a);
        return;
    }
    struct object *o = store_get(sim->store, req->kind->id, req->ns, req->name);
    if (!o) {
        fail_not_found(a, req->kind, req->name);
        return;
    }
    json_t *next = patch_body(req, o->json, a);
    if (next)
        update_object(sim, req, o, next, a);
}
