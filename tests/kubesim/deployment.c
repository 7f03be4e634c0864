/* The Deployment controller: a ReplicaSet a template, revisions, rolling and Recreate updates, the status.
 * Rules as in kubernetes/pkg/controller/deployment (sync.go, rolling.go, progress.go), without its rare branches. */
#include "sim.h"

#include "base/alloc.h"
#include "base/text.h"

#include <inttypes.h>
#include <string.h>

#define REVISION "deployment.kubernetes.io/revision"
#define HISTORY "deployment.kubernetes.io/revision-history"
#define DESIRED "deployment.kubernetes.io/desired-replicas"
#define MAX_REPLICAS "deployment.kubernetes.io/max-replicas"
#define HASH_LABEL "pod-template-hash"

struct rollout {
    struct object *deployment, *new_set;
    struct object **sets; /* all, the new one included */
    size_t n;
    int64_t replicas, surge, unavailable;
};

static json_t *spec_of(const struct object *o)
{
    return json_object_get(o->json, "spec");
}

static int64_t spec_replicas(const struct object *o)
{
    return json_int_or(spec_of(o), "replicas", 0);
}

static int64_t status_int(const struct object *o, const char *key)
{
    return json_int_or(json_object_get(o->json, "status"), key, 0);
}

static int64_t revision_of(const struct object *o)
{
    const char *s = json_path_text(o->json, "metadata", "annotations", REVISION, NULL);
    return s ? strtoll(s, NULL, 10) : 0;
}

static bool same_template(const struct object *set, const json_t *template)
{
    _cleanup_json_ json_t *own = json_deep_copy(json_object_get(spec_of(set), "template"));
    json_object_del(json_path(own, "metadata", "labels", NULL), HASH_LABEL);
    return json_equal(own, template);
}

static void scale_set(struct sim *sim, const struct rollout *r, struct object *set, int64_t to)
{
    const int64_t from = spec_replicas(set);
    json_t *next = json_deep_copy(set->json), *meta = json_object_get(next, "metadata");
    json_t *notes = json_object_get(meta, "annotations");
    if (notes) {
        _cleanup_free_ char *desired = xasprintf("%" PRId64, r->replicas);
        _cleanup_free_ char *max = xasprintf("%" PRId64, r->replicas + r->surge);
        json_object_set_new(notes, DESIRED, json_string(desired));
        json_object_set_new(notes, MAX_REPLICAS, json_string(max));
    }
    if (to != from) {
        json_object_set_new(json_object_get(next, "spec"), "replicas", json_integer(to));
        json_object_set_new(meta, "generation", json_integer(json_int_or(meta, "generation", 1) + 1));
        emit_event(sim, r->deployment, "Normal", "ScalingReplicaSet", "Scaled %s replica set %s to %" PRId64,
                   to > from ? "up" : "down", set->name, to);
    }
    store_replace(sim->store, set, next);
}

static int64_t next_revision(const struct rollout *r)
{
    int64_t max = 0;
    for (size_t i = 0; i < r->n; i++)
        if (r->sets[i] != r->new_set && revision_of(r->sets[i]) > max)
            max = revision_of(r->sets[i]);
    return max + 1;
}

/* The Deployment's annotations go along to its ReplicaSet, but for its own bookkeeping. */
static json_t *annotations_for_set(const struct rollout *r, const char *revision)
{
    json_t *notes = json_path(r->deployment->json, "metadata", "annotations", NULL);
    notes = notes ? json_copy(notes) : json_object();
    static const char *const left_out[] = {"kubectl.kubernetes.io/last-applied-configuration", REVISION, HISTORY,
                                           DESIRED, MAX_REPLICAS};
    for (size_t i = 0; i < ARRAY_SIZE(left_out); i++)
        json_object_del(notes, left_out[i]);
    _cleanup_free_ char *desired = xasprintf("%" PRId64, r->replicas);
    _cleanup_free_ char *max = xasprintf("%" PRId64, r->replicas + r->surge);
    json_object_set_new(notes, REVISION, json_string(revision));
    json_object_set_new(notes, DESIRED, json_string(desired));
    json_object_set_new(notes, MAX_REPLICAS, json_string(max));
    return notes;
}

