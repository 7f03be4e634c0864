/* A deterministic simulation of the deciding core: one seed is one configuration, one world and one history.
 *
 * The parts, each a file:  alerts.c Prometheus and a pair of Alertmanagers · cluster.c, effects.c a Kubernetes of a few
 * Deployments · network.c what lies between mendd and them · shell.c the engine's part: journal, turns, crash, restart
 * · settings.c the configuration · history.c what happens to all of them · watch_*.c the invariants.
 *
 * Everything happens at a time of the boot clock; things of the same time happen in the order in which they were
 * decided on. Nothing reads a clock, nothing runs beside, every choice comes from the seed: a seed replays exactly.
 *
 * Owners: `struct sim` owns all; JSON documents of the world are replaced, never changed, so that answers may share
 * them. Times are microseconds of the boot clock unless a name says wall. */
#pragma once

#include "base/clock.h"
#include "base/json.h"
#include "base/macro.h"
#include "core/core.h"
#include "core/record.h"

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#define REVISION "deployment.kubernetes.io/revision"

enum {
    PEERS = 2,
    PODS_MAX = 32,
    REVISIONS_MAX = 16,
    WORKLOADS_MAX = 12,
    ALERTS_MAX = 48,
    NAMESPACES = 4,
    OWNERS_OF_RUN_MAX = 12,
};
#define MINUTE_US (60 * USEC_PER_SEC)
#define HOUR_US (60 * MINUTE_US)

/* ---- chance and time (random.c) ---- */

struct rng {
    uint64_t state;
};

uint64_t rng_next(struct rng *r);
int64_t rng_int(struct rng *r, int64_t low, int64_t high); /* both included */
bool rng_chance(struct rng *r, int per_mille);
#define PICK(r, array) ((array)[rng_int((r), 0, (int64_t)ARRAY_SIZE(array) - 1)])

enum happening {
    H_ANSWER,    /* an answer reaches mendd: a = op */
    H_ARRIVE,    /* an effect or a post reaches the other side: a = op */
    H_FLUSH,     /* the turn is over: what it decided goes to the journal */
    H_COMMIT,    /* the oldest turn is durable */
    H_INBOX,     /* rows of a webhook are durable: a = row */
    H_ALIVE,     /* mendd notes that it lives */
    H_START,     /* mendd is started */
    H_EVALUATE,  /* Prometheus evaluates a rule: a = alert */
    H_WEBHOOK,   /* Alertmanager b sends alert a; doc: the alert as it was */
    H_RECONCILE, /* a controller looks at workload a */
    H_POD,       /* a pod of workload a is ready or gone */
    H_HEAL,      /* workload a gets well by itself */
    H_HISTORY,   /* the next thing that happens */
    H_COUNT
};

struct item {
    int64_t at_us;
    uint64_t order;
    enum happening what;
    int64_t a, b;
    unsigned generation; /* of the process; 0: whoever runs */
    json_t *doc;
};

struct schedule { /* a heap: earliest first, of the same time the one that was decided on first */
    struct item *items;
    size_t n, cap;
    uint64_t next_order;
};

void schedule_add(struct schedule *s, struct item item);
const struct item *schedule_head(const struct schedule *s);
struct item schedule_take(struct schedule *s);
void schedule_clear(struct schedule *s);

/* ---- the cluster ---- */

enum disease {
    WELL,
    SICK_PODS,   /* some pods are not ready; new ones are */
    WEDGED,      /* all of them */
    BAD_ROLLOUT, /* pods of the new revision never get ready */
    OVERLOADED,  /* needs more replicas */
    INCURABLE,   /* no pod gets ready, whatever is done */
    DISEASES
};

struct pod {
    char name[48], uid[24];
    int revision;
    bool sick;
    int64_t ready_us, gone_us; /* 0: not decided; gone: terminating until then */
    json_t *doc;               /* made when it is asked for */
};

struct revision {
    char name[48], uid[24], hash[12];
    json_t *template;
};

struct written { /* who wrote which field last */
    char *pointer, *key;
    json_t *value; /* as it stood then; NULL: nothing stood there */
};

