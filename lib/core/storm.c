/* Storms: many targets in trouble at once are one trouble (semantics.md, "Budgets, breaker, storm").
 *
 * What counts: the distinct targets of runs within `within`, each run once, when its target is first known, by its
 * first owner (one alert that names many workloads is no storm). Alerts without a target, without a playbook, ignored
 * ones and mendd's own count for nothing.
 *
 * Whose storm it is: more than `targets` of one namespace are that namespace's storm. Else, more than `targets` of a
 * cluster are the cluster's, over all its namespaces; what belongs to an open storm no longer counts for another.
 *
 * What follows: MenddStorm{cluster, namespace?} goes through the table. New single repairs of the storm's scope wait;
 * those in flight finish their step, then wait, and give their locks to the storm's own run (limits.c). Another target
 * prolongs the storm. It ends `within` after its last new target, but not before its run has done its work (settling
 * or over): then the internal alert is resolved, and what waited is decided again. What was in a storm does not count
 * towards the next one, so none opens by its own aftermath.
 *
 * Owners: struct storms owns everything; runs are known by id. Kept as "storms"; what only counts is read off the open
 * runs after a restart. Times in memory are of the boot clock, but wall between storms_restore() and storms_resume().
 */
#include "base/alloc.h"
#include "base/text.h"
#include "core/internal.h"

#include <errno.h>
#include <string.h>

enum { TARGETS_MAX = 1000, TARGETS_SHOWN = 20 };

struct sighting {                    /* a target that is in no storm yet */
    char *key, *cluster, *namespace; /* namespace "": of the cluster itself, a node */
    int64_t at_us;
    UT_hash_handle hh;
};

struct member {
    char *key;
    UT_hash_handle hh;
};

struct storm {
    char *cluster, *namespace; /* namespace NULL: the whole cluster */
    int64_t since_wall_us;
    int64_t last_us; /* its last new target */
    char run[ULID_LEN + 1];
    bool run_over;
    struct member *targets; /* in the order in which they came, at most TARGETS_MAX */
    size_t count;           /* of all, also of those for which there was no room */
};

struct storms {
    struct storm *list;
    size_t n;
    struct sighting *seen; /* oldest first */
};

/* ---- what there is ---- */

static void seen_free(struct storms *all, struct sighting *t)
{
    HASH_DELETE(hh, all->seen, t);
    free(t->key);
    free(t->cluster);
    free(t->namespace);
    free(t);
}

static void storm_clear(struct storm *s)
{
    struct member *m, *next;
    HASH_ITER (hh, s->targets, m, next) {
        HASH_DELETE(hh, s->targets, m);
        free(m->key);
        free(m);
    }
    free(s->cluster);
    free(s->namespace);
}

void storms_free(struct core *c)
{
    struct sighting *t, *next;
    if (!c->storms)
        return;
    HASH_ITER (hh, c->storms->seen, t, next)
        seen_free(c->storms, t);
    for (size_t i = 0; i < c->storms->n; i++)
        storm_clear(&c->storms->list[i]);
    free(c->storms->list);
    free(c->storms);
    c->storms = NULL;
}

static struct storms *storms_get(struct core *c)
{
    if (!c->storms)
        c->storms = xnew0(struct storms);
    return c->storms;
}

static int64_t within_us(const struct core *c)
{
    return c->settings->storm.within_ms * USEC_PER_MSEC;
}

static struct storm *find_scope(const struct core *c, const char *cluster, const char *namespace)
{
    for (size_t i = 0; c->storms && i < c->storms->n; i++) {
        struct storm *s = &c->storms->list[i];
        if (str_eq(s->cluster, cluster) && str_eq(s->namespace, namespace))
            return s;
    }
    return NULL;
}

static bool covers(const struct storm *s, const struct run *run)
{
    return run->has_target && !run->storm && str_eq(s->cluster, run->target.cluster) &&
           (!s->namespace || str_eq(s->namespace, run->target.namespace));
}

/* The namespace's own storm before the cluster's. */
static struct storm *find_covering(const struct core *c, const struct run *run)
{
    struct storm *found = NULL;
    for (size_t i = 0; c->storms && i < c->storms->n; i++) {
        struct storm *s = &c->storms->list[i];
        if (covers(s, run) && (!found || s->namespace))
            found = s;
    }
    return found;
}

