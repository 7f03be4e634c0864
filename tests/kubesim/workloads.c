/* ReplicaSets, StatefulSets, DaemonSets and Jobs: the right number of pods, and a status counted from them. */
#include "sim.h"

#include "base/alloc.h"
#include "base/text.h"

#include <inttypes.h>
#include <string.h>

#define MAX_PODS 1000 /* of one owner: more are a mistake of the test, and would only fill the memory */

struct tally {
    int64_t active, ready, updated;
};

static json_t *spec_of(const struct object *o)
{
    return json_object_get(o->json, "spec");
}

static int64_t generation_of(const struct object *o)
{
    return json_int_or(json_object_get(o->json, "metadata"), "generation", 1);
}

static void put_count(json_t *status, const char *key, int64_t n)
{
    if (n)
        json_object_set_new(status, key, json_integer(n));
}

/* Whether a should go before b when there are too many: unassigned, then not ready, then the younger. */
static int by_expendability(const void *x, const void *y)
{
    const struct object *a = *(struct object *const *)x, *b = *(struct object *const *)y;
    const int placed_a = !str_empty(json_path_text(a->json, "spec", "nodeName", NULL));
    const int placed_b = !str_empty(json_path_text(b->json, "spec", "nodeName", NULL));
    if (placed_a != placed_b)
        return placed_a - placed_b;
    if (pod_is_ready(a) != pod_is_ready(b))
        return pod_is_ready(a) ? 1 : -1;
    return a->since_us > b->since_us ? -1 : a->since_us < b->since_us;
}

static size_t active_pods(struct sim *sim, const struct object *owner, struct object ***ret)
{
    struct object **all = NULL;
    size_t n = store_children(sim->store, KIND_POD, owner->uid, &all), kept = 0;
    for (size_t i = 0; i < n; i++)
        if (pod_is_active(all[i]))
            all[kept++] = all[i];
    *ret = all;
    return kept;
}

static void sync_replicaset(struct sim *sim, struct object *set)
{
    _cleanup_free_ struct object **pods = NULL;
    const int64_t n = (int64_t)active_pods(sim, set, &pods), want = json_int_or(spec_of(set), "replicas", 1);
    _cleanup_free_ char *prefix = xasprintf("%s-", set->name);
    for (int64_t i = n; i < want && i < MAX_PODS; i++) {
        struct object *pod = create_pod(sim, set, json_object_get(spec_of(set), "template"), NULL, prefix);
        if (pod)
            emit_event(sim, set, "Normal", "SuccessfulCreate", "Created pod: %s", pod->name);
    }
    if (n > want)
        qsort(pods, (size_t)n, sizeof(*pods), by_expendability);
    for (int64_t i = 0; i < n - want; i++) {
        emit_event(sim, set, "Normal", "SuccessfulDelete", "Deleted pod: %s", pods[i]->name);
        delete_object(sim, pods[i], -1);
    }
}

static void status_replicaset(struct sim *sim, struct object *set)
{
    _cleanup_free_ struct object **pods = NULL;
    const size_t n = active_pods(sim, set, &pods);
    int64_t ready = 0;
    for (size_t i = 0; i < n; i++)
        ready += pod_is_ready(pods[i]) ? 1 : 0;
    json_t *status = json_pack("{s:I}", "replicas", (json_int_t)n);
    put_count(status, "fullyLabeledReplicas", (int64_t)n);
    put_count(status, "readyReplicas", ready);
    put_count(status, "availableReplicas", ready);
    put_count(status, "observedGeneration", generation_of(set));
    patch_status(sim, set, status);
}

static bool is_deleted(const struct object *o)
{
    return o->removed || json_path(o->json, "metadata", "deletionTimestamp", NULL);
}

void replicasets_tick(struct sim *sim)
{
    _cleanup_free_ struct object **all = NULL;
    const size_t n = store_list(sim->store, KIND_REPLICASET, NULL, &all);
    for (size_t i = 0; i < n; i++) {
        if (is_deleted(all[i]) || !object_due(sim, all[i]))
            continue;
        object_begin(sim, all[i]);
        sync_replicaset(sim, all[i]);
        status_replicaset(sim, all[i]);
    }
}

