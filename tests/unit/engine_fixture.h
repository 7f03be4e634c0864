/* A real engine in a folder of its own with a loop, playbooks and a journal, and one scripted server in the role of the
 * API server (one Deployment that takes patches), of Alertmanager and of the repaired service's health: for the tests
 * of lib/engine. Header only. */
#pragma once

#include "actions/registry.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "checks/registry.h"
#include "core/record.h"
#include "engine/internal.h"
#include "store/internal.h"
#include "store/test.h"
#include "support/script_server.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { WORLD_TIMEOUT_S = 30 };

struct world {
    char path[64];
    char *storage, *config, *playbooks;
    sd_event *event;
    struct engine *engine;
    bool dry_run;
    struct script_server *server;

    /* the server's; under its lock */
    json_t *deployment;
    bool healthy, stall_reads, stall_patch;
    char *alerts; /* what /api/v2/alerts gives; NULL: 500 */
    int patches, posts, lists, reads;

    /* what came back of webhooks */
    int answered, last_status, last_retry_after_s;
    size_t accepted, malformed;
    void (*on_answer)(struct world *w);

    /* committed records, as the engine showed them */
    int records, done;
    json_t *last; /* by alertname: the last record shown */
};

static const struct registry world_registry = {.actions = all_actions, .checks = all_checks};

static const char world_playbooks[] =
    "playbooks:\n"
    "- name: restart\n"
    "  matchers: ['alertname=\"Down\"']\n"
    "  target: {kind: Deployment, namespace: \"{{ labels.namespace }}\", name: \"{{ labels.deployment }}\"}\n"
    "  mode: auto\n"
    "  limits: {cooldown: 0s, attempts: 100/1h}\n"
    "  steps:\n"
    "  - {action: rollout.restart}\n"
    "  verify:\n"
    "    timeout: 20s\n"
    "    interval: 100ms\n"
    "    for: 0s\n"
    "    checks:\n"
    "    - {check: http, with: {url: \"http://127.0.0.1:%d/health\"}}\n"
    "  settle: 10m\n"
    "- name: ignored\n"
    "  matchers: ['alertname=~\"Ignored.*\"']\n"
    "  decision: ignore\n"
    "  reason: it is only here to be decided\n";

