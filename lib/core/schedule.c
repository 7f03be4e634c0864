/* Schedules: at each time that a cron entry names, the internal alert MenddSchedule{schedule=NAME, …} goes through the
 * table, so that a morning health check or a weekly restart is a playbook like any other. An occurrence that mendd
 * slept through is left out, unless the schedule says `catch_up: true`: then it comes once, however many were missed.
 * What fired last is kept as "schedules", so that a restart neither repeats nor forgets one. The run of an occurrence
 * ends with its proof: there is no alert that could clear. */
#include "base/alloc.h"
#include "base/cron.h"
#include "base/text.h"
#include "core/internal.h"

#include <errno.h>
#include <string.h>

enum { LATE_US = 60 * 1000000 }; /* later than this an occurrence counts as missed */

struct schedules {
    json_t *last; /* {name: time of the last occurrence that was looked at} */
};

static struct schedules *schedules_get(struct core *c)
{
    if (!c->schedules) {
        c->schedules = xnew0(struct schedules);
        c->schedules->last = json_object();
    }
    return c->schedules;
}

void schedules_free(struct core *c)
{
    if (c->schedules)
        json_decref(c->schedules->last);
    free(c->schedules);
    c->schedules = NULL;
}

static int64_t last_us(const struct core *c, const struct schedule_entry *s)
{
    int64_t us = 0;
    const char *text = c->schedules ? json_text(c->schedules->last, s->name) : NULL;
    return text && time_parse(text, &us) == 0 ? us : 0;
}

static json_t *labels_new(const struct schedule_entry *s)
{
    json_t *labels = s->labels ? json_deep_copy(s->labels) : json_object();
    json_set_text(labels, "alertname", "MenddSchedule");
    json_set_text(labels, "schedule", s->name);
    return labels;
}

/* The episode of the time before is over, whatever came of it. */
static void fire(struct core *c, const struct schedule_entry *s, int64_t due_us)
{
    char at[TIME_TEXT_MAX];
    _cleanup_json_ json_t *labels = labels_new(s);
    time_format(due_us, at);
    core_note(c, NULL, NOTE_INFO, REASON_NONE, "schedule %s is due", s->name);
    struct run *open = episode_internal_find(c, labels);
    if (open && open->phase != PHASE_DONE) {
        core_note(c, NULL, NOTE_WARN, REASON_NONE, "schedule %s: the run of the time before still goes on; left out",
                  s->name);
        return;
    }
    if (open)
        episode_internal(c, labels, NULL, at, false);
    episode_internal(c, labels, NULL, at, true);
}

static void look(struct core *c, const struct schedule_entry *s)
{
    struct schedules *all = schedules_get(c);
    int64_t last = last_us(c, s);
    char text[TIME_TEXT_MAX];
    if (last == 0 || last > c->now.wall_us + USEC_PER_SEC) { /* new, or the clock was set back */
        record_set_time(all->last, s->name, c->now.wall_us);
        core_keep(c, KEPT_SCHEDULES);
        last = c->now.wall_us;
    }
    int64_t due = cron_previous(s->cron, s->zone, c->now.wall_us);
    if (due != INT64_MIN && due > last) {
        json_set_text(all->last, s->name, time_format(due, text));
        core_keep(c, KEPT_SCHEDULES);
        if (c->now.wall_us - due <= LATE_US || s->catch_up)
            fire(c, s, due);
        else
            core_note(c, NULL, NOTE_WARN, REASON_NONE, "schedule %s was missed at %s; left out", s->name, text);
    }
    int64_t next = cron_next(s->cron, s->zone, c->now.wall_us);
    if (next != INT64_MAX)
        core_wake_at(c, c->now.boot_us + (next - c->now.wall_us));
}

void schedule_tick(struct core *c)
{
    for (size_t i = 0; i < c->settings->n_schedules; i++)
        look(c, &c->settings->schedules[i]);
}

bool run_is_scheduled(const struct run *run)
{
    return str_eq(record_alertname(run), "MenddSchedule");
}

/* ---- kept ---- */

json_t *schedules_doc_new(const struct core *c)
{
    return json_pack("{s:o}", "last", c->schedules ? json_deep_copy(c->schedules->last) : json_object());
}

int schedules_restore(struct core *c, const json_t *doc, struct error *err)
{
    const json_t *last = json_object_get(doc, "last");
    if (!json_is_object(last))
        return error_set(err, -EBADMSG, "the journal's list of schedules cannot be understood");
    json_object_update(schedules_get(c)->last, (json_t *)last);
    return 0;
}

json_t *schedules_status_new(const struct core *c)
{
    json_t *list = json_array();
    for (size_t i = 0; i < c->settings->n_schedules; i++) {
        const struct schedule_entry *s = &c->settings->schedules[i];
        int64_t next = cron_next(s->cron, s->zone, c->now.wall_us);
        json_t *entry = json_pack("{s:s, s:n, s:n}", "schedule", s->name, "last", "next");
        if (c->schedules && json_text(c->schedules->last, s->name))
            json_set_text(entry, "last", json_text(c->schedules->last, s->name));
        if (next != INT64_MAX)
            record_set_time(entry, "next", next);
        json_array_append_new(list, entry);
    }
    return list;
}
