/* What a turn of the loop decided goes into the journal, then into the world.
 *
 * Happy path: events are handled (turn_handle) -> their questions leave at once, since they change nothing; their saves
 * collect in one batch, effects, posts and notes beside it -> at the end of the turn the batch is submitted -> at its
 * commit the notes are logged, the records shown, the effects sent. Failure: the commit fails -> none of it happens;
 * the core knows of things that the journal does not, so it is thrown away and built again from the journal
 * (restore.c). */
#include "base/alloc.h"
#include "base/log.h"
#include "engine/internal.h"

#include <string.h>

struct turn {
    struct engine *engine;
    uint64_t generation;
    json_t *saves;           /* {run id: doc}: the last save of each run of this turn */
    json_t *open;            /* {run id: bool} */
    json_t *ended;           /* {run id: true}: runs that ended in this turn */
    json_t *playbooks;       /* {hash: source}: to be kept with this turn */
    json_t *kept, *amended;  /* {key: doc or null}, {run id: escalations} */
    struct effects *effects; /* outs, notes and replies of the events, in order */
    size_t n_effects;
    int64_t *inbox_done;
    size_t n_inbox_done;
};

static struct turn *turn_new(struct engine *e)
{
    struct turn *t = xnew0(struct turn);
    t->engine = e;
    t->generation = e->core_generation;
    t->saves = json_object();
    t->open = json_object();
    t->ended = json_object();
    t->playbooks = json_object();
    t->kept = json_object();
    t->amended = json_object();
    return t;
}

static void turn_free(struct turn *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->n_effects; i++)
        effects_clear(&t->effects[i]);
    free(t->effects);
    free(t->inbox_done);
    json_decref(t->saves);
    json_decref(t->open);
    json_decref(t->ended);
    json_decref(t->playbooks);
    json_decref(t->kept);
    json_decref(t->amended);
    free(t);
}

static const enum log_level levels[] = {
    [NOTE_INFO] = LOG_LEVEL_INFO, [NOTE_WARN] = LOG_LEVEL_WARN, [NOTE_ERROR] = LOG_LEVEL_ERROR};

static void log_notes(struct engine *e, const struct effects *fx)
{
    for (size_t i = 0; i < fx->n_notes; i++) {
        const struct note *n = &fx->notes[i];
        log_event(levels[n->level], n->message, "run", n->run[0] ? n->run : NULL, "alert", n->alert, "playbook",
                  n->playbook, "target", n->target, "reason", n->reason, NULL);
        if (n->level == NOTE_ERROR)
            e->stats.escalations++;
    }
}

static void show_records(struct engine *e, const struct turn *t)
{
    const char *id;
    json_t *doc;
    json_object_foreach (t->saves, id, doc) {
        const json_t *record = json_object_get(doc, "record");
        if (json_object_get(t->ended, id))
            tally_ended(&e->stats, record);
        if (e->on_record)
            e->on_record(record, e->on_record_userdata);
    }
}

static void on_commit(int result, const struct error *err, void *userdata)
{
    struct turn *t = userdata;
    struct engine *e = t->engine;
    e->saves_in_flight -= json_object_size(t->saves);
    queue_kick(e); /* it may have waited for the journal */
    if (t->generation != e->core_generation || e->stopping) {
        turn_free(t); /* of a core that is gone: the journal holds it if it was committed */
        return;
    }
    if (result < 0) {
        log_event(LOG_LEVEL_ERROR, "the journal could not be written; nothing was acted on, trying again", "error",
                  error_message(err), NULL);
        restore_schedule(e);
        turn_free(t);
        return;
    }
    e->recover_us = 0;
    show_records(e, t);
    for (size_t i = 0; i < t->n_effects; i++) {
        log_notes(e, &t->effects[i]);
        for (size_t k = 0; k < t->effects[i].n_outs; k++)
            send_out(e, &t->effects[i].outs[k]);
        for (size_t k = 0; k < t->effects[i].n_replies; k++)
            command_answer(e, &t->effects[i].replies[k]);
        for (size_t k = 0; k < t->effects[i].n_cluster_events; k++)
            cluster_events_tell(e->cluster_events, t->effects[i].cluster_events[k].what, now_read());
    }
    turn_free(t);
}

static struct store_batch *turn_to_batch(struct turn *t)
{
    struct store_batch *b = store_batch_new();
    const char *key;
    json_t *value;
    json_object_foreach (t->playbooks, key, value) {
        _cleanup_free_ char *source = json_compact(value);
        store_batch_playbook(b, key, source);
    }
    json_object_foreach (t->saves, key, value)
        save_to_batch(b, &(struct save){.doc = value, .open = json_is_true(json_object_get(t->open, key))});
    json_object_foreach (t->kept, key, value) {
        _cleanup_free_ char *doc = json_is_null(value) ? NULL : json_compact(value);
        store_batch_keep(b, key, doc);
    }
    json_object_foreach (t->amended, key, value) { /* behind the saves: it is the newer one */
        _cleanup_free_ char *escalations = json_compact(value);
        store_batch_amend(b, key, escalations);
    }
    for (size_t i = 0; i < t->n_inbox_done; i++)
        store_batch_inbox_done(b, t->inbox_done[i]);
    return b;
}