static inline char *world_file(struct world *w, const char *name, const char *text)
{
    char *path = xasprintf("%s/%s", w->path, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    return path;
}

static inline void world_kubeconfig(struct world *w, const char *server, const char *token)
{
    _cleanup_free_ char *text = xasprintf("apiVersion: v1\nkind: Config\ncurrent-context: c\n"
                                          "clusters: [{name: k, cluster: {server: \"%s\"}}]\n"
                                          "users: [{name: u, user: {token: \"%s\"}}]\n"
                                          "contexts: [{name: c, context: {cluster: k, user: u}}]\n",
                                          server, token);
    free(world_file(w, "kubeconfig", text));
}

static inline char *world_serve(const struct script_request *req, void *userdata)
{
    struct world *w = userdata;
    if (str_eq(req->target, "/health"))
        return script_json(w->healthy ? 200 : 503, "{}");
    if (str_starts(req->target, "/api/v2/alerts")) {
        if (str_eq(req->method, "POST")) {
            w->posts++;
            return script_json(200, "{}");
        }
        w->lists += strstr(req->target, "filter=") == NULL;
        return strstr(req->target, "filter=") ? script_json(200, "[]")
                                              : script_json(w->alerts ? 200 : 500, w->alerts ? w->alerts : "{}");
    }
    if (strstr(req->target, "/selfsubjectaccessreviews")) /* what mendd may do: asked beside the work */
        return script_json(201, "{\"kind\":\"SelfSubjectAccessReview\",\"status\":{\"allowed\":true}}");
    if (strstr(req->target, "/events")) /* Kubernetes Events: no effects */
        return script_json(201, "{\"kind\":\"Event\"}");
    if (str_eq(req->method, "PATCH")) {
        _cleanup_json_ json_t *patch = json_loadb(req->body, req->body_len, 0, NULL);
        w->patches++;
        if (w->stall_patch)
            return xstrdup("");
        json_object_update_recursive(w->deployment, patch);
    } else {
        w->reads++;
        if (w->stall_reads)
            return xstrdup("");
    }
    if (strstr(req->target, "/deployments/api")) {
        _cleanup_free_ char *text = json_compact(w->deployment);
        return script_json(200, text);
    }
    if (str_eq(req->target, "/api/v1/namespaces/shop"))
        return script_json(200, "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"shop\"}}");
    return strstr(req->target, "?") ? script_json(200, "{\"kind\":\"List\",\"metadata\":{},\"items\":[]}")
                                    : script_json(404, "{\"kind\":\"Status\",\"code\":404,\"reason\":\"NotFound\"}");
}

/* Sets a field of the server under its lock. */
#define WORLD_SET(w, field, value)                                                                                     \
    do {                                                                                                               \
        pthread_mutex_lock(&(w)->server->lock);                                                                        \
        (w)->field = (value);                                                                                          \
        pthread_mutex_unlock(&(w)->server->lock);                                                                      \
    } while (0)

static inline int world_count(struct world *w, const int *field)
{
    pthread_mutex_lock(&w->server->lock);
    const int n = *field;
    pthread_mutex_unlock(&w->server->lock);
    return n;
}

static inline void world_on_record(const json_t *record, void *userdata)
{
    struct world *w = userdata;
    const char *name = json_path_text(record, "alert", "labels", "alertname", NULL);
    w->records++;
    w->done += str_eq(json_text(record, "state"), "done");
    json_object_set_new(w->last, name ? name : "malformed", json_deep_copy(record));
}

static inline int world_try_open(struct world *w, struct error *err)
{
    struct faults faults = {0};
    const char *const playbooks[] = {w->playbooks, NULL};
    const struct engine_options options = {.event = w->event,
                                           .config_file = w->config,
                                           .playbooks = playbooks,
                                           .storage_path = w->storage,
                                           .max_body = 8 << 20,
                                           .dry_run = w->dry_run,
                                           .registry = &world_registry};
    int r = engine_new(&options, &w->engine, &faults, err);
    for (size_t i = 0; i < faults.n; i++)
        fprintf(stderr, "%s\n", faults.texts[i]);
    faults_clear(&faults);
    if (r >= 0)
        engine_on_record(w->engine, world_on_record, w);
    return r;
}

static inline void world_open(struct world *w)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    if (world_try_open(w, &err) < 0)
        fail_msg("%s", error_message(&err));
}

static inline void world_close(struct world *w)
{
    w->engine = engine_free(w->engine);
}

static inline int world_reload(struct world *w)
{
    struct faults faults = {0};
    int r = engine_reload(w->engine, &faults, NULL);
    assert_int_equal(r<0, faults.n> 0);
    faults_clear(&faults);
    return r;
}

