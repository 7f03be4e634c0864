/* nodes.ready: nodes that are Ready and take new pods. A node that is cordoned, or that its taints keep from taking
 * pods, is counted apart: it may be well, but it carries nothing new. */
#include "base/alloc.h"
#include "base/text.h"
#include "checks/common.h"

#include <errno.h>

enum { NAMED_MAX = 5 };

struct count {
    int64_t nodes, ready, usable;
    struct strbuf words;
    size_t named;
};

static const json_t *ready_condition(const json_t *node)
{
    size_t i;
    json_t *c;
    json_array_foreach (json_path(node, "status", "conditions", NULL), i, c) {
        if (str_eq(json_text(c, "type"), "Ready"))
            return c;
    }
    return NULL;
}

static void count_node(const json_t *node, struct count *n)
{
    const json_t *c = ready_condition(node);
    const bool ready = str_eq(json_text(c, "status"), "True"),
               cordoned = json_bool_or(json_object_get(node, "spec"), "unschedulable", false);
    n->nodes++;
    n->ready += ready;
    n->usable += ready && !cordoned;
    if ((ready && !cordoned) || n->named++ >= NAMED_MAX)
        return;
    if (ready)
        words_add(&n->words, "%s: cordoned", object_name(node));
    else
        words_add(&n->words, "%s: not ready (%s)%s", object_name(node),
                  c ? json_text_or(c, "reason", "no reason given") : "no condition Ready",
                  cordoned ? ", cordoned" : "");
}

static int read_nodes(const struct check_in *in, json_t **ret, struct error *err)
{
    const struct kind *k = kind_known("Node");
    const char *name = json_text(in->with, "name"), *selector = json_text(in->with, "selector");
    const json_t *body = NULL;
    if (!name && !selector && str_eq(in->target->kind, "Node"))
        name = in->target->name;
    int r;
    if (name) {
        _cleanup_free_ char *path = kube_path(k, NULL, name, NULL), *what = kube_what("GET", k, NULL, name);
        r = read_kube(in->asks, in->cluster, path, what, &body, err);
    } else {
        r = list_kube(in->asks, in->cluster, k, NULL, selector, &body, err);
    }
    if (r == 0)
        *ret = name ? json_pack("[O]", body) : items_by_name_new(body);
    return r;
}

static int ready_judge(const struct check_in *in, struct check_result *ret)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_json_ json_t *nodes = NULL;
    struct count n = {.words = {.max = 1000}};
    size_t i;
    json_t *node;
    int r = read_nodes(in, &nodes, &err);
    if (r < 0)
        return verdict_for(r, &err, ret);
    json_array_foreach (nodes, i, node)
        count_node(node, &n);
    _cleanup_strbuf_ struct strbuf words = n.words;
    const int64_t min = json_int_or(in->with, "min", n.nodes > 0 ? n.nodes : 1);
    return check_say(ret, n.nodes > 0 && n.usable >= min ? VERDICT_PASS : VERDICT_FAIL,
                     "%lld of %lld nodes ready and schedulable, %lld needed%s%s%s", (long long)n.usable,
                     (long long)n.nodes, (long long)min, words.len ? "; " : "", strbuf_str(&words),
                     n.named > NAMED_MAX ? "; and more" : "");
}

static const struct param ready_params[] = {
    {"name", PARAM_NAME, false, NULL, "one node; the target if it is one"},
    {"selector", PARAM_SELECTOR, false, NULL, "the nodes with these labels; all by default"},
    {"min", PARAM_INT, false, NULL, "at least this many ready and schedulable (all of them)"},
    {0},
};

static void ready_rights(const struct rights_in *in)
{
    const bool target = rights_target_is(in, "Node") && !rights_has(in, "selector");
    _cleanup_choices_ struct choices names =
        rights_has(in, "name") ? rights_param(in, "name") : rights_target_name(in, "Node");
    const bool one = rights_has(in, "name") || (target && rights_target_is_named(in));
    rights_read(in, &(struct rights_what){.kind = "Node", .names = &names}, one ? "get" : "list");
}

const struct check check_nodes_ready = {
    .name = "nodes.ready",
    .params = ready_params,
    .doc = "nodes are Ready and take new pods",
    .judge = ready_judge,
    .rights = ready_rights,
};
