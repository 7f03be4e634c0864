/* The watch: clusters of a set, and those that the configuration wants watched, are looked at every `interval`.
 *
 * Happy path: a tick finds a look due, the questions leave through core_ask(), their answers come to on_answer(), which
 * runs the pure look again until it knows; then alerts and sets are judged. Failure modes: no answer in time counts as
 * a failed look; after one the next comes sooner. A cluster that stays away for `unavailable_after` is down: an
 * internal alert says so, the breaker of its API is open and stays so (nobody else asks; the watch does), what waits
 * for it waits. The first good look ends all of that. Answers that were cancelled (a reload) mean nothing.
 *
 * Kept as "clusters": which are down and since when, the sets' statuses, the alerts that stand. */
#include "core/cluster_watch.h"

#include "base/alloc.h"
#include "base/text.h"

#include <errno.h>
#include <string.h>

#define LOOK_US (10 * USEC_PER_SEC)
#define SOONER_MIN_US USEC_PER_SEC
#define SOONER_MAX_US (10 * USEC_PER_SEC)
enum { FAILED_LOOKS_MIN = 2 };

static const char *const cause_names[CAUSE_COUNT] = {
    [CAUSE_UNREACHABLE] = "unreachable", [CAUSE_NOT_READY] = "not_ready", [CAUSE_NO_NODES] = "no_ready_nodes"};

const char *cluster_cause_name(enum cluster_cause cause)
{
    return cause_names[cause];
}

struct cluster_watch *cluster_watch_get(struct core *c)
{
    if (!c->watch) {
        c->watch = xnew0(struct cluster_watch);
        c->watch->alerts = json_object();
        c->watch->down = json_object();
    }
    return c->watch;
}

struct watched *cluster_watch_find(const struct core *c, const char *cluster)
{
    for (size_t i = 0; c->watch && i < c->watch->n; i++)
        if (str_eq(c->watch->list[i].name, cluster))
            return &c->watch->list[i];
    return NULL;
}

bool watched_is_down(const struct watched *w)
{
    return w && (w->api.down || w->nodes.down);
}

bool cluster_watch_lost(const struct core *c, const char *cluster)
{
    const struct watched *w = cluster ? cluster_watch_find(c, cluster) : NULL;
    return w && w->api.down;
}

static const struct watched_cluster *setting(const struct core *c, const char *cluster)
{
    for (size_t i = 0; i < c->settings->n_watched; i++)
        if (str_eq(c->settings->watched[i].name, cluster))
            return &c->settings->watched[i];
    return NULL;
}

/* ---- who is watched ---- */

static void end_look(struct core *c, struct watched *w)
{
    if (!w->looking)
        return;
    core_forget_asks(c, w->name);
    asks_clear(&w->asks);
    w->looking = false;
    w->in_flight = 0;
}

static void watched_clear(struct core *c, struct watched *w)
{
    end_look(c, w);
    cluster_view_clear(&w->view);
    free(w->name);
}

void cluster_watch_free(struct core *c)
{
    struct cluster_watch *all = c->watch;
    if (!all)
        return;
    for (size_t i = 0; i < all->n; i++)
        watched_clear(c, &all->list[i]);
    for (size_t i = 0; i < all->n_sets; i++)
        free(all->sets[i].name);
    free(all->list);
    free(all->sets);
    json_decref(all->alerts);
    json_decref(all->down);
    free(all);
    c->watch = NULL;
}

static void start_anew(const struct core *c, struct watched *w)
{
    w->epoch = c->epoch;
    w->api.good_us = w->nodes.good_us = c->now.boot_us;
    w->api.bad_looks = w->nodes.bad_looks = 0;
}

/* It was down when mendd was stopped: it is, until it is seen well. */
static void take_restored(struct core *c, struct watched *w)
{
    const json_t *was = json_object_get(c->watch->down, w->name);
    const char *cause = json_text(was, "cause");
    if (!was || time_parse(json_text_or(was, "since", ""), &w->down_since_wall_us) < 0)
        return;
    w->cause = CAUSE_UNREACHABLE;
    for (int i = CAUSE_UNREACHABLE; i < CAUSE_COUNT; i++)
        if (str_eq(cause_names[i], cause))
            w->cause = (enum cluster_cause)i;
    w->nodes.down = w->cause == CAUSE_NO_NODES;
    w->api.down = w->known = true;
    if (w->nodes.down)
        w->api.down = false;
    json_object_del(c->watch->down, w->name);
}