static inline int world_setup(void **state)
{
    struct world *w = xnew0(struct world);
    log_open(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
    strcpy(w->path, "/tmp/mendd-engine-XXXXXX");
    assert_non_null(mkdtemp(w->path));
    w->storage = xasprintf("%s/journal", w->path);
    w->last = json_object();
    w->healthy = true;
    w->alerts = xstrdup("[]");
    w->deployment = json_loads(
        "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"api\",\"namespace\":\"shop\","
        "\"uid\":\"u-1\",\"generation\":1,\"annotations\":{}},\"spec\":{\"replicas\":1,\"selector\":{\"matchLabels\":"
        "{\"app\":\"api\"}},\"template\":{\"metadata\":{\"labels\":{\"app\":\"api\"}},\"spec\":{\"containers\":[{"
        "\"name\":\"c\",\"image\":\"i\"}]}}},\"status\":{}}",
        0, NULL);
    w->server = script_start(world_serve, w);
    assert_int_equal(sd_event_new(&w->event), 0);
    _cleanup_free_ char *url = xasprintf("http://127.0.0.1:%d", w->server->port);
    world_kubeconfig(w, url, "first");
    _cleanup_free_ char *config = xasprintf("clusters:\n- {name: prod, kubeconfig: %s/kubeconfig}\n"
                                            "alertmanager: {urls: [\"%s\"]}\n"
                                            "limits: {target_attempts: 100/1h}\n",
                                            w->path, url);
    _cleanup_free_ char *playbooks = xasprintf(world_playbooks, w->server->port);
    w->config = world_file(w, "mendd.yaml", config);
    w->playbooks = world_file(w, "playbooks.yaml", playbooks);
    world_open(w);
    *state = w;
    return 0;
}

static inline int world_teardown(void **state)
{
    struct world *w = *state;
    world_close(w);
    script_stop(w->server);
    sd_event_unref(w->event);
    _cleanup_free_ char *command = xasprintf("rm -rf '%s'", w->path);
    assert_int_equal(system(command), 0);
    json_decref(w->deployment);
    json_decref(w->last);
    free(w->alerts);
    free(w->storage);
    free(w->config);
    free(w->playbooks);
    free(w);
    return 0;
}

/* Turns the loop until the condition holds. */
#define WORLD_UNTIL(w, condition)                                                                                      \
    do {                                                                                                               \
        const int64_t until_us = now_read().boot_us + WORLD_TIMEOUT_S * USEC_PER_SEC;                                  \
        while (!(condition)) {                                                                                         \
            if (now_read().boot_us > until_us)                                                                         \
                fail_msg("%s:%d: never became true: %s", __FILE__, __LINE__, #condition);                              \
            assert_true(sd_event_run((w)->event, 20 * 1000) >= 0);                                                     \
        }                                                                                                              \
    } while (0)

/* Turns the loop for a while, for what must not happen. */
static inline void world_turn(struct world *w, int ms)
{
    const int64_t until_us = now_read().boot_us + ms * USEC_PER_MSEC;
    while (now_read().boot_us < until_us)
        assert_true(sd_event_run(w->event, 5 * 1000) >= 0);
}

static inline void world_on_answer(const struct ingest_result *result, void *userdata)
{
    struct world *w = userdata;
    w->answered++;
    w->last_status = result->status;
    w->last_retry_after_s = result->retry_after_s;
    w->accepted += result->accepted;
    w->malformed += result->malformed;
    if (w->on_answer)
        w->on_answer(w);
}

static inline void world_post(struct world *w, char *body_taken)
{
    engine_ingest(w->engine, body_taken, strlen(body_taken), world_on_answer, w);
}

/* {"status": "firing", "alerts": [{"labels": {"alertname": NAME<from>}, "annotations": `pad` bytes}, …]} */
static inline char *world_payload(const char *name, int from, int n, size_t pad)
{
    struct strbuf b = STRBUF_INIT;
    strbuf_puts(&b, "{\"status\":\"firing\",\"alerts\":[");
    for (int i = from; i < from + n; i++) {
        strbuf_printf(&b, "%s{\"labels\":{\"alertname\":\"%s%d\"},\"annotations\":{", i > from ? "," : "", name, i);
        for (size_t k = 0; k < pad; k += 4000)
            strbuf_printf(&b, "%s\"pad%zu\":\"%0*d\"", k ? "," : "", k, (int)(pad - k < 4000 ? pad - k : 4000), 0);
        strbuf_puts(&b, "}}");
    }
    strbuf_puts(&b, "]}");
    return strbuf_take(&b);
}

static inline char *world_alert(const char *status)
{
    return xasprintf(
        "{\"status\":\"%s\",\"alerts\":[{\"status\":\"%s\",\"labels\":{\"alertname\":\"Down\",\"namespace\":"
        "\"shop\",\"deployment\":\"api\"}}]}",
        status, status);
}

static inline const char *world_field(struct world *w, const char *alertname, const char *field)
{
    return json_text_or(json_object_get(w->last, alertname), field, "");
}

/* One number out of the journal, over a connection of the test's own. */
static inline int64_t world_sql(struct world *w, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    _cleanup_free_ char *file = xasprintf("%s/mendd.db", w->storage);
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    const int64_t n = sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : -1;
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return n;
}

/* All that was ever fired has one finished record, and nothing waits. */
static inline bool world_all_decided(struct world *w, int n)
{
    return world_sql(w, "SELECT count(*) FROM inbox") == 0 &&
           world_sql(w, "SELECT count(*) FROM runs WHERE state = 'done'") == n;
}
