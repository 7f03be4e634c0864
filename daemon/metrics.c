/* GET /metrics: Prometheus' text format. Names and help texts are documented in docs/http-api.md; labels are from
 * closed sets, but for the clusters' names. */
#include "web_internal.h"

#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "core/record.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static void family(struct strbuf *b, const char *name, const char *type, const char *help)
{
    strbuf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void counter(struct strbuf *b, const char *name, const char *help, uint64_t value)
{
    family(b, name, "counter", help);
    strbuf_printf(b, "%s %" PRIu64 "\n", name, value);
}

static void gauge(struct strbuf *b, const char *name, const char *help, double value)
{
    family(b, name, "gauge", help);
    strbuf_printf(b, "%s %.17g\n", name, value);
}

static double seconds(int64_t us)
{
    return (double)us / 1e6;
}

static void add_work(struct strbuf *b, const struct engine_stats *st)
{
    counter(b, "mendd_webhooks_total", "Webhooks received.", st->webhooks);
    counter(b, "mendd_webhooks_rejected_total", "Webhooks that were not answered with 200.", st->rejected);
    counter(b, "mendd_webhooks_oversized_total", "Webhooks over the size limit.", st->oversized);
    counter(b, "mendd_alerts_received_total", "Alerts accepted into the journal.", st->alerts);
    counter(b, "mendd_alerts_malformed_total", "Elements of webhooks that were no alerts.", st->malformed);
    family(b, "mendd_decisions_total", "counter", "Records that ended, by their reason.");
    for (int i = REASON_NONE + 1; i < REASON_COUNT; i++)
        strbuf_printf(b, "mendd_decisions_total{reason=\"%s\"} %" PRIu64 "\n", reason_name((enum reason)i),
                      st->decisions[i]);
    family(b, "mendd_outcomes_total", "counter", "Records that ended, by their outcome.");
    for (int i = OUTCOME_NONE + 1; i <= OUTCOME_CANCELLED; i++)
        strbuf_printf(b, "mendd_outcomes_total{outcome=\"%s\"} %" PRIu64 "\n", run_outcome_name((enum run_outcome)i),
                      st->outcomes[i]);
    family(b, "mendd_runs", "gauge", "Runs that are not done, by state.");
    for (int i = RUN_QUEUED; i < RUN_DONE; i++)
        strbuf_printf(b, "mendd_runs{state=\"%s\"} %zu\n", run_state_name((enum run_state)i), st->core.runs[i]);
    gauge(b, "mendd_episodes", "Alerts that fire or wait for their end.", (double)st->core.episodes);
    family(b, "mendd_effects_total", "counter", "Changes sent to a cluster.");
    strbuf_printf(b, "mendd_effects_total{result=\"failed\"} %" PRIu64 "\n", st->effects_failed);
    strbuf_printf(b, "mendd_effects_total{result=\"ok\"} %" PRIu64 "\n",
                  st->effects_sent > st->effects_failed ? st->effects_sent - st->effects_failed : 0);
    counter(b, "mendd_checks_total", "Questions asked for checks.", st->checks);
    counter(b, "mendd_escalations_total", "Alerts handed to a person.", st->escalations);
    counter(b, "mendd_notices_total", "Tries to tell a receiver something.", st->notices_sent);
    counter(b, "mendd_notices_failed_total", "Of those, the ones that did not get through.", st->notices_failed);
    counter(b, "mendd_events_written_total", "Kubernetes Events written or raised.", st->events_written);
    counter(b, "mendd_events_failed_total", "Kubernetes Events that the API server did not take.", st->events_failed);
    counter(b, "mendd_events_dropped_total", "Kubernetes Events over the limit of their object, not written.",
            st->events_dropped);
    gauge(b, "mendd_inbox_waiting", "Alerts that wait for the journal or for their decision.",
          (double)st->inbox_waiting);
}

static void add_config(struct strbuf *b, const struct engine_stats *st)
{
    family(b, "mendd_build_info", "gauge", "The version, as a label.");
    strbuf_printf(b, "mendd_build_info{version=\"%s\"} 1\n", MENDD_VERSION);
    gauge(b, "mendd_config_last_reload_successful", "Whether the last load of configuration and playbooks succeeded.",
          st->last_reload_ok);
    gauge(b, "mendd_config_last_reload_success_timestamp_seconds", "When configuration and playbooks were last loaded.",
          seconds(st->last_reload_wall_us));
    counter(b, "mendd_config_reload_failures_total", "Reloads that were refused.", st->reloads_failed);
}

struct histogram {
    const char *name, *help;
    const int64_t *bounds_us; /* n - 1 of them */
    const uint64_t *buckets;
    size_t n;
    int64_t sum_us;
};

static void histogram(struct strbuf *b, const struct histogram *h)
{
    uint64_t so_far = 0;
    family(b, h->name, "histogram", h->help);
    for (size_t i = 0; i < h->n; i++) {
        so_far += h->buckets[i];
        if (i < h->n - 1)
            strbuf_printf(b, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", h->name, seconds(h->bounds_us[i]), so_far);
    }
    strbuf_printf(b, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum %.17g\n%s_count %" PRIu64 "\n", h->name, so_far,
                  h->name, seconds(h->sum_us), h->name, so_far);
}

static void add_repairs(struct strbuf *b, const struct engine_stats *st)
{
    histogram(b, &(struct histogram){.name = "mendd_repair_duration_seconds",
                                     .help = "From an alert's receipt to the proof of its repair.",
                                     .bounds_us = repair_bucket_us,
                                     .buckets = st->repair_buckets,
                                     .n = REPAIR_BUCKETS,
                                     .sum_us = st->repair_sum_us});
}

static void add_journal(struct strbuf *b, const struct store_stats *st)
{
    counter(b, "mendd_journal_rows_total", "Rows written to the journal.", st->rows);
    counter(b, "mendd_journal_commit_failures_total", "Commits that failed.", st->failed_commits);
    gauge(b, "mendd_journal_size_bytes", "Size of the journal's database file.", (double)st->db_bytes);
    gauge(b, "mendd_journal_stalled_seconds",
          "How long the journal's writer has been at one piece of work; 0: it rests.", seconds(st->stalled_us));
    histogram(b, &(struct histogram){.name = "mendd_journal_commit_duration_seconds",
                                     .help = "How long commits took, the sync to disk included.",
                                     .bounds_us = store_commit_bucket_us,
                                     .buckets = st->commit_buckets,
                                     .n = STORE_COMMIT_BUCKETS,
                                     .sum_us = st->sum_commit_us});
}

static void label(struct strbuf *b, const char *s)
{
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            strbuf_putc(b, '\\');
        if (*s == '\n')
            strbuf_puts(b, "\\n");
        else
            strbuf_putc(b, *s);
    }
}

static void add_clusters(struct strbuf *b, const json_t *clusters)
{
    static const struct {
        const char *key, *name, *help;
    } counts[] = {{"requests", "mendd_kube_requests_total", "Requests to the cluster's API server."},
                  {"errors", "mendd_kube_request_errors_total", "Requests to the API server that failed."},
                  {"retries", "mendd_kube_request_retries_total", "Requests to the API server that were repeated."}};
    for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
        size_t index;
        json_t *cluster;
        family(b, counts[i].name, "counter", counts[i].help);
        json_array_foreach (clusters, index, cluster) {
            if (!json_is_integer(json_object_get(cluster, counts[i].key)))
                continue;
            strbuf_printf(b, "%s{cluster=\"", counts[i].name);
            label(b, json_text_or(cluster, "name", ""));
            strbuf_printf(b, "\"} %" PRId64 "\n", json_int_or(cluster, counts[i].key, 0));
        }
    }
}

