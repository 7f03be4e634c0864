/* The internal alerts of the watch: those that must stand now are made anew from what is known and compared with those
 * that stand; what is missing is raised, what is too much is resolved (resolved first: a set changes its status). They
 * only tell: what is done about them stands in playbooks, and a lost cluster alone provisions nothing.
 *
 *   MenddClusterUnavailable{cluster, cause, severity=P1}
 *   MenddClusterSet{set, primary, secondary, status, reason, severity, …}, reason and what comes with it:
 *     unavailable  status BLOCKED_…; one side (P1): cluster (which is gone), survivor, cause; both: P0
 *     imbalance    status IMBALANCE, side (primary, secondary, both), cluster; P2
 *     capacity     status CAPACITY, side, cluster, level (warning, critical); P2
 *
 * Labels hold only what stays as long as the alert: numbers stand in annotations. */
#include "base/alloc.h"
#include "base/text.h"
#include "core/cluster_watch.h"

#define LONG_AGO_US (-INT64_C(1000000) * 1000000)

static const char *const side_names[] = {"primary", "secondary", "both"};
static const char *const level_names[] = {
    [CAPACITY_OK] = "ok", [CAPACITY_WARN] = "warning", [CAPACITY_CRITICAL] = "critical"};

/* ---- those that must stand ---- */

/* Takes all but `wanted`. */
static void want(json_t *wanted, json_t *labels_new, char *summary_new, const char *provider_status)
{
    _cleanup_free_ char *key = json_canonical(labels_new), *summary = summary_new;
    json_t *annotations = json_object();
    json_set_text(annotations, "summary", summary);
    json_set_text(annotations, "provider_status", provider_status);
    json_object_set_new(wanted, key, json_pack("{s:o, s:o}", "labels", labels_new, "annotations", annotations));
}

static void want_cluster(json_t *wanted, const struct watched *w)
{
    const char *cause = cluster_cause_name(w->cause);
    want(wanted,
         json_pack("{s:s, s:s, s:s, s:s}", "alertname", "MenddClusterUnavailable", "cluster", w->name, "cause", cause,
                   "severity", "P1"),
         xasprintf("cluster %s is unavailable: %s", w->name,
                   w->cause == CAUSE_NO_NODES ? "no node of it is ready"
                   : w->view.words            ? w->view.words
                                              : cause),
         NULL);
}

static json_t *set_labels_new(const struct cluster_set *set, const char *status, const char *reason,
                              const char *severity)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "alertname", "MenddClusterSet", "set", set->name, "status",
                     status, "reason", reason, "severity", severity, "primary", set->primary, "secondary",
                     set->secondary);
}

static void want_unavailable(const struct core *c, json_t *wanted, const struct cluster_set *set,
                             enum set_status status)
{
    const bool both = status == SET_BOTH_GONE;
    const int gone = status == SET_SECONDARY_GONE ? SECONDARY : PRIMARY;
    json_t *labels = set_labels_new(set, set_status_name(status), "unavailable", both ? "P0" : "P1");
    if (both) {
        want(wanted, labels, xasprintf("both clusters of the set %s are unavailable", set->name), set->provider_status);
        return;
    }
    json_set_text(labels, "cluster", set_side_cluster(set, gone));
    json_set_text(labels, "survivor", set_side_cluster(set, !gone));
    json_set_text(labels, "cause", cluster_cause_name(set_side(c, set, gone)->cause));
    want(wanted, labels,
         xasprintf("the %s of the set %s, cluster %s, is unavailable; cluster %s is all that is left", side_names[gone],
                   set->name, set_side_cluster(set, gone), set_side_cluster(set, !gone)),
         set->provider_status);
}

static void want_imbalance(const struct core *c, json_t *wanted, const struct cluster_set *set)
{
    bool known = false;
    const int side = set_constraint(c, set, &known);
    if (side < 0)
        return;
    json_t *labels = set_labels_new(set, "IMBALANCE", "imbalance", "P2");
    json_set_text(labels, "side", side_names[side]);
    json_set_text(labels, "cluster", side == 2 ? NULL : set_side_cluster(set, side));
    want(wanted, labels,
         xasprintf("the set %s has too few nodes: %d ready in cluster %s, %d in cluster %s", set->name,
                   set_side(c, set, PRIMARY)->view.ready, set->primary, set_side(c, set, SECONDARY)->view.ready,
                   set->secondary),
         set->provider_status);
}

