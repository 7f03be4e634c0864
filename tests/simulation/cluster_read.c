/* What a GET or a LIST of the cluster finds. */
#include "simulation.h"

#include "base/alloc.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

static const json_t *pod_doc(struct sim *s, const struct workload_model *w, struct pod *p)
{
    const struct revision *r = &w->revisions[p->revision];
    const bool ready = pod_is_up(s, p);
    if (p->doc)
        return p->doc;
    json_t *owner = json_pack("{s:s, s:s, s:s, s:s, s:b}", "apiVersion", "apps/v1", "kind", "ReplicaSet", "name",
                              r->name, "uid", r->uid, "controller", 1);
    p->doc = json_pack("{s:s, s:s, s:{s:s, s:s, s:s, s:{s:s, s:s}, s:[o]}, s:{s:[{s:s}]}, s:{s:s, s:[{s:s, s:s}]}}",
                       "apiVersion", "v1", "kind", "Pod", "metadata", "name", p->name, "namespace", w->ns, "uid",
                       p->uid, "labels", "app", w->name, "pod-template-hash", r->hash, "ownerReferences", owner, "spec",
                       "containers", "name", "app", "status", "phase", "Running", "conditions", "type", "Ready",
                       "status", ready ? "True" : "False");
    if (pod_is_gone(p))
        json_object_set_new(json_object_get(p->doc, "metadata"), "deletionTimestamp",
                            json_string("2026-01-05T10:00:00Z"));
    return p->doc;
}

static json_t *found(const json_t *object)
{
    return json_pack("{s:i, s:O}", "status", 200, "body", object);
}

static json_t *not_found(const char *path)
{
    return json_pack("{s:i, s:{s:s, s:s, s:s}}", "status", 404, "body", "kind", "Status", "reason", "NotFound",
                     "message", path);
}

static json_t *listed(json_t *items_new)
{
    return json_pack("{s:i, s:{s:s, s:{}, s:o}}", "status", 200, "body", "kind", "List", "metadata", "items",
                     items_new);
}

static json_t *replicaset_new(const struct workload_model *w, int i)
{
    char text[16];
    const struct revision *r = &w->revisions[i];
    snprintf(text, sizeof(text), "%d", i + 1);
    json_t *owner = json_pack("{s:s, s:s, s:s, s:s, s:b}", "apiVersion", "apps/v1", "kind", "Deployment", "name",
                              w->name, "uid", w->uid, "controller", 1);
    return json_pack("{s:s, s:s, s:{s:s, s:s, s:s, s:s, s:{s:s, s:s}, s:{s:s}, s:[o]}, s:{s:O}}", "apiVersion",
                     "apps/v1", "kind", "ReplicaSet", "metadata", "name", r->name, "namespace", w->ns, "uid", r->uid,
                     "creationTimestamp", "2026-01-05T09:00:00Z", "labels", "app", w->name, "pod-template-hash",
                     r->hash, "annotations", REVISION, text, "ownerReferences", owner, "spec", "template", r->template);
}

static json_t *namespace_answer(struct sim *s, const char *name)
{
    for (size_t i = 0; i < NAMESPACES; i++) {
        if (!str_eq(s->namespaces[i].name, name))
            continue;
        json_t *object =
            json_pack("{s:s, s:{s:s, s:{s:s}}}", "kind", "Namespace", "metadata", "name", name, "annotations",
                      "mendd.io/ignore", s->namespaces[i].opted_since_us ? "true" : "false");
        json_t *answer = found(object);
        json_decref(object);
        return answer;
    }
    return not_found(name);
}

/* "app=web" or "tier=t1" of a labelSelector; nothing selects all. */
static bool selected(const struct workload_model *w, const char *query)
{
    char app[64], tier[32];
    if (!query || !strstr(query, "labelSelector="))
        return true;
    snprintf(app, sizeof(app), "labelSelector=app%%3D%s", w->name);
    snprintf(tier, sizeof(tier), "labelSelector=tier%%3D%s", w->tier);
    return str_ends(query, app) || str_ends(query, tier);
}

