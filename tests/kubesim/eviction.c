/* Evictions and what may forbid them: PodDisruptionBudgets. */
#include "sim.h"

#include "base/alloc.h"
#include "base/text.h"

#include <string.h>

/* The pods that a budget speaks of. The caller frees the array. */
static size_t covered(struct sim *sim, const struct object *pdb, struct object ***ret, json_int_t *ret_healthy)
{
    const json_t *selector = json_path(pdb->json, "spec", "selector", NULL);
    struct object **all = NULL;
    size_t n = store_list(sim->store, KIND_POD, pdb->ns, &all), kept = 0;
    *ret_healthy = 0;
    for (size_t i = 0; i < n; i++) {
        if (!label_selector_matches(selector, json_path(all[i]->json, "metadata", "labels", NULL)))
            continue;
        if (pod_is_ready(all[i]) && pod_is_active(all[i]))
            ++*ret_healthy;
        all[kept++] = all[i];
    }
    *ret = all;
    return kept;
}

/* How many pods the controllers of these pods want. */
static json_int_t expected_pods(struct sim *sim, struct object *const *pods, size_t n)
{
    json_int_t sum = 0;
    _cleanup_free_ struct object **sets = NULL;
    const size_t n_sets = n ? store_list(sim->store, KIND_REPLICASET, pods[0]->ns, &sets) : 0;
    json_int_t bare = 0;
    for (size_t i = 0; i < n; i++)
        bare += pods[i]->owner_uid ? 0 : 1;
    for (size_t i = 0; i < n_sets; i++)
        for (size_t j = 0; j < n; j++)
            if (str_eq(pods[j]->owner_uid, sets[i]->uid)) {
                sum += json_int_or(json_object_get(sets[i]->json, "spec"), "replicas", 0);
                break;
            }
    return sum + bare;
}

static void refresh(struct sim *sim, struct object *pdb)
{
    _cleanup_free_ struct object **pods = NULL;
    json_int_t healthy, desired;
    const size_t n = covered(sim, pdb, &pods, &healthy);
    const json_t *spec = json_object_get(pdb->json, "spec");
    json_int_t expected = (json_int_t)n;
    if (json_object_get(spec, "maxUnavailable")) {
        expected = expected_pods(sim, pods, n);
        desired = expected - int_or_percent(json_object_get(spec, "maxUnavailable"), expected, true, 0);
    } else {
        desired = int_or_percent(json_object_get(spec, "minAvailable"), expected, true, 1);
    }
    const json_int_t allowed = healthy > desired && desired >= 0 ? healthy - desired : 0;
    patch_status(sim, pdb,
                 json_pack("{s:I, s:I, s:I, s:I, s:I}", "observedGeneration",
                           json_int_or(json_object_get(pdb->json, "metadata"), "generation", 1), "disruptionsAllowed",
                           allowed, "currentHealthy", healthy, "desiredHealthy", desired < 0 ? 0 : desired,
                           "expectedPods", expected));
}

void disruption_tick(struct sim *sim)
{
    _cleanup_free_ struct object **all = NULL;
    const size_t n = store_list(sim->store, KIND_PDB, NULL, &all);
    for (size_t i = 0; i < n; i++)
        refresh(sim, all[i]);
}

/* The budgets that speak of the pod: how many, and one of them. */
static size_t budgets_of(struct sim *sim, const struct object *pod, struct object **ret)
{
    _cleanup_free_ struct object **all = NULL;
    const size_t n = store_list(sim->store, KIND_PDB, pod->ns, &all);
    size_t found = 0;
    for (size_t i = 0; i < n; i++) {
        if (!label_selector_matches(json_path(all[i]->json, "spec", "selector", NULL),
                                    json_path(pod->json, "metadata", "labels", NULL)))
            continue;
        refresh(sim, all[i]);
        *ret = all[i];
        found++;
    }
    return found;
}

