/* Kubernetes Events against a scripted API server: what is written, what is only counted, what is bounded. */
#include "base/alloc.h"
#include "base/text.h"
#include "engine/cluster_events.h"
#include "kube/kubeconfig.h"
#include "support/script_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

struct world {
    sd_event *event;
    struct kube_client *client;
    struct script_server *server;
    struct cluster_events *events;
    struct now now;
    pthread_mutex_t lock;
    json_t *seen;     /* [{"line": "POST /…", "body": {…}}] */
    int post_status;  /* 0: 201 */
    int patch_status; /* 0: 200 */
    bool away;        /* there is no client */
};

static char *handle(const struct script_request *req, void *userdata)
{
    struct world *w = userdata;
    _cleanup_free_ char *line = xasprintf("%s %s", req->method, req->target);
    pthread_mutex_lock(&w->lock);
    json_array_append_new(w->seen, json_pack("{s:s, s:o}", "line", line, "body",
                                             json_parse(req->body, req->body_len, 1 << 20, false, NULL)));
    int status = str_eq(req->method, "POST") ? w->post_status : w->patch_status;
    pthread_mutex_unlock(&w->lock);
    return script_json(status ? status : 200, "{\"kind\":\"Status\",\"message\":\"so it is\"}");
}

static struct kube_client *find(const char *cluster, void *userdata)
{
    struct world *w = userdata;
    assert_string_equal(cluster, "prod");
    return w->away ? NULL : w->client;
}

static int setup(void **state)
{
    struct world *w = xnew0(struct world);
    pthread_mutex_init(&w->lock, NULL);
    w->seen = json_array();
    w->now = (struct now){.wall_us = INT64_C(1767607200) * USEC_PER_SEC, .boot_us = 1000 * USEC_PER_SEC};
    assert_true(sd_event_new(&w->event) >= 0);
    w->server = script_start(handle, w);
    struct kube_config *k = xnew0(struct kube_config);
    k->name = xstrdup("prod");
    k->server = xasprintf("http://127.0.0.1:%d", w->server->port);
    assert_int_equal(kube_client_new(w->event, k, &w->client, NULL), 0);
    w->events = cluster_events_new("host-1", find, w);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    kube_client_free(w->client);
    cluster_events_free(w->events);
    script_stop(w->server);
    sd_event_unref(w->event);
    json_decref(w->seen);
    free(w);
    return 0;
}

static void tell(struct world *w, const char *namespace, const char *name, const char *reason, const char *message,
                 const char *run)
{
    _cleanup_json_ json_t *what =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:{s:s, s:s, s:s*, s:s, s:s}}", "cluster", "prod", "type", "Warning",
                  "reason", reason, "message", message, "run", run, "playbook", "p", "object", "apiVersion", "v1",
                  "kind", "Pod", "namespace", namespace, "name", name, "uid", "u-1");
    cluster_events_tell(w->events, what, w->now);
}

/* Until nothing is under way. */
static void rest(struct world *w)
{
    for (;;) {
        struct kube_stats st;
        kube_client_stats(w->client, &st);
        if (st.in_flight == 0 && st.waiting == 0)
            return;
        assert_true(sd_event_run(w->event, UINT64_MAX) >= 0);
    }
}

static struct cluster_events_stats stats(const struct world *w)
{
    struct cluster_events_stats st;
    cluster_events_stats(w->events, &st);
    return st;
}

static const char *line(const struct world *w, size_t i)
{
    return json_text_or(json_array_get(w->seen, i), "line", "");
}

static const json_t *body(const struct world *w, size_t i)
{
    return json_object_get(json_array_get(w->seen, i), "body");
}

