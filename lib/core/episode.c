/* Alerts become episodes: open from the first firing until Alertmanager reports it resolved, or until its run ends.
 * Identity is the computed fingerprint of the label set. Every alert gets exactly one decision with a reason. */
#include "base/alloc.h"
#include "base/text.h"
#include "core/internal.h"

#include <stdlib.h>
#include <string.h>

enum { CLOSED_MAX = 4096 };
#define UNSEEN_US (7 * 24 * 3600 * USEC_PER_SEC)

static void open_episode(struct core *c, struct run *run)
{
    HASH_ADD(hh_episode, c->episodes, fingerprint, strlen(run->fingerprint), run);
    run->episode = true;
}

/* ---- what was seen firing ---- */

/* A resolved alert that was seen firing belongs to the record that it has, even if that is closed by now: mendd posted
 * the end itself, a peer says it again. The newest are remembered. */
void episode_remember(struct core *c, const char *fingerprint)
{
    struct closed *k = NULL;
    HASH_FIND(hh, c->closed, fingerprint, strlen(fingerprint), k);
    if (!k && HASH_COUNT(c->closed) >= CLOSED_MAX)
        k = c->closed; /* the oldest */
    if (k)
        HASH_DELETE(hh, c->closed, k);
    else
        k = xnew0(struct closed);
    strncpy(k->fingerprint, fingerprint, sizeof(k->fingerprint) - 1);
    HASH_ADD(hh, c->closed, fingerprint, strlen(k->fingerprint), k);
}

void episodes_free(struct core *c)
{
    struct closed *k, *next;
    HASH_ITER (hh, c->closed, k, next) {
        HASH_DELETE(hh, c->closed, k);
        free(k);
    }
}

static bool was_seen(const struct core *c, const char *fingerprint)
{
    struct closed *k = NULL;
    HASH_FIND(hh, c->closed, fingerprint, strlen(fingerprint), k);
    return k != NULL;
}

/* ---- open and closed ---- */

void episode_close(struct core *c, struct run *run)
{
    if (run->episode) {
        HASH_DELETE(hh_episode, c->episodes, run);
        episode_remember(c, run->fingerprint);
    }
    run->episode = false;
    run->parked = false;
}

static struct run *find_open(struct core *c, const char *fingerprint)
{
    struct run *run = NULL;
    HASH_FIND(hh_episode, c->episodes, fingerprint, strlen(fingerprint), run);
    return run;
}

static void seen_again(struct core *c, struct run *run)
{
    json_object_set_new(run->record, "seen", json_integer(json_int_or(run->record, "seen", 1) + 1));
    record_set_time(run->record, "last_seen", c->now.wall_us);
    if (run->state == RUN_SETTLING)
        run->refired = true;
    run_dirty(c, run);
}

/* A firing alert without an open episode: which playbook? */
static void decide(struct core *c, struct run *run)
{
    _cleanup_json_ json_t *others = json_array();
    _cleanup_error_ struct error err = ERROR_NONE;
    const struct settings *s = c->settings;
    struct playbook *p =
        s->table ? playbook_table_find(s->table, json_object_get(run->alert, "labels"), others, &err) : NULL;
    json_object_set(run->record, "also_matched", others);
    open_episode(c, run);
    if (!p) {
        bool unjudged = err.code < 0;
        run_end(c, run, OUTCOME_SKIPPED, REASON_NO_PLAYBOOK, unjudged || s->escalate_unmatched || run->storm,
                unjudged ? "no playbook was chosen: %s" : "no playbook matches this alert%s",
                unjudged     ? error_message(&err)
                : run->storm ? ": a storm that mendd has no repair for; what waits for its end is not told one by one"
                             : "");
        return;
    }
    run->playbook = playbook_ref(p);
    json_set_text(run->record, "playbook", p->name);
    json_set_text(run->record, "playbook_hash", p->hash);
    if (p->ignore) {
        run_end(c, run, OUTCOME_SKIPPED, REASON_IGNORED, false, "playbook %s ignores this alert%s%s", p->name,
                p->ignore_reason ? ": " : "", p->ignore_reason ? p->ignore_reason : "");
        return;
    }
    run->received_us = c->now.boot_us;
    run->expires_us = c->now.boot_us + p->limits.expires_ms * USEC_PER_MSEC;
    run->run_left_us = p->run_timeout_ms * USEC_PER_MSEC;
    run->phase = PHASE_DELAY;
    core_note(c, run, NOTE_INFO, REASON_NONE, "alert accepted by playbook %s", p->name);
    run_advance(c, run);
}

