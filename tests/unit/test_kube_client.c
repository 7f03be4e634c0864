/* The Kubernetes client against a scripted API server. */
#include "base/alloc.h"
#include "base/text.h"
#include "kube/client_internal.h"
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
    char token_path[64];
    char order[256], target[2100], body[512], authorization[128];
};

static void write_token(const char *path, const char *token)
{
    FILE *f = fopen(path, "w");
    fputs(token, f);
    fclose(f);
}

static char *handle(const struct script_request *req, void *userdata)
{
    struct world *w = userdata;
    _cleanup_free_ char *authorization = script_header(req, "Authorization");
    snprintf(w->target, sizeof(w->target), "%s %s", req->method, req->target);
    snprintf(w->body, sizeof(w->body), "%s", req->body);
    snprintf(w->authorization, sizeof(w->authorization), "%s", authorization ? authorization : "");
    if (str_eq(req->target, "/busy"))
        return req->number == 0 ? xstrdup("HTTP/1.1 429 x\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n")
                                : script_json(200, "{}");
    if (str_starts(req->target, "/always-busy"))
        return xstrdup("HTTP/1.1 503 x\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n");
    if (str_eq(req->target, "/stall"))
        return xstrdup("");
    if (str_ends(req->target, "/proxy/busy"))
        return xstrdup("HTTP/1.1 503 x\r\nRetry-After: 0\r\nContent-Length: 4\r\n\r\nbusy");
    if (str_eq(req->target, "/huge")) {
        _cleanup_free_ char *body = xmalloc((17 << 20) + 1);
        memset(body, ' ', 17 << 20);
        body[17 << 20] = '\0';
        return script_json(200, body);
    }
    if (str_eq(req->target, "/broken"))
        return script_json(500, "{\"kind\":\"Status\",\"message\":\"no\"}");
    if (str_eq(req->target, "/page"))
        return xstrdup("HTTP/1.1 502 x\r\nContent-Length: 6\r\n\r\n<html>");
    if (str_eq(req->target, "/log"))
        return xstrdup("HTTP/1.1 200 x\r\nContent-Length: 10\r\n\r\nline1\nline");
    if (str_eq(req->target, "/auth") && !str_eq(authorization, "Bearer new-token"))
        return script_json(401, "{\"kind\":\"Status\"}");
    return script_json(200, "{\"kind\":\"Thing\"}");
}

static int setup(void **state)
{
    struct world *w = xnew0(struct world);
    strcpy(w->token_path, "/tmp/mendd-token-XXXXXX");
    close(mkstemp(w->token_path));
    write_token(w->token_path, "old-token\n");
    assert_true(sd_event_new(&w->event) >= 0);
    w->server = script_start(handle, w);
    struct kube_config *k = xnew0(struct kube_config);
    k->name = xstrdup("test");
    k->server = xasprintf("http://127.0.0.1:%d", w->server->port);
    k->token_file = xstrdup(w->token_path);
    assert_int_equal(kube_client_new(w->event, k, &w->client, NULL), 0);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    kube_client_free(w->client);
    script_stop(w->server);
    sd_event_unref(w->event);
    unlink(w->token_path);
    free(w);
    return 0;
}

static void on_answer(json_t *answer_new, void *userdata)
{
    json_t **ret = userdata;
    assert_null(*ret);
    *ret = answer_new;
}

static json_t *ask(struct world *w, struct kube_request req)
{
    json_t *answer = NULL;
    if (!req.method)
        req.method = "GET";
    kube_request_start(w->client, &req, on_answer, &answer);
    assert_null(answer); /* never from within */
    while (!answer)
        assert_true(sd_event_run(w->event, UINT64_MAX) >= 0);
    return answer;
}

static void test_answers(void **state)
{
    _cleanup_json_ json_t *a = ask(*state, (struct kube_request){.path = "/api"});
    assert_int_equal(json_int_or(a, "status", 0), 200);
    assert_string_equal(json_path_text(a, "body", "kind", NULL), "Thing");
    _cleanup_json_ json_t *b = ask(*state, (struct kube_request){.path = "/broken"});
    assert_int_equal(json_int_or(b, "status", 0), 500);
    assert_string_equal(json_path_text(b, "body", "message", NULL), "no");
    _cleanup_json_ json_t *c = ask(*state, (struct kube_request){.path = "/page"});
    assert_int_equal(json_int_or(c, "status", 0), 502);
    assert_string_equal(json_text(c, "text"), "<html>");
    _cleanup_json_ json_t *d = ask(*state, (struct kube_request){.path = "/log", .text = true, .max_text = 7});
    assert_string_equal(json_text(d, "text"), "line1\nl");
    _cleanup_json_ json_t *e = ask(*state, (struct kube_request){.path = "no-slash"});
    assert_string_equal(json_text(e, "error"), "local");
}

