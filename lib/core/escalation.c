/* Escalation: who is told what, when, until somebody is on it or it is over.
 *
 * Happy path: a run failed, was refused or is unknown; the receivers of its severity's policy get a `trigger`; somebody
 * acknowledges; the alert clears and all who were told get a `resolve`. Nobody within the level's response time: the
 * next level gets an `update`, and MenddEscalationOverdue goes through the table, once a level. After the last level's
 * time there is nobody left to tell. Failure modes: a receiver that does not take its notice (escalation_tell.c); if
 * none of a level can be told the next is told at once; mendd is stopped: what was not surely told is told again, and
 * the response time went on meanwhile, since people did. Without a policy for the severity, nor a default, the record
 * and the log say it, and nobody is told. What was repaired pages nobody (escalation_digest.c). */
#include "core/escalation.h"

#include "base/alloc.h"
#include "base/text.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

static const struct escalation_policy *policy_of(const struct core *c, const char *severity)
{
    return escalation_policy_of(&c->settings->escalation, severity);
}

static json_t *current_entry(const struct story *s)
{
    return json_array_get(s->entries, json_array_size(s->entries) - 1);
}

/* One of record.escalations (core/record.h). */
static json_t *entry_new(const struct core *c, int level, const char *severity, const char *reason, const char *message)
{
    json_t *e = json_object();
    record_set_time(e, "time", c->now.wall_us);
    json_object_set_new(e, "level", json_integer(level));
    json_set_text(e, "severity", severity);
    json_set_text(e, "reason", reason);
    json_set_text(e, "message", message);
    json_object_set_new(e, "receivers", json_array());
    json_object_set_new(e, "acknowledged", json_null());
    json_object_set_new(e, "respond_by", json_null());
    return e;
}

/* ---- levels ---- */

static bool named_before(char **names, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (str_eq(names[k], names[i]))
            return true;
    return false;
}

static void tell_all(struct core *c, struct story *s, char **receivers, enum notice_event event, json_t *words)
{
    for (size_t i = 0; receivers && receivers[i]; i++)
        if (!named_before(receivers, i))
            telling_add(c, s, receivers[i], event, s->level, json_incref(words));
}

static void tell_level(struct core *c, struct story *s, const struct escalation_level *level, enum notice_event event,
                       const char *message)
{
    json_t *e = entry_new(c, s->level, s->severity, json_text(s->base, "reason"), message);
    _cleanup_json_ json_t *words = notice_words_new(c, message);
    json_array_append_new(s->entries, e);
    s->deadline_us = INT64_MAX;
    if (level->response_ms > 0 && !s->single) {
        s->deadline_us = c->now.boot_us + level->response_ms * USEC_PER_MSEC;
        record_set_time(e, "respond_by", to_wall(c, s->deadline_us));
        record_set_time(words, "respond_by", to_wall(c, s->deadline_us));
        escalations_want(c, s->deadline_us);
    }
    tell_all(c, s, level->notify, event, words);
    story_changed(c, s, true);
}

/* False: there is nobody left to tell. */
static bool tell_next_level(struct core *c, struct story *s, const char *why)
{
    const struct escalation_policy *p = policy_of(c, s->severity);
    if (s->single || !p || (size_t)s->level + 1 >= p->n_levels) {
        s->deadline_us = INT64_MAX;
        story_changed(c, s, false);
        story_note(c, s, NOTE_ERROR, "%s; there is no further level: nobody else will be told", why);
        return false;
    }
    s->level++;
    _cleanup_free_ char *message = xasprintf("%s: %s", why, json_text_or(s->base, "message", ""));
    story_note(c, s, NOTE_WARN, "%s; level %d is told", why, s->level);
    tell_level(c, s, &p->levels[s->level], NOTICE_UPDATE, message);
    return true;
}

void escalation_given_up(struct core *c, struct story *s)
{
    const struct telling *t;
    if (s->kind != STORY_ESCALATION || s->acknowledged || s->cleared || s->closed)
        return;
    DL_FOREACH2(s->tellings, t, story_next)
    {
        bool asks = t->event == NOTICE_TRIGGER || t->event == NOTICE_UPDATE;
        if (asks && t->level == s->level && t->status != TELLING_FAILED)
            return;
    }
    tell_next_level(c, s, "no receiver of the level could be told");
}

/* ---- begin ---- */

/* Of an overdue escalation nobody is told by another one, or it would never end: that one itself goes on. */
static bool is_told(const struct run *run, enum reason reason)
{
    return !str_eq(record_alertname(run), OVERDUE_ALERT) || reason != REASON_NO_PLAYBOOK;
}

