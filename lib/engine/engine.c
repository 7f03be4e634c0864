#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "core/record.h"
#include "engine/internal.h"
#include "engine/parser.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ALIVE_US = 10 * 1000000, PRUNE_ROWS = 500, CLOCK_ACCURACY_US = 1000000 };
static const int64_t PRUNE_EVERY_US = INT64_C(3600) * 1000000, PRUNE_NEXT_US = 100000;

/* ---- upkeep ---- */

/* A failed commit of any kind leaves the journal broken: whoever hears of it first has it opened again. */
static void on_alive_written(int result, const struct error *err, void *userdata)
{
    struct engine *e = userdata;
    if (result >= 0 || e->stopping)
        return;
    log_event(LOG_LEVEL_ERROR, "the journal could not be written", "error", error_message(err), NULL);
    restore_schedule(e);
}

/* Until when mendd ran: what it was down after a crash counts for no timeout. Written only while runs are open. */
static void write_alive(struct engine *e)
{
    char text[32];
    snprintf(text, sizeof(text), "%" PRId64, now_read().wall_us);
    struct store_batch *b = store_batch_new();
    store_batch_meta(b, "alive", text);
    store_submit(e->store, b, on_alive_written, e);
}

static bool has_open_runs(struct engine *e)
{
    struct core_stats st;
    core_stats(e->core, &st);
    for (size_t i = 0; i < RUN_DONE; i++)
        if (st.runs[i])
            return true;
    return false;
}

