/* Out of the journal and back: what a save's `state` holds, and how a run goes on after a restart.
 *
 * Deadlines are saved as wall times; what was left of them when mendd was last alive is what is left now, the time that
 * it was down counts for nothing. A run goes on in its phase; a question that was open is asked again; an effect that
 * left without an answer is looked for before anything else (run_send.c). */
#include "base/alloc.h"
#include "base/text.h"
#include "core/internal.h"

#include <errno.h>
#include <string.h>

static const char *const phase_names[PHASE_COUNT] = {[PHASE_DELAY] = "delay",
                                                     [PHASE_RECHECK] = "recheck",
                                                     [PHASE_TARGET] = "target",
                                                     [PHASE_GUARDS] = "guards",
                                                     [PHASE_WAITING] = "waiting",
                                                     [PHASE_PLAN] = "plan",
                                                     [PHASE_APPROVAL] = "approval",
                                                     [PHASE_DIAGNOSE] = "diagnose",
                                                     [PHASE_PRECHECK] = "precheck",
                                                     [PHASE_STEP] = "step",
                                                     [PHASE_CONDITION] = "condition",
                                                     [PHASE_STEP_PLAN] = "step_plan",
                                                     [PHASE_SEND] = "send",
                                                     [PHASE_SENT] = "sent",
                                                     [PHASE_READ] = "read",
                                                     [PHASE_BACKOFF] = "backoff",
                                                     [PHASE_HELD] = "held",
                                                     [PHASE_COME_BACK] = "come_back",
                                                     [PHASE_STEP_WAIT] = "step_wait",
                                                     [PHASE_STEP_VERIFY] = "step_verify",
                                                     [PHASE_VERIFY] = "verify",
                                                     [PHASE_SETTLE] = "settle",
                                                     [PHASE_ROLLBACK] = "rollback",
                                                     [PHASE_UNDO_READ] = "undo_read",
                                                     [PHASE_DONE] = "done"};

struct time_field {
    const char *name;
    size_t offset;
};

#define TIME_FIELD(f)                                                                                                  \
    {                                                                                                                  \
#f, offsetof(struct run, f)                                                                                    \
    }
static const struct time_field time_fields[] = {TIME_FIELD(expires_us),         TIME_FIELD(step_wait_us),
                                                TIME_FIELD(run_deadline_us),    TIME_FIELD(verify_deadline_us),
                                                TIME_FIELD(settle_deadline_us), TIME_FIELD(received_us)};

static int64_t *time_of(const struct run *run, const struct time_field *f)
{
    return (int64_t *)((char *)(uintptr_t)run + f->offset);
}

struct flag_field {
    const char *name;
    size_t offset;
};

#define FLAG_FIELD(f)                                                                                                  \
    {                                                                                                                  \
#f, offsetof(struct run, f)                                                                                    \
    }
static const struct flag_field flag_fields[] = {
    FLAG_FIELD(parked),    FLAG_FIELD(cleared), FLAG_FIELD(refired),      FLAG_FIELD(acted),    FLAG_FIELD(began),
    FLAG_FIELD(healthy),   FLAG_FIELD(rolling), FLAG_FIELD(restoring),    FLAG_FIELD(approved), FLAG_FIELD(storm),
    FLAG_FIELD(held_told), FLAG_FIELD(probing), FLAG_FIELD(storm_counted)};

static bool *flag_of(const struct run *run, const struct flag_field *f)
{
    return (bool *)((char *)(uintptr_t)run + f->offset);
}

