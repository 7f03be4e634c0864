/* What the core would decide for one alert: the same core as in the daemon, with nothing that changes anything. */
#pragma once

#include "config/config.h"
#include "core/core.h"

extern const struct registry cli_registry;

/* config and table, loaded; the table may be used with any number of decisions. */
struct loaded {
    struct config *config;
    struct playbook_table *table;
};
void loaded_clear(struct loaded *l);
extern bool cli_feature_command; /* --enable-feature=command: set once, by main.c */
/* Prints faults (and warnings, if asked) on stderr. 0 or a negative errno. */
int load_all(const char *config_file, const char *const *playbooks, bool warnings, struct loaded *ret);

/* Answers one question of core/ask.h; the caller of it owns the answer. */
typedef json_t *(*answer_fn)(const json_t *question, void *userdata);

/* A core at work without anything around it: what it asks is answered at once, what it wants to send is not sent, whom
 * it wants to tell is taken to have heard. */
struct driver {
    struct core *core;
    struct now now;
    answer_fn answer;
    void (*keep)(json_t *record, void *userdata);       /* each save, borrowed */
    void (*told)(const json_t *notice, void *userdata); /* each notice, or NULL */
    void *userdata;
};
/* One event and everything that its answers lead to, without time passing. */
void driver_turn(struct driver *d, const struct event *event);

/* The record (caller owns), or NULL if the core kept none. Time passes as fast as the core wants. */
json_t *decide_new(const struct loaded *l, const struct alert *alert, struct now now, answer_fn answer, void *userdata);
/* "act", or the reason why not: the mode of the playbook stands in for the dry run under which it was decided. */
const char *decision_of(const struct loaded *l, const json_t *record);
const struct playbook *playbook_of(const struct loaded *l, const json_t *record);
