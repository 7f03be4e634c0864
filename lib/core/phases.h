/* What a run does, phase by phase, its effects and its record. Private to lib/core; internal.h includes it at its end.
 */
#pragma once

#include "core/internal.h"

/* one handler a phase; run_begin.c */
bool phase_delay(struct core *c, struct run *run);
bool phase_recheck(struct core *c, struct run *run);
bool phase_target(struct core *c, struct run *run);
bool phase_guards(struct core *c, struct run *run);
bool phase_waiting(struct core *c, struct run *run);
/* run_approve.c */
void run_begin_approval(struct core *c, struct run *run);
bool phase_approval(struct core *c, struct run *run);
void run_ask_approval(struct core *c, struct run *run); /* of a rung behind the first */
void run_approve(struct core *c, struct run *run, const char *by);
void run_reject(struct core *c, struct run *run, const char *by, const char *why);
void run_redact_plan(struct run *run);
char *run_plan_hash_new(const struct run *run);
/* run_hold.c */
void run_hold(struct core *c, struct run *run, const struct guard_result *g);
bool phase_held(struct core *c, struct run *run);
bool run_cancelled(struct core *c, struct run *run); /* looked at where no effect is in flight */
/* run_plan.c */
bool phase_plan(struct core *c, struct run *run);
/* run_look.c */
void run_begin_work(struct core *c, struct run *run);
bool phase_diagnose(struct core *c, struct run *run);
bool phase_precheck(struct core *c, struct run *run);
/* run_step.c */
void run_begin_rung(struct core *c, struct run *run, size_t rung);
bool phase_step(struct core *c, struct run *run);
bool phase_condition(struct core *c, struct run *run);
bool phase_step_plan(struct core *c, struct run *run);
bool phase_step_wait(struct core *c, struct run *run);
bool step_has_pending(const struct run *run);
/* run_wave.c */
bool wave_is_full(const struct run *run); /* `parallel`: so many effects of this step left since the last look */
bool phase_come_back(struct core *c, struct run *run);
void wave_clear(struct run *run);
void run_keep_failure(struct run *run, enum reason reason, const char *message);
void step_failed(struct core *c, struct run *run, enum reason reason, const char *message);
void step_verified(struct core *c, struct run *run);
bool step_effects_go_on(struct core *c, struct run *run);
void rung_failed(struct core *c, struct run *run, enum reason reason, const char *message);
void rung_passed_over(struct core *c, struct run *run); /* none of its steps applies: the next one, or the end */
/* No further rung: rollback if there is something to undo, then failed and escalated. */
void run_give_up(struct core *c, struct run *run, enum reason reason, const char *message);
/* run_send.c */
/* Whether nothing of the present step was ever sent: then its plan may be made again. */
bool run_step_untouched(const struct run *run);
bool phase_send(struct core *c, struct run *run);
bool phase_sent(struct core *c, struct run *run);
bool phase_read(struct core *c, struct run *run);
bool phase_backoff(struct core *c, struct run *run);
/* run_verify.c, run_settle.c, run_rollback.c */
void run_begin_verify(struct core *c, struct run *run);
void run_begin_step_verify(struct core *c, struct run *run);
bool phase_verify(struct core *c, struct run *run);
void run_begin_settle(struct core *c, struct run *run, bool healthy);
bool phase_settle(struct core *c, struct run *run);
void settle_posted(struct core *c, struct run *run, size_t peer, const json_t *answer);
void run_begin_rollback(struct core *c, struct run *run);
/* True: something is put back first (gitops.suspend); the run ends like this afterwards. */
bool run_restores_first(struct core *c, struct run *run, enum run_outcome outcome, enum reason reason, bool escalate,
                        const char *message);
bool phase_rollback(struct core *c, struct run *run);
bool phase_undo_read(struct core *c, struct run *run);
/* Whoever sent the effect hears how it went, or that it may not be sent. */
void rollback_effect_refused(struct core *c, struct run *run, const char *message);
void rollback_effect_ended(struct core *c, struct run *run, bool done, const char *message);

/* effect_answer.c */
bool surely_not_sent(const json_t *answer);
bool guard_refused(const json_t *effect, const json_t *answer);
bool is_managed_by_others(const json_t *answer);
bool surely_refused(const json_t *effect, const json_t *answer);
/* 403 to an apply that would have made the object: the words that the API server leaves out. */
void say_what_apply_lacks(const json_t *effect, const json_t *answer, struct error *err);

/* effect.c */
enum seen { SEEN_DONE, SEEN_NOT_DONE, SEEN_CHANGED, SEEN_GONE, SEEN_UNKNOWN };
/* What a GET of effect.read says about an effect whose outcome is not known. `words`: what was found; may be NULL. */
enum seen effect_recognise(const json_t *effect, const json_t *answer, char **words);
/* After a 2xx: keeps a trimmed answer and the values that the server made of it. */
void effect_done(json_t *effect, const json_t *body);
/* Recognised by a look, later: what stands there now may be somebody else's, so the values stay those that were sent.
 */
void effect_found_done(json_t *effect, const json_t *body);
/* "PATCH Deployment shop/api" */
char *effect_describe(const json_t *effect);
bool effect_is_notice(const json_t *effect); /* method NOTIFY: told, not sent */
/* The inverse of an effect that was done, for the object as it is now; NULL: a value is no longer ours. */
json_t *effect_inverse_new(const json_t *effect, const json_t *object, char **words);

/* record_build.c */
json_t *record_new(struct core *c, const char *id, const json_t *alert);
void record_event(struct core *c, struct run *run, const char *event);
void record_time(struct core *c, struct run *run, const char *which);
/* Sets `key` of any entry of the record. */
void record_set_time(json_t *record, const char *key, int64_t wall_us);
json_t *record_step(struct run *run); /* the entry of (rung, step), or NULL */
json_t *record_step_begin(struct core *c, struct run *run, const json_t *with);
void record_step_end(struct core *c, struct run *run, const char *status, const char *error);
void record_request(struct run *run, const json_t *effect);
void record_check(struct core *c, struct run *run, const struct probe *probe);
void record_evidence(struct core *c, struct run *run, const char *action, const json_t *items);
void record_held(struct core *c, struct run *run, const struct guard_result *held);
json_t *record_projection(const json_t *effect);
const char *record_alertname(const struct run *run);

/* restore.c */
json_t *run_state_new(const struct core *c, const struct run *run);
void run_resume(struct core *c, struct run *run);