static void set_revision(struct sim *sim, struct object *o, const char *revision)
{
    const char *was = json_path_text(o->json, "metadata", "annotations", REVISION, NULL);
    if (str_eq(was, revision))
        return;
    json_t *next = json_deep_copy(o->json), *meta = json_object_get(next, "metadata");
    if (!json_object_get(meta, "annotations"))
        json_object_set_new(meta, "annotations", json_object());
    json_t *notes = json_object_get(meta, "annotations");
    if (was && o->kind->id == KIND_REPLICASET) { /* an old template that is wanted again */
        const char *history = json_text(notes, HISTORY);
        _cleanup_free_ char *longer = history ? xasprintf("%s,%s", history, was) : xstrdup(was);
        json_object_set_new(notes, HISTORY, json_string(longer));
    }
    json_object_set_new(notes, REVISION, json_string(revision));
    store_replace(sim->store, o, next); /* the controller's own annotation: no new generation */
}

static int64_t sum_spec(const struct rollout *r)
{
    int64_t sum = 0;
    for (size_t i = 0; i < r->n; i++)
        sum += spec_replicas(r->sets[i]);
    return sum;
}

/* A new set begins with as many replicas as fit beside the old ones. */
static int64_t first_replicas(const struct rollout *r)
{
    const int64_t room = r->replicas + r->surge - sum_spec(r);
    return room <= 0 ? 0 : room < r->replicas ? room : r->replicas;
}

static struct object *create_set(struct sim *sim, struct rollout *r, const char *revision)
{
    const json_t *template = json_object_get(spec_of(r->deployment), "template");
    char hash[11], now[TIME_TEXT_MAX];
    template_hash(template, hash);
    _cleanup_free_ char *name = xasprintf("%s-%s", r->deployment->name, hash);
    const json_int_t replicas = first_replicas(r);
    if (store_get(sim->store, KIND_REPLICASET, r->deployment->ns, name))
        return NULL;
    json_t *own = json_deep_copy(template),
           *selector = json_deep_copy(json_object_get(spec_of(r->deployment), "selector"));
    json_object_set_new(json_path(own, "metadata", "labels", NULL), HASH_LABEL, json_string(hash));
    if (!json_object_get(selector, "matchLabels"))
        json_object_set_new(selector, "matchLabels", json_object());
    json_object_set_new(json_object_get(selector, "matchLabels"), HASH_LABEL, json_string(hash));
    json_t *set =
        json_pack("{s:s, s:s, s:{s:s, s:s, s:s, s:i, s:o, s:o, s:[o]}, s:{s:I, s:o, s:o}, s:{s:i}}", "kind",
                  "ReplicaSet", "apiVersion", "apps/v1", "metadata", "name", name, "namespace", r->deployment->ns,
                  "creationTimestamp", time_format_seconds(sim->now.wall_us, now), "generation", 1, "labels",
                  json_deep_copy(json_path(own, "metadata", "labels", NULL)), "annotations",
                  annotations_for_set(r, revision), "ownerReferences", owner_reference(r->deployment), "spec",
                  "replicas", replicas, "selector", selector, "template", own, "status", "replicas", 0);
    json_t *min_ready = json_object_get(spec_of(r->deployment), "minReadySeconds");
    if (min_ready)
        json_object_set(json_object_get(set, "spec"), "minReadySeconds", min_ready);
    if (replicas > 0)
        emit_event(sim, r->deployment, "Normal", "ScalingReplicaSet", "Scaled up replica set %s to %lld", name,
                   (long long)replicas);
    return store_insert(sim->store, kind_row(KIND_REPLICASET), set);
}

