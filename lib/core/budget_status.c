/* Budgets as an operator sees them, as they are kept, and as they are given back. */
#include "base/alloc.h"
#include "base/text.h"
#include "core/budget.h"

#include <errno.h>
#include <string.h>

#define KEEP_AT_LEAST_MS (3600 * MSEC_PER_SEC)

/* ---- status ---- */

static int count_held(const struct core *c, const struct scope *s, const struct limit *l)
{
    int n = 0;
    for (const struct run *run = c->waiting_head; run; run = run->wait_next) {
        struct need need;
        int64_t until;
        if (run->held != REASON_BUDGET)
            continue;
        need_of_run(c, run, &need);
        n += limit_blocks(c, s, l, run, &need, &until);
        need_clear(&need);
    }
    return n;
}

static int64_t oldest(const struct core *c, const struct scope *s, int64_t since_wall_us)
{
    int64_t first = 0;
    for (const struct spend *x = c->budgets ? c->budgets->spends : NULL; x; x = x->hh.next) {
        int64_t at = spend_time(x, s, false);
        if (at > since_wall_us && (first == 0 || at < first))
            first = at;
    }
    return first;
}

static json_t *limit_status_new(const struct core *c, const struct scope *s, const struct limit *l)
{
    char window[TIME_TEXT_MAX];
    struct tally t;
    json_t *o = json_object();
    _cleanup_free_ char *name = scope_name_new(s);
    _cleanup_free_ char *text = xasprintf("%d%s/%s", l->percent ? l->percent : l->count, l->percent ? "%" : "",
                                          duration_format(l->window_ms, window));
    scope_tally(c, s, l->window_ms, NULL, NULL, &t);
    int left = l->count - t.used - t.claimed;
    json_set_text(o, "scope", name);
    json_set_text(o, "what", s->node ? "nodes" : "workloads");
    json_set_text(o, "limit", text);
    json_object_set_new(o, "used", json_integer(t.used));
    json_object_set_new(o, "reserved", json_integer(t.claimed));
    json_object_set_new(o, "left", l->count < 0 ? json_null() : json_integer(left < 0 ? 0 : left));
    int64_t first = oldest(c, s, t.since_wall_us);
    json_object_set_new(o, "resets", json_null());
    if (first)
        record_set_time(o, "resets", first + l->window_ms * USEC_PER_MSEC);
    json_object_set_new(o, "held", json_integer(count_held(c, s, l)));
    return o;
}

static void add_scope(const struct core *c, enum level level, const char *cluster, const char *namespace, json_t *list)
{
    for (int node = 0; node < 2; node++) {
        const struct work w = {.cluster = cluster, .namespace = namespace, .node = node == 1};
        struct scope s;
        struct limit l;
        for (size_t i = 0; scope_of(c, &w, level, &s) && scope_limit(c, &s, i, &l); i++)
            json_array_append_new(list, limit_status_new(c, &s, &l));
    }
}

/* Clusters and namespaces in which something was spent, and the first cluster: a budget shows before it is used. */
json_t *budgets_status_new(const struct core *c)
{
    json_t *list = json_array();
    _cleanup_json_ json_t *seen = json_object();
    const char *first = c->settings->default_cluster;
    if (!c->settings->budgets.enabled)
        return list;
    add_scope(c, LEVEL_GLOBAL, first, NULL, list);
    if (first)
        add_scope(c, LEVEL_CLUSTER, first, NULL, list);
    json_object_set_new(seen, first ? first : "", json_true());
    for (const struct spend *s = c->budgets ? c->budgets->spends : NULL; s; s = s->hh.next) {
        if (json_object_get(seen, s->cluster))
            continue;
        json_object_set_new(seen, s->cluster, json_true());
        add_scope(c, LEVEL_CLUSTER, s->cluster, NULL, list);
    }
    for (const struct spend *s = c->budgets ? c->budgets->spends : NULL; s; s = s->hh.next) {
        _cleanup_free_ char *name = xasprintf("%s/%s", s->cluster, s->namespace ? s->namespace : "");
        if (!s->namespace || json_object_get(seen, name))
            continue;
        json_object_set_new(seen, name, json_true());
        add_scope(c, LEVEL_NAMESPACE, s->cluster, s->namespace, list);
    }
    return list;
}

/* ---- reset ---- */

/* Which levels of this spend `name` gives back. */
static unsigned named(const struct spend *s, const char *name)
{
    _cleanup_free_ char *cluster = xasprintf("cluster %s", s->cluster);
    _cleanup_free_ char *namespace = xasprintf("namespace %s/%s", s->cluster, s->namespace ? s->namespace : "");
    if (!name)
        return s->counts;
    return str_eq(name, "global")    ? 1U << LEVEL_GLOBAL
           : str_eq(name, cluster)   ? 1U << LEVEL_CLUSTER
           : str_eq(name, namespace) ? 1U << LEVEL_NAMESPACE
                                     : 0;
}

