/* node.cordon, node.uncordon, node.drain.
 *
 * A cordon is refused where it would leave fewer Ready, schedulable nodes than `min_ready`, or a second control-plane
 * node out of service (semantics.md, "What mendd never does"). A drain is a cordon and one eviction a pod, each an
 * effect of its own; its step ends when the pods have left. */
#include "actions/pods.h"
#include "base/alloc.h"
#include "base/text.h"
#include "core/nodes.h"

#include <errno.h>

/* ---- which nodes ---- */

static int find_nodes(const struct action_in *in, struct workloads *ret, struct error *err)
{
    static const char *const kinds[] = {"Node", NULL};
    _cleanup_json_ json_t *which = json_pack("{s:s}", "kind", "Node");
    json_set_text(which, "name", json_text(in->with, "name"));
    json_set_text(which, "selector", json_text(in->with, "selector"));
    const struct workloads_query q = {
        .asks = in->asks, .cluster = in->cluster, .target = in->target, .with = which, .kinds = kinds, .look = true};
    return workloads_find(&q, ret, err);
}

static bool is_chosen(const struct workloads *chosen, const json_t *node)
{
    for (size_t i = 0; i < chosen->n; i++)
        if (str_eq(chosen->items[i].name, object_name(node)))
            return true;
    return false;
}

/* ---- what the cluster can spare ---- */

struct census {
    size_t nodes, left;         /* left: Ready and schedulable without the chosen ones */
    size_t chosen_planes;       /* control-plane nodes among the chosen ones */
    const json_t *broken_plane; /* one that is out of service and not chosen */
};

static struct census take_census(const struct workloads *chosen, const json_t *list)
{
    struct census c = {0};
    size_t i;
    json_t *node;
    json_array_foreach (json_object_get(list, "items"), i, node) {
        const bool out = is_chosen(chosen, node), plane = node_is_control_plane(node);
        const bool serves = node_is_ready(node) && !node_is_cordoned(node);
        c.nodes++;
        c.left += !out && serves;
        c.chosen_planes += out && plane;
        if (!out && plane && !serves && !c.broken_plane)
            c.broken_plane = node;
    }
    return c;
}

static int refuse_unless_spared(const struct action_in *in, const struct workloads *chosen, struct error *err)
{
    const json_t *list = NULL;
    int r = list_kube(in->asks, in->cluster, &kind_node, NULL, NULL, &list, err);
    if (r < 0)
        return r;
    const struct census c = take_census(chosen, list);
    const int64_t half = c.nodes > 1 ? (int64_t)(c.nodes + 1) / 2 : 1;
    const int64_t min = json_int_or(in->with, "min_ready", half);
    const char *what = chosen->n == 1 ? chosen->items[0].label : "these nodes";
    if ((int64_t)c.left < min)
        return error_set(
            err, -EPERM,
            "without %s %zu of %zu nodes would be Ready and schedulable, min_ready is %lld: none is touched", what,
            c.left, c.nodes, (long long)min);
    if (c.chosen_planes > 1)
        return error_set(err, -EPERM, "%zu of them are control-plane nodes: those go one at a time", c.chosen_planes);
    if (c.chosen_planes == 1 && c.broken_plane)
        return error_set(err, -EPERM, "%s is a control-plane node, and %s, another one, is %s: one at a time", what,
                         object_name(c.broken_plane), node_is_cordoned(c.broken_plane) ? "cordoned" : "not Ready");
    return 0;
}

/* ---- node.cordon, node.uncordon ---- */

static void plan_cordon(const struct action_in *in, const struct workload *w, struct action_plan *plan)
{
    _cleanup_json_ json_t *patch = json_pack("{s:{s:b}}", "spec", "unschedulable", 1);
    if (node_is_cordoned(w->object))
        plan_note(plan, "%s is cordoned already", w->label);
    else
        plan_merge(in, w, patch, "cordon", plan);
}

static int cordon_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    _cleanup_workloads_ struct workloads nodes = {0};
    struct action_plan plan = {.effects = json_array()};
    int r = find_nodes(in, &nodes, err);
    for (size_t i = 0; r == 0 && i < nodes.n; i++)
        plan_cordon(in, &nodes.items[i], &plan);
    if (r == 0 && json_array_size(plan.effects) > 0)
        r = refuse_unless_spared(in, &nodes, err);
    if (r < 0)
        action_plan_clear(&plan);
    else
        *ret = plan;
    return r;
}

