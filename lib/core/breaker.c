/* Breakers: one a playbook and one over all count failed runs, one a cluster counts the faults of its API server (5xx
 * and silence; what an API server refuses is no fault of it).
 *
 * Too many within `within`: open, new runs wait. After `open` it is half-open: exactly one run may try. If it resolves
 * its alert the breaker closes and its books are cleared; if it fails the breaker stays open twice as long as before,
 * up to eight times. An API server's breaker closes with the first sensible answer, whoever asked. What waited is
 * decided again from the beginning (run_begin.c, phase_recheck) or has expired meanwhile. Rollbacks and checks are not
 * held. */
#include "core/breaker.h"

#include "base/alloc.h"
#include "base/text.h"

#include <string.h>

enum { DOUBLINGS_MAX = 3 };

void breaker_free(struct core *c, struct breaker *b)
{
    HASH_DELETE(hh, c->breakers->list, b);
    free(b->times);
    free(b->name);
    free(b);
}

void breakers_free(struct core *c)
{
    struct breaker *b, *next;
    if (!c->breakers)
        return;
    HASH_ITER (hh, c->breakers->list, b, next)
        breaker_free(c, b);
    free(c->breakers);
    c->breakers = NULL;
}

char *breaker_key_new(enum breaker_kind kind, const char *of)
{
    return kind == BREAKER_GLOBAL ? xstrdup("global")
                                  : xasprintf("%s %s", kind == BREAKER_API ? "api" : "playbook", of);
}

const char *breaker_shown(const struct breaker *b)
{
    return b->kind == BREAKER_PLAYBOOK ? b->name + strlen("playbook ") : b->name;
}

struct breaker *breaker_get(struct core *c, enum breaker_kind kind, const char *of)
{
    struct breaker *b = NULL;
    _cleanup_free_ char *key = breaker_key_new(kind, of);
    if (!c->breakers)
        c->breakers = xnew0(struct breakers);
    HASH_FIND_STR(c->breakers->list, key, b);
    if (b)
        return b;
    b = xnew0(struct breaker);
    *b = (struct breaker){.kind = kind, .name = TAKE_PTR(key)};
    HASH_ADD_KEYPTR(hh, c->breakers->list, b->name, strlen(b->name), b);
    return b;
}

static int threshold(const struct core *c, enum breaker_kind kind)
{
    const struct breaker_settings *s = &c->settings->breaker;
    if (!s->enabled)
        return 0;
    return kind == BREAKER_API ? s->api_faults : kind == BREAKER_GLOBAL ? s->global_failures : s->playbook_failures;
}

/* ---- who is held ---- */

/* Of a cluster that the watch knows to be away: the watch asks, nobody else has to try. */
static bool is_lost(const struct core *c, const struct breaker *b)
{
    return b->kind == BREAKER_API && cluster_watch_lost(c, b->name + strlen("api "));
}

/* Open until its time has come; the tick that says so may be a moment late. */
enum breaker_state breaker_state(const struct core *c, const struct breaker *b)
{
    const bool over = c->now.wall_us >= b->until_wall_us && !is_lost(c, b);
    return b->state == BREAKER_OPEN && over ? BREAKER_HALF_OPEN : b->state;
}

/* The run that tries; NULL: nobody does. */
static const struct run *prober(const struct core *c, const struct breaker *b)
{
    const struct run *run = *b->prober ? core_find_run(c, b->prober) : NULL;
    return run && run->phase != PHASE_DONE ? run : NULL;
}

bool breaker_covers(const struct breaker *b, const struct run *run)
{
    switch (b->kind) {
    case BREAKER_GLOBAL:
        return true;
    case BREAKER_PLAYBOOK:
        return run->playbook && str_eq(breaker_shown(b), run->playbook->name);
    default:
        return run->target.cluster && str_eq(b->name + strlen("api "), run->target.cluster);
    }
}

