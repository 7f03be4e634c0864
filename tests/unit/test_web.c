/* The HTTP server over real sockets, with a small engine of the test's own behind it. */
#include "../../daemon/web.h"
#include "base/alloc.h"
#include "base/strbuf.h"
#include "fake_engine.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char path[64];
    sd_event *event;
    struct engine engine;
    struct web *web;
};

enum { MAX_BODY = 100000 };

static int fake_reload(void *userdata, struct faults *faults, struct error *err)
{
    const struct engine *e = userdata;
    (void)faults;
    return e->reload_result < 0 ? error_set(err, e->reload_result, "playbooks/a.yaml:3:1: no such key") : 0;
}

static void listen_at(struct fixture *f, const char *address)
{
    const struct web_options o = {.event = f->event,
                                  .engine = &f->engine,
                                  .listen_address = address,
                                  .max_body = MAX_BODY,
                                  .allow_anonymous = true,
                                  .reload = fake_reload,
                                  .reload_userdata = &f->engine};
    _cleanup_error_ struct error err = ERROR_NONE;
    f->web = web_free(f->web);
    if (web_new(&o, &f->web, &err) < 0)
        fail_msg("%s", error_message(&err));
}

static int setup(void **state)
{
    struct fixture *f = xnew0(struct fixture);
    strcpy(f->path, "/tmp/mendd-web-XXXXXX");
    assert_non_null(mkdtemp(f->path));
    assert_int_equal(sd_event_new(&f->event), 0);
    f->engine.ready = true;
    f->engine.result = (struct ingest_result){.status = 200, .accepted = 1};
    assert_int_equal(store_open(f->path, f->event, &f->engine.store, NULL), 0);
    listen_at(f, "127.0.0.1:0");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    web_free(f->web);
    store_close(f->engine.store);
    sd_event_unref(f->event);
    free(f->engine.body);
    json_decref(f->engine.commanded);
    _cleanup_free_ char *command = xasprintf("rm -rf '%s'", f->path);
    assert_int_equal(system(command), 0);
    free(f);
    return 0;
}

static int dial(struct fixture *f)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)web_port(f->web)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static void put(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Turns the loop until the server has closed the line, or `until` has come; the caller frees. */
static char *get(struct fixture *f, int fd, const char *until)
{
    struct strbuf b = STRBUF_INIT;
    char piece[4096];
    for (int turns = 0; turns < 3000; turns++) {
        assert_true(sd_event_run(f->event, 1000) >= 0);
        ssize_t n = recv(fd, piece, sizeof(piece), MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno == ECONNRESET))
            return strbuf_take(&b);
        if (n > 0)
            strbuf_add(&b, piece, (size_t)n);
        if (until && strstr(strbuf_str(&b), until))
            return strbuf_take(&b);
    }
    fail_msg("no end after: %s", strbuf_str(&b));
    return NULL;
}

static char *exchange(struct fixture *f, const char *request)
{
    int fd = dial(f);
    put(fd, request);
    char *answer = get(f, fd, NULL);
    close(fd);
    return answer;
}

/* `line` is "GET /path"; every part of `expected` (ended by NULL) must stand in the answer. */
static void expect_parts(struct fixture *f, const char *request, const char *const expected[])
{
    _cleanup_free_ char *answer = exchange(f, request);
    for (size_t i = 0; expected[i]; i++)
        if (!strstr(answer, expected[i]))
            fail_msg("'%s' is not in the answer to\n%s:\n%s", expected[i], request, answer);
}
#define expect(f, request, ...) expect_parts(f, request, (const char *const[]){__VA_ARGS__, NULL})
#define H " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"

static void test_webhook(void **state)
{
    struct fixture *f = *state;
    expect(f, "POST /webhook" H "Content-Length: 5\r\n\r\nhello", "HTTP/1.1 200 ", "{\"accepted\":1}",
           "Content-Type: application/json", "nosniff", "no-store");
    assert_string_equal(f->engine.body, "hello");
    assert_int_equal(f->engine.body_len, 5);
    f->engine.result = (struct ingest_result){.status = 503, .code = "busy", .message = "later", .retry_after_s = 7};
    expect(f, "POST /webhook" H "Content-Length: 0\r\n\r\n", "HTTP/1.1 503 ", "Retry-After: 7",
           "{\"error\":{\"code\":\"busy\",\"message\":\"later\"}}");
    f->engine.result = (struct ingest_result){.status = 200, .accepted = 2, .malformed = 1};
    expect(f, "POST /webhook" H "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", "HTTP/1.1 200 ",
           "{\"accepted\":2,\"malformed\":1}");
    assert_string_equal(f->engine.body, "abcde");
}

