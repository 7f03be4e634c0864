/* What limits remember, keyed on cluster + top controller: who holds the lock, who waits for it, when the last run
 * ended, and the attempts (runs that sent an effect). Locks are taken all or none and in order of arrival, so that two
 * runs with several owners never wait for each other. */
#include "base/alloc.h"
#include "base/text.h"
#include "core/internal.h"

#include <stdio.h>
#include <string.h>

struct owner *owner_get(struct core *c, const char *key)
{
    struct owner *o = NULL;
    HASH_FIND_STR(c->owners, key, o);
    if (o)
        return o;
    o = xnew0(struct owner);
    o->key = xstrdup(key);
    HASH_ADD_KEYPTR(hh, c->owners, o->key, strlen(o->key), o);
    return o;
}

static struct owner *owner_find(const struct core *c, const char *key)
{
    struct owner *o = NULL;
    HASH_FIND_STR(c->owners, key, o);
    return o;
}

static void owner_free(struct core *c, struct owner *o)
{
    HASH_DELETE(hh, c->owners, o);
    for (size_t i = 0; i < o->n_attempts; i++)
        free(o->attempts[i].playbook);
    free(o->attempts);
    free(o->line);
    free(o->key);
    free(o);
}

void owners_free(struct core *c)
{
    struct owner *o, *next;
    HASH_ITER (hh, c->owners, o, next)
        owner_free(c, o);
    struct concurrency *k, *next_k;
    HASH_ITER (hh, c->concurrency, k, next_k) {
        HASH_DELETE(hh, c->concurrency, k);
        free(k->playbook);
        free(k);
    }
}

void limits_prune(struct core *c)
{
    const int64_t before = c->now.wall_us - core_history_window_ms(c) * USEC_PER_MSEC;
    struct owner *o, *next;
    HASH_ITER (hh, c->owners, o, next) {
        size_t kept = 0;
        for (size_t i = 0; i < o->n_attempts; i++) {
            if (o->attempts[i].wall_us < before)
                free(o->attempts[i].playbook);
            else
                o->attempts[kept++] = o->attempts[i];
        }
        o->n_attempts = kept;
        if (!o->holder && o->n_line == 0 && kept == 0 && o->last_end_wall_us < before && o->shadow_end_wall_us < before)
            owner_free(c, o);
    }
}

void limits_shift(struct core *c, int64_t delta_us)
{
    struct owner *o, *next;
    HASH_ITER (hh, c->owners, o, next) {
        if (o->last_end_wall_us)
            o->last_end_wall_us += delta_us;
        if (o->shadow_end_wall_us)
            o->shadow_end_wall_us += delta_us;
        for (size_t i = 0; i < o->n_attempts; i++)
            o->attempts[i].wall_us += delta_us;
    }
    for (struct run *run = c->runs; run; run = run->hh_id.next) {
        run->acted_wall_us += run->acted_wall_us ? delta_us : 0;
        run->ended_wall_us += run->ended_wall_us ? delta_us : 0;
    }
    /* Records keep the times that people read; what is saved says by how much the clock was set until then. */
    c->jumped_us += delta_us;
    core_keep(c, KEPT_CLOCK);
}

json_t *limits_clock_doc_new(const struct core *c)
{
    return json_pack("{s:I}", "jumped_us", (json_int_t)c->jumped_us);
}

int limits_clock_restore(struct core *c, const json_t *doc, struct error *err _unused_)
{
    c->jumped_us = json_int_or(doc, "jumped_us", 0);
    return 0;
}

/* A run without a target in the cluster is keyed on its alert. */
static char **keys_new(const struct run *run, size_t *ret_n)
{
    *ret_n = run->target.n_owners ? run->target.n_owners : 1;
    char **keys = xcalloc(*ret_n, sizeof(char *));
    if (run->target.n_owners == 0)
        keys[0] = xasprintf("%s/alert/%s", run->target.cluster ? run->target.cluster : "", run->fingerprint);
    for (size_t i = 0; i < run->target.n_owners; i++)
        keys[i] = target_owner_key(&run->target, i);
    return keys;
}

static void keys_free(char **keys, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(keys[i]);
    free(keys);
}

static bool keys_equal(char **a, size_t n_a, char **b, size_t n_b)
{
    if (n_a != n_b)
        return false;
    for (size_t i = 0; i < n_a; i++)
        if (!str_eq(a[i], b[i]))
            return false;
    return true;
}

/* A target that was looked up again and is the same keeps its lock and its place in the line. */
void limits_set_keys(struct core *c, struct run *run)
{
    size_t n;
    char **keys = keys_new(run, &n);
    if (keys_equal(keys, n, run->keys, run->n_keys)) {
        keys_free(keys, n);
        return;
    }
    limits_release(c, run);
    keys_free(run->keys, run->n_keys);
    run->keys = keys;
    run->n_keys = n;
}

