/* node.drained: no pod is left on a node but those that a drain leaves there (DaemonSets', static and finished ones).
 */
#include "core/nodes.h"

#include "base/alloc.h"
#include "base/text.h"
#include "checks/common.h"

#include <errno.h>

/* The node that is named, else those that the run's effects drained, else the target's. */
static json_t *drained_nodes_new(const struct check_in *in)
{
    const char *name = json_text(in->with, "name");
    _cleanup_json_ json_t *names = json_object();
    json_t *list = json_array(), *effect, *value;
    size_t i;
    json_array_foreach (in->effects, i, effect) {
        const char *node = json_path_text(effect, "made", "drained", NULL);
        if (!name && node)
            json_object_set_new(names, node, json_true());
    }
    if (name)
        json_object_set_new(names, name, json_true());
    for (i = 0; json_object_size(names) == 0 && i < in->target->n_owners; i++)
        if (str_eq(in->target->owners[i].kind, "Node"))
            json_array_append_new(list, json_string(in->target->owners[i].name));
    json_object_foreach (names, name, value)
        json_array_append_new(list, json_string(name));
    return list;
}

static int count_left(const struct check_in *in, const char *node, size_t *ret_n, struct strbuf *left,
                      struct error *err)
{
    _cleanup_json_ json_t *pods = NULL;
    int r = node_pods_find(in->asks, in->cluster, node, &pods, err);
    size_t i;
    json_t *pod;
    json_array_foreach (pods, i, pod) {
        if (pod_stays_on_node(pod))
            continue;
        _cleanup_free_ char *label = pod_label(pod), *why = pod_why_not_ready(pod);
        ++*ret_n;
        words_add(left, "%s on %s (%s)", label, node, why);
    }
    return r;
}

static int drained_judge(const struct check_in *in, struct check_result *ret)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_strbuf_ struct strbuf left = {.max = 1000};
    _cleanup_json_ json_t *nodes = drained_nodes_new(in);
    json_t *node;
    size_t i, n = 0;
    int r = 0;
    if (json_array_size(nodes) == 0)
        return check_say(ret, VERDICT_UNKNOWN, "the target is no Node: say its name");
    json_array_foreach (nodes, i, node) { /* all are asked for in one round */
        int k = count_left(in, json_string_value(node), &n, &left, &err);
        r = k < 0 && (r == 0 || r == -EAGAIN) ? k : r;
    }
    if (r < 0)
        return verdict_for(r, &err, ret);
    if (n > 0)
        return check_say(ret, VERDICT_FAIL, "%zu pod%s left: %s", n, n == 1 ? " is" : "s are", strbuf_str(&left));
    return check_say(ret, VERDICT_PASS, "no pod is left but those that stay");
}

static const struct param drained_params[] = {
    {"name", PARAM_NAME, false, NULL, "which node; by default those that the run drained, else the target"},
    {0},
};

static void drained_rights(const struct rights_in *in)
{
    static const struct choices everywhere = {.any = true};
    rights_read(in, &(struct rights_what){.kind = "Pod", .namespaces = &everywhere}, "list");
}

const struct check check_node_drained = {
    .name = "node.drained",
    .params = drained_params,
    .doc = "no pod is left on a node but DaemonSets', static and finished ones",
    .judge = drained_judge,
    .rights = drained_rights,
};
