/* From a path to a verb: discovery, the objects' paths, their subresources. */
#include "sim.h"

#include "base/alloc.h"
#include "base/text.h"

#include <string.h>

#define MAX_SEGMENTS 12

struct path {
    char *copy;
    const char *segments[MAX_SEGMENTS];
    size_t n;
};

static void path_free(struct path *p)
{
    free(p->copy);
}

/* Splits at '/'; false if there are more segments than any API path has. */
static bool path_split(const char *s, struct path *p)
{
    p->copy = xstrdup(s);
    for (char *save, *part = strtok_r(p->copy, "/", &save); part; part = strtok_r(NULL, "/", &save)) {
        if (p->n == MAX_SEGMENTS)
            return false;
        p->segments[p->n++] = part;
    }
    return true;
}

const char *param(const struct request *req, const char *name)
{
    return json_text(req->query, name);
}

static bool is(const struct request *req, const char *method)
{
    return str_eq(req->method, method);
}

static void not_found_page(struct answer *a)
{
    answer_text(a, 404, "text/plain; charset=utf-8", xstrdup("404 page not found\n"));
}

static void serve_health(struct request *req, struct answer *a)
{
    if (is(req, "GET") || is(req, "HEAD"))
        answer_text(a, 200, "text/plain; charset=utf-8", xstrdup("ok"));
    else
        fail_method(a);
}

static void serve_version(struct answer *a)
{
    answer_json(a, 200,
                json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "major", "1", "minor", "20", "gitVersion",
                          "v1.20.2-kubesim", "gitCommit", "", "gitTreeState", "clean", "buildDate",
                          "1970-01-01T00:00:00Z", "goVersion", "none", "compiler", "gcc", "platform", "linux/amd64"));
}

static void serve_discovery(struct request *req, json_t *body_new, struct answer *a)
{
    if (!body_new)
        not_found_page(a);
    else if (!is(req, "GET") && !is(req, "HEAD")) {
        json_decref(body_new);
        fail_method(a);
    } else
        answer_json(a, 200, body_new);
}

static void dispatch_item(struct sim *sim, struct request *req, struct answer *a)
{
    if (req->sub)
        serve_sub(sim, req, a);
    else if (is(req, "GET") || is(req, "HEAD"))
        verb_get(sim, req, a);
    else if (is(req, "PUT"))
        verb_update(sim, req, a);
    else if (is(req, "PATCH"))
        verb_patch(sim, req, a);
    else if (is(req, "DELETE"))
        verb_delete(sim, req, a);
    else
        fail_method(a);
}

static void dispatch_collection(struct sim *sim, struct request *req, struct answer *a)
{
    if (is(req, "GET") || is(req, "HEAD"))
        verb_list(sim, req, a);
    else if (is(req, "POST") && (req->ns || !req->kind->namespaced))
        verb_create(sim, req, a);
    else if (is(req, "DELETE") && (req->ns || !req->kind->namespaced))
        verb_delete_collection(sim, req, a);
    else
        fail_method(a);
}

static bool check_dry_run(struct request *req, struct answer *a)
{
    const char *value = param(req, "dryRun");
    if (!value)
        return true;
    req->dry_run = str_eq(value, "All");
    if (req->dry_run || is(req, "GET"))
        return true;
    const char *options = is(req, "PATCH")    ? "PatchOptions"
                          : is(req, "PUT")    ? "UpdateOptions"
                          : is(req, "DELETE") ? "DeleteOptions"
                                              : "CreateOptions";
    const struct kind meta = {.group = "meta.k8s.io", .kind = options};
    fail_invalid(a, &meta, NULL, "dryRun", "FieldValueNotSupported",
                 "Unsupported value: []string{\"%s\"}: supported values: \"All\"", value);
    return false;
}

/* `rest` is what follows the group's version. */
static void serve_objects(struct sim *sim, struct request *req, const char *group, const char *version,
                          const char *const *rest, size_t n, struct answer *a)
{
    bool in_namespace = n >= 3 && str_eq(rest[0], "namespaces") && kind_find(group, version, rest[2]) &&
                        kind_find(group, version, rest[2])->namespaced;
    if (in_namespace) {
        req->ns = rest[1];
        rest += 2;
        n -= 2;
    }
    req->kind = n > 0 ? kind_find(group, version, rest[0]) : NULL;
    if (!req->kind || n > 3 || (req->kind->namespaced && n > 1 && !in_namespace)) {
        fail_no_resource(a);
        return;
    }
    req->name = n > 1 ? rest[1] : NULL;
    req->sub = n > 2 ? rest[2] : NULL;
    if (!rbac_permits(sim, req, a) || !check_dry_run(req, a))
        return;
    if (req->name)
        dispatch_item(sim, req, a);
    else
        dispatch_collection(sim, req, a);
}

static void serve_core(struct sim *sim, struct request *req, struct path *p, struct answer *a)
{
    if (p->n == 1)
        serve_discovery(req, discovery_api(), a);
    else if (!str_eq(p->segments[1], "v1"))
        fail_no_resource(a);
    else if (p->n == 2)
        serve_discovery(req, discovery_resources("", "v1"), a);
    else
        serve_objects(sim, req, "", "v1", p->segments + 2, p->n - 2, a);
}

static void serve_group(struct sim *sim, struct request *req, struct path *p, struct answer *a)
{
    if (p->n == 1)
        serve_discovery(req, discovery_groups(), a);
    else if (p->n == 2)
        serve_discovery(req, discovery_group(p->segments[1]), a);
    else if (!kind_group_served(p->segments[1]))
        not_found_page(a);
    else if (p->n == 3)
        serve_discovery(req, discovery_resources(p->segments[1], p->segments[2]), a);
    else
        serve_objects(sim, req, p->segments[1], p->segments[2], p->segments + 3, p->n - 3, a);
}

void route(struct sim *sim, struct request *req, struct answer *a)
{
    _cleanup_(path_free) struct path p = {0};
    if (!path_split(req->path, &p) || p.n == 0) {
        not_found_page(a);
        return;
    }
    const char *first = p.segments[0];
    if (str_eq(first, "api"))
        serve_core(sim, req, &p, a);
    else if (str_eq(first, "apis"))
        serve_group(sim, req, &p, a);
    else if (str_eq(first, "version") && p.n == 1)
        serve_version(a);
    else if (str_eq(first, "readyz") || str_eq(first, "healthz") || str_eq(first, "livez"))
        serve_health(req, a);
    else
        not_found_page(a);
    req->kind = NULL;
    req->ns = req->name = req->sub = NULL; /* they point into the path */
}
