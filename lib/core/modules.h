/* The core's modules beside the runs: pauses, windows, breakers, budgets, storms, escalations, schedules, watched
 * clusters, commands. Private to lib/core; internal.h includes it at its end. */
#pragma once

#include "core/internal.h"

/* Modules that remember beside the runs. Each has its guard's predicate (told cheaply, nothing is read, nothing is
 * said), its guard, its keep, and its reset. Times in documents are wall clock. */

/* pause.c */
struct pause; /* one of them */
bool pause_holds(const struct core *c, const struct run *run, int64_t *ret_until_us, const struct pause **ret_pause);
char *pause_words_new(const struct pause *p);
void pause_command(struct core *c, const struct event *event, bool on);
void pause_tick(struct core *c);
void pauses_shift(struct core *c, int64_t delta_us);
void pauses_free(struct core *c);
json_t *pauses_doc_new(const struct core *c);
int pauses_restore(struct core *c, const json_t *doc, struct error *err);
json_t *pauses_status_new(const struct core *c);

/* maintenance.c: windows (hold or observe), `maintenance: only`, notices before they open */
bool maintenance_holds(const struct core *c, const struct run *run, int64_t *ret_until_us, const char **ret_window);
bool maintenance_observes(const struct core *c, const struct run *run, const char **ret_window);
void maintenance_tick(struct core *c);
void maintenance_free(struct core *c);
json_t *maintenance_doc_new(const struct core *c);
int maintenance_restore(struct core *c, const json_t *doc, struct error *err);
json_t *maintenance_status_new(const struct core *c);

/* breaker.c */
bool breaker_holds(const struct core *c, const struct run *run, int64_t *ret_until_us, const char **ret_name);
void breaker_begins(struct core *c, struct run *run);  /* it passed the guards: half-open, it is the one that tries */
void breaker_lets_go(struct core *c, struct run *run); /* it waits again: another may try */
void breaker_ended(struct core *c, struct run *run);   /* with its outcome */
/* Of an API server, to an effect or a question; anything else is passed over. */
void breaker_answer(struct core *c, const json_t *question, const json_t *answer);
/* The watch: nobody reaches it; it is back. Until then its breaker stays open. */
void breaker_api_lost(struct core *c, const char *cluster);
void breaker_api_back(struct core *c, const char *cluster);
/* Whether questions to this cluster wait: before a run's target is known. */
bool breaker_api_holds(const struct core *c, const char *cluster, int64_t *ret_until_us);
bool breaker_reset(struct core *c, const char *name);  /* NULL: all; false: no such breaker is open */
void breakers_shift(struct core *c, int64_t delta_us); /* the wall clock was set */
void breaker_tick(struct core *c);
void breakers_free(struct core *c);
json_t *breakers_doc_new(const struct core *c);
int breakers_restore(struct core *c, const json_t *doc, struct error *err);
json_t *breakers_status_new(const struct core *c);

/* budget.c */
bool budget_holds(const struct core *c, const struct run *run, int64_t *ret_until_us); /* with the shares last known */
enum guard_answer budget_waits(struct core *c, const struct run *run,
                               struct guard_result *ret); /* likewise, with words */
enum guard_answer budget_guard(struct core *c, struct run *run, struct askset *set, struct guard_result *ret);
/* It leaves: its workload stands in the window from now on. Rollbacks and exempt runs too. */
void budget_spend(struct core *c, struct run *run, const json_t *effect);
/* Its answer is here: it took effect no later than now; or it was refused and touched nothing. */
void budget_answered(struct core *c, const struct run *run, const json_t *effect, bool refused);
void budget_would_have_spent(struct core *c, const struct run *run); /* modes observe and plan */
void budget_claim(struct core *c, const struct run *run, bool on);   /* it is at work: its share is kept for it */
bool budget_reset(struct core *c, const char *name);
void budgets_prune(struct core *c);
void budgets_shift(struct core *c, int64_t delta_us);
void budgets_free(struct core *c);
json_t *budgets_doc_new(const struct core *c);
int budgets_restore(struct core *c, const json_t *doc, struct error *err);
json_t *budgets_status_new(const struct core *c);

