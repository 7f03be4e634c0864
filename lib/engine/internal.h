/* What the engine's files share. Everything here lives on the loop's thread; the two helpers (the journal's writer, the
 * parser of large bodies) hide behind completions. */
#pragma once

#include "base/bucket.h"
#include "base/clock.h"
#include "core/alert.h"
#include "engine/cluster_events.h"
#include "engine/clusters.h"
#include "engine/engine.h"
#include "engine/host_command.h"
#include "engine/notify.h"
#include "engine/shared_reads.h"
#include "io/probe.h"

#include <systemd/sd-event.h>

/* An alert (or what was no alert) that is journalled and waits for its decision. */
struct waiting {
    int64_t seq;
    struct alert *alert; /* NULL: malformed, or not read yet */
    char *text;          /* not read yet: the bytes of its row, an INBOX_PAYLOAD */
    int64_t wall_us;     /* of that row */
    char *why;           /* malformed: what is wrong */
    json_t *raw;         /* malformed: what was sent, cut to a size that can be kept */
    bool refetch;        /* alerts were left out of a webhook: the active ones are read from Alertmanager */
    size_t bytes;        /* of its row: what it costs in memory, roughly */
    struct waiting *next;
};

struct sent; /* send.c */

/* What one turn of the loop produced: it is committed as one batch, then its outs leave. */
struct turn;

/* engine/parser.c: the helper thread for large bodies. */
struct parser;

struct engine {
    sd_event *event;
    struct engine_options options;
    char *config_file, *storage_path;
    char **playbook_paths;

    struct config *config;
    struct playbook_table *table;
    struct settings settings;
    struct core *core;
    struct store *store;
    struct clusters *clusters;
    struct prober *prober;
    struct notifier *notifier;
    struct host_commands *host_commands;
    struct cluster_events *cluster_events;
    struct self self; /* where mendd runs itself */
    struct shared_reads *shared_reads;
    struct reviews *reviews; /* rights_watch.c */
    json_t *rights;          /* what the last reviews came to; NULL: none are done */
    sd_event_source *rights_source;
    struct parser *parser;

    /* decisions */
    struct waiting *queue_head, **queue_tail;
    size_t queue_len, queue_bytes;
    int64_t last_queued_seq;
    int64_t flood_window; /* webhooks in this window of time and the one before: is it a flood? */
    unsigned flood_now, flood_before;
    int64_t flood_until_us; /* boot time */
    struct bucket oversized_told;
    bool spilled;      /* more rows than the queue holds wait in the inbox table */
    bool spill_unread; /* the last try to read them failed */
    sd_event_source *decide_source;

    /* output */
    struct turn *turn;
    size_t saves_in_flight; /* records on their way to the journal */
    struct ticket *tickets; /* commands that wait for their reply */
    uint64_t next_ticket;
    struct sent *local_answers; /* known at once, told with the next turn of the loop */
    sd_event_source *flush_source, *tick_source, *alive_source, *prune_source, *recover_source;

    size_t ingest_waiting, ingest_bytes; /* webhooks between their receipt and their commit */
    size_t untrimmed_bytes;              /* of webhooks since freed memory was last given back */
    sd_event_source *trim_source;
    bool stopping, broken;
    uint64_t recover_us;      /* the last pause before the journal was opened again; 0 after a commit */
    bool restored;            /* the core was built from the whole journal */
    uint64_t core_generation; /* answers to a core that was thrown away are dropped */
    json_t *kept_playbooks;   /* {hash: true}: those that the journal surely holds */
    size_t ops_in_flight;
    struct engine_stats stats;
    engine_record_cb on_record;
    void *on_record_userdata;
    struct {
        size_t asked, in_flight, failed;
        bool again; /* asked for while one was under way */
        unsigned tries;
        sd_event_source *timer;
    } refetch;
};

/* queue.c: alerts between journal and decision */
void waiting_free(struct waiting *w);
void queue_push(struct engine *e, struct waiting *taken);
void queue_clear(struct engine *e);
/* One webhook more: how many come decides how decisions and webhooks share the loop. */
void queue_note_webhook(struct engine *e, struct now now);
/* Wakes the deciding source. */
void queue_kick(struct engine *e);
int queue_start(struct engine *e, struct error *err);
/* An inbox row's bytes as they stand in the journal, as something to decide. */
struct waiting *waiting_from_row(int64_t seq, enum inbox_form form, int64_t wall_us, const char *bytes, size_t len);
/* One element of a payload. `raw` is kept only if it is malformed. */
struct waiting *waiting_from_alert(int64_t seq, const json_t *element, const char *payload_status, struct now now);
struct waiting *waiting_malformed(int64_t seq, const char *why, const json_t *raw);

/* turn.c: effects of the core into the journal, then into the world */
int turn_start(struct engine *e, struct error *err);
void turn_handle(struct engine *e, const struct event *event);
void turn_flush(struct engine *e);
void turn_drop(struct engine *e); /* of a core that is thrown away */
void turn_stop(struct engine *e);

/* tally.c: counts a record that has ended; once a record */
void tally_ended(struct engine_stats *st, const json_t *record);

/* send.c: outs that the journal knows of leave here */
void send_out(struct engine *e, struct out *o);
/* Tells the answers that wait for the next turn: there is none. */
void send_stop(struct engine *e);

/* command.c: an operator's commands */
void command_answer(struct engine *e, const struct reply *reply);
/* 503 to all that wait: the journal failed, or mendd stops. */
void command_fail_all(struct engine *e, const char *why);

/* restore.c */
int restore_core(struct engine *e, struct error *err);
/* The journal failed: waits, opens it again, rebuilds the core. */
void restore_schedule(struct engine *e);
/* The journal's row for a save. Takes nothing; doc is printed. */
void save_to_batch(struct store_batch *b, const struct save *save);

/* status.c: what {"ask":"set"} is answered with */
json_t *engine_set_answer_new(struct engine *e, const json_t *question);

/* rights_watch.c: asks anew what mendd may do; told in the log and in /status. Owned by the engine until rights_stop().
 */
void rights_review(struct engine *e);
void rights_stop(struct engine *e);
/* {"known", "asked", "missing": […], "unknown": […], "words": […]}: engine/reviews.h. A new reference. */
json_t *rights_status_new(const struct engine *e);

/* engine.c: keeps the journal's `alive` fresh while runs are open */
void engine_arm_alive(struct engine *e);

/* trim.c: so many bytes of a webhook passed through; their memory goes back when all is at rest again */
void trim_note(struct engine *e, size_t bytes);

/* ingest.c */
/* The answer of Alertmanager's /api/v2/alerts takes the way of a webhook. Takes the body. `done` as engine_ingest(). */
void ingest_active(struct engine *e, char *body_taken, size_t len, ingest_done_cb done, void *userdata);

/* refetch.c: the active alerts from every Alertmanager, when a webhook left some out. One refetch at a time; those that
 * are asked for meanwhile become one more. Tried again while no Alertmanager answers. */
void refetch_alerts(struct engine *e);
void refetch_stop(struct engine *e);