static void want_capacity(const struct core *c, json_t *wanted, const struct cluster_set *set,
                          const struct set_state *state, int side)
{
    const struct watched *w = set_side(c, set, side);
    const int percent = w ? cluster_view_percent(&w->view) : -1;
    json_t *labels = set_labels_new(set, "CAPACITY", "capacity", "P2");
    json_set_text(labels, "side", side_names[side]);
    json_set_text(labels, "cluster", set_side_cluster(set, side));
    json_set_text(labels, "level", level_names[state->level[side]]);
    want(wanted, labels,
         xasprintf("cluster %s of the set %s is %d %% full", set_side_cluster(set, side), set->name, percent),
         set->provider_status);
}

static json_t *wanted_new(struct core *c)
{
    json_t *wanted = json_object();
    for (size_t i = 0; i < c->watch->n; i++)
        if (watched_is_down(&c->watch->list[i]))
            want_cluster(wanted, &c->watch->list[i]);
    for (size_t i = 0; i < c->settings->n_cluster_sets; i++) {
        const struct cluster_set *set = &c->settings->cluster_sets[i];
        const struct set_state *state = set_state_find(c->watch, set->name);
        const enum set_status now = set_status_now(c, set);
        if (now == SET_PRIMARY_GONE || now == SET_SECONDARY_GONE || now == SET_BOTH_GONE)
            want_unavailable(c, wanted, set, now);
        if (now == SET_UNKNOWN || now == SET_DISABLED)
            continue;
        if (state->uneven)
            want_imbalance(c, wanted, set);
        for (int side = PRIMARY; side <= SECONDARY; side++)
            if (state->full[side])
                want_capacity(c, wanted, set, state, side);
    }
    return wanted;
}

/* Nobody can say yet: what stands stands. */
static bool is_open_question(const struct core *c, const json_t *labels)
{
    const char *name = json_text(labels, "set");
    if (!name) {
        const struct watched *w = cluster_watch_find(c, json_text(labels, "cluster"));
        return w && !w->known;
    }
    for (size_t i = 0; i < c->settings->n_cluster_sets; i++) {
        const struct cluster_set *set = &c->settings->cluster_sets[i];
        bool known = false;
        if (!str_eq(set->name, name))
            continue;
        set_constraint(c, set, &known);
        const enum set_status now = set_status_now(c, set);
        return now == SET_UNKNOWN || (now == SET_ACTIVE && !known && str_eq(json_text(labels, "reason"), "imbalance"));
    }
    return false;
}

/* ---- raised and resolved ---- */

static void resolve_old(struct core *c, const json_t *wanted)
{
    json_t *stands = c->watch->alerts, *alert;
    const char *key;
    void *next;
    json_object_foreach_safe (stands, next, key, alert) {
        if (json_object_get(wanted, key) || is_open_question(c, json_object_get(alert, "labels")))
            continue;
        _cleanup_json_ json_t *held = json_incref(alert);
        json_object_del(stands, key);
        core_keep(c, KEPT_CLUSTERS);
        episode_internal(c, json_object_get(held, "labels"), NULL, json_text(held, "since"), false);
    }
}

static void raise_new(struct core *c, const json_t *wanted)
{
    json_t *alert;
    const char *key;
    json_object_foreach ((json_t *)wanted, key, alert) {
        json_t *stands = json_object_get(c->watch->alerts, key);
        const bool again = json_bool_or(stands, "again", false);
        if (stands && !again)
            continue;
        if (!stands) {
            stands = json_pack("{s:O}", "labels", json_object_get(alert, "labels"));
            record_set_time(stands, "since", c->now.wall_us);
            json_object_set_new(c->watch->alerts, key, stands);
        }
        json_object_del(stands, "again");
        core_keep(c, KEPT_CLUSTERS);
        episode_internal(c, json_object_get(alert, "labels"), json_object_get(alert, "annotations"),
                         json_text(stands, "since"), true);
    }
}

