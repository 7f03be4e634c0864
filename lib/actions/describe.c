#include "actions/describe.h"

#include "base/alloc.h"
#include "base/text.h"
#include "core/pods.h"

#include <stdlib.h>
#include <string.h>

static void add_line(struct strbuf *b, const char *indent, const char *key, const char *value)
{
    if (!str_empty(value))
        strbuf_printf(b, "%s%s: %s\n", indent, key, value);
}

static void add_state(struct strbuf *b, const char *key, const json_t *state)
{
    const char *name;
    json_t *value;
    json_object_foreach ((json_t *)state, name, value) {
        strbuf_printf(b, "    %s: %s", key, name);
        if (json_text(value, "reason"))
            strbuf_printf(b, ", %s", json_text(value, "reason"));
        if (json_object_get(value, "exitCode"))
            strbuf_printf(b, ", exit code %lld", (long long)json_int_or(value, "exitCode", 0));
        if (json_text(value, "startedAt"))
            strbuf_printf(b, ", since %s", json_text(value, "startedAt"));
        if (json_text(value, "finishedAt"))
            strbuf_printf(b, ", ended %s", json_text(value, "finishedAt"));
        if (json_text(value, "message"))
            strbuf_printf(b, ": %.500s", json_text(value, "message"));
        strbuf_putc(b, '\n');
    }
}

static void add_resources(struct strbuf *b, const json_t *container, const char *which)
{
    const char *key;
    json_t *value, *map = json_path(container, "resources", which, NULL);
    if (json_object_size(map) == 0)
        return;
    strbuf_printf(b, "    %s:", which);
    json_object_foreach (map, key, value)
        strbuf_printf(b, " %s=%s", key, json_string_value(value) ? json_string_value(value) : "?");
    strbuf_putc(b, '\n');
}

static const json_t *status_of(const json_t *pod, const char *list, const char *name)
{
    size_t i;
    json_t *status;
    json_array_foreach (json_path(pod, "status", list, NULL), i, status) {
        if (str_eq(json_text(status, "name"), name))
            return status;
    }
    return NULL;
}

static void add_container(struct strbuf *b, const json_t *container, const json_t *status)
{
    size_t i;
    json_t *env;
    strbuf_printf(b, "  %s\n", json_text_or(container, "name", "?"));
    add_line(b, "    ", "image", json_text(container, "image"));
    if (status) {
        add_state(b, "state", json_object_get(status, "state"));
        add_state(b, "last state", json_object_get(status, "lastState"));
        strbuf_printf(b, "    ready: %s, restarts: %lld\n", json_bool_or(status, "ready", false) ? "yes" : "no",
                      (long long)json_int_or(status, "restartCount", 0));
    }
    add_resources(b, container, "requests");
    add_resources(b, container, "limits");
    if (json_array_size(json_object_get(container, "env")) == 0)
        return;
    strbuf_puts(b, "    environment (names only):");
    json_array_foreach (json_object_get(container, "env"), i, env)
        strbuf_printf(b, " %s", json_text_or(env, "name", "?"));
    strbuf_putc(b, '\n');
}

static void add_containers(struct strbuf *b, const json_t *pod, const char *list, const char *statuses)
{
    size_t i;
    json_t *container;
    if (json_array_size(json_path(pod, "spec", list, NULL)) > 0)
        strbuf_printf(b, "%s:\n", str_eq(list, "containers") ? "containers" : "init containers");
    json_array_foreach (json_path(pod, "spec", list, NULL), i, container)
        add_container(b, container, status_of(pod, statuses, json_text(container, "name")));
}

