/* What the files of the deciding core share (core.h is its outside). Private to lib/core.
 *
 * Owners: the core owns runs, owners (locks and histories) and ops; a run owns its record, effects and ask sets. An op
 * is something that left (a question, an effect, a post) and is answered by EVENT_ANSWER; closing an ask set forgets
 * its ops, late answers are dropped. Times are boot-clock microseconds unless a name says wall.
 *
 * A run advances by handlers, one a phase: a handler looks at what is there and either changes the phase (true: go on
 * at once) or waits for an answer or a time (false; run_wake_at() said when). Handlers keep nothing on the stack, so
 * that any event may call them again. */
#pragma once

#include "base/clock.h"
#include "base/json.h"
#include "base/ulid.h"
#include "core/core.h"
#include "core/record.h"
#include "core/target.h"

#include <uthash.h>

enum {
    ASK_ROUNDS_MAX = 16,
    SEND_ATTEMPTS_MAX = 5,
    STEP_TIMEOUT_MS = 60 * 1000,
    SEND_TIMEOUT_MS = 30 * 1000,
    NOTIFY_TIMEOUT_MS = 30 * 1000,
    EVIDENCE_MAX = 64 * 1024,
    EVIDENCE_RUN_MAX = 512 * 1024,
    CHECK_HISTORY_MAX = 20,
    EPISODES_MAX = 30000,
};
#define STALL_US (10 * USEC_PER_SEC)
#define REUSE_US (2 * USEC_PER_SEC)  /* answers of the target's resolution may serve the first step's plan this long */
#define FRESH_US (10 * USEC_PER_SEC) /* what was read for a step counts as fresh this long */

/* Questions of one try of one thing, with the time by which they must be answered. */
struct askset {
    struct asks asks;
    bool open, check;
    size_t in_flight;
    int rounds;
    int64_t started_us, deadline_us;
    unsigned epoch; /* of the core, when it was opened: another one now means that the world must be looked at again */
};

/* One check in a round. */
struct probe {
    const struct check_step *spec; /* borrowed from the run's playbook, or &core's own */
    json_t *with;
    char *cluster;
    struct askset set;
    struct check_result result;
    bool judged;
};

struct round {
    struct probe *probes;
    size_t n;
    bool active;
};

enum phase {
    PHASE_DELAY,     /* grace before anything is looked at */
    PHASE_RECHECK,   /* what held the run is gone: does the alert still fire? */
    PHASE_TARGET,    /* the target is looked up */
    PHASE_GUARDS,    /* may it act? */
    PHASE_WAITING,   /* a waiting guard holds it */
    PHASE_PLAN,      /* modes plan and approve, --dry-run: the first rung's requests */
    PHASE_APPROVAL,  /* a person must say yes */
    PHASE_DIAGNOSE,  /* evidence */
    PHASE_PRECHECK,  /* already healthy? */
    PHASE_STEP,      /* begin the step at (rung, step) */
    PHASE_CONDITION, /* its if/unless */
    PHASE_STEP_PLAN, /* its plan */
    PHASE_SEND,      /* the next effect: guards, intention, out */
    PHASE_SENT,      /* wait for its answer */
    PHASE_READ,      /* unknown outcome: look before anything else */
    PHASE_BACKOFF,   /* send again later */
    PHASE_HELD,      /* a waiting guard holds the next effect of a run that is half-way */
    PHASE_COME_BACK, /* settle_each: the pods must be Ready before the next effect; drains: gone before the step ends */
    PHASE_STEP_WAIT, /* the action `wait` */
    PHASE_STEP_VERIFY, /* what the step did must hold before the next one */
    PHASE_VERIFY,
    PHASE_SETTLE,
    PHASE_ROLLBACK, /* the next effect to undo */
    PHASE_UNDO_READ,
    PHASE_DONE,
    PHASE_COUNT
};

enum cancel { CANCEL_NO, CANCEL_STOP, CANCEL_ROLLBACK };

struct peer {
    bool posted, in_flight;
    int tries;
    int64_t next_us;
};