struct touch { /* a run's first effect on a workload that arrived */
    struct jrun *run;
    int64_t left_us, last_us; /* when the core decided on it, and on its last one */
};

struct workload_model {
    char ns[16], name[24], tier[8], uid[24];
    bool has_hpa, custom_owned;
    int64_t opted_since_us; /* annotated mendd.io/ignore; 0: not */
    json_t *doc;            /* the Deployment with its status */
    struct revision revisions[REVISIONS_MAX];
    int n_revisions, revision;
    struct pod pods[PODS_MAX];
    int n_pods, pods_made;
    enum disease disease;
    int64_t sick_us;
    int needed;
    bool reconcile_due;
    int64_t tried_us, changed_us; /* when the last effect left for it; when the last arrived that is no rollback */
    struct written *writes;
    size_t n_writes;
    struct touch *touches;
    size_t n_touches;
};

struct namespace_model {
    char name[16];
    int64_t opted_since_us;
};

/* ---- alerts ---- */

enum cause { CAUSE_PODS, CAUSE_LOAD, CAUSE_ROLLOUT, CAUSE_ONE_POD, CAUSE_TIER, CAUSE_NOISE };

struct alert_model {
    const char *alertname;
    enum cause cause;
    int workload; /* -1: none of ours */
    char tier[8], pod[48];
    int64_t for_us, window_us;             /* how long it must be so, how long it still fires afterwards */
    int64_t true_since_us, false_since_us; /* of the condition; 0: not */
    int64_t noise_until_us;                /* fires without a reason until then */
    int64_t flap_us;                       /* toggles this often; 0: does not */
    bool firing;
    int64_t starts_wall_us, repeat_us;
    bool active[PEERS];
    int64_t notified_us[PEERS]; /* when it was last told as firing; 0: not */
    json_t *labels;
};

struct peer_model {
    int64_t down_until_us, started_wall_us;
};

/* ---- mendd's process and its journal ---- */

struct jrun { /* a record of the journal, and what was seen of its run */
    char id[27];
    json_t *doc;
    bool open;
    int64_t remember_wall_us;
    const struct playbook *playbook;
    int64_t done_us, cleared_us; /* when the core decided so; 0: not */
    unsigned verified;           /* rungs, as bits */
    int rung_when_cleared;
    bool rolling_when_cleared;
    int64_t asked_us;  /* its last question to the API server */
    int64_t acted_us;  /* its first effect left */
    int64_t rested_us; /* when it last stood queued or waiting for a person */
    bool counted, told;
    unsigned posted_by[PEERS]; /* generation of the process that posted */
    bool post_answered[PEERS];
    bool cancel_asked;
    UT_hash_handle hh;
};

struct row { /* of the inbox */
    int64_t seq;
    int alert;       /* -1: none of the world's */
    json_t *payload; /* NULL: an element that is no alert */
    bool durable, done, firing, malformed;
};

struct turn {                     /* what was decided and is not durable yet */
    json_t *saves, *open, *keeps; /* {id: doc}, {id: bool}, {key: doc or null} */
    json_t *amends, *when;        /* {id: escalations}, {id: time of the save} */
    struct effects *effects;      /* outs, notes, replies, in order */
    int64_t *effects_us;
    size_t n_effects;
    int64_t *done;
    size_t n_done;
};

struct sent { /* an effect, a post or a notice under way */
    uint64_t serial, op;
    enum out_type type;
    char run[27];
    json_t *what;
    int64_t left_us, answer_us;
    bool arrives;
    json_t *answer; /* what is said instead of what came of it; NULL: that */
    unsigned generation;
    UT_hash_handle hh;
};

struct process {
    bool up;
    unsigned generation;
    struct core *core;
    struct turn *open;
    struct turn **flight;
    size_t n_flight;
    int64_t stalled_until_us;
    int64_t disturbed_us; /* the last stall, clock jump or start: what was read before must not be acted on */
};

struct journal {
    struct jrun *runs;
    struct row *rows;
    size_t n_rows;
    int64_t alive_wall_us;
    json_t *keeps;
};