static void test_written(void **state)
{
    struct world *w = *state;
    tell(w, "shop", "api-1", "Refused", "not\nnow", "01run");
    rest(w);
    assert_int_equal(json_array_size(w->seen), 1);
    assert_string_equal(line(w, 0), "POST /api/v1/namespaces/shop/events?fieldManager=mendd");
    const json_t *e = body(w, 0);
    assert_string_equal(json_text(e, "apiVersion"), "v1");
    assert_string_equal(json_text(e, "kind"), "Event");
    assert_true(str_starts(json_path_text(e, "metadata", "name", NULL), "api-1."));
    assert_true(is_dns1123_subdomain(json_path_text(e, "metadata", "name", NULL)));
    assert_string_equal(json_path_text(e, "metadata", "namespace", NULL), "shop");
    assert_string_equal(json_path_text(e, "involvedObject", "kind", NULL), "Pod");
    assert_string_equal(json_path_text(e, "involvedObject", "namespace", NULL), "shop");
    assert_string_equal(json_path_text(e, "involvedObject", "uid", NULL), "u-1");
    assert_string_equal(json_path_text(e, "source", "component", NULL), "mendd");
    assert_string_equal(json_path_text(e, "source", "host", NULL), "host-1");
    assert_string_equal(json_text(e, "reportingComponent"), "mendd");
    assert_string_equal(json_text(e, "reportingInstance"), "host-1");
    assert_string_equal(json_text(e, "type"), "Warning");
    assert_string_equal(json_text(e, "reason"), "Refused");
    assert_string_equal(json_text(e, "message"), "not now (run 01run, playbook p)");
    assert_string_equal(json_text(e, "firstTimestamp"), "2026-01-05T10:00:00Z");
    assert_int_equal(json_int_or(e, "count", 0), 1);
    assert_int_equal(stats(w).written, 1);
}

/* What has no namespace goes to "default"; a name that is no DNS name is left out; the message is bounded. */
static void test_odd_objects(void **state)
{
    struct world *w = *state;
    _cleanup_free_ char *name = xmalloc(254), *words = xmalloc(5001);
    memset(name, 'n', 253);
    name[253] = '\0';
    for (size_t i = 0; i < 5000; i += 2)
        memcpy(words + i, "\xc3\xa4", 2);
    words[5000] = '\0';
    tell(w, NULL, name, "Refused", words, "01run");
    rest(w);
    tell(w, NULL, "system:aggregate", "Refused", "no", "01run");
    rest(w);
    assert_string_equal(line(w, 0), "POST /api/v1/namespaces/default/events?fieldManager=mendd");
    assert_null(json_path_text(body(w, 0), "involvedObject", "namespace", NULL));
    const char *message = json_text(body(w, 0), "message");
    assert_in_range(strlen(message), 1000, 1024);
    assert_true(str_ends(message, " (run 01run, playbook p)"));
    assert_true(utf8_valid(message, strlen(message)));
    assert_true(is_dns1123_subdomain(json_path_text(body(w, 0), "metadata", "name", NULL)));
    assert_true(str_starts(json_path_text(body(w, 1), "metadata", "name", NULL), "mendd."));
    assert_string_equal(json_path_text(body(w, 1), "involvedObject", "name", NULL), "system:aggregate");
}

/* The same words within ten minutes raise the count; the run is the latest one. */
static void test_repeated(void **state)
{
    struct world *w = *state;
    tell(w, "shop", "api", "Refused", "no", "01a");
    rest(w);
    w->now.boot_us += 60 * USEC_PER_SEC;
    w->now.wall_us += 60 * USEC_PER_SEC;
    tell(w, "shop", "api", "Refused", "no", "01b");
    rest(w);
    tell(w, "shop", "api", "Refused", "because", "01c"); /* other words are another Event */
    tell(w, "shop", "api", "Repaired", "no", "01d");
    rest(w);
    assert_int_equal(json_array_size(w->seen), 4);
    _cleanup_free_ char *patch = xasprintf("PATCH /api/v1/namespaces/shop/events/%s?fieldManager=mendd",
                                           json_path_text(body(w, 0), "metadata", "name", NULL));
    assert_string_equal(line(w, 1), patch);
    assert_int_equal(json_int_or(body(w, 1), "count", 0), 2);
    assert_string_equal(json_text(body(w, 1), "lastTimestamp"), "2026-01-05T10:01:00Z");
    assert_string_equal(json_text(body(w, 1), "message"), "no (run 01b, playbook p)");
    assert_true(str_starts(line(w, 2), "POST "));
    assert_true(str_starts(line(w, 3), "POST "));
    w->now.boot_us += 601 * USEC_PER_SEC; /* long ago: a new one */
    tell(w, "shop", "api", "Refused", "no", "01e");
    rest(w);
    assert_true(str_starts(line(w, 4), "POST "));
    assert_int_equal(json_int_or(body(w, 4), "count", 0), 1);
}

