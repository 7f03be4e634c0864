/* One look at a cluster: is its API server well, how many nodes has it, how full are they?
 *
 * Bounded reads only: GET /readyz; nodes by pages; the number of pods off the head of a list that asks for one; the
 * nodes' use from the metrics API, where there is one. The sum of all pods' requests would need every pod. Whatever is
 * refused (403) or not there (404) is only not known: the cluster is in contact all the same. */
#include "base/alloc.h"
#include "base/text.h"
#include "core/cluster_watch.h"
#include "core/kinds.h"
#include "core/quantity.h"

#include <errno.h>

enum { PAGE = 500, PAGES_MAX = 10, READY_TEXT_MAX = 512, METRICS_MAX = 2 << 20, ASK_TIMEOUT_MS = 5000 };

/* Sums over ready nodes, in thousandths. */
struct room {
    int64_t pods, cpu, memory;
};

void cluster_view_clear(struct cluster_view *v)
{
    free(v->words);
    free(v->unknown);
    *v = (struct cluster_view){
        .nodes = -1, .ready = -1, .schedulable = -1, .pods_percent = -1, .cpu_percent = -1, .memory_percent = -1};
}

static bool is_cancelled(const json_t *answer)
{
    return str_eq(json_text(answer, "error"), "cancelled");
}

/* ---- the API server ---- */

/* Whoever says 401, 403 or 404 is there. */
static int look_at_api(struct asks *a, const char *cluster, struct cluster_view *v)
{
    const json_t *answer = ask_kube_text(a, cluster, "/readyz", READY_TEXT_MAX, ASK_TIMEOUT_MS);
    if (!answer)
        return -EAGAIN;
    if (is_cancelled(answer))
        return -ECANCELED;
    if (json_text(answer, "error")) {
        v->cause = CAUSE_UNREACHABLE;
        v->words = xasprintf("%s (%s)", json_text_or(answer, "message", "no answer"), json_text(answer, "error"));
    } else if (answer_status(answer) >= 500) {
        v->cause = CAUSE_NOT_READY;
        v->words = xasprintf("GET /readyz: HTTP %d", answer_status(answer));
    }
    return 0;
}

/* ---- nodes ---- */

static bool is_ready(const json_t *node)
{
    size_t i;
    json_t *condition;
    json_array_foreach (json_path(node, "status", "conditions", NULL), i, condition)
        if (str_eq(json_text(condition, "type"), "Ready"))
            return str_eq(json_text(condition, "status"), "True");
    return false;
}

static void add(int64_t *sum, const json_t *object, const char *key)
{
    int64_t milli = 0;
    if (quantity_parse(json_text(object, key), &milli, NULL) == 0)
        *sum += milli;
}

static void count_nodes(const json_t *items, struct cluster_view *v, struct room *room)
{
    size_t i;
    json_t *node;
    json_array_foreach (items, i, node) {
        const json_t *allocatable = json_path(node, "status", "allocatable", NULL);
        v->nodes++;
        if (!is_ready(node))
            continue;
        v->ready++;
        v->schedulable += !json_bool_or(json_object_get(node, "spec"), "unschedulable", false);
        add(&room->pods, allocatable, "pods");
        add(&room->cpu, allocatable, "cpu");
        add(&room->memory, allocatable, "memory");
    }
}

static void nodes_unknown(struct cluster_view *v, const struct error *err)
{
    v->nodes = v->ready = v->schedulable = -1;
    v->unknown = xstrdup(error_message(err));
}

static int look_at_nodes(struct asks *a, const char *cluster, struct cluster_view *v, struct room *room)
{
    _cleanup_free_ char *next = NULL;
    v->nodes = v->ready = v->schedulable = 0;
    for (int page = 0; page < PAGES_MAX; page++) {
        _cleanup_error_ struct error err = ERROR_NONE;
        _cleanup_free_ char *path = kube_path(kind_known("Node"), NULL, NULL, NULL), *limit = xasprintf("%d", PAGE);
        kube_path_query(&path, "limit", limit);
        if (next)
            kube_path_query(&path, "continue", next);
        const json_t *answer = ask_kube(a, cluster, path);
        if (!answer)
            return -EAGAIN;
        if (is_cancelled(answer))
            return -ECANCELED;
        if (answer_error(answer, "GET nodes", &err) < 0) {
            nodes_unknown(v, &err);
            return 0;
        }
        const json_t *body = answer_body(answer);
        count_nodes(json_object_get(body, "items"), v, room);
        str_replace(&next, json_path_text(body, "metadata", "continue", NULL));
        if (str_empty(next))
            break;
    }
    return 0;
}

/* ---- use ---- */

static int percent(int64_t used, int64_t room)
{
    if (room <= 0)
        return -1;
    const double p = (double)used * 100.0 / (double)room;
    return p > 1000 ? 1000 : (int)p;
}

/* The head of a list that is cut after one object says how many more there are. Finished pods count until they are
 * deleted. */
static int look_at_pods(struct asks *a, const char *cluster, struct cluster_view *v, const struct room *room)
{
    const json_t *answer = ask_kube(a, cluster, "/api/v1/pods?limit=1");
    if (!answer)
        return -EAGAIN;
    const json_t *body = answer_body(answer);
    const int64_t left = json_int_or(json_object_get(body, "metadata"), "remainingItemCount", 0);
    if (answer_ok(answer) && json_is_array(json_object_get(body, "items")))
        v->pods_percent = percent(((int64_t)json_array_size(json_object_get(body, "items")) + left) * 1000, room->pods);
    return 0;
}

/* As text: a metrics server that is away answers 503 through the API server, which is no fault of that one. */
static int look_at_metrics(struct asks *a, const char *cluster, struct cluster_view *v, const struct room *room)
{
    static const char path[] = "/apis/metrics.k8s.io/v1beta1/nodes";
    const json_t *answer = ask_kube_text(a, cluster, path, METRICS_MAX, ASK_TIMEOUT_MS);
    if (!answer)
        return -EAGAIN;
    const char *text = answer_ok(answer) ? json_text(answer, "text") : NULL;
    _cleanup_json_ json_t *list = text ? json_parse(text, strlen(text), METRICS_MAX, false, NULL) : NULL;
    struct room used = {0};
    size_t i;
    json_t *item;
    json_array_foreach (json_object_get(list, "items"), i, item) {
        add(&used.cpu, json_object_get(item, "usage"), "cpu");
        add(&used.memory, json_object_get(item, "usage"), "memory");
    }
    if (json_array_size(json_object_get(list, "items")) > 0) {
        v->cpu_percent = percent(used.cpu, room->cpu);
        v->memory_percent = percent(used.memory, room->memory);
    }
    return 0;
}

int cluster_look(struct asks *a, const char *cluster, struct cluster_view *ret)
{
    struct cluster_view v = {0};
    struct room room = {0};
    cluster_view_clear(&v);
    int r = look_at_api(a, cluster, &v);
    if (r == 0 && v.cause == CAUSE_NONE)
        r = look_at_nodes(a, cluster, &v, &room);
    if (r == 0 && v.ready > 0) {
        const int pods = look_at_pods(a, cluster, &v, &room), metrics = look_at_metrics(a, cluster, &v, &room);
        r = pods < 0 ? pods : metrics;
    }
    if (r < 0) {
        cluster_view_clear(&v);
        return r;
    }
    cluster_view_clear(ret);
    *ret = v;
    return 0;
}

int cluster_view_percent(const struct cluster_view *v)
{
    const int most = v->pods_percent > v->cpu_percent ? v->pods_percent : v->cpu_percent;
    return most > v->memory_percent ? most : v->memory_percent;
}
