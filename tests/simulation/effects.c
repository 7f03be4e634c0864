/* An effect arrives at the API server: preconditions, the change, who wrote what. */
#include "simulation.h"

#include "base/alloc.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static json_t *refused(int status, const char *message)
{
    return json_pack("{s:i, s:{s:s, s:s}}", "status", status, "body", "kind", "Status", "message", message);
}

/* ---- who wrote what ---- */

static void wrote(struct workload_model *w, const char *pointer, const char *key)
{
    w->writes = xreallocarray(w->writes, w->n_writes + 1, sizeof(*w->writes));
    w->writes[w->n_writes++] = (struct written){.pointer = xstrdup(pointer), .key = xstrdup(key)};
}

/* What the effects wrote, as it stands now that they are applied. */
static void note_values(struct workload_model *w, const char *key)
{
    for (size_t i = 0; i < w->n_writes; i++) {
        struct written *x = &w->writes[i];
        if (!str_eq(x->key, key))
            continue;
        json_decref(x->value);
        x->value = json_incref(json_pointer(w->doc, x->pointer));
    }
}

static bool same(const json_t *a, const json_t *b)
{
    return (!a && !b) || (a && b && json_equal(a, b));
}

/* An undo puts back only what still is as its own effect wrote it. */
static void took_back(struct sim *s, struct workload_model *w, const char *pointer, const char *key)
{
    const size_t n = strlen(key) - strlen("/undo");
    for (size_t i = 0; i < w->n_writes; i++) {
        const struct written *x = &w->writes[i];
        const json_t *present = json_pointer(w->doc, pointer);
        if (strlen(x->key) != n || strncmp(x->key, key, n) != 0 || !str_eq(x->pointer, pointer))
            continue;
        if (!same(x->value, present)) {
            _cleanup_free_ char *now = json_compact(present);
            violated(s, "own_values", "%s takes %s of %s/%s back, which somebody else made %s", key, pointer, w->ns,
                     w->name, now);
        }
        return;
    }
    violated(s, "own_values", "%s takes %s of %s/%s back, which mendd never wrote", key, pointer, w->ns, w->name);
}

static bool changed_since(const struct workload_model *w, const char *key)
{
    bool later = false, found = false;
    for (size_t i = 0; i < w->n_writes; i++) {
        bool own = str_eq(w->writes[i].key, key);
        found |= own;
        later |= found && !own;
    }
    return later;
}

static void note_applied(struct sim *s, const struct sent *sent, struct workload_model *w)
{
    const char *key = json_text_or(sent->what, "key", ""), *pointer;
    json_t *change;
    const int64_t times = json_int_or(s->applied, key, 0) + 1;
    const bool inverse = str_ends(key, "/undo");
    if (times > 1 && !changed_since(w, key) && !watch_may_repeat(journal_run(s, sent->run), sent->what))
        violated(s, "applied_once", "%s changed %s/%s %lld times", key, w->ns, w->name, (long long)times);
    json_object_set_new(s->applied, key, json_integer(times));
    s->counts->applied++;
    json_object_foreach (json_object_get(sent->what, "changes"), pointer, change) {
        if (inverse && times == 1)
            took_back(s, w, pointer, key);
        else if (!inverse)
            wrote(w, pointer, key);
    }
}

/* ---- changes ---- */

void workload_edit(struct sim *s, struct workload_model *w, const char *pointer, const char *key, json_t *doc_new)
{
    json_t *meta = json_object_get(doc_new, "metadata");
    if (!json_equal(json_object_get(doc_new, "spec"), json_object_get(w->doc, "spec")))
        json_object_set_new(meta, "generation", json_integer(json_int_or(meta, "generation", 1) + 1));
    json_decref(w->doc);
    w->doc = doc_new;
    if (pointer)
        wrote(w, pointer, key);
    workload_reconcile_soon(s, w);
}

static bool wrong_uid(const json_t *body, const struct workload_model *w)
{
    const char *uid = json_path_text(body, "metadata", "uid", NULL);
    return uid && !str_eq(uid, w->uid);
}

