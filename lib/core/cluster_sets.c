/* Pairs of clusters: what a set's status is, which side holds the other back, how full the sides are.
 *
 * A side counts as there until it is known to be down. Nothing is said of a set before both sides were judged: until
 * then what stood in the journal stands. Balance compares the nodes that are ready (a cordon is no missing node), and a
 * side with fewer than `nodes_per_side` is short too. Imbalance and capacity are told when they have held for as long
 * as a cluster must be away, and capacity has ceased only HYSTERESIS points below its threshold. */
#include "base/alloc.h"
#include "base/text.h"
#include "core/cluster_watch.h"

enum { HYSTERESIS = 5 };

static const char *const status_names[SET_COUNT] = {[SET_ACTIVE] = "ACTIVE",
                                                    [SET_PRIMARY_GONE] = "BLOCKED_PRIMARY_UNAVAILABLE",
                                                    [SET_SECONDARY_GONE] = "BLOCKED_SECONDARY_UNAVAILABLE",
                                                    [SET_BOTH_GONE] = "BLOCKED_BOTH_UNAVAILABLE",
                                                    [SET_DISABLED] = "DISABLED"};

const char *set_status_name(enum set_status status)
{
    return status_names[status];
}

bool set_status_parse(const char *name, enum set_status *ret)
{
    for (int i = SET_ACTIVE; i < SET_COUNT; i++) {
        if (!str_eq(status_names[i], name))
            continue;
        *ret = (enum set_status)i;
        return true;
    }
    return false;
}

const char *set_side_cluster(const struct cluster_set *set, int side)
{
    return side == PRIMARY ? set->primary : set->secondary;
}

struct watched *set_side(const struct core *c, const struct cluster_set *set, int side)
{
    return cluster_watch_find(c, set_side_cluster(set, side));
}

struct set_state *set_state_find(const struct cluster_watch *watch, const char *name)
{
    for (size_t i = 0; watch && i < watch->n_sets; i++)
        if (str_eq(watch->sets[i].name, name))
            return &watch->sets[i];
    return NULL;
}

struct set_state *set_state_get(struct cluster_watch *watch, const char *name)
{
    struct set_state *have = set_state_find(watch, name);
    if (have)
        return have;
    watch->sets = xreallocarray(watch->sets, watch->n_sets + 1, sizeof(*watch->sets));
    struct set_state *s = &watch->sets[watch->n_sets++];
    *s = (struct set_state){.name = xstrdup(name)};
    return s;
}

/* Its last look failed, but it is not yet known to be down. */
static bool in_doubt(const struct watched *w)
{
    return !watched_is_down(w) && (w->api.bad_looks > 0 || w->nodes.bad_looks > 0);
}

enum set_status set_status_now(const struct core *c, const struct cluster_set *set)
{
    const struct watched *p = set_side(c, set, PRIMARY), *s = set_side(c, set, SECONDARY);
    if (!set->enabled)
        return SET_DISABLED;
    if (!p || !s || !p->known || !s->known)
        return SET_UNKNOWN;
    const bool primary_gone = watched_is_down(p), secondary_gone = watched_is_down(s);
    if ((primary_gone && in_doubt(s)) || (secondary_gone && in_doubt(p))) /* one of them, or both? */
        return SET_UNKNOWN;
    return primary_gone && secondary_gone ? SET_BOTH_GONE
           : primary_gone                 ? SET_PRIMARY_GONE
           : secondary_gone               ? SET_SECONDARY_GONE
                                          : SET_ACTIVE;
}

int set_constraint(const struct core *c, const struct cluster_set *set, bool *ret_known)
{
    const struct watched *p = set_side(c, set, PRIMARY), *s = set_side(c, set, SECONDARY);
    *ret_known = p && s && p->view.ready >= 0 && s->view.ready >= 0 && !watched_is_down(p) && !watched_is_down(s);
    if (!*ret_known)
        return -1;
    if (p->view.ready != s->view.ready)
        return p->view.ready < s->view.ready ? PRIMARY : SECONDARY;
    return p->view.ready < set->nodes_per_side ? 2 : -1;
}

/* ---- what must hold for a while ---- */

static bool held(const struct core *c, const struct cluster_set *set, int64_t *since_us, bool is)
{
    if (!is)
        *since_us = 0;
    else if (*since_us == 0)
        *since_us = c->now.boot_us;
    return is && c->now.boot_us - *since_us >= set->unavailable_after_ms * USEC_PER_MSEC;
}

static enum capacity_level level_now(const struct cluster_set *set, int percent, enum capacity_level before)
{
    if (percent >= set->capacity_critical - (before == CAPACITY_CRITICAL ? HYSTERESIS : 0))
        return CAPACITY_CRITICAL;
    return percent >= set->capacity_warn - (before != CAPACITY_OK ? HYSTERESIS : 0) ? CAPACITY_WARN : CAPACITY_OK;
}

