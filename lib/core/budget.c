/* Budgets: how many distinct workloads and nodes mendd may touch in a sliding window; for all, for each cluster and for
 * each namespace; absolute, or as a share of those there are.
 *
 * The guard runs in the same call as the send that follows it, and the spend is journalled with the effect's intention:
 * no two runs overspend together, and a crash gives nothing back. A workload stays in the window for as long after its
 * last effect as after its first, so each send and each answer renews it. */
#include "core/budget.h"

#include "base/alloc.h"
#include "base/text.h"

#include <string.h>

struct budgets *budgets_get(struct core *c)
{
    if (!c->budgets)
        c->budgets = xnew0(struct budgets);
    return c->budgets;
}

void spend_free(struct core *c, struct spend *s)
{
    HASH_DELETE(hh, c->budgets->spends, s);
    free(s->key);
    free(s->cluster);
    free(s->namespace);
    free(s);
}

void budgets_free(struct core *c)
{
    struct spend *s, *next;
    if (!c->budgets)
        return;
    HASH_ITER (hh, c->budgets->spends, s, next)
        spend_free(c, s);
    shares_free(c->budgets);
    free(c->budgets->claims);
    free(c->budgets);
    c->budgets = NULL;
}

static struct spend *spend_find(const struct core *c, const char *key)
{
    struct spend *s = NULL;
    if (c->budgets)
        HASH_FIND_STR(c->budgets->spends, key, s);
    return s;
}

static bool enabled(const struct core *c)
{
    return c->settings->budgets.enabled;
}

/* Only what a person approved may go over the budget (semantics.md); it is let through to be approved, and the mode's
 * guard holds it there. */
static bool exempt(const struct core *c, const struct run *run)
{
    return run->playbook->budget_exempt && (run->approved || guard_mode(c, run) == MODE_APPROVE);
}

/* ---- what a run wants ---- */

static struct work own_work_at(const struct run *run, size_t i)
{
    const struct target *t = &run->target;
    const struct object_ref *o = i < t->n_owners ? &t->owners[i] : NULL;
    return (struct work){.key = run->keys[i],
                         .cluster = t->cluster,
                         .namespace = o ? o->namespace : t->namespace,
                         .node = o && str_eq(o->kind, "Node")};
}

static void own_work(const struct run *run, struct need *ret)
{
    ret->n = run->n_keys;
    ret->list = xcalloc(ret->n + 1, sizeof(*ret->list));
    for (size_t i = 0; i < ret->n; i++)
        ret->list[i] = own_work_at(run, i);
}

/* An effect on a workload or a node is one on that; on anything else of the run's cluster it counts for the run's own.
 */
static void work_of_effect(const struct run *run, const json_t *effect, struct need *ret)
{
    static const char *const kinds[] = {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController",
                                        "Node",       NULL};
    const json_t *object = json_object_get(effect, "object");
    const char *kind = json_text(object, "kind"), *name = json_text(object, "name");
    const char *cluster = json_text(effect, "cluster"), *namespace = json_text(object, "namespace");
    if (effect_is_notice(effect)) /* touches no workload */
        return;
    cluster = str_empty(cluster) ? run->target.cluster : cluster;
    bool elsewhere = !str_eq(cluster, run->target.cluster);
    if (!kind || !name || (!str_in(kind, kinds) && !elsewhere)) {
        own_work(run, ret);
        return;
    }
    struct object_ref ref = {
        .kind = (char *)(uintptr_t)kind, .name = (char *)(uintptr_t)name, .namespace = (char *)(uintptr_t) namespace};
    struct target t = {.cluster = (char *)(uintptr_t)cluster, .owners = &ref, .n_owners = 1};
    ret->key = target_owner_key(&t, 0);
    ret->n = 1;
    ret->list = xcalloc(1, sizeof(*ret->list));
    *ret->list = (struct work){ret->key, cluster, namespace, str_eq(kind, "Node")};
}

void need_of_run(const struct core *c, const struct run *run, struct need *ret)
{
    enum playbook_mode m = guard_mode(c, run);
    *ret = (struct need){.shadow = m == MODE_OBSERVE || m == MODE_PLAN};
    if (run->current)
        work_of_effect(run, run->current, ret);
    else
        own_work(run, ret);
}

void need_clear(struct need *n)
{
    free(n->list);
    free(n->key);
    *n = (struct need){0};
}

/* ---- scopes and their limits ---- */