static void sends(struct world *w, struct kube_request req, const char *target, const char *body)
{
    req.class = KUBE_WRITE;
    _cleanup_json_ json_t *a = ask(w, req);
    assert_int_equal(json_int_or(a, "status", 0), 200);
    assert_string_equal(w->target, target);
    assert_string_equal(w->body, body);
}

static void test_writes(void **state)
{
    struct world *w = *state;
    _cleanup_json_ json_t *body = json_pack("{s:i}", "a", 1);
    sends(w, (struct kube_request){.method = "PATCH", .path = "/x", .body = body}, "PATCH /x?fieldManager=mendd",
          "{\"a\":1}");
    sends(w, (struct kube_request){.method = "POST", .path = "/x?a=b", .body = body, .dry_run = true},
          "POST /x?a=b&fieldManager=mendd&dryRun=All", "{\"a\":1}");
    sends(w, (struct kube_request){.method = "DELETE", .path = "/x", .body = body, .dry_run = true},
          "DELETE /x?dryRun=All", "{\"a\":1,\"dryRun\":[\"All\"]}");
    sends(w, (struct kube_request){.method = "DELETE", .path = "/x"}, "DELETE /x",
          "{\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\"}");
    sends(w, (struct kube_request){.method = "DELETE", .path = "/x?propagationPolicy=Orphan"},
          "DELETE /x?propagationPolicy=Orphan", "");
    sends(w, (struct kube_request){.method = "POST", .path = "/api/v1/namespaces/a/services/b:80/proxy/p?q=1"},
          "POST /api/v1/namespaces/a/services/b:80/proxy/p?q=1", "");
}

static void test_retry_after(void **state)
{
    struct world *w = *state;
    _cleanup_json_ json_t *a = ask(w, (struct kube_request){.path = "/busy"});
    assert_int_equal(json_int_or(a, "status", 0), 200);
    assert_int_equal(script_requests(w->server), 2);
    _cleanup_json_ json_t *b = ask(w, (struct kube_request){.path = "/always-busy"});
    assert_int_equal(json_int_or(b, "status", 0), 503);
    assert_int_equal(script_requests(w->server), 2 + 11);
    _cleanup_json_ json_t *c =
        ask(w, (struct kube_request){.method = "POST", .path = "/always-busy", .class = KUBE_WRITE, .once = true});
    assert_int_equal(json_int_or(c, "status", 0), 503);
    assert_int_equal(script_requests(w->server), 2 + 11 + 1);
}

static void test_token_is_read_again(void **state)
{
    struct world *w = *state;
    _cleanup_json_ json_t *a = ask(w, (struct kube_request){.path = "/auth"});
    assert_int_equal(json_int_or(a, "status", 0), 401);
    assert_string_equal(w->authorization, "Bearer old-token");
    unlink(w->token_path); /* a failed read keeps the old one */
    _cleanup_json_ json_t *b = ask(w, (struct kube_request){.path = "/auth"});
    assert_int_equal(json_int_or(b, "status", 0), 401);
    assert_string_equal(w->authorization, "Bearer old-token");
    write_token(w->token_path, "new-token");
    _cleanup_json_ json_t *c = ask(w, (struct kube_request){.path = "/auth"});
    assert_int_equal(json_int_or(c, "status", 0), 200);
    assert_string_equal(w->authorization, "Bearer new-token");
}

/* A file that is rotated behind our back is read again after a minute, not before. */
static void test_token_ages(void **state)
{
    struct world *w = *state;
    _cleanup_json_ json_t *a = ask(w, (struct kube_request){.path = "/x"});
    write_token(w->token_path, "new-token");
    _cleanup_json_ json_t *b = ask(w, (struct kube_request){.path = "/x"});
    assert_string_equal(w->authorization, "Bearer old-token");
    w->client->token_read_us -= (KUBE_TOKEN_AGE_S + 1) * INT64_C(1000000);
    _cleanup_json_ json_t *c = ask(w, (struct kube_request){.path = "/x"});
    assert_string_equal(w->authorization, "Bearer new-token");
    static const char *const bad[] = {"", "\n", "two lines\r\nX: y"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        write_token(w->token_path, bad[i]);
        w->client->token_read_us -= (KUBE_TOKEN_AGE_S + 1) * INT64_C(1000000);
        _cleanup_json_ json_t *d = ask(w, (struct kube_request){.path = "/x"});
        assert_string_equal(w->authorization, "Bearer new-token");
    }
}

