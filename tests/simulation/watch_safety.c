/* The invariants of what spans runs: budgets, breaker, windows; and that people hear of what they have to. */
#include "simulation.h"

#include "base/alloc.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

/* ---- budgets ---- */

static void within_budget(struct sim *s, const struct workload_model *w, const struct rate *r, const char *ns,
                          int64_t left_us)
{
    int n = 1;
    const int64_t from_us = left_us - r->window_ms * USEC_PER_MSEC;
    /* One that stands in the window already is no further one; nor may one be that mendd cannot date. */
    if (w->tried_us > from_us || (w->tried_us != 0 && w->tried_us <= s->limits_doubt_us))
        return;
    for (int i = 0; i < s->n_workloads; i++) {
        const struct workload_model *other = &s->workloads[i];
        bool counts = other != w && other->changed_us > from_us && other->changed_us > s->limits_doubt_us &&
                      other->changed_us > s->budget_reset_us && (!ns || str_eq(ns, other->ns));
        n += counts;
    }
    if (n > r->count)
        violated(s, "budget", "%s/%s is workload number %d that is changed within %lld s%s%s, %d are allowed", w->ns,
                 w->name, n, (long long)(r->window_ms / 1000), ns ? " in namespace " : "", ns ? ns : "", r->count);
}

void watch_budget(struct sim *s, const struct workload_model *w, int64_t left_us)
{
    const struct budget_settings *b = &s->settings->budgets;
    const bool same_settings = s->settings_us < left_us;
    if (b->global.workloads && same_settings)
        within_budget(s, w, b->global.workloads, NULL, left_us);
    if (b->namespace.workloads && same_settings)
        within_budget(s, w, b->namespace.workloads, w->ns, left_us);
}

/* ---- windows ---- */

void watch_window(struct sim *s, const struct workload_model *w, const char *key, int64_t decided_us)
{
    const int64_t wall_us = s->now.wall_us - (s->now.boot_us - decided_us);
    int every, lasts;
    if (s->settings->n_windows == 0 || s->jumped_us >= decided_us || s->settings_us >= decided_us)
        return;
    const struct window *window = &s->settings->windows[0];
    for (char **ns = window->namespaces; ns && !str_eq(*ns, w->ns); ns++)
        if (!*ns)
            return;
    if (sscanf(window->name, "every-%d-for-%d", &every, &lasts) == 2 &&
        wall_us % (every * MINUTE_US) < lasts * MINUTE_US)
        violated(s, "maintenance", "%s leaves while the window \"%s\" is open", key, window->name);
}

/* ---- breaker ---- */

static bool counts_as_failure(const struct jrun *run, const char *playbook)
{
    static const char *const failures[] = {"action_failed", "verify_failed", "verify_unknown", "still_firing", NULL};
    const json_t *record = json_object_get(run->doc, "record");
    return run->done_us != 0 && run->playbook && str_eq(run->playbook->name, playbook) &&
           str_eq(json_text(record, "outcome"), "failed") && str_in(json_text(record, "reason"), failures);
}

/* When the breaker of the playbook opened for the first time; 0: it did not. Later it may be half-open, and what counts
 * then depends on who tried. */
static int64_t first_opened_us(const struct sim *s, const char *playbook)
{
    const struct breaker_settings *b = &s->settings->breaker;
    int64_t times[64], first = 0;
    size_t n = 0;
    for (const struct jrun *run = s->journal.runs; run && n < ARRAY_SIZE(times); run = run->hh.next) {
        if (!counts_as_failure(run, playbook))
            continue;
        size_t at = n++;
        for (; at > 0 && times[at - 1] > run->done_us; at--)
            times[at] = times[at - 1];
        times[at] = run->done_us;
    }
    const size_t most = (size_t)b->playbook_failures;
    for (size_t i = most; i <= n && first == 0; i++)
        if (times[i - 1] - times[i - most] < b->within_ms * USEC_PER_MSEC)
            first = times[i - 1];
    return first;
}

void watch_breaker(struct sim *s, const struct jrun *run, int64_t decided_us)
{
    const struct breaker_settings *b = &s->settings->breaker;
    if (!b->enabled || s->n_settings > 1 || s->breaker_reset_us != 0 || s->jumped_us != 0)
        return;
    const int64_t opened = first_opened_us(s, run->playbook->name);
    if (opened != 0 && opened < decided_us && decided_us < opened + b->open_ms * USEC_PER_MSEC)
        violated(s, "breaker", "run %s begins to act %lld s after its playbook's breaker opened for %lld s", run->id,
                 (long long)((decided_us - opened) / USEC_PER_SEC), (long long)(b->open_ms / 1000));
}

/* ---- people ---- */

static char *notice_id_new(const json_t *notice)
{
    return xasprintf("%s %s %lld %s", json_text_or(notice, "key", ""), json_text_or(notice, "event", ""),
                     (long long)json_int_or(notice, "level", 0), json_text_or(notice, "receiver", ""));
}

/* It arrived and the receiver said yes; `heard`: mendd will hear of that if it lives. */
void watch_notice(struct sim *s, const struct sent *sent, bool taken)
{
    _cleanup_free_ char *id = notice_id_new(sent->what);
    const char *event = json_text_or(sent->what, "event", ""), *run = json_text_or(sent->what, "run", "");
    const bool trigger = str_eq(event, "trigger");
    if (trigger && *run && !json_bool_or(json_object_get(journal_run(s, run)->doc, "record"), "escalated", false))
        violated(s, "told_only_then", "run %s is told to %s, and its record is not escalated", run,
                 json_text_or(sent->what, "receiver", ""));
    if (!taken || !(trigger || str_eq(event, "update"))) /* the others may have cause to be told again */
        return;
    const int64_t before = json_int_or(s->told, id, 0);
    if (before == (int64_t)sent->generation)
        violated(s, "told_once", "the notice \"%s\" was taken before, and is told again", id);
    json_object_set_new(s->told, id, json_integer((json_int_t)sent->generation));
    if (trigger && *run)
        journal_run(s, run)->told = true;
}

void watch_everybody_told(struct sim *s)
{
    for (const struct jrun *run = s->journal.runs; run && s->settings->escalation.n_policies > 0; run = run->hh.next) {
        const json_t *record = json_object_get(run->doc, "record");
        /* that nobody answered is what the next level is told */
        if (str_eq(json_path_text(record, "alert", "labels", "alertname", NULL), "MenddEscalationOverdue"))
            continue;
        if (run->doc && json_bool_or(record, "escalated", false) && !run->told)
            violated(s, "told_when_failed", "run %s is escalated (%s), and no receiver ever heard of it", run->id,
                     json_text_or(record, "reason", "no reason"));
    }
}
