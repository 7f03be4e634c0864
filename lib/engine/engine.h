/* The shell around the core: the only thing that sends. It owns the core, the journal, the clusters' clients, the
 * prober.
 *
 * Happy path of an alert: engine_ingest() parses and journals it (one inbox row an alert) and its callback says 200
 * after the commit; the alert then waits in memory for its decision; the core decides; its saves are committed; its
 * questions and effects leave; answers come back into the core, and so on until the run is done. Failure modes: a
 * commit that fails -> every waiting webhook gets 503, the core is thrown away and built again from the journal; too
 * much waiting -> 503 with Retry-After; a cluster away -> answers with errors, the core decides what they mean. */
#pragma once

#include "base/error.h"
#include "base/json.h"
#include "config/config.h"
#include "core/core.h"
#include "store/store.h"

#include <systemd/sd-event.h>

struct engine;

struct engine_options {
    sd_event *event;
    const char *config_file;      /* or NULL */
    const char *const *playbooks; /* paths, NULL-terminated */
    const char *storage_path;
    size_t max_body;          /* bytes of a webhook's body */
    const char *external_url; /* where people reach mendd, for links in notices; or NULL */
    bool dry_run, feature_command;
    const struct registry *registry;
    /* Asked before a configuration is used, at the start and at each reload; or NULL. -EINVAL with faults: it is not.
     */
    int (*vet)(const struct config *config, struct faults *faults, void *userdata);
    void *vet_userdata;
};

/* Loads config and playbooks, opens the journal, rebuilds the core, resumes unfinished runs. Faults go to `faults`. */
int engine_new(const struct engine_options *options, struct engine **ret, struct faults *faults, struct error *err);
/* Stops taking work, brings the journal to rest; unfinished runs stay in it. */
struct engine *engine_free(struct engine *e);
DEFINE_CLEANUP(struct engine *, engine_free);

/* SIGHUP, /-/reload: validated whole, swapped at once, the old one kept on error (-EINVAL, faults filled). */
int engine_reload(struct engine *e, struct faults *faults, struct error *err);

/* A webhook body. `done` fires exactly once, on the loop (maybe from within): status 200 {"accepted": n, "malformed":
 * m}, 400, 413 or 503 (retry_after_s > 0) with a code and a message. Takes `body`. */
struct ingest_result {
    int status;
    const char *code, *message; /* when status is not 200 */
    int retry_after_s;
    size_t accepted, malformed;
};
typedef void (*ingest_done_cb)(const struct ingest_result *result, void *userdata);
void engine_ingest(struct engine *e, char *body_taken, size_t len, ingest_done_cb done, void *userdata);
/* A webhook that was too large to be read (413): noted and escalated, since alerts may have been lost in it; of many,
 * three at once and one each five minutes. */
void engine_note_oversized(struct engine *e, uint64_t content_length);

/* An operator's command (core/core.h). `done` fires exactly once, on the loop, after the commit: 503 if the journal
 * cannot be written or mendd stops. Takes `what`. The reply is borrowed during the call. */
struct engine_reply {
    int status;
    const char *code, *message; /* code NULL with 200 */
    const json_t *body;         /* or NULL */
};
typedef void (*engine_command_cb)(const struct engine_reply *reply, void *userdata);
void engine_command(struct engine *e, json_t *what_taken, engine_command_cb done, void *userdata);

/* Not ready: still resuming, stopping, or the journal is broken. `why` gets a sentence. */
bool engine_is_ready(const struct engine *e, const char **why);

struct store *engine_store(struct engine *e);
const struct playbook_table *engine_playbooks(const struct engine *e);
const struct config *engine_config(const struct engine *e);
/* GET /status as JSON; caller owns. */
json_t *engine_status_new(struct engine *e);
/* GET /clusters as JSON: {"clusters": […], "sets": […]}; caller owns. */
json_t *engine_clusters_new(struct engine *e);

enum { REPAIR_BUCKETS = 12 };
extern const int64_t repair_bucket_us[REPAIR_BUCKETS - 1]; /* upper bounds, inclusive */

struct engine_stats {
    uint64_t webhooks, alerts, malformed, rejected, oversized; /* since start */
    uint64_t decisions[64];                  /* by enum reason, of records that ended (REASON_COUNT <= 64) */
    uint64_t outcomes[8];                    /* of the same, by enum run_outcome */
    uint64_t repair_buckets[REPAIR_BUCKETS]; /* runs that were proven, by how long that took; the last: longer */
    int64_t repair_sum_us;
    uint64_t effects_sent, effects_failed, checks, escalations;
    uint64_t notices_sent, notices_failed;                  /* tries */
    uint64_t events_written, events_failed, events_dropped; /* Kubernetes Events (engine/cluster_events.h) */
    uint64_t reloads_failed;
    bool last_reload_ok;
    int64_t last_reload_wall_us, start_wall_us;
    size_t inbox_waiting;
    struct core_stats core;
    struct store_stats store;
};
void engine_stats(struct engine *e, struct engine_stats *ret);

/* Called after each commit that changed records, with the committed doc's record (borrowed): for server-sent events and
 * metrics. */
typedef void (*engine_record_cb)(const json_t *record, void *userdata);
void engine_on_record(struct engine *e, engine_record_cb cb, void *userdata);