static void test_answer_after_the_journal(void **state)
{
    struct fixture *f = *state;
    f->engine.later = true;
    int fd = dial(f);
    put(fd, "POST /webhook" H "Content-Length: 1\r\n\r\nx");
    while (!f->engine.ingested)
        sd_event_run(f->event, 1000);
    for (int i = 0; i < 5; i++)
        sd_event_run(f->event, 1000);
    char byte;
    assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1); /* not before it is journalled */
    f->engine.done(&f->engine.result, f->engine.userdata);
    _cleanup_free_ char *answer = get(f, fd, NULL);
    assert_non_null(strstr(answer, "{\"accepted\":1}"));
    close(fd);
}

static void test_stop_answers_what_waits(void **state)
{
    struct fixture *f = *state;
    f->engine.later = true;
    int fd = dial(f);
    put(fd, "POST /webhook" H "Content-Length: 1\r\n\r\nx");
    while (!f->engine.ingested)
        sd_event_run(f->event, 1000);
    f->web = web_free(f->web);
    char answer[1000] = "";
    assert_true(recv(fd, answer, sizeof(answer) - 1, 0) > 0);
    assert_non_null(strstr(answer, "HTTP/1.1 503 "));
    f->engine.done(&f->engine.result, f->engine.userdata); /* the journal comes too late: dropped, nothing leaks */
    close(fd);
}

static void test_ambiguous_lengths(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {
        "POST /webhook" H "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        "POST /webhook" H "Content-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        "POST /webhook" H "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /webhook" H "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST /webhook" H "Transfer-Encoding: identity\r\n\r\n",
        "POST /webhook" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /webhook" H "Content-Length: +1\r\n\r\nx",
        "POST /webhook" H "Content-Length: 1, 1\r\n\r\nx",
        "POST /webhook" H "Content-Length : 1\r\n\r\nx",
        "POST /webhook HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        expect(f, bad[i], "HTTP/1.", " 400 ");
    assert_int_equal(f->engine.ingested, 0);
}

static void test_oversize(void **state)
{
    struct fixture *f = *state;
    expect(f, "POST /webhook" H "Content-Length: 52428800\r\n\r\n", "HTTP/1.1 413 ", "too_large", "52428800");
    assert_int_equal(f->engine.oversized, 52428800);
    int fd = dial(f);
    put(fd, "POST /webhook" H "Transfer-Encoding: chunked\r\n\r\n");
    _cleanup_free_ char *chunk = xmalloc(0x4000 + 9);
    memset(chunk, 'x', 0x4000 + 8);
    memcpy(chunk, "4000\r\n", 6);
    memcpy(chunk + 6 + 0x4000, "\r\n", 3);
    for (int i = 0; i < 7; i++) { /* 112 KiB */
        put(fd, chunk);
        for (int k = 0; k < 10; k++)
            sd_event_run(f->event, 1000);
    }
    put(fd, "0\r\n\r\n");
    _cleanup_free_ char *answer = get(f, fd, NULL);
    assert_non_null(strstr(answer, " 413 "));
    assert_int_equal(f->engine.ingested, 0);
    assert_true(f->engine.oversized > MAX_BODY && f->engine.oversized < 200000);
    close(fd);
}

static void test_methods_and_paths(void **state)
{
    struct fixture *f = *state;
    expect(f, "GET /nothing" H "\r\n", "HTTP/1.1 404 ", "\"code\":\"not_found\"");
    expect(f, "GET /webhook" H "\r\n", "HTTP/1.1 405 ", "Allow: POST");
    expect(f, "DELETE /actions" H "\r\n", "HTTP/1.1 405 ", "Allow: GET, HEAD", "method_not_allowed");
    expect(f, "POST /status" H "Content-Length: 2\r\n\r\n{}", "HTTP/1.1 405 ");
    expect(f, "GET /actions/a/b" H "\r\n", "HTTP/1.1 404 ");
    expect(f, "GET /actions/..%2f..%2fetc" H "\r\n", "HTTP/1.1 404 ");
    expect(f, "POST /-/reload" H "Origin: http://evil.example\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 403 ");
    expect(f,
           "POST /-/reload HTTP/1.1\r\nHost: 127.0.0.1:9490\r\nConnection: close\r\nOrigin: "
           "http://127.0.0.1:9490\r\nContent-Length: 0\r\n\r\n",
           "HTTP/1.1 200 ");
    expect(f, "GET /openapi.json" H "\r\n", "HTTP/1.1 200 ", "\"openapi\":");
}

static void test_head(void **state)
{
    struct fixture *f = *state;
    static const char *const paths[] = {"/-/healthy", "/-/ready", "/actions", "/metrics", "/"};
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        _cleanup_free_ char *request = xasprintf("HEAD %s" H "\r\n", paths[i]);
        _cleanup_free_ char *answer = exchange(f, request);
        assert_non_null(strstr(answer, "HTTP/1.1 200 "));
        assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\n"); /* headers alone */
    }
}