/* The template with the label by which its revision is told. */
static json_t *labelled_template(const struct object *o, char revision[64])
{
    char hash[11];
    json_t *template = json_deep_copy(json_object_get(spec_of(o), "template"));
    template_hash(template, hash);
    snprintf(revision, 64, "%.40s-%s", o->name, hash);
    json_t *labels = json_path(template, "metadata", "labels", NULL);
    json_object_set_new(labels, "controller-revision-hash",
                        json_string(o->kind->id == KIND_DAEMONSET ? hash : revision));
    return template;
}

static const char *revision_label(const struct object *pod)
{
    return json_path_text(pod->json, "metadata", "labels", "controller-revision-hash", NULL);
}

/* One ControllerRevision a template, numbered upwards, for undo. */
static void keep_revision(struct sim *sim, struct object *o, const char *name)
{
    if (store_get(sim->store, KIND_CONTROLLERREVISION, o->ns, name))
        return;
    _cleanup_free_ struct object **old = NULL;
    const size_t n = store_children(sim->store, KIND_CONTROLLERREVISION, o->uid, &old);
    json_t *template = json_deep_copy(json_object_get(spec_of(o), "template"));
    json_object_set_new(template, "$patch", json_string("replace"));
    json_t *revision =
        json_pack("{s:s, s:s, s:{s:s, s:s, s:O?, s:[o]}, s:{s:{s:o}}, s:I}", "kind", "ControllerRevision", "apiVersion",
                  "apps/v1", "metadata", "name", name, "namespace", o->ns, "labels",
                  json_path(template, "metadata", "labels", NULL), "ownerReferences", owner_reference(o), "data",
                  "spec", "template", template, "revision", (json_int_t)n + 1);
    store_insert(sim->store, kind_row(KIND_CONTROLLERREVISION), revision);
}

/* Each pod of a StatefulSet bears its own name as a label, so that a selector can name or leave out one of them. */
static struct object *create_member(struct sim *sim, struct object *set, const json_t *template, const char *name)
{
    _cleanup_json_ json_t *own = json_deep_copy(template);
    json_set_text(json_path(own, "metadata", "labels", NULL), "statefulset.kubernetes.io/pod-name", name);
    return create_pod(sim, set, own, name, NULL);
}

/* Ordered: pod i+1 waits until pod i is ready; an update goes from the last to the first, one at a time. */
static struct tally sync_statefulset(struct sim *sim, struct object *set, const json_t *template, const char *revision)
{
    const int64_t want = json_int_or(spec_of(set), "replicas", 1);
    const bool parallel = str_eq(json_text(spec_of(set), "podManagementPolicy"), "Parallel");
    const bool rolling = !str_eq(json_path_text(spec_of(set), "updateStrategy", "type", NULL), "OnDelete");
    struct tally t = {0};
    bool blocked = false;
    struct object *stale = NULL;
    for (int64_t i = 0; i < want && i < MAX_PODS; i++) {
        _cleanup_free_ char *name = xasprintf("%s-%" PRId64, set->name, i);
        struct object *pod = store_get(sim->store, KIND_POD, set->ns, name);
        if (!pod && !blocked)
            pod = create_member(sim, set, template, name);
        if (!pod)
            break;
        t.active++;
        t.ready += pod_is_ready(pod) && pod_is_active(pod) ? 1 : 0;
        t.updated += str_eq(revision_label(pod), revision) ? 1 : 0;
        blocked = blocked || (!parallel && !(pod_is_ready(pod) && pod_is_active(pod)));
        if (!str_eq(revision_label(pod), revision))
            stale = pod;
    }
    if (stale && rolling && t.ready == t.active)
        delete_object(sim, stale, -1);
    _cleanup_free_ struct object **pods = NULL;
    const size_t n = active_pods(sim, set, &pods);
    for (size_t i = 0; i < n; i++) {
        const char *dash = strrchr(pods[i]->name, '-');
        if (dash && strtoll(dash + 1, NULL, 10) >= want)
            delete_object(sim, pods[i], -1);
    }
    return t;
}