/* The episode is over even if its run still has to verify what it did: fired again it is a new one. */
static void handle_resolved(struct core *c, struct run *run)
{
    record_time(c, run, "resolved");
    record_event(c, run,
                 run->storm             ? "the storm is over"
                 : run_is_of_watch(run) ? "mendd sees that it is over"
                                        : "Alertmanager reports the alert resolved");
    run->cleared = true;
    run_dirty(c, run);
    escalation_cleared(c, run->id);
    episode_close(c, run);
    if (run->phase != PHASE_DONE)
        run_advance(c, run);
}

static void malformed(struct core *c, json_t *alert, const char *why)
{
    struct run *run = run_new(c, alert, true);
    run_end(c, run, OUTCOME_SKIPPED, REASON_MALFORMED, true, "the alert cannot be understood: %s", why);
}

void episode_malformed(struct core *c, const struct event *event)
{
    _cleanup_json_ json_t *alert = json_pack("{s:{}, s:{}, s:s}", "labels", "annotations", "fingerprint", "");
    if (event->malformed.raw)
        json_object_set_new(alert, "raw", json_deep_copy(event->malformed.raw));
    malformed(c, alert, event->malformed.why ? event->malformed.why : "no reason given");
    core_inbox_done(c, event->inbox_seq);
}

struct run *episode_take(struct core *c, const struct alert *a)
{
    _cleanup_json_ json_t *alert = alert_to_json(a);
    if (!a->firing)
        escalations_alert_cleared(c, a->fingerprint);
    struct run *open = find_open(c, a->fingerprint);
    if (open && a->firing) {
        seen_again(c, open);
    } else if (open) {
        handle_resolved(c, open);
    } else if (a->firing || !was_seen(c, a->fingerprint)) {
        struct run *run = open = run_new(c, alert, a->firing);
        run->storm = str_eq(alert_name(a), "MenddStorm");
        if (a->firing) {
            decide(c, run);
            return run;
        }
        record_time(c, run, "resolved");
        run_end(c, run, OUTCOME_SKIPPED, REASON_CLEARED_BEFORE_ACTION, false,
                "the alert came already resolved and was not seen firing");
    }
    return open;
}

void episode_alert(struct core *c, const struct event *event)
{
    const struct alert *a = event->alert;
    core_inbox_done(c, event->inbox_seq);
    if (event->own || !alert_name_is_internal(alert_name(a))) {
        episode_take(c, a);
        return;
    }
    _cleanup_json_ json_t *alert = alert_to_json(a);
    malformed(c, alert, "its name is one of mendd's own");
}

/* Episodes without a run that nobody sends any more: Alertmanager forgets what it sent after five days
 * (data.retention 120h) and would send it again by then. Without send_resolved they would stay for ever. */
void episodes_prune(struct core *c)
{
    struct run *run, *next;
    HASH_ITER (hh_episode, c->episodes, run, next) {
        int64_t last_us = 0;
        if (!run->parked || time_parse(json_text_or(run->record, "last_seen", ""), &last_us) < 0 ||
            c->now.wall_us - last_us < UNSEEN_US)
            continue;
        escalation_cleared(c, run->id);
        episode_close(c, run);
        record_event(c, run, "not seen for a week: the episode is closed");
    }
}

/* Distinct alerts without end must not fill the memory: the oldest decision without a run gives way. Its record stays;
 * if its alert comes again it gets a new one, and a person hears of it twice rather than not at all. */
void episodes_bound(struct core *c)
{
    struct run *run = c->episodes;
    if (HASH_CNT(hh_episode, c->episodes) <= EPISODES_MAX)
        return;
    while (run && !run->parked)
        run = run->hh_episode.next;
    if (!run)
        return;
    episode_close(c, run);
    record_event(c, run, "too many episodes are open: the oldest is closed");
    run_dirty(c, run);
}

void episode_settings(struct core *c)
{
    struct run *run, *next;
    HASH_ITER (hh_episode, c->episodes, run, next) {
        if (!run->parked)
            continue;
        episode_close(c, run);
        record_event(c, run, "new settings: the next time that the alert comes it is decided again");
        run_dirty(c, run);
    }
}
