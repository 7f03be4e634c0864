/* What keeps a pod from starting, and a Service from being reached, told apart: each check passes where its one cause
 * does not stand in the way, and names it where it does. A step's `if`/`unless` chooses the repair by them.
 *
 * pods.none_waiting: the words are Kubernetes' own (the container states' `waiting.reason`); "Pending" is a pod that no
 * node has taken yet (kubernetes.io/docs, "Pod Lifecycle"). service.selects and service.port: kubernetes.io/docs,
 * "Debug Services": does the selector match, does the target port fit. A containerPort is a declaration only: a pod
 * that declares none may listen anywhere. */
#include "base/alloc.h"
#include "base/text.h"
#include "checks/common.h"

#include <errno.h>

enum { NAMED_MAX = 5 };

/* ---- pods.none_waiting ---- */

static bool in_list(const json_t *texts, const char *text)
{
    size_t i;
    json_t *t;
    json_array_foreach (texts, i, t) {
        if (text && str_eq(json_string_value(t), text))
            return true;
    }
    return false;
}

static bool containers_wait(const json_t *pod, const char *list, const json_t *reasons)
{
    size_t i;
    json_t *status;
    json_array_foreach (json_path(pod, "status", list, NULL), i, status) {
        if (in_list(reasons, json_path_text(status, "state", "waiting", "reason", NULL)))
            return true;
    }
    return false;
}

static bool is_unplaced(const json_t *pod)
{
    return str_eq(json_path_text(pod, "status", "phase", NULL), "Pending") &&
           str_empty(json_path_text(pod, "spec", "nodeName", NULL));
}

static bool pod_waits(const json_t *pod, const json_t *reasons)
{
    return containers_wait(pod, "initContainerStatuses", reasons) ||
           containers_wait(pod, "containerStatuses", reasons) || (in_list(reasons, "Pending") && is_unplaced(pod));
}

static int waiting_judge(const struct check_in *in, struct check_result *ret)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_json_ json_t *pods = NULL;
    _cleanup_strbuf_ struct strbuf words = {.max = 1000};
    size_t i, counted = 0, waiting = 0;
    json_t *pod;
    int r = pods_find(in->asks, in->cluster, in->target, in->with, &pods, &err);
    if (r < 0)
        return verdict_for(r, &err, ret);
    json_array_foreach (pods, i, pod) {
        if (object_is_terminating(pod) || pod_is_finished(pod) || effects_deleted(in, object_uid(pod)))
            continue;
        counted++;
        if (!pod_waits(pod, json_object_get(in->with, "reason")) || waiting++ >= NAMED_MAX)
            continue;
        _cleanup_free_ char *why = pod_why_not_ready(pod);
        words_add(&words, "%s: %s%s", object_name(pod), why, is_unplaced(pod) ? " (on no node)" : "");
    }
    if (waiting == 0)
        return check_say(ret, VERDICT_PASS, "none of %zu pod%s waits for that", counted, counted == 1 ? "" : "s");
    return check_say(ret, VERDICT_FAIL, "%s%s", strbuf_str(&words), waiting > NAMED_MAX ? "; and more" : "");
}

static const struct param waiting_params[] = {
    {"reason", PARAM_TEXTS, true, NULL,
     "words of Kubernetes: ImagePullBackOff, CrashLoopBackOff, …; Pending: on no node"},
    {"name", PARAM_NAME, false, NULL, "one pod; the pods of the target by default"},
    {"selector", PARAM_SELECTOR, false, NULL, "the pods with these labels in the target's namespace"},
    {0},
};

static void waiting_rights(const struct rights_in *in)
{
    rights_pods(in, "name", NULL);
}

const struct check check_pods_none_waiting = {
    .name = "pods.none_waiting",
    .params = waiting_params,
    .doc = "no pod waits for one of these reasons",
    .judge = waiting_judge,
    .rights = waiting_rights,
};

/* ---- service.selects, service.port ---- */

struct behind {
    const json_t *service;
    char *label, *selector; /* label: "service shop/web"; selector NULL: it has none */
    json_t *pods;           /* those that it selects, without the ones that end */
};

static void behind_clear(struct behind *b)
{
    free(b->label);
    free(b->selector);
    json_decref(b->pods);
    *b = (struct behind){0};
}

/* 0; 1: it has no selector; negative as read_kube(). */
static int look_behind(const struct check_in *in, struct behind *b, struct error *err)
{
    const struct kind *k = kind_known("Service");
    const char *name = json_text_or(in->with, "service", in->target->name), *namespace = target_namespace(in->target);
    if (!name || str_empty(namespace))
        return error_set(err, -EINVAL, "which service is meant is not said");
    _cleanup_free_ char *path = kube_path(k, namespace, name, NULL), *what = kube_what("GET", k, namespace, name);
    int r = read_kube(in->asks, in->cluster, path, what, &b->service, err);
    if (r < 0)
        return r;
    const json_t *list = NULL;
    b->label = xasprintf("service %s/%s", namespace, name);
    b->selector = selector_text(json_path(b->service, "spec", "selector", NULL));
    if (!b->selector)
        return 1;
    r = list_kube(in->asks, in->cluster, &kind_pod, namespace, b->selector, &list, err);
    if (r < 0)
        return r;
    b->pods = items_by_name_new(list);
    for (size_t i = json_array_size(b->pods); i-- > 0;) {
        const json_t *pod = json_array_get(b->pods, i);
        if (object_is_terminating(pod) || pod_is_finished(pod) || pod_has_failed(pod))
            json_array_remove(b->pods, i);
    }
    return 0;
}

