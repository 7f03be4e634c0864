/* The configuration, drawn from the seed, at the beginning and at each reload. */
#include "simulation.h"

#include "base/alloc.h"
#include "base/text.h"
#include "config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct rate *rates_draw_new(struct sim *s)
{
    static const int counts[] = {2, 3, 6, 20};
    struct rate *rates = xcalloc(2, sizeof(*rates));
    rates[0] = (struct rate){PICK(&s->rng, counts), rng_int(&s->rng, 10, 120) * 60 * MSEC_PER_SEC};
    return rates;
}

static char **namespaces_draw_new(struct sim *s)
{
    char **list = xcalloc(4, sizeof(*list));
    list[0] = xstrdup("kube-*");
    if (rng_chance(&s->rng, 200))
        list[1] = xstrdup("infra");
    return list;
}

static struct playbook *keep_playbook(struct sim *s, const json_t *source)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    struct playbook *p = NULL;
    if (playbook_from_json(source, s->config, &s->registry, &p, &err) < 0) {
        fprintf(stderr, "simulation: a playbook was drawn that cannot be loaded: %s\n", error_message(&err));
        exit(2);
    }
    s->playbooks = xreallocarray(s->playbooks, s->n_playbooks + 1, sizeof(*s->playbooks));
    s->playbooks[s->n_playbooks++] = p;
    return p;
}

static bool matches(const struct playbook *p, const char *alertname)
{
    const char *first = json_string_value(json_array_get(json_object_get(p->source, "matchers"), 0));
    return first && strstr(first, alertname);
}

/* A reload leaves some as they are. */
static struct playbook *draw_playbook(struct sim *s, const char *alertname)
{
    const struct settings *old = s->settings;
    for (size_t i = 0; old && i < old->table->n && !rng_chance(&s->rng, 300); i++)
        if (matches(old->table->playbooks[i], alertname))
            return playbook_ref(old->table->playbooks[i]);
    json_t *source = playbook_draw_new(s, alertname);
    struct playbook *p = keep_playbook(s, source);
    json_decref(source);
    return playbook_ref(p);
}

static struct playbook_table *table_draw_new(struct sim *s)
{
    static const char *const names[] = {"Down",  "Slow",  "BadRollout", "PodDown",   "TierDown",
                                        "Noise", "Other", "Ignored",    "MenddStorm"};
    struct playbook_table *t = playbook_table_new();
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (rng_chance(&s->rng, 900))
            playbook_table_add(t, draw_playbook(s, names[i]));
    return t;
}

void settings_draw(struct sim *s)
{
    struct settings *new = xnew0(struct settings);
    new->table = table_draw_new(s);
    new->default_cluster = xstrdup("prod");
    new->protected_namespaces = namespaces_draw_new(s);
    new->ignore_annotation = xstrdup("mendd.io/ignore");
    new->target_attempts = rates_draw_new(s);
    new->escalate_unmatched = rng_chance(&s->rng, 700);
    new->has_prometheus = rng_chance(&s->rng, 500);
    new->n_alertmanagers = s->settings ? s->settings->n_alertmanagers : (int)rng_int(&s->rng, 0, PEERS);
    new->dry_run = s->settings ? s->settings->dry_run : rng_chance(&s->rng, 30); /* an option of the process */
    sim_safety_draw(s, new);
    s->all_settings = xreallocarray(s->all_settings, s->n_settings + 1, sizeof(*s->all_settings));
    s->all_settings[s->n_settings++] = s->settings = new;
    s->settings_us = s->now.boot_us;
}

static void settings_free(struct settings *t)
{
    playbook_table_free(t->table);
    for (char **p = t->protected_namespaces; *p; p++)
        free(*p);
    free(t->protected_namespaces);
    free(t->default_cluster);
    free(t->ignore_annotation);
    free(t->target_attempts);
    sim_safety_clear(t);
    free(t);
}

void settings_clear(struct sim *s)
{
    for (size_t i = 0; i < s->n_settings; i++)
        settings_free(s->all_settings[i]);
    for (size_t i = 0; i < s->n_playbooks; i++)
        playbook_unref(s->playbooks[i]);
    free(s->all_settings);
    free(s->playbooks);
}