void escalation_begin(struct core *c, struct run *run, enum reason reason, const char *message)
{
    const char *severity = notice_severity(run);
    const struct escalation_policy *p = is_told(run, reason) ? policy_of(c, severity) : NULL;
    if (!p || p->n_levels == 0) {
        const char *why =
            is_told(run, reason) ? "" : "; nobody else is told of it: the overdue escalation itself goes on";
        _cleanup_free_ char *words = xasprintf("%s%s", message, why);
        json_array_append_new(json_object_get(run->record, "escalations"),
                              entry_new(c, 0, severity, reason_name(reason), words));
        run_dirty(c, run);
        return;
    }
    _cleanup_free_ char *key = xasprintf("mendd/%s", run->id);
    struct story *s = story_of_run(c, STORY_ESCALATION, run->id);
    if (s) /* once a run */
        return;
    s = story_new(c, STORY_ESCALATION, key, notice_base_new(run, severity, reason, message));
    memcpy(s->run, run->id, sizeof(s->run));
    story_track_alert(c, s, run->fingerprint);
    s->single = str_eq(s->alertname, OVERDUE_ALERT);
    tell_level(c, s, &p->levels[0], NOTICE_TRIGGER, message);
}

/* ---- overdue ---- */

static json_t *overdue_labels_new(const struct story *s, int level)
{
    static const char *const same[] = {"cluster", "namespace"};
    json_t *labels = json_object();
    _cleanup_free_ char *number = xasprintf("%d", level);
    json_set_text(labels, "alertname", OVERDUE_ALERT);
    json_set_text(labels, "run", s->run);
    json_set_text(labels, "alert", s->alertname);
    json_set_text(labels, "severity", s->severity);
    json_set_text(labels, "level", number);
    for (size_t i = 0; i < ARRAY_SIZE(same); i++)
        json_set_text(labels, same[i], json_text(s->base, same[i]));
    return labels;
}

/* mendd's own alert begins or ends; it goes through the table with the next tick, as no run may be at work then. */
static void overdue_alert(struct core *c, struct story *s, int level, bool firing)
{
    char starts[TIME_TEXT_MAX];
    json_t *annotations = json_object();
    json_set_text(annotations, "summary", json_text(s->base, "summary"));
    json_set_text(annotations, "description", json_text(s->base, "message"));
    json_t *alert = json_pack("{s:o, s:o, s:s, s:b}", "labels", overdue_labels_new(s, level), "annotations",
                              annotations, "starts", time_format(c->now.wall_us, starts), "firing", firing);
    json_array_append_new(c->escalations->internal, alert);
    escalations_want(c, c->now.boot_us);
}

static void overdue(struct core *c, struct story *s)
{
    char text[TIME_TEXT_MAX];
    const struct escalation_policy *p = policy_of(c, s->severity);
    int64_t response_ms = p && (size_t)s->level < p->n_levels ? p->levels[s->level].response_ms : 0;
    _cleanup_free_ char *why = xasprintf("nobody acknowledged%s%s at level %d", response_ms ? " within " : "",
                                         response_ms ? duration_format(response_ms, text) : "", s->level);
    if (s->level < LEVEL_MASK_BITS && !(s->overdue & 1U << s->level)) {
        s->overdue |= 1U << s->level;
        overdue_alert(c, s, s->level, true);
    }
    tell_next_level(c, s, why);
}

void escalation_answered(struct core *c, struct story *s)
{
    s->deadline_us = INT64_MAX;
    for (int level = 0; level < LEVEL_MASK_BITS; level++)
        if (s->overdue & 1U << level)
            overdue_alert(c, s, level, false);
    s->overdue = 0;
}

/* ---- answered, over ---- */

bool escalation_acknowledge(struct core *c, const char *run, const char *by)
{
    struct story *s = story_of_run(c, STORY_ESCALATION, run);
    if (!s || s->cleared)
        return false;
    if (s->acknowledged)
        return true;
    _cleanup_free_ char *message = xasprintf("%s is on it", by);
    json_t *words = notice_words_new(c, message), *mark = json_object();
    json_set_text(words, "by", by);
    json_set_text(mark, "by", by);
    record_set_time(mark, "time", c->now.wall_us);
    json_object_set_new(current_entry(s), "acknowledged", mark);
    story_set_acknowledged(c, s);
    escalation_answered(c, s);
    story_changed(c, s, true);
    story_note(c, s, NOTE_INFO, "acknowledged by %s", by);
    story_tell_all(c, s, NOTICE_ACKNOWLEDGE, words);
    return true;
}