void statefulsets_tick(struct sim *sim)
{
    _cleanup_free_ struct object **all = NULL;
    const size_t n = store_list(sim->store, KIND_STATEFULSET, NULL, &all);
    for (size_t i = 0; i < n; i++) {
        if (is_deleted(all[i]))
            continue;
        char revision[64];
        _cleanup_json_ json_t *template = labelled_template(all[i], revision);
        keep_revision(sim, all[i], revision);
        const struct tally t = sync_statefulset(sim, all[i], template, revision);
        const char *current = json_path_text(all[i]->json, "status", "currentRevision", NULL);
        const bool done = t.updated == json_int_or(spec_of(all[i]), "replicas", 1) && t.ready == t.updated;
        json_t *status = json_pack("{s:I, s:I, s:I, s:s, s:s}", "observedGeneration", generation_of(all[i]), "replicas",
                                   t.active, "collisionCount", (json_int_t)0, "currentRevision",
                                   done || !current ? revision : current, "updateRevision", revision);
        put_count(status, "readyReplicas", t.ready);
        put_count(status, "updatedReplicas", t.updated);
        put_count(status, "currentReplicas", done ? t.active : t.active - t.updated);
        patch_status(sim, all[i], status);
    }
}

static bool node_is_ready(const struct object *node)
{
    return pod_is_ready(node); /* the same condition, by the same name */
}

/* A cordon keeps no DaemonSet away, a taint of somebody's own does (tolerations of the template are not looked at). */
static bool is_kept_free(const struct object *node)
{
    size_t i;
    json_t *taint;
    json_array_foreach (json_path(node->json, "spec", "taints", NULL), i, taint)
        if (!strstr(json_text_or(taint, "key", ""), "node.kubernetes.io/"))
            return true;
    return false;
}

static void sync_daemonset(struct sim *sim, struct object *set, const json_t *template, const char *hash,
                           struct tally *t, int64_t *ret_wanted)
{
    _cleanup_free_ struct object **nodes = NULL, **pods = NULL;
    const size_t n_nodes = store_list(sim->store, KIND_NODE, NULL, &nodes), n = active_pods(sim, set, &pods);
    const bool rolling = !str_eq(json_path_text(spec_of(set), "updateStrategy", "type", NULL), "OnDelete");
    struct object *stale = NULL;
    *ret_wanted = 0;
    for (size_t i = 0; i < n_nodes; i++) {
        if (!node_is_ready(nodes[i]) || is_kept_free(nodes[i]))
            continue;
        ++*ret_wanted;
        struct object *pod = NULL;
        for (size_t j = 0; j < n && !pod; j++)
            if (str_eq(json_path_text(pods[j]->json, "spec", "nodeName", NULL), nodes[i]->name))
                pod = pods[j];
        if (!pod) {
            _cleanup_json_ json_t *bound = json_deep_copy(template);
            json_set_text(json_object_get(bound, "spec"), "nodeName", nodes[i]->name);
            _cleanup_free_ char *prefix = xasprintf("%s-", set->name);
            pod = create_pod(sim, set, bound, NULL, prefix);
            if (pod)
                pod->since_us = sim->now.boot_us;
        }
        if (!pod)
            continue;
        t->active++;
        t->ready += pod_is_ready(pod) ? 1 : 0;
        t->updated += str_eq(revision_label(pod), hash) ? 1 : 0;
        if (!str_eq(revision_label(pod), hash))
            stale = pod;
    }
    if (stale && rolling && t->ready == t->active)
        delete_object(sim, stale, -1);
}

void daemonsets_tick(struct sim *sim)
{
    _cleanup_free_ struct object **all = NULL;
    const size_t n = store_list(sim->store, KIND_DAEMONSET, NULL, &all);
    for (size_t i = 0; i < n; i++) {
        if (is_deleted(all[i]))
            continue;
        char revision[64];
        struct tally t = {0};
        int64_t wanted;
        _cleanup_json_ json_t *template = labelled_template(all[i], revision);
        const char *hash = json_path_text(template, "metadata", "labels", "controller-revision-hash", NULL);
        keep_revision(sim, all[i], revision);
        sync_daemonset(sim, all[i], template, hash, &t, &wanted);
        json_t *status = json_pack("{s:I, s:i, s:I, s:I, s:I}", "currentNumberScheduled", t.active,
                                   "numberMisscheduled", 0, "desiredNumberScheduled", wanted, "numberReady", t.ready,
                                   "observedGeneration", generation_of(all[i]));
        put_count(status, "updatedNumberScheduled", t.updated);
        put_count(status, "numberAvailable", t.ready);
        put_count(status, "numberUnavailable", wanted - t.ready);
        patch_status(sim, all[i], status);
    }
}

