/* `clusters[].watch` and `cluster_sets`: what is looked at, and which clusters stand in for each other. A cluster is
 * watched if it says so or stands in a set; nothing else wakes up for it. */
#include "config/sections.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"

#include <string.h>

#define INTERVAL_MS (30 * MSEC_PER_SEC)
#define UNAVAILABLE_AFTER_MS (60 * MSEC_PER_SEC)
#define WATCH(name) offsetof(struct cluster_config, name)
#define SET(name) offsetof(struct cluster_set, name)

/* ---- watch ---- */

const struct key watch_keys[] = {
    {"interval", FORM_DURATION, WATCH(watch_interval_ms), .doc = "how often it is looked at; default 30s"},
    {"unavailable_after", FORM_DURATION, WATCH(watch_after_ms), .doc = "away this long it is lost; default 60s"},
    {0},
};

static void want_seconds(struct loader *l, const struct node *map, const char *key, int64_t ms)
{
    if (node_get(map, key) && ms < MSEC_PER_SEC)
        faults_add(l->faults, node_get(map, key), "\"%s\" must be at least 1s", key);
}

void read_watch(struct loader *l, const struct node *map, void *field)
{
    struct cluster_config *cl = field;
    cl->watched = true;
    read_map(l, map, "\"watch\"", watch_keys, cl);
    want_seconds(l, map, "interval", cl->watch_interval_ms);
    want_seconds(l, map, "unavailable_after", cl->watch_after_ms);
}

/* ---- sets ---- */

static const struct key provider_keys[] = {
    {"url", FORM_URL, SET(provider_status), KEY_REQUIRED, .doc = "the annotation provider_status of the set's alerts"},
    {0},
};

static void read_provider(struct loader *l, const struct node *map, void *field)
{
    read_map(l, map, "\"provider_status\"", provider_keys, field);
}

const struct key cluster_set_keys[] = {
    {"name", FORM_NAME, SET(name), KEY_REQUIRED, .doc = "the label set of its alerts, unique"},
    {"primary", FORM_TEXT, SET(primary), KEY_REQUIRED, .doc = "a cluster of the config"},
    {"secondary", FORM_TEXT, SET(secondary), KEY_REQUIRED, .doc = "another one"},
    {"enabled", FORM_BOOL, SET(enabled), .doc = "false: its status is DISABLED, nobody is told; default true"},
    {"nodes_per_side", FORM_COUNT, SET(nodes_per_side), .doc = "a side with fewer ready nodes is short of them"},
    {"capacity_warn", FORM_COUNT, SET(capacity_warn), .doc = "percent in use; default 80"},
    {"capacity_critical", FORM_COUNT, SET(capacity_critical), .doc = "percent in use; default 90"},
    {"unavailable_after", FORM_DURATION, SET(unavailable_after_ms),
     .doc = "a side away this long is lost; default 60s"},
    {"provider_status", FORM_MAP, .sub = provider_keys, .read = read_provider,
     .doc = "where their provider says how it is"},
    {0},
};

static void check_name(struct loader *l, const struct node *map, const char *key, const char *name,
                       const struct config *c)
{
    enum { MAX = 64 };
    const char *names[MAX + 1] = {0};
    const struct node *at = node_get(map, key);
    if (!name || !at)
        return;
    for (size_t i = 0; i < c->n_clusters && i < MAX; i++) {
        names[i] = c->clusters[i].name;
        if (str_eq(names[i], name))
            return;
    }
    fault_suggest(l, at, name, names, "the config names no cluster \"%s\"", name);
}

static void check_set(struct loader *l, const struct node *map, const struct config *c, size_t i)
{
    const struct cluster_set *s = &c->cluster_sets[i];
    check_name(l, map, "primary", s->primary, c);
    check_name(l, map, "secondary", s->secondary, c);
    if (s->primary && str_eq(s->primary, s->secondary))
        faults_add(l->faults, node_get(map, "secondary"), "a cluster cannot stand in for itself");
    if (s->capacity_warn >= s->capacity_critical)
        faults_add(l->faults, map, "capacity_warn (%d) must be below capacity_critical (%d)", s->capacity_warn,
                   s->capacity_critical);
    if (s->capacity_critical > 100)
        faults_add(l->faults, node_get(map, "capacity_critical"), "a share is at most 100 percent, not %d",
                   s->capacity_critical);
    want_seconds(l, map, "unavailable_after", s->unavailable_after_ms);
    for (size_t k = 0; k < i; k++)
        if (s->name && str_eq(c->cluster_sets[k].name, s->name))
            faults_add(l->faults, node_get(map, "name"), "there is a cluster set \"%s\" already", s->name);
}

void read_cluster_sets(struct loader *l, const struct node *list, void *field)
{
    struct config *c = field;
    if (!want_type(l, list, NODE_LIST))
        return;
    c->cluster_sets = xcalloc(list->n_children + 1, sizeof(struct cluster_set));
    c->n_cluster_sets = list->n_children;
    for (size_t i = 0; i < list->n_children; i++) {
        c->cluster_sets[i] = (struct cluster_set){.enabled = true,
                                                  .capacity_warn = 80,
                                                  .capacity_critical = 90,
                                                  .unavailable_after_ms = UNAVAILABLE_AFTER_MS};
        read_map(l, list->children[i], "a cluster set", cluster_set_keys, &c->cluster_sets[i]);
        check_set(l, list->children[i], c, i);
    }
}

/* ---- together ---- */

/* Of several sets the most impatient counts, unless the cluster itself says how long. */
static bool is_in_a_set(const struct config *c, const char *name, int64_t *ret_after_ms)
{
    bool found = false;
    for (size_t i = 0; i < c->n_cluster_sets; i++) {
        const struct cluster_set *s = &c->cluster_sets[i];
        if (!str_eq(s->primary, name) && !str_eq(s->secondary, name))
            continue;
        if (!found || s->unavailable_after_ms < *ret_after_ms)
            *ret_after_ms = s->unavailable_after_ms;
        found = true;
    }
    return found;
}

void cluster_sets_finish(struct config *c)
{
    c->watched = xcalloc(c->n_clusters + 1, sizeof(*c->watched));
    for (size_t i = 0; i < c->n_clusters; i++) {
        const struct cluster_config *cl = &c->clusters[i];
        int64_t after_ms = UNAVAILABLE_AFTER_MS;
        if (!is_in_a_set(c, cl->name, &after_ms) && !cl->watched)
            continue;
        c->watched[c->n_watched++] =
            (struct watched_cluster){.name = cl->name,
                                     .interval_ms = cl->watch_interval_ms > 0 ? cl->watch_interval_ms : INTERVAL_MS,
                                     .unavailable_after_ms = cl->watch_after_ms > 0 ? cl->watch_after_ms : after_ms};
    }
}

void cluster_sets_clear(struct config *c)
{
    for (size_t i = 0; i < c->n_cluster_sets; i++) {
        struct cluster_set *s = &c->cluster_sets[i];
        free(s->name);
        free(s->primary);
        free(s->secondary);
        free(s->provider_status);
    }
    free(c->cluster_sets);
    free(c->watched);
}