static void test_health(void **state)
{
    struct fixture *f = *state;
    expect(f, "GET /-/ready" H "\r\n", "HTTP/1.1 200 ");
    f->engine.ready = false;
    expect(f, "GET /-/ready" H "\r\n", "HTTP/1.1 503 ", "the journal is broken");
    expect(f, "GET /-/healthy" H "\r\n", "HTTP/1.1 200 ");
    f->engine.reload_result = -EINVAL;
    expect(f, "POST /-/reload" H "Content-Length: 0\r\n\r\n", "HTTP/1.1 500 ", "reload_failed", "a.yaml:3:1");
}

#define ID(n) "01kgbsb9z0000000000000000" n

static void save(struct fixture *f, const char *id, const char *doc)
{
    struct store_batch *b = store_batch_new();
    const struct store_run run = {.id = id,
                                  .created_us = 1000,
                                  .state = "done",
                                  .outcome = "resolved",
                                  .target = "Deployment a/b",
                                  .doc = xstrdup(doc)};
    store_batch_run(b, &run);
    store_submit(f->engine.store, b, NULL, NULL);
    while (store_pending(f->engine.store))
        sd_event_run(f->event, 1000000);
}

static void test_actions(void **state)
{
    struct fixture *f = *state;
    save(f, ID("1"),
         "{\"state\":{\"record\":[\"}\",2]},\"n\":12,\"record\":{\"id\":\"" ID("1") "\",\"message\":\"a\\\"}\"}}");
    save(f, ID("2"), "{\"record\":{\"id\":\"" ID("2") "\",\"message\":\"<script>\"},\"state\":{}}");
    expect(f, "GET /actions" H "\r\n",
           "{\"actions\":[{\"id\":\"" ID("2") "\",\"message\":\"<script>\"},{\"id\":\"" ID(
               "1") "\",\"message\":\"a\\\"}\"}],"
                    "\"next_cursor\":null}");
    expect(f, "GET /actions?limit=1" H "\r\n", "\"next_cursor\":\"" ID("2") "\"");
    expect(f, "GET /actions?limit=1&cursor=" ID("2") H "\r\n", "{\"actions\":[{\"id\":\"" ID("1"),
           "\"next_cursor\":null");
    expect(f, "GET /actions?since=1h" H "\r\n", "{\"actions\":[],");
    expect(f, "GET /actions?until=1970-01-01T00:00:01Z&target=a/b&state=done&outcome=resolved" H "\r\n", ID("1"));
    expect(f, "GET /actions/" ID("1") H "\r\n", "HTTP/1.1 200 ", "{\"id\":\"" ID("1") "\",\"message\":\"a\\\"}\"}\n");
    expect(f, "GET /actions/" ID("9") H "\r\n", "HTTP/1.1 404 ", "no_such_action");
    expect(f, "GET /" H "\r\n", "HTTP/1.1 200 ", "&lt;script&gt;", "Content-Security-Policy: default-src 'none'");
    static const char *const bad[] = {"limit=0",  "limit=1001", "limit=-1", "limit=abc",     "state=gone", "outcome=x",
                                      "reason=x", "cursor=x",   "since=x",  "until=2026-13", "stat=done"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        _cleanup_free_ char *request = xasprintf("GET /actions?%s" H "\r\n", bad[i]);
        expect(f, request, "HTTP/1.1 400 ", "bad_parameter");
    }
}