static json_t *patch_scale(struct sim *s, const struct sent *sent, struct workload_model *w)
{
    _cleanup_json_ json_t *scale = json_pack("{s:{s:s}, s:{s:I}}", "metadata", "uid", w->uid, "spec", "replicas",
                                             (json_int_t)workload_replicas(w));
    _cleanup_json_ json_t *patched =
        patched_new(scale, json_text(sent->what, "content_type"), json_object_get(sent->what, "body"));
    if (!patched)
        return refused(422, "the test of a JSON patch failed");
    const int64_t n = json_int_or(json_object_get(patched, "spec"), "replicas", 0);
    json_t *doc = json_deep_copy(w->doc);
    json_object_set_new(json_object_get(doc, "spec"), "replicas", json_integer(n));
    note_applied(s, sent, w);
    workload_edit(s, w, NULL, NULL, doc);
    note_values(w, json_text_or(sent->what, "key", ""));
    json_t *meta = json_object_get(w->doc, "metadata");
    return json_pack("{s:i, s:{s:s, s:{s:s, s:s, s:s, s:O}, s:{s:I}}}", "status", 200, "body", "kind", "Scale",
                     "metadata", "name", w->name, "namespace", w->ns, "uid", w->uid, "generation",
                     json_object_get(meta, "generation"), "spec", "replicas", (json_int_t)n);
}

static json_t *patch_deployment(struct sim *s, const struct sent *sent, struct workload_model *w)
{
    json_t *patched = patched_new(w->doc, json_text(sent->what, "content_type"), json_object_get(sent->what, "body"));
    if (!patched)
        return refused(422, "the test of a JSON patch failed");
    note_applied(s, sent, w);
    workload_edit(s, w, NULL, NULL, patched);
    note_values(w, json_text_or(sent->what, "key", ""));
    return json_pack("{s:i, s:O}", "status", 200, "body", w->doc);
}

static json_t *delete_pod(struct sim *s, const struct sent *sent, struct workload_model *w, struct pod *p)
{
    const char *uid = json_path_text(sent->what, "body", "preconditions", "uid", NULL);
    const int64_t grace_us = rng_int(&s->rng, 1, 8000) * USEC_PER_MSEC;
    if (uid && !str_eq(uid, p->uid))
        return refused(409, "the UID in the precondition does not match");
    if (!pod_is_gone(p)) {
        note_applied(s, sent, w);
        p->gone_us = s->now.boot_us + grace_us;
        json_decref(p->doc);
        p->doc = NULL;
        sim_after(s, grace_us, (struct item){.what = H_POD, .a = w - s->workloads});
    }
    workload_status(s, w, false);
    workload_reconcile_soon(s, w);
    return json_pack("{s:i, s:{s:s, s:{s:s, s:s, s:s}}}", "status", 200, "body", "kind", "Pod", "metadata", "name",
                     p->name, "namespace", w->ns, "uid", p->uid);
}

json_t *cluster_apply(struct sim *s, const struct sent *sent)
{
    int pod;
    const char *path = json_text_or(sent->what, "path", ""), *method = json_text_or(sent->what, "method", "");
    const json_t *body = json_object_get(sent->what, "body");
    struct workload_model *w = workload_of_path(s, path, &pod);
    if (!w)
        return refused(404, "not found");
    watch_arrived(s, sent, w);
    if (pod >= 0)
        return str_eq(method, "DELETE") ? delete_pod(s, sent, w, &w->pods[pod]) : refused(405, "method not allowed");
    if (strstr(path, "/pokes/")) {
        note_applied(s, sent, w);
        return json_pack("{s:i, s:{}}", "status", 200, "body");
    }
    if (!str_eq(method, "PATCH"))
        return refused(405, "method not allowed");
    if (wrong_uid(body, w))
        return refused(409, "Precondition failed: UID in precondition");
    return strstr(path, "/scale") ? patch_scale(s, sent, w) : patch_deployment(s, sent, w);
}