static void test_too_large(void **state)
{
    _cleanup_json_ json_t *a = ask(*state, (struct kube_request){.path = "/huge"});
    assert_string_equal(json_text(a, "error"), "too_large");
    assert_null(json_object_get(a, "status"));
    _cleanup_json_ json_t *b = ask(*state, (struct kube_request){.path = "/huge", .text = true, .max_text = 100});
    assert_int_equal(json_string_length(json_object_get(b, "text")), 100);
}

/* What a program behind the proxy says is its answer, "later" too; and how long it took is told. */
static void test_proxied(void **state)
{
    struct world *w = *state;
    const char *path = "/api/v1/namespaces/a/services/b:80/proxy/busy";
    _cleanup_json_ json_t *a = ask(w, (struct kube_request){.path = path, .text = true});
    assert_int_equal(json_int_or(a, "status", 0), 503);
    assert_string_equal(json_text(a, "text"), "busy");
    assert_true(json_int_or(a, "latency_ms", -1) >= 0);
    assert_int_equal(script_requests(w->server), 1);
    _cleanup_json_ json_t *b = ask(w, (struct kube_request){.path = "/stall", .text = true, .timeout_ms = 50});
    assert_string_equal(json_text(b, "error"), "timeout");
    assert_null(json_object_get(b, "latency_ms"));
    _cleanup_json_ json_t *c = ask(w, (struct kube_request){.path = "/x"});
    assert_null(json_object_get(c, "latency_ms"));
}

static void start_many(struct world *w, enum kube_class class, int n, char **at);

/* Reads and writes go first; checks may take half of the slots. */
static void test_checks_wait(void **state)
{
    struct world *w = *state;
    char *at = w->order;
    const struct kube_client *c = w->client;
    start_many(w, KUBE_CHECK, 20, &at);
    start_many(w, KUBE_READ, 3, &at);
    start_many(w, KUBE_WRITE, 2, &at);
    for (int i = 0; i < 5; i++)
        sd_event_run(w->event, 0);
    while (c->running.n < 5)
        sd_event_run(w->event, 0);
    assert_int_equal(c->waiting.n, 0); /* all five of them run, however early the checks came */
    while (c->running.n < 5 + 16)
        sd_event_run(w->event, 1000);
    for (int i = 0; i < 50; i++)
        sd_event_run(w->event, 100);
    assert_int_equal(c->checks_running, 16);
    assert_int_equal(c->checks.n, 4);
    start_many(w, KUBE_WRITE, 20, &at);
    while (c->running.n < 32)
        sd_event_run(w->event, 1000);
    for (int i = 0; i < 50; i++)
        sd_event_run(w->event, 100);
    assert_int_equal(c->running.n, 32);
    assert_int_equal(c->waiting.n, 9);
    assert_int_equal(at - w->order, 0);
    w->client = kube_client_free(w->client);
    assert_int_equal(at - w->order, 45);
}

static void on_order(json_t *answer_new, void *userdata)
{
    char **at = userdata;
    *(*at)++ = json_object_get(answer_new, "error") ? '!' : '.';
    json_decref(answer_new);
}

static void start_many(struct world *w, enum kube_class class, int n, char **at)
{
    for (int i = 0; i < n; i++)
        kube_request_start(w->client, &(struct kube_request){.class = class, .method = "GET", .path = "/stall"},
                           on_order, at);
}

static void test_bounds_and_cancel(void **state)
{
    struct world *w = *state;
    char *at = w->order;
    struct kube_stats st;
    for (int i = 0; i < 40; i++)
        kube_request_start(w->client, &(struct kube_request){.class = KUBE_CHECK, .method = "GET", .path = "/x"},
                           on_order, &at);
    for (int i = 0; i < 40; i++) { /* each dispatch starts one, at most 16 of checks */
        sd_event_run(w->event, 0);
        kube_client_stats(w->client, &st);
        assert_true(st.in_flight <= 16);
    }
    w->client = kube_client_free(w->client);
    assert_int_equal(at - w->order, 40);
    assert_non_null(strchr(w->order, '!'));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_answers),   T(test_writes),  T(test_retry_after), T(test_token_is_read_again), T(test_token_ages),
        T(test_too_large), T(test_proxied), T(test_checks_wait), T(test_bounds_and_cancel)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
