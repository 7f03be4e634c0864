/* Sections that keep mendd from doing too much: budgets, storm, breaker, maintenance windows. Defaults: off, until
 * their section is there. */
#include "config/sections.h"

#include "base/alloc.h"
#include "base/cron.h"
#include "base/text.h"

#include <string.h>

#define MINUTE_MS (60 * MSEC_PER_SEC)
#define DAY_MS (24 * 60 * MINUTE_MS)

/* ---- budgets ---- */

#define BUDGET(name) offsetof(struct budget, name)
#define BUDGETS(name) offsetof(struct budget_settings, name)

static void read_percent(struct loader *l, const struct node *value, void *field)
{
    int percent = 0, *out = field;
    read_form(l, &(struct key){.name = "percent", .form = FORM_COUNT}, value, &percent);
    if (percent > 100)
        faults_add(l->faults, value, "a share is at most 100 percent, not %d", percent);
    else if (percent > 0)
        *out = percent;
}

static const struct key budget_scope_keys[] = {
    {"workloads", FORM_RATES, BUDGET(workloads), .doc = "distinct workloads with effects in a window"},
    {"workloads_percent", FORM_COUNT, BUDGET(workloads_percent), .read = read_percent,
     .doc = "share of the workloads there are, rounded up"},
    {"nodes", FORM_RATES, BUDGET(nodes), .doc = "distinct nodes with effects in a window"},
    {"nodes_percent", FORM_COUNT, BUDGET(nodes_percent), .read = read_percent, .doc = "share of the nodes there are"},
    {"window", FORM_DURATION, BUDGET(window_ms), .doc = "of the shares; default 1h"},
    {0},
};
const struct key budgets_keys[] = {
    {"enabled", FORM_BOOL, BUDGETS(enabled), .doc = "default true"},
    {"workloads", FORM_RATES, BUDGETS(global.workloads), .doc = "distinct workloads with effects in a window"},
    {"workloads_percent", FORM_COUNT, BUDGETS(global.workloads_percent), .read = read_percent,
     .doc = "share of the workloads there are, rounded up"},
    {"nodes", FORM_RATES, BUDGETS(global.nodes), .doc = "distinct nodes with effects in a window"},
    {"nodes_percent", FORM_COUNT, BUDGETS(global.nodes_percent), .read = read_percent,
     .doc = "share of the nodes there are"},
    {"window", FORM_DURATION, BUDGETS(global.window_ms), .doc = "of the shares; default 1h"},
    {"per_cluster", FORM_MAP, BUDGETS(cluster), .sub = budget_scope_keys, .doc = "the same for each cluster"},
    {"per_namespace", FORM_MAP, BUDGETS(namespace), .sub = budget_scope_keys, .doc = "the same for each namespace"},
    {0},
};

static bool limits_anything(const struct budget *b)
{
    return b->workloads || b->nodes || b->workloads_percent || b->nodes_percent;
}

void read_budgets(struct loader *l, const struct node *map, void *field)
{
    struct budget_settings *b = &((struct config *)field)->budgets;
    b->enabled = true;
    b->global.window_ms = b->cluster.window_ms = b->namespace.window_ms = 60 * MINUTE_MS;
    const size_t faults_before = l->faults->n;
    read_map(l, map, "\"budgets\"", budgets_keys, b);
    const struct node *in_namespace = node_get(map, "per_namespace");
    if (b->namespace.nodes || b->namespace.nodes_percent)
        faults_add(l->faults, in_namespace, "nodes belong to no namespace: limit them per cluster or for all");
    if (l->faults->n > faults_before)
        return;
    if (b->enabled && !limits_anything(&b->global) && !limits_anything(&b->cluster) && !limits_anything(&b->namespace))
        faults_add(l->faults, map,
                   "\"budgets\" limits nothing: give workloads, workloads_percent, nodes or nodes_percent");
}

/* ---- storm, breaker ---- */

#define STORM(name) offsetof(struct storm_settings, name)
#define BREAKER(name) offsetof(struct breaker_settings, name)