struct run {
    char id[ULID_LEN + 1];
    char fingerprint[17];
    uint64_t arrival;
    json_t *record;
    json_t *alert; /* borrowed from record */
    struct playbook *playbook;

    enum phase phase;
    enum run_state state;
    enum run_outcome outcome;
    enum reason reason;
    bool parked;          /* done without a run of its own; its episode stays open */
    bool episode;         /* in the map of open episodes */
    bool cleared;         /* a resolved webhook came */
    bool refired;         /* a firing webhook came while settling */
    bool acted;           /* an effect left */
    bool began;           /* the first rung began: cooldown counts from its end */
    bool locked;          /* holds the locks of `keys` */
    bool lined_up;        /* stands in the lines of `keys` */
    bool active;          /* counts for `concurrent` */
    bool healthy;         /* settling after a precheck */
    bool rolling;         /* rolling back */
    bool restoring;       /* it is over but for what must be put back whatever came of it (`restore: end`) */
    bool approved;        /* a person said yes to the plan of this rung */
    bool storm;           /* the run of a storm: its own storm does not hold it */
    bool storm_counted;   /* its target was counted, once */
    bool held_told;       /* that it stands half-way was escalated */
    bool probing;         /* the one run that a half-open breaker lets try */
    enum cancel cancel;   /* an operator wants it to stop */
    bool namespace_noted; /* that its namespace cannot be read was said once */
    bool dirty;

    struct target target;
    bool has_target;
    char **keys; /* owner keys */
    size_t n_keys;

    size_t rung, step, index; /* index: evidence of diagnose, step of a plan */
    json_t *effects;          /* all effects of the run, each with rung, step, status, attempts, … */
    json_t *ending;           /* restoring: how it will have ended */
    json_t *undoing;          /* the effect whose inverse is on its way; borrowed from effects */
    json_t *current;          /* the effect that is being sent; borrowed from effects */
    size_t evidence_bytes;
    struct now plan_now;
    enum reason fail_reason; /* why the last rung failed */
    char *fail_message;

    int64_t received_us, expires_us, step_deadline_us, step_wait_us, backoff_us, run_deadline_us, run_left_us;
    int64_t round_began_us, verify_deadline_us, verify_next_us, passing_since_us, settle_deadline_us, settle_next_us;
    enum reason held; /* what it waits for, as it was last told */
    int64_t held_until_us;
    int64_t held_since_us;                /* half-way: the time that it stands still counts for no deadline */
    int64_t slot_until_us;                /* settling longer, until there is a place for the next rung */
    int64_t acted_wall_us, ended_wall_us; /* of its latest effect and its end, by the clock of today; 0: not yet */
    int64_t restored_wall_us;             /* when the save was made that it came from */
    int settle_looks, target_tries;
    bool look_again; /* back-off before another look, not before another try */
    enum verdict last_look;
    struct peer *peers;
    size_t n_peers;

    struct askset set;    /* the target, the guards before the first step, the step's plan */
    struct askset guards; /* guards again, when the step's answers are stale */
    struct askset read;   /* recognition */
    struct round round;
    struct check_step *wave; /* the looks at what the last wave changed */
    size_t n_wave;
    json_t *answer; /* of the effect that was sent */

    struct op *ops;
    int64_t wake_us;
    size_t heap_at; /* 1 + index; 0: not in the heap */
    struct run *dirty_next;
    struct run *wait_prev, *wait_next;
    bool waiting_listed;
    UT_hash_handle hh_id, hh_episode;
};

enum op_kind { OP_ASK, OP_SEND, OP_POST, OP_NOTIFY };

/* The answer to a module's question; takes answer_new. */
typedef void (*ask_done)(struct core *c, void *owner, const json_t *question, json_t *answer_new);

struct op {
    uint64_t id;
    enum op_kind kind;
    struct run *run;   /* NOTIFY: NULL */
    uint64_t delivery; /* NOTIFY: which */
    ask_done done;     /* ASK of a module: run NULL, `owner` its own */
    void *owner;
    struct askset *set;
    json_t *question;
    size_t peer;
    struct op *prev, *next; /* of the run */
    UT_hash_handle hh;
};

