/* The stories that are open, and what leaves at the end of a call: notices, documents, records (escalation.h). */
#include "base/alloc.h"
#include "base/text.h"
#include "core/escalation.h"

#include <stdarg.h>
#include <string.h>
#include <utlist.h>

struct escalations *escalations_get(struct core *c)
{
    if (!c->escalations) {
        c->escalations = xnew0(struct escalations);
        c->escalations->next_us = INT64_MAX;
        c->escalations->clock_us = c->now.wall_us - c->now.boot_us;
        c->escalations->internal = json_array();
    }
    return c->escalations;
}

int64_t to_wall(const struct core *c, int64_t boot_us)
{
    return boot_us == INT64_MAX ? INT64_MAX : c->now.wall_us + (boot_us - c->now.boot_us);
}

void escalations_want(struct core *c, int64_t boot_us)
{
    struct escalations *all = escalations_get(c);
    if (boot_us < all->next_us)
        all->next_us = boot_us;
    core_wake_at(c, boot_us);
}

/* ---- finding ---- */

struct story *story_find(const struct core *c, const char *key)
{
    struct story *s = NULL;
    if (c->escalations)
        HASH_FIND(hh, c->escalations->stories, key, strlen(key), s);
    return s;
}

struct story *story_of_run(const struct core *c, enum story_kind kind, const char *run)
{
    if (!c->escalations)
        return NULL;
    _cleanup_free_ char *key = xasprintf("escalation/%s%s", run, kind == STORY_APPROVAL ? "/approval" : "");
    return story_find(c, key);
}

void story_track_alert(struct core *c, struct story *s, const char *fingerprint)
{
    story_untrack_alert(c, s);
    strncpy(s->fingerprint, fingerprint, sizeof(s->fingerprint) - 1);
    if (*s->fingerprint)
        HASH_ADD(hh_alert, c->escalations->by_alert, fingerprint, strlen(s->fingerprint), s);
}

void story_untrack_alert(struct core *c, struct story *s)
{
    if (*s->fingerprint)
        HASH_DELETE(hh_alert, c->escalations->by_alert, s);
    *s->fingerprint = '\0';
}

/* ---- life ---- */

/* Somebody is on it and it only waits for its end, or it is the oldest. */
static struct story *least_needed(const struct escalations *all)
{
    struct story *s = all->n_acknowledged > 0 ? all->stories : NULL;
    while (s && !s->acknowledged)
        s = s->hh.next;
    return s ? s : all->stories;
}

struct story *story_new(struct core *c, enum story_kind kind, const char *notice_key, json_t *base_new)
{
    struct escalations *all = escalations_get(c);
    while (HASH_COUNT(all->stories) >= STORIES_MAX)
        story_close(c, least_needed(all), "too many escalations are open: the oldest is closed");
    struct story *s = xnew0(struct story);
    *s = (struct story){.kind = kind,
                        .notice_key = xstrdup(notice_key),
                        .key = xasprintf("escalation/%s", notice_key + strlen("mendd/")),
                        .base = base_new,
                        .entries = json_array(),
                        .since_wall_us = c->now.wall_us,
                        .since_us = c->now.boot_us,
                        .deadline_us = INT64_MAX};
    s->alertname = xstrdup(json_text(base_new, "alertname"));
    s->severity = xstrdup(json_text_or(base_new, "severity", "default"));
    HASH_ADD_KEYPTR(hh, all->stories, s->key, strlen(s->key), s);
    return s;
}

void story_free(struct core *c, struct story *s)
{
    while (s->tellings)
        telling_free(c, s->tellings);
    story_untrack_alert(c, s);
    json_decref(s->base);
    json_decref(s->entries);
    free(s->key);
    free(s->notice_key);
    free(s->alertname);
    free(s->severity);
    free(s);
}