void cluster_alerts_raise(struct core *c)
{
    _cleanup_json_ json_t *wanted = wanted_new(c);
    resolve_old(c, wanted);
    raise_new(c, wanted);
}

/* New settings close what waits without a run (episode.c): nobody sends these alerts again, so they are raised again.
 */
void cluster_watch_settings(struct core *c)
{
    json_t *alert;
    const char *key;
    json_object_foreach (c->watch ? c->watch->alerts : NULL, key, alert) {
        const struct run *run = episode_internal_find(c, json_object_get(alert, "labels"));
        if (run && run->parked)
            json_object_set_new(alert, "again", json_true());
    }
}

void cluster_alerts_restored(struct cluster_watch *watch)
{
    json_t *alert;
    const char *key;
    json_object_foreach (watch->alerts, key, alert) {
        const json_t *labels = json_object_get(alert, "labels");
        const char *set = json_text(labels, "set"), *reason = json_text(labels, "reason");
        struct set_state *state = set ? set_state_get(watch, set) : NULL;
        const int side = str_eq(json_text(labels, "side"), side_names[PRIMARY]) ? PRIMARY : SECONDARY;
        if (state && str_eq(reason, "imbalance")) {
            state->uneven = true;
            state->uneven_since_us = LONG_AGO_US;
        } else if (state && str_eq(reason, "capacity")) {
            const bool critical = str_eq(json_text(labels, "level"), level_names[CAPACITY_CRITICAL]);
            state->full[side] = true;
            state->full_since_us[side] = LONG_AGO_US;
            state->level[side] = critical ? CAPACITY_CRITICAL : CAPACITY_WARN;
        }
    }
}

bool run_is_of_watch(const struct run *run)
{
    const char *name = record_alertname(run);
    return str_eq(name, "MenddClusterUnavailable") || str_eq(name, "MenddClusterSet");
}

/* ---- what people see ---- */

static void set_percent(json_t *o, const char *key, int percent)
{
    json_object_set_new(o, key, percent < 0 ? json_null() : json_integer(percent));
}

static json_t *watched_new(const struct watched *w)
{
    const struct cluster_view *v = &w->view;
    const bool down = watched_is_down(w);
    json_t *o = json_pack("{s:s, s:o, s:n, s:s?, s:n, s:s?}", "name", w->name, "reachable",
                          w->known ? json_boolean(!w->api.down) : json_null(), "last_contact", "cause",
                          down ? cluster_cause_name(w->cause) : NULL, "down_since", "trouble",
                          v->words ? v->words : v->unknown);
    if (w->heard_wall_us)
        record_set_time(o, "last_contact", w->heard_wall_us);
    if (down)
        record_set_time(o, "down_since", w->down_since_wall_us);
    json_t *nodes = json_object(), *capacity = json_object();
    set_percent(nodes, "ready", v->ready);
    set_percent(nodes, "schedulable", v->schedulable);
    set_percent(nodes, "total", v->nodes);
    set_percent(capacity, "pods_percent", v->pods_percent);
    set_percent(capacity, "cpu_percent", v->cpu_percent);
    set_percent(capacity, "memory_percent", v->memory_percent);
    json_object_set_new(o, "nodes", nodes);
    json_object_set_new(o, "capacity", capacity);
    return o;
}

json_t *watched_clusters_status_new(const struct core *c)
{
    json_t *list = json_array();
    for (size_t i = 0; c->watch && i < c->watch->n; i++)
        json_array_append_new(list, watched_new(&c->watch->list[i]));
    return list;
}

json_t *cluster_sets_status_new(const struct core *c)
{
    json_t *list = json_array();
    for (size_t i = 0; i < c->settings->n_cluster_sets; i++)
        json_array_append_new(list, cluster_set_status_new(c, &c->settings->cluster_sets[i]));
    return list;
}