static int64_t held_until(const struct core *c, const struct breaker *b, const struct run *run)
{
    if (!breaker_covers(b, run) || threshold(c, b->kind) <= 0)
        return 0;
    const struct run *tries = prober(c, b);
    switch (breaker_state(c, b)) {
    case BREAKER_OPEN:
        return is_lost(c, b) ? INT64_MAX : c->now.boot_us + (b->until_wall_us - c->now.wall_us);
    case BREAKER_HALF_OPEN:
        return tries && tries != run ? INT64_MAX : 0;
    default:
        return 0;
    }
}

/* Half-open, any question may show that it is well again. */
bool breaker_api_holds(const struct core *c, const char *cluster, int64_t *ret_until_us)
{
    struct breaker *b = NULL;
    _cleanup_free_ char *key = breaker_key_new(BREAKER_API, cluster);
    *ret_until_us = INT64_MAX;
    if (cluster_watch_lost(c, cluster))
        return true;
    if (c->breakers)
        HASH_FIND_STR(c->breakers->list, key, b);
    if (!b || threshold(c, BREAKER_API) <= 0 || breaker_state(c, b) != BREAKER_OPEN)
        return false;
    *ret_until_us = c->now.boot_us + (b->until_wall_us - c->now.wall_us);
    return true;
}

bool breaker_holds(const struct core *c, const struct run *run, int64_t *ret_until_us, const char **ret_name)
{
    int64_t longest = 0;
    for (const struct breaker *b = c->breakers ? c->breakers->list : NULL; b; b = b->hh.next) {
        int64_t until = held_until(c, b, run);
        if (until <= longest)
            continue;
        *ret_until_us = longest = until;
        *ret_name = breaker_shown(b);
    }
    if (longest < INT64_MAX && cluster_watch_lost(c, run->target.cluster)) {
        *ret_until_us = longest = INT64_MAX;
        *ret_name = run->target.cluster;
    }
    return longest > 0;
}

/* ---- one run tries ---- */

void breaker_begins(struct core *c, struct run *run)
{
    for (struct breaker *b = c->breakers ? c->breakers->list : NULL; b; b = b->hh.next) {
        if (threshold(c, b->kind) <= 0 || breaker_state(c, b) != BREAKER_HALF_OPEN || !breaker_covers(b, run) ||
            prober(c, b))
            continue;
        b->state = BREAKER_HALF_OPEN;
        memcpy(b->prober, run->id, sizeof(b->prober));
        run->probing = true;
        core_note(c, run, NOTE_INFO, REASON_BREAKER_OPEN, "breaker \"%s\" is half-open: this run tries",
                  breaker_shown(b));
        core_keep(c, KEPT_BREAKERS);
    }
}

static bool probes(const struct breaker *b, const struct run *run)
{
    return str_eq(b->prober, run->id);
}

static void nobody_tries(struct core *c, struct breaker *b)
{
    b->prober[0] = '\0';
    c->recheck = true;
    core_keep(c, KEPT_BREAKERS);
}

void breaker_lets_go(struct core *c, struct run *run)
{
    for (struct breaker *b = run->probing && c->breakers ? c->breakers->list : NULL; b; b = b->hh.next)
        if (probes(b, run))
            nobody_tries(c, b);
    run->probing = false;
}

/* ---- opening and closing ---- */

static void forget_old(const struct core *c, struct breaker *b)
{
    const int64_t before = c->now.wall_us - c->settings->breaker.within_ms * USEC_PER_MSEC;
    size_t kept = 0;
    for (size_t i = 0; i < b->n; i++)
        if (b->times[i] > before)
            b->times[kept++] = b->times[i];
    b->n = kept;
}

void breaker_close(struct core *c, struct breaker *b)
{
    bool was_closed = b->state == BREAKER_CLOSED;
    b->state = BREAKER_CLOSED;
    b->n = 0;
    b->doublings = 0;
    nobody_tries(c, b);
    if (!was_closed)
        core_note(c, NULL, NOTE_INFO, REASON_NONE, "breaker \"%s\" is closed again", breaker_shown(b));
}

