/* What the files of the budgets share (semantics.md, "Budgets, breaker, storm"): budget.c decides and spends,
 * budget_share.c asks how many there are, budget_status.c shows, keeps and resets. Private to lib/core.
 *
 * A spend is a workload or a node that an effect touched, with the last time that it did; it counts in three scopes.
 * A claim is a run at work whose own workloads are not spent yet: what it was let in for is kept for it, so that of
 * runs that wait only as many are let in as there is room for, and none has to stop half-way for another. */
#pragma once

#include "core/internal.h"

enum level { LEVEL_GLOBAL, LEVEL_CLUSTER, LEVEL_NAMESPACE, LEVEL_COUNT };

struct spend {
    char *key; /* as target_owner_key() */
    char *cluster, *namespace;
    bool node;
    int64_t wall_us, shadow_wall_us; /* 0: never; shadow: a run that only would have acted */
    int64_t before_wall_us; /* what wall_us was before the last send: it is that again if the effect is refused */
    unsigned counts;        /* bits of enum level: a reset takes them off */
    UT_hash_handle hh;
};

struct share { /* how many there are */
    char *key, *cluster;
    bool node, whole; /* of the whole cluster */
    int count;
    int64_t at_us; /* boot */
    unsigned epoch;
    UT_hash_handle hh;
};

struct claim {
    const struct run *run;
    int64_t since_wall_us;
};

struct budgets {
    struct spend *spends;
    struct share *shares;
    struct claim *claims; /* in the order in which they were let in */
    size_t n_claims;
};

struct work { /* one workload or node */
    const char *key, *cluster, *namespace;
    bool node;
};

struct need { /* what a run wants to touch */
    struct work *list;
    size_t n;
    bool shadow; /* it would only have acted: shadow spends count too */
    char *key;   /* owned */
};

struct scope {
    enum level level;
    const char *cluster, *namespace; /* GLOBAL: the cluster that is asked */
    bool node;
    const struct budget *budget;
};

struct limit {
    int count;   /* -1: not known, nobody could be asked yet */
    int percent; /* 0: absolute */
    int64_t window_ms;
};

struct tally {
    int used, claimed, fresh; /* spent; claimed by others; of the need, what is neither */
    int64_t since_wall_us;
    bool shadow;
};

/* budget.c */
struct budgets *budgets_get(struct core *c);
void spend_free(struct core *c, struct spend *s);
/* What `run` wants: its current effect's workload, or all of its own. Freed by need_clear(). */
void need_of_run(const struct core *c, const struct run *run, struct need *ret);
void need_clear(struct need *n);
/* The scope of `level` that one piece of work is in; false: nothing is limited there. */
bool scope_of(const struct core *c, const struct work *w, enum level level, struct scope *ret);
/* The i-th limit of a scope; false: no more. */
bool scope_limit(const struct core *c, const struct scope *s, size_t i, struct limit *ret);
/* When a spend counts in this scope, 0: it does not. */
int64_t spend_time(const struct spend *s, const struct scope *scope, bool shadow);
/* run and need may be NULL: for everybody. */
void scope_tally(const struct core *c, const struct scope *s, int64_t window_ms, const struct run *run,
                 const struct need *need, struct tally *ret);
/* True: the need does not fit. *ret_wall_us: when it will (INT64_MAX: not known). */
bool limit_blocks(const struct core *c, const struct scope *s, const struct limit *l, const struct run *run,
                  const struct need *need, int64_t *ret_wall_us);
char *scope_name_new(const struct scope *s);

/* budget_share.c */
/* How many workloads (nodes) there are in a scope, as last known; -1: not known. */
int share_known(const struct core *c, const struct scope *s);
/* Makes sure that it is known and young; asks through `set`. */
enum guard_answer share_ask(struct core *c, struct askset *set, const struct scope *s, struct guard_result *ret);
void shares_prune(struct core *c);
void shares_free(struct budgets *b);
