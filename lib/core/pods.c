#include "core/pods.h"

#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 300 };

const struct kind kind_pod = {"Pod", "", "v1", "pods", true};
const struct kind kind_event = {"Event", "", "v1", "events", true};
const struct kind kind_endpoints = {"Endpoints", "", "v1", "endpoints", true};
const struct kind kind_replicaset = {"ReplicaSet", "apps", "v1", "replicasets", true};
const struct kind kind_controllerrevision = {"ControllerRevision", "apps", "v1", "controllerrevisions", true};
const struct kind kind_hpa = {"HorizontalPodAutoscaler", "autoscaling", "v1", "horizontalpodautoscalers", true};

const char *object_name(const json_t *object)
{
    const char *s = json_path_text(object, "metadata", "name", NULL);
    return s ? s : "";
}

const char *object_uid(const json_t *object)
{
    const char *s = json_path_text(object, "metadata", "uid", NULL);
    return s ? s : "";
}

const json_t *object_controller(const json_t *object)
{
    size_t i;
    json_t *ref;
    json_array_foreach (json_path(object, "metadata", "ownerReferences", NULL), i, ref) {
        if (json_bool_or(ref, "controller", false))
            return ref;
    }
    return NULL;
}

bool object_is_controlled_by(const json_t *object, const char *uid)
{
    return !str_empty(uid) && str_eq(json_text(object_controller(object), "uid"), uid);
}

bool object_is_terminating(const json_t *object)
{
    return json_path_text(object, "metadata", "deletionTimestamp", NULL) != NULL;
}

static const json_t *condition(const json_t *pod, const char *type)
{
    size_t i;
    json_t *c;
    json_array_foreach (json_path(pod, "status", "conditions", NULL), i, c) {
        if (str_eq(json_text(c, "type"), type))
            return c;
    }
    return NULL;
}

bool pod_is_ready(const json_t *pod)
{
    return !object_is_terminating(pod) && str_eq(json_text(condition(pod, "Ready"), "status"), "True");
}

static bool phase_is(const json_t *pod, const char *phase)
{
    return str_eq(json_path_text(pod, "status", "phase", NULL), phase);
}

bool pod_is_finished(const json_t *pod)
{
    return phase_is(pod, "Succeeded");
}

bool pod_has_failed(const json_t *pod)
{
    return phase_is(pod, "Failed");
}

bool pod_is_mirror(const json_t *pod)
{
    return json_path(pod, "metadata", "annotations", "kubernetes.io/config.mirror", NULL) != NULL;
}

bool pod_has_claim(const json_t *pod)
{
    size_t i;
    json_t *v;
    json_array_foreach (json_path(pod, "spec", "volumes", NULL), i, v) {
        /* an ephemeral volume is a claim too, which dies with its pod */
        if (json_object_get(v, "persistentVolumeClaim") || json_object_get(v, "ephemeral"))
            return true;
    }
    return false;
}

const char *pod_hash(const json_t *pod)
{
    const char *hash = json_path_text(pod, "metadata", "labels", "pod-template-hash", NULL);
    return hash ? hash : json_path_text(pod, "metadata", "labels", "controller-revision-hash", NULL);
}

/* ---- why a pod is not ready ---- */

/* ": text" with line breaks and control characters as spaces. */
static void add_message(struct strbuf *b, const char *text)
{
    if (str_empty(text))
        return;
    strbuf_puts(b, ": ");
    for (; *text; text++)
        strbuf_putc(b, iscntrl((unsigned char)*text) ? ' ' : *text);
}

static void add_ended(struct strbuf *b, const json_t *terminated)
{
    const char *reason = json_text_or(terminated, "reason", "ended");
    strbuf_puts(b, reason);
    if (!str_eq(reason, "OOMKilled") && !str_eq(reason, "Completed"))
        strbuf_printf(b, ", exit code %lld", (long long)json_int_or(terminated, "exitCode", 0));
}

static void add_history(struct strbuf *b, const json_t *status)
{
    const json_t *last = json_path(status, "lastState", "terminated", NULL);
    const int64_t restarts = json_int_or(status, "restartCount", 0);
    if (!last && restarts == 0)
        return;
    strbuf_puts(b, " (");
    if (last)
        add_ended(b, last);
    if (restarts > 0)
        strbuf_printf(b, "%s%lld restart%s", last ? ", " : "", (long long)restarts, restarts == 1 ? "" : "s");
    strbuf_putc(b, ')');
}

/* One container's trouble; false if it has none. */
static bool add_container(struct strbuf *b, const json_t *status, bool init)
{
    const json_t *waiting = json_path(status, "state", "waiting", NULL);
    const json_t *ended = json_path(status, "state", "terminated", NULL);
    if (init && ended && json_int_or(ended, "exitCode", 0) == 0)
        return false;
    if (!waiting && !ended && (init || json_bool_or(status, "ready", false)))
        return false;
    if (init)
        strbuf_printf(b, "init container %s: ", json_text_or(status, "name", "?"));
    if (waiting) {
        const char *reason = json_text_or(waiting, "reason", "waiting");
        strbuf_puts(b, reason);
        add_history(b, status);
        if (!str_eq(reason, "CrashLoopBackOff"))
            add_message(b, json_text(waiting, "message"));
    } else if (ended) {
        add_ended(b, ended);
    } else {
        strbuf_printf(b, "container %s is not ready", json_text_or(status, "name", "?"));
        add_history(b, status);
    }
    return true;
}