/* 0: there are pods to look at; else the verdict stands in `ret` (or -EAGAIN) and is handed on through *ret_answer. */
static bool nothing_behind(const struct check_in *in, struct behind *b, struct check_result *ret, int *ret_answer)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    const char *own = in->target->selector;
    int r = look_behind(in, b, &err);
    if (r == 0 && json_array_size(b->pods) > 0)
        return false;
    if (r < 0)
        *ret_answer = verdict_for(r, &err, ret);
    else if (r == 1)
        *ret_answer = check_say(ret, VERDICT_UNKNOWN, "%s has no selector: its endpoints are made by hand", b->label);
    else
        *ret_answer = check_say(ret, VERDICT_FAIL, "%s selects no pod: its selector is %s%s%s%s", b->label, b->selector,
                                own ? " (the target's pods: " : "", own ? own : "", own ? ")" : "");
    return true;
}

static void behind_rights(const struct rights_in *in)
{
    _cleanup_choices_ struct choices names = rights_param_or_target(in, "service");
    rights_read(in, &(struct rights_what){.kind = "Service", .names = &names}, "get");
    rights_list(in, "Pod");
}

static int selects_judge(const struct check_in *in, struct check_result *ret)
{
    struct behind b = {0};
    int answer = 0;
    if (!nothing_behind(in, &b, ret, &answer)) {
        const size_t n = json_array_size(b.pods);
        answer = check_say(ret, VERDICT_PASS, "%s selects %zu pod%s (%s)", b.label, n, n == 1 ? "" : "s", b.selector);
    }
    behind_clear(&b);
    return answer;
}

/* Whether a pod declares the port that is meant; `declared` collects what they declare. */
static bool pod_declares(const json_t *pod, const json_t *wanted, json_t *declared)
{
    size_t i, k;
    json_t *container, *port;
    bool found = false;
    json_array_foreach (json_path(pod, "spec", "containers", NULL), i, container) {
        json_array_foreach (json_object_get(container, "ports"), k, port) {
            const json_t *number = json_object_get(port, "containerPort");
            const char *name = json_text(port, "name");
            found = found ||
                    (json_is_string(wanted) ? str_eq(name, json_string_value(wanted)) : json_equal(number, wanted));
            _cleanup_free_ char *text =
                xasprintf("%lld%s%s", (long long)json_integer_value(number), name ? " " : "", name ? name : "");
            json_object_set_new(declared, text, json_true());
        }
    }
    return found;
}

static void say_declared(struct strbuf *b, const json_t *declared)
{
    const char *text;
    json_t *v;
    size_t n = 0;
    json_object_foreach ((json_t *)declared, text, v)
        strbuf_printf(b, "%s%s", n++ ? ", " : "", text);
}

/* One port of the Service. Appends what is wrong; true if nothing is. */
static bool port_fits(const struct behind *b, const json_t *port, struct strbuf *words)
{
    const json_t *wanted = json_object_get(port, "targetPort");
    _cleanup_json_ json_t *declared = json_object();
    _cleanup_strbuf_ struct strbuf list = {.max = 300};
    size_t i;
    json_t *pod;
    bool found = false;
    wanted = wanted ? wanted : json_object_get(port, "port");
    json_array_foreach (b->pods, i, pod)
        found = pod_declares(pod, wanted, declared) || found;
    if (found || (json_is_integer(wanted) && json_object_size(declared) == 0))
        return true;
    say_declared(&list, declared);
    _cleanup_free_ char *to = json_is_string(wanted) ? xasprintf("\"%s\"", json_string_value(wanted))
                                                     : xasprintf("%lld", (long long)json_integer_value(wanted));
    words_add(words, "%s: port %lld leads to %s, its pods declare %s", b->label,
              (long long)json_int_or(port, "port", 0), to, list.len ? strbuf_str(&list) : "none");
    return false;
}

static int port_judge(const struct check_in *in, struct check_result *ret)
{
    struct behind b = {0};
    _cleanup_strbuf_ struct strbuf words = {.max = 1000};
    int answer = 0;
    size_t i;
    json_t *port;
    bool fits = true;
    if (!nothing_behind(in, &b, ret, &answer)) {
        json_array_foreach (json_path(b.service, "spec", "ports", NULL), i, port)
            fits = port_fits(&b, port, &words) && fits;
        answer = fits ? check_say(ret, VERDICT_PASS, "the ports of %s are declared by its pods, or these declare none",
                                  b.label)
                      : check_say(ret, VERDICT_FAIL, "%s", strbuf_str(&words));
    }
    behind_clear(&b);
    return answer;
}

static const struct param service_params[] = {
    {"service", PARAM_NAME, false, NULL, "the Service in the target's namespace; the target's name by default"},
    {0},
};

const struct check check_service_selects = {
    .name = "service.selects",
    .params = service_params,
    .doc = "a Service's selector matches pods, ready or not",
    .judge = selects_judge,
    .rights = behind_rights,
};

const struct check check_service_port = {
    .name = "service.port",
    .params = service_params,
    .doc = "each port of a Service leads to a port of its pods",
    .judge = port_judge,
    .rights = behind_rights,
};