bool scope_of(const struct core *c, const struct work *w, enum level level, struct scope *ret)
{
    const struct budget_settings *b = &c->settings->budgets;
    const struct budget *const budgets[] = {&b->global, &b->cluster, &b->namespace};
    *ret = (struct scope){.level = level, .cluster = w->cluster, .node = w->node, .budget = budgets[level]};
    if (level == LEVEL_NAMESPACE)
        ret->namespace = w->namespace;
    if (!w->cluster || (level == LEVEL_NAMESPACE && str_empty(w->namespace)))
        return false;
    return w->node ? ret->budget->nodes || ret->budget->nodes_percent > 0
                   : ret->budget->workloads || ret->budget->workloads_percent > 0;
}

bool scope_limit(const struct core *c, const struct scope *s, size_t i, struct limit *ret)
{
    const struct rate *rates = s->node ? s->budget->nodes : s->budget->workloads;
    int percent = s->node ? s->budget->nodes_percent : s->budget->workloads_percent;
    size_t n = 0;
    while (rates && rates[n].count > 0)
        n++;
    if (i < n) {
        *ret = (struct limit){.count = rates[i].count, .window_ms = rates[i].window_ms};
        return true;
    }
    if (i > n || percent <= 0)
        return false;
    int there = share_known(c, s);
    *ret = (struct limit){.count = -1, .percent = percent, .window_ms = s->budget->window_ms};
    if (there >= 0) {
        int64_t count = ((int64_t)there * percent + 99) / 100;
        ret->count = count < 1 ? 1 : (int)count;
    }
    return true;
}

static bool inside(const struct scope *s, const char *cluster, const char *namespace, bool node)
{
    return s->node == node && (s->level == LEVEL_GLOBAL || str_eq(s->cluster, cluster)) &&
           (s->level != LEVEL_NAMESPACE || str_eq(s->namespace, namespace));
}

int64_t spend_time(const struct spend *s, const struct scope *scope, bool shadow)
{
    if (!(s->counts & 1U << scope->level) || !inside(scope, s->cluster, s->namespace, s->node))
        return 0;
    return shadow && s->shadow_wall_us > s->wall_us ? s->shadow_wall_us : s->wall_us;
}

static bool is_spent(const struct core *c, const struct scope *s, const char *key, int64_t since, bool shadow)
{
    const struct spend *found = spend_find(c, key);
    return found && spend_time(found, s, shadow) > since;
}

/* Whether a run that was let in has not used what it was let in for. */
static bool is_open_claim(const struct core *c, const struct scope *s, const struct claim *claim, const struct work *w,
                          const struct tally *t)
{
    const struct spend *found = spend_find(c, w->key);
    int64_t at = found ? spend_time(found, s, t->shadow) : 0;
    return inside(s, w->cluster, w->namespace, w->node) && at <= t->since_wall_us && at < claim->since_wall_us;
}

/* Claims of runs that were let in before this one; of all, if it has none itself. only: of this workload. */
static int count_claims(const struct core *c, const struct scope *s, const struct run *run, const struct tally *t,
                        const char *only)
{
    int n = 0;
    for (size_t i = 0; c->budgets && i < c->budgets->n_claims && c->budgets->claims[i].run != run; i++) {
        const struct claim *claim = &c->budgets->claims[i];
        for (size_t k = 0; k < claim->run->n_keys; k++) {
            const struct work w = own_work_at(claim->run, k);
            n += (!only || str_eq(only, w.key)) && is_open_claim(c, s, claim, &w, t);
        }
    }
    return n;
}

void scope_tally(const struct core *c, const struct scope *s, int64_t window_ms, const struct run *run,
                 const struct need *need, struct tally *ret)
{
    const int64_t since = c->now.wall_us - window_ms * USEC_PER_MSEC;
    const bool shadow = need && need->shadow;
    *ret = (struct tally){.since_wall_us = since, .shadow = shadow};
    for (const struct spend *x = c->budgets ? c->budgets->spends : NULL; x; x = x->hh.next)
        ret->used += spend_time(x, s, shadow) > since;
    ret->claimed = count_claims(c, s, run, ret, NULL);
    for (size_t i = 0; need && i < need->n; i++) {
        const struct work *w = &need->list[i];
        ret->fresh += inside(s, w->cluster, w->namespace, w->node) && !is_spent(c, s, w->key, since, shadow) &&
                      (ret->claimed == 0 || count_claims(c, s, run, ret, w->key) == 0);
    }
}

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* When as many as are too much have left the window. */
static int64_t leaves_at(const struct core *c, const struct scope *s, const struct tally *t, int64_t window_ms,
                         bool shadow, int too_much)
{
    _cleanup_free_ int64_t *times = xcalloc((size_t)t->used + 1, sizeof(*times));
    size_t n = 0;
    for (const struct spend *x = c->budgets ? c->budgets->spends : NULL; x; x = x->hh.next) {
        int64_t at = spend_time(x, s, shadow);
        if (at > t->since_wall_us)
            times[n++] = at;
    }
    if (too_much < 1 || (size_t)too_much > n)
        return INT64_MAX;
    qsort(times, n, sizeof(*times), by_time);
    return times[too_much - 1] + window_ms * USEC_PER_MSEC;
}