json_t *run_state_new(const struct core *c, const struct run *run)
{
    json_t *s = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:b, s:O}", "phase", phase_names[run->phase], "saved",
                          (json_int_t)c->now.wall_us, "rung", (json_int_t)run->rung, "step", (json_int_t)run->step,
                          "index", (json_int_t)run->index, "evidence_bytes", (json_int_t)run->evidence_bytes, "locked",
                          run->locked, "effects", run->effects);
    json_object_set_new(s, "effects", json_deep_copy(run->effects));
    for (size_t i = 0; i < ARRAY_SIZE(flag_fields); i++)
        json_object_set_new(s, flag_fields[i].name, json_boolean(*flag_of(run, &flag_fields[i])));
    for (size_t i = 0; i < ARRAY_SIZE(time_fields); i++) {
        int64_t t = *time_of(run, &time_fields[i]);
        if (t != 0)
            json_object_set_new(s, time_fields[i].name, json_integer(c->now.wall_us + (t - c->now.boot_us)));
    }
    json_object_set_new(s, "jumped_us", json_integer(c->jumped_us));
    json_object_set_new(s, "acted_us", json_integer(run->acted_wall_us));
    json_object_set_new(s, "ended_us", json_integer(run->ended_wall_us));
    json_object_set_new(s, "run_left_us", json_integer(run->run_left_us));
    if (run->ending)
        json_object_set(s, "ending", run->ending);
    json_object_set_new(s, "cancel", json_integer(run->cancel));
    json_set_text(s, "fail_reason", reason_name(run->fail_reason));
    json_set_text(s, "fail_message", run->fail_message);
    json_t *keys = json_array(), *peers = json_array();
    for (size_t i = 0; i < run->n_keys; i++)
        json_array_append_new(keys, json_string(run->keys[i]));
    for (size_t i = 0; i < run->n_peers; i++)
        json_array_append_new(peers, json_boolean(run->peers[i].posted));
    json_object_set_new(s, "keys", keys);
    json_object_set_new(s, "peers", peers);
    return s;
}

/* ---- loading ---- */

static bool phase_parse(const char *name, enum phase *ret)
{
    for (int i = 0; i < PHASE_COUNT; i++) {
        if (str_eq(phase_names[i], name)) {
            *ret = (enum phase)i;
            return true;
        }
    }
    return false;
}

static int not_understood(struct error *err, const char *what)
{
    return error_set(err, -EBADMSG, "the journal's record cannot be understood: %s", what);
}

static void load_lists(struct run *run, const json_t *state)
{
    const json_t *keys = json_object_get(state, "keys"), *peers = json_object_get(state, "peers");
    run->n_keys = json_array_size(keys);
    run->keys = xcalloc(run->n_keys + 1, sizeof(char *));
    for (size_t i = 0; i < run->n_keys; i++) {
        const char *key = json_string_value(json_array_get(keys, i));
        run->keys[i] = xstrdup(key ? key : "");
    }
    run->n_peers = json_array_size(peers);
    run->peers = run->n_peers ? xcalloc(run->n_peers, sizeof(struct peer)) : NULL;
    for (size_t i = 0; i < run->n_peers; i++)
        run->peers[i].posted = json_is_true(json_array_get(peers, i));
}

static void load_numbers(struct run *run, const json_t *state)
{
    run->rung = (size_t)json_int_or(state, "rung", 0);
    run->step = (size_t)json_int_or(state, "step", 0);
    run->index = (size_t)json_int_or(state, "index", 0);
    run->evidence_bytes = (size_t)json_int_or(state, "evidence_bytes", 0);
    run->run_left_us = json_int_or(state, "run_left_us", 0);
    json_int_t cancel = json_int_or(state, "cancel", CANCEL_NO);
    run->cancel = cancel == CANCEL_STOP || cancel == CANCEL_ROLLBACK ? (enum cancel)cancel : CANCEL_NO;
    run->restored_wall_us = json_int_or(state, "saved", 0);
    for (size_t i = 0; i < ARRAY_SIZE(flag_fields); i++)
        *flag_of(run, &flag_fields[i]) = json_bool_or(state, flag_fields[i].name, false);
    for (size_t i = 0; i < ARRAY_SIZE(time_fields); i++)
        *time_of(run, &time_fields[i]) = json_int_or(state, time_fields[i].name, 0); /* wall, until run_resume() */
    reason_parse(json_text_or(state, "fail_reason", ""), &run->fail_reason);
    run->fail_message = xstrdup(json_text(state, "fail_message"));
    if (json_is_object(json_object_get(state, "ending")))
        run->ending = json_deep_copy(json_object_get(state, "ending"));
    json_t *effects = json_object_get(state, "effects");
    run->effects = json_is_array(effects) ? json_deep_copy(effects) : json_array();
}

static bool inside_playbook(const struct run *run)
{
    const struct playbook *p = run->playbook;
    if (run->phase == PHASE_DONE)
        return true;
    return p && (run->rung < p->n_rungs || p->n_rungs == 0) &&
           (p->n_rungs == 0 || run->step <= p->ladder[run->rung].n_steps);
}