/* Finds or makes the ReplicaSet of the current template and gives it the highest revision. */
static void sync_new_set(struct sim *sim, struct rollout *r, bool may_create)
{
    const json_t *template = json_object_get(spec_of(r->deployment), "template");
    for (size_t i = 0; i < r->n && !r->new_set; i++)
        if (same_template(r->sets[i], template))
            r->new_set = r->sets[i];
    _cleanup_free_ char *revision = xasprintf("%" PRId64, next_revision(r));
    if (r->new_set) {
        if (next_revision(r) > revision_of(r->new_set))
            set_revision(sim, r->new_set, revision);
        _cleanup_free_ char *now = xasprintf("%" PRId64, revision_of(r->new_set));
        set_revision(sim, r->deployment, now);
    } else if (may_create) {
        r->new_set = create_set(sim, r, revision);
        if (!r->new_set)
            return;
        r->sets = xreallocarray(r->sets, r->n + 1, sizeof(struct object *));
        r->sets[r->n++] = r->new_set;
        set_revision(sim, r->deployment, revision);
    }
}

static int64_t sum_status(const struct rollout *r, const char *key)
{
    int64_t sum = 0;
    for (size_t i = 0; i < r->n; i++)
        sum += status_int(r->sets[i], key);
    return sum;
}

/* Takes up to `budget` replicas from old sets: first those that are unavailable anyway, then any. */
static void shrink_old(struct sim *sim, struct rollout *r, int64_t budget, bool unhealthy_only)
{
    for (size_t i = 0; i < r->n && budget > 0; i++) {
        struct object *set = r->sets[i];
        if (set == r->new_set || spec_replicas(set) == 0)
            continue;
        int64_t take = spec_replicas(set);
        if (unhealthy_only)
            take -= status_int(set, "availableReplicas");
        if (take > budget)
            take = budget;
        if (take <= 0)
            continue;
        budget -= take;
        scale_set(sim, r, set, spec_replicas(set) - take);
    }
}

static void roll(struct sim *sim, struct rollout *r)
{
    const int64_t total = sum_spec(r), room = r->replicas + r->surge - total;
    int64_t want = spec_replicas(r->new_set);
    if (want > r->replicas)
        want = r->replicas;
    else if (want < r->replicas && room > 0)
        want += room < r->replicas - want ? room : r->replicas - want;
    if (want != spec_replicas(r->new_set)) {
        scale_set(sim, r, r->new_set, want);
        return; /* one step a pass, as the real controller */
    }
    const int64_t min_available = r->replicas - r->unavailable;
    const int64_t new_missing = want - status_int(r->new_set, "availableReplicas");
    const int64_t spare = sum_spec(r) - min_available - new_missing;
    if (spare <= 0)
        return;
    shrink_old(sim, r, spare, true);
    shrink_old(sim, r, sum_status(r, "availableReplicas") - min_available, false);
}

static void recreate(struct sim *sim, struct rollout *r)
{
    int64_t old_pods = 0;
    for (size_t i = 0; i < r->n; i++) {
        if (r->sets[i] == r->new_set)
            continue;
        if (spec_replicas(r->sets[i]) > 0)
            scale_set(sim, r, r->sets[i], 0);
        _cleanup_free_ struct object **pods = NULL;
        old_pods += (int64_t)store_children(sim->store, KIND_POD, r->sets[i]->uid, &pods);
    }
    if (old_pods == 0) {
        sync_new_set(sim, r, true);
        if (r->new_set && spec_replicas(r->new_set) != r->replicas)
            scale_set(sim, r, r->new_set, r->replicas);
    }
}

/* A paused Deployment still follows its replica count, through the set that has pods. */
static void scale_paused(struct sim *sim, struct rollout *r)
{
    struct object *active = r->new_set;
    for (size_t i = 0; i < r->n && !active; i++)
        if (spec_replicas(r->sets[i]) > 0)
            active = r->sets[i];
    if (!active)
        return;
    const int64_t others = sum_spec(r) - spec_replicas(active);
    if (others == 0 && spec_replicas(active) != r->replicas)
        scale_set(sim, r, active, r->replicas);
}

static json_t *condition(const char *type, const char *status, const char *reason, const char *message)
{
    return json_pack("{s:s, s:s, s:s, s:s}", "type", type, "status", status, "reason", reason, "message", message);
}