bool limit_blocks(const struct core *c, const struct scope *s, const struct limit *l, const struct run *run,
                  const struct need *need, int64_t *ret_wall_us)
{
    struct tally t;
    if (l->count < 0)
        return false;
    scope_tally(c, s, l->window_ms, run, need, &t);
    int too_much = t.used + t.claimed + t.fresh - l->count;
    if (t.fresh == 0 || too_much <= 0)
        return false;
    *ret_wall_us = leaves_at(c, s, &t, l->window_ms, need->shadow, too_much);
    return true;
}

char *scope_name_new(const struct scope *s)
{
    return s->level == LEVEL_GLOBAL    ? xstrdup("global")
           : s->level == LEVEL_CLUSTER ? xasprintf("cluster %s", s->cluster)
                                       : xasprintf("namespace %s/%s", s->cluster, s->namespace);
}

/* ---- the guard ---- */

/* What stands in the way longest. */
struct block {
    struct scope scope;
    struct limit limit;
    int64_t until_wall_us;
};

static bool find_block(const struct core *c, const struct run *run, const struct need *need, struct block *ret)
{
    bool found = false;
    for (size_t i = 0; i < need->n; i++) {
        for (enum level level = 0; level < LEVEL_COUNT; level++) {
            struct scope s;
            struct limit l;
            int64_t until = INT64_MAX;
            for (size_t k = 0; scope_of(c, &need->list[i], level, &s) && scope_limit(c, &s, k, &l); k++) {
                if (!limit_blocks(c, &s, &l, run, need, &until) || (found && until <= ret->until_wall_us))
                    continue;
                *ret = (struct block){s, l, until};
                found = true;
            }
        }
    }
    return found;
}

static int64_t boot_of(const struct core *c, int64_t wall_us)
{
    return wall_us == INT64_MAX ? INT64_MAX : c->now.boot_us + (wall_us - c->now.wall_us);
}

bool budget_holds(const struct core *c, const struct run *run, int64_t *ret_until_us)
{
    struct need need;
    struct block block;
    if (!enabled(c) || exempt(c, run))
        return false;
    need_of_run(c, run, &need);
    bool held = find_block(c, run, &need, &block);
    need_clear(&need);
    if (held)
        *ret_until_us = boot_of(c, block.until_wall_us);
    return held;
}

/* All questions are put before the answers are awaited. */
static enum guard_answer ask_shares(struct core *c, const struct run *run, struct askset *set, const struct need *need,
                                    struct guard_result *ret)
{
    enum guard_answer sum = GUARD_PASS;
    struct limit l;
    struct scope s;
    struct tally t;
    for (size_t i = 0; i < need->n; i++) {
        for (enum level level = 0; level < LEVEL_COUNT; level++) {
            for (size_t k = 0; scope_of(c, &need->list[i], level, &s) && scope_limit(c, &s, k, &l); k++) {
                if (l.percent == 0)
                    continue;
                scope_tally(c, &s, l.window_ms, run, need, &t);
                enum guard_answer a = t.fresh > 0 ? share_ask(c, set, &s, ret) : GUARD_PASS;
                if (a == GUARD_FINAL)
                    return a;
                sum = a == GUARD_ASKING ? a : sum;
            }
        }
    }
    return sum;
}