void describe_pod(struct strbuf *b, const json_t *pod)
{
    size_t i;
    json_t *c;
    const json_t *owner = object_controller(pod);
    _cleanup_free_ char *why = pod_why_not_ready(pod);
    add_line(b, "", "pod", object_name(pod));
    add_line(b, "", "condition", why);
    add_line(b, "", "phase", json_path_text(pod, "status", "phase", NULL));
    add_line(b, "", "node", json_path_text(pod, "spec", "nodeName", NULL));
    add_line(b, "", "created", json_path_text(pod, "metadata", "creationTimestamp", NULL));
    if (owner)
        strbuf_printf(b, "controlled by: %s %s\n", json_text_or(owner, "kind", "?"), json_text_or(owner, "name", "?"));
    strbuf_puts(b, "conditions:\n");
    json_array_foreach (json_path(pod, "status", "conditions", NULL), i, c) {
        strbuf_printf(b, "  %s=%s", json_text_or(c, "type", "?"), json_text_or(c, "status", "?"));
        if (json_text(c, "reason"))
            strbuf_printf(b, " (%s)", json_text(c, "reason"));
        if (json_text(c, "message"))
            strbuf_printf(b, ": %.500s", json_text(c, "message"));
        strbuf_putc(b, '\n');
    }
    add_containers(b, pod, "initContainers", "initContainerStatuses");
    add_containers(b, pod, "containers", "containerStatuses");
}

/* ---- events ---- */

static const char *event_time(const json_t *event)
{
    static const char *const keys[] = {"lastTimestamp", "eventTime", "firstTimestamp", NULL};
    for (const char *const *k = keys; *k; k++)
        if (!str_empty(json_text(event, *k)))
            return json_text(event, *k);
    const char *created = json_path_text(event, "metadata", "creationTimestamp", NULL);
    return created ? created : "";
}

static bool bears_name(const char *object, const char *owner)
{
    const size_t n = strlen(owner);
    return object && strncmp(object, owner, n) == 0 && (object[n] == '\0' || object[n] == '-');
}

static bool is_of_target(const json_t *event, const struct target *t)
{
    const char *name = json_path_text(event, "involvedObject", "name", NULL);
    for (size_t i = 0; i < t->n_owners; i++)
        if (bears_name(name, t->owners[i].name))
            return true;
    return t->name && bears_name(name, t->name);
}

static int compare_times(const void *a, const void *b)
{
    const json_t *const *x = a, *const *y = b;
    return strcmp(event_time(*x), event_time(*y)); /* RFC 3339 in UTC sorts as text */
}

static void add_event(struct strbuf *b, const json_t *e)
{
    const int64_t count = json_int_or(e, "count", 1);
    strbuf_printf(b, "%s %s %s %s/%s", event_time(e), json_text_or(e, "type", "Normal"), json_text_or(e, "reason", "?"),
                  json_text_or(json_object_get(e, "involvedObject"), "kind", "?"),
                  json_text_or(json_object_get(e, "involvedObject"), "name", "?"));
    if (count > 1)
        strbuf_printf(b, " (x%lld)", (long long)count);
    _cleanup_free_ char *message = xasprintf("%.500s", json_text_or(e, "message", ""));
    for (char *c = message; *c; c++)
        if (*c == '\n' || *c == '\r')
            *c = ' ';
    strbuf_printf(b, ": %s\n", message);
}

void describe_events(struct strbuf *b, const json_t *list, const struct target *target, bool all, size_t max)
{
    const json_t *items = json_object_get(list, "items");
    const size_t n_items = json_array_size(items);
    const json_t **events = xcalloc(n_items ? n_items : 1, sizeof(*events));
    size_t n = 0;
    for (size_t i = 0; i < n_items; i++) {
        const json_t *e = json_array_get(items, i);
        if (!target || all || is_of_target(e, target))
            events[n++] = e;
    }
    qsort(events, n, sizeof(*events), compare_times);
    if (n == 0)
        strbuf_puts(b, "no events\n");
    if (n > max)
        strbuf_printf(b, "(%zu older events left out)\n", n - max);
    for (size_t i = n > max ? n - max : 0; i < n; i++)
        add_event(b, events[i]);
    if (!str_empty(json_path_text(list, "metadata", "continue", NULL)))
        strbuf_puts(b, "(there are more events than were read)\n");
    free(events);
}