static int on_alive(sd_event_source *source, uint64_t usec _unused_, void *userdata)
{
    struct engine *e = userdata;
    if (e->broken || !has_open_runs(e))
        return sd_event_source_set_enabled(source, SD_EVENT_OFF);
    write_alive(e);
    sd_event_source_set_time_relative(source, ALIVE_US);
    return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

void engine_arm_alive(struct engine *e)
{
    int enabled = SD_EVENT_OFF;
    sd_event_source_get_enabled(e->alive_source, &enabled);
    if (enabled != SD_EVENT_OFF)
        return;
    sd_event_source_set_time_relative(e->alive_source, ALIVE_US);
    sd_event_source_set_enabled(e->alive_source, SD_EVENT_ONESHOT);
}

static void arm_prune(struct engine *e, int64_t in_us)
{
    sd_event_source_set_time_relative(e->prune_source, (uint64_t)in_us);
    sd_event_source_set_enabled(e->prune_source, SD_EVENT_ONESHOT);
}

static void on_pruned(int result, const struct error *err, void *userdata)
{
    struct engine *e = userdata;
    if (e->stopping)
        return;
    if (result < 0) {
        log_event(LOG_LEVEL_ERROR, "old records could not be deleted", "error", error_message(err), NULL);
        restore_schedule(e);
    }
    arm_prune(e, result >= PRUNE_ROWS ? PRUNE_NEXT_US : PRUNE_EVERY_US);
}

/* Playbooks that no row names go with the old rows. A run that is not yet submitted may count on one of them: its turn
 * goes first, and whatever comes after keeps its playbook anew. */
static int on_prune(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
    struct engine *e = userdata;
    if (e->broken) {
        arm_prune(e, PRUNE_EVERY_US);
        return 0;
    }
    turn_flush(e);
    store_prune(e->store, now_read().wall_us - e->config->retention_ms * USEC_PER_MSEC, PRUNE_ROWS, on_pruned, e);
    json_object_clear(e->kept_playbooks);
    return 0;
}

static int start_timers(struct engine *e, struct error *err)
{
    int r = sd_event_add_time(e->event, &e->alive_source, CLOCK_BOOTTIME, 0, CLOCK_ACCURACY_US, on_alive, e);
    if (r >= 0)
        r = sd_event_source_set_enabled(e->alive_source, SD_EVENT_OFF);
    if (r >= 0)
        r = sd_event_add_time_relative(e->event, &e->prune_source, CLOCK_BOOTTIME, (uint64_t)ALIVE_US,
                                       CLOCK_ACCURACY_US, on_prune, e);
    return r < 0 ? error_set(err, r, "cannot start the engine's timers: %s", strerror(-r)) : 0;
}

/* ---- configuration ---- */

/* Everything that a configuration brings; swapped as a whole. */
struct loaded {
    struct config *config;
    struct playbook_table *table;
};

static int load(struct engine *e, struct loaded *ret, struct faults *faults, struct error *err)
{
    _cleanup_(config_freep) struct config *config = NULL;
    _cleanup_(playbook_table_freep) struct playbook_table *table = NULL;
    int r = config_load(e->config_file, &config, faults);
    if (r == 0 && e->options.feature_command)
        config_enable(config, "command");
    if (r == 0)
        r = config_read_tokens(config, faults);
    if (r < 0)
        return error_set(err, r, "the configuration was not loaded");
    r = playbooks_load((const char *const *)e->playbook_paths, config, e->options.registry, &table, faults);
    if (r < 0)
        return error_set(err, r, "the playbooks were not loaded");
    r = e->options.vet ? e->options.vet(config, faults, e->options.vet_userdata) : 0;
    if (r < 0)
        return error_set(err, r, "the configuration was not loaded");
    *ret = (struct loaded){.config = TAKE_PTR(config), .table = TAKE_PTR(table)};
    return 0;
}

/* The old clients go last: their cancelled answers go into the core, which may ask the new ones at once. A core whose
 * journal is broken hears nothing; the one that is built from the journal starts with the new settings. */
static void use(struct engine *e, struct loaded *l)
{
    struct clusters *old_clusters = e->clusters;
    struct config *old_config = e->config;
    struct playbook_table *old_table = e->table;
    e->clusters = clusters_new(e->event, l->config, old_clusters);
    e->config = l->config;
    e->table = l->table;
    settings_from_config(e->config, e->table, &e->settings);
    e->settings.dry_run = e->options.dry_run;
    e->settings.self = e->self;
    if (!e->self.cluster)
        e->settings.self.cluster = e->settings.default_cluster;
    notifier_set(e->notifier, &(struct notifier_settings){.receivers = e->config->receivers,
                                                          .n_receivers = e->config->n_receivers,
                                                          .external_url = e->options.external_url});
    if (e->core && !e->broken)
        turn_handle(e, &(struct event){.type = EVENT_SETTINGS, .settings = &e->settings});
    rights_review(e);
    clusters_free(old_clusters);
    playbook_table_free(old_table);
    config_free(old_config);
    e->stats.last_reload_ok = true;
    e->stats.last_reload_wall_us = now_read().wall_us;
}

int engine_reload(struct engine *e, struct faults *faults, struct error *err)
{
    struct loaded loaded;
    int r = load(e, &loaded, faults, err);
    if (r < 0) {
        e->stats.last_reload_ok = false;
        e->stats.reloads_failed++;
        return r;
    }
    use(e, &loaded);
    return 0;
}

/* ---- life ---- */

/* Where mendd runs, as its Deployment tells it (the downward API; a Pod's host name is its own name). */
static void find_self(struct self *self)
{
    const char *namespace = getenv("POD_NAMESPACE"), *pod = getenv("POD_NAME");
    if (!getenv("KUBERNETES_SERVICE_HOST"))
        return;
    _cleanup_free_ char *text = NULL;
    size_t len = 0;
    if (!namespace && file_read("/var/run/secrets/kubernetes.io/serviceaccount/namespace", 64, &text, &len, NULL) == 0)
    namespace = text;
    self->namespace = xstrdup(namespace);
    self->pod = xstrdup(pod ? pod : getenv("HOSTNAME"));
    self->node = xstrdup(getenv("NODE_NAME"));
}

static struct kube_client *find_client(const char *cluster, void *userdata)
{
    const char *why = NULL;
    return clusters_find(((struct engine *)userdata)->clusters, cluster, &why);
}

static struct cluster_events *new_cluster_events(struct engine *e)
{
    char host[HOST_NAME_MAX + 1] = "";
    gethostname(host, sizeof(host) - 1);
    return cluster_events_new(e->self.pod ? e->self.pod : *host ? host : NULL, find_client, e);
}

static int start(struct engine *e, struct faults *faults, struct error *err)
{
    struct loaded loaded;
    int r = load(e, &loaded, faults, err);
    if (r < 0)
        return r;
    r = store_open(e->storage_path, e->event, &e->store, err);
    e->host_commands = host_commands_new(e->event);
    if (r >= 0)
        r = prober_new(e->event, &e->prober, err);
    if (r >= 0)
        r = notifier_new(e->event, &(struct notifier_settings){0}, &e->notifier, err);
    if (r >= 0)
        r = parser_new(e->event, &e->parser, err);
    e->shared_reads = shared_reads_new(e->event);
    e->cluster_events = new_cluster_events(e);
    if (r >= 0)
        r = queue_start(e, err);
    if (r >= 0)
        r = turn_start(e, err);
    if (r >= 0)
        r = start_timers(e, err);
    if (r < 0) {
        config_free(loaded.config);
        playbook_table_free(loaded.table);
        return r;
    }
    use(e, &loaded);
    return restore_core(e, err);
}

int engine_new(const struct engine_options *options, struct engine **ret, struct faults *faults, struct error *err)
{
    _cleanup_(engine_freep) struct engine *e = xnew0(struct engine);
    e->options = *options;
    e->event = sd_event_ref(options->event);
    e->config_file = xstrdup(options->config_file);
    e->storage_path = xstrdup(options->storage_path);
    e->playbook_paths = texts_dup((char *const *)options->playbooks);
    e->kept_playbooks = json_object();
    e->queue_tail = &e->queue_head;
    find_self(&e->self);
    e->stats.start_wall_us = now_read().wall_us;
    int r = start(e, faults, err);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(e);
    return 0;
}

struct engine *engine_free(struct engine *e)
{
    if (!e)
        return NULL;
    e->stopping = true;
    parser_free(e->parser);
    refetch_stop(e);
    if (e->restored && !e->broken) { /* else the core knows less, or more, than the journal */
        turn_stop(e);
        write_alive(e);
    }
    turn_drop(e);
    command_fail_all(e, "mendd is stopping");
    send_stop(e);
    rights_stop(e);
    clusters_free(e->clusters); /* what is in flight answers "cancelled" into a core that no longer listens */
    cluster_events_free(e->cluster_events);
    prober_free(e->prober);
    host_commands_free(e->host_commands);
    notifier_free(e->notifier);
    shared_reads_free(e->shared_reads);
    store_close(e->store);
    core_free(e->core);
    queue_clear(e);
    sd_event_source_disable_unref(e->decide_source);
    sd_event_source_disable_unref(e->flush_source);
    sd_event_source_disable_unref(e->tick_source);
    sd_event_source_disable_unref(e->alive_source);
    sd_event_source_disable_unref(e->prune_source);
    sd_event_source_disable_unref(e->recover_source);
    sd_event_source_disable_unref(e->trim_source);
    playbook_table_free(e->table);
    config_free(e->config);
    json_decref(e->kept_playbooks);
    texts_free(e->playbook_paths);
    free(e->self.namespace);
    free(e->self.pod);
    free(e->self.node);
    free(e->config_file);
    free(e->storage_path);
    sd_event_unref(e->event);
    free(e);
    return NULL;
}

/* ---- looks ---- */

bool engine_is_ready(const struct engine *e, const char **why)
{
    if (e->stopping)
        *why = "mendd is stopping";
    else if (e->broken)
        *why = "the journal cannot be written";
    else
        return true;
    return false;
}

struct store *engine_store(struct engine *e)
{
    return e->store;
}

const struct playbook_table *engine_playbooks(const struct engine *e)
{
    return e->table;
}

const struct config *engine_config(const struct engine *e)
{
    return e->config;
}

void engine_on_record(struct engine *e, engine_record_cb cb, void *userdata)
{
    e->on_record = cb;
    e->on_record_userdata = userdata;
}