static void add_answers(struct strbuf *b, const json_t *clusters)
{
    size_t i;
    const char *class;
    json_t *cluster, *n;
    family(b, "mendd_kube_answers_total", "counter",
           "Answers of the cluster's API server, by the class of their code.");
    json_array_foreach (clusters, i, cluster) {
        json_object_foreach (json_object_get(cluster, "answers"), class, n) {
            strbuf_puts(b, "mendd_kube_answers_total{cluster=\"");
            label(b, json_text_or(cluster, "name", ""));
            strbuf_printf(b, "\",code=\"%s\"} %" PRId64 "\n", class, (int64_t)json_integer_value(n));
        }
    }
}

/* Only of what is watched and known: a sample that is not there is no 0. */
static void add_watched(struct strbuf *b, const json_t *watched)
{
    size_t i;
    json_t *cluster;
    family(b, "mendd_cluster_reachable", "gauge", "Whether the API server of a watched cluster answers.");
    json_array_foreach (watched, i, cluster) {
        if (!json_is_boolean(json_object_get(cluster, "reachable")))
            continue;
        strbuf_puts(b, "mendd_cluster_reachable{cluster=\"");
        label(b, json_text_or(cluster, "name", ""));
        strbuf_printf(b, "\"} %d\n", json_bool_or(cluster, "reachable", false));
    }
    static const char *const states[] = {"ready", "schedulable", "total"};
    family(b, "mendd_cluster_nodes", "gauge", "Nodes of a watched cluster, by state.");
    json_array_foreach (watched, i, cluster) {
        for (size_t k = 0; k < ARRAY_SIZE(states); k++) {
            const int64_t n = json_int_or(json_object_get(cluster, "nodes"), states[k], -1);
            if (n < 0)
                continue;
            strbuf_puts(b, "mendd_cluster_nodes{cluster=\"");
            label(b, json_text_or(cluster, "name", ""));
            strbuf_printf(b, "\",state=\"%s\"} %" PRId64 "\n", states[k], n);
        }
    }
}