static void fail_budget(const struct object *pdb, struct answer *a)
{
    const json_t *status = json_object_get(pdb->json, "status");
    _cleanup_free_ char *why = xasprintf("The disruption budget %s needs %lld healthy pods and has %lld currently",
                                         pdb->name, (long long)json_int_or(status, "desiredHealthy", 0),
                                         (long long)json_int_or(status, "currentHealthy", 0));
    answer_fail(a, 429, "TooManyRequests",
                json_pack("{s:[{s:s, s:s}]}", "causes", "reason", "DisruptionBudget", "message", why),
                "Cannot evict pod as it would violate the pod's disruption budget.");
}

/* The real server's answer bears no reason. */
static void fail_budgets(struct answer *a)
{
    answer_json(a, 500,
                json_pack("{s:s, s:s, s:{}, s:s, s:s, s:i}", "kind", "Status", "apiVersion", "v1", "metadata", "status",
                          "Failure", "message",
                          "This pod has more than one PodDisruptionBudget, which the eviction subresource does not "
                          "support.",
                          "code", 500));
}

/* Whether no budget stands in the way of evicting it; an answer otherwise. */
static bool budget_allows(struct sim *sim, const struct object *pod, struct answer *a)
{
    const char *phase = json_path_text(pod->json, "status", "phase", NULL);
    struct object *pdb = NULL;
    if (str_eq(phase, "Succeeded") || str_eq(phase, "Failed") || str_eq(phase, "Pending"))
        return true;
    const size_t n = budgets_of(sim, pod, &pdb);
    if (n > 1)
        fail_budgets(a);
    else if (n == 1 && json_int_or(json_object_get(pdb->json, "status"), "disruptionsAllowed", 0) <= 0)
        fail_budget(pdb, a);
    return !answered(a);
}

/* policy/v1beta1, as the real server of our likeness; policy/v1 too, as those from 1.22 on. */
static bool check_eviction(const json_t *body, const struct object *pod, struct answer *a)
{
    const char *name = json_path_text(body, "metadata", "name", NULL);
    const char *uid = json_path_text(body, "deleteOptions", "preconditions", "uid", NULL);
    const char *version = json_text(body, "apiVersion"), *slash = version ? strchr(version, '/') : NULL;
    static const char *const known[] = {"policy/v1beta1", "policy/v1", NULL};
    if (version && !str_in(version, known)) {
        fail_bad_request(a,
                         "Eviction in version \"%s\" cannot be handled as a Eviction: no kind \"Eviction\" is "
                         "registered for version \"%s\" in scheme "
                         "\"k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30\"",
                         slash ? slash + 1 : version, version);
        return false;
    }
    if (!str_eq(name, pod->name)) {
        fail_bad_request(a, "name in URL does not match name in Eviction object");
        return false;
    }
    if (uid && !str_eq(uid, pod->uid)) {
        const struct kind as = {.group = "", .plural = "Pod"};
        fail_conflict(a, &as, pod->name,
                      "the UID in the precondition (%s) does not match the UID in record (%s). The object might have "
                      "been deleted and then recreated",
                      uid, pod->uid);
        return false;
    }
    return true;
}

void serve_eviction(struct sim *sim, struct request *req, struct object *pod, struct answer *a)
{
    if (!str_eq(req->method, "POST")) {
        fail_method(a);
        return;
    }
    _cleanup_json_ json_t *body = decode_body(req, a);
    if (!body || !check_eviction(body, pod, a))
        return;
    if (!budget_allows(sim, pod, a))
        return;
    if (!req->dry_run)
        delete_object(sim, pod, json_int_or(json_object_get(body, "deleteOptions"), "gracePeriodSeconds", -1));
    answer_json(a, 201,
                json_pack("{s:s, s:s, s:{}, s:s, s:i}", "kind", "Status", "apiVersion", "v1", "metadata", "status",
                          "Success", "code", 201));
}