/* Keeps lastTransitionTime while the status stays, lastUpdateTime while the reason (and `progressed`) does. */
static void put_condition(struct sim *sim, const struct object *o, json_t *list, json_t *next, bool progressed)
{
    char now[TIME_TEXT_MAX];
    time_format_seconds(sim->now.wall_us, now);
    json_set_text(next, "lastUpdateTime", now);
    json_set_text(next, "lastTransitionTime", now);
    size_t i;
    json_t *old;
    json_array_foreach (json_path(o->json, "status", "conditions", NULL), i, old) {
        if (!str_eq(json_text(old, "type"), json_text(next, "type")))
            continue;
        if (str_eq(json_text(old, "status"), json_text(next, "status")))
            json_object_set(next, "lastTransitionTime", json_object_get(old, "lastTransitionTime"));
        if (!progressed && str_eq(json_text(old, "reason"), json_text(next, "reason")))
            json_object_set(next, "lastUpdateTime", json_object_get(old, "lastUpdateTime"));
    }
    json_array_append_new(list, next);
}

static const json_t *old_condition(const struct object *o, const char *type)
{
    size_t i;
    json_t *c;
    json_array_foreach (json_path(o->json, "status", "conditions", NULL), i, c)
        if (str_eq(json_text(c, "type"), type))
            return c;
    return NULL;
}

static bool deadline_passed(struct sim *sim, const struct rollout *r)
{
    const json_t *old = old_condition(r->deployment, "Progressing");
    const char *reason = json_text(old, "reason"), *since = json_text(old, "lastUpdateTime");
    const int64_t deadline_s = json_int_or(spec_of(r->deployment), "progressDeadlineSeconds", 600);
    int64_t from_us;
    if (str_eq(reason, "ProgressDeadlineExceeded"))
        return true;
    if (str_eq(reason, "NewReplicaSetAvailable") || !since || time_parse(since, &from_us) < 0)
        return false;
    const int64_t due_us = from_us + deadline_s * USEC_PER_SEC;
    if (sim->now.wall_us < due_us)
        wake_at(r->deployment, sim->now.boot_us + (due_us - sim->now.wall_us));
    return sim->now.wall_us >= due_us;
}

static bool progressed(const struct rollout *r, const json_t *status)
{
    static const char *const counters[] = {"updatedReplicas", "readyReplicas", "availableReplicas"};
    for (size_t i = 0; i < ARRAY_SIZE(counters); i++)
        if (json_int_or(status, counters[i], 0) > status_int(r->deployment, counters[i]))
            return true;
    const int64_t old_was = status_int(r->deployment, "replicas") - status_int(r->deployment, "updatedReplicas");
    return json_int_or(status, "replicas", 0) - json_int_or(status, "updatedReplicas", 0) < old_was;
}

static json_t *progressing(struct sim *sim, const struct rollout *r, const json_t *status, bool *ret_progressed)
{
    const char *name = r->new_set ? r->new_set->name : r->deployment->name;
    const json_t *old = old_condition(r->deployment, "Progressing");
    const bool complete = r->new_set && json_int_or(status, "updatedReplicas", 0) == r->replicas &&
                          json_int_or(status, "replicas", 0) == r->replicas &&
                          json_int_or(status, "availableReplicas", 0) == r->replicas;
    _cleanup_free_ char *message = NULL;
    *ret_progressed = false;
    if (complete) {
        message = xasprintf("ReplicaSet \"%s\" has successfully progressed.", name);
        return condition("Progressing", "True", "NewReplicaSetAvailable", message);
    }
    if (progressed(r, status) || !old || str_eq(json_text(old, "reason"), "NewReplicaSetAvailable") ||
        !strstr(json_text_or(old, "message", ""), name)) {
        *ret_progressed = true;
        const bool fresh = r->new_set && status_int(r->new_set, "observedGeneration") == 0;
        message = fresh ? xasprintf("Created new replica set \"%s\"", name)
                        : xasprintf("ReplicaSet \"%s\" is progressing.", name);
        return condition("Progressing", "True", fresh ? "NewReplicaSetCreated" : "ReplicaSetUpdated", message);
    }
    if (deadline_passed(sim, r)) {
        message = xasprintf("ReplicaSet \"%s\" has timed out progressing.", name);
        return condition("Progressing", "False", "ProgressDeadlineExceeded", message);
    }
    return json_deep_copy(old);
}

static void put_count(json_t *status, const char *key, int64_t n)
{
    if (n)
        json_object_set_new(status, key, json_integer(n));
}