struct attempt {
    int64_t wall_us;
    bool shadow; /* only would have been: counts for runs that would only have acted themselves */
    char run[ULID_LEN + 1];
    char *playbook;
};

/* What limits remember of an owner. */
struct owner {
    char *key;
    struct run *holder;
    struct run **line; /* those that wait for the lock, in order of arrival */
    size_t n_line;
    int64_t last_end_wall_us;
    char last_run[ULID_LEN + 1];
    int64_t shadow_end_wall_us; /* likewise */
    char shadow_run[ULID_LEN + 1];
    struct attempt *attempts;
    size_t n_attempts;
    UT_hash_handle hh;
};

struct closed { /* an episode that is over */
    char fingerprint[17];
    UT_hash_handle hh;
};

struct concurrency { /* active runs of a playbook */
    char *playbook;
    int active;
    UT_hash_handle hh;
};

/* What is kept beside the runs (core.h, struct keep), by the name of its document. */
enum kept {
    KEPT_PAUSES,
    KEPT_BREAKERS,
    KEPT_BUDGETS,
    KEPT_STORMS,
    KEPT_MAINTENANCE,
    KEPT_ESCALATIONS,
    KEPT_SCHEDULES,
    KEPT_CLUSTERS,
    KEPT_CLOCK,
    KEPT_COUNT
};

struct pauses;        /* pause.c */
struct breakers;      /* breaker.c */
struct budgets;       /* budget.c */
struct storms;        /* storm.c */
struct notices;       /* maintenance.c: which notices of windows were given */
struct escalations;   /* escalation.c */
struct schedules;     /* schedule.c */
struct cluster_watch; /* cluster_watch.c */

struct core {
    const struct registry *registry;
    const struct settings *settings;
    struct ulid_source ids;
    uint64_t next_op, next_arrival;
    struct run *runs, *episodes;
    struct closed *closed; /* oldest first */
    struct op *ops;
    struct owner *owners;
    struct concurrency *concurrency;
    struct run **heap;
    size_t heap_n, heap_cap;
    struct run *dirty, *graves; /* changed in this call; done, freed with the next call */
    struct run *waiting_head, *waiting_tail;
    bool recheck; /* something was released: waiting runs are decided again */
    unsigned epoch;
    bool started;
    struct now now, pruned;
    int64_t last_alive_wall_us;
    int64_t jumped_us; /* by how much the wall clock was set in all, since the journal began */
    struct effects *out;
    struct pauses *pauses;
    struct breakers *breakers;
    struct budgets *budgets;
    struct storms *storms;
    struct notices *notices;
    struct escalations *escalations;
    struct schedules *schedules;
    struct cluster_watch *watch;
    int64_t node_changed_us; /* when an effect on a Node last ended; boot */
    unsigned kept_dirty;     /* bits of enum kept: to be written with this call */
    int64_t desk_wake_us;    /* when one of these wants a tick; boot */
    struct check_step cleared_check, ready_check,
        drained_check; /* alert.cleared, pods.ready, node.drained without parameters; check NULL: none */
};

enum guard_answer { GUARD_PASS, GUARD_WAIT, GUARD_FINAL, GUARD_ASKING };
struct guard_result {
    enum reason reason;
    char *message;
    const char *run;  /* the run that stands in the way */
    int64_t until_us; /* boot; INT64_MAX: not known */
    bool plan_only;   /* the mode: build the plan and stop */
};

/* core.c, out.c */
void core_note(struct core *c, const struct run *run, enum note_level level, enum reason reason, const char *fmt, ...)
    _printf_(5, 6);
uint64_t core_out(struct core *c, struct run *run, enum op_kind kind, struct askset *set, json_t *what_new,
                  int64_t timeout_us, bool check);
