/* Evidence: what is kept before anything changes. It only looks. What cannot be read (403, 404, nobody there) is
 * evidence too, and never stops the run. Values of environment variables are left out: they may come from a Secret. */
#include "actions/common.h"
#include "actions/describe.h"
#include "base/alloc.h"
#include "base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PODS_MAX = 3, EVENTS_MAX = 50, EVENTS_READ = 1000, TEXT_MAX = 65536, EVENTS_UNREADABLE = 1 };

static void add_evidence(struct action_plan *plan, const char *name, const char *text)
{
    json_t *e = json_object();
    json_set_text(e, "name", name);
    json_set_text(e, "text", text);
    if (!plan->evidence)
        plan->evidence = json_array();
    json_array_append_new(plan->evidence, e);
}

static void add_unreadable(struct action_plan *plan, const char *name, const struct error *err)
{
    _cleanup_free_ char *text = xasprintf("could not be read: %s", error_message(err));
    add_evidence(plan, name, text);
    json_object_set_new(json_array_get(plan->evidence, json_array_size(plan->evidence) - 1), "missing", json_true());
}

/* Up to PODS_MAX pods, those that are not ready first. 0 with *ret NULL: evidence says why there are none. */
static int sick_pods(const struct action_in *in, const char *name, struct action_plan *plan, json_t **ret)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_json_ json_t *pods = NULL, *chosen = json_array();
    int r = pods_find(in->asks, in->cluster, in->target, in->with, &pods, &err);
    if (r == -EAGAIN)
        return r;
    if (r < 0) {
        add_unreadable(plan, name, &err);
        return 0;
    }
    for (int ready = 0; ready < 2; ready++) {
        size_t i;
        json_t *pod;
        json_array_foreach (pods, i, pod) {
            const bool well = pod_is_ready(pod) || pod_is_finished(pod);
            if (well == (ready == 1) && json_array_size(chosen) < PODS_MAX)
                json_array_append(chosen, pod);
        }
    }
    if (json_array_size(pods) == 0)
        add_evidence(plan, name, "there are no pods");
    *ret = TAKE_PTR(chosen);
    return 0;
}

/* ---- pod.logs ---- */

/* The container that is asked for, else the first that is not ready, else kubectl's default, else the first. */
static const char *choose_container(const struct action_in *in, const json_t *pod)
{
    const char *name = json_text(in->with, "container");
    size_t i;
    json_t *status;
    if (name)
        return name;
    json_array_foreach (json_path(pod, "status", "containerStatuses", NULL), i, status) {
        if (!json_bool_or(status, "ready", false) && json_text(status, "name"))
            return json_text(status, "name");
    }
    name = json_path_text(pod, "metadata", "annotations", "kubectl.kubernetes.io/default-container", NULL);
    return name ? name : json_text(json_array_get(json_path(pod, "spec", "containers", NULL), 0), "name");
}

static bool has_previous(const json_t *pod, const char *container)
{
    static const char *const lists[] = {"containerStatuses", "initContainerStatuses", NULL};
    for (const char *const *l = lists; *l; l++) {
        size_t i;
        json_t *status;
        json_array_foreach (json_path(pod, "status", *l, NULL), i, status) {
            if (str_eq(json_text(status, "name"), container))
                return json_int_or(status, "restartCount", 0) > 0;
        }
    }
    return false;
}

static char *log_path_new(const struct action_in *in, const json_t *pod, const char *container, bool previous)
{
    const char *namespace = json_text_or(in->with, "namespace", target_namespace(in->target));
    char *path = kube_path(&kind_pod, namespace, object_name(pod), "log");
    char number[32];
    if (container)
        kube_path_query(&path, "container", container);
    if (previous)
        kube_path_query(&path, "previous", "true");
    snprintf(number, sizeof(number), "%lld", (long long)json_int_or(in->with, "tail", 100));
    kube_path_query(&path, "tailLines", number);
    const int64_t since_ms = json_int_or(in->with, "since", 0);
    snprintf(number, sizeof(number), "%lld", (long long)((since_ms + MSEC_PER_SEC - 1) / MSEC_PER_SEC));
    if (since_ms > 0)
        kube_path_query(&path, "sinceSeconds", number);
    snprintf(number, sizeof(number), "%d", TEXT_MAX);
    kube_path_query(&path, "limitBytes", number);
    return path;
}

static int one_log(const struct action_in *in, const json_t *pod, struct action_plan *plan)
{
    const char *container = choose_container(in, pod);
    const bool previous = json_bool_or(in->with, "previous", false) && has_previous(pod, container);
    _cleanup_free_ char *path = log_path_new(in, pod, container, previous);
    const json_t *answer = ask_kube_text(in->asks, in->cluster, path, TEXT_MAX, 0);
    if (!answer)
        return -EAGAIN;
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_free_ char *name = xasprintf("log of %s, container %s%s", object_name(pod), container ? container : "?",
                                          previous ? " (before its restart)" : "");
    if (answer_error(answer, "GET pods/log", &err) < 0)
        add_unreadable(plan, name, &err);
    else
        add_evidence(plan, name, json_text_or(answer, "text", ""));
    return 0;
}