static int uncordon_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    _cleanup_workloads_ struct workloads nodes = {0};
    int r = find_nodes(in, &nodes, err);
    if (r < 0)
        return r;
    ret->effects = json_array();
    for (size_t i = 0; i < nodes.n; i++) {
        const struct workload *w = &nodes.items[i];
        _cleanup_json_ json_t *patch = json_pack("{s:{s:n}}", "spec", "unschedulable");
        if (node_is_cordoned(w->object))
            plan_merge(in, w, patch, "uncordon", ret);
        else
            plan_note(ret, "%s is not cordoned", w->label);
    }
    return 0;
}

/* ---- node.drain ---- */

static int refuse_pod(const struct action_in *in, const json_t *pod, struct error *err)
{
    _cleanup_free_ char *label = pod_label(pod);
    const bool owned = object_controller(pod) != NULL;
    if (!owned && pod_has_claim(pod))
        return error_set(err, -EPERM, "pod %s has a volume claim and no controller: nothing would bring it back",
                         label);
    if (!owned && !json_bool_or(in->with, "unmanaged", false))
        return error_set(
            err, -EPERM,
            "pod %s has no controller: nothing would bring it back; unmanaged: true evicts it all the same", label);
    if (pod_has_empty_dir(pod) && !json_bool_or(in->with, "delete_emptydir", false))
        return error_set(err, -EPERM,
                         "pod %s keeps data in an emptyDir, which would be lost; delete_emptydir: true evicts it all "
                         "the same",
                         label);
    return 0;
}

/* Those that have to go; *ret_leaving: how many are on their way out already. */
static int choose_pods(const struct action_in *in, const json_t *pods, json_t *chosen, size_t *ret_leaving,
                       struct error *err)
{
    size_t i;
    json_t *pod;
    json_array_foreach (pods, i, pod) {
        _cleanup_free_ char *label = pod_label(pod);
        if (pod_is_of_daemonset(pod) && !json_bool_or(in->with, "ignore_daemonsets", true))
            return error_set(err, -EPERM,
                             "pod %s is a DaemonSet's, which would put it back at once; ignore_daemonsets: true leaves "
                             "it where it is",
                             label);
        if (pod_stays_on_node(pod))
            continue;
        if (object_is_terminating(pod)) {
            ++*ret_leaving;
            continue;
        }
        int r = refuse_pod(in, pod, err);
        if (r < 0)
            return r;
        json_array_append(chosen, pod);
    }
    if (json_array_size(chosen) > (size_t)(in->max_pods > 0 ? in->max_pods : 0))
        return error_set(err, -E2BIG, "%zu pods would be evicted, limits.pods allows %d: none is",
                         json_array_size(chosen), in->max_pods);
    return 0;
}

/* Pods of several namespaces may share a name: their keys may not. */
static json_t *drain_eviction_new(const struct action_in *in, const json_t *pod, const char *version, int64_t grace_s)
{
    json_t *effect = eviction_new(in, pod, version, grace_s);
    _cleanup_free_ char *label = pod_label(pod), *key = effect_key(in, "Pod", label);
    json_set_text(effect, "key", key);
    return effect;
}

static void plan_drain(const struct action_in *in, const struct workload *node, const json_t *chosen,
                       const char *version, int64_t grace_s, struct action_plan *plan)
{
    size_t i;
    json_t *pod, *effect;
    plan_cordon(in, node, plan);
    json_array_foreach (chosen, i, pod)
        plan_effect(plan, drain_eviction_new(in, pod, version, grace_s));
    json_array_foreach (plan->effects, i, effect) {
        json_t *made = json_object_get(effect, "made");
        if (!made) {
            made = json_object();
            json_object_set_new(effect, "made", made);
        }
        json_set_text(made, "drained", node->name);
    }
    plan_note(plan, "evict %zu pod%s", json_array_size(chosen), json_array_size(chosen) == 1 ? "" : "s");
}

/* What a drain reads, in as few rounds as can be: each is asked before any is waited for. */
static int read_for_drain(const struct action_in *in, const struct workloads *nodes, json_t **ret_pods, char **version,
                          struct error *err)
{
    if (nodes->n != 1)
        return error_set(err, -E2BIG, "the selector matches %zu nodes: a drain is of one at a time", nodes->n);
    int spared = refuse_unless_spared(in, nodes, err);
    if (spared < 0 && spared != -EAGAIN)
        return spared;
    int known = eviction_version(in, version, err);
    if (known < 0 && known != -EAGAIN)
        return known;
    int r = node_pods_find(in->asks, in->cluster, nodes->items[0].name, ret_pods, err);
    return r < 0 ? r : spared < 0 ? spared : known;
}

