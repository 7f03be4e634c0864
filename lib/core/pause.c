/* Pauses: an operator's big red button, for everything or for one cluster, namespace or playbook. They survive a
 * restart (kept as "pauses"), may end by themselves, and hold every effect, rollback included; checks and escalation go
 * on (semantics.md, "In the middle of a run"). */
#include "base/alloc.h"
#include "base/text.h"
#include "core/internal.h"

#include <errno.h>
#include <string.h>

struct pause {
    char *cluster, *namespace, *playbook; /* NULL: any */
    char *by, *reason;
    int64_t since_wall_us, until_wall_us; /* until INT64_MAX: until somebody resumes */
};

struct pauses {
    struct pause *list;
    size_t n;
};

enum { PAUSES_MAX = 1000 };

static void pause_clear(struct pause *p)
{
    free(p->cluster);
    free(p->namespace);
    free(p->playbook);
    free(p->by);
    free(p->reason);
}

void pauses_free(struct core *c)
{
    for (size_t i = 0; c->pauses && i < c->pauses->n; i++)
        pause_clear(&c->pauses->list[i]);
    if (c->pauses)
        free(c->pauses->list);
    free(c->pauses);
    c->pauses = NULL;
}

static struct pauses *pauses_get(struct core *c)
{
    if (!c->pauses)
        c->pauses = xnew0(struct pauses);
    return c->pauses;
}

/* A pause without an end stands for ever, one with an end until then. */
static int64_t ends_boot_us(const struct core *c, const struct pause *p)
{
    return p->until_wall_us == INT64_MAX ? INT64_MAX : c->now.boot_us + (p->until_wall_us - c->now.wall_us);
}

static bool touches_namespace(const struct run *run, const char *namespace)
{
    if (str_eq(run->target.namespace, namespace))
        return true;
    for (size_t i = 0; i < run->target.n_owners; i++)
        if (str_eq(run->target.owners[i].namespace, namespace))
            return true;
    return false;
}

static bool covers(const struct pause *p, const struct run *run)
{
    return (!p->cluster || str_eq(p->cluster, run->target.cluster)) &&
           (!p->namespace || touches_namespace(run, p->namespace)) &&
           (!p->playbook || (run->playbook && str_eq(p->playbook, run->playbook->name)));
}

bool pause_holds(const struct core *c, const struct run *run, int64_t *ret_until_us, const struct pause **ret_pause)
{
    bool held = false;
    for (size_t i = 0; c->pauses && i < c->pauses->n; i++) {
        const struct pause *p = &c->pauses->list[i];
        if (p->until_wall_us <= c->now.wall_us || !covers(p, run))
            continue;
        int64_t until = ends_boot_us(c, p);
        if (!held || until > *ret_until_us) { /* the one that lasts longest is named */
            *ret_until_us = until;
            *ret_pause = p;
        }
        held = true;
    }
    return held;
}

/* Who, why, and the very command that ends it: `mendctl resume` alone ends the pause of everything only. */
char *pause_words_new(const struct pause *p)
{
    return xasprintf("paused by %s%s%s (mendctl resume%s%s%s%s%s%s ends it)", p->by ? p->by : "somebody",
                     p->reason ? ": " : "", p->reason ? p->reason : "", p->cluster ? " --cluster " : "",
                     p->cluster ? p->cluster : "", p->namespace ? " --namespace " : "",
                     p->namespace ? p->namespace : "", p->playbook ? " --playbook " : "",
                     p->playbook ? p->playbook : "");
}

/* ---- an operator's hand ---- */

static char *scope_words_new(const struct pause *p)
{
    if (!p->cluster && !p->namespace && !p->playbook)
        return xstrdup("everything");
    return xasprintf("%s%s%s%s%s%s%s%s", p->playbook ? "playbook " : "", p->playbook ? p->playbook : "",
                     p->playbook && (p->namespace || p->cluster) ? ", " : "", p->namespace ? "namespace " : "",
                     p->namespace ? p->namespace : "", p->namespace && p->cluster ? ", " : "",
                     p->cluster ? "cluster " : "", p->cluster ? p->cluster : "");
}

static struct pause *find_scope(const struct core *c, const json_t *scope)
{
    for (size_t i = 0; c->pauses && i < c->pauses->n; i++) {
        struct pause *p = &c->pauses->list[i];
        if (str_eq(p->cluster, json_text(scope, "cluster")) && str_eq(p->namespace, json_text(scope, "namespace")) &&
            str_eq(p->playbook, json_text(scope, "playbook")))
            return p;
    }
    return NULL;
}

static void remove_pause(struct core *c, struct pause *p)
{
    struct pauses *all = c->pauses;
    size_t i = (size_t)(p - all->list);
    pause_clear(p);
    memmove(&all->list[i], &all->list[i + 1], (all->n - i - 1) * sizeof(*p));
    all->n--;
    c->recheck = true; /* what it held is decided again */
    core_keep(c, KEPT_PAUSES);
}

static json_t *pause_to_json(const struct pause *p)
{
    json_t *o = json_object(), *scope = json_object();
    if (p->cluster)
        json_set_text(scope, "cluster", p->cluster);
    if (p->namespace)
        json_set_text(scope, "namespace", p->namespace);
    if (p->playbook)
        json_set_text(scope, "playbook", p->playbook);
    json_object_set_new(o, "scope", scope);
    json_set_text(o, "by", p->by);
    json_set_text(o, "reason", p->reason);
    record_set_time(o, "since", p->since_wall_us);
    json_object_set_new(o, "until", json_null());
    if (p->until_wall_us != INT64_MAX)
        record_set_time(o, "until", p->until_wall_us);
    return o;
}