/* While one is on its way the others wait, and are one request. */
static void test_repeated_at_once(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 10; i++)
        tell(w, "shop", "api", "Refused", "no", "01a");
    rest(w);
    assert_int_equal(json_array_size(w->seen), 2);
    assert_true(str_starts(line(w, 1), "PATCH "));
    assert_int_equal(json_int_or(body(w, 1), "count", 0), 10);
}

static void test_expired_in_the_cluster(void **state)
{
    struct world *w = *state;
    tell(w, "shop", "api", "Refused", "no", "01a");
    rest(w);
    w->patch_status = 404;
    tell(w, "shop", "api", "Refused", "no", "01b");
    rest(w);
    assert_int_equal(json_array_size(w->seen), 3);
    assert_true(str_starts(line(w, 2), "POST "));
    assert_int_equal(json_int_or(body(w, 2), "count", 0), 2);
    assert_int_equal(stats(w).failed, 0);
    w->post_status = 409; /* contradicts itself: not asked for ever */
    tell(w, "shop", "api", "Refused", "no", "01c");
    rest(w);
    assert_in_range(json_array_size(w->seen), 4, 8);
}

/* One object: a burst of 25, then one in five minutes. Others are not held up by it. */
static void test_one_object_is_limited(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 200; i++) {
        _cleanup_free_ char *words = xasprintf("refused for the %dth time", i);
        tell(w, "shop", "api", "Refused", words, "01a");
        rest(w);
    }
    assert_int_equal(json_array_size(w->seen), 25);
    assert_int_equal(stats(w).dropped, 175);
    tell(w, "shop", "web", "Refused", "no", "01a");
    rest(w);
    assert_int_equal(json_array_size(w->seen), 26);
    w->now.boot_us += 301 * USEC_PER_SEC;
    tell(w, "shop", "api", "Refused", "later", "01a");
    tell(w, "shop", "api", "Refused", "later still", "01a");
    rest(w);
    assert_int_equal(json_array_size(w->seen), 27);
}

/* Thousands of objects at once: so many on their way, the rest is counted. */
static void test_a_flood_is_bounded(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 3000; i++) {
        _cleanup_free_ char *name = xasprintf("pod-%d", i);
        tell(w, "shop", name, "Refused", "no", "01a");
    }
    rest(w);
    assert_int_equal(json_array_size(w->seen), 256);
    assert_int_equal(stats(w).dropped, 3000 - 256);
    assert_int_equal(stats(w).written, 256);
}

static void test_refused_by_the_server(void **state)
{
    struct world *w = *state;
    w->post_status = 403;
    tell(w, "shop", "api", "Refused", "no", "01a");
    rest(w);
    assert_int_equal(stats(w).failed, 1);
    w->post_status = 0;
    tell(w, "shop", "api", "Refused", "no", "01b");
    rest(w);
    assert_int_equal(json_array_size(w->seen), 2); /* nothing was tried again by itself */
    assert_true(str_starts(line(w, 1), "POST "));
    w->away = true;
    tell(w, "shop", "api", "Refused", "no", "01c");
    assert_int_equal(stats(w).dropped, 1);
}

/* Writes and checks go first: at most two events are under way. */
static void test_last_in_line(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 20; i++) {
        _cleanup_free_ char *name = xasprintf("pod-%d", i);
        tell(w, "shop", name, "Refused", "no", "01a");
    }
    unsigned most = 0;
    for (struct kube_stats st = {.waiting = 1}; st.in_flight || st.waiting;) {
        assert_true(sd_event_run(w->event, UINT64_MAX) >= 0);
        kube_client_stats(w->client, &st);
        most = st.in_flight > most ? st.in_flight : most;
    }
    assert_int_equal(most, 2);
    assert_int_equal(stats(w).written, 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_written, setup, teardown),
        cmocka_unit_test_setup_teardown(test_odd_objects, setup, teardown),
        cmocka_unit_test_setup_teardown(test_repeated, setup, teardown),
        cmocka_unit_test_setup_teardown(test_repeated_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_expired_in_the_cluster, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_object_is_limited, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_flood_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_by_the_server, setup, teardown),
        cmocka_unit_test_setup_teardown(test_last_in_line, setup, teardown),
    };
    return cmocka_run_group_tests_name("cluster events", tests, NULL, NULL);
}
