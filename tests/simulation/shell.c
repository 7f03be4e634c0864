/* The engine's part, as lib/engine does it: what events decide collects in a turn; the turn goes to the journal as a
 * whole; at its commit its notes are told and its effects leave. Questions leave at once, since they change nothing. */
#include "simulation.h"

#include "base/alloc.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

struct jrun *journal_run(struct sim *s, const char *id)
{
    struct jrun *run = NULL;
    HASH_FIND(hh, s->journal.runs, id, strlen(id), run);
    if (run)
        return run;
    run = xnew0(struct jrun);
    memcpy(run->id, id, strlen(id));
    HASH_ADD(hh, s->journal.runs, id, strlen(run->id), run);
    return run;
}

/* ---- turns ---- */

static struct turn *turn_new(void)
{
    struct turn *t = xnew0(struct turn);
    t->saves = json_object();
    t->open = json_object();
    t->keeps = json_object();
    t->amends = json_object();
    t->when = json_object();
    return t;
}

void turn_free(struct turn *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->n_effects; i++)
        effects_clear(&t->effects[i]);
    free(t->effects);
    free(t->effects_us);
    free(t->done);
    json_decref(t->saves);
    json_decref(t->open);
    json_decref(t->keeps);
    json_decref(t->amends);
    json_decref(t->when);
    free(t);
}

static void trace_effects(struct sim *s, const struct effects *fx)
{
    for (size_t i = 0; i < fx->n_notes && s->verbose; i++)
        trace(s, "mendd: %s%s%s", fx->notes[i].run, *fx->notes[i].run ? " " : "", fx->notes[i].message);
    for (size_t i = 0; i < fx->n_replies && s->verbose; i++)
        trace(s, "mendd: replies %d %s", fx->replies[i].status, fx->replies[i].message ? fx->replies[i].message : "");
}

static void collect(struct sim *s, struct turn *t, struct effects *fx)
{
    for (size_t i = 0; i < fx->n_saves; i++) {
        json_object_set(t->saves, fx->saves[i].run, fx->saves[i].doc);
        json_object_set_new(t->open, fx->saves[i].run, json_boolean(fx->saves[i].open));
        json_object_set_new(t->when, fx->saves[i].run, json_integer(s->now.boot_us));
    }
    for (size_t i = 0; i < fx->n_keeps; i++) {
        if (fx->keeps[i].doc)
            json_object_set(t->keeps, fx->keeps[i].key, fx->keeps[i].doc);
        else
            json_object_set_new(t->keeps, fx->keeps[i].key, json_null());
    }
    for (size_t i = 0; i < fx->n_amends; i++)
        json_object_set(t->amends, fx->amends[i].run, fx->amends[i].escalations);
    if (fx->n_inbox_done)
        t->done = xreallocarray(t->done, t->n_done + fx->n_inbox_done, sizeof(*t->done));
    for (size_t i = 0; i < fx->n_inbox_done; i++)
        t->done[t->n_done++] = fx->inbox_done[i];
    if (fx->n_outs == 0 && fx->n_notes == 0 && fx->n_replies == 0) {
        effects_clear(fx);
        return;
    }
    t->effects = xreallocarray(t->effects, t->n_effects + 1, sizeof(*t->effects));
    t->effects_us = xreallocarray(t->effects_us, t->n_effects + 1, sizeof(*t->effects_us));
    t->effects_us[t->n_effects] = s->now.boot_us;
    t->effects[t->n_effects++] = *fx;
}

static void ask_at_once(struct sim *s, const struct effects *fx)
{
    for (size_t i = 0; i < fx->n_outs; i++) {
        const struct out *o = &fx->outs[i];
        if (o->type != OUT_ASK)
            continue;
        if (str_eq(json_text(o->what, "ask"), "kube"))
            journal_run(s, o->run)->asked_us = s->now.boot_us;
        network_out(s, o, s->now.boot_us);
    }
}

void shell_feed(struct sim *s, const struct event *event)
{
    struct process *p = &s->process;
    struct effects fx;
    s->events++;
    core_handle(p->core, event, s->now, &fx);
    trace_effects(s, &fx);
    ask_at_once(s, &fx);
    if (!p->open) {
        p->open = turn_new();
        sim_after(s, rng_int(&s->rng, 0, 300), (struct item){.what = H_FLUSH, .generation = p->generation});
    }
    collect(s, p->open, &fx);
}