static bool add_member(struct storm *s, const char *key)
{
    struct member *m = NULL;
    HASH_FIND_STR(s->targets, key, m);
    if (m)
        return false;
    s->count++;
    if (HASH_COUNT(s->targets) >= TARGETS_MAX)
        return true;
    m = xnew0(struct member);
    m->key = xstrdup(key);
    HASH_ADD_KEYPTR(hh, s->targets, m->key, strlen(m->key), m);
    return true;
}

/* ---- its alert ---- */

static json_t *labels_new(const struct storm *s)
{
    json_t *labels = json_pack("{s:s, s:s}", "alertname", "MenddStorm", "severity", "critical");
    json_set_text(labels, "cluster", s->cluster);
    if (s->namespace)
        json_set_text(labels, "namespace", s->namespace);
    return labels;
}

/* "Deployment/shop/api, …": the keys without their cluster. */
static char *targets_text_new(const struct storm *s)
{
    _cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
    const size_t skip = strlen(s->cluster) + 1;
    size_t n = 0;
    for (const struct member *m = s->targets; m && n < TARGETS_SHOWN; m = m->hh.next, n++)
        strbuf_printf(&b, "%s%s", n ? ", " : "", m->key + skip);
    if (s->count > n)
        strbuf_printf(&b, ", and %zu more", s->count - n);
    return xstrdup(strbuf_str(&b));
}

static void annotate(const struct storm *s, json_t *annotations)
{
    _cleanup_free_ char *targets = targets_text_new(s);
    _cleanup_free_ char *count = xasprintf("%zu", s->count);
    _cleanup_free_ char *summary =
        xasprintf("%s targets are in trouble at once in %s %s: single repairs wait", count,
                  s->namespace ? "namespace" : "cluster", s->namespace ? s->namespace : s->cluster);
    json_set_text(annotations, "summary", summary);
    json_set_text(annotations, "targets", targets);
    json_set_text(annotations, "count", count);
}

static struct run *tell(struct core *c, const struct storm *s, bool firing)
{
    char starts[TIME_TEXT_MAX];
    _cleanup_json_ json_t *labels = labels_new(s);
    _cleanup_json_ json_t *annotations = json_object();
    annotate(s, annotations);
    return episode_internal(c, labels, annotations, time_format(s->since_wall_us, starts), firing);
}

/* ---- it opens, goes on, ends ---- */

static void open_storm(struct core *c, const char *cluster, const char *namespace)
{
    struct storms *all = storms_get(c);
    struct sighting *t, *next;
    all->list = xreallocarray(all->list, all->n + 1, sizeof(*all->list));
    struct storm *s = &all->list[all->n++];
    *s = (struct storm){.cluster = xstrdup(cluster),
                        .namespace = xstrdup(namespace),
                        .since_wall_us = c->now.wall_us,
                        .last_us = c->now.boot_us};
    HASH_ITER (hh, all->seen, t, next) {
        if (!str_eq(t->cluster, s->cluster) || (s->namespace && !str_eq(t->namespace, s->namespace)))
            continue;
        add_member(s, t->key);
        seen_free(all, t);
    }
    core_note(c, NULL, NOTE_WARN, REASON_STORM, "a storm: %zu targets in trouble at once in %s %s; single repairs wait",
              s->count, s->namespace ? "namespace" : "cluster", s->namespace ? s->namespace : s->cluster);
    core_keep(c, KEPT_STORMS);
    core_wake_at(c, s->last_us + within_us(c));
    const struct run *run = tell(c, s, true);
    if (!run)
        return;
    memcpy(s->run, run->id, sizeof(s->run));
    s->run_over = run->phase == PHASE_DONE;
}

static void end_storm(struct core *c, size_t i)
{
    struct storms *all = c->storms;
    struct storm s = all->list[i];
    const struct run *run = core_find_run(c, s.run);
    memmove(&all->list[i], &all->list[i + 1], (all->n - i - 1) * sizeof(s));
    all->n--;
    c->recheck = true;
    core_keep(c, KEPT_STORMS);
    core_note(c, NULL, NOTE_WARN, REASON_NONE, "the storm in %s %s is over: what waited is decided again",
              s.namespace ? "namespace" : "cluster", s.namespace ? s.namespace : s.cluster);
    if (run && run->episode)
        tell(c, &s, false);
    storm_clear(&s);
}