/* How the network and the API server behave at the moment; per mille of requests. */
struct weather {
    int refused, lost_before, lost_after, failed, failed_after, busy, conflict;
    bool forbidden, slow;
};

struct counts {
    int64_t seeds, virtual_us, alerts, effects, applied, posts, crashes, restarts, stalls, jumps, reloads, faults,
        commands, notices, outcomes[5], reasons[REASON_COUNT], sent_again;
};

/* ---- all of it ---- */

struct sim {
    uint64_t seed;
    struct rng rng;
    bool verbose, violated, calm;
    struct now now;
    int64_t start_us, start_wall_us, end_us, pace_s, crash_again_us, jumped_us, settings_us;
    uint64_t events;
    struct schedule schedule;
    struct registry registry;
    struct config *config;

    struct settings *settings; /* those in force; owned by `all_settings` */
    struct settings **all_settings;
    size_t n_settings;
    struct playbook **playbooks; /* every one that ever was */
    size_t n_playbooks;

    struct namespace_model namespaces[NAMESPACES];
    struct workload_model workloads[WORKLOADS_MAX];
    int n_workloads;
    uint64_t next_uid;
    struct alert_model alerts[ALERTS_MAX];
    int n_alerts;
    struct peer_model peers[PEERS];
    struct weather weather;
    bool disk_full;

    struct process process;
    struct journal journal;
    struct sent *sent;
    uint64_t next_serial;
    json_t *applied;            /* {effect key: how often it changed something} */
    json_t *sent_times;         /* {effect key: how often it left and may have arrived} */
    int64_t limits_doubt_us;    /* what happened before cannot be dated: the wall clock was set while mendd was down */
    json_t *fired, *label_sets; /* {fingerprint: firing rows that were decided}, {fingerprint: labels} */
    int64_t malformed;          /* rows that were decided and are no alerts */
    unsigned safety;            /* which parts of safety.c are there, as bits */
    int64_t budget_reset_us, breaker_reset_us;
    json_t *told;             /* {notice: generation of the process that told it} */
    json_t *tickets, *paused; /* commands without a reply; {scope: pause} that stand */
    uint64_t next_ticket;
    char *violation;
    const char *invariant;
    struct counts *counts;
};

