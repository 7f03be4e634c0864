/* A Kubernetes of a few Deployments: what a GET or LIST finds, and what its controllers make of a change.
 *
 * Simpler than the real one where mendd cannot tell: a rollout replaces all pods at once, a pod has one container.
 * Alike where it can: pods come and go in time, a controller sees a change only a moment later, old pods terminate. */
#include "simulation.h"

#include "base/alloc.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void new_uid(struct sim *s, char uid[24])
{
    snprintf(uid, 24, "uid-%06llu", (unsigned long long)++s->next_uid);
}

/* ---- pods ---- */

bool workload_has_sick_pods(const struct workload_model *w)
{
    for (int i = 0; i < w->n_pods; i++)
        if (w->pods[i].sick && !pod_is_gone(&w->pods[i]))
            return true;
    return false;
}

static void forget_doc(struct pod *p)
{
    json_decref(p->doc);
    p->doc = NULL;
}

static void pod_start(struct sim *s, int workload, bool sick)
{
    struct workload_model *w = &s->workloads[workload];
    if (w->n_pods == PODS_MAX)
        return;
    struct pod *p = &w->pods[w->n_pods++];
    *p = (struct pod){.revision = w->revision, .sick = sick};
    new_uid(s, p->uid);
    _cleanup_free_ char *name = xasprintf("%s-%s-%d", w->name, w->revisions[w->revision].hash, ++w->pods_made);
    snprintf(p->name, sizeof(p->name), "%s", name);
    p->ready_us = s->now.boot_us + rng_int(&s->rng, 500, 15000) * USEC_PER_MSEC;
    if (!sick)
        sim_after(s, p->ready_us - s->now.boot_us, (struct item){.what = H_POD, .a = workload});
}

static void pod_stop(struct sim *s, int workload, struct pod *p)
{
    const int64_t grace_us = rng_int(&s->rng, 0, 8000) * USEC_PER_MSEC + 1;
    if (pod_is_gone(p))
        return;
    p->gone_us = s->now.boot_us + grace_us;
    forget_doc(p);
    sim_after(s, grace_us, (struct item){.what = H_POD, .a = workload});
}

void cluster_pods_changed(struct sim *s, int workload)
{
    struct workload_model *w = &s->workloads[workload];
    int kept = 0;
    for (int i = 0; i < w->n_pods; i++) {
        forget_doc(&w->pods[i]);
        if (!pod_is_gone(&w->pods[i]) || w->pods[i].gone_us > s->now.boot_us)
            w->pods[kept++] = w->pods[i];
    }
    w->n_pods = kept;
    workload_status(s, w, false);
    bool over = w->disease == SICK_PODS || w->disease == WEDGED;
    if (over && !workload_has_sick_pods(w))
        w->disease = WELL;
}

/* ---- workloads ---- */

static int index_of(const struct sim *s, const struct workload_model *w)
{
    return (int)(w - s->workloads);
}

void workload_reconcile_soon(struct sim *s, struct workload_model *w)
{
    if (w->reconcile_due)
        return;
    w->reconcile_due = true;
    sim_after(s, rng_int(&s->rng, 20, 1500) * USEC_PER_MSEC, (struct item){.what = H_RECONCILE, .a = index_of(s, w)});
}

/* The status as the controller writes it; observed: it has seen the present generation. */
void workload_status(struct sim *s, struct workload_model *w, bool observed)
{
    int64_t all = 0, updated = 0, ready = 0;
    json_t *meta = json_object_get(w->doc, "metadata");
    int64_t generation = json_int_or(meta, "generation", 1);
    int64_t seen = json_int_or(json_object_get(w->doc, "status"), "observedGeneration", 0);
    for (int i = 0; i < w->n_pods; i++) {
        const struct pod *p = &w->pods[i];
        all += !pod_is_gone(p);
        updated += !pod_is_gone(p) && p->revision == w->revision;
        ready += pod_is_up(s, p);
    }
    json_t *doc = json_copy(w->doc);
    json_object_set_new(doc, "status",
                        json_pack("{s:I, s:I, s:I, s:I, s:I}", "observedGeneration",
                                  (json_int_t)(observed ? generation : seen), "replicas", (json_int_t)all,
                                  "updatedReplicas", (json_int_t)updated, "readyReplicas", (json_int_t)ready,
                                  "availableReplicas", (json_int_t)ready));
    json_decref(w->doc);
    w->doc = doc;
}

static void set_revision(struct workload_model *w)
{
    char text[16];
    snprintf(text, sizeof(text), "%d", w->revision + 1);
    if (str_eq(json_path_text(w->doc, "metadata", "annotations", REVISION, NULL), text))
        return;
    json_t *doc = json_deep_copy(w->doc), *meta = json_object_get(doc, "metadata");
    if (!json_object_get(meta, "annotations"))
        json_object_set_new(meta, "annotations", json_object());
    json_set_text(json_object_get(meta, "annotations"), REVISION, text);
    json_decref(w->doc);
    w->doc = doc;
}

