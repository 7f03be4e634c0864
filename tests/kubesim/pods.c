/* Scheduler and kubelets in one: pods get a node, then a status; deleted ones end.
 * What a pod does is read off its annotations, the same ones that the real test cluster's node-sim honours:
 * sim/ready "never", sim/waiting REASON, sim/oom MEMORY, sim/unready-until-restarted "true", sim/job "fail", sim/log.
 * A Job's pod does what its command says: `exit N`, `sleep SECONDS`, `hang`, `echo TEXT` (into its log); any other one
 * succeeds at once. */
#include "sim.h"

#include "base/alloc.h"
#include "base/text.h"

#include <string.h>

#define RESTART_PERIOD_US (2 * USEC_PER_SEC)

static const char *note(const struct object *pod, const char *key)
{
    return json_path_text(pod->json, "metadata", "annotations", key, NULL);
}

static bool owned_by(const struct object *pod, const char *kind)
{
    size_t i;
    json_t *reference;
    json_array_foreach (json_path(pod->json, "metadata", "ownerReferences", NULL), i, reference)
        if (str_eq(json_text(reference, "kind"), kind))
            return true;
    return false;
}

static bool tolerates(const struct object *pod, const json_t *taint)
{
    size_t i;
    json_t *t;
    json_array_foreach (json_path(pod->json, "spec", "tolerations", NULL), i, t) {
        const char *effect = json_text(t, "effect"), *key = json_text(t, "key");
        if (!str_empty(effect) && !str_eq(effect, json_text(taint, "effect")))
            continue;
        const bool any = str_eq(json_text(t, "operator"), "Exists");
        if (any && (str_empty(key) || str_eq(key, json_text(taint, "key"))))
            return true;
        if (str_eq(key, json_text(taint, "key")) &&
            str_eq(json_text_or(t, "value", ""), json_text_or(taint, "value", "")))
            return true;
    }
    return false;
}

static bool fits(const struct object *pod, const struct object *node)
{
    const json_t *spec = json_object_get(node->json, "spec");
    if (json_bool_or(spec, "unschedulable", false) || !pod_is_ready(node))
        return false;
    size_t i;
    json_t *taint;
    json_array_foreach (json_object_get(spec, "taints"), i, taint)
        if (!str_eq(json_text(taint, "effect"), "PreferNoSchedule") && !tolerates(pod, taint))
            return false;
    const char *key;
    json_t *value;
    json_object_foreach (json_path(pod->json, "spec", "nodeSelector", NULL), key, value)
        if (!str_eq(json_path_text(node->json, "metadata", "labels", key, NULL), json_string_value(value)))
            return false;
    return true;
}

static void bind(struct sim *sim, struct object *pod, struct object *const *nodes, size_t n)
{
    static size_t turn;
    for (size_t i = 0; i < n; i++) {
        struct object *node = nodes[(turn + i) % n];
        if (!fits(pod, node))
            continue;
        turn++;
        json_t *next = json_deep_copy(pod->json);
        json_set_text(json_object_get(next, "spec"), "nodeName", node->name);
        char now[TIME_TEXT_MAX];
        json_object_set_new(json_object_get(next, "status"), "conditions",
                            json_pack("[{s:s, s:s, s:n, s:s}]", "type", "PodScheduled", "status", "True",
                                      "lastProbeTime", "lastTransitionTime",
                                      time_format_seconds(sim->now.wall_us, now)));
        store_replace(sim->store, pod, next);
        pod->since_us = sim->now.boot_us;
        return;
    }
}

/* How long a Job's pod runs by its command, and whether it fails then. */
static int64_t job_runs_us(const struct object *pod)
{
    const json_t *command =
        json_object_get(json_array_get(json_path(pod->json, "spec", "containers", NULL), 0), "command");
    const char *first = json_string_value(json_array_get(command, 0)),
               *second = json_string_value(json_array_get(command, 1));
    if (str_eq(first, "hang"))
        return INT64_MAX / 2;
    return str_eq(first, "sleep") && second ? (int64_t)(strtod(second, NULL) * (double)USEC_PER_SEC) : 0;
}