/* Another target of a storm that goes on. */
static void join(struct core *c, struct storm *s, const char *key)
{
    struct run *run = core_find_run(c, s->run);
    if (!add_member(s, key))
        return;
    s->last_us = c->now.boot_us;
    core_keep(c, KEPT_STORMS);
    core_wake_at(c, s->last_us + within_us(c));
    if (!run || (run->phase == PHASE_DONE && !run->parked))
        return;
    annotate(s, json_object_get(run->alert, "annotations"));
    run_dirty(c, run);
}

/* ---- counting ---- */

static void note_seen(struct core *c, const struct run *run, int64_t at_us)
{
    struct storms *all = storms_get(c);
    struct sighting *t = NULL;
    HASH_FIND_STR(all->seen, run->keys[0], t);
    if (t)
        seen_free(all, t); /* again, as the newest */
    t = xnew0(struct sighting);
    *t = (struct sighting){.key = xstrdup(run->keys[0]),
                           .cluster = xstrdup(run->target.cluster),
                           .namespace = xstrdup(run->target.namespace ? run->target.namespace : ""),
                           .at_us = at_us};
    HASH_ADD_KEYPTR(hh, all->seen, t->key, strlen(t->key), t);
}

static int count_seen(struct core *c, const char *cluster, const char *namespace)
{
    struct sighting *t, *next;
    int n = 0;
    HASH_ITER (hh, c->storms->seen, t, next) {
        if (c->now.boot_us - t->at_us > within_us(c))
            seen_free(c->storms, t);
        else if (str_eq(t->cluster, cluster) && (!namespace || str_eq(t->namespace, namespace)))
            n++;
    }
    return n;
}

void storm_target(struct core *c, struct run *run)
{
    const struct storm_settings *set = &c->settings->storm;
    if (!set->enabled || run->storm_counted || !run->has_target || run->n_keys == 0 ||
        alert_name_is_internal(record_alertname(run)))
        return;
    run->storm_counted = true;
    struct storm *s = find_covering(c, run);
    if (s) {
        join(c, s, run->keys[0]);
        return;
    }
    note_seen(c, run, c->now.boot_us);
    const char *cluster = run->target.cluster, *namespace = run->target.namespace;
    if (namespace && count_seen(c, cluster, namespace) > set->targets)
        open_storm(c, cluster, namespace);
    else if (count_seen(c, cluster, NULL) > set->targets)
        open_storm(c, cluster, NULL);
}

/* ---- holding ---- */

bool storm_holds(const struct core *c, const struct run *run, int64_t *ret_until_us, const char **ret_run)
{
    const struct storm *s = c->storms && c->settings->storm.enabled ? find_covering(c, run) : NULL;
    if (!s || !run_step_untouched(run)) /* the step in flight is finished */
        return false;
    *ret_until_us = INT64_MAX; /* its end is told by `recheck` */
    *ret_run = s->run[0] && !s->run_over ? s->run : NULL;
    return true;
}

/* ---- its end ---- */

static bool at_rest(const struct core *c, const struct storm *s)
{
    const struct run *run = core_find_run(c, s->run);
    return s->run_over || !run || run->state == RUN_SETTLING;
}

void storm_tick(struct core *c)
{
    for (size_t i = c->storms ? c->storms->n : 0; i-- > 0;) {
        const struct storm *s = &c->storms->list[i];
        const int64_t quiet_us = s->last_us + within_us(c);
        if (!c->settings->storm.enabled || (c->now.boot_us >= quiet_us && at_rest(c, s)))
            end_storm(c, i);
        else if (c->now.boot_us < quiet_us)
            core_wake_at(c, quiet_us);
    }
}

void storm_settles(struct core *c, const struct run *run)
{
    if (!c->storms || c->storms->n == 0)
        return;
    if (run->storm)
        core_wake_at(c, c->now.boot_us);
    else
        c->recheck = true; /* its lock may be wanted by the storm's run */
}

void storm_ended(struct core *c, struct run *run)
{
    const json_t *labels = json_object_get(run->alert, "labels");
    struct storm *s = find_scope(c, json_text(labels, "cluster"), json_text(labels, "namespace"));
    if (!s || (s->run[0] && !str_eq(s->run, run->id)))
        return;
    s->run_over = true;
    core_keep(c, KEPT_STORMS);
    core_wake_at(c, c->now.boot_us);
}

/* ---- kept ---- */