static int each_pod(const struct action_in *in, struct action_plan *ret, const char *name,
                    int (*one)(const struct action_in *, const json_t *, struct action_plan *))
{
    struct action_plan plan = {.effects = json_array(), .evidence = json_array()};
    _cleanup_json_ json_t *pods = NULL;
    int r = sick_pods(in, name, &plan, &pods);
    bool again = r == -EAGAIN;
    size_t i;
    json_t *pod;
    json_array_foreach (pods, i, pod)
        again = one(in, pod, &plan) == -EAGAIN || again;
    if (again) {
        action_plan_clear(&plan);
        return -EAGAIN;
    }
    *ret = plan;
    return 0;
}

static int logs_plan(const struct action_in *in, struct action_plan *ret, struct error *err _unused_)
{
    return each_pod(in, ret, "logs", one_log);
}

static const struct param logs_params[] = {
    {"namespace", PARAM_NAME, false, NULL, "the target's by default; with a selector or a name"},
    {"name", PARAM_NAME, false, NULL, "one pod; the target's by default, at most 3, those that are not ready first"},
    {"selector", PARAM_SELECTOR, false, NULL, "the pods with these labels in the target's namespace"},
    {"previous", PARAM_BOOL, false, NULL, "the log before the last restart, where there was one (false)"},
    {"tail", PARAM_INT, false, NULL, "how many lines from the end (100)"},
    {"container", PARAM_TEXT, false, NULL, "the container; the first that is not ready by default"},
    {"since", PARAM_DURATION, false, NULL, "not older than this"},
    {0},
};

static void logs_rights(const struct rights_in *in)
{
    _cleanup_choices_ struct choices names = {0};
    rights_pods(in, "name", &names);
    rights_read(in, &(struct rights_what){.kind = "Pod", .subresource = "log", .names = &names}, "get");
}

const struct action action_pod_logs = {
    .name = "pod.logs",
    .class = ACTION_EVIDENCE,
    .params = logs_params,
    .doc = "keeps the logs of the target's pods",
    .plan = logs_plan,
    .rights = logs_rights,
};

/* ---- pod.describe ---- */

static int events_of(const struct action_in *in, const char *object, struct strbuf *b)
{
    char limit[16];
    const char *namespace = target_namespace(in->target);
    _cleanup_free_ char *path = kube_path(&kind_event, namespace, NULL, NULL);
    _cleanup_free_ char *field = object ? xasprintf("involvedObject.name=%s", object) : NULL;
    if (field)
        kube_path_query(&path, "fieldSelector", field);
    snprintf(limit, sizeof(limit), "%d", EVENTS_READ);
    kube_path_query(&path, "limit", limit);
    const json_t *list = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    int r = read_kube(in->asks, in->cluster, path, "LIST events", &list, &err);
    if (r == -EAGAIN)
        return r;
    if (r < 0) {
        strbuf_printf(b, "events could not be read: %s\n", error_message(&err));
        return EVENTS_UNREADABLE;
    }
    describe_events(b, list, object ? NULL : in->target, json_bool_or(in->with, "all", false), EVENTS_MAX);
    return 0;
}

static int one_description(const struct action_in *in, const json_t *pod, struct action_plan *plan)
{
    _cleanup_strbuf_ struct strbuf b = {.max = TEXT_MAX};
    describe_pod(&b, pod);
    strbuf_puts(&b, "events:\n");
    if (events_of(in, object_name(pod), &b) == -EAGAIN)
        return -EAGAIN;
    _cleanup_free_ char *name = xasprintf("pod %s", object_name(pod));
    add_evidence(plan, name, strbuf_str(&b));
    return 0;
}

static int describe_plan(const struct action_in *in, struct action_plan *ret, struct error *err _unused_)
{
    return each_pod(in, ret, "pods", one_description);
}

static const struct param describe_params[] = {
    {"name", PARAM_NAME, false, NULL, "one pod; the target's by default, at most 3, those that are not ready first"},
    {"selector", PARAM_SELECTOR, false, NULL, "the pods with these labels in the target's namespace"},
    {0},
};

static void describe_rights(const struct rights_in *in)
{
    rights_pods(in, "name", NULL);
    rights_list(in, "Event");
}

const struct action action_pod_describe = {
    .name = "pod.describe",
    .class = ACTION_EVIDENCE,
    .params = describe_params,
    .doc = "keeps the state of the target's pods and their events",
    .plan = describe_plan,
    .rights = describe_rights,
};

/* ---- events.list ---- */

static int events_plan(const struct action_in *in, struct action_plan *ret, struct error *err _unused_)
{
    _cleanup_strbuf_ struct strbuf b = {.max = TEXT_MAX};
    int r = events_of(in, NULL, &b);
    if (r < 0)
        return r;
    ret->effects = json_array();
    add_evidence(ret, "events", strbuf_str(&b));
    if (r == EVENTS_UNREADABLE)
        json_object_set_new(json_array_get(ret->evidence, 0), "missing", json_true());
    return 0;
}

static const struct param events_params[] = {
    {"all", PARAM_BOOL, false, NULL, "all events of the namespace, not only those of the target (false)"},
    {0},
};

static void events_rights(const struct rights_in *in)
{
    rights_list(in, "Event");
}

const struct action action_events_list = {
    .name = "events.list",
    .class = ACTION_EVIDENCE,
    .params = events_params,
    .doc = "keeps the last 50 events of the target and its pods",
    .plan = events_plan,
    .rights = events_rights,
};