/* The revision of the present template becomes the newest; true if it was not the present one. */
static bool find_revision(struct sim *s, struct workload_model *w)
{
    json_t *template = json_path(w->doc, "spec", "template", NULL);
    if (w->n_revisions > 0 && json_equal(w->revisions[w->revision].template, template))
        return false;
    struct revision *r = &w->revisions[w->n_revisions];
    if (w->n_revisions == REVISIONS_MAX) { /* the oldest is forgotten; nobody has its pods any more */
        json_decref(w->revisions[0].template);
        memmove(&w->revisions[0], &w->revisions[1], sizeof(*r) * (REVISIONS_MAX - 1));
        for (int i = 0; i < w->n_pods; i++)
            w->pods[i].revision = w->pods[i].revision > 0 ? w->pods[i].revision - 1 : 0;
        w->n_revisions--;
        r--;
    }
    *r = (struct revision){.template = json_incref(template)};
    snprintf(r->hash, sizeof(r->hash), "r%llu", (unsigned long long)++s->next_uid);
    snprintf(r->name, sizeof(r->name), "%s-%s", w->name, r->hash);
    new_uid(s, r->uid);
    w->revision = w->n_revisions++;
    return true;
}

static bool starts_sick(const struct workload_model *w)
{
    /* a restart of a bad rollout is as bad: the image is what is wrong with it */
    const char *image = json_path_text(w->doc, "spec", "template", "metadata", "annotations", "image", NULL);
    return w->disease == INCURABLE || (w->disease == BAD_ROLLOUT && str_starts(image ? image : "", "bad"));
}

void cluster_reconcile(struct sim *s, int workload)
{
    struct workload_model *w = &s->workloads[workload];
    int64_t want = workload_replicas(w), have = 0;
    w->reconcile_due = false;
    find_revision(s, w);
    for (int i = 0; i < w->n_pods; i++)
        if (w->pods[i].revision != w->revision)
            pod_stop(s, workload, &w->pods[i]);
    for (int i = 0; i < w->n_pods; i++)
        have += !pod_is_gone(&w->pods[i]);
    for (int i = w->n_pods - 1; i >= 0 && have > want; i--) {
        have -= !pod_is_gone(&w->pods[i]);
        pod_stop(s, workload, &w->pods[i]);
    }
    for (; have < want; have++)
        pod_start(s, workload, starts_sick(w));
    if (w->disease == BAD_ROLLOUT && !starts_sick(w))
        w->disease = WELL;
    if (w->disease == OVERLOADED && want >= w->needed)
        w->disease = WELL;
    set_revision(w);
    workload_status(s, w, true);
}

/* ---- what goes wrong and gets well again ---- */

static void somebody_rolls_out(struct sim *s, struct workload_model *w, const char *quality)
{
    char image[32];
    snprintf(image, sizeof(image), "%s-%llu", quality, (unsigned long long)++s->next_uid);
    json_t *doc = json_deep_copy(w->doc), *meta = json_path(doc, "spec", "template", "metadata", NULL);
    if (!json_object_get(meta, "annotations"))
        json_object_set_new(meta, "annotations", json_object());
    json_set_text(json_object_get(meta, "annotations"), "image", image);
    workload_edit(s, w, "/spec/template", "somebody", doc);
}

void workload_fall_sick(struct sim *s, int workload, enum disease disease)
{
    struct workload_model *w = &s->workloads[workload];
    if (w->disease != WELL)
        return;
    w->disease = disease;
    w->sick_us = s->now.boot_us;
    trace(s, "world: %s/%s falls sick (%d)", w->ns, w->name, disease);
    int some = (int)rng_int(&s->rng, 1, 3);
    for (int i = 0; i < w->n_pods; i++)
        if (disease == INCURABLE || disease == WEDGED || (disease == SICK_PODS && some-- > 0))
            w->pods[i].sick = true;
    if (disease == BAD_ROLLOUT)
        somebody_rolls_out(s, w, "bad");
    if (disease == OVERLOADED)
        w->needed = (int)workload_replicas(w) + (int)rng_int(&s->rng, 1, 2);
    cluster_pods_changed(s, workload);
}

void workload_heal(struct sim *s, int workload)
{
    struct workload_model *w = &s->workloads[workload];
    if (w->disease == WELL)
        return;
    trace(s, "world: %s/%s gets well", w->ns, w->name);
    if (w->disease == BAD_ROLLOUT)
        somebody_rolls_out(s, w, "good");
    w->disease = WELL;
    for (int i = 0; i < w->n_pods; i++) {
        struct pod *p = &w->pods[i];
        if (p->sick && p->ready_us < s->now.boot_us)
            p->ready_us = s->now.boot_us;
        p->sick = false;
    }
    cluster_pods_changed(s, workload);
}

