/* The HTTP client against a scripted server: above all that a write arrives once. */
#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "io/http.h"
#include "support/script_server.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct got {
    bool fired;
    enum http_error error;
    long status;
    char *message, *body, *type;
    size_t body_len;
    int retry_after_s;
    bool sent;
};

struct world {
    sd_event *event;
    struct http_client *client;
    struct script_server *server;
    int writes; /* requests that are no GET */
    int on_connection;
    char method[16], head[4096], body[4096];
};

static void on_done(const struct http_result *r, void *userdata)
{
    struct got *g = userdata;
    assert_false(g->fired);
    g->fired = true;
    g->error = r->error;
    g->status = r->status;
    g->message = xstrdup(r->message);
    g->body = xstrndup(r->body, r->body_len);
    g->type = xstrdup(r->content_type);
    g->body_len = r->body_len;
    g->retry_after_s = r->retry_after_s;
    g->sent = r->sent;
}

static void got_clear(struct got *g)
{
    free(g->message);
    free(g->body);
    free(g->type);
    *g = (struct got){0};
}

static char *flood(const char *begin, const char *more, size_t len)
{
    struct strbuf b = STRBUF_INIT;
    strbuf_puts(&b, begin);
    while (b.len < len)
        strbuf_puts(&b, more);
    return strbuf_take(&b);
}

