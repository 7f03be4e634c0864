/* The deciding half of mendd: alerts, answers and time go in, effects come out. No I/O, no clock, no globals.
 *
 *   core_handle(core, event, now, out)
 *
 * The shell (lib/engine) does three things with `out`, in this order: it writes `saves` and `inbox_done` to the journal
 * in one transaction, waits for the commit, then sends `outs` and tells `cluster_events`. Nothing leaves and nothing
 * shows before its commit; if the commit fails the shell throws the core away and builds a new one from the journal.
 *
 * The core owns its runs, episodes, locks and histories. The same core runs in the daemon, in `mendctl
 * plan|test|replay`, in the golden tests and in the simulation; it is deterministic: same events, same times, same
 * seed, same effects. */
#pragma once

#include "base/clock.h"
#include "core/alert.h"
#include "core/playbook.h"
#include "core/registry.h"
#include "core/settings.h"

#include <stdint.h>

struct core;

/* ---- what goes in ---- */

enum event_type {
    EVENT_ALERT,     /* one alert of a webhook */
    EVENT_MALFORMED, /* one element of a webhook that is no alert */
    EVENT_ANSWER,    /* what came of an OUT_ASK, OUT_SEND, OUT_POST or OUT_NOTIFY */
    EVENT_TICK,      /* core_next_boot_us() has come */
    EVENT_SETTINGS,  /* reload: new settings; runs keep their playbooks */
    EVENT_RESUME,    /* after core_restore_*(): go on where the journal stands */
    EVENT_COMMAND,   /* an operator's hand */
};

struct event {
    enum event_type type;
    int64_t inbox_seq; /* ALERT, MALFORMED: its row in the inbox; 0: none (tests, replay) */
    bool own;          /* ALERT: one of mendd's own names is played (mendctl plan, test); the webhook's are refused */
    union {
        const struct alert *alert; /* borrowed */
        struct {
            const char *why;
            const json_t *raw; /* what was sent, as far as it can be shown; may be NULL */
        } malformed;
        struct {
            uint64_t op;        /* the id of the out */
            json_t *answer_new; /* taken; form: core/ask.h */
        } answer;
        const struct settings
            *settings;              /* borrowed; must outlive its use: until the next EVENT_SETTINGS or core_free() */
        int64_t last_alive_wall_us; /* RESUME: when mendd was last known to run; 0: never. Time it was down does not
                                       count */
        struct {
            const json_t *what; /* borrowed; form: "commands" below */
            uint64_t ticket;    /* handed back in the reply */
        } command;
    };
};

/* Commands, as JSON; `by` names who gave it and is recorded:
 *   {"do": "pause", "by", "reason", "for_ms": n | null, "scope": {"cluster"?, "namespace"?, "playbook"?}}   {}: all
 *   {"do": "resume", "by", "scope": {…}}          the pause of exactly this scope
 *   {"do": "approve", "run", "hash": text | null, "by"}       null: whatever plan stands there
 *   {"do": "reject", "run", "by", "reason"}
 *   {"do": "cancel", "run", "by", "rollback": bool}
 *   {"do": "acknowledge", "run", "by"}            of its escalation: somebody is on it
 *   {"do": "reset", "what": "budget" | "breaker", "name": text | null, "by"}      null: all of them
 * Each gets exactly one reply with an HTTP status: 200, 404 no such thing, 409 not now, 400 not understood. */

/* ---- what comes out ---- */

enum out_type {
    OUT_ASK,    /* a question (core/ask.h); read only */
    OUT_SEND,   /* an effect (core/registry.h): send it exactly once, answer with {"status", "body"} or {"error",
                   "message"} */
    OUT_POST,   /* {"peer": n, "alerts": […]}: POST to /api/v2/alerts of Alertmanager n; answer as above */
    OUT_NOTIFY, /* a notice for a receiver (core/notice.h); answer as above. Told at least once: after a restart again
                 */
};

struct out {
    enum out_type type;
    uint64_t op; /* to be handed back in EVENT_ANSWER */
    bool check;  /* OUT_ASK for a check: it shares the cluster's slots last */
    char run[27];
    json_t *what; /* the question, the effect or the post; owned by the out */
    int timeout_ms;
};