static int load(struct core *c, const json_t *doc, struct playbook *playbook, struct run *run, struct error *err)
{
    const json_t *record = json_object_get(doc, "record"), *state = json_object_get(doc, "state");
    const json_t *target = json_object_get(record, "target");
    const char *id = json_text(record, "id");
    if (!id || !ulid_valid(id) || !json_is_object(state) || !json_is_object(json_object_get(record, "alert")))
        return not_understood(err, "no id, no state or no alert");
    if (!phase_parse(json_text(state, "phase"), &run->phase) ||
        !run_state_parse(json_text_or(record, "state", ""), &run->state))
        return not_understood(err, "unknown phase or state");
    memcpy(run->id, id, sizeof(run->id));
    run->wake_us = INT64_MAX;
    run->arrival = c->next_arrival++;
    run->playbook = playbook ? playbook_ref(playbook) : NULL;
    load_numbers(run, state);
    load_lists(run, state);
    if (!inside_playbook(run))
        return not_understood(err, "its playbook is missing or does not have the step that it stands at");
    if (json_is_object(target) && target_from_json(target, &run->target) < 0)
        return not_understood(err, "its target");
    run->has_target = json_is_object(target);
    if (!run->target.cluster)
        run->target.cluster = xstrdup(json_text_or(record, "cluster", c->settings->default_cluster));
    run->record = json_deep_copy(record);
    run->alert = json_object_get(run->record, "alert");
    reason_parse(json_text_or(record, "reason", ""), &run->reason);
    strncpy(run->fingerprint, json_text_or(run->alert, "fingerprint", ""), sizeof(run->fingerprint) - 1);
    return 0;
}

struct run *core_find_run(const struct core *c, const char *id)
{
    struct run *run = NULL;
    if (id)
        HASH_FIND(hh_id, c->runs, id, strlen(id), run);
    return run;
}

static void free_loaded(struct run *run)
{
    for (size_t i = 0; i < run->n_keys; i++)
        free(run->keys[i]);
    free(run->keys);
    free(run->peers);
    free(run->fail_message);
    target_clear(&run->target);
    json_decref(run->effects);
    json_decref(run->ending);
    json_decref(run->record);
    playbook_unref(run->playbook);
    free(run);
}

/* A time of the past as it would read had the clock always been as it is today; 0: it did not come to that. */
static int64_t by_todays_clock(const struct core *c, const json_t *doc, const char *key, const char *in_record)
{
    const json_t *state = json_object_get(doc, "state");
    int64_t us = json_int_or(state, key, 0), recorded_us = 0;
    if (us)
        return us + c->jumped_us - json_int_or(state, "jumped_us", c->jumped_us);
    return in_record && time_parse(in_record, &recorded_us) == 0 ? recorded_us : 0;
}

int core_restore_run(struct core *c, const json_t *doc, struct playbook *playbook, struct error *err)
{
    struct run *same = NULL, *run;
    if (core_find_run(c, json_path_text(doc, "record", "id", NULL)))
        return 0;
    run = xnew0(struct run);
    int r = load(c, doc, playbook, run, err);
    if (r < 0) {
        free_loaded(run);
        return r;
    }
    HASH_ADD(hh_id, c->runs, id, ULID_LEN, run);
    HASH_FIND(hh_episode, c->episodes, run->fingerprint, strlen(run->fingerprint), same);
    if (!same && !run->cleared && (run->phase != PHASE_DONE || run->parked)) {
        HASH_ADD(hh_episode, c->episodes, fingerprint, strlen(run->fingerprint), run);
        run->episode = true;
    }
    if (run->phase != PHASE_DONE && json_bool_or(json_object_get(doc, "state"), "locked", false) &&
        !limits_lock_blocker(c, run))
        limits_lock(c, run);
    run->acted_wall_us = by_todays_clock(c, doc, "acted_us", json_path_text(run->record, "times", "acted", NULL));
    run->ended_wall_us = by_todays_clock(c, doc, "ended_us", json_text(run->record, "finished"));
    for (size_t i = 0; run->acted_wall_us && i < run->n_keys; i++)
        limits_attempt(c, run->keys[i], run->id, json_text_or(run->record, "playbook", ""), run->acted_wall_us, false);
    return 0;
}