/* ---- locks ---- */

/* A storm's own run is served first: what the storm holds, between two steps or before the first, and what only settles
 * gives way to it. */
static bool gives_way(const struct core *c, const struct run *other, const struct run *run)
{
    const char *who = NULL;
    int64_t until_us;
    if (!run->storm || other->storm)
        return false;
    if (!other->locked)
        return storm_holds(c, other, &until_us, &who);
    return (other->phase == PHASE_HELD && other->held == REASON_STORM) || other->phase == PHASE_SETTLE;
}

const struct run *limits_lock_blocker(const struct core *c, const struct run *run)
{
    if (run->locked)
        return NULL;
    for (size_t i = 0; i < run->n_keys; i++) {
        const struct owner *o = owner_find(c, run->keys[i]);
        if (o && o->holder && o->holder != run && !gives_way(c, o->holder, run))
            return o->holder;
    }
    for (size_t i = 0; i < run->n_keys; i++) {
        const struct owner *o = owner_find(c, run->keys[i]);
        for (size_t k = 0; o && k < o->n_line && o->line[k]->arrival < run->arrival; k++)
            if (!gives_way(c, o->line[k], run))
                return o->line[k];
    }
    return NULL;
}

bool limits_is_next(const struct core *c, const struct run *run)
{
    const struct owner *o = run->n_keys ? owner_find(c, run->keys[0]) : NULL;
    return !o || o->n_line == 0 || o->line[0] == run;
}

/* All of them: locks are held all or none. */
static void give_locks(struct core *c, struct run *from, const struct run *to)
{
    for (size_t i = 0; i < from->n_keys; i++) {
        struct owner *o = owner_find(c, from->keys[i]);
        if (o && o->holder == from)
            o->holder = NULL;
    }
    from->locked = false;
    if (from->phase == PHASE_HELD)
        limits_line_up(c, from);
    _cleanup_free_ char *words = xasprintf("its lock goes to run %s, which repairs the storm", to->id);
    record_event(c, from, words);
    core_note(c, from, NOTE_INFO, REASON_STORM, "%s", words);
}

void limits_lock(struct core *c, struct run *run)
{
    limits_leave_line(c, run);
    for (size_t i = 0; i < run->n_keys; i++) {
        struct owner *o = owner_get(c, run->keys[i]);
        if (o->holder && o->holder != run)
            give_locks(c, o->holder, run);
        o->holder = run;
    }
    run->locked = true;
}

void limits_line_up(struct core *c, struct run *run)
{
    if (run->lined_up)
        return;
    for (size_t i = 0; i < run->n_keys; i++) {
        struct owner *o = owner_get(c, run->keys[i]);
        size_t at = o->n_line;
        o->line = xreallocarray(o->line, o->n_line + 1, sizeof(*o->line));
        while (at > 0 && o->line[at - 1]->arrival > run->arrival)
            at--;
        memmove(&o->line[at + 1], &o->line[at], (o->n_line - at) * sizeof(*o->line));
        o->line[at] = run;
        o->n_line++;
    }
    run->lined_up = true;
}

void limits_leave_line(struct core *c, struct run *run)
{
    if (!run->lined_up)
        return;
    for (size_t i = 0; i < run->n_keys; i++) {
        struct owner *o = owner_find(c, run->keys[i]);
        size_t kept = 0;
        for (size_t k = 0; o && k < o->n_line; k++)
            if (o->line[k] != run)
                o->line[kept++] = o->line[k];
        if (o)
            o->n_line = kept;
    }
    run->lined_up = false;
    c->recheck = true;
}

void limits_release(struct core *c, struct run *run)
{
    limits_leave_line(c, run);
    for (size_t i = 0; run->locked && i < run->n_keys; i++) {
        struct owner *o = owner_find(c, run->keys[i]);
        if (o && o->holder == run)
            o->holder = NULL;
    }
    if (run->locked)
        c->recheck = true;
    run->locked = false;
    limits_set_active(c, run, false);
    if (run->phase != PHASE_DONE) /* at its end its outcome counts */
        breaker_lets_go(c, run);
}

/* ---- histories ---- */

void limits_ended(struct core *c, const struct run *run, int64_t wall_us)
{
    for (size_t i = 0; i < run->n_keys; i++) {
        struct owner *o = owner_get(c, run->keys[i]);
        if (wall_us < o->last_end_wall_us)
            continue;
        o->last_end_wall_us = wall_us;
        memcpy(o->last_run, run->id, sizeof(o->last_run));
    }
}