void turn_flush(struct engine *e)
{
    struct turn *t = TAKE_PTR(e->turn);
    if (!t)
        return;
    e->saves_in_flight += json_object_size(t->saves);
    store_submit(e->store, turn_to_batch(t), on_commit, t);
}

void turn_drop(struct engine *e)
{
    turn_free(TAKE_PTR(e->turn));
}

static int on_flush(sd_event_source *source _unused_, void *userdata)
{
    turn_flush(userdata);
    return 0;
}

/* Questions change nothing and need not wait for the commit: if it fails, their answers are for a core that is gone. */
static void ask_at_once(struct engine *e, struct effects *fx)
{
    size_t kept = 0;
    for (size_t i = 0; i < fx->n_outs; i++) {
        if (fx->outs[i].type == OUT_ASK) {
            send_out(e, &fx->outs[i]);
            json_decref(fx->outs[i].what);
        } else {
            fx->outs[kept++] = fx->outs[i];
        }
    }
    fx->n_outs = kept;
}

static void collect(struct engine *e, struct turn *t, struct effects *fx)
{
    ask_at_once(e, fx);
    for (size_t i = 0; i < fx->n_saves; i++) {
        const struct save *s = &fx->saves[i];
        const char *id = json_path_text(s->doc, "record", "id", NULL);
        json_object_set(t->saves, id, s->doc);
        json_object_set_new(t->open, id, json_boolean(s->open));
        if (s->ended)
            json_object_set_new(t->ended, id, json_true());
        if (s->playbook && !json_object_get(e->kept_playbooks, s->playbook->hash)) {
            json_object_set(t->playbooks, s->playbook->hash, s->playbook->source);
            json_object_set_new(e->kept_playbooks, s->playbook->hash, json_true());
        }
    }
    if (fx->n_inbox_done) {
        t->inbox_done = xreallocarray(t->inbox_done, t->n_inbox_done + fx->n_inbox_done, sizeof(int64_t));
        memcpy(t->inbox_done + t->n_inbox_done, fx->inbox_done, fx->n_inbox_done * sizeof(int64_t));
        t->n_inbox_done += fx->n_inbox_done;
    }
    for (size_t i = 0; i < fx->n_keeps; i++)
        json_object_set_new(t->kept, fx->keeps[i].key, fx->keeps[i].doc ? json_incref(fx->keeps[i].doc) : json_null());
    for (size_t i = 0; i < fx->n_amends; i++)
        json_object_set(t->amended, fx->amends[i].run, fx->amends[i].escalations);
    if (fx->n_outs || fx->n_notes || fx->n_replies || fx->n_cluster_events) {
        t->effects = xreallocarray(t->effects, t->n_effects + 1, sizeof(*t->effects));
        t->effects[t->n_effects++] = (struct effects){.outs = TAKE_PTR(fx->outs),
                                                      .n_outs = fx->n_outs,
                                                      .notes = TAKE_PTR(fx->notes),
                                                      .n_notes = fx->n_notes,
                                                      .cluster_events = TAKE_PTR(fx->cluster_events),
                                                      .n_cluster_events = fx->n_cluster_events,
                                                      .replies = TAKE_PTR(fx->replies),
                                                      .n_replies = fx->n_replies};
        fx->n_outs = fx->n_notes = fx->n_cluster_events = fx->n_replies = 0;
    }
}

static void arm_tick(struct engine *e)
{
    const int64_t next = core_next_boot_us(e->core);
    if (next == INT64_MAX) {
        sd_event_source_set_enabled(e->tick_source, SD_EVENT_OFF);
        return;
    }
    engine_arm_alive(e);
    sd_event_source_set_time(e->tick_source, next > 0 ? (uint64_t)next : 0);
    sd_event_source_set_enabled(e->tick_source, SD_EVENT_ONESHOT);
}

void turn_handle(struct engine *e, const struct event *event)
{
    struct effects fx = {0};
    core_handle(e->core, event, now_read(), &fx);
    if (!e->turn) {
        e->turn = turn_new(e);
        sd_event_source_set_enabled(e->flush_source, SD_EVENT_ONESHOT);
    }
    collect(e, e->turn, &fx);
    effects_clear(&fx);
    arm_tick(e);
}

static int on_tick(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
    struct engine *e = userdata;
    if (!e->broken)
        turn_handle(e, &(struct event){.type = EVENT_TICK});
    return 0;
}

int turn_start(struct engine *e, struct error *err)
{
    int r = sd_event_add_defer(e->event, &e->flush_source, on_flush, e);
    if (r >= 0)
        r = sd_event_source_set_enabled(e->flush_source, SD_EVENT_OFF);
    /* accuracy: 10 ms is as good as exact for checks and lets timers share a wake-up */
    if (r >= 0)
        r = sd_event_add_time(e->event, &e->tick_source, CLOCK_BOOTTIME, 0, 10 * USEC_PER_MSEC, on_tick, e);
    if (r >= 0)
        r = sd_event_source_set_enabled(e->tick_source, SD_EVENT_OFF);
    return r < 0 ? error_set(err, r, "cannot start the engine's timers: %s", strerror(-r)) : 0;
}

void turn_stop(struct engine *e)
{
    turn_flush(e);
    e->flush_source = sd_event_source_disable_unref(e->flush_source);
    e->tick_source = sd_event_source_disable_unref(e->tick_source);
}