static void open_breaker(struct core *c, struct breaker *b, const struct run *run)
{
    char within[TIME_TEXT_MAX], until[TIME_TEXT_MAX];
    const bool lost = is_lost(c, b), again = !lost && b->state != BREAKER_CLOSED;
    if (!again)
        b->doublings = 0;
    else if (b->doublings < DOUBLINGS_MAX)
        b->doublings++;
    b->state = BREAKER_OPEN;
    b->until_wall_us = c->now.wall_us + (c->settings->breaker.open_ms << b->doublings) * USEC_PER_MSEC;
    nobody_tries(c, b);
    core_wake_at(c, c->now.boot_us + (b->until_wall_us - c->now.wall_us));
    if (lost) {
        core_note(c, run, NOTE_WARN, REASON_BREAKER_OPEN, "breaker \"%s\" is open until the cluster is back",
                  breaker_shown(b));
        return;
    }
    const char *name = breaker_shown(b), *what = b->kind == BREAKER_API ? "faults of the API server" : "failed runs";
    time_format_seconds(b->until_wall_us, until);
    duration_format(c->settings->breaker.within_ms, within);
    if (again)
        core_note(c, run, NOTE_WARN, REASON_BREAKER_OPEN,
                  "breaker \"%s\" stays open until %s: what was tried failed (mendctl reset breaker \"%s\" closes it)",
                  name, until, name);
    else
        core_note(c, run, NOTE_WARN, REASON_BREAKER_OPEN,
                  "breaker \"%s\" opens until %s: %zu %s within %s (mendctl reset breaker \"%s\" closes it)", name,
                  until, b->n, what, within, name);
}

static void count(struct core *c, struct breaker *b)
{
    forget_old(c, b);
    b->times = xreallocarray(b->times, b->n + 1, sizeof(*b->times));
    b->times[b->n++] = c->now.wall_us;
}

static void failed(struct core *c, enum breaker_kind kind, const char *of, const struct run *run)
{
    int limit = threshold(c, kind);
    if (limit <= 0 || !of)
        return;
    struct breaker *b = breaker_get(c, kind, of);
    enum breaker_state state = breaker_state(c, b);
    if (state == BREAKER_OPEN)
        return;
    count(c, b);
    if (state == BREAKER_HALF_OPEN || b->n >= (size_t)limit)
        open_breaker(c, b, run);
    if (kind != BREAKER_API || b->state != BREAKER_CLOSED) /* few faults are not worth a write each */
        core_keep(c, KEPT_BREAKERS);
}

/* ---- what counts ---- */

static bool counts_as_failure(const struct run *run)
{
    return run->outcome == OUTCOME_FAILED &&
           (run->reason == REASON_ACTION_FAILED || run->reason == REASON_VERIFY_FAILED ||
            run->reason == REASON_VERIFY_UNKNOWN || run->reason == REASON_STILL_FIRING);
}

/* Half-open, only the run that tries decides: others began before it opened. */
static bool is_anothers(const struct core *c, enum breaker_kind kind, const char *of, const struct run *run)
{
    struct breaker *b = NULL;
    _cleanup_free_ char *key = breaker_key_new(kind, of);
    if (c->breakers)
        HASH_FIND_STR(c->breakers->list, key, b);
    return b && breaker_state(c, b) == BREAKER_HALF_OPEN && !probes(b, run);
}

void breaker_ended(struct core *c, struct run *run)
{
    const char *playbook = run->playbook ? run->playbook->name : NULL;
    if (counts_as_failure(run) && playbook) {
        if (!is_anothers(c, BREAKER_PLAYBOOK, playbook, run))
            failed(c, BREAKER_PLAYBOOK, playbook, run);
        if (!is_anothers(c, BREAKER_GLOBAL, "", run))
            failed(c, BREAKER_GLOBAL, "", run);
    }
    struct breaker *b, *next;
    for (b = run->probing && c->breakers ? c->breakers->list : NULL; b; b = next) {
        next = b->hh.next;
        if (probes(b, run) && run->outcome == OUTCOME_RESOLVED)
            breaker_close(c, b);
        else if (probes(b, run))
            nobody_tries(c, b);
    }
    run->probing = false;
}

