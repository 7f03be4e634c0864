/* Who may do what: POST /_sim/rbac {"token", "user", "items": [what `mendctl rbac -o json` prints]} binds whoever comes
 * with that token to the rules of these roles, as the real server's RBAC would; everybody else may do everything.
 * DELETE takes it off. A binding is taken for granted: each role is that user's. SelfSubjectAccessReviews answer by the
 * same rules; they touch no object, and are neither audited nor hit by faults. */
#include "sim.h"

#include "base/alloc.h"
#include "base/text.h"

#include <string.h>

#define REVIEWS "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

struct wish {
    const char *verb, *group, *resource, *ns, *name; /* resource with its subresource; ns NULL: all */
};

static bool lists(const json_t *list, const char *text)
{
    size_t i;
    json_t *item;
    json_array_foreach ((json_t *)list, i, item)
        if (str_eq(json_string_value(item), text) || str_eq(json_string_value(item), "*"))
            return true;
    return false;
}

static bool rule_allows(const json_t *rule, const struct wish *w)
{
    const json_t *names = json_object_get(rule, "resourceNames");
    return lists(json_object_get(rule, "apiGroups"), w->group) &&
           lists(json_object_get(rule, "resources"), w->resource) && lists(json_object_get(rule, "verbs"), w->verb) &&
           (!names || (w->name && lists(names, w->name)));
}

static bool allows(const json_t *roles, const struct wish *w)
{
    size_t i, k;
    json_t *role, *rule;
    json_array_foreach ((json_t *)roles, i, role) {
        const char *ns = json_path_text(role, "metadata", "namespace", NULL);
        if (str_eq(json_text(role, "kind"), "Role") && !str_eq(ns, w->ns))
            continue;
        json_array_foreach (json_object_get(role, "rules"), k, rule)
            if (rule_allows(rule, w))
                return true;
    }
    return false;
}

/* NULL: this one is not bound. */
static const json_t *roles_of(const struct sim *sim, const char *bearer)
{
    const char *bound = json_text(sim->rbac, "token");
    return bound && str_eq(bearer, bound) ? json_object_get(sim->rbac, "items") : NULL;
}

static const char *verb_of(const struct request *req)
{
    const bool get = str_eq(req->method, "GET") || str_eq(req->method, "HEAD");
    return get                             ? (req->name                             ? "get"
                                              : str_eq(param(req, "watch"), "true") ? "watch"
                                                                                    : "list")
           : str_eq(req->method, "POST")   ? "create"
           : str_eq(req->method, "PUT")    ? "update"
           : str_eq(req->method, "PATCH")  ? "patch"
           : str_eq(req->method, "DELETE") ? req->name ? "delete" : "deletecollection"
                                           : req->method;
}

static void refuse(const struct sim *sim, const struct request *req, const struct wish *w, struct answer *a)
{
    _cleanup_free_ char *qualified = kind_qualified(req->kind);
    _cleanup_free_ char *named = w->name ? xasprintf("%s \"%s\"", qualified, w->name) : xstrdup(qualified);
    _cleanup_free_ char *where = w->ns ? xasprintf("in the namespace \"%s\"", w->ns) : xstrdup("at the cluster scope");
    answer_fail(a, 403, "Forbidden", details(req->kind, w->name),
                "%s is forbidden: User \"%s\" cannot %s resource \"%s\" in API group \"%s\" %s", named,
                json_text_or(sim->rbac, "user", "mendd"), w->verb, w->resource, w->group, where);
}

bool rbac_permits(const struct sim *sim, const struct request *req, struct answer *a)
{
    const json_t *roles = roles_of(sim, req->bearer);
    _cleanup_free_ char *resource =
        req->sub ? xasprintf("%s/%s", req->kind->plural, req->sub) : xstrdup(req->kind->plural);
    struct wish w = {verb_of(req), req->kind->group, resource, req->ns, req->name};
    if (str_eq(req->kind->kind, "Namespace")) /* it is in itself */
        w.ns = req->name;
    if (!roles || allows(roles, &w))
        return true;
    refuse(sim, req, &w, a);
    return false;
}

/* One that creates by a PATCH must be allowed both; the real server gives no reason then. */
bool rbac_permits_create(const struct sim *sim, const struct request *req, struct answer *a)
{
    const json_t *roles = roles_of(sim, req->bearer);
    const struct wish w = {"create", req->kind->group, req->kind->plural, req->ns, req->name};
    if (!roles || allows(roles, &w))
        return true;
    _cleanup_free_ char *qualified = kind_qualified(req->kind);
    answer_fail(a, 403, "Forbidden", details(req->kind, req->name), "%s \"%s\" is forbidden: ", qualified, req->name);
    return false;
}

bool rbac_review(const struct sim *sim, const struct request *req, struct answer *a)
{
    if (!str_eq(req->path, REVIEWS) || !str_eq(req->method, "POST"))
        return false;
    _cleanup_json_ json_t *body = json_loadb(req->body, req->body_len, 0, NULL);
    const json_t *wanted = json_path(body, "spec", "resourceAttributes", NULL), *roles = roles_of(sim, req->bearer);
    const char *sub = json_text(wanted, "subresource"), *resource = json_text_or(wanted, "resource", "");
    _cleanup_free_ char *whole = sub ? xasprintf("%s/%s", resource, sub) : xstrdup(resource);
    const struct wish w = {json_text_or(wanted, "verb", ""), json_text_or(wanted, "group", ""), whole,
                           json_text(wanted, "namespace"), json_text(wanted, "name")};
    answer_json(a, 201,
                json_pack("{s:s, s:s, s:O*, s:{s:b}}", "apiVersion", "authorization.k8s.io/v1", "kind",
                          "SelfSubjectAccessReview", "spec", json_object_get(body, "spec"), "status", "allowed",
                          !roles || allows(roles, &w)));
    return true;
}

void serve_rbac(struct sim *sim, const struct request *req, const json_t *body, struct answer *a)
{
    json_decref(sim->rbac);
    sim->rbac = str_eq(req->method, "POST") ? json_deep_copy(body) : NULL;
    answer_json(a, 200, json_pack("{s:b}", "bound", sim->rbac != NULL));
}