/* A change by somebody else: it is theirs from now on, mendd must not take it back. */
void workload_somebody_writes(struct sim *s, struct workload_model *w)
{
    json_t *doc = json_deep_copy(w->doc), *spec = json_object_get(doc, "spec");
    const char *pointer = "/spec/replicas";
    if (rng_chance(&s->rng, 500)) {
        int64_t n = workload_replicas(w) + rng_int(&s->rng, -1, 2);
        json_object_set_new(spec, "replicas", json_integer(n < 1 ? 1 : n > 6 ? 6 : n));
    } else {
        pointer = "/spec/minReadySeconds";
        json_object_set_new(spec, "minReadySeconds", json_integer(rng_int(&s->rng, 100, 10000)));
    }
    trace(s, "world: somebody writes %s of %s/%s", pointer, w->ns, w->name);
    workload_edit(s, w, pointer, "somebody", doc);
}

void workload_opt(struct sim *s, struct workload_model *w, bool out)
{
    json_t *doc = json_deep_copy(w->doc), *meta = json_object_get(doc, "metadata");
    if (!json_object_get(meta, "annotations"))
        json_object_set_new(meta, "annotations", json_object());
    json_set_text(json_object_get(meta, "annotations"), "mendd.io/ignore", out ? "true" : NULL);
    trace(s, "world: %s/%s is opted %s", w->ns, w->name, out ? "out" : "in");
    w->opted_since_us = out ? s->now.boot_us : 0;
    json_decref(w->doc);
    w->doc = doc;
}

/* ---- the beginning and the end ---- */

static void workload_draw(struct sim *s, int i)
{
    static const char *const names[] = {"web",   "api",  "cart",  "redis", "queue", "search",
                                        "users", "mail", "files", "auth",  "graph", "proxy"};
    static const int lives_in[] = {0, 0, 0, 0, 1, 1, 1, 2, 2, 3};
    struct workload_model *w = &s->workloads[i];
    *w = (struct workload_model){0};
    memcpy(w->ns, s->namespaces[PICK(&s->rng, lives_in)].name, sizeof(w->ns));
    snprintf(w->name, sizeof(w->name), "%s", names[i]);
    snprintf(w->tier, sizeof(w->tier), "t%d", (int)rng_int(&s->rng, 1, 3));
    new_uid(s, w->uid);
    w->has_hpa = rng_chance(&s->rng, 150);
    w->custom_owned = rng_chance(&s->rng, 50);
    w->doc = json_pack("{s:s, s:s, s:{s:s, s:s, s:s, s:i, s:{s:s, s:s}}, s:{s:I, s:{s:{s:s}}, s:{s:{s:{s:s}}}}}",
                       "apiVersion", "apps/v1", "kind", "Deployment", "metadata", "name", w->name, "namespace", w->ns,
                       "uid", w->uid, "generation", 1, "labels", "app", w->name, "tier", w->tier, "spec", "replicas",
                       (json_int_t)rng_int(&s->rng, 1, 3), "selector", "matchLabels", "app", w->name, "template",
                       "metadata", "labels", "app", w->name);
    json_t *meta = json_object_get(w->doc, "metadata");
    if (w->custom_owned)
        json_object_set_new(meta, "ownerReferences",
                            json_pack("[{s:s, s:s, s:s, s:s, s:b}]", "apiVersion", "example.org/v1", "kind", "Cache",
                                      "name", w->name, "uid", "uid-custom", "controller", 1));
    cluster_reconcile(s, i);
    if (rng_chance(&s->rng, 600)) { /* a revision to go back to */
        somebody_rolls_out(s, w, "good");
        cluster_reconcile(s, i);
    }
    if (rng_chance(&s->rng, 40))
        workload_opt(s, w, true);
}

void cluster_draw(struct sim *s)
{
    static const char *const names[NAMESPACES] = {"shop", "pay", "infra", "kube-system"};
    for (size_t i = 0; i < NAMESPACES; i++) {
        snprintf(s->namespaces[i].name, sizeof(s->namespaces[i].name), "%s", names[i]);
        s->namespaces[i].opted_since_us = rng_chance(&s->rng, 20) ? s->now.boot_us : 0;
    }
    s->n_workloads = (int)rng_int(&s->rng, 2, 9);
    for (int i = 0; i < s->n_workloads; i++)
        workload_draw(s, i);
}

void cluster_clear(struct sim *s)
{
    for (int i = 0; i < s->n_workloads; i++) {
        struct workload_model *w = &s->workloads[i];
        json_decref(w->doc);
        for (int k = 0; k < w->n_revisions; k++)
            json_decref(w->revisions[k].template);
        for (int k = 0; k < w->n_pods; k++)
            json_decref(w->pods[k].doc);
        for (size_t k = 0; k < w->n_writes; k++) {
            free(w->writes[k].pointer);
            free(w->writes[k].key);
            json_decref(w->writes[k].value);
        }
        free(w->writes);
        free(w->touches);
    }
    s->n_workloads = 0;
}