static char *handle(const struct script_request *req, void *userdata)
{
    struct world *w = userdata;
    w->on_connection = req->on_connection;
    if (!str_eq(req->method, "GET"))
        w->writes++;
    snprintf(w->method, sizeof(w->method), "%s", req->method);
    snprintf(w->head, sizeof(w->head), "%s", req->head);
    snprintf(w->body, sizeof(w->body), "%s", req->body);
    if (str_eq(req->target, "/die"))
        return req->on_connection == 0 ? script_json(200, "{\"again\":true}") : NULL;
    if (str_eq(req->target, "/stall"))
        return xstrdup("");
    if (str_eq(req->target, "/half"))
        return xstrdup("HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\nhalf");
    if (str_eq(req->target, "/redirect"))
        return xstrdup("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n");
    if (str_eq(req->target, "/later"))
        return xstrdup("HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n");
    if (str_eq(req->target, "/now"))
        return xstrdup("HTTP/1.1 503 Slow\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n");
    if (str_eq(req->target, "/heads"))
        return flood("HTTP/1.1 200 OK\r\n", "X-Head: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n",
                     1 << 18);
    if (str_eq(req->target, "/endless")) /* no length: up to the connection's end */
        return flood("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                     9 << 20);
    if (str_eq(req->target, "/garbage"))
        return xstrdup("SSH-2.0-OpenSSH_9\r\nConnection: close\r\n\r\n");
    return script_json(200, "{\"ok\":true}");
}

static int setup(void **state)
{
    struct world *w = xnew0(struct world);
    assert_true(sd_event_new(&w->event) >= 0);
    assert_int_equal(http_client_new(w->event, NULL, &w->client, NULL), 0);
    w->server = script_start(handle, w);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    http_client_free(w->client);
    script_stop(w->server);
    sd_event_unref(w->event);
    free(w);
    return 0;
}

static void wait_for(struct world *w, const bool *flag)
{
    for (int i = 0; i < 10000 && !*flag; i++)
        assert_true(sd_event_run(w->event, 10 * 1000 * 1000) >= 0);
    assert_true(*flag);
}

static struct got ask(struct world *w, struct http_request req, const char *path)
{
    struct got g = {0};
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_free_ char *url = xasprintf("http://127.0.0.1:%d%s", w->server->port, path);
    req.url = url;
    req.method = req.method ? req.method : "GET";
    if (req.body)
        req.body_len = strlen(req.body);
    assert_int_equal(http_start(w->client, &req, on_done, &g, NULL, &err), 0);
    wait_for(w, &g.fired);
    return g;
}

static void test_get(void **state)
{
    struct got g = ask(*state, (struct http_request){0}, "/a/../b%2Fc?x=1");
    assert_int_equal(g.error, HTTP_OK);
    assert_int_equal(g.status, 200);
    assert_string_equal(g.body, "{\"ok\":true}");
    assert_string_equal(g.type, "application/json");
    assert_int_equal(g.retry_after_s, -1);
    struct world *w = *state;
    assert_non_null(strstr(w->head, "GET /a/../b%2Fc?x=1 HTTP/1.1\r\n")); /* as it was written */
    assert_null(strstr(w->head, "Accept-Encoding"));
    got_clear(&g);
}

static void test_body_and_headers(void **state)
{
    struct world *w = *state;
    const char *const headers[] = {"Content-Type: application/json", "X-Empty:", NULL};
    struct got g = ask(w, (struct http_request){.method = "PATCH", .body = "{\"a\":1}", .headers = headers}, "/p");
    assert_int_equal(g.status, 200);
    assert_string_equal(w->method, "PATCH");
    assert_string_equal(w->body, "{\"a\":1}");
    assert_non_null(strstr(w->head, "Content-Type: application/json\r\n"));
    assert_non_null(strstr(w->head, "Content-Length: 7\r\n"));
    assert_non_null(strstr(w->head, "X-Empty:"));
    assert_null(strstr(w->head, "Expect"));
    assert_null(strstr(w->head, "Transfer-Encoding"));
    got_clear(&g);
}

/* The second request on a kept connection is read whole, then the connection dies without an answer. */
static void dies_once(struct world *w, const char *method, const char *body)
{
    struct got g = ask(w, (struct http_request){0}, "/die");
    assert_int_equal(g.status, 200);
    got_clear(&g);
    w->writes = 0;
    g = ask(w, (struct http_request){.method = method, .body = body}, "/die");
    if (body) {
        assert_int_equal(g.error, HTTP_ERROR_RESET);
        assert_int_equal(g.status, 0);
        assert_true(g.sent);
        assert_int_equal(w->on_connection, 1); /* it did go over the kept connection */
    } else {
        assert_int_equal(g.status, 200); /* a connection of its own: the first request there */
        assert_int_equal(w->on_connection, 0);
    }
    assert_int_equal(w->writes, 1);
    got_clear(&g);
}

static void test_a_write_arrives_once(void **state)
{
    dies_once(*state, "PATCH", "{\"a\":1}");
    dies_once(*state, "POST", "{\"a\":1}");
    dies_once(*state, "PUT", "{\"a\":1}");
    dies_once(*state, "DELETE", "{\"kind\":\"DeleteOptions\"}");
    dies_once(*state, "DELETE", NULL);
    dies_once(*state, "POST", NULL);
}

static void test_a_read_is_sent_again(void **state)
{
    struct world *w = *state;
    struct got g = ask(w, (struct http_request){0}, "/die");
    got_clear(&g);
    g = ask(w, (struct http_request){0}, "/die");
    assert_int_equal(g.status, 200);
    assert_int_equal(script_requests(w->server), 3);
    got_clear(&g);
}

static void test_post_without_body_says_so(void **state)
{
    struct world *w = *state;
    struct got g = ask(w, (struct http_request){.method = "POST"}, "/p");
    assert_int_equal(g.status, 200);
    assert_non_null(strstr(w->head, "Content-Length: 0\r\n"));
    got_clear(&g);
}

static void test_redirect_is_not_followed(void **state)
{
    struct world *w = *state;
    struct got g = ask(w, (struct http_request){0}, "/redirect");
    assert_int_equal(g.status, 302);
    assert_int_equal(script_requests(w->server), 1);
    got_clear(&g);
}

static void test_retry_after(void **state)
{
    struct got g = ask(*state, (struct http_request){0}, "/later");
    assert_int_equal(g.status, 429);
    assert_int_equal(g.retry_after_s, 7);
    got_clear(&g);
    g = ask(*state, (struct http_request){0}, "/now");
    assert_int_equal(g.retry_after_s, 0);
    got_clear(&g);
}

static void test_bounds(void **state)
{
    struct got g = ask(*state, (struct http_request){.max_answer = 5}, "/");
    assert_int_equal(g.error, HTTP_ERROR_TOO_LARGE);
    got_clear(&g);
    g = ask(*state, (struct http_request){.max_answer = 5, .truncate = true}, "/");
    assert_int_equal(g.error, HTTP_OK);
    assert_int_equal(g.status, 200);
    assert_string_equal(g.body, "{\"ok\"");
    got_clear(&g);
    g = ask(*state, (struct http_request){0}, "/endless");
    assert_int_equal(g.error, HTTP_ERROR_TOO_LARGE);
    assert_int_equal(g.status, 0);
    assert_non_null(strstr(g.message, "larger than the 8388608 bytes allowed"));
    got_clear(&g);
    g = ask(*state, (struct http_request){.truncate = true}, "/heads"); /* a head is never cut short */
    assert_int_equal(g.error, HTTP_ERROR_TOO_LARGE);
    got_clear(&g);
}

static void test_unix_socket(void **state)
{
    struct world *w = *state;
    char folder[] = "/tmp/mendd-http-XXXXXX";
    assert_non_null(mkdtemp(folder));
    _cleanup_free_ char *path = xasprintf("%s/socket", folder);
    struct script_server *server = script_start_unix(path, handle, w);
    struct got g = ask(w, (struct http_request){.unix_socket = path}, "/a?b");
    assert_int_equal(g.status, 200);
    assert_non_null(strstr(w->head, "GET /a?b HTTP/1.1\r\nHost: 127.0.0.1:"));
    assert_int_equal(script_requests(server), 1);
    assert_int_equal(script_requests(w->server), 0);
    got_clear(&g);
    w->client = http_client_free(w->client); /* its kept connection */
    assert_int_equal(http_client_new(w->event, NULL, &w->client, NULL), 0);
    script_stop(server);
    unlink(path);
    g = ask(w, (struct http_request){.unix_socket = path}, "/");
    assert_int_equal(g.error, HTTP_ERROR_REFUSED);
    assert_non_null(strstr(g.message, path));
    assert_false(g.sent);
    got_clear(&g);
    rmdir(folder);
}

static void test_faults_have_names(void **state)
{
    struct world *w = *state;
    struct got g = ask(w, (struct http_request){.timeout_ms = 50}, "/stall");
    assert_int_equal(g.error, HTTP_ERROR_TIMEOUT);
    assert_non_null(strstr(g.message, "no complete answer within 50 ms"));
    assert_true(g.sent);
    got_clear(&g);
    g = ask(w, (struct http_request){0}, "/half");
    assert_int_equal(g.error, HTTP_ERROR_RESET);
    assert_int_equal(g.status, 0); /* not the 200 that was begun */
    got_clear(&g);
    g = ask(w, (struct http_request){0}, "/garbage");
    assert_int_equal(g.error, HTTP_ERROR_PROTOCOL);
    got_clear(&g);
}

static struct got ask_url(struct world *w, const char *url)
{
    struct got g = {0};
    const struct http_request req = {.method = "GET", .url = url, .timeout_ms = 5000};
    _cleanup_error_ struct error err = ERROR_NONE;
    assert_int_equal(http_start(w->client, &req, on_done, &g, NULL, &err), 0);
    wait_for(w, &g.fired);
    return g;
}

static void test_nobody_there(void **state)
{
    struct world *w = *state;
    _cleanup_free_ char *url = xasprintf("http://127.0.0.1:%d/?token=secret", script_closed_port());
    struct got g = ask_url(w, url);
    assert_int_equal(g.error, HTTP_ERROR_REFUSED);
    assert_non_null(strstr(g.message, "connect to 127.0.0.1:"));
    assert_null(strstr(g.message, "secret"));
    assert_false(g.sent);
    got_clear(&g);
    g = ask_url(w, "http://no-such-name.invalid/");
    assert_int_equal(g.error, HTTP_ERROR_DNS);
    assert_false(g.sent);
    got_clear(&g);
    _cleanup_free_ char *tls = xasprintf("https://127.0.0.1:%d/", w->server->port);
    w->server->handler = handle;
    g = ask_url(w,
                tls); /* plain HTTP where TLS is expected: the server sees no head and waits; a timeout or TLS fault */
    assert_true(g.error == HTTP_ERROR_TLS || g.error == HTTP_ERROR_TIMEOUT);
    assert_false(g.sent);
    got_clear(&g);
}

static int refused(struct world *w, const char *method, const char *url, const char *header)
{
    struct got g = {0};
    _cleanup_error_ struct error err = ERROR_NONE;
    const char *const headers[] = {header, NULL};
    const struct http_request req = {.method = method, .url = url, .headers = headers};
    const int r = http_start(w->client, &req, on_done, &g, NULL, &err);
    assert_false(g.fired);
    if (r < 0) {
        assert_non_null(err.message);
        assert_null(strstr(err.message, "hunter2"));
    }
    return r;
}

static void test_what_may_not_be_sent(void **state)
{
    struct world *w = *state;
    assert_int_equal(refused(w, "GET", "file:///etc/passwd", NULL), -EINVAL);
    assert_int_equal(refused(w, "GET", "ftp://127.0.0.1/", NULL), -EINVAL);
    assert_int_equal(refused(w, "GET", "127.0.0.1/", NULL), -EINVAL);
    assert_int_equal(refused(w, "GET", "http://127.0.0.1/a b", NULL), -EINVAL);
    assert_int_equal(refused(w, "GET", "http://127.0.0.1/\r\nX: y", NULL), -EINVAL);
    assert_int_equal(refused(w, "GET", "", NULL), -EINVAL);
    assert_int_equal(refused(w, "GET /", "http://127.0.0.1/", NULL), -EINVAL);
    assert_int_equal(refused(w, "CONNECT", "http://127.0.0.1/", NULL), -EINVAL);
    assert_int_equal(refused(w, NULL, "http://127.0.0.1/", NULL), -EINVAL);
    assert_int_equal(refused(w, "GET", "http://127.0.0.1/", "Authorization: hunter2\r\nX: y"), -EINVAL);
    assert_int_equal(refused(w, "GET", "http://127.0.0.1/", "No colon"), -EINVAL);
    assert_int_equal(refused(w, "GET", "http://127.0.0.1/", "Transfer-Encoding: chunked"), -EINVAL);
    assert_int_equal(refused(w, "POST", "http://127.0.0.1/", "content-length: 3"), -EINVAL);
}

static void test_cancel_and_free(void **state)
{
    struct world *w = *state;
    struct got a = {0}, b = {0};
    struct http_call *call = NULL;
    _cleanup_free_ char *url = xasprintf("http://127.0.0.1:%d/stall", w->server->port);
    const struct http_request req = {.method = "GET", .url = url};
    assert_int_equal(http_start(w->client, &req, on_done, &a, &call, NULL), 0);
    assert_int_equal(http_start(w->client, &req, on_done, &b, NULL, NULL), 0);
    http_cancel(call);
    assert_true(a.fired);
    assert_int_equal(a.error, HTTP_ERROR_CANCELLED);
    assert_false(b.fired);
    w->client = http_client_free(w->client);
    assert_true(b.fired);
    assert_int_equal(b.error, HTTP_ERROR_CANCELLED);
    got_clear(&a);
    got_clear(&b);
}

static void free_client(const struct http_result *r, void *userdata)
{
    struct world *w = userdata;
    assert_int_equal(r->status, 200);
    w->client = http_client_free(w->client);
}

static void test_freed_by_its_own_callback(void **state)
{
    struct world *w = *state;
    struct got b = {0};
    _cleanup_free_ char *url = xasprintf("http://127.0.0.1:%d/", w->server->port);
    _cleanup_free_ char *stall = xasprintf("http://127.0.0.1:%d/stall", w->server->port);
    assert_int_equal(
        http_start(w->client, &(struct http_request){.method = "GET", .url = stall}, on_done, &b, NULL, NULL), 0);
    assert_int_equal(
        http_start(w->client, &(struct http_request){.method = "GET", .url = url}, free_client, w, NULL, NULL), 0);
    wait_for(w, &b.fired);
    assert_int_equal(b.error, HTTP_ERROR_CANCELLED);
    assert_null(w->client);
    got_clear(&b);
}

static void test_connect_only(void **state)
{
    struct world *w = *state;
    struct got g = ask(w, (struct http_request){.connect_only = true, .fresh_connect = true}, "/");
    assert_int_equal(g.error, HTTP_OK);
    assert_int_equal(g.status, 0);
    assert_int_equal(script_requests(w->server), 0);
    got_clear(&g);
}

static void test_many_at_once(void **state)
{
    struct world *w = *state;
    struct got g[40] = {0};
    _cleanup_free_ char *url = xasprintf("http://127.0.0.1:%d/", w->server->port);
    for (size_t i = 0; i < ARRAY_SIZE(g); i++)
        assert_int_equal(
            http_start(w->client, &(struct http_request){.method = "GET", .url = url}, on_done, &g[i], NULL, NULL), 0);
    for (size_t i = 0; i < ARRAY_SIZE(g); i++) {
        wait_for(w, &g[i].fired);
        assert_int_equal(g[i].status, 200);
        got_clear(&g[i]);
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_get),
                                       T(test_body_and_headers),
                                       T(test_a_write_arrives_once),
                                       T(test_a_read_is_sent_again),
                                       T(test_post_without_body_says_so),
                                       T(test_redirect_is_not_followed),
                                       T(test_retry_after),
                                       T(test_bounds),
                                       T(test_unix_socket),
                                       T(test_faults_have_names),
                                       T(test_nobody_there),
                                       T(test_what_may_not_be_sent),
                                       T(test_cancel_and_free),
                                       T(test_freed_by_its_own_callback),
                                       T(test_connect_only),
                                       T(test_many_at_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