static int drain_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    int64_t grace_s;
    size_t leaving = 0;
    _cleanup_workloads_ struct workloads nodes = {0};
    _cleanup_json_ json_t *pods = NULL, *chosen = json_array();
    _cleanup_free_ char *version = NULL;
    int r = pods_grace(in, &grace_s, err);
    if (r == 0)
        r = find_nodes(in, &nodes, err);
    if (r == 0)
        r = read_for_drain(in, &nodes, &pods, &version, err);
    if (r == 0)
        r = choose_pods(in, pods, chosen, &leaving, err);
    if (r < 0)
        return r;
    ret->effects = json_array();
    plan_drain(in, &nodes.items[0], chosen, version, grace_s, ret);
    if (leaving > 0)
        plan_note(ret, "%zu more %s already", leaving, leaving == 1 ? "is leaving" : "are leaving");
    const size_t n = json_array_size(ret->effects);
    if (n > 0)
        json_object_set_new(json_array_get(ret->effects, n - 1), "drains", json_true());
    return 0;
}

/* ---- parameters and tables ---- */

#define WHICH(one, many)                                                                                               \
    {"name", PARAM_NAME, false, NULL, one},                                                                            \
    {                                                                                                                  \
        "selector", PARAM_SELECTOR, false, NULL, many                                                                  \
    }
#define MIN_READY                                                                                                      \
    {                                                                                                                  \
        "min_ready", PARAM_INT, false, NULL,                                                                           \
            "as many nodes must stay Ready and schedulable; default: half of them, rounded up, at least 1"             \
    }

static const struct param cordon_params[] = {
    WHICH("which node; the target by default", "all nodes with these labels, in name order"), MIN_READY, {0}};
static const struct param uncordon_params[] = {
    WHICH("which node; the target by default", "all nodes with these labels, in name order"), {0}};
static const struct param drain_params[] = {
    WHICH("which node; the target by default", "the one node with these labels"),
    MIN_READY,
    {"grace", PARAM_DURATION, false, NULL, "time to stop in; the pod's own by default, never 0"},
    {"ignore_daemonsets", PARAM_BOOL, false, NULL, "leave DaemonSets' pods where they are (true); false: refuse"},
    {"delete_emptydir", PARAM_BOOL, false, NULL, "evict pods that lose data in an emptyDir by it (false: refuse)"},
    {"unmanaged", PARAM_BOOL, false, NULL, "evict pods that have no controller to bring them back (false: refuse)"},
    {0},
};

static void node_change(const struct rights_in *in)
{
    const bool said = rights_has(in, "name") || rights_has(in, "selector");
    _cleanup_choices_ struct choices names = said ? rights_param(in, "name") : rights_target_name(in, "Node");
    const struct rights_what node = {.kind = "Node", .names = &names};
    rights_read(in, &node, rights_has(in, "selector") && !rights_has(in, "name") ? "list" : "get");
    rights_change(in, &node, "patch");
}

static void cordon_rights(const struct rights_in *in)
{
    node_change(in);
    rights_list(in, "Node"); /* how many are left */
}

/* Pods of any namespace; who stands above each, and its namespace, are asked whether they opted out. */
static void drain_rights(const struct rights_in *in)
{
    static const char *const speak[] = {
        "Namespace", "ReplicaSet", "Deployment", "StatefulSet", "Job", "ReplicationController", NULL};
    static const struct choices everywhere = {.any = true};
    struct rights_what pods = {.kind = "Pod", .namespaces = &everywhere};
    cordon_rights(in);
    rights_read(in, &pods, "list");
    pods.subresource = "eviction";
    rights_change(in, &pods, "create");
    for (const char *const *kind = speak; *kind && !in->plans_only; kind++)
        rights_read(in, &(struct rights_what){.kind = *kind, .namespaces = &everywhere}, "get");
}

const struct action action_node_cordon = {
    .name = "node.cordon",
    .class = ACTION_EFFECT,
    .reversible = true,
    .params = cordon_params,
    .doc = "lets no new pods onto a node",
    .plan = cordon_plan,
    .rights = cordon_rights,
};

const struct action action_node_uncordon = {
    .name = "node.uncordon",
    .class = ACTION_EFFECT,
    .reversible = true,
    .params = uncordon_params,
    .doc = "lets pods onto a node again",
    .plan = uncordon_plan,
    .rights = node_change,
};

const struct action action_node_drain = {
    .name = "node.drain",
    .class = ACTION_EFFECT,
    .reversible = false, /* the cordon is, the evictions are not */
    .params = drain_params,
    .doc = "cordons a node and evicts its pods one by one, as their PodDisruptionBudgets allow it",
    .plan = drain_plan,
    .rights = drain_rights,
};
