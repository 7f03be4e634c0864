/* pods.ready: every pod that counts is ready, and they are as many as the workload asks for.
 *
 * Terminating, finished and evicted pods do not count. After an effect only pods that the effect made do: never one
 * that it deleted, and after a change of the template only those of the present template (the ReplicaSet of the
 * Deployment's own revision, the StatefulSet's updateRevision, the DaemonSet's newest ControllerRevision). */
#include "base/alloc.h"
#include "base/text.h"
#include "checks/common.h"

#include <errno.h>

#define REVISION "deployment.kubernetes.io/revision"
enum { SICK_NAMED = 5 };

struct tally {
    int64_t ready, counted, desired;
    struct strbuf sick;
    size_t n_sick;
};

static void tally_pods(const struct check_in *in, const json_t *pods, const char *hash, bool replaced_by_controller,
                       struct tally *t)
{
    size_t i;
    json_t *pod;
    json_array_foreach (pods, i, pod) {
        if (object_is_terminating(pod) || pod_is_finished(pod) || effects_deleted(in, object_uid(pod)) ||
            (hash && !str_eq(hash, pod_hash(pod))) || (replaced_by_controller && pod_has_failed(pod)))
            continue;
        t->counted++;
        if (pod_is_ready(pod)) {
            t->ready++;
        } else if (t->n_sick++ < SICK_NAMED) {
            _cleanup_free_ char *why = pod_why_not_ready(pod);
            words_add(&t->sick, "%s: %s", object_name(pod), why);
        }
    }
}

static int judge_tally(const struct check_in *in, struct tally *t, struct check_result *ret)
{
    const int64_t min = json_int_or(in->with, "min", 1);
    int64_t needed = t->desired > min ? t->desired : min;
    needed = needed < 1 ? 1 : needed;
    const int64_t of = t->counted > needed ? t->counted : needed;
    const bool well = t->ready >= needed && t->ready == t->counted;
    _cleanup_strbuf_ struct strbuf sick = t->sick;
    t->sick = STRBUF_INIT;
    return check_say(ret, well ? VERDICT_PASS : VERDICT_FAIL, "%lld of %lld pods ready%s%s%s", (long long)t->ready,
                     (long long)of, sick.len ? "; " : "", strbuf_str(&sick),
                     t->n_sick > SICK_NAMED ? "; and more" : "");
}

/* ---- the present template's hash ---- */

static const char *newest_hash(const json_t *list, const char *uid, const char *revision)
{
    const json_t *newest = NULL, *item;
    size_t i;
    json_array_foreach (json_object_get(list, "items"), i, item) {
        if (!object_is_controlled_by(item, uid))
            continue;
        if (revision) { /* ReplicaSets */
            if (str_eq(json_path_text(item, "metadata", "annotations", REVISION, NULL), revision))
                newest = item;
        } else if (!newest || json_int_or(item, "revision", 0) > json_int_or(newest, "revision", 0)) {
            newest = item;
        }
    }
    return newest ? pod_hash(newest) : NULL;
}

/* 0 with *ret NULL: not known yet. */
static int present_hash(const struct check_in *in, const struct workload *w, const char *selector, const char **ret,
                        struct error *err)
{
    if (str_eq(w->kind.kind, "StatefulSet")) {
        *ret = json_path_text(w->object, "status", "updateRevision", NULL);
        return 0;
    }
    const bool deployment = str_eq(w->kind.kind, "Deployment");
    const char *revision = json_path_text(w->object, "metadata", "annotations", REVISION, NULL);
    const json_t *list = NULL;
    int r = list_kube(in->asks, in->cluster, deployment ? &kind_replicaset : &kind_controllerrevision, w->namespace,
                      selector, &list, err);
    if (r < 0)
        return r;
    *ret = deployment && !revision ? NULL : newest_hash(list, object_uid(w->object), deployment ? revision : NULL);
    return 0;
}

/* ---- workloads and bare selections ---- */

static int64_t desired_pods(const struct workload *w)
{
    if (str_eq(w->kind.kind, "DaemonSet"))
        return json_int_or(json_path(w->object, "status", NULL), "desiredNumberScheduled", 0);
    const json_t *spec = json_path(w->object, "spec", NULL);
    return json_int_or(spec, "replicas",
                       str_in(w->kind.kind, (const char *const[]){"Deployment", "StatefulSet", "ReplicaSet", NULL}));
}