const struct key storm_keys[] = {
    {"enabled", FORM_BOOL, STORM(enabled), .doc = "default true"},
    {"targets", FORM_COUNT, STORM(targets), .doc = "more distinct ones than this are a storm; default 10"},
    {"within", FORM_DURATION, STORM(within_ms), .doc = "in this time; default 1m"},
    {0},
};
const struct key breaker_keys[] = {
    {"enabled", FORM_BOOL, BREAKER(enabled), .doc = "default true"},
    {"failures", FORM_COUNT, BREAKER(playbook_failures), .doc = "failed runs of one playbook; default 3"},
    {"global_failures", FORM_COUNT, BREAKER(global_failures), .doc = "failed runs of all playbooks; default 10"},
    {"api_faults", FORM_COUNT, BREAKER(api_faults), .doc = "5xx and timeouts of an API server; default 20"},
    {"within", FORM_DURATION, BREAKER(within_ms), .doc = "counted in this time; default 10m"},
    {"open", FORM_DURATION, BREAKER(open_ms), .doc = "how long it stays open before one run may try; default 5m"},
    {0},
};

static void want_time(struct loader *l, const struct node *map, const char *key, int64_t ms)
{
    if (ms <= 0)
        faults_add(l->faults, node_get(map, key), "\"%s\" must be longer than nothing", key);
}

void read_storm(struct loader *l, const struct node *map, void *field)
{
    struct storm_settings *s = &((struct config *)field)->storm;
    *s = (struct storm_settings){.enabled = true, .targets = 10, .within_ms = MINUTE_MS};
    read_map(l, map, "\"storm\"", storm_keys, s);
    want_time(l, map, "within", s->within_ms);
}

void read_breaker(struct loader *l, const struct node *map, void *field)
{
    struct breaker_settings *b = &((struct config *)field)->breaker;
    *b = (struct breaker_settings){.enabled = true,
                                   .playbook_failures = 3,
                                   .global_failures = 10,
                                   .api_faults = 20,
                                   .within_ms = 10 * MINUTE_MS,
                                   .open_ms = 5 * MINUTE_MS};
    read_map(l, map, "\"breaker\"", breaker_keys, b);
    want_time(l, map, "within", b->within_ms);
    want_time(l, map, "open", b->open_ms);
}

/* ---- maintenance ---- */

#define WINDOW(name) offsetof(struct window, name)
#define DRAFT(name) offsetof(struct maintenance_draft, name)

static const char *const inside_choices[] = {"hold", "observe", NULL};

struct maintenance_draft { /* what windows take over from the section */
    struct config *config;
    int64_t notice_ms;
    char **notify;
};

static void read_cron(struct loader *l, const struct node *value, void *field)
{
    struct cron **cron = field;
    _cleanup_error_ struct error err = ERROR_NONE;
    if (want_type(l, value, NODE_SCALAR) && cron_parse(value->scalar, cron, &err) < 0)
        faults_add(l->faults, value, "\"%s\" is no schedule: %s", value->scalar, error_message(&err));
}

static void read_zone(struct loader *l, const struct node *value, void *field)
{
    struct zone **zone = field;
    _cleanup_error_ struct error err = ERROR_NONE;
    if (want_type(l, value, NODE_SCALAR) && zone_load(value->scalar, zone, &err) < 0)
        faults_add(l->faults, value, "%s", error_message(&err));
}

static void read_inside(struct loader *l, const struct node *value, void *field)
{
    bool *observe = field;
    int choice = *observe;
    read_form(l, &(struct key){.name = "inside", .form = FORM_CHOICE, .choices = inside_choices}, value, &choice);
    *observe = choice == 1;
}