/* A question of a module; `done` hears the answer once, unless the owner forgets its questions before. */
void core_ask(struct core *c, json_t *question_new, int64_t timeout_us, ask_done done, void *owner);
void core_forget_asks(struct core *c, const void *owner);
void core_inbox_done(struct core *c, int64_t seq);
/* The document of `kept` changed: it is written at the end of this call. */
void core_keep(struct core *c, enum kept kept);
/* One document of a key of its own ("escalation/<run id>"), written now; NULL: forgotten. Takes doc. */
void core_keep_doc(struct core *c, const char *key, json_t *doc_new);
void core_write_kept(struct core *c);
void core_save(struct core *c, struct run *run);
void core_reply(struct core *c, uint64_t ticket, int status, const char *code, char *message_new, json_t *body_new);
void core_amend(struct core *c, const char *run, json_t *escalations_new);
/* At the latest then every module's …_tick() is called. */
void core_wake_at(struct core *c, int64_t boot_us);
/* A notice leaves (OUT_NOTIFY); its answer comes to escalation_answer(delivery). Takes notice_new. */
void core_notify(struct core *c, uint64_t delivery, json_t *notice_new);
struct run *core_find_run(const struct core *c, const char *id);
void run_dirty(struct core *c, struct run *run);
void op_free(struct core *c, struct op *op);

/* heap.c: who wants to be woken, and when */
void heap_update(struct core *c, struct run *run);
void heap_remove(struct core *c, struct run *run);

/* asking.c */
void askset_open(struct core *c, struct askset *set, int64_t deadline_us, bool check);
void askset_close(struct core *c, struct run *run, struct askset *set);
/* True: nothing is in flight (or the time is over, and what is missing was answered with a timeout): the pure function
 * may run. False: wait; the run's wake-up is set. */
bool askset_ready(struct core *c, struct run *run, struct askset *set);
/* After -EAGAIN: sends what is wanted. */
void askset_send(struct core *c, struct run *run, struct askset *set);
bool askset_usable(const struct core *c, const struct askset *set, int64_t max_age_us);
void round_open(struct core *c, struct run *run, const struct check_step *specs, size_t n, int64_t deadline_us);
void round_close(struct core *c, struct run *run);
/* True when every check of the round has its verdict. */
bool round_done(struct core *c, struct run *run);

/* episode.c */
void episode_alert(struct core *c, const struct event *event);
void episode_malformed(struct core *c, const struct event *event);
void episode_settings(struct core *c);
void episodes_bound(struct core *c);
void episode_close(struct core *c, struct run *run);
void episode_remember(struct core *c, const char *fingerprint);
void episodes_prune(struct core *c);
void episodes_free(struct core *c);

/* The webhook's alerts and mendd's own go the same way from here. The run that it belongs to now, valid in this call of
 * core_handle(); NULL: none. */
struct run *episode_take(struct core *c, const struct alert *alert);
/* internal_alert.c: an alert of mendd's own, as texts; `starts` RFC 3339. Borrows all. The run as episode_take(). */
/* The open episode of an internal alert with these labels; NULL: none. */
struct run *episode_internal_find(struct core *c, const json_t *labels);
struct run *episode_internal(struct core *c, const json_t *labels, const json_t *annotations, const char *starts,
                             bool firing);

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

/* limits.c */
struct owner *owner_get(struct core *c, const char *key);
void owners_free(struct core *c);
void limits_prune(struct core *c);
void limits_shift(struct core *c, int64_t delta_us); /* the wall clock was set */
json_t *limits_clock_doc_new(const struct core *c);
int limits_clock_restore(struct core *c, const json_t *doc, struct error *err);
void limits_set_keys(struct core *c, struct run *run);
bool limits_is_next(const struct core *c, const struct run *run); /* in the line of its first owner */
/* The run that stands in the way of taking all locks, or NULL. What a storm holds between two steps, or what only
 * settles, does not stand in the way of the storm's own run: limits_lock() takes its locks, and it lines up for them.
 */
