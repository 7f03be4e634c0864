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
/* Smaller steps of the wall clock are added up before times are shifted. */
#define DRIFT_US USEC_PER_SEC
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
    bool end_unsaved; /* it ended, and no save has told so yet */

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
    int64_t drift_us;  /* by how much it was set, and what is dated by it was not shifted yet */
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
void core_cluster_event(struct core *c, const struct run *run, json_t *what_new);
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
bool namespace_is_protected(const struct settings *s, const char *namespace);
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
/* What an action of this run is told; all of it stays the caller's. The time is the current one. */
struct action_in run_action_in(const struct core *c, const struct run *run, const json_t *with, const char *cluster,
                               const char *key, struct asks *asks);

#include "core/modules.h"
#include "core/phases.h"
