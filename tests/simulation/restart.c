/* Webhooks into the inbox; the end of a process, and the next one from what is durable, as lib/engine/restore.c. */
#include "simulation.h"

#include "base/alloc.h"
#include "base/text.h"

#include <stdlib.h>

/* ---- inbox ---- */

bool shell_webhook(struct sim *s, const json_t *payload, int alert)
{
    struct process *p = &s->process;
    struct journal *j = &s->journal;
    if (!p->up)
        return false;
    j->rows = xreallocarray(j->rows, j->n_rows + 1, sizeof(*j->rows));
    struct row *row = &j->rows[j->n_rows++];
    *row = (struct row){.seq = (int64_t)j->n_rows, .alert = alert, .payload = json_incref((json_t *)payload)};
    row->firing = str_eq(json_text(payload, "status"), "firing");
    row->malformed = alert_name_is_internal(json_path_text(payload, "labels", "alertname", NULL));
    s->counts->alerts++;
    sim_after(s, rng_int(&s->rng, 300, 9000),
              (struct item){.what = H_INBOX, .a = row->seq, .b = (int64_t)p->generation});
    return true;
}

static void decide_row(struct sim *s, const struct row *row)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    if (row->done)
        return;
    if (!row->payload) {
        const struct event event = {.type = EVENT_MALFORMED, .inbox_seq = row->seq, .malformed = {"no alert", NULL}};
        shell_feed(s, &event);
        return;
    }
    _cleanup_(alert_freep) struct alert *alert = alert_from_json(row->payload, NULL, s->now, &err);
    if (!alert)
        abort(); /* the world sends only what can be understood */
    const struct event event = {.type = EVENT_ALERT, .inbox_seq = row->seq, .alert = alert};
    shell_feed(s, &event);
}

/* The rows are durable. Killed before: they may be all the same, but the sender did not hear of it and sends again. */
void shell_inbox(struct sim *s, const struct item *item)
{
    struct row *row = &s->journal.rows[item->a - 1];
    if ((unsigned)item->b == s->process.generation && s->process.up) {
        row->durable = true;
        decide_row(s, row);
        return;
    }
    if (!row->durable)
        row->done = true; /* never was */
    if (row->payload && row->alert >= 0)
        sim_after(s, rng_int(&s->rng, 1, 10) * USEC_PER_SEC,
                  (struct item){.what = H_WEBHOOK, .a = row->alert, .b = 0, .doc = json_incref(row->payload)});
}

/* ---- the end of a process ---- */

void shell_crash(struct sim *s, bool keep_some, int64_t down_us, const char *why)
{
    struct process *p = &s->process;
    if (!p->up)
        return;
    size_t kept = keep_some ? (size_t)rng_int(&s->rng, 0, (int64_t)p->n_flight) : 0;
    trace(s, "mendd: dies (%s), %zu of %zu turns are durable", why, kept, p->n_flight);
    for (size_t i = 0; i < p->n_flight; i++) {
        if (i < kept)
            turn_durable(s, p->flight[i]);
        turn_free(p->flight[i]);
    }
    p->n_flight = 0;
    turn_free(TAKE_PTR(p->open));
    for (size_t i = 0; i < s->journal.n_rows; i++) {
        struct row *row = &s->journal.rows[i];
        if (!row->durable && !row->done)
            row->durable = rng_chance(&s->rng, 300);
    }
    network_cut(s);
    p->core = core_free(p->core);
    p->up = false;
    p->generation++;
    s->counts->crashes++;
    sim_after(s, down_us, (struct item){.what = H_START});
}

/* ---- the next one ---- */

static void restore_failed(struct sim *s, const char *id, const struct error *err)
{
    violated(s, "journal_read", "what was saved of %s cannot be read again: %s", id, error_message(err));
}

static void restore_kept(struct sim *s)
{
    const char *key;
    json_t *doc;
    json_object_foreach (s->journal.keeps, key, doc) {
        _cleanup_error_ struct error err = ERROR_NONE;
        if (core_restore_kept(s->process.core, key, doc, &err) < 0)
            restore_failed(s, key, &err);
    }
}

static void restore_runs(struct sim *s)
{
    const int64_t since = s->now.wall_us - core_history_window_ms(s->process.core) * USEC_PER_MSEC;
    for (int pass = 0; pass < 2; pass++) {
        for (struct jrun *run = s->journal.runs; run; run = run->hh.next) {
            _cleanup_error_ struct error err = ERROR_NONE;
            int r = 0;
            if (!run->doc || (pass == 0) != run->open || (pass == 1 && run->remember_wall_us < since))
                continue;
            if (pass == 1 && run->remember_wall_us == 0)
                continue;
            if (pass == 1 || str_eq(json_path_text(run->doc, "record", "state", NULL), "done"))
                r = core_restore_history(s->process.core, run->doc, &err);
            else
                r = core_restore_run(s->process.core, run->doc, (struct playbook *)run->playbook, &err);
            if (r < 0)
                restore_failed(s, run->id, &err);
        }
    }
}

void shell_start(struct sim *s)
{
    struct process *p = &s->process;
    if (p->up)
        return;
    p->up = true;
    p->stalled_until_us = 0;
    p->generation++;
    p->disturbed_us = s->now.boot_us;
    /* The journal's times are of the wall clock as it stood when they were written: what happened before it was set
     * cannot be dated by the next process. */
    s->limits_doubt_us = s->jumped_us;
    p->core = core_new(&s->registry, s->settings, rng_next(&s->rng));
    restore_kept(s);
    restore_runs(s);
    trace(s, "mendd: starts");
    shell_alive_start(s);
    const struct event resume = {.type = EVENT_RESUME, .last_alive_wall_us = s->journal.alive_wall_us};
    shell_feed(s, &resume);
    s->counts->restarts++;
    for (size_t i = 0; i < s->journal.n_rows; i++)
        if (s->journal.rows[i].durable && !s->journal.rows[i].done)
            decide_row(s, &s->journal.rows[i]);
}

void shell_clear(struct sim *s)
{
    struct process *p = &s->process;
    struct jrun *run, *next;
    for (size_t i = 0; i < p->n_flight; i++)
        turn_free(p->flight[i]);
    free(p->flight);
    turn_free(p->open);
    core_free(p->core);
    HASH_ITER (hh, s->journal.runs, run, next) {
        HASH_DEL(s->journal.runs, run);
        json_decref(run->doc);
        free(run);
    }
    for (size_t i = 0; i < s->journal.n_rows; i++)
        json_decref(s->journal.rows[i].payload);
    free(s->journal.rows);
    json_decref(s->journal.keeps);
}