static void test_metrics(void **state)
{
    struct fixture *f = *state;
    expect(f, "GET /metrics" H "\r\n", "HTTP/1.1 200 ", "text/plain; version=0.0.4",
           "mendd_build_info{version=", "mendd_decisions_total{reason=\"repaired\"} 0",
           "mendd_runs{state=\"settling\"} 0", "mendd_kube_requests_total{cluster=\"prod\\\"\\n\"} 3",
           "process_open_fds", "mendd_journal_commit_duration_seconds_bucket{le=\"+Inf\"}");
}

static void test_events(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    put(fd, "GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    free(get(f, fd, "as they change"));
    assert_non_null(f->engine.on_record);
    _cleanup_json_ json_t *record = json_pack("{s:s}", "id", "abc");
    f->engine.on_record(record, f->engine.on_record_userdata);
    _cleanup_free_ char *seen = get(f, fd, "\n\n");
    assert_non_null(strstr(seen, "event: action\nid: abc\ndata: {\"id\":\"abc\"}\n\n"));
    _cleanup_free_ char *big = xmalloc(2000001);
    memset(big, 'x', 2000000);
    big[2000000] = '\0';
    json_object_set_new(record, "big", json_string(big)); /* more than a listener's queue */
    f->engine.on_record(record, f->engine.on_record_userdata);
    free(get(f, fd, "0\r\n\r\n")); /* its stream is ended */
    close(fd);
    for (int i = 0; i < 100 && f->engine.on_record; i++)
        sd_event_run(f->event, 10000);
    assert_null(f->engine.on_record); /* nobody listens: nothing is made */
}

static void test_listeners_are_bounded(void **state)
{
    struct fixture *f = *state;
    int fds[32];
    for (int i = 0; i < 32; i++) {
        fds[i] = dial(f);
        put(fds[i], "GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
        free(get(f, fds[i], "as they change"));
    }
    expect(f, "GET /events" H "\r\n", "HTTP/1.1 503 ", "too_many_listeners");
    for (int i = 0; i < 32; i++)
        close(fds[i]);
}

static void test_half_sent_and_idle(void **state)
{
    struct fixture *f = *state;
    enum { IDLE = 2000 };
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < 3 * IDLE)
        skip();
    listen_at(f, "127.0.0.1:0"); /* with the raised limit */
    int *fds = xcalloc(IDLE, sizeof(int));
    for (int i = 0; i < IDLE; i++) {
        fds[i] = dial(f);
        if (i % 3 == 1)
            put(fds[i], "POST /webhook HTTP/1.1\r\nHo");
        if (i % 3 == 2)
            put(fds[i], "POST /webhook HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 90000\r\n\r\nhalf");
        sd_event_run(f->event, 0);
    }
    expect(f, "POST /webhook" H "Content-Length: 5\r\n\r\nhello", "HTTP/1.1 200 ");
    assert_int_equal(f->engine.ingested, 1);
    for (int i = 0; i < IDLE; i++)
        close(fds[i]);
    free(fds);
}

static int dial_unix(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    strcpy(to.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static void test_unix_socket(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *path = xasprintf("%s/sock", f->path), *address = xasprintf("unix:%s", path);
    struct sockaddr_un left = {.sun_family = AF_UNIX};
    strcpy(left.sun_path, path);
    int stale = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(stale, (struct sockaddr *)&left, sizeof(left)), 0);
    close(stale); /* the path stays, nobody answers */
    listen_at(f, address);
    int fd = dial_unix(path);
    put(fd, "GET /-/healthy" H "\r\n");
    _cleanup_free_ char *answer = get(f, fd, NULL);
    close(fd);
    assert_non_null(strstr(answer, "HTTP/1.1 200 "));
    struct web *second = NULL;
    const struct web_options o = {
        .event = f->event, .engine = &f->engine, .listen_address = address, .max_body = 1, .allow_anonymous = true};
    assert_int_equal(web_new(&o, &second, NULL), -EADDRINUSE); /* one in use is not taken away */
    f->web = web_free(f->web);
    assert_int_equal(access(path, F_OK), -1);
}

static void test_addresses(void **state)
{
    struct fixture *f = *state;
    static const char *const good[] = {":0", "localhost:0", "[::1]:0"}, *const bad[] = {
                                                                            "",     "9490",    "::1:9490",
                                                                            "x:",   "x:99999", "127.0.0.1:http",
                                                                            "unix:"};
    for (size_t i = 0; i < ARRAY_SIZE(good) - (access("/proc/net/if_inet6", F_OK) != 0); i++) {
        listen_at(f, good[i]);
        assert_true(web_port(f->web) > 0);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct web *w = NULL;
        const struct web_options o = {
            .event = f->event, .engine = &f->engine, .listen_address = bad[i], .allow_anonymous = true};
        assert_int_equal(web_new(&o, &w, NULL), -EINVAL);
    }
}

static void test_idle_server_sleeps(void **state)
{
    struct fixture *f = *state;
    expect(f, "GET /-/healthy" H "\r\n", "HTTP/1.1 200 ");
    while (sd_event_run(f->event, 20000) > 0)
        ; /* the closed connection is cleaned up */
    assert_int_equal(sd_event_run(f->event, 300000), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#define POST_JSON(path, body, len)                                                                                     \
    "POST " path H "Content-Type: application/json\r\nContent-Length: " len "\r\n\r\n" body

static void test_commands(void **state)
{
    struct fixture *f = *state;
    f->engine.reply = (struct engine_reply){.status = 200, .message = "paused: everything"};
    expect(f, POST_JSON("/-/pause", "{\"for\":\"1m\",\"by\":\"al\"}", "22"), "HTTP/1.1 200 ",
           "{\"message\":\"paused: everything\"}");
    _cleanup_free_ char *told = json_canonical(f->engine.commanded);
    assert_string_equal(told, "{\"by\":\"al (via anonymous from 127.0.0.1)\",\"do\":\"pause\",\"for_ms\":60000,"
                              "\"scope\":{}}");
    expect(f, "POST /-/resume" H "Content-Length: 0\r\n\r\n", "HTTP/1.1 200 ");
    f->engine.reply = (struct engine_reply){.status = 503, .code = "unavailable", .message = "the journal is broken"};
    expect(f, POST_JSON("/-/resume", "{}", "2"), "HTTP/1.1 503 ", "Retry-After: 5", "the journal is broken");
    f->engine.reply = (struct engine_reply){.status = 404, .code = "not_found", .message = "no such run"};
    expect(f, POST_JSON("/actions/01kgbsb9z00000000000000001/cancel", "{\"rollback\":true}", "17"), "HTTP/1.1 404 ",
           "no such run");
    _cleanup_free_ char *cancel = json_canonical(f->engine.commanded);
    assert_non_null(strstr(cancel, "\"rollback\":true,\"run\":\"01kgbsb9z00000000000000001\""));
    expect(f, POST_JSON("/actions/..%2f/cancel", "{}", "2"), "HTTP/1.1 404 ");
    expect(f, POST_JSON("/-/pause", "{\"fro\":1}", "9"), "HTTP/1.1 400 ", "did you mean 'for'");
    expect(f, "GET /-/pause" H "\r\n", "HTTP/1.1 405 ", "Allow: POST");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_webhook),
        T(test_answer_after_the_journal),
        T(test_stop_answers_what_waits),
        T(test_ambiguous_lengths),
        T(test_oversize),
        T(test_methods_and_paths),
        T(test_head),
        T(test_health),
        T(test_actions),
        T(test_commands),
        T(test_metrics),
        T(test_events),
        T(test_listeners_are_bounded),
        T(test_half_sent_and_idle),
        T(test_unix_socket),
        T(test_addresses),
        T(test_idle_server_sleeps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
