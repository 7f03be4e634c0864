#include "plan_now.h"

#include "base/alloc.h"
#include "base/text.h"

#include <stdarg.h>
#include <string.h>

struct wanted {
    const char *cluster, *namespace, *playbook, *what; /* what: "workloads" or "nodes" */
    json_t *list;
};

static void say(const struct wanted *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(const struct wanted *w, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    _cleanup_free_ char *text = xvasprintf(fmt, args);
    va_end(args);
    json_array_append_new(w->list, json_text_new(text, strlen(text)));
}

static bool is_or_any(const json_t *scope, const char *key, const char *value)
{
    const char *only = json_text(scope, key);
    return !only || str_eq(only, value);
}

/* Names as windows list them, `kube-*` too; null: all. */
static bool listed_or_any(const json_t *list, const char *name)
{
    size_t i;
    json_t *item;
    json_array_foreach (list, i, item) {
        const char *s = json_string_value(item);
        const size_t n = s ? strlen(s) : 0;
        if (name && n > 0 && (s[n - 1] == '*' ? strncmp(s, name, n - 1) == 0 : strcmp(s, name) == 0))
            return true;
    }
    return !json_is_array(list);
}

static void say_pause(const struct wanted *w, const json_t *p)
{
    const json_t *scope = json_object_get(p, "scope");
    if (is_or_any(scope, "cluster", w->cluster) && is_or_any(scope, "namespace", w->namespace) &&
        is_or_any(scope, "playbook", w->playbook))
        say(w, "paused by %s since %s: %s", json_text_or(p, "by", "somebody"), json_text_or(p, "since", "?"),
            json_text_or(p, "reason", "no reason given"));
}

static void say_window(const struct wanted *w, const json_t *m)
{
    const json_t *scope = json_object_get(m, "scope");
    if (json_bool_or(m, "open", false) && listed_or_any(json_object_get(scope, "clusters"), w->cluster) &&
        listed_or_any(json_object_get(scope, "namespaces"), w->namespace) &&
        listed_or_any(json_object_get(scope, "playbooks"), w->playbook))
        say(w, "maintenance: window \"%s\" is open until %s (inside: %s)", json_text_or(m, "window", "?"),
            json_text_or(m, "until", "?"), json_text_or(m, "inside", "?"));
}

static void say_breaker(const struct wanted *w, const json_t *b)
{
    const char *name = json_text_or(b, "name", "?"), *state = json_text_or(b, "state", "closed");
    _cleanup_free_ char *api = xasprintf("api %s", w->cluster ? w->cluster : "");
    if (!str_eq(state, "closed") && (str_eq(name, "global") || str_eq(name, w->playbook) || str_eq(name, api)))
        say(w, "breaker_open: \"%s\" is %s%s%s", name, str_eq(state, "open") ? "open" : "half-open: one run may try",
            json_text(b, "until") ? " until " : "", json_text_or(b, "until", ""));
}

static void say_storm(const struct wanted *w, const json_t *s)
{
    if (is_or_any(s, "cluster", w->cluster) && is_or_any(s, "namespace", w->namespace))
        say(w, "storm: many targets are in trouble at once in %s since %s; single repairs wait",
            json_text_or(s, "namespace", json_text_or(s, "cluster", "?")), json_text_or(s, "since", "?"));
}

/* What was touched already may be touched again: /status does not say which they are. */
static void say_budget(const struct wanted *w, const json_t *b)
{
    const char *scope = json_text_or(b, "scope", "");
    _cleanup_free_ char *cluster = xasprintf("cluster %s", w->cluster ? w->cluster : "");
    _cleanup_free_ char *namespace =
        xasprintf("namespace %s/%s", w->cluster ? w->cluster : "", w->namespace ? w->namespace : "");
    const char *const mine[] = {"global", cluster, namespace, NULL};
    if (json_int_or(b, "left", 1) <= 0 && str_in(scope, mine) && str_eq(json_text(b, "what"), w->what))
        say(w, "budget: \"%s\" is spent (%s), room again at %s; a workload that it was spent on may still be touched",
            scope, json_text_or(b, "limit", "?"), json_text_or(b, "resets", "?"));
}

json_t *plan_now_new(const json_t *status, const json_t *record)
{
    static const struct {
        const char *key;
        void (*say)(const struct wanted *w, const json_t *entry);
    } lists[] = {{"paused", say_pause},
                 {"maintenance", say_window},
                 {"breakers", say_breaker},
                 {"storms", say_storm},
                 {"budgets", say_budget}};
    const json_t *target = json_object_get(record, "target");
    const struct wanted w = {.cluster = json_text(record, "cluster"),
                             .namespace = json_text(target, "namespace"),
                             .playbook = json_text(record, "playbook"),
                             .what = str_eq(json_text(target, "kind"), "Node") ? "nodes" : "workloads",
                             .list = json_array()};
    size_t k;
    json_t *entry;
    if (!w.playbook) /* nothing would be done anyway */
        return w.list;
    if (json_bool_or(status, "dry_run", false))
        say(&w, "dry_run: that mendd runs with --dry-run");
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        json_array_foreach (json_object_get(status, lists[i].key), k, entry)
            lists[i].say(&w, entry);
    return w.list;
}