static json_t *list_answer(struct sim *s, const char *ns, const char *plural, const char *query)
{
    json_t *items = json_array();
    for (int i = 0; i < s->n_workloads; i++) {
        struct workload_model *w = &s->workloads[i];
        if (!str_eq(w->ns, ns) || !selected(w, query))
            continue;
        if (str_eq(plural, "deployments"))
            json_array_append(items, w->doc);
        for (int k = 0; k < w->n_pods && str_eq(plural, "pods"); k++)
            json_array_append(items, (json_t *)pod_doc(s, w, &w->pods[k]));
        for (int k = 0; k < w->n_revisions && str_eq(plural, "replicasets"); k++)
            json_array_append_new(items, replicaset_new(w, k));
        if (str_eq(plural, "horizontalpodautoscalers") && w->has_hpa)
            json_array_append_new(items, json_pack("{s:{s:s}, s:{s:{s:s, s:s}}}", "metadata", "name", w->name, "spec",
                                                   "scaleTargetRef", "kind", "Deployment", "name", w->name));
    }
    return listed(items);
}

struct place { /* the parts of "/apis/apps/v1/namespaces/NS/PLURAL/NAME/SUB?QUERY" */
    char ns[32], plural[48], name[64], sub[16];
    const char *query;
};

static bool place_parse(const char *path, struct place *p)
{
    *p = (struct place){.query = strchr(path, '?')};
    const char *at = strstr(path, "/namespaces/");
    _cleanup_free_ char *bare = at ? xstrndup(at, strcspn(at, "?")) : NULL;
    return bare && sscanf(bare, "/namespaces/%31[^/]/%47[^/]/%63[^/]/%15s", p->ns, p->plural, p->name, p->sub) >= 1;
}

struct workload_model *workload_of_path(struct sim *s, const char *path, int *ret_pod)
{
    struct place p;
    *ret_pod = -1;
    if (!place_parse(path, &p))
        return NULL;
    for (int i = 0; i < s->n_workloads; i++) {
        struct workload_model *w = &s->workloads[i];
        if (!str_eq(w->ns, p.ns))
            continue;
        if (str_eq(p.plural, "pods")) {
            for (int k = 0; k < w->n_pods; k++)
                if (str_eq(w->pods[k].name, p.name)) {
                    *ret_pod = k;
                    return w;
                }
        } else if (str_eq(w->name, p.name)) {
            return w;
        }
    }
    return NULL;
}

static json_t *object_answer(struct sim *s, const struct place *p, const char *path)
{
    int pod;
    if (str_eq(p->plural, "replicasets")) {
        for (int i = 0; i < s->n_workloads; i++)
            for (int k = 0; k < s->workloads[i].n_revisions; k++)
                if (str_eq(s->workloads[i].revisions[k].name, p->name) && str_eq(s->workloads[i].ns, p->ns))
                    return json_pack("{s:i, s:o}", "status", 200, "body", replicaset_new(&s->workloads[i], k));
        return not_found(path);
    }
    struct workload_model *w = workload_of_path(s, path, &pod);
    if (w && pod >= 0)
        return str_eq(p->sub, "log") ? json_pack("{s:i, s:s}", "status", 200, "text", "line")
                                     : found(pod_doc(s, w, &w->pods[pod]));
    if (!w || !str_eq(p->plural, "deployments"))
        return not_found(path);
    if (str_eq(p->sub, "scale"))
        return json_pack("{s:i, s:{s:s, s:{s:s, s:s, s:s, s:I}, s:{s:I}, s:{s:I}}}", "status", 200, "body", "kind",
                         "Scale", "metadata", "name", w->name, "namespace", w->ns, "uid", w->uid, "generation",
                         (json_int_t)json_int_or(json_object_get(w->doc, "metadata"), "generation", 1), "spec",
                         "replicas", (json_int_t)workload_replicas(w), "status", "replicas", (json_int_t)w->n_pods);
    return found(w->doc);
}

json_t *cluster_answer(struct sim *s, const char *path)
{
    struct place p;
    if (!place_parse(path, &p))
        return not_found(path);
    if (!*p.plural)
        return namespace_answer(s, p.ns);
    return *p.name ? object_answer(s, &p, path) : list_answer(s, p.ns, p.plural, p.query);
}