/* random.c, simulate.c */
void sim_after(struct sim *s, int64_t in_us, struct item item);
void trace(struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool simulate(struct sim *s); /* one seed; false: an invariant was violated, s->invariant and s->violation say which */
void sim_clear(struct sim *s);
void advance_to(struct sim *s, int64_t boot_us);

/* settings.c, playbooks.c, poke.c */
void settings_draw(struct sim *s); /* new settings, from the seed; s->settings */
void settings_clear(struct sim *s);
json_t *playbook_draw_new(struct sim *s, const char *alertname);
extern const struct action sim_action_poke;
void sim_safety_draw(struct sim *s, struct settings *t); /* safety.c */
void sim_safety_clear(struct settings *t);

/* cluster.c, effects.c, patching.c */
void cluster_draw(struct sim *s);
void cluster_clear(struct sim *s);
json_t *cluster_answer(struct sim *s, const char *path);       /* GET or LIST */
json_t *cluster_apply(struct sim *s, const struct sent *sent); /* an effect arrives; the answer */
void cluster_reconcile(struct sim *s, int workload);
void cluster_pods_changed(struct sim *s, int workload);
void workload_edit(struct sim *s, struct workload_model *w, const char *pointer, const char *key, json_t *doc_new);
void workload_status(struct sim *s, struct workload_model *w, bool observed);
void workload_reconcile_soon(struct sim *s, struct workload_model *w);
void workload_fall_sick(struct sim *s, int workload, enum disease disease);
void workload_heal(struct sim *s, int workload);
void workload_opt(struct sim *s, struct workload_model *w, bool out);
bool workload_has_sick_pods(const struct workload_model *w);
static inline bool pod_is_gone(const struct pod *p)
{
    return p->gone_us != 0;
}
static inline bool pod_is_up(const struct sim *s, const struct pod *p)
{
    return !pod_is_gone(p) && !p->sick && p->ready_us != 0 && p->ready_us <= s->now.boot_us;
}
static inline int64_t workload_replicas(const struct workload_model *w)
{
    return json_int_or(json_object_get(w->doc, "spec"), "replicas", 1);
}
struct workload_model *workload_of_path(struct sim *s, const char *path, int *ret_pod);
void workload_somebody_writes(struct sim *s, struct workload_model *w);
/* The object after a patch of that content type; NULL: refused. */
json_t *patched_new(const json_t *object, const char *content_type, const json_t *patch);

/* alerts.c */
void alerts_draw(struct sim *s);
void alerts_clear(struct sim *s);
void alert_evaluate(struct sim *s, int alert);
void alert_webhook(struct sim *s, const struct item *item);
void alerts_resolve_all(struct sim *s);
json_t *alertmanager_answer(struct sim *s, int peer, const char *path);
json_t *alertmanager_post(struct sim *s, const struct sent *sent);

/* network.c: what leaves mendd */
void network_out(struct sim *s, const struct out *out, int64_t decided_us);
void network_arrive(struct sim *s, const struct item *item);
void network_answer(struct sim *s, const struct item *item);
void network_cut(struct sim *s); /* the process is gone: what is under way arrives or not */
void network_clear(struct sim *s);
void weather_draw(struct sim *s);

/* notify.c */
json_t *notice_arrives(struct sim *s, const struct sent *sent);

/* shell.c, restart.c: mendd's engine */
void shell_feed(struct sim *s, const struct event *event);
/* False: mendd is not there. `payload` NULL: an element that is no alert. */
bool shell_webhook(struct sim *s, const json_t *payload, int alert);
void shell_inbox(struct sim *s, const struct item *item);
void shell_flush(struct sim *s);
void shell_commit(struct sim *s);
void shell_alive(struct sim *s);
void shell_alive_start(struct sim *s);
void turn_durable(struct sim *s, const struct turn *t);
void shell_crash(struct sim *s, bool keep_some, int64_t down_us, const char *why);
void shell_start(struct sim *s);
void shell_clear(struct sim *s);
struct jrun *journal_run(struct sim *s, const char *id);
void turn_free(struct turn *t);

/* commands.c */
void command_draw(struct sim *s);
void command_replied(struct sim *s, const struct reply *reply, int64_t decided_us);
void command_clock_was_set(struct sim *s, int64_t delta_us);
void command_forget_ended(struct sim *s, int64_t now_us); /* pauses that are over by one of the clocks */
bool command_is_paused(struct sim *s, const char *namespace, const char *playbook, int64_t decided_us);

/* history.c */
void history_draw(struct sim *s);
void history_next(struct sim *s);
void history_stop(struct sim *s);

/* ---- invariants (watch_effects.c, watch_records.c, watch_safety.c) ---- */

/* What an invariant says, in a sentence; NULL: there is none of that name. */
const char *invariant_sentence(const char *name);

void violated(struct sim *s, const char *name, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void watch_leaving(struct sim *s, const struct out *out, int64_t decided_us); /* an out is about to leave */
void watch_arrived(struct sim *s, const struct sent *sent, struct workload_model *w);
/* The step says idempotent: true. */
bool watch_may_repeat(const struct jrun *run, const json_t *effect);
void watch_saved(struct sim *s, struct jrun *run, const json_t *doc,
                 int64_t decided_us); /* before it replaces run->doc */
void row_counted(struct sim *s, const struct row *row);
void watch_note(struct sim *s, const struct note *note);
void watch_notice(struct sim *s, const struct sent *sent, bool taken); /* taken, and mendd hears of it if it lives */
void watch_everybody_told(struct sim *s);
void watch_budget(struct sim *s, const struct workload_model *w, int64_t left_us);
void watch_window(struct sim *s, const struct workload_model *w, const char *key, int64_t decided_us);
void watch_breaker(struct sim *s, const struct jrun *run, int64_t decided_us);
void watch_posted(struct sim *s, const struct sent *sent, bool ok);
void watch_end(struct sim *s);      /* the history has stopped, every run had its time */
void watch_resolved(struct sim *s); /* every alert was reported resolved */