static const struct key window_keys[] = {
    {"name", FORM_NAME, WINDOW(name), KEY_REQUIRED, .doc = "its name in records and notices, unique"},
    {"cron", FORM_TEXT, WINDOW(cron), KEY_REQUIRED, .read = read_cron, .doc = "when it opens: \"0 2 * * sun\""},
    {"duration", FORM_DURATION, WINDOW(duration_ms), KEY_REQUIRED, .doc = "how long it stays open"},
    {"timezone", FORM_TEXT, WINDOW(zone), .read = read_zone, .doc = "of cron; default UTC"},
    {"clusters", FORM_TEXTS, WINDOW(clusters), .doc = "default: all"},
    {"namespaces", FORM_TEXTS, WINDOW(namespaces), .doc = "default: all"},
    {"playbooks", FORM_TEXTS, WINDOW(playbooks), .doc = "default: all"},
    {"inside", FORM_CHOICE, WINDOW(observe), .choices = inside_choices, .read = read_inside,
     .doc = "hold repairs until it closes (the default), or only observe"},
    {"notice", FORM_DURATION, WINDOW(notice_ms), .doc = "how long before it opens receivers are told"},
    {"notify", FORM_TEXTS, WINDOW(notify), .doc = "receivers of the notice"},
    {0},
};

/* "namespaces: []" would cover nothing, and read as if it covered all. */
static void want_some(struct loader *l, const struct node *map, const char *key)
{
    const struct node *list = node_get(map, key);
    if (list && list->type == NODE_LIST && list->n_children == 0)
        faults_add(l->faults, list, "\"%s\" names none, so the window would cover nothing: leave it out for all", key);
}

static void want_clusters(struct loader *l, const struct config *c, const struct node *map)
{
    const struct node *list = node_get(map, "clusters");
    const char **names = xcalloc(c->n_clusters + 1, sizeof(char *));
    for (size_t i = 0; i < c->n_clusters; i++)
        names[i] = c->clusters[i].name ? c->clusters[i].name : "";
    for (size_t i = 0; c->n_clusters > 0 && list && list->type == NODE_LIST && i < list->n_children; i++) {
        const char *name = list->children[i]->scalar;
        if (name && !strchr(name, '*') && !str_in(name, names))
            fault_suggest(l, list->children[i], name, names, "there is no cluster \"%s\"", name);
    }
    free(names);
}

/* Looked at for as many openings as a day has minutes: a gap that comes later is not worth waiting for. */
static bool closes(const struct window *w)
{
    enum { MINUTES_A_DAY = 24 * 60 };
    int64_t at_us = cron_next(w->cron, w->zone, 0);
    for (int i = 0; i < MINUTES_A_DAY && at_us != INT64_MAX; i++) {
        int64_t next_us = cron_next(w->cron, w->zone, at_us);
        if (next_us == INT64_MAX || next_us - at_us > w->duration_ms * USEC_PER_MSEC)
            return true;
        at_us = next_us;
    }
    return false;
}

static void check_window(struct loader *l, const struct node *map, struct config *c, size_t i)
{
    struct window *w = &c->windows[i];
    _cleanup_error_ struct error err = ERROR_NONE;
    if (!w->zone && zone_load("UTC", &w->zone, &err) < 0)
        faults_add(l->faults, map, "%s", error_message(&err));
    if (node_get(map, "duration"))
        want_time(l, map, "duration", w->duration_ms);
    if (w->duration_ms > 366 * DAY_MS)
        faults_add(l->faults, node_get(map, "duration"), "a window stays open for at most a year");
    else if (w->cron && w->zone && w->duration_ms > 0 && !closes(w))
        faults_warn(l->faults, map, "the window never closes: it opens again before its duration is over");
    want_some(l, map, "clusters");
    want_some(l, map, "namespaces");
    want_some(l, map, "playbooks");
    want_clusters(l, c, map);
    for (size_t k = 0; k < i; k++)
        if (w->name && str_eq(c->windows[k].name, w->name))
            faults_add(l->faults, node_get(map, "name"), "there is a window \"%s\" already", w->name);
}

static void read_windows(struct loader *l, const struct node *list, void *field)
{
    struct maintenance_draft *d = (struct maintenance_draft *)field;
    struct config *c = d->config;
    if (!want_type(l, list, NODE_LIST))
        return;
    c->windows = xcalloc(list->n_children + 1, sizeof(struct window));
    c->n_windows = list->n_children;
    for (size_t i = 0; i < list->n_children; i++) {
        c->windows[i].notice_ms = d->notice_ms;
        read_map(l, list->children[i], "a window", window_keys, &c->windows[i]);
        if (!c->windows[i].notify)
            c->windows[i].notify = texts_dup(d->notify);
        check_window(l, list->children[i], c, i);
    }
}

