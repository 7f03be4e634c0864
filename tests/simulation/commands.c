/* An operator's hand: pauses, approvals, cancels, at any moment. What was paused by a durable reply is remembered, for
 * the invariant that nothing leaves meanwhile. */
#include "simulation.h"

#include "base/alloc.h"
#include "base/text.h"

#include <stdio.h>

static const char *const scopes[] = {"", "", "namespace", "playbook"};

/* {scope text: {…}} of what stands, by the operator's own books. */
static char *scope_key_new(const json_t *what)
{
    return json_canonical(json_object_get(what, "scope"));
}

static json_t *scope_new(struct sim *s)
{
    const char *kind = PICK(&s->rng, scopes);
    json_t *scope = json_object();
    if (str_eq(kind, "namespace"))
        json_set_text(scope, kind, s->namespaces[rng_int(&s->rng, 0, NAMESPACES - 1)].name);
    else if (str_eq(kind, "playbook") && s->n_playbooks > 0)
        json_set_text(scope, kind, s->playbooks[rng_int(&s->rng, 0, (int64_t)s->n_playbooks - 1)]->name);
    return scope;
}

static json_t *pause_new(struct sim *s)
{
    json_t *c = json_pack("{s:s, s:s, s:s}", "do", "pause", "by", "alice", "reason", "simulated");
    json_object_set_new(c, "for_ms", json_integer(rng_int(&s->rng, 10, 1800) * MSEC_PER_SEC));
    json_object_set_new(c, "scope", scope_new(s));
    return c;
}

static json_t *resume_new(struct sim *s)
{
    const char *key;
    json_t *paused, *c = json_pack("{s:s, s:s, s:{}}", "do", "resume", "by", "bob", "scope");
    json_object_foreach (s->paused, key, paused) {
        json_object_set(c, "scope", json_object_get(paused, "scope"));
        if (rng_chance(&s->rng, 500))
            break;
    }
    return c;
}

/* Of the runs that are open one, if possible one that waits for a person. */
static const char *any_run(struct sim *s, bool waiting)
{
    const char *id = "00000000000000000000000000";
    for (struct jrun *run = s->journal.runs; run; run = run->hh.next) {
        const char *state = json_path_text(run->doc, "record", "state", NULL);
        bool fits = waiting ? str_eq(state, "awaiting_approval") : run->open && !str_eq(state, "done");
        if (fits)
            id = run->id;
        if (fits && rng_chance(&s->rng, 400))
            break;
    }
    return id;
}

static json_t *command_new(struct sim *s)
{
    const int64_t kind = rng_int(&s->rng, 0, 99);
    if (kind < 20)
        return pause_new(s);
    if (kind < 40)
        return resume_new(s);
    if (kind < 75)
        return json_pack("{s:s, s:s, s:s, s:n}", "do", "approve", "run", any_run(s, true), "by", "alice", "hash");
    if (kind < 82)
        return json_pack("{s:s, s:s, s:s, s:s}", "do", "reject", "run", any_run(s, true), "by", "bob", "reason", "no");
    if (kind < 94)
        return json_pack("{s:s, s:s, s:s, s:b}", "do", "cancel", "run", any_run(s, false), "by", "bob", "rollback",
                         rng_chance(&s->rng, 500));
    if (kind < 97)
        return json_pack("{s:s, s:s, s:n, s:s}", "do", "reset", "what", rng_chance(&s->rng, 500) ? "budget" : "breaker",
                         "name", "by", "bob");
    return json_pack("{s:s, s:s, s:s}", "do", "acknowledge", "run", any_run(s, false), "by", "alice");
}

void command_draw(struct sim *s)
{
    if (!s->process.up)
        return;
    json_t *what = command_new(s);
    const uint64_t ticket = ++s->next_ticket;
    _cleanup_free_ char *text = json_compact(what);
    char key[24];
    snprintf(key, sizeof(key), "%llu", (unsigned long long)ticket);
    json_object_set(s->tickets, key, what);
    trace(s, "operator: %s", text);
    s->counts->commands++;
    const struct event event = {.type = EVENT_COMMAND, .command = {what, ticket}};
    /* A resume holds from the moment it is given; a pause from the moment its reply is durable. */
    if (str_eq(json_text(what, "do"), "resume")) {
        _cleanup_free_ char *scope = scope_key_new(what);
        json_object_del(s->paused, scope);
    }
    if (str_eq(json_text(what, "do"), "reset"))
        *(str_eq(json_text(what, "what"), "budget") ? &s->budget_reset_us : &s->breaker_reset_us) = s->now.boot_us;
    if (str_eq(json_text(what, "do"), "cancel"))
        journal_run(s, json_text(what, "run"))->cancel_asked = true;
    shell_feed(s, &event);
    json_decref(what);
}

void command_replied(struct sim *s, const struct reply *reply, int64_t decided_us)
{
    char key[24];
    snprintf(key, sizeof(key), "%llu", (unsigned long long)reply->ticket);
    json_t *what = json_object_get(s->tickets, key);
    if (!what) {
        violated(s, "one_reply", "the command of ticket %s was replied to twice, or never given", key);
        return;
    }
    if (reply->status == 200 && str_eq(json_text(what, "do"), "pause")) {
        _cleanup_free_ char *scope = scope_key_new(what);
        const int64_t for_us = json_int_or(what, "for_ms", 0) * USEC_PER_MSEC;
        const int64_t until_wall_us = s->now.wall_us + for_us - (s->now.boot_us - decided_us);
        json_object_set_new(s->paused, scope,
                            json_pack("{s:O, s:I, s:I, s:I}", "scope", json_object_get(what, "scope"), "from",
                                      (json_int_t)decided_us, "until", (json_int_t)(decided_us + for_us), "until_wall",
                                      (json_int_t)until_wall_us));
    }
    json_object_del(s->tickets, key);
}

static bool scope_covers(const json_t *scope, const char *namespace, const char *playbook)
{
    const char *ns = json_text(scope, "namespace"), *name = json_text(scope, "playbook");
    return (!ns || str_eq(ns, namespace)) && (!name || str_eq(name, playbook));
}

/* If mendd lives to see it its pauses go along; set while it is down or stands still until it dies it cannot know.
 * "until_wall" is the earliest end by the wall clock that any of this allows. */
void command_clock_was_set(struct sim *s, int64_t delta_us)
{
    const char *key;
    json_t *p;
    json_object_foreach (s->paused, key, p)
        if (delta_us < 0)
            json_object_set_new(p, "until_wall", json_integer(json_int_or(p, "until_wall", 0) + delta_us));
}

/* A pause that lived through clocks being set is over when it is by any of them. */
void command_forget_ended(struct sim *s, int64_t now_us)
{
    const char *key;
    json_t *p;
    void *next;
    json_object_foreach_safe (s->paused, next, key, p)
        if (json_int_or(p, "until", 0) <= now_us || json_int_or(p, "until_wall", 0) <= s->now.wall_us)
            json_object_del(s->paused, key);
}

bool command_is_paused(struct sim *s, const char *namespace, const char *playbook, int64_t decided_us)
{
    const char *key;
    json_t *p;
    command_forget_ended(s, s->now.boot_us);
    json_object_foreach (s->paused, key, p) {
        if (scope_covers(json_object_get(p, "scope"), namespace, playbook) && json_int_or(p, "from", 0) < decided_us)
            return true;
    }
    return false;
}
