/* What the core needs of the configuration: plain values, no secrets, no addresses. Owned by whoever made it;
 * immutable. Lists of texts end with NULL, lists of rates with count 0. Everything that is not configured is off. */
#pragma once

#include "base/json.h"
#include "core/playbook.h"

#include <stdbool.h>
#include <stdint.h>

struct cron; /* base/cron.h */
struct zone; /* base/zone.h */

/* At most so many distinct workloads (nodes) with effects in a window, and at most that share of those that are
 * desired, rounded up, at least 1. */
struct budget {
    struct rate *workloads, *nodes;       /* NULL: no absolute limit */
    int workloads_percent, nodes_percent; /* 0: no relative limit */
    int64_t window_ms;                    /* of the percentages */
};

struct budget_settings {
    bool enabled;
    struct budget global, cluster, namespace; /* each cluster, each namespace has a budget of its own */
};

/* Opens after `failures` failed runs within `within_ms` (of a playbook, or of all), or after `api_faults` faults of an
 * API server; half-open after `open_ms`: one run may try. */
struct breaker_settings {
    bool enabled;
    int playbook_failures, global_failures, api_faults;
    int64_t within_ms, open_ms;
};

struct storm_settings {
    bool enabled;
    int targets; /* more than so many distinct ones … */
    int64_t within_ms;
};

/* A maintenance window: opens by cron in a time zone, stays open for a while. Lists NULL: all. */
struct window {
    char *name;
    struct cron *cron;
    struct zone *zone;
    int64_t duration_ms, notice_ms; /* notice 0: none */
    char **clusters, **namespaces, **playbooks;
    bool observe;  /* inside: observe instead of hold */
    char **notify; /* receivers of the notice */
};

struct escalation_level {
    char **notify;       /* receivers */
    int64_t response_ms; /* 0: no next level, nobody is overdue */
};

struct escalation_policy {
    char *severity; /* "default" serves what has no policy of its own */
    struct escalation_level *levels;
    size_t n_levels;
};

struct escalation_settings {
    struct escalation_policy *policies;
    size_t n_policies;
    char **digest;              /* receivers of what was repaired; NULL: none */
    int64_t digest_interval_ms; /* 0: none */
};

/* The policy of that severity, else the default one, else NULL. */
const struct escalation_policy *escalation_policy_of(const struct escalation_settings *s, const char *severity);

/* The internal alert MenddSchedule{schedule=NAME, labels…} at each time of the cron entry. */
struct schedule_entry {
    char *name;
    struct cron *cron;
    struct zone *zone;
    json_t *labels; /* object of texts, or NULL */
    bool catch_up;  /* what was slept through comes once, late */
};

/* A cluster that is looked at (core/cluster_watch.h): down after it was away for so long. */
struct watched_cluster {
    char *name;
    int64_t interval_ms, unavailable_after_ms;
};

/* Two clusters that stand in for each other. */
struct cluster_set {
    char *name, *primary, *secondary;
    char *provider_status; /* where their provider says how it is; or NULL */
    bool enabled;
    int nodes_per_side;                   /* fewer ready ones are too few; 0: any number will do */
    int capacity_warn, capacity_critical; /* percent */
    int64_t unavailable_after_ms;
};

/* Where the action `backup` keeps what is about to be changed: beside it in the cluster, or in a folder of mendd's
 * host. A Secret is always kept in a Secret beside it. */
enum backup_to { BACKUP_CONFIGMAP, BACKUP_SECRET, BACKUP_FOLDER };
#define BACKUP_RETENTION_MS (INT64_C(30) * 24 * 3600 * 1000)
struct backup_settings {
    int to; /* enum backup_to */
    char *folder;
    int64_t retention_ms; /* what is older goes when the same object is kept again */
};

/* What mendd never touches: where it runs itself. NULL: not known (not in a cluster). */
struct self {
    char *cluster, *namespace, *pod, *node;
};

struct settings {
    struct playbook_table *table;
    char *default_cluster;        /* name of the first cluster, "default" if none is configured */
    char **protected_namespaces;  /* NULL-terminated; exact names or prefix "kube-*" */
    char *ignore_annotation;      /* mendd.io/ignore */
    struct rate *target_attempts; /* spans playbooks; ended by count 0 */
    bool escalate_unmatched;      /* unmatched: escalate */
    bool has_prometheus;          /* resolve's default: wait with one, post without */
    int n_alertmanagers;
    bool events;  /* what is done to an object is told there, as a Kubernetes Event */
    bool dry_run; /* --dry-run: nothing is sent that changes anything */
    struct budget_settings budgets;
    struct breaker_settings breaker;
    struct storm_settings storm;
    struct window *windows;
    size_t n_windows;
    struct escalation_settings escalation;
    struct schedule_entry *schedules;
    size_t n_schedules;
    struct watched_cluster *watched;
    size_t n_watched;
    struct cluster_set *cluster_sets;
    size_t n_cluster_sets;
    struct backup_settings backup;
    struct self self;
};