/* In this order: windows take over the section's notice and its receivers. */
const struct key maintenance_keys[] = {
    {"notice", FORM_DURATION, DRAFT(notice_ms),
     .doc = "how long before a window opens receivers are told; default none"},
    {"notify", FORM_TEXTS, DRAFT(notify), .doc = "receivers of the notices"},
    {"windows", FORM_LIST, DRAFT(config), KEY_REQUIRED, .sub = window_keys, .read = read_windows,
     .doc = "when mendd holds still, or when playbooks with maintenance: only may run"},
    {0},
};

void read_maintenance(struct loader *l, const struct node *map, void *field)
{
    struct maintenance_draft d = {.config = field};
    read_map(l, map, "\"maintenance\"", maintenance_keys, &d);
    texts_free(d.notify);
}

/* ---- schedules ---- */

#define SCHEDULE(name) offsetof(struct schedule_entry, name)

const struct key schedule_keys[] = {
    {"name", FORM_NAME, SCHEDULE(name), KEY_REQUIRED, .doc = "the label schedule of its alert, unique"},
    {"cron", FORM_TEXT, SCHEDULE(cron), KEY_REQUIRED, .read = read_cron, .doc = "when: \"0 7 * * mon-fri\""},
    {"timezone", FORM_TEXT, SCHEDULE(zone), .read = read_zone, .doc = "of cron; default UTC"},
    {"labels", FORM_VARS, SCHEDULE(labels), .doc = "further labels of its alert"},
    {"catch_up", FORM_BOOL, SCHEDULE(catch_up), .doc = "what mendd slept through comes once, late; default false"},
    {0},
};

static void want_own_labels(struct loader *l, const struct schedule_entry *s, const struct node *map)
{
    static const char *const set[] = {"alertname", "schedule"};
    for (size_t i = 0; i < ARRAY_SIZE(set); i++)
        if (json_object_get(s->labels, set[i]))
            faults_add(l->faults, node_get(map, "labels"),
                       "the label \"%s\" is mendd's own: alertname is MenddSchedule, "
                       "schedule is the name",
                       set[i]);
}

void read_schedules(struct loader *l, const struct node *list, void *field)
{
    struct config *c = field;
    if (!want_type(l, list, NODE_LIST))
        return;
    c->schedules = xcalloc(list->n_children + 1, sizeof(struct schedule_entry));
    c->n_schedules = list->n_children;
    for (size_t i = 0; i < list->n_children; i++) {
        struct schedule_entry *s = &c->schedules[i];
        _cleanup_error_ struct error err = ERROR_NONE;
        read_map(l, list->children[i], "a schedule", schedule_keys, s);
        want_own_labels(l, s, list->children[i]);
        if (!s->zone && zone_load("UTC", &s->zone, &err) < 0)
            faults_add(l->faults, list->children[i], "%s", error_message(&err));
        for (size_t k = 0; k < i; k++)
            if (s->name && str_eq(c->schedules[k].name, s->name))
                faults_add(l->faults, list->children[i], "there is a schedule \"%s\" already", s->name);
    }
}

void safety_clear(struct config *c)
{
    struct budget *const budgets[] = {&c->budgets.global, &c->budgets.cluster, &c->budgets.namespace};
    for (size_t i = 0; i < ARRAY_SIZE(budgets); i++) {
        free(budgets[i]->workloads);
        free(budgets[i]->nodes);
    }
    for (size_t i = 0; i < c->n_windows; i++) {
        struct window *w = &c->windows[i];
        free(w->name);
        cron_free(w->cron);
        zone_unref(w->zone);
        texts_free(w->clusters);
        texts_free(w->namespaces);
        texts_free(w->playbooks);
        texts_free(w->notify);
    }
    free(c->windows);
    for (size_t i = 0; i < c->n_schedules; i++) {
        free(c->schedules[i].name);
        cron_free(c->schedules[i].cron);
        zone_unref(c->schedules[i].zone);
        json_decref(c->schedules[i].labels);
    }
    free(c->schedules);
}