static bool job_fails(const struct object *pod)
{
    const json_t *command =
        json_object_get(json_array_get(json_path(pod->json, "spec", "containers", NULL), 0), "command");
    const char *second = json_string_value(json_array_get(command, 1));
    const bool exits = str_eq(json_string_value(json_array_get(command, 0)), "exit");
    return str_eq(note(pod, "sim/job"), "fail") || (exits && second && !str_eq(second, "0"));
}

struct play { /* what the pod should report */
    const char *waiting, *phase;
    bool ready, job;
    int64_t restarts;
};

static struct play play_of(const struct sim *sim, struct object *pod)
{
    struct play p = {.waiting = note(pod, "sim/waiting"), .phase = "Running", .job = owned_by(pod, "Job")};
    p.ready = !str_eq(note(pod, "sim/ready"), "never");
    const json_t *first = json_array_get(json_path(pod->json, "spec", "containers", NULL), 0);
    const char *limit = json_path_text(first, "resources", "limits", "memory", NULL);
    if (note(pod, "sim/oom") && quantity(limit) < quantity(note(pod, "sim/oom")))
        p.waiting = "CrashLoopBackOff";
    if (str_eq(note(pod, "sim/unready-until-restarted"), "true") && !note(pod, "kubectl.kubernetes.io/restartedAt"))
        p.ready = false;
    const int64_t ends_us = pod->since_us + sim->options.start_delay_us + job_runs_us(pod);
    if (p.job && sim->now.boot_us < ends_us) {
        p.job = false;
        wake_at(pod, ends_us);
    }
    if (p.job) {
        p.phase = job_fails(pod) ? "Failed" : "Succeeded";
        p.ready = false;
    }
    if (p.waiting) {
        p.ready = false;
        p.phase = str_starts(p.waiting, "Image") ? "Pending" : "Running";
        p.restarts = (sim->now.boot_us - pod->since_us) / RESTART_PERIOD_US + 1;
        wake_at(pod, pod->since_us + p.restarts * RESTART_PERIOD_US);
    }
    return p;
}

static json_t *container_status(const struct object *pod, const struct play *p, const json_t *container,
                                const char *started)
{
    json_t *state, *last = json_object();
    const bool oom = note(pod, "sim/oom") != NULL, failed = str_eq(p->phase, "Failed");
    if (p->waiting) {
        state = json_pack("{s:{s:s, s:s}}", "waiting", "reason", p->waiting, "message", p->waiting);
        json_object_set_new(last, "terminated",
                            json_pack("{s:i, s:s, s:n, s:n}", "exitCode", oom ? 137 : 1, "reason",
                                      oom ? "OOMKilled" : "Error", "startedAt", "finishedAt"));
    } else if (p->job) {
        state = json_pack("{s:{s:i, s:s, s:n, s:n}}", "terminated", "exitCode", failed ? 1 : 0, "reason",
                          failed ? "Error" : "Completed", "startedAt", "finishedAt");
    } else {
        state = json_pack("{s:{s:s}}", "running", "startedAt", started);
    }
    return json_pack("{s:s, s:s, s:s, s:b, s:I, s:o, s:o}", "name", json_text_or(container, "name", ""), "image",
                     json_text_or(container, "image", ""), "imageID", "", "ready", p->ready, "restartCount",
                     (json_int_t)p->restarts, "state", state, "lastState", last);
}

static json_t *pod_condition(const struct object *pod, const char *type, const char *status, const char *now)
{
    size_t i;
    json_t *old;
    json_array_foreach (json_path(pod->json, "status", "conditions", NULL), i, old)
        if (str_eq(json_text(old, "type"), type) && str_eq(json_text(old, "status"), status))
            return json_deep_copy(old);
    return json_pack("{s:s, s:s, s:n, s:s}", "type", type, "status", status, "lastProbeTime", "lastTransitionTime",
                     now);
}

/* An address of its own for every pod, so that Endpoints tell them apart. */
static const char *pod_ip(const struct object *pod, char buf[32])
{
    const char *have = json_path_text(pod->json, "status", "podIP", NULL);
    static unsigned counter;
    if (have) {
        snprintf(buf, 32, "%s", have);
    } else {
        counter = counter % 65000 + 1;
        snprintf(buf, 32, "10.0.%u.%u", counter / 250, counter % 250 + 1);
    }
    return buf;
}

