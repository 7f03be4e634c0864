/* What the files of the cluster watch share. Private to lib/core.
 *
 * cluster_look.c   one look at a cluster: a pure function that asks until it knows
 * cluster_watch.c  when to look, what several looks together mean: lost, back; documents
 * cluster_sets.c   what that means for a pair: status, balance, capacity
 * cluster_alerts.c the alerts that must stand now, against those that stand; what /clusters shows
 *
 * The watch owns everything here; sets and clusters are found by the names of the settings. Times are boot clock
 * microseconds unless a name says wall. One failed look means nothing: a cluster is lost when it failed at least twice
 * in a row and for as long as `unavailable_after` says. The time that mendd was down or stood still counts for nothing.
 */
#pragma once

#include "core/internal.h"

enum cluster_cause {
    CAUSE_NONE,
    CAUSE_UNREACHABLE, /* no answer */
    CAUSE_NOT_READY,   /* the API server answers 5xx */
    CAUSE_NO_NODES,    /* it answers, but no node of it is ready */
    CAUSE_COUNT
};

/* What one look saw. */
struct cluster_view {
    enum cluster_cause cause;                      /* NONE, UNREACHABLE or NOT_READY */
    char *words;                                   /* of the cause */
    int nodes, ready, schedulable;                 /* schedulable: ready and not cordoned; -1: not known */
    char *unknown;                                 /* why the nodes are not known */
    int pods_percent, cpu_percent, memory_percent; /* in use, of what the ready nodes have; -1: not known */
};

/* Several looks at one thing. */
struct cluster_trouble {
    int64_t good_us; /* when it was last well */
    int bad_looks;   /* in a row since then */
    bool down;
};

struct watched {
    char *name;
    struct asks asks;
    bool looking, known; /* known: judged at least once since the start */
    size_t in_flight;
    int rounds;
    int64_t started_us, deadline_us, next_us;
    unsigned epoch;
    struct cluster_view view; /* of the last look that saw something */
    struct cluster_trouble api, nodes;
    enum cluster_cause cause;                  /* why it is down, as it was when it went down */
    int64_t down_since_wall_us, heard_wall_us; /* 0: never */
};

enum set_status {
    SET_UNKNOWN,
    SET_ACTIVE,
    SET_PRIMARY_GONE,
    SET_SECONDARY_GONE,
    SET_BOTH_GONE,
    SET_DISABLED,
    SET_COUNT
};
enum capacity_level { CAPACITY_OK, CAPACITY_WARN, CAPACITY_CRITICAL };

struct set_state {
    char *name;
    enum set_status status;
    int64_t since_wall_us;
    int64_t uneven_since_us, full_since_us[2]; /* 0: it is not */
    bool uneven, full[2];                      /* for long enough to be told */
    enum capacity_level level[2];
};

struct cluster_watch {
    struct watched *list;
    size_t n;
    struct set_state *sets;
    size_t n_sets;
    json_t *alerts; /* {canonical labels: {labels, since, again?}}: those that stand */
    json_t *down;   /* {cluster: {since, cause}} as restored, until the cluster is watched */
};

/* cluster_look.c: 0 with what was seen; -EAGAIN; -ECANCELED: nobody could look. */
int cluster_look(struct asks *a, const char *cluster, struct cluster_view *ret);
void cluster_view_clear(struct cluster_view *v);
int cluster_view_percent(const struct cluster_view *v); /* the fullest of the three, or -1 */

/* cluster_watch.c */
struct cluster_watch *cluster_watch_get(struct core *c);
struct watched *cluster_watch_find(const struct core *c, const char *cluster);
bool watched_is_down(const struct watched *w);
const char *cluster_cause_name(enum cluster_cause cause);

/* cluster_sets.c */
enum { PRIMARY, SECONDARY };
struct watched *set_side(const struct core *c, const struct cluster_set *set, int side);
const char *set_side_cluster(const struct cluster_set *set, int side);
struct set_state *set_state_find(const struct cluster_watch *watch, const char *name); /* watch may be NULL */
struct set_state *set_state_get(struct cluster_watch *watch, const char *name);
/* As its sides are now; UNKNOWN until both were judged, or while one is down and the other in doubt. */
enum set_status set_status_now(const struct core *c, const struct cluster_set *set);
const char *set_status_name(enum set_status status); /* NULL: unknown */
bool set_status_parse(const char *name, enum set_status *ret);
/* The side with too few nodes; PRIMARY, SECONDARY, 2: both; -1: none, or it is not known (*ret_known). */
int set_constraint(const struct core *c, const struct cluster_set *set, bool *ret_known);
void cluster_sets_judge(struct core *c);
json_t *cluster_set_status_new(const struct core *c, const struct cluster_set *set);

/* cluster_alerts.c */
void cluster_alerts_raise(struct core *c);
/* After a restart: what an alert that stands says of its set. */
void cluster_alerts_restored(struct cluster_watch *watch);