static bool add_containers(struct strbuf *b, const json_t *pod, const char *list, bool init)
{
    size_t i;
    json_t *status;
    json_array_foreach (json_path(pod, "status", list, NULL), i, status) {
        const char *reason = json_path_text(status, "state", "waiting", "reason", NULL);
        /* these two only mean that the pod waits for something else */
        if (str_eq(reason, "PodInitializing") || str_eq(reason, "ContainerCreating"))
            continue;
        if (add_container(b, status, init))
            return true;
    }
    return false;
}

static void add_condition(struct strbuf *b, const json_t *pod)
{
    const json_t *ready = condition(pod, "Ready");
    const char *phase = json_path_text(pod, "status", "phase", NULL);
    if (str_eq(phase, "Running") && ready) {
        strbuf_puts(b, json_text_or(ready, "reason", "not ready"));
        add_message(b, json_text(ready, "message"));
        return;
    }
    strbuf_puts(b, phase ? phase : "not ready");
    const char *reason = json_path_text(json_array_get(json_path(pod, "status", "containerStatuses", NULL), 0), "state",
                                        "waiting", "reason", NULL);
    if (reason)
        strbuf_printf(b, ": %s", reason);
}

char *pod_why_not_ready(const json_t *pod)
{
    struct strbuf b = {.max = WORDS_MAX};
    const json_t *scheduled = condition(pod, "PodScheduled");
    if (object_is_terminating(pod)) {
        strbuf_puts(&b, "Terminating");
    } else if (pod_is_ready(pod)) {
        strbuf_puts(&b, "ready");
    } else if (str_eq(json_text(scheduled, "status"), "False")) {
        strbuf_puts(&b, json_text_or(scheduled, "reason", "not scheduled"));
        add_message(&b, json_text(scheduled, "message"));
    } else if (json_path_text(pod, "status", "reason", NULL)) { /* Evicted, NodeLost, Shutdown */
        strbuf_puts(&b, json_path_text(pod, "status", "reason", NULL));
        add_message(&b, json_path_text(pod, "status", "message", NULL));
    } else if (!add_containers(&b, pod, "initContainerStatuses", true) &&
               !add_containers(&b, pod, "containerStatuses", false)) {
        add_condition(&b, pod);
    }
    return strbuf_take(&b);
}

/* ---- selectors and lists ---- */

static bool add_labels(struct strbuf *b, const json_t *labels)
{
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)labels, key, value) {
        if (!json_is_string(value))
            return false;
        strbuf_printf(b, "%s%s=%s", b->len ? "," : "", key, json_string_value(value));
    }
    return true;
}

static bool add_expression(struct strbuf *b, const json_t *e)
{
    const char *key = json_text(e, "key"), *op = json_text(e, "operator");
    if (!key || !op)
        return false;
    strbuf_puts(b, b->len ? "," : "");
    if (str_eq(op, "Exists") || str_eq(op, "DoesNotExist")) {
        strbuf_printf(b, "%s%s", str_eq(op, "Exists") ? "" : "!", key);
        return true;
    }
    if (!str_eq(op, "In") && !str_eq(op, "NotIn"))
        return false;
    strbuf_printf(b, "%s %s (", key, str_eq(op, "In") ? "in" : "notin");
    size_t i;
    json_t *value;
    json_array_foreach (json_object_get(e, "values"), i, value)
        strbuf_printf(b, "%s%s", i ? "," : "", json_string_value(value) ? json_string_value(value) : "");
    strbuf_putc(b, ')');
    return true;
}

char *selector_text(const json_t *selector)
{
    _cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
    const json_t *labels = json_object_get(selector, "matchLabels");
    const json_t *expressions = json_object_get(selector, "matchExpressions");
    bool ok = add_labels(&b, labels || expressions ? labels : selector);
    size_t i;
    json_t *e;
    json_array_foreach (expressions, i, e)
        ok = ok && add_expression(&b, e);
    return ok && b.len ? strbuf_take(&b) : NULL;
}

static int compare_names(const void *a, const void *b)
{
    const json_t *const *x = a, *const *y = b;
    return strcmp(object_name(*x), object_name(*y));
}

json_t *items_by_name_new(const json_t *list)
{
    const json_t *items = json_object_get(list, "items");
    const size_t n = json_array_size(items);
    const json_t **sorted = xcalloc(n ? n : 1, sizeof(*sorted));
    for (size_t i = 0; i < n; i++)
        sorted[i] = json_array_get(items, i);
    qsort(sorted, n, sizeof(*sorted), compare_names);
    json_t *out = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append(out, (json_t *)sorted[i]);
    free(sorted);
    return out;
}