static void set_pause(struct core *c, const json_t *what, const json_t *scope, uint64_t ticket)
{
    struct pauses *all = pauses_get(c);
    struct pause *p = find_scope(c, scope);
    int64_t for_ms = json_int_or(what, "for_ms", 0);
    if (!p && all->n >= PAUSES_MAX) {
        command_reply(c, ticket, 409, "too_many", NULL, "there are %d pauses already: resume some first", PAUSES_MAX);
        return;
    }
    if (!p) {
        all->list = xreallocarray(all->list, all->n + 1, sizeof(*all->list));
        p = &all->list[all->n++];
        *p = (struct pause){.cluster = xstrdup(json_text(scope, "cluster")),
                            .namespace = xstrdup(json_text(scope, "namespace")),
                            .playbook = xstrdup(json_text(scope, "playbook"))};
    }
    free(p->by);
    free(p->reason);
    p->by = xstrdup(json_text(what, "by"));
    p->reason = xstrdup(json_text(what, "reason"));
    p->since_wall_us = c->now.wall_us;
    p->until_wall_us = for_ms > 0 ? c->now.wall_us + for_ms * USEC_PER_MSEC : INT64_MAX;
    core_wake_at(c, ends_boot_us(c, p));
    c->recheck = true; /* a shorter one may have taken the place of a longer */
    core_keep(c, KEPT_PAUSES);
    _cleanup_free_ char *words = scope_words_new(p);
    core_note(c, NULL, NOTE_WARN, REASON_PAUSED, "paused by %s: %s%s%s", p->by ? p->by : "somebody", words,
              p->reason ? ": " : "", p->reason ? p->reason : "");
    command_reply(c, ticket, 200, NULL, pause_to_json(p), "paused: %s", words);
}

void pause_command(struct core *c, const struct event *event, bool on)
{
    const json_t *what = event->command.what, *scope = json_object_get(what, "scope");
    if (on) {
        set_pause(c, what, scope, event->command.ticket);
        return;
    }
    struct pause *p = find_scope(c, scope);
    if (!p) {
        command_reply(c, event->command.ticket, 404, "not_paused", NULL,
                      "nothing is paused with exactly this scope; mendctl status (GET /status) lists what is");
        return;
    }
    _cleanup_free_ char *words = scope_words_new(p);
    core_note(c, NULL, NOTE_WARN, REASON_NONE, "resumed by %s: %s", json_text_or(what, "by", "somebody"), words);
    remove_pause(c, p);
    command_reply(c, event->command.ticket, 200, NULL, NULL, "resumed: %s", words);
}

/* "For an hour" is an hour that passes, whatever is done to the clock. */
void pauses_shift(struct core *c, int64_t delta_us)
{
    for (size_t i = 0; c->pauses && i < c->pauses->n; i++) {
        struct pause *p = &c->pauses->list[i];
        p->since_wall_us += delta_us;
        if (p->until_wall_us != INT64_MAX)
            p->until_wall_us += delta_us;
    }
    if (c->pauses && c->pauses->n > 0)
        core_keep(c, KEPT_PAUSES);
}

/* A beginning in the future: the clock was set back while mendd was down. It cannot be told by how much, but no pause
 * is longer than it was meant to be. */
static void no_longer_than_meant(struct core *c, struct pause *p)
{
    int64_t ahead_us = p->since_wall_us - c->now.wall_us;
    if (ahead_us <= USEC_PER_SEC)
        return;
    p->since_wall_us -= ahead_us;
    if (p->until_wall_us != INT64_MAX)
        p->until_wall_us -= ahead_us;
    core_keep(c, KEPT_PAUSES);
}

void pause_tick(struct core *c)
{
    for (size_t i = c->pauses ? c->pauses->n : 0; i-- > 0;) {
        struct pause *p = &c->pauses->list[i];
        no_longer_than_meant(c, p);
        if (p->until_wall_us > c->now.wall_us) {
            core_wake_at(c, ends_boot_us(c, p));
            continue;
        }
        _cleanup_free_ char *words = scope_words_new(p);
        core_note(c, NULL, NOTE_WARN, REASON_NONE, "the pause is over: %s", words);
        remove_pause(c, p);
    }
}

/* ---- kept ---- */

json_t *pauses_doc_new(const struct core *c)
{
    json_t *list = json_array();
    for (size_t i = 0; c->pauses && i < c->pauses->n; i++)
        json_array_append_new(list, pause_to_json(&c->pauses->list[i]));
    return json_pack("{s:o}", "pauses", list);
}

json_t *pauses_status_new(const struct core *c)
{
    json_t *doc = pauses_doc_new(c), *list = json_incref(json_object_get(doc, "pauses"));
    json_decref(doc);
    return list;
}

int pauses_restore(struct core *c, const json_t *doc, struct error *err)
{
    struct pauses *all = pauses_get(c);
    size_t i;
    json_t *o;
    json_array_foreach (json_object_get(doc, "pauses"), i, o) {
        const json_t *scope = json_object_get(o, "scope");
        const char *until = json_text(o, "until");
        struct pause p = {.until_wall_us = INT64_MAX};
        if (time_parse(json_text_or(o, "since", ""), &p.since_wall_us) < 0 ||
            (until && time_parse(until, &p.until_wall_us) < 0))
            return error_set(err, -EBADMSG, "the journal's list of pauses cannot be understood");
        p.cluster = xstrdup(json_text(scope, "cluster"));
        p.namespace = xstrdup(json_text(scope, "namespace"));
        p.playbook = xstrdup(json_text(scope, "playbook"));
        p.by = xstrdup(json_text(o, "by"));
        p.reason = xstrdup(json_text(o, "reason"));
        all->list = xreallocarray(all->list, all->n + 1, sizeof(*all->list));
        all->list[all->n++] = p;
    }
    return 0;
}