static void add_new(struct core *c)
{
    struct cluster_watch *all = cluster_watch_get(c);
    for (size_t i = 0; i < c->settings->n_watched; i++) {
        const char *name = c->settings->watched[i].name;
        if (cluster_watch_find(c, name))
            continue;
        all->list = xreallocarray(all->list, all->n + 1, sizeof(*all->list));
        struct watched *w = &all->list[all->n++];
        *w = (struct watched){.name = xstrdup(name), .next_us = c->now.boot_us};
        cluster_view_clear(&w->view);
        start_anew(c, w);
        take_restored(c, w);
    }
}

static void drop_old(struct core *c)
{
    struct cluster_watch *all = c->watch;
    for (size_t i = all->n; i-- > 0;) {
        if (setting(c, all->list[i].name))
            continue;
        if (watched_is_down(&all->list[i]))
            c->recheck = true;
        watched_clear(c, &all->list[i]);
        memmove(&all->list[i], &all->list[i + 1], (all->n - i - 1) * sizeof(*all->list));
        all->n--;
        core_keep(c, KEPT_CLUSTERS);
    }
}

/* ---- what looks mean ---- */

static void went_down(struct core *c, struct watched *w, enum cluster_cause cause, const char *words)
{
    if (!w->down_since_wall_us) {
        w->cause = cause;
        w->down_since_wall_us = c->now.wall_us;
    }
    core_keep(c, KEPT_CLUSTERS);
    core_note(c, NULL, NOTE_WARN, REASON_NONE, "cluster %s is unavailable (%s): %s", w->name, cause_names[cause],
              words);
    if (cause != CAUSE_NO_NODES)
        breaker_api_lost(c, w->name);
}

static void came_back(struct core *c, struct watched *w, bool api)
{
    core_keep(c, KEPT_CLUSTERS);
    if (api)
        breaker_api_back(c, w->name);
    c->recheck = true;
    if (watched_is_down(w))
        return;
    w->cause = CAUSE_NONE;
    w->down_since_wall_us = 0;
    core_note(c, NULL, NOTE_INFO, REASON_NONE, "cluster %s is available again", w->name);
}

/* True: it is down for good or well; false: it may still turn out either way. */
static bool look_counts(struct core *c, struct watched *w, struct cluster_trouble *t, enum cluster_cause cause,
                        const char *words)
{
    const struct watched_cluster *s = setting(c, w->name);
    if (cause == CAUSE_NONE) {
        const bool was_down = t->down;
        *t = (struct cluster_trouble){.good_us = w->started_us};
        if (was_down)
            came_back(c, w, t == &w->api);
        return true;
    }
    t->bad_looks++;
    if (!t->down && t->bad_looks >= FAILED_LOOKS_MIN &&
        c->now.boot_us - t->good_us >= s->unavailable_after_ms * USEC_PER_MSEC) {
        t->down = true;
        went_down(c, w, cause, words);
    }
    return t->down;
}

static void looked(struct core *c, struct watched *w)
{
    const struct watched_cluster *s = setting(c, w->name);
    const struct cluster_view *v = &w->view;
    const bool empty = v->ready == 0;
    bool sure = look_counts(c, w, &w->api, v->cause, v->words ? v->words : "");
    if (v->cause == CAUSE_NONE) {
        w->heard_wall_us = c->now.wall_us;
        sure &= look_counts(c, w, &w->nodes, empty ? CAUSE_NO_NODES : CAUSE_NONE, "no node of it is ready");
    }
    w->known |= sure;
    int64_t pause = s->interval_ms * USEC_PER_MSEC, sooner = pause / 3;
    sooner = sooner < SOONER_MIN_US ? SOONER_MIN_US : sooner > SOONER_MAX_US ? SOONER_MAX_US : sooner;
    if (!sure && sooner < pause)
        pause = sooner;
    w->next_us = w->started_us + pause;
    if (w->next_us <= c->now.boot_us)
        w->next_us = c->now.boot_us + SOONER_MIN_US;
    core_wake_at(c, w->next_us);
    cluster_sets_judge(c);
}

/* ---- one look ---- */

static void go_on(struct core *c, struct watched *w);

static void on_answer(struct core *c, void *owner, const json_t *question, json_t *answer_new)
{
    struct watched *w = cluster_watch_find(c, owner);
    asks_answer(&w->asks, question, answer_new);
    if (--w->in_flight == 0)
        go_on(c, w);
}

