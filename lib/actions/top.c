/* metrics.top: what the target's pods use, beside their limits, and the nodes under them: as `kubectl top`. It only
 * looks. The metrics API (metrics.k8s.io) is an add-on: where it is not installed, the evidence says so. */
#include "actions/common.h"
#include "base/alloc.h"
#include "base/text.h"
#include "core/quantity.h"

#include <errno.h>

#define METRICS "/apis/metrics.k8s.io/v1beta1"
enum { TEXT_MAX = 65536, PODS_MAX = 200 };

struct usage {
    int64_t cpu, memory; /* thousandths; -1: not said */
};

static void add_quantity(int64_t *sum, const json_t *resources, const char *key)
{
    int64_t milli = 0;
    const char *text = json_text(resources, key);
    if (!text || quantity_parse(text, &milli, NULL) < 0)
        return;
    *sum = (*sum < 0 ? 0 : *sum) + milli;
}

static struct usage sum_of(const json_t *containers, const char *first, const char *second)
{
    struct usage u = {-1, -1};
    size_t i;
    json_t *c;
    json_array_foreach ((json_t *)containers, i, c) {
        const json_t *r = json_object_get(c, first);
        r = second ? json_object_get(r, second) : r;
        add_quantity(&u.cpu, r, "cpu");
        add_quantity(&u.memory, r, "memory");
    }
    return u;
}

static void say(struct strbuf *b, const char *what, int64_t used, int64_t limit, char *(*text_new)(int64_t))
{
    _cleanup_free_ char *u = used >= 0 ? text_new(used) : xstrdup("?"), *l = limit > 0 ? text_new(limit) : NULL;
    strbuf_printf(b, "%s %s", what, u);
    if (l && used >= 0)
        strbuf_printf(b, " of %s (%lld%%)", l, (long long)(used / (limit / 100 > 0 ? limit / 100 : 1)));
}

static void say_line(struct strbuf *b, const char *name, const struct usage *used, const struct usage *limit)
{
    strbuf_printf(b, "%s: ", name);
    say(b, "cpu", used->cpu, limit->cpu, quantity_cpu_new);
    say(b, ", memory", used->memory, limit->memory, quantity_memory_new);
    strbuf_putc(b, '\n');
}

static const json_t *item_of(const json_t *list, const char *name)
{
    size_t i;
    json_t *item;
    json_array_foreach (json_object_get(list, "items"), i, item)
        if (str_eq(object_name(item), name))
            return item;
    return NULL;
}

/* 0 with the list; 1: words are in `b`; -EAGAIN. */
static int read_metrics(const struct action_in *in, const char *path, struct strbuf *b, const json_t **ret)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    int r = read_kube(in->asks, in->cluster, path, "GET metrics.k8s.io", ret, &err);
    if (r == -EAGAIN || r == 0)
        return r;
    if (r == -ENOENT)
        strbuf_puts(b, "the metrics API (metrics.k8s.io) is not there: metrics-server is not installed\n");
    else
        strbuf_printf(b, "could not be read: %s\n", error_message(&err));
    return 1;
}

static int top_pods(const struct action_in *in, const json_t *pods, struct strbuf *b)
{
    _cleanup_strbuf_ struct strbuf path = STRBUF_INIT;
    const char *namespace = target_namespace(in->target);
    const json_t *list = NULL;
    strbuf_puts(&path, METRICS "/namespaces/");
    url_encode(&path, namespace ? namespace : "");
    strbuf_puts(&path, "/pods");
    int r = read_metrics(in, strbuf_str(&path), b, &list);
    size_t i;
    json_t *pod;
    if (r != 0)
        return r;
    json_array_foreach ((json_t *)pods, i, pod) {
        const json_t *item = item_of(list, object_name(pod));
        const struct usage used = sum_of(json_object_get(item, "containers"), "usage", NULL);
        const struct usage limit = sum_of(json_path(pod, "spec", "containers", NULL), "resources", "limits");
        if (item && i < PODS_MAX)
            say_line(b, object_name(pod), &used, &limit);
        else if (i < PODS_MAX)
            strbuf_printf(b, "%s: not measured yet\n", object_name(pod));
    }
    if (json_array_size(pods) > PODS_MAX)
        strbuf_printf(b, "and %zu more\n", json_array_size(pods) - PODS_MAX);
    return 0;
}