static void judge_capacity(struct core *c, const struct cluster_set *set, struct set_state *state, int side)
{
    const struct watched *w = set_side(c, set, side);
    const int percent = w ? cluster_view_percent(&w->view) : -1;
    const bool there = w && !watched_is_down(w) && state->status != SET_DISABLED;
    if (there && percent < 0) /* not known: what stands stands */
        return;
    state->level[side] = there ? level_now(set, percent, state->level[side]) : CAPACITY_OK;
    state->full[side] = held(c, set, &state->full_since_us[side], state->level[side] != CAPACITY_OK);
}

static void judge_balance(struct core *c, const struct cluster_set *set, struct set_state *state)
{
    bool known = false;
    const bool uneven = set_constraint(c, set, &known) >= 0;
    if (state->status != SET_ACTIVE)
        state->uneven = held(c, set, &state->uneven_since_us, false);
    else if (known)
        state->uneven = held(c, set, &state->uneven_since_us, uneven);
}

static void judge_set(struct core *c, const struct cluster_set *set)
{
    struct set_state *state = set_state_get(c->watch, set->name);
    const enum set_status status = set_status_now(c, set);
    if (status == SET_UNKNOWN)
        return;
    if (status != state->status) {
        core_note(c, NULL, status == SET_ACTIVE ? NOTE_INFO : NOTE_WARN, REASON_NONE, "cluster set %s is %s", set->name,
                  status_names[status]);
        state->status = status;
        state->since_wall_us = c->now.wall_us;
        core_keep(c, KEPT_CLUSTERS);
    }
    judge_balance(c, set, state);
    judge_capacity(c, set, state, PRIMARY);
    judge_capacity(c, set, state, SECONDARY);
}

static void forget_old(struct core *c)
{
    struct cluster_watch *all = c->watch;
    for (size_t i = all->n_sets; i-- > 0;) {
        bool wanted = false;
        for (size_t k = 0; k < c->settings->n_cluster_sets; k++)
            wanted |= str_eq(c->settings->cluster_sets[k].name, all->sets[i].name);
        if (wanted)
            continue;
        free(all->sets[i].name);
        all->sets[i] = all->sets[--all->n_sets];
        core_keep(c, KEPT_CLUSTERS);
    }
}

void cluster_sets_judge(struct core *c)
{
    forget_old(c);
    for (size_t i = 0; i < c->settings->n_cluster_sets; i++)
        judge_set(c, &c->settings->cluster_sets[i]);
    cluster_alerts_raise(c);
}

/* ---- what people see ---- */

/* Work is spread evenly: the smaller side bounds both. */
static json_t *effective_nodes_new(const struct core *c, const struct cluster_set *set, enum set_status status)
{
    const struct watched *sides[] = {set_side(c, set, PRIMARY), set_side(c, set, SECONDARY)};
    int nodes[2], n = 0;
    for (int i = 0; i < 2; i++) {
        const bool gone = watched_is_down(sides[i]);
        nodes[i] = !sides[i] ? -1 : gone ? 0 : sides[i]->view.schedulable;
        if (nodes[i] < 0)
            return json_null();
        n += nodes[i];
    }
    if (status == SET_ACTIVE)
        n = 2 * (nodes[0] < nodes[1] ? nodes[0] : nodes[1]);
    return status == SET_UNKNOWN ? json_null() : json_integer(n);
}

static json_t *number_or_null(int n)
{
    return n < 0 ? json_null() : json_integer(n);
}

static json_t *side_new(const struct core *c, const struct cluster_set *set, int side)
{
    const struct watched *w = set_side(c, set, side);
    json_t *o = json_pack("{s:s}", "cluster", set_side_cluster(set, side));
    json_object_set_new(o, "available", w && w->known ? json_boolean(!watched_is_down(w)) : json_null());
    json_object_set_new(o, "cause", watched_is_down(w) ? json_string(cluster_cause_name(w->cause)) : json_null());
    json_object_set_new(o, "nodes_ready", number_or_null(w ? w->view.ready : -1));
    json_object_set_new(o, "capacity_percent", number_or_null(w ? cluster_view_percent(&w->view) : -1));
    return o;
}

json_t *cluster_set_status_new(const struct core *c, const struct cluster_set *set)
{
    static const char *const sides[] = {"primary", "secondary", "both"};
    static const struct set_state none;
    const struct set_state *have = set_state_find(c->watch, set->name), *state = have ? have : &none;
    bool known = false;
    const int side = set_constraint(c, set, &known);
    json_t *o = json_pack("{s:s, s:b, s:s?, s:n}", "name", set->name, "enabled", set->enabled, "status",
                          status_names[state->status], "since");
    if (state->since_wall_us)
        record_set_time(o, "since", state->since_wall_us);
    json_object_set_new(o, "ha_active", json_boolean(state->status == SET_ACTIVE));
    json_object_set_new(o, "total_effective_nodes", effective_nodes_new(c, set, state->status));
    json_object_set_new(o, "balance",
                        json_pack("{s:o, s:s?}", "nodes_constrained", known ? json_boolean(side >= 0) : json_null(),
                                  "constraining_side", side >= 0 ? sides[side] : NULL));
    json_object_set_new(o, "primary", side_new(c, set, PRIMARY));
    json_object_set_new(o, "secondary", side_new(c, set, SECONDARY));
    return o;
}