static void add_sets(struct strbuf *b, const json_t *sets)
{
    size_t i;
    json_t *set;
    family(b, "mendd_cluster_set_active", "gauge", "Whether both clusters of a set are there.");
    json_array_foreach (sets, i, set) {
        if (!json_text(set, "status")) /* not known yet */
            continue;
        strbuf_puts(b, "mendd_cluster_set_active{set=\"");
        label(b, json_text_or(set, "name", ""));
        strbuf_printf(b, "\"} %d\n", json_bool_or(set, "ha_active", false));
    }
}

/* What stands in the way of repairs, to alert on: a forgotten pause, an open breaker, a storm. */
static void add_safety(struct strbuf *b, const json_t *status)
{
    static const struct {
        const char *key, *name, *help;
    } lists[] = {{"paused", "mendd_pauses", "Pauses that stand."},
                 {"storms", "mendd_storms", "Storms of alerts that are under way."},
                 {"escalations", "mendd_escalations_open", "Escalations that are not over."},
                 {"half_way", "mendd_runs_half_way", "Runs that are held between two of their effects."}};
    size_t i;
    json_t *item;
    for (size_t k = 0; k < ARRAY_SIZE(lists); k++)
        gauge(b, lists[k].name, lists[k].help, (double)json_array_size(json_object_get(status, lists[k].key)));
    int open = 0, windows = 0;
    json_array_foreach (json_object_get(status, "breakers"), i, item)
        open += !str_eq(json_text(item, "state"), "closed");
    json_array_foreach (json_object_get(status, "maintenance"), i, item)
        windows += json_bool_or(item, "open", false);
    gauge(b, "mendd_breakers_open", "Breakers that are open or half-open.", open);
    gauge(b, "mendd_maintenance_windows_open", "Maintenance windows that are open.", windows);
}

/* Only once every cluster has answered: a number that is not known is no 0. */
static void add_rights(struct strbuf *b, const json_t *rights)
{
    if (json_bool_or(rights, "known", false))
        gauge(b, "mendd_rights_missing", "Rights that the playbooks need and mendd has not been given.",
              (double)json_array_size(json_object_get(rights, "missing")));
}