static void update_status(struct sim *sim, const struct rollout *r)
{
    const int64_t available = sum_status(r, "availableReplicas"), replicas = sum_status(r, "replicas");
    const int64_t missing = sum_spec(r) - available;
    json_t *status = json_object(), *conditions = json_array();
    put_count(status, "observedGeneration",
              json_int_or(json_object_get(r->deployment->json, "metadata"), "generation", 1));
    put_count(status, "replicas", replicas);
    put_count(status, "updatedReplicas", r->new_set ? status_int(r->new_set, "replicas") : 0);
    put_count(status, "readyReplicas", sum_status(r, "readyReplicas"));
    put_count(status, "availableReplicas", available);
    put_count(status, "unavailableReplicas", missing > 0 ? missing : 0);
    const bool enough = available >= r->replicas - r->unavailable;
    put_condition(
        sim, r->deployment, conditions,
        enough ? condition("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
               : condition("Available", "False", "MinimumReplicasUnavailable",
                           "Deployment does not have minimum availability."),
        false);
    const bool paused = json_bool_or(spec_of(r->deployment), "paused", false);
    bool moved = false;
    json_t *progress = paused ? condition("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused")
                              : progressing(sim, r, status, &moved);
    put_condition(sim, r->deployment, conditions, progress, moved);
    json_object_set_new(status, "conditions", conditions);
    patch_status(sim, r->deployment, status);
}

/* Old, empty sets beyond spec.revisionHistoryLimit go, the lowest revision first. */
static void clean_history(struct sim *sim, const struct rollout *r)
{
    const int64_t keep = json_int_or(spec_of(r->deployment), "revisionHistoryLimit", 10);
    for (;;) {
        struct object *oldest = NULL;
        int64_t old = 0;
        for (size_t i = 0; i < r->n; i++) {
            struct object *set = r->sets[i];
            if (set == r->new_set || set->removed || spec_replicas(set) || status_int(set, "replicas"))
                continue;
            old++;
            if (!oldest || revision_of(set) < revision_of(oldest))
                oldest = set;
        }
        if (old <= keep || !oldest)
            return;
        delete_object(sim, oldest, 0);
        if (!oldest->removed)
            return;
    }
}

static void bounds(struct rollout *r)
{
    const json_t *spec = spec_of(r->deployment), *rolling = json_path(spec, "strategy", "rollingUpdate", NULL);
    r->replicas = json_int_or(spec, "replicas", 1);
    if (!rolling) {
        r->surge = r->unavailable = 0;
        return;
    }
    r->surge = int_or_percent(json_object_get(rolling, "maxSurge"), r->replicas, true, 1);
    r->unavailable = int_or_percent(json_object_get(rolling, "maxUnavailable"), r->replicas, false, 0);
    if (r->surge == 0 && r->unavailable == 0)
        r->unavailable = 1;
    if (r->unavailable > r->replicas)
        r->unavailable = r->replicas;
}

static void reconcile(struct sim *sim, struct object *deployment)
{
    struct rollout r = {.deployment = deployment};
    object_begin(sim, deployment);
    bounds(&r);
    r.n = store_children(sim->store, KIND_REPLICASET, deployment->uid, &r.sets);
    const bool paused = json_bool_or(spec_of(deployment), "paused", false);
    const bool recreating = str_eq(json_path_text(spec_of(deployment), "strategy", "type", NULL), "Recreate");
    sync_new_set(sim, &r, !paused && !recreating);
    if (paused)
        scale_paused(sim, &r);
    else if (recreating)
        recreate(sim, &r);
    else if (r.new_set)
        roll(sim, &r);
    update_status(sim, &r);
    clean_history(sim, &r);
    free(r.sets);
}

void deployments_tick(struct sim *sim)
{
    _cleanup_free_ struct object **all = NULL;
    const size_t n = store_list(sim->store, KIND_DEPLOYMENT, NULL, &all);
    for (size_t i = 0; i < n; i++)
        if (!all[i]->removed && object_due(sim, all[i]) &&
            !json_path(all[i]->json, "metadata", "deletionTimestamp", NULL))
            reconcile(sim, all[i]);
}