static json_t *storm_to_json(const struct core *c, const struct storm *s)
{
    json_t *o = json_object(), *targets = json_array();
    json_set_text(o, "cluster", s->cluster);
    json_set_text(o, "namespace", s->namespace);
    record_set_time(o, "since", s->since_wall_us);
    record_set_time(o, "last", c->now.wall_us - (c->now.boot_us - s->last_us));
    json_set_text(o, "run", s->run[0] ? s->run : NULL);
    json_object_set_new(o, "run_over", json_boolean(s->run_over));
    json_object_set_new(o, "count", json_integer((json_int_t)s->count));
    for (const struct member *m = s->targets; m; m = m->hh.next)
        json_array_append_new(targets, json_string(m->key));
    json_object_set_new(o, "targets", targets);
    return o;
}

json_t *storms_doc_new(const struct core *c)
{
    json_t *list = json_array();
    for (size_t i = 0; c->storms && i < c->storms->n; i++)
        json_array_append_new(list, storm_to_json(c, &c->storms->list[i]));
    return json_pack("{s:o}", "storms", list);
}

int storms_restore(struct core *c, const json_t *doc, struct error *err)
{
    struct storms *all = storms_get(c);
    size_t i, k;
    json_t *o, *key;
    json_array_foreach (json_object_get(doc, "storms"), i, o) {
        const char *cluster = json_text(o, "cluster"), *run = json_text(o, "run");
        struct storm s = {.run_over = json_bool_or(o, "run_over", false)};
        if (!cluster || (run && !ulid_valid(run)) || time_parse(json_text_or(o, "since", ""), &s.since_wall_us) < 0 ||
            time_parse(json_text_or(o, "last", ""), &s.last_us) < 0)
            return error_set(err, -EBADMSG, "the journal's list of storms cannot be understood");
        s.cluster = xstrdup(cluster);
        s.namespace = xstrdup(json_text(o, "namespace"));
        if (run)
            memcpy(s.run, run, sizeof(s.run));
        json_array_foreach (json_object_get(o, "targets"), k, key)
            if (json_is_string(key))
                add_member(&s, json_string_value(key));
        const int64_t count = json_int_or(o, "count", 0);
        s.count = count > (int64_t)s.count ? (size_t)count : s.count;
        all->list = xreallocarray(all->list, all->n + 1, sizeof(*all->list));
        all->list[all->n++] = s;
    }
    return 0;
}

/* How long ago something was while mendd lived: the time that it was down does not count. */
static int64_t aged_us(const struct core *c, int64_t wall_us)
{
    const int64_t alive = c->last_alive_wall_us ? c->last_alive_wall_us : c->now.wall_us;
    return alive > wall_us ? alive - wall_us : 0;
}

void storms_resume(struct core *c)
{
    for (size_t i = 0; c->storms && i < c->storms->n; i++) {
        struct storm *s = &c->storms->list[i];
        const struct run *run = core_find_run(c, s->run);
        s->last_us = c->now.boot_us - aged_us(c, s->last_us);
        s->run_over = s->run_over || !run || run->phase == PHASE_DONE;
    }
    for (const struct run *run = c->runs; run; run = run->hh_id.next) {
        int64_t created_us;
        if (!run->storm_counted || run->phase == PHASE_DONE || run->n_keys == 0 || find_covering(c, run) ||
            time_parse(json_text_or(run->record, "created", ""), &created_us) < 0)
            continue;
        note_seen(c, run, c->now.boot_us - aged_us(c, created_us));
    }
}

json_t *storms_status_new(const struct core *c)
{
    json_t *list = json_array();
    for (size_t i = 0; c->storms && i < c->storms->n; i++) {
        const struct storm *s = &c->storms->list[i];
        json_t *o = json_object();
        json_int_t held = 0;
        for (const struct run *run = c->waiting_head; run; run = run->wait_next)
            held += run->held == REASON_STORM && covers(s, run);
        json_set_text(o, "cluster", s->cluster);
        json_object_set_new(o, "namespace", s->namespace ? json_string(s->namespace) : json_null());
        record_set_time(o, "since", s->since_wall_us);
        json_object_set_new(o, "targets", json_integer((json_int_t)s->count));
        json_object_set_new(o, "run", s->run[0] ? json_string(s->run) : json_null());
        json_object_set_new(o, "held", json_integer(held));
        json_array_append_new(list, o);
    }
    return list;
}