static void cleared(struct core *c, struct story *s)
{
    static const char *const now[] = {"state", "outcome", "reason"};
    const struct run *run = core_find_run(c, s->run);
    story_untrack_alert(c, s);
    if (s->cleared)
        return;
    json_t *words = notice_words_new(c, "the alert cleared");
    for (size_t i = 0; run && i < ARRAY_SIZE(now); i++)
        json_object_set(words, now[i], json_object_get(run->record, now[i]));
    s->cleared = true;
    escalation_answered(c, s);
    story_changed(c, s, false);
    story_tell_all(c, s, NOTICE_RESOLVE, words);
}

void escalation_cleared(struct core *c, const char *run)
{
    struct story *s = story_of_run(c, STORY_ESCALATION, run);
    if (s)
        cleared(c, s);
}

void escalations_alert_cleared(struct core *c, const char *fingerprint)
{
    struct story *s = NULL;
    for (bool more = c->escalations && *fingerprint; more; more = s != NULL) {
        HASH_FIND(hh_alert, c->escalations->by_alert, fingerprint, strlen(fingerprint), s);
        if (s)
            cleared(c, s); /* which takes it out of the map */
    }
}

/* ---- approvals ---- */

/* What was never on its way helps nobody any more: a link to a plan that is gone. */
static void drop_untold(struct core *c, struct story *s)
{
    struct telling *t;
    DL_FOREACH2(s->tellings, t, story_next)
    {
        if (t->status == TELLING_PENDING && t->tries == 0 && !t->maybe_told)
            telling_drop(c, t, "it was over before it could be told");
    }
}

void escalation_approval(struct core *c, struct run *run)
{
    const char *severity = notice_severity(run);
    const struct escalation_policy *p = policy_of(c, severity);
    if (!p || p->n_levels == 0)
        return;
    struct story *s = story_of_run(c, STORY_APPROVAL, run->id);
    _cleanup_free_ char *key = xasprintf("mendd/%s/approval", run->id);
    _cleanup_free_ char *message =
        xasprintf("%s: mendctl actions approve %s", json_text_or(run->record, "message", "a plan waits"), run->id);
    if (!s)
        s = story_new(c, STORY_APPROVAL, key, notice_base_new(run, severity, run->reason, message));
    memcpy(s->run, run->id, sizeof(s->run));
    drop_untold(c, s);
    s->cleared = false;
    _cleanup_json_ json_t *words = notice_words_new(c, message);
    _cleanup_free_ char *page = xasprintf("/actions/%s/approve", run->id);
    json_object_set_new(words, "plan", notice_plan_new(run));
    json_set_text(words, "path", page); /* where a person can say yes */
    json_set_text(words, "respond_by", json_path_text(run->record, "approval", "expires", NULL));
    tell_all(c, s, p->levels[0].notify, NOTICE_APPROVAL, words);
    story_changed(c, s, false);
}

void escalation_approval_over(struct core *c, struct run *run)
{
    struct story *s = story_of_run(c, STORY_APPROVAL, run->id);
    const json_t *a = json_object_get(run->record, "approval");
    const char *status = json_text_or(a, "status", "over"), *by = json_text(a, "by");
    if (!s || s->cleared)
        return;
    _cleanup_free_ char *message =
        xasprintf("the plan waits no longer: %s%s%s", str_eq(status, "waiting") ? "the run ended" : status,
                  by ? " by " : "", by ? by : "");
    json_t *words = notice_words_new(c, message);
    json_set_text(words, "by", by);
    drop_untold(c, s);
    s->cleared = true;
    story_changed(c, s, false);
    story_tell_all(c, s, NOTICE_RESOLVE, words);
}

/* ---- single notes ---- */

void escalation_notice(struct core *c, char **receivers, json_t *notice_new)
{
    enum notice_event event = NOTICE_MAINTENANCE;
    const char *key = json_text_or(notice_new, "key", "");
    _cleanup_free_ char *doc_key =
        str_starts(key, "mendd/") ? xasprintf("escalation/%s", key + strlen("mendd/")) : NULL;
    if (!doc_key || story_find(c, doc_key) || !receivers || !receivers[0]) {
        json_decref(notice_new);
        return;
    }
    _cleanup_free_ char *notice_key = xstrdup(key);
    notice_event_parse(json_text(notice_new, "event"), &event);
    struct story *s = story_new(c, STORY_NOTE, notice_key, notice_new);
    _cleanup_json_ json_t *words = json_object();
    tell_all(c, s, receivers, event, words);
}