void limits_attempt(struct core *c, const char *key, const char *run, const char *playbook, int64_t wall_us,
                    bool shadow)
{
    struct owner *o = owner_get(c, key);
    for (size_t i = 0; i < o->n_attempts; i++) {
        if (!str_eq(o->attempts[i].run, run))
            continue;
        if (wall_us > o->attempts[i].wall_us) /* a long run counts from its latest effect */
            o->attempts[i].wall_us = wall_us;
        return;
    }
    o->attempts = xreallocarray(o->attempts, o->n_attempts + 1, sizeof(*o->attempts));
    struct attempt *a = &o->attempts[o->n_attempts++];
    *a = (struct attempt){.wall_us = wall_us, .shadow = shadow, .playbook = xstrdup(playbook)};
    strncpy(a->run, run, sizeof(a->run) - 1);
}

void limits_note_attempt(struct core *c, const struct run *run)
{
    for (size_t i = 0; i < run->n_keys; i++)
        limits_attempt(c, run->keys[i], run->id, run->playbook->name, c->now.wall_us, false);
}

void limits_shadow(struct core *c, const char *key, const char *run, const char *playbook, int64_t wall_us)
{
    struct owner *o = owner_get(c, key);
    limits_attempt(c, key, run, playbook, wall_us, true);
    if (wall_us < o->shadow_end_wall_us)
        return;
    o->shadow_end_wall_us = wall_us;
    snprintf(o->shadow_run, sizeof(o->shadow_run), "%s", run);
}

void limits_would_have_acted(struct core *c, const struct run *run, int64_t wall_us)
{
    budget_would_have_spent(c, run);
    for (size_t i = 0; i < run->n_keys; i++)
        limits_shadow(c, run->keys[i], run->id, run->playbook->name, wall_us);
}

static bool is_shadow(const struct core *c, const struct run *run)
{
    enum playbook_mode m = guard_mode(c, run);
    return m == MODE_OBSERVE || m == MODE_PLAN;
}

int64_t limits_cooldown_until(const struct core *c, const struct run *run, const char **ret_run)
{
    int64_t latest = 0;
    for (size_t i = 0; i < run->n_keys; i++) {
        const struct owner *o = owner_find(c, run->keys[i]);
        bool shadow = o && o->shadow_end_wall_us > o->last_end_wall_us && is_shadow(c, run);
        const char *last = !o ? "" : shadow ? o->shadow_run : o->last_run;
        int64_t end = !o ? 0 : shadow ? o->shadow_end_wall_us : o->last_end_wall_us;
        int64_t until = end + run->playbook->limits.cooldown_ms * USEC_PER_MSEC;
        if (end != 0 && !str_eq(last, run->id) && until > c->now.wall_us && until > latest) {
            latest = until;
            *ret_run = last;
        }
    }
    return latest;
}

static int count_attempts(const struct owner *o, const struct run *run, const char *playbook, int64_t since_wall_us,
                          bool shadow)
{
    int n = 0;
    for (size_t i = 0; o && i < o->n_attempts; i++) {
        const struct attempt *a = &o->attempts[i];
        if (a->wall_us > since_wall_us && (!a->shadow || shadow) && !str_eq(a->run, run->id) &&
            (!playbook || str_eq(a->playbook, playbook)))
            n++;
    }
    return n;
}

const struct rate *limits_exhausted(const struct core *c, const struct run *run, const struct rate *rates, size_t n,
                                    const char *playbook)
{
    const bool shadow = is_shadow(c, run);
    for (size_t i = 0; i < run->n_keys; i++) {
        const struct owner *o = owner_find(c, run->keys[i]);
        for (size_t k = 0; o && k < n; k++) {
            int64_t since = c->now.wall_us - rates[k].window_ms * USEC_PER_MSEC;
            if (count_attempts(o, run, playbook, since, shadow) >= rates[k].count)
                return &rates[k];
        }
    }
    return NULL;
}

/* ---- concurrent ---- */

static struct concurrency *concurrency_find(const struct core *c, const char *playbook)
{
    struct concurrency *k = NULL;
    HASH_FIND_STR(c->concurrency, playbook, k);
    return k;
}

int limits_active(const struct core *c, const struct run *run)
{
    const struct concurrency *k = concurrency_find(c, run->playbook->name);
    return k ? k->active - (run->active ? 1 : 0) : 0;
}

void limits_set_active(struct core *c, struct run *run, bool active)
{
    if (run->active == active)
        return;
    struct concurrency *k = concurrency_find(c, run->playbook->name);
    if (!k) {
        k = xnew0(struct concurrency);
        k->playbook = xstrdup(run->playbook->name);
        HASH_ADD_KEYPTR(hh, c->concurrency, k->playbook, strlen(k->playbook), k);
    }
    k->active += active ? 1 : -1;
    run->active = active;
    budget_claim(c, run, active);
    if (!active)
        c->recheck = true;
}