/* 0: counted; 1: the reason why not stands in t->sick (and counts as a failure); negative as read_kube(). */
static int tally_workload(const struct check_in *in, const struct workload *w, struct tally *t, struct error *err)
{
    if (str_eq(w->kind.kind, "Pod")) {
        _cleanup_json_ json_t *one = json_pack("[O]", w->object);
        tally_pods(in, one, NULL, false, t);
        return 0;
    }
    _cleanup_free_ char *selector = selector_text(json_path(w->object, "spec", "selector", NULL));
    const bool made = effects_made_pods(in, w);
    const char *why = NULL, *hash = NULL;
    const json_t *list = NULL;
    if (!selector) /* a custom resource: the target may know its pods */
        selector = xstrdup(in->target->selector);
    if (!selector)
        return error_set(err, -EINVAL, "%s has no selector: say which pods are meant", w->label);
    if ((made || effect_generation(in, w)) && !workload_is_observed(in, w, &why)) {
        words_add(&t->sick, "%s: %s", w->label, why);
        return 1;
    }
    int r = made ? present_hash(in, w, selector, &hash, err) : 0; /* both in one round */
    int r2 =
        r == 0 || r == -EAGAIN ? list_kube(in->asks, in->cluster, &kind_pod, w->namespace, selector, &list, err) : r;
    if (r < 0 || r2 < 0)
        return r2 == -EAGAIN ? r == 0 ? r2 : r : r2 < 0 ? r2 : r;
    if (made && !hash) {
        words_add(&t->sick, "%s: its new pods are not there yet", w->label);
        return 1;
    }
    t->desired += desired_pods(w);
    tally_pods(in, json_object_get(list, "items"), hash, true, t);
    return 0;
}

static int judge_workloads(const struct check_in *in, struct check_result *ret)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_workloads_ struct workloads w = {0};
    struct tally t = {.sick = {.max = 1000}};
    int r = check_workloads(in, NULL, &w, &err);
    bool again = false, early = false;
    for (size_t i = 0; r >= 0 && i < w.n; i++) {
        int k = tally_workload(in, &w.items[i], &t, &err);
        again = again || k == -EAGAIN;
        early = early || k == 1;
        r = k < 0 && k != -EAGAIN ? k : r;
    }
    if (r < 0 || again || early) {
        _cleanup_strbuf_ struct strbuf why = t.sick;
        if (r < 0 || again)
            return verdict_for(r < 0 ? r : -EAGAIN, &err, ret);
        return check_say(ret, VERDICT_FAIL, "%s", strbuf_str(&why));
    }
    return judge_tally(in, &t, ret);
}

static int ready_judge(const struct check_in *in, struct check_result *ret)
{
    if (!json_text(in->with, "name") && !json_text(in->with, "selector") && in->target->n_owners)
        return judge_workloads(in, ret);
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_json_ json_t *pods = NULL;
    struct tally t = {.sick = {.max = 1000}};
    int r = pods_find(in->asks, in->cluster, in->target, in->with, &pods, &err);
    if (r < 0)
        return verdict_for(r, &err, ret);
    tally_pods(in, pods, NULL, false, &t);
    return judge_tally(in, &t, ret);
}

static const struct param ready_params[] = {
    {"name", PARAM_NAME, false, NULL, "one pod; the pods of the target's owners by default"},
    {"selector", PARAM_SELECTOR, false, NULL, "the pods with these labels in the target's namespace"},
    {"min", PARAM_INT, false, NULL, "at least this many (1, and never fewer than the workload asks for)"},
    {0},
};

/* Of which revision a pod is, once a step may have made a new one. */
static void revision_rights(const struct rights_in *in, const struct rights_what *what)
{
    if (str_eq(what->kind, "Deployment"))
        rights_list(in, "ReplicaSet");
    else if (str_eq(what->kind, "DaemonSet"))
        rights_list(in, "ControllerRevision");
}

static void ready_rights(const struct rights_in *in)
{
    static const char *const revised[] = {"Deployment", "DaemonSet", NULL};
    rights_pods(in, "name", NULL);
    if (rights_has(in, "name") || rights_has(in, "selector"))
        return;
    rights_look_at_objects(in, NULL);
    if (rights_makes_pods(in))
        rights_each_kind(in, revised, revision_rights);
}

const struct check check_pods_ready = {
    .name = "pods.ready",
    .params = ready_params,
    .doc = "all pods that count are ready, and enough of them",
    .judge = ready_judge,
    .rights = ready_rights,
};