void escalation_note(struct core *c, const struct run *run, const json_t *effect)
{
    const json_t *body = json_object_get(effect, "body"), *receiver;
    _cleanup_free_ char *notice_key = xasprintf("mendd/%s", json_text_or(effect, "key", ""));
    struct story *s = story_new(c, STORY_NOTE, notice_key, notice_of_step_new(run, body));
    memcpy(s->run, run->id, sizeof(s->run));
    _cleanup_json_ json_t *words = notice_words_new(c, NULL);
    size_t i;
    json_array_foreach (json_object_get(body, "receivers"), i, receiver)
        telling_add(c, s, json_string_value(receiver), NOTICE_NOTE, 0, json_incref(words));
    story_changed(c, s, false);
}

/* ---- time ---- */

/* Deadlines stand; what documents and records say of them is told anew by the clock as it is now. */
static void look_at_clock(struct core *c)
{
    struct escalations *all = c->escalations;
    int64_t clock_us = c->now.wall_us - c->now.boot_us, jump_us = clock_us - all->clock_us;
    all->clock_us = clock_us;
    if (jump_us < STALL_US && jump_us > -STALL_US)
        return;
    for (struct story *s = all->stories; s; s = s->hh.next) {
        if (s->deadline_us == INT64_MAX)
            continue;
        record_set_time(current_entry(s), "respond_by", to_wall(c, s->deadline_us));
        story_changed(c, s, true);
    }
}

static void look_at_stories(struct core *c)
{
    struct story *s, *next;
    HASH_ITER (hh, c->escalations->stories, s, next) {
        if (s->deadline_us <= c->now.boot_us)
            overdue(c, s);
        else if (s->deadline_us != INT64_MAX)
            escalations_want(c, s->deadline_us);
        int64_t old_us = s->since_us + OLD_US;
        if (c->now.boot_us < old_us)
            escalations_want(c, old_us);
        else if (s->n_open == 0 && s->deadline_us == INT64_MAX)
            story_close(c, s, "no word of its alert for a week: closed");
        else
            escalations_want(c, c->now.boot_us + GIVE_UP_US);
    }
}

/* mendd's own alerts go through the table now; what comes of them may escalate, and so come back to these books. */
static void let_internal_in(struct core *c)
{
    json_t *list = c->escalations->internal;
    while (json_array_size(list) > 0) {
        _cleanup_json_ json_t *alert = json_incref(json_array_get(list, 0));
        json_array_remove(list, 0);
        episode_internal(c, json_object_get(alert, "labels"), json_object_get(alert, "annotations"),
                         json_text(alert, "starts"), json_bool_or(alert, "firing", false));
    }
}

void escalation_tick(struct core *c)
{
    struct escalations *all = c->escalations;
    if (!all)
        return;
    look_at_clock(c);
    if (c->now.boot_us < all->next_us) {
        core_wake_at(c, all->next_us);
        return;
    }
    all->next_us = INT64_MAX;
    look_at_stories(c);
    tellings_awake(c);
    digest_tick(c);
    let_internal_in(c);
}

void escalations_resume(struct core *c)
{
    if (!c->escalations)
        return;
    int64_t back_us = c->now.boot_us - c->now.wall_us;
    c->escalations->clock_us = -back_us;
    for (struct story *s = c->escalations->stories; s; s = s->hh.next) {
        struct run *run = core_find_run(c, s->run);
        struct telling *t;
        if (!s->restored)
            continue;
        s->restored = false;
        s->since_us = s->since_wall_us + back_us;
        if (s->deadline_us != INT64_MAX)
            s->deadline_us += back_us;
        if (run && s->kind == STORY_ESCALATION)
            json_object_set(run->record, "escalations", s->entries);
        DL_FOREACH2(s->tellings, t, story_next)
        {
            if (t->restored)
                t->since_us += back_us;
            t->restored = false;
            telling_place(c, t);
        }
    }
    digest_resume(c);
    escalations_want(c, c->now.boot_us);
}

/* ---- kept ---- */

json_t *escalations_doc_new(const struct core *c)
{
    return digest_doc_new(c);
}

int escalations_restore(struct core *c, const char *key, const json_t *doc, struct error *err)
{
    if (str_eq(key, "escalations"))
        return digest_restore(c, doc, err);
    if (str_starts(key, "escalation/"))
        return story_restore(c, key, doc, err);
    return error_set(err, -EBADMSG, "the journal holds \"%s\", which this version of mendd does not know", key);
}