static void give_up(struct core *c, struct watched *w, const char *words)
{
    end_look(c, w);
    cluster_view_clear(&w->view);
    w->view.cause = CAUSE_UNREACHABLE;
    w->view.words = xstrdup(words);
    looked(c, w);
}

static void go_on(struct core *c, struct watched *w)
{
    int r = cluster_look(&w->asks, w->name, &w->view);
    if (r == 0) {
        end_look(c, w);
        looked(c, w);
        return;
    }
    if (r == -ECANCELED) {
        end_look(c, w);
        core_wake_at(c, w->next_us = c->now.boot_us + SOONER_MIN_US);
        return;
    }
    if (++w->rounds > ASK_ROUNDS_MAX) {
        give_up(c, w, "it answers without end");
        return;
    }
    size_t i;
    json_t *question;
    json_array_foreach (w->asks.wanted, i, question) {
        core_ask(c, json_deep_copy(question), w->deadline_us - c->now.boot_us, on_answer, w->name);
        w->in_flight++;
    }
    core_wake_at(c, w->deadline_us);
}

static void watch_one(struct core *c, struct watched *w)
{
    if (w->epoch != c->epoch) /* after a stall what was seen, or not seen, before proves nothing */
        start_anew(c, w);
    if (w->looking && c->now.boot_us >= w->deadline_us) {
        give_up(c, w, "no answer in time");
    } else if (w->looking) {
        core_wake_at(c, w->deadline_us);
    } else if (c->now.boot_us < w->next_us) {
        core_wake_at(c, w->next_us);
    } else {
        w->looking = true;
        w->rounds = 0;
        w->started_us = c->now.boot_us;
        w->deadline_us = c->now.boot_us + LOOK_US;
        asks_init(&w->asks);
        go_on(c, w);
    }
}

void cluster_watch_tick(struct core *c)
{
    if (c->settings->n_watched == 0 && !c->watch)
        return;
    add_new(c);
    drop_old(c);
    for (size_t i = 0; i < c->watch->n; i++)
        watch_one(c, &c->watch->list[i]);
    cluster_sets_judge(c); /* the settings may be new */
}

/* ---- kept ---- */

static json_t *down_new(const struct core *c)
{
    json_t *down = c->watch ? json_deep_copy(c->watch->down) : json_object();
    for (size_t i = 0; c->watch && i < c->watch->n; i++) {
        const struct watched *w = &c->watch->list[i];
        if (!watched_is_down(w))
            continue;
        json_t *o = json_pack("{s:s}", "cause", cause_names[w->cause]);
        record_set_time(o, "since", w->down_since_wall_us);
        json_object_set_new(down, w->name, o);
    }
    return down;
}

json_t *cluster_watch_doc_new(const struct core *c)
{
    json_t *sets = json_object();
    for (size_t i = 0; c->watch && i < c->watch->n_sets; i++) {
        const struct set_state *s = &c->watch->sets[i];
        if (s->status == SET_UNKNOWN)
            continue;
        json_t *o = json_pack("{s:s}", "status", set_status_name(s->status));
        record_set_time(o, "since", s->since_wall_us);
        json_object_set_new(sets, s->name, o);
    }
    return json_pack("{s:o, s:o, s:o}", "down", down_new(c), "sets", sets, "alerts",
                     c->watch ? json_deep_copy(c->watch->alerts) : json_object());
}

int cluster_watch_restore(struct core *c, const json_t *doc, struct error *err)
{
    struct cluster_watch *all = cluster_watch_get(c);
    const json_t *down = json_object_get(doc, "down"), *alerts = json_object_get(doc, "alerts");
    json_t *sets = json_object_get(doc, "sets"), *o;
    const char *name;
    if (!json_is_object(down) || !json_is_object(alerts) || !json_is_object(sets))
        return error_set(err, -EBADMSG, "the journal's list of clusters cannot be understood");
    json_object_update(all->down, (json_t *)down);
    json_object_update(all->alerts, (json_t *)alerts);
    json_object_foreach (sets, name, o) {
        struct set_state *s = set_state_get(all, name);
        if (!set_status_parse(json_text(o, "status"), &s->status) ||
            time_parse(json_text_or(o, "since", ""), &s->since_wall_us) < 0)
            return error_set(err, -EBADMSG, "the journal's status of the cluster set %s cannot be understood", name);
    }
    cluster_alerts_restored(all);
    return 0;
}