bool budget_reset(struct core *c, const char *name)
{
    struct spend *s, *next;
    bool found = c->settings->budgets.enabled && (!name || str_eq(name, "global"));
    if (!c->budgets)
        return found;
    c->budgets->n_claims = 0;
    HASH_ITER (hh, c->budgets->spends, s, next) {
        unsigned which = named(s, name);
        found |= (s->counts & which) != 0;
        s->counts &= ~which;
        if (s->counts == 0)
            spend_free(c, s);
    }
    return found;
}

/* ---- time ---- */

static int64_t longest(int64_t max, const struct rate *rates)
{
    for (; rates && rates->count > 0; rates++)
        max = rates->window_ms > max ? rates->window_ms : max;
    return max;
}

void budgets_prune(struct core *c)
{
    const struct budget_settings *b = &c->settings->budgets;
    const struct budget *const all[] = {&b->global, &b->cluster, &b->namespace};
    int64_t max_ms = KEEP_AT_LEAST_MS;
    struct spend *s, *next;
    if (!c->budgets)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        max_ms = longest(longest(max_ms, all[i]->workloads), all[i]->nodes);
        max_ms = all[i]->window_ms > max_ms ? all[i]->window_ms : max_ms;
    }
    const int64_t now = c->now.wall_us, before = now - max_ms * USEC_PER_MSEC;
    HASH_ITER (hh, c->budgets->spends, s, next) {
        /* The clock was set back while mendd was down: nothing was spent later than now. */
        s->wall_us = s->wall_us > now ? now : s->wall_us;
        s->shadow_wall_us = s->shadow_wall_us > now ? now : s->shadow_wall_us;
        if (s->wall_us <= before && s->shadow_wall_us <= before)
            spend_free(c, s);
    }
    shares_prune(c);
}

void budgets_shift(struct core *c, int64_t delta_us)
{
    for (struct spend *s = c->budgets ? c->budgets->spends : NULL; s; s = s->hh.next) {
        if (s->wall_us)
            s->wall_us += delta_us;
        if (s->before_wall_us)
            s->before_wall_us += delta_us;
        if (s->shadow_wall_us)
            s->shadow_wall_us += delta_us;
    }
    for (size_t i = 0; c->budgets && i < c->budgets->n_claims; i++)
        c->budgets->claims[i].since_wall_us += delta_us;
    if (c->budgets && c->budgets->spends)
        core_keep(c, KEPT_BUDGETS);
}

/* ---- kept ---- */

json_t *budgets_doc_new(const struct core *c)
{
    json_t *list = json_array();
    for (const struct spend *s = c->budgets ? c->budgets->spends : NULL; s; s = s->hh.next) {
        json_t *o = json_pack("{s:s, s:s, s:b, s:i}", "key", s->key, "cluster", s->cluster, "node", s->node, "counts",
                              (int)s->counts);
        if (s->namespace)
            json_set_text(o, "namespace", s->namespace);
        if (s->wall_us)
            record_set_time(o, "spent", s->wall_us);
        if (s->shadow_wall_us)
            record_set_time(o, "would_have", s->shadow_wall_us);
        json_array_append_new(list, o);
    }
    return json_pack("{s:o}", "spends", list);
}

static bool time_read(const json_t *o, const char *key, int64_t *ret_wall_us)
{
    const char *text = json_text(o, key);
    return !text || time_parse(text, ret_wall_us) == 0;
}

int budgets_restore(struct core *c, const json_t *doc, struct error *err)
{
    struct budgets *b = budgets_get(c);
    size_t i;
    json_t *o;
    json_array_foreach (json_object_get(doc, "spends"), i, o) {
        struct spend *same = NULL, got = {.node = json_bool_or(o, "node", false)};
        const char *key = json_text(o, "key"), *cluster = json_text(o, "cluster");
        if (!key || !cluster || !time_read(o, "spent", &got.wall_us) ||
            !time_read(o, "would_have", &got.shadow_wall_us))
            return error_set(err, -EBADMSG, "the journal's list of what was spent of the budgets cannot be understood");
        HASH_FIND_STR(b->spends, key, same);
        if (same)
            continue;
        same = xnew0(struct spend);
        *same = got;
        same->before_wall_us = got.wall_us;
        same->key = xstrdup(key);
        same->cluster = xstrdup(cluster);
        same->namespace = xstrdup(json_text(o, "namespace"));
        same->counts = (unsigned)json_int_or(o, "counts", 0) & ((1U << LEVEL_COUNT) - 1);
        HASH_ADD_KEYPTR(hh, b->spends, same->key, strlen(same->key), same);
    }
    return 0;
}