static void forget(struct core *c, struct story *s)
{
    if (s->closed)
        return;
    s->closed = true;
    escalation_answered(c, s);
    HASH_DELETE(hh, c->escalations->stories, s);
    c->escalations->n_acknowledged -= s->acknowledged;
    story_untrack_alert(c, s);
    story_changed(c, s, false);
}

void story_close(struct core *c, struct story *s, const char *why)
{
    struct telling *t;
    story_note(c, s, NOTE_WARN, "%s", why);
    DL_FOREACH2(s->tellings, t, story_next)
    {
        if (t->status == TELLING_PENDING)
            telling_drop(c, t, why);
    }
    forget(c, s);
}

void story_changed(struct core *c, struct story *s, bool news)
{
    s->news |= news;
    if (s->dirty)
        return;
    s->dirty = true;
    LL_PREPEND2(c->escalations->dirty, s, dirty_next);
}

void story_set_acknowledged(struct core *c, struct story *s)
{
    c->escalations->n_acknowledged += !s->acknowledged;
    s->acknowledged = true;
}

void story_note(struct core *c, const struct story *s, enum note_level level, const char *fmt, ...)
{
    static const char *const kinds[] = {
        [STORY_ESCALATION] = "escalation", [STORY_APPROVAL] = "approval", [STORY_NOTE] = "notice"};
    const struct run *run = *s->run ? core_find_run(c, s->run) : NULL;
    va_list args;
    va_start(args, fmt);
    _cleanup_free_ char *words = xvasprintf(fmt, args);
    va_end(args);
    if (*s->run)
        core_note(c, run, level, REASON_NONE, "%s of run %s (%s): %s", kinds[s->kind], s->run,
                  s->alertname ? s->alertname : "no name", words);
    else
        core_note(c, NULL, level, REASON_NONE, "%s %s: %s", kinds[s->kind], s->notice_key, words);
}

/* ---- the end of a call ---- */

/* An escalation ends when its alert cleared and all have heard so; one that nothing can clear, when it was told. */
static bool is_over(const struct story *s)
{
    bool waits = s->deadline_us != INT64_MAX || *s->fingerprint;
    return s->n_open == 0 && (s->kind == STORY_NOTE || s->cleared || (s->kind == STORY_ESCALATION && !waits));
}

static void show(struct core *c, struct story *s)
{
    struct run *run = core_find_run(c, s->run);
    if (s->kind != STORY_ESCALATION)
        return;
    if (!run) {
        core_amend(c, s->run, json_deep_copy(s->entries));
        return;
    }
    json_object_set(run->record, "escalations", s->entries);
    run_dirty(c, run);
}

void escalations_write(struct core *c)
{
    struct escalations *all = c->escalations;
    struct story *list = NULL;
    if (!all)
        return;
    tellings_leave(c);
    while (all->dirty) { /* back into the order in which they changed */
        struct story *s = all->dirty;
        LL_DELETE2(all->dirty, s, dirty_next);
        LL_PREPEND2(list, s, dirty_next);
    }
    while (list) {
        struct story *s = list;
        LL_DELETE2(list, s, dirty_next);
        if (is_over(s))
            forget(c, s);
        if (s->news)
            show(c, s);
        core_keep_doc(c, s->key, s->closed ? NULL : story_doc_new(c, s));
        s->dirty = s->news = false;
        if (s->closed)
            story_free(c, s);
    }
    all->dirty = NULL;
}

void escalations_free(struct core *c)
{
    struct escalations *all = c->escalations;
    struct story *s, *next;
    struct receiver_line *r, *next_line;
    if (!all)
        return;
    HASH_ITER (hh, all->stories, s, next) {
        HASH_DELETE(hh, all->stories, s);
        story_free(c, s);
    }
    HASH_ITER (hh, all->receivers, r, next_line) {
        HASH_DELETE(hh, all->receivers, r);
        free(r->name);
        free(r);
    }
    digest_free(&all->digest);
    json_decref(all->internal);
    free(all);
    c->escalations = NULL;
}