int core_restore_history(struct core *c, const json_t *doc, struct error *err)
{
    const json_t *record = json_object_get(doc, "record"), *state = json_object_get(doc, "state"), *keys;
    const char *id = json_text(record, "id");
    const int64_t acted_us = by_todays_clock(c, doc, "acted_us", json_path_text(record, "times", "acted", NULL));
    const int64_t ended_us = by_todays_clock(c, doc, "ended_us", json_text(record, "finished"));
    if (!id || !ulid_valid(id) || !json_is_object(state))
        return not_understood(err, "no id or no state");
    size_t i;
    json_t *key;
    keys = json_object_get(state, "keys");
    const char *fingerprint = json_path_text(record, "alert", "fingerprint", NULL);
    if (fingerprint && !json_bool_or(state, "parked", false))
        episode_remember(c, fingerprint);
    const bool remembered = acted_us && ended_us;
    const bool shadow = ended_us && reason_only_says(json_text(record, "reason"));
    json_array_foreach ((json_t *)keys, i, key) {
        struct run past = {.n_keys = 1, .keys = (char *[]){(char *)(uintptr_t)json_string_value(key)}};
        if (shadow && past.keys[0])
            limits_shadow(c, past.keys[0], id, json_text_or(record, "playbook", ""), ended_us);
        if (!remembered || !past.keys[0])
            continue;
        memcpy(past.id, id, sizeof(past.id));
        limits_attempt(c, past.keys[0], id, json_text_or(record, "playbook", ""), acted_us, false);
        limits_ended(c, &past, ended_us);
    }
    if (json_bool_or(state, "parked", false))
        return core_restore_run(c, doc, NULL, err);
    return 0;
}

/* ---- going on ---- */

/* Boot time of a deadline that was saved as a wall time: what was left of it when mendd last lived. */
static void restore_times(struct core *c, struct run *run)
{
    int64_t alive = c->last_alive_wall_us > run->restored_wall_us ? c->last_alive_wall_us : run->restored_wall_us;
    for (size_t i = 0; i < ARRAY_SIZE(time_fields); i++) {
        int64_t *t = time_of(run, &time_fields[i]);
        if (*t == 0)
            continue;
        int64_t left = *t - alive;
        bool past = t == &run->received_us;
        *t = c->now.boot_us + (left > 0 || past ? left : 0);
    }
}

static bool find_intended(struct run *run)
{
    size_t i;
    json_t *e;
    json_array_foreach (run->effects, i, e) {
        if (!str_eq(json_text(e, "status"), "intended"))
            continue;
        run->current = e;
        run->answer =
            json_pack("{s:s, s:s}", "error", "cancelled", "message", "mendd was stopped before the answer came");
        return true;
    }
    return false;
}

static enum phase phase_after_restart(struct run *run)
{
    switch (run->phase) {
    case PHASE_RECHECK:
    case PHASE_TARGET:
    case PHASE_GUARDS:
    case PHASE_WAITING:
    case PHASE_PLAN:
        json_object_set_new(run->record, "plan", json_null());
        return run->began ? PHASE_GUARDS : PHASE_TARGET;
    case PHASE_CONDITION:
    case PHASE_STEP_PLAN:
        return PHASE_STEP;
    case PHASE_SEND:
    case PHASE_SENT:
    case PHASE_READ:
    case PHASE_BACKOFF:
    case PHASE_HELD:
        return find_intended(run) ? PHASE_SENT : PHASE_SEND;
    case PHASE_UNDO_READ:
        return PHASE_ROLLBACK;
    default:
        return run->phase;
    }
}

void run_resume(struct core *c, struct run *run)
{
    restore_times(c, run);
    run->phase = phase_after_restart(run);
    run->step_deadline_us = c->now.boot_us + STEP_TIMEOUT_MS * USEC_PER_MSEC;
    run->verify_next_us = c->now.boot_us;
    run->settle_next_us = c->now.boot_us;
    run->passing_since_us = 0;
    if (run->run_deadline_us != 0)
        run->run_left_us = run->run_deadline_us - c->now.boot_us;
    if (run->state == RUN_REMEDIATING || run->state == RUN_VERIFYING || run->state == RUN_ROLLING_BACK)
        limits_set_active(c, run, true);
    record_event(c, run, "mendd was restarted: going on from the journal");
    core_note(c, run, NOTE_INFO, REASON_NONE, "goes on after a restart (%s)", run_state_name(run->state));
}