static void report(struct sim *sim, struct object *pod)
{
    const struct play p = play_of(sim, pod);
    const char *flag = p.ready ? "True" : "False";
    char started[TIME_TEXT_MAX], now[TIME_TEXT_MAX], ip[32];
    time_format_seconds(sim->now.wall_us, now);
    time_format_seconds(sim->now.wall_us - (sim->now.boot_us - pod->since_us) + sim->options.start_delay_us, started);
    json_t *status = json_deep_copy(json_object_get(pod->json, "status")), *containers = json_array(), *c;
    size_t i;
    json_array_foreach (json_path(pod->json, "spec", "containers", NULL), i, c)
        json_array_append_new(containers, container_status(pod, &p, c, started));
    json_set_text(status, "phase", p.phase);
    json_set_text(status, "podIP", pod_ip(pod, ip));
    json_object_set_new(status, "podIPs", json_pack("[{s:s}]", "ip", ip));
    json_object_set_new(status, "containerStatuses", containers);
    json_object_set_new(status, "conditions",
                        json_pack("[o, o, o, o]", pod_condition(pod, "Initialized", "True", now),
                                  pod_condition(pod, "ContainersReady", flag, now),
                                  pod_condition(pod, "Ready", flag, now),
                                  pod_condition(pod, "PodScheduled", "True", now)));
    /* a container that runs keeps its start: otherwise every pass would change the object */
    const json_t *was = json_path(pod->json, "status", "containerStatuses", NULL);
    if (!p.waiting && json_array_size(was) == json_array_size(containers))
        json_array_foreach (containers, i, c) {
            json_t *running = json_path(json_array_get(was, i), "state", "running", NULL);
            if (running && json_path(c, "state", "running", NULL))
                json_object_set(json_object_get(c, "state"), "running", running);
        }
    patch_status(sim, pod, status);
}

static void end_pod(struct sim *sim, struct object *pod)
{
    const int64_t due_us = pod->since_us + sim->options.stop_delay_us;
    if (sim->now.boot_us < due_us) {
        wake_at(pod, due_us);
        return;
    }
    json_t *next = json_deep_copy(pod->json);
    json_object_set_new(json_object_get(next, "metadata"), "deletionGracePeriodSeconds", json_integer(0));
    store_replace(sim->store, pod, next);
    finish_removal(sim, pod);
}

static bool node_alive(struct sim *sim, const char *name)
{
    const struct object *node = store_get(sim->store, KIND_NODE, NULL, name);
    return node && pod_is_ready(node);
}

static void step(struct sim *sim, struct object *pod, struct object *const *nodes, size_t n)
{
    if (json_path(pod->json, "metadata", "deletionTimestamp", NULL)) {
        end_pod(sim, pod);
        return;
    }
    if (str_empty(json_path_text(pod->json, "spec", "nodeName", NULL))) {
        bind(sim, pod, nodes, n);
        if (str_empty(json_path_text(pod->json, "spec", "nodeName", NULL)))
            return;
    }
    const char *phase = json_path_text(pod->json, "status", "phase", NULL); /* after bind(), which may replace it */
    if (str_eq(phase, "Succeeded") || str_eq(phase, "Failed") ||
        !node_alive(sim, json_path_text(pod->json, "spec", "nodeName", NULL)))
        return;
    if (pod->since_us == 0)
        pod->since_us = sim->now.boot_us;
    const int64_t due_us = pod->since_us + sim->options.start_delay_us;
    if (sim->now.boot_us >= due_us)
        report(sim, pod);
    else
        wake_at(pod, due_us);
}

void pods_tick(struct sim *sim)
{
    _cleanup_free_ struct object **pods = NULL, **nodes = NULL;
    const size_t n = store_list(sim->store, KIND_POD, NULL, &pods);
    const size_t n_nodes = store_list(sim->store, KIND_NODE, NULL, &nodes);
    const uint64_t nodes_version = store_kind_version(sim->store, KIND_NODE);
    const bool new_nodes = nodes_version != sim->seen_nodes;
    sim->seen_nodes = nodes_version;
    for (size_t i = 0; i < n; i++) {
        if (pods[i]->removed || (!new_nodes && !object_due(sim, pods[i])))
            continue;
        object_begin(sim, pods[i]);
        step(sim, pods[i], nodes, n_nodes);
    }
}
