/* rollout.complete: kubectl's own rules (kubectl rollout_status.go), for the generation that the run's effects made.
 * replicas: how many of a workload are ready. */
#include "base/alloc.h"
#include "base/text.h"
#include "checks/common.h"

#include <errno.h>

static const char *const kinds[] = {"Deployment", "StatefulSet", "DaemonSet", NULL};

static int64_t status_int(const struct workload *w, const char *key)
{
    return json_int_or(json_path(w->object, "status", NULL), key, 0);
}

static int64_t desired_replicas(const struct workload *w)
{
    return json_int_or(json_path(w->object, "spec", NULL), "replicas", 1);
}

static bool deadline_exceeded(const struct workload *w)
{
    size_t i;
    json_t *c;
    json_array_foreach (json_path(w->object, "status", "conditions", NULL), i, c) {
        if (str_eq(json_text(c, "type"), "Progressing") && str_eq(json_text(c, "reason"), "ProgressDeadlineExceeded"))
            return true;
    }
    return false;
}

static bool deployment_done(const struct workload *w, struct strbuf *b)
{
    const int64_t desired = desired_replicas(w), updated = status_int(w, "updatedReplicas");
    const int64_t all = status_int(w, "replicas"), available = status_int(w, "availableReplicas");
    if (deadline_exceeded(w))
        words_add(b, "%s exceeded its progress deadline", w->label);
    else if (updated < desired)
        words_add(b, "%s: %lld of %lld replicas are updated", w->label, (long long)updated, (long long)desired);
    else if (all > updated)
        words_add(b, "%s: %lld old replicas are still there", w->label, (long long)(all - updated));
    else if (available < updated)
        words_add(b, "%s: %lld of %lld updated replicas are available", w->label, (long long)available,
                  (long long)updated);
    else
        return true;
    return false;
}

static bool daemonset_done(const struct workload *w, struct strbuf *b)
{
    const int64_t desired = status_int(w, "desiredNumberScheduled"), updated = status_int(w, "updatedNumberScheduled");
    const int64_t available = status_int(w, "numberAvailable");
    if (updated < desired)
        words_add(b, "%s: %lld of %lld pods are updated", w->label, (long long)updated, (long long)desired);
    else if (available < desired)
        words_add(b, "%s: %lld of %lld pods are available", w->label, (long long)available, (long long)desired);
    else
        return true;
    return false;
}

static bool statefulset_done(const struct workload *w, struct strbuf *b)
{
    const int64_t desired = desired_replicas(w), ready = status_int(w, "readyReplicas");
    const int64_t updated = status_int(w, "updatedReplicas");
    const int64_t partition =
        json_int_or(json_path(w->object, "spec", "updateStrategy", "rollingUpdate", NULL), "partition", 0);
    const json_t *status = json_path(w->object, "status", NULL);
    if (ready < desired)
        words_add(b, "%s: %lld of %lld replicas are ready", w->label, (long long)ready, (long long)desired);
    else if (partition > 0 && updated < desired - partition)
        words_add(b, "%s: %lld of %lld replicas are updated", w->label, (long long)updated,
                  (long long)(desired - partition));
    else if (partition == 0 && !str_eq(json_text(status, "updateRevision"), json_text(status, "currentRevision")))
        words_add(b, "%s: %lld of %lld replicas are at the new revision", w->label, (long long)updated,
                  (long long)desired);
    else
        return true;
    return false;
}

static bool rollout_done(const struct check_in *in, const struct workload *w, struct strbuf *b)
{
    const char *why = NULL;
    if (!workload_is_observed(in, w, &why)) {
        words_add(b, "%s: %s", w->label, why);
        return false;
    }
    if (str_eq(json_path_text(w->object, "spec", "updateStrategy", "type", NULL), "OnDelete")) {
        words_add(b, "%s has the update strategy OnDelete: it has no rollout to wait for", w->label);
        return false;
    }
    return str_eq(w->kind.kind, "Deployment")  ? deployment_done(w, b)
           : str_eq(w->kind.kind, "DaemonSet") ? daemonset_done(w, b)
                                               : statefulset_done(w, b);
}

static int judge_each(const struct check_in *in, struct check_result *ret,
                      bool (*done)(const struct check_in *, const struct workload *, struct strbuf *), const char *well)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_workloads_ struct workloads w = {0};
    int r = check_workloads(in, kinds, &w, &err);
    if (r < 0)
        return verdict_for(r, &err, ret);
    _cleanup_strbuf_ struct strbuf bad = {.max = 1000}, good = {.max = 1000};
    for (size_t i = 0; i < w.n; i++)
        if (done(in, &w.items[i], &bad))
            words_add(&good, "%s %s", w.items[i].label, well);
    if (bad.len)
        return check_say(ret, VERDICT_FAIL, "%s", strbuf_str(&bad));
    return check_say(ret, VERDICT_PASS, "%s", strbuf_str(&good));
}

static int rollout_judge(const struct check_in *in, struct check_result *ret)
{
    return judge_each(in, ret, rollout_done, "is rolled out");
}

static const struct param rollout_params[] = {
    {"kind", PARAM_KIND, false, NULL, "Deployment, StatefulSet or DaemonSet; the target's by default"},
    {"name", PARAM_NAME, false, NULL, "the workload; the target's owners by default"},
    {"selector", PARAM_SELECTOR, false, NULL, "all workloads of the kind with these labels"},
    {0},
};

static void rollout_rights(const struct rights_in *in)
{
    rights_look_at_objects(in, kinds);
}

const struct check check_rollout_complete = {
    .name = "rollout.complete",
    .params = rollout_params,
    .doc = "the workload runs what its present template says, by kubectl's rules",
    .judge = rollout_judge,
    .rights = rollout_rights,
};

/* ---- replicas ---- */

static bool enough_ready(const struct check_in *in, const struct workload *w, struct strbuf *b)
{
    const bool daemonset = str_eq(w->kind.kind, "DaemonSet");
    const int64_t ready = status_int(w, daemonset ? "numberReady" : "readyReplicas");
    int64_t desired = daemonset ? status_int(w, "desiredNumberScheduled") : desired_replicas(w);
    const char *why = NULL;
    desired = desired < 1 ? 1 : desired;
    const int64_t min = json_int_or(in->with, "min", desired);
    if (!workload_is_observed(in, w, &why))
        words_add(b, "%s: %s", w->label, why);
    else if (ready < min)
        words_add(b, "%s: %lld replicas are ready, %lld are needed", w->label, (long long)ready, (long long)min);
    else
        return true;
    return false;
}

static int replicas_judge(const struct check_in *in, struct check_result *ret)
{
    return judge_each(in, ret, enough_ready, "has enough ready replicas");
}

static const struct param replicas_params[] = {
    {"kind", PARAM_KIND, false, NULL, "Deployment, StatefulSet or DaemonSet; the target's by default"},
    {"name", PARAM_NAME, false, NULL, "the workload; the target's owners by default"},
    {"min", PARAM_INT, false, NULL, "how many must be ready; as many as the workload asks for by default"},
    {0},
};

const struct check check_replicas = {
    .name = "replicas",
    .params = replicas_params,
    .doc = "enough replicas of a workload are ready",
    .judge = replicas_judge,
    .rights = rollout_rights,
};