/* storm.c */
void storm_target(struct core *c, struct run *run); /* a run of an alert has its target: it counts */
bool storm_holds(const struct core *c, const struct run *run, int64_t *ret_until_us, const char **ret_run);
void storm_tick(struct core *c);
void storm_settles(struct core *c, const struct run *run); /* a run did its work and waits for its alert to clear */
void storm_ended(struct core *c, struct run *run);         /* a run with run->storm is over */
void storms_free(struct core *c);
json_t *storms_doc_new(const struct core *c);
int storms_restore(struct core *c, const json_t *doc, struct error *err);
void storms_resume(struct core *c); /* with the runs restored, before they go on */
json_t *storms_status_new(const struct core *c);

/* escalation.c: who is told what, when, until somebody is on it or it is over */
void escalation_begin(struct core *c, struct run *run, enum reason reason, const char *message);
void escalation_approval(struct core *c, struct run *run);      /* a plan waits */
void escalation_approval_over(struct core *c, struct run *run); /* approved, rejected, expired, cleared */
void escalation_cleared(struct core *c, const char *run);       /* its alert was resolved, or its episode is closed */
/* An alert was resolved: so are the escalations of all its runs, also those that are gone from the core. */
void escalations_alert_cleared(struct core *c, const char *fingerprint);
void escalation_repaired(struct core *c, const struct run *run);              /* for the digest */
void escalation_notice(struct core *c, char **receivers, json_t *notice_new); /* maintenance */
/* An effect of the action notify: told at least once, and tried again for a day, whatever becomes of the run. */
void escalation_note(struct core *c, const struct run *run, const json_t *effect);
const char *notice_severity(const struct run *run); /* the playbook's, else the alert's, else "default" */
bool escalation_acknowledge(struct core *c, const char *run, const char *by);
void escalation_answer(struct core *c, uint64_t delivery, const json_t *answer);
void escalation_tick(struct core *c);
void escalations_write(struct core *c);  /* at the end of a call: notices leave, documents and records are written */
void escalations_resume(struct core *c); /* after a restart: what was not surely delivered is told again */
void escalations_free(struct core *c);
json_t *escalations_doc_new(const struct core *c); /* what is not in a document of its own: the digest */
int escalations_restore(struct core *c, const char *key, const json_t *doc, struct error *err);
json_t *escalations_status_new(const struct core *c);

/* schedule.c */
void schedule_tick(struct core *c);
bool run_is_scheduled(const struct run *run);
void schedules_free(struct core *c);
json_t *schedules_doc_new(const struct core *c);
int schedules_restore(struct core *c, const json_t *doc, struct error *err);
json_t *schedules_status_new(const struct core *c);

/* cluster_watch.c: clusters and sets of them are looked at; cluster_alerts.c: what is told of them */
void cluster_watch_tick(struct core *c);
void cluster_watch_settings(struct core *c); /* before the episodes hear of them */
/* Its API server is known to be away: what works on it waits. */
bool cluster_watch_lost(const struct core *c, const char *cluster);
/* Its alert is the watch's: it ends when the watch says so, no Alertmanager knows of it. */
bool run_is_of_watch(const struct run *run);
void cluster_watch_free(struct core *c);
json_t *cluster_watch_doc_new(const struct core *c);
int cluster_watch_restore(struct core *c, const json_t *doc, struct error *err);
json_t *watched_clusters_status_new(const struct core *c);
json_t *cluster_sets_status_new(const struct core *c);

/* command.c */
void command_handle(struct core *c, const struct event *event);
void command_reply(struct core *c, uint64_t ticket, int status, const char *code, json_t *body_new, const char *fmt,
                   ...) _printf_(6, 7);