/* Of everything and of clusters; namespaces are too many for labels. */
static void add_budgets(struct strbuf *b, const json_t *budgets)
{
    static const struct {
        const char *key, *name, *help;
    } numbers[] = {{"used", "mendd_budget_used", "Workloads or nodes that a budget's window has seen changed."},
                   {"left", "mendd_budget_left", "How many more the budget allows now."},
                   {"held", "mendd_budget_held_runs", "Runs that wait for this budget."}};
    size_t i;
    json_t *budget;
    for (size_t k = 0; k < ARRAY_SIZE(numbers); k++) {
        family(b, numbers[k].name, "gauge", numbers[k].help);
        json_array_foreach (budgets, i, budget) {
            const char *scope = json_text_or(budget, "scope", "");
            if (!json_is_integer(json_object_get(budget, numbers[k].key)) || str_starts(scope, "namespace "))
                continue;
            strbuf_printf(b, "%s{scope=\"", numbers[k].name);
            label(b, scope);
            strbuf_printf(b, "\",what=\"%s\",limit=\"%s\"} %" PRId64 "\n", json_text_or(budget, "what", ""),
                          json_text_or(budget, "limit", ""), json_int_or(budget, numbers[k].key, 0));
        }
    }
}

static double open_files(void)
{
    DIR *dir = opendir("/proc/self/fd");
    double n = -1; /* its own */
    while (dir && readdir(dir))
        n++;
    if (dir)
        closedir(dir);
    return n > 2 ? n - 2 : 0; /* . and .. */
}

static void add_process(struct strbuf *b, int64_t start_wall_us)
{
    struct rusage usage = {0};
    struct rlimit limit = {0};
    unsigned long size = 0, resident = 0;
    getrusage(RUSAGE_SELF, &usage);
    getrlimit(RLIMIT_NOFILE, &limit);
    FILE *f = fopen("/proc/self/statm", "re");
    if (f && fscanf(f, "%lu %lu", &size, &resident) != 2)
        resident = size = 0;
    if (f)
        fclose(f);
    const double page = (double)sysconf(_SC_PAGESIZE);
    family(b, "process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.");
    strbuf_printf(b, "process_cpu_seconds_total %.6f\n",
                  (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                      (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
    gauge(b, "process_resident_memory_bytes", "Resident memory size in bytes.", (double)resident * page);
    gauge(b, "process_virtual_memory_bytes", "Virtual memory size in bytes.", (double)size * page);
    gauge(b, "process_open_fds", "Number of open file descriptors.", open_files());
    gauge(b, "process_max_fds", "Maximum number of open file descriptors.", (double)limit.rlim_cur);
    gauge(b, "process_start_time_seconds", "Start time of the process since unix epoch in seconds.",
          seconds(start_wall_us));
}

static void add_door(struct strbuf *b, const struct web *w)
{
    static const char *const why[REFUSALS] = {[REFUSED_CONNECTIONS] = "connections",
                                              [REFUSED_SLOW] = "slow",
                                              [REFUSED_REQUEST] = "request",
                                              [REFUSED_RATE] = "rate",
                                              [REFUSED_SITE] = "site",
                                              [REFUSED_LOGIN] = "login",
                                              [REFUSED_SCOPE] = "scope"};
    family(b, "mendd_http_refused_total", "counter", "Connections and requests that were not served, by the reason.");
    for (int i = 0; i < REFUSALS; i++)
        strbuf_printf(b, "mendd_http_refused_total{why=\"%s\"} %" PRIu64 "\n", why[i], w->refused[i]);
}

void api_metrics(struct request *req)
{
    struct engine *e = req->web->engine;
    struct engine_stats st;
    struct strbuf b = STRBUF_INIT;
    engine_stats(e, &st);
    _cleanup_json_ json_t *status = engine_status_new(e);
    add_config(&b, &st);
    add_work(&b, &st);
    add_door(&b, req->web);
    add_repairs(&b, &st);
    add_safety(&b, status);
    add_rights(&b, json_object_get(status, "rights"));
    add_budgets(&b, json_object_get(status, "budgets"));
    add_journal(&b, &st.store);
    add_clusters(&b, json_object_get(status, "clusters"));
    add_answers(&b, json_object_get(status, "clusters"));
    add_watched(&b, json_object_get(status, "watched_clusters"));
    add_sets(&b, json_object_get(status, "cluster_sets"));
    add_process(&b, st.start_wall_us);
    const size_t len = b.len;
    reply_text(req, 200, "text/plain; version=0.0.4; charset=utf-8", strbuf_take(&b), len);
}