static bool has_pod_of(const json_t *pods, const char *node)
{
    size_t i;
    json_t *pod;
    json_array_foreach ((json_t *)pods, i, pod)
        if (str_eq(json_path_text(pod, "spec", "nodeName", NULL), node))
            return true;
    return false;
}

/* Of nodes on which the pods run; pods NULL: of all nodes. */
static int top_nodes(const struct action_in *in, const json_t *pods, struct strbuf *b)
{
    const json_t *list = NULL, *nodes = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    int r = read_metrics(in, METRICS "/nodes", b, &list);
    int r2 = read_kube(in->asks, in->cluster, "/api/v1/nodes", "LIST nodes", &nodes, &err);
    if (r2 == -EAGAIN)
        return r2;
    if (r2 == -EACCES)
        strbuf_printf(b, "what the nodes can hold is not known: %s\n", error_message(&err));
    if (r != 0)
        return r;
    _cleanup_json_ json_t *items = items_by_name_new(list);
    size_t i;
    json_t *item;
    json_array_foreach (items, i, item) {
        const char *name = object_name(item);
        const json_t *node = item_of(nodes, name), *room = json_path(node, "status", "allocatable", NULL);
        struct usage used = {-1, -1}, limit = {-1, -1};
        if (pods && !has_pod_of(pods, name))
            continue;
        add_quantity(&used.cpu, json_object_get(item, "usage"), "cpu");
        add_quantity(&used.memory, json_object_get(item, "usage"), "memory");
        add_quantity(&limit.cpu, room, "cpu");
        add_quantity(&limit.memory, room, "memory");
        say_line(b, name, &used, &limit);
    }
    return 0;
}

static void add(struct action_plan *plan, const char *name, const struct strbuf *b, int r)
{
    json_t *item = json_object();
    json_set_text(item, "name", name);
    json_set_text(item, "text", b->len ? strbuf_str(b) : "nothing is measured\n");
    if (r != 0)
        json_object_set_new(item, "missing", json_true());
    json_array_append_new(plan->evidence, item);
}

static int top_plan(const struct action_in *in, struct action_plan *ret, struct error *err _unused_)
{
    _cleanup_error_ struct error why = ERROR_NONE;
    _cleanup_json_ json_t *pods = NULL;
    _cleanup_strbuf_ struct strbuf of_pods = {.max = TEXT_MAX}, of_nodes = {.max = TEXT_MAX};
    const bool nodes_only = str_eq(in->target->kind, "Node"), nodes = json_bool_or(in->with, "nodes", true);
    int r = nodes_only ? 0 : pods_find(in->asks, in->cluster, in->target, in->with, &pods, &why);
    if (r == -EAGAIN)
        return r;
    if (r < 0)
        strbuf_printf(&of_pods, "could not be read: %s\n", error_message(&why));
    const int p = nodes_only ? 0 : r < 0 ? 1 : top_pods(in, pods, &of_pods);
    const int n = nodes || nodes_only ? top_nodes(in, nodes_only ? NULL : pods, &of_nodes) : 0;
    if (p == -EAGAIN || n == -EAGAIN)
        return -EAGAIN;
    *ret = (struct action_plan){.effects = json_array(), .evidence = json_array()};
    if (!nodes_only)
        add(ret, "what the pods use", &of_pods, p);
    if (nodes || nodes_only)
        add(ret, "what their nodes use", &of_nodes, n);
    return 0;
}

static const struct param top_params[] = {
    {"name", PARAM_NAME, false, NULL, "one pod; the target's by default"},
    {"selector", PARAM_SELECTOR, false, NULL, "the pods with these labels in the target's namespace"},
    {"nodes", PARAM_BOOL, false, NULL, "also the nodes on which they run (true); for a node all nodes"},
    {0},
};

static void top_rights(const struct rights_in *in)
{
    static const char group[] = "metrics.k8s.io/v1beta1";
    if (!rights_target_is(in, "Node")) {
        rights_pods(in, "name", NULL);
        rights_read(in, &(struct rights_what){.api_version = group, .kind = "PodMetrics"}, "list");
    }
    if (!json_bool_or(in->with, "nodes", true) && !rights_target_is(in, "Node"))
        return;
    rights_read(in, &(struct rights_what){.api_version = group, .kind = "NodeMetrics"}, "list");
    rights_list(in, "Node");
}

const struct action action_metrics_top = {
    .name = "metrics.top",
    .class = ACTION_EVIDENCE,
    .params = top_params,
    .doc = "keeps what the target's pods and their nodes use, beside their limits",
    .plan = top_plan,
    .rights = top_rights,
};