const struct run *limits_lock_blocker(const struct core *c, const struct run *run);
void limits_lock(struct core *c, struct run *run);
void limits_line_up(struct core *c, struct run *run);
void limits_leave_line(struct core *c, struct run *run);
void limits_release(struct core *c, struct run *run);
void limits_ended(struct core *c, const struct run *run, int64_t wall_us);
/* A run that would have acted now, were its mode auto (semantics.md: "shadow limits"). */
void limits_would_have_acted(struct core *c, const struct run *run, int64_t wall_us);
/* The same for one key, out of the journal. */
void limits_shadow(struct core *c, const char *key, const char *run, const char *playbook, int64_t wall_us);
void limits_attempt(struct core *c, const char *key, const char *run, const char *playbook, int64_t wall_us,
                    bool shadow);
void limits_note_attempt(struct core *c, const struct run *run);
/* Wall time at which the cooldown ends, 0: none. `ret_run`: whose. */
int64_t limits_cooldown_until(const struct core *c, const struct run *run, const char **ret_run);
/* The rate that is used up, or NULL. playbook NULL: across all. */
const struct rate *limits_exhausted(const struct core *c, const struct run *run, const struct rate *rates, size_t n,
                                    const char *playbook);
int limits_active(const struct core *c, const struct run *run); /* others of its playbook */
void limits_set_active(struct core *c, struct run *run, bool active);

/* guards.c; guard_scope.c: what is never touched (protected namespaces, mendd itself, who opted out), and what others
 * own (GitOps, custom resources, autoscalers) */
enum playbook_mode guard_mode(const struct core *c, const struct run *run); /* --dry-run: MODE_PLAN at most */
void guard_result_clear(struct guard_result *r);
enum guard_answer guard_final(struct guard_result *ret, enum reason reason, char *message_new);
enum guard_answer guard_hold(struct guard_result *ret, enum reason reason, const char *run, int64_t until_us,
                             char *message_new);
enum guard_answer guard_protected(struct core *c, struct run *run, struct askset *set, struct guard_result *ret);
enum guard_answer guard_opted_out(struct core *c, struct run *run, struct askset *set, struct guard_result *ret);
int guard_read(struct askset *set, const char *cluster, const char *api_version, const char *kind,
               const char *namespace, const char *name, const json_t **ret_object, struct error *err);
enum guard_answer guard_owned(struct core *c, struct run *run, struct askset *set, struct guard_result *ret);
/* All guards in their order, the first that does not pass decides. `set` serves what has to be read. */
enum guard_answer guards_run(struct core *c, struct run *run, struct askset *set, struct guard_result *ret);
/* Those that hold for a rollback too: paused, maintenance, duplicate (the lock), opted_out. */
enum guard_answer guards_undo(struct core *c, struct run *run, struct askset *set, struct guard_result *ret);
enum guard_answer guards_undo_waiting(struct core *c, struct run *run, struct guard_result *ret);
/* Only those that wait and need no reading: is what held the run gone? */
/* Whether the same still holds it, told cheaply: thousands may wait while one is let in. */
bool guards_still_held(const struct core *c, const struct run *run);
enum guard_answer guards_waiting(struct core *c, struct run *run, struct guard_result *ret);

/* run.c */
struct run *run_new(struct core *c, const json_t *alert, bool firing);
struct run *run_free(struct core *c, struct run *run);
void run_advance(struct core *c, struct run *run);
void run_wake_at(struct run *run, int64_t boot_us);
void run_state_to(struct core *c, struct run *run, enum run_state state, const char *fmt, ...) _printf_(4, 5);
void run_end(struct core *c, struct run *run, enum run_outcome outcome, enum reason reason, bool escalate,
             const char *fmt, ...) _printf_(6, 7);
void run_escalate(struct core *c, struct run *run, enum reason reason, const char *message);
void run_free_lookups(struct core *c, struct run *run);
json_t *run_effects_of_rung(const struct run *run, size_t rung);
const struct step *run_step_now(const struct run *run);
bool run_expand(struct run *run, const struct param *params, const json_t *with, const char *cluster, json_t **ret_with,
                char **ret_cluster, struct error *err);

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