/* What never reached the API server, or what an API server in good health says too, is no fault of it. */
static bool is_fault(const json_t *answer)
{
    static const char *const faults[] = {"timeout", "reset", "refused", "dns", "tls", "protocol", NULL};
    const char *error = json_text(answer, "error");
    return error ? str_in(error, faults) : answer_status(answer) >= 500;
}

/* Behind the API server's proxy stands something else: the sick pod itself. Such questions want text. So with a command
 * in a pod: what hangs or ends without a status is the command or its node. */
static bool is_of_api_server(const json_t *question)
{
    const char *ask = json_text(question, "ask");
    if (str_eq(json_text(question, "method"), "EXEC") || str_eq(json_text(question, "method"), "FILE") ||
        json_object_get(question, "request")) /* core/foreign.h */
        return false;
    return !str_empty(json_text(question, "cluster")) && json_text(question, "path") && (!ask || str_eq(ask, "kube")) &&
           !json_bool_or(question, "text", false);
}

void breaker_answer(struct core *c, const json_t *question, const json_t *answer)
{
    const char *cluster = json_text(question, "cluster");
    int status = answer_status(answer);
    if (threshold(c, BREAKER_API) <= 0 || !is_of_api_server(question))
        return;
    if (is_fault(answer)) {
        failed(c, BREAKER_API, cluster, NULL);
        return;
    }
    struct breaker *b = NULL;
    _cleanup_free_ char *key = breaker_key_new(BREAKER_API, cluster);
    if (c->breakers)
        HASH_FIND_STR(c->breakers->list, key, b);
    if (b && !json_text(answer, "error") && status > 0 && status != 429 && breaker_state(c, b) == BREAKER_HALF_OPEN)
        breaker_close(c, b);
}

void breaker_api_lost(struct core *c, const char *cluster)
{
    if (threshold(c, BREAKER_API) <= 0)
        return;
    struct breaker *b = breaker_get(c, BREAKER_API, cluster);
    if (breaker_state(c, b) == BREAKER_OPEN && b->until_wall_us > c->now.wall_us)
        return;
    open_breaker(c, b, NULL);
}

void breaker_api_back(struct core *c, const char *cluster)
{
    struct breaker *b = NULL;
    _cleanup_free_ char *key = breaker_key_new(BREAKER_API, cluster);
    if (c->breakers)
        HASH_FIND_STR(c->breakers->list, key, b);
    if (b && b->state != BREAKER_CLOSED)
        breaker_close(c, b);
}

/* ---- time ---- */

void breaker_tick(struct core *c)
{
    for (struct breaker *b = c->breakers ? c->breakers->list : NULL; b; b = b->hh.next) {
        if (b->state != BREAKER_OPEN)
            continue;
        if (is_lost(c, b))
            continue; /* the watch says when it is over */
        if (breaker_state(c, b) == BREAKER_OPEN) {
            core_wake_at(c, c->now.boot_us + (b->until_wall_us - c->now.wall_us));
            continue;
        }
        b->state = BREAKER_HALF_OPEN;
        nobody_tries(c, b);
        core_note(c, NULL, NOTE_INFO, REASON_NONE, "breaker \"%s\" is half-open: one run may try", breaker_shown(b));
    }
}

void breakers_shift(struct core *c, int64_t delta_us)
{
    for (struct breaker *b = c->breakers ? c->breakers->list : NULL; b; b = b->hh.next) {
        b->until_wall_us += delta_us;
        for (size_t i = 0; i < b->n; i++)
            b->times[i] += delta_us;
        core_keep(c, KEPT_BREAKERS);
    }
}