static json_t *job_condition(struct sim *sim, const char *type, const char *reason, const char *message)
{
    char now[TIME_TEXT_MAX];
    time_format_seconds(sim->now.wall_us, now);
    json_t *c = json_pack("{s:s, s:s, s:s, s:s}", "type", type, "status", "True", "lastProbeTime", now,
                          "lastTransitionTime", now);
    json_set_text(c, "reason", reason);
    json_set_text(c, "message", message);
    return c;
}

/* Over its activeDeadlineSeconds: its pods are deleted and count as failed. */
static bool is_late(struct sim *sim, struct object *job)
{
    const int64_t deadline_s = json_int_or(spec_of(job), "activeDeadlineSeconds", 0);
    if (job->since_us == 0)
        job->since_us = sim->now.boot_us;
    if (deadline_s == 0)
        return false;
    const int64_t due_us = job->since_us + deadline_s * USEC_PER_SEC;
    if (sim->now.boot_us >= due_us)
        return true;
    wake_at(job, due_us);
    return false;
}

static json_t *how_it_ended(struct sim *sim, bool done, bool late)
{
    if (done)
        return job_condition(sim, "Complete", NULL, NULL);
    if (late)
        return job_condition(sim, "Failed", "DeadlineExceeded", "Job was active longer than specified deadline");
    return job_condition(sim, "Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit");
}

static void sync_job(struct sim *sim, struct object *job)
{
    if (json_path(job->json, "status", "conditions", NULL))
        return; /* ended */
    _cleanup_free_ struct object **pods = NULL;
    const size_t n = store_children(sim->store, KIND_POD, job->uid, &pods);
    int64_t active = 0, succeeded = 0, failed = 0;
    for (size_t i = 0; i < n; i++) {
        const char *phase = json_path_text(pods[i]->json, "status", "phase", NULL);
        succeeded += str_eq(phase, "Succeeded");
        failed += str_eq(phase, "Failed");
        active += pod_is_active(pods[i]);
    }
    const int64_t completions = json_int_or(spec_of(job), "completions", 1);
    const int64_t limit = json_int_or(spec_of(job), "backoffLimit", 6);
    const bool done = succeeded >= completions, late = !done && failed <= limit && is_late(sim, job);
    const bool dead = late || failed > limit;
    for (size_t i = 0; late && i < n; i++) {
        if (!pod_is_active(pods[i]))
            continue;
        delete_object(sim, pods[i], -1);
        active--;
        failed++;
    }
    _cleanup_free_ char *prefix = xasprintf("%s-", job->name);
    for (; !done && !dead && active + succeeded < completions; active++)
        create_pod(sim, job, json_object_get(spec_of(job), "template"), NULL, prefix);
    json_t *status = json_deep_copy(json_object_get(job->json, "status"));
    char now[TIME_TEXT_MAX];
    time_format_seconds(sim->now.wall_us, now);
    if (!json_object_get(status, "startTime"))
        json_set_text(status, "startTime", now);
    json_object_del(status, "active");
    put_count(status, "active", active);
    put_count(status, "succeeded", succeeded);
    put_count(status, "failed", failed);
    if (done)
        json_set_text(status, "completionTime", now);
    if (done || dead)
        json_object_set_new(status, "conditions", json_pack("[o]", how_it_ended(sim, done, late)));
    patch_status(sim, job, status);
}

void jobs_tick(struct sim *sim)
{
    _cleanup_free_ struct object **all = NULL;
    const size_t n = store_list(sim->store, KIND_JOB, NULL, &all);
    for (size_t i = 0; i < n; i++)
        if (!is_deleted(all[i]))
            sync_job(sim, all[i]);
}