static char *words_new(const struct core *c, const struct run *run, const struct need *need, const struct block *b)
{
    char window[TIME_TEXT_MAX], until[TIME_TEXT_MAX];
    struct tally t;
    _cleanup_free_ char *name = scope_name_new(&b->scope);
    const char *what = b->scope.node ? "nodes" : "workloads";
    scope_tally(c, &b->scope, b->limit.window_ms, run, need, &t);
    duration_format(b->limit.window_ms, window);
    bool known = b->until_wall_us != INT64_MAX;
    if (known)
        time_format_seconds(b->until_wall_us, until);
    return xasprintf("the budget \"%s\" is spent: %d %s within %s, %d allowed%s, %d more needed%s%s; mendctl reset "
                     "budget \"%s\" gives it back",
                     name, t.used + t.claimed, what, window, b->limit.count, b->limit.percent ? " by its share" : "",
                     t.fresh, known ? "; room again at " : "", known ? until : "", name);
}

static enum guard_answer hold_if_spent(struct core *c, const struct run *run, const struct need *need,
                                       struct guard_result *ret)
{
    struct block block;
    if (!find_block(c, run, need, &block))
        return GUARD_PASS;
    return guard_hold(ret, REASON_BUDGET, NULL, boot_of(c, block.until_wall_us), words_new(c, run, need, &block));
}

enum guard_answer budget_waits(struct core *c, const struct run *run, struct guard_result *ret)
{
    struct need need;
    if (!enabled(c) || exempt(c, run))
        return GUARD_PASS;
    need_of_run(c, run, &need);
    enum guard_answer a = hold_if_spent(c, run, &need, ret);
    need_clear(&need);
    return a;
}

enum guard_answer budget_guard(struct core *c, struct run *run, struct askset *set, struct guard_result *ret)
{
    struct need need;
    if (!enabled(c) || exempt(c, run))
        return GUARD_PASS;
    need_of_run(c, run, &need);
    enum guard_answer a = ask_shares(c, run, set, &need, ret);
    if (a == GUARD_PASS)
        a = hold_if_spent(c, run, &need, ret);
    need_clear(&need);
    return a;
}

/* ---- spending ---- */

static void spend_on(struct core *c, const struct work *w, bool shadow)
{
    struct spend *s = spend_find(c, w->key);
    if (!s) {
        s = xnew0(struct spend);
        *s = (struct spend){.key = xstrdup(w->key),
                            .cluster = xstrdup(w->cluster ? w->cluster : ""),
                            .namespace = xstrdup(w->namespace),
                            .node = w->node};
        HASH_ADD_KEYPTR(hh, budgets_get(c)->spends, s->key, strlen(s->key), s);
    }
    s->counts = (1U << LEVEL_COUNT) - 1;
    s->before_wall_us = s->wall_us;
    *(shadow ? &s->shadow_wall_us : &s->wall_us) = c->now.wall_us;
}

void budget_spend(struct core *c, struct run *run, const json_t *effect)
{
    struct need need = {0};
    if (!enabled(c))
        return;
    work_of_effect(run, effect, &need);
    for (size_t i = 0; i < need.n; i++)
        spend_on(c, &need.list[i], false);
    need_clear(&need);
    core_keep(c, KEPT_BUDGETS);
}

void budget_answered(struct core *c, const struct run *run, const json_t *effect, bool refused)
{
    struct need need = {0};
    if (!enabled(c))
        return;
    work_of_effect(run, effect, &need);
    for (size_t i = 0; i < need.n; i++) {
        struct spend *s = spend_find(c, need.list[i].key);
        if (s)
            s->wall_us = refused ? s->before_wall_us : c->now.wall_us;
        if (s && s->wall_us == 0 && s->shadow_wall_us == 0)
            spend_free(c, s);
    }
    need_clear(&need);
    c->recheck |= refused;
    core_keep(c, KEPT_BUDGETS);
}

void budget_would_have_spent(struct core *c, const struct run *run)
{
    struct need need = {0};
    if (!enabled(c))
        return;
    own_work(run, &need);
    for (size_t i = 0; i < need.n; i++)
        spend_on(c, &need.list[i], true);
    need_clear(&need);
    core_keep(c, KEPT_BUDGETS);
}

void budget_claim(struct core *c, const struct run *run, bool on)
{
    struct budgets *b = c->budgets;
    size_t kept = 0;
    for (size_t i = 0; b && i < b->n_claims; i++)
        if (b->claims[i].run != run)
            b->claims[kept++] = b->claims[i];
        else if (on) /* it keeps its place */
            return;
    if (b)
        b->n_claims = kept;
    if (!on || !enabled(c) || exempt(c, run))
        return;
    b = budgets_get(c);
    b->claims = xreallocarray(b->claims, b->n_claims + 1, sizeof(*b->claims));
    b->claims[b->n_claims++] = (struct claim){run, c->now.wall_us};
}
