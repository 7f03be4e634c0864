/* cluster.active: what mendd's own watch knows of a cluster set. pods.gone: nothing of a kind of pods runs any more.
 *
 * pods.gone counts what has a node, terminating pods too: they still work. Finished pods have done so, and one that no
 * node has taken does nothing (on cordoned nodes it may wait for ever). */
#include "base/alloc.h"
#include "base/text.h"
#include "checks/common.h"
#include "core/cluster_set_ask.h"

#include <errno.h>

enum { NAMED_MAX = 5 };

/* ---- cluster.active ---- */

/* -1: not known. */
static int64_t fullest(const json_t *set)
{
    const int64_t p = json_int_or(json_object_get(set, "primary"), "capacity_percent", -1);
    const int64_t s = json_int_or(json_object_get(set, "secondary"), "capacity_percent", -1);
    return p < 0 || s < 0 ? -1 : p > s ? p : s;
}

/* The worst so far: a failure is known, whatever else is not. */
static void worse(enum verdict *v, enum verdict than)
{
    if (*v == VERDICT_PASS || than == VERDICT_FAIL)
        *v = than;
}

static void judge_balance(const json_t *set, enum verdict *v, struct strbuf *words)
{
    const json_t *balance = json_object_get(set, "balance"), *is = json_object_get(balance, "nodes_constrained");
    if (!json_is_boolean(is)) {
        worse(v, VERDICT_UNKNOWN);
        words_add(words, "its balance is not known");
    } else if (json_is_true(is)) {
        worse(v, VERDICT_FAIL);
        words_add(words, "too few nodes: %s", json_text_or(balance, "constraining_side", "a side"));
    }
}

static void judge_capacity(const json_t *set, int64_t below, enum verdict *v, struct strbuf *words)
{
    const int64_t full = fullest(set);
    if (full < 0)
        words_add(words, "its capacity is not known");
    else
        words_add(words, "%lld %% of its capacity in use", (long long)full);
    if (full < 0 || full >= below)
        worse(v, full < 0 ? VERDICT_UNKNOWN : VERDICT_FAIL);
}

static int active_judge(const struct check_in *in, struct check_result *ret)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_strbuf_ struct strbuf words = {.max = 500};
    const char *name = json_text_or(in->with, "set", "");
    const json_t *set = NULL;
    int r = ask_cluster_set(in->asks, name, &set, &err);
    if (r == -ENOENT)
        return check_say(ret, VERDICT_UNKNOWN, "%s", error_message(&err));
    if (r < 0)
        return verdict_for(r, &err, ret);
    const char *status = json_text(set, "status");
    const int64_t below = json_int_or(in->with, "capacity_below", -1);
    enum verdict v = !status ? VERDICT_UNKNOWN : str_eq(status, "ACTIVE") ? VERDICT_PASS : VERDICT_FAIL;
    words_add(&words, "%s is %s", name, status ? status : "not known yet");
    if (json_bool_or(in->with, "balanced", false))
        judge_balance(set, &v, &words);
    if (below >= 0)
        judge_capacity(set, below, &v, &words);
    return check_say(ret, v, "%s", strbuf_str(&words));
}

static const struct param active_params[] = {
    {"set", PARAM_TEXT, true, NULL, "a cluster set of the configuration"},
    {"balanced", PARAM_BOOL, false, NULL, "its sides must also have as many nodes, and enough (false)"},
    {"capacity_below", PARAM_INT, false, NULL, "percent that the fuller side must also stay below"},
    {0},
};

const struct check check_cluster_active = {
    .name = "cluster.active",
    .params = active_params,
    .doc = "both clusters of a set are there",
    .judge = active_judge,
};

/* ---- pods.gone ---- */

static bool still_runs(const json_t *pod)
{
    return !pod_is_finished(pod) && !pod_has_failed(pod) && !str_empty(json_path_text(pod, "spec", "nodeName", NULL));
}

static int gone_judge(const struct check_in *in, struct check_result *ret)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_strbuf_ struct strbuf words = {.max = 500};
    const char *namespace = json_text_or(in->with, "namespace", target_namespace(in->target));
    const json_t *list = NULL;
    size_t i, left = 0;
    json_t *pod;
    if (str_empty(namespace))
        return check_say(ret, VERDICT_UNKNOWN, "of which namespace is not said");
    int r = list_kube(in->asks, in->cluster, &kind_pod, namespace, json_text(in->with, "selector"), &list, &err);
    if (r < 0)
        return verdict_for(r, &err, ret);
    _cleanup_json_ json_t *pods = items_by_name_new(list);
    json_array_foreach (pods, i, pod) {
        if (still_runs(pod) && left++ < NAMED_MAX)
            words_add(&words, "%s on %s", object_name(pod), json_path_text(pod, "spec", "nodeName", NULL));
    }
    if (left == 0)
        return check_say(ret, VERDICT_PASS, "no pod runs in %s", namespace);
    return check_say(ret, VERDICT_FAIL, "%zu pod%s left in %s: %s%s", left, left == 1 ? " is" : "s are", namespace,
                     strbuf_str(&words), left > NAMED_MAX ? "; and more" : "");
}

static const struct param gone_params[] = {
    {"namespace", PARAM_NAME, false, NULL, "the target's by default"},
    {"selector", PARAM_SELECTOR, false, NULL, "the pods with these labels; all of the namespace by default"},
    {0},
};

static void gone_rights(const struct rights_in *in)
{
    rights_list(in, "Pod");
}

const struct check check_pods_gone = {
    .name = "pods.gone",
    .params = gone_params,
    .doc = "no pod of a namespace runs on a node any more",
    .judge = gone_judge,
    .rights = gone_rights,
};
