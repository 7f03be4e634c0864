/* /status and the numbers behind /metrics. */
#include "base/alloc.h"
#include "base/text.h"
#include "core/cluster_set_ask.h"
#include "core/record.h"
#include "engine/internal.h"

void engine_stats(struct engine *e, struct engine_stats *ret)
{
    struct cluster_events_stats events;
    cluster_events_stats(e->cluster_events, &events);
    *ret = e->stats;
    ret->events_written = events.written;
    ret->events_failed = events.failed;
    ret->events_dropped = events.dropped;
    ret->inbox_waiting = e->queue_len + e->ingest_waiting;
    core_stats(e->core, &ret->core);
    store_stats(e->store, &ret->store);
}

static json_t *runs_new(const struct core_stats *st)
{
    json_t *runs = json_object();
    for (int s = RUN_QUEUED; s < RUN_DONE; s++)
        json_object_set_new(runs, run_state_name((enum run_state)s), json_integer((json_int_t)st->runs[s]));
    return runs;
}

static json_t *journal_new(const struct store_stats *st)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I}", "commits", (json_int_t)st->commits, "rows", (json_int_t)st->rows,
                     "failed_commits", (json_int_t)st->failed_commits, "last_commit_us", (json_int_t)st->last_commit_us,
                     "bytes", (json_int_t)st->db_bytes);
}

/* What the clients know of each cluster, and what the watch sees of it. */
json_t *engine_clusters_new(struct engine *e)
{
    _cleanup_json_ json_t *core = core_status_new(e->core, now_read());
    json_t *clusters = clusters_status_new(e->clusters), *cluster, *seen;
    size_t i, k;
    json_array_foreach (clusters, i, cluster) {
        json_object_set_new(cluster, "watched", json_false());
        json_object_set_new(cluster, "reachable", json_null());
        json_array_foreach (json_object_get(core, "watched_clusters"), k, seen) {
            if (!str_eq(json_text(seen, "name"), json_text(cluster, "name")))
                continue;
            json_object_update(cluster, seen);
            json_object_set_new(cluster, "watched", json_true());
        }
    }
    return json_pack("{s:o, s:O}", "clusters", clusters, "sets", json_object_get(core, "cluster_sets"));
}

/* For {"ask":"set"}. */
json_t *engine_set_answer_new(struct engine *e, const json_t *question)
{
    _cleanup_json_ json_t *core = core_status_new(e->core, now_read());
    return cluster_set_answer_new(json_object_get(core, "cluster_sets"), question);
}

json_t *engine_status_new(struct engine *e)
{
    struct engine_stats st;
    engine_stats(e, &st);
    char buf[TIME_TEXT_MAX];
    const char *why = NULL;
    json_t *o = json_object();
    json_set_text(o, "version", MENDD_VERSION);
    json_set_text(o, "started", time_format_seconds(st.start_wall_us, buf));
    json_object_set_new(o, "ready", json_boolean(engine_is_ready(e, &why)));
    json_set_text(o, "not_ready", why);
    json_object_set_new(o, "dry_run", json_boolean(e->settings.dry_run));
    json_object_set_new(o, "runs", runs_new(&st.core));
    json_object_set_new(o, "episodes", json_integer((json_int_t)st.core.episodes));
    json_object_set_new(o, "waiting_alerts", json_integer((json_int_t)st.inbox_waiting));
    json_object_set_new(o, "more_waiting_in_journal", json_boolean(e->spilled));
    json_object_set_new(o, "in_flight", json_integer((json_int_t)e->ops_in_flight));
    json_object_set_new(o, "playbooks", json_integer((json_int_t)e->table->n));
    json_set_text(o, "config_file", e->config_file);
    json_set_text(o, "config_hash", e->config->hash);
    json_object_set_new(o, "last_reload_ok", json_boolean(st.last_reload_ok));
    json_set_text(o, "last_reload", time_format_seconds(st.last_reload_wall_us, buf));
    json_object_set_new(o, "clusters", clusters_status_new(e->clusters));
    json_object_set_new(o, "rights", rights_status_new(e));
    json_object_set_new(o, "alertmanagers", json_integer((json_int_t)endpoint_n(clusters_alertmanager(e->clusters))));
    json_object_set_new(o, "journal", journal_new(&st.store));
    _cleanup_json_ json_t *core = core_status_new(e->core, now_read());
    json_object_update(o, core);
    return o;
}