void shell_flush(struct sim *s)
{
    struct process *p = &s->process;
    if (!p->open)
        return;
    int64_t takes = rng_chance(&s->rng, 10) ? rng_int(&s->rng, 50, 3000) * USEC_PER_MSEC : rng_int(&s->rng, 300, 6000);
    p->flight = xreallocarray(p->flight, p->n_flight + 1, sizeof(*p->flight));
    p->flight[p->n_flight++] = TAKE_PTR(p->open);
    sim_after(s, takes, (struct item){.what = H_COMMIT, .generation = p->generation});
}

/* ---- durable ---- */

static const struct playbook *playbook_of(const struct sim *s, const json_t *doc)
{
    const char *hash = json_path_text(doc, "record", "playbook_hash", NULL);
    for (size_t i = 0; hash && i < s->n_playbooks; i++)
        if (str_eq(s->playbooks[i]->hash, hash))
            return s->playbooks[i];
    return NULL;
}

static void save_run(struct sim *s, const char *id, json_t *doc, const struct turn *t)
{
    struct jrun *run = journal_run(s, id);
    const json_t *record = json_object_get(doc, "record");
    const char *finished = json_text(record, "finished");
    if (!run->playbook)
        run->playbook = playbook_of(s, doc);
    watch_saved(s, run, doc, json_int_or(t->when, id, 0));
    json_decref(run->doc);
    run->doc = json_incref(doc);
    run->open = json_is_true(json_object_get(t->open, id));
    run->remember_wall_us = 0;
    if (finished && json_path_text(record, "times", "acted", NULL))
        time_parse(finished, &run->remember_wall_us);
}

static void amend(struct sim *s, const char *id, json_t *escalations)
{
    struct jrun *run = journal_run(s, id);
    if (!run->doc)
        return;
    json_t *doc = json_copy(run->doc), *record = json_copy(json_object_get(doc, "record"));
    json_object_set(record, "escalations", escalations);
    json_object_set_new(doc, "record", record);
    json_decref(run->doc);
    run->doc = doc;
}

static void row_done(struct sim *s, int64_t seq)
{
    struct row *row = &s->journal.rows[seq - 1];
    if (row->done)
        violated(s, "one_decision", "row %lld of the inbox was decided twice", (long long)seq);
    row->done = true;
    if (!row->payload || row->malformed)
        s->malformed++;
    else if (row->firing)
        row_counted(s, row);
}

/* What the turn wrote is on disk, whether mendd hears of it or not. */
void turn_durable(struct sim *s, const struct turn *t)
{
    const char *key;
    json_t *value;
    json_object_foreach (t->saves, key, value)
        save_run(s, key, value, t);
    json_object_foreach (t->amends, key, value)
        amend(s, key, value);
    json_object_foreach (t->keeps, key, value) {
        if (json_is_null(value))
            json_object_del(s->journal.keeps, key);
        else
            json_object_set(s->journal.keeps, key, value);
    }
    for (size_t i = 0; i < t->n_done; i++)
        row_done(s, t->done[i]);
}

static void take_effect(struct sim *s, struct turn *t)
{
    for (size_t i = 0; i < t->n_effects; i++) {
        const struct effects *fx = &t->effects[i];
        for (size_t k = 0; k < fx->n_notes; k++)
            watch_note(s, &fx->notes[k]);
        for (size_t k = 0; k < fx->n_replies; k++)
            command_replied(s, &fx->replies[k], t->effects_us[i]);
        for (size_t k = 0; k < fx->n_outs; k++) {
            if (fx->outs[k].type == OUT_ASK)
                continue;
            watch_leaving(s, &fx->outs[k], t->effects_us[i]);
            network_out(s, &fx->outs[k], t->effects_us[i]);
        }
    }
}

void shell_commit(struct sim *s)
{
    struct process *p = &s->process;
    if (s->disk_full) {
        s->disk_full = false;
        shell_crash(s, false, rng_int(&s->rng, 100, 20000) * USEC_PER_MSEC, "the journal cannot be written");
        return;
    }
    if (p->n_flight == 0)
        return;
    struct turn *t = p->flight[0];
    memmove(&p->flight[0], &p->flight[1], sizeof(*p->flight) * --p->n_flight);
    turn_durable(s, t);
    take_effect(s, t);
    turn_free(t);
}

/* The engine writes it every ten seconds while runs are open. */
void shell_alive(struct sim *s)
{
    s->journal.alive_wall_us = s->now.wall_us;
    shell_alive_start(s);
}

void shell_alive_start(struct sim *s)
{
    sim_after(s, 10 * USEC_PER_SEC, (struct item){.what = H_ALIVE, .generation = s->process.generation});
}