struct save {
    char run[27];
    json_t *doc; /* {"record": …, "state": …}: a snapshot of its own, not changed later; owned by the save */
    bool open;   /* its run is not done (to be loaded at the next start) */
    bool ended;  /* its run ended with this save; a later one only adds to the record */
    const struct playbook
        *playbook; /* borrowed (valid until the next core_handle): to be kept under its hash; may be NULL */
};

/* What the core remembers beside its runs (pauses, breakers, budgets, storms, escalations): documents by key. Written
 * with the saves of the same call, handed back at the next start with core_restore_kept(). */
struct keep {
    char *key;
    json_t *doc; /* owned by the keep; NULL: forget it */
};

/* The escalations of a record whose run is gone from the core: they replace `record.escalations` in the journal. */
struct amend {
    char run[27];
    json_t *escalations; /* owned by the amend */
};

struct reply { /* to a command; handed out after the commit */
    uint64_t ticket;
    int status;
    char *code, *message; /* code NULL with 200 */
    json_t *body;         /* or NULL; owned by the reply */
};

enum note_level { NOTE_INFO, NOTE_WARN, NOTE_ERROR };

struct note { /* for the log: what an operator wants to read as it happens; escalations are NOTE_ERROR */
    enum note_level level;
    char run[27];
    char *message;
    char *reason, *alert, *playbook, *target; /* or NULL */
};

/* For who looks at the object in its cluster (core/cluster_event.h): told after the commit, best effort, no answer. */
struct cluster_event {
    char run[27];
    json_t *what; /* owned by the event */
};

struct effects {
    struct save *saves;
    size_t n_saves;
    int64_t *inbox_done;
    size_t n_inbox_done;
    struct out *outs;
    size_t n_outs;
    struct note *notes;
    size_t n_notes;
    struct cluster_event *cluster_events;
    size_t n_cluster_events;
    struct keep *keeps;
    size_t n_keeps;
    struct amend *amends;
    size_t n_amends;
    struct reply *replies;
    size_t n_replies;
};

void effects_clear(struct effects *e);
DEFINE_CLEANUP(struct effects *, effects_clear);

/* ---- life ---- */

/* registry and settings are borrowed. seed: for run ids. */
struct core *core_new(const struct registry *registry, const struct settings *settings, uint64_t seed);
struct core *core_free(struct core *c);
DEFINE_CLEANUP(struct core *, core_free);

void core_handle(struct core *c, const struct event *event, struct now now, struct effects *out);

/* When the core wants its next EVENT_TICK (boot clock); INT64_MAX: never. */
int64_t core_next_boot_us(const struct core *c);

/* Before EVENT_RESUME, in any order. `doc` is what a save held; `playbook` is what was kept under the record's
 * playbook_hash (NULL if it had none). -EBADMSG with words if the document cannot be understood: mendd must not start
 * then. */
int core_restore_run(struct core *c, const json_t *doc, struct playbook *playbook, struct error *err);
/* What a keep held; before the runs. A key that this version does not know is -EBADMSG too. */
int core_restore_kept(struct core *c, const char *key, const json_t *doc, struct error *err);
/* A finished run that limits still remember, or an episode without a run that is still open: `doc` of the last save. */
int core_restore_history(struct core *c, const json_t *doc, struct error *err);
/* How long a finished run must be handed to core_restore_history() (the longest cooldown or attempts window of any
 * playbook). */
int64_t core_history_window_ms(const struct core *c);

/* Counts for /status and /metrics. */
struct core_stats {
    size_t runs[7]; /* by state, as enum run_state */
    size_t episodes, ops_in_flight;
};
void core_stats(const struct core *c, struct core_stats *ret);
/* What stands in the way and what stands half-way, for /status: {"paused": […], "maintenance": […], "breakers": […],
 * "budgets": […], "storms": […], "escalations": […], "half_way": […]}. The caller owns it. */
json_t *core_status_new(const struct core *c, struct now now);

/* Decides and plans for one alert without a journal or anything sent but reads: `mendctl plan`, `mendctl test`. The
 * caller feeds core_handle() by itself; with settings.dry_run the run ends as `dry_run` with the requests and checks in
 * its record. */
