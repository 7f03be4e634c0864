/* What of the configuration spans runs: budgets, breaker, storm, maintenance windows, escalation. Each is there in some
 * seeds only; which of them are stays as it is for the seed's life, a reload changes their numbers. */
#include "simulation.h"

#include "base/alloc.h"
#include "base/cron.h"
#include "base/text.h"
#include "base/zone.h"

#include <stdio.h>
#include <stdlib.h>

static struct rate *rate_new(struct sim *s, int64_t low, int64_t high)
{
    struct rate *r = xcalloc(2, sizeof(*r));
    r[0] = (struct rate){(int)rng_int(&s->rng, low, high), rng_int(&s->rng, 10, 60) * 60 * MSEC_PER_SEC};
    return r;
}

static char **names_new(const char *a, const char *b)
{
    char **list = xcalloc(3, sizeof(*list));
    list[0] = xstrdup(a);
    list[1] = xstrdup(b);
    return list;
}

static void names_free(char **list)
{
    for (char **p = list; p && *p; p++)
        free(*p);
    free(list);
}

static void draw_budgets(struct sim *s, struct budget_settings *b)
{
    b->enabled = true;
    b->global.workloads = rate_new(s, 2, 6);
    if (rng_chance(&s->rng, 500))
        b->namespace.workloads = rate_new(s, 1, 3);
}

static void draw_breaker(struct sim *s, struct breaker_settings *b)
{
    *b = (struct breaker_settings){.enabled = true,
                                   .playbook_failures = (int)rng_int(&s->rng, 2, 4),
                                   .global_failures = (int)rng_int(&s->rng, 4, 9),
                                   .api_faults = (int)rng_int(&s->rng, 5, 40),
                                   .within_ms = rng_int(&s->rng, 10, 60) * 60 * MSEC_PER_SEC,
                                   .open_ms = rng_int(&s->rng, 2, 15) * 60 * MSEC_PER_SEC};
}

/* "every-20-for-6": at each full 20 minutes, for 6 minutes. */
static void draw_window(struct sim *s, struct settings *t)
{
    static const int periods[] = {20, 30, 60};
    _cleanup_error_ struct error err = ERROR_NONE;
    const int every = PICK(&s->rng, periods), lasts = (int)rng_int(&s->rng, 2, 8);
    _cleanup_free_ char *cron = every == 60 ? xstrdup("0 * * * *") : xasprintf("*/%d * * * *", every);
    struct window *w = t->windows = xnew0(struct window);
    t->n_windows = 1;
    w->name = xasprintf("every-%d-for-%d", every, lasts);
    w->duration_ms = lasts * 60 * MSEC_PER_SEC;
    w->notice_ms = rng_chance(&s->rng, 500) ? 10 * 60 * MSEC_PER_SEC : 0;
    if (w->notice_ms)
        w->notify = names_new("oncall", NULL);
    if (rng_chance(&s->rng, 600))
        w->namespaces = names_new("pay", "shop");
    if (cron_parse(cron, &w->cron, &err) < 0 || zone_load("UTC", &w->zone, &err) < 0) {
        fprintf(stderr, "simulation: no window: %s\n", error_message(&err));
        exit(2);
    }
}

static void draw_escalation(struct sim *s, struct escalation_settings *e)
{
    struct escalation_policy *p = e->policies = xnew0(struct escalation_policy);
    e->n_policies = 1;
    p->severity = xstrdup("default");
    p->n_levels = 2;
    p->levels = xcalloc(2, sizeof(*p->levels));
    p->levels[0] = (struct escalation_level){names_new("oncall", "pager"), rng_int(&s->rng, 1, 20) * 60 * MSEC_PER_SEC};
    p->levels[1] = (struct escalation_level){names_new("boss", NULL), 0};
    if (rng_chance(&s->rng, 500)) {
        e->digest = names_new("oncall", NULL);
        e->digest_interval_ms = 1800 * MSEC_PER_SEC;
    }
}

void sim_safety_draw(struct sim *s, struct settings *t)
{
    if (!s->settings)
        s->safety = (unsigned)rng_int(&s->rng, 0, 31) & (unsigned)rng_int(&s->rng, 0, 31);
    if (s->safety & 1)
        draw_budgets(s, &t->budgets);
    if (s->safety & 2)
        draw_breaker(s, &t->breaker);
    if (s->safety & 4)
        t->storm = (struct storm_settings){true, (int)rng_int(&s->rng, 1, 4), rng_int(&s->rng, 30, 300) * MSEC_PER_SEC};
    if (s->safety & 8)
        draw_window(s, t);
    if (s->safety & 16)
        draw_escalation(s, &t->escalation);
}

void sim_safety_clear(struct settings *t)
{
    free(t->budgets.global.workloads);
    free(t->budgets.namespace.workloads);
    for (size_t i = 0; i < t->n_windows; i++) {
        struct window *w = &t->windows[i];
        free(w->name);
        cron_free(w->cron);
        zone_unref(w->zone);
        names_free(w->namespaces);
        names_free(w->notify);
    }
    free(t->windows);
    for (size_t i = 0; i < t->escalation.n_policies; i++) {
        struct escalation_policy *p = &t->escalation.policies[i];
        for (size_t k = 0; k < p->n_levels; k++)
            names_free(p->levels[k].notify);
        free(p->levels);
        free(p->severity);
    }
    free(t->escalation.policies);
    names_free(t->escalation.digest);
}
