/* Probes against a scripted HTTP server and a real redis-server. */
#include "base/alloc.h"
#include "base/text.h"
#include "io/probe.h"
#include "support/script_server.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <cmocka.h>

struct world {
    sd_event *event;
    struct prober *prober;
    struct script_server *server;
};

static char *handle(const struct script_request *req, void *userdata _unused_)
{
    if (str_eq(req->target, "/stall"))
        return xstrdup("");
    _cleanup_free_ char *x = script_header(req, "X-Probe");
    return script_json(x ? 200 : 503, "{\"status\":\"ok\"}");
}

static int setup(void **state)
{
    struct world *w = xnew0(struct world);
    assert_true(sd_event_new(&w->event) >= 0);
    assert_int_equal(prober_new(w->event, &w->prober, NULL), 0);
    w->server = script_start(handle, NULL);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    prober_free(w->prober);
    script_stop(w->server);
    sd_event_unref(w->event);
    free(w);
    return 0;
}

static void on_answer(json_t *answer_new, void *userdata)
{
    json_t **ret = userdata;
    assert_null(*ret);
    *ret = answer_new;
}

static json_t *ask(struct world *w, json_t *question_new)
{
    json_t *answer = NULL;
    probe_start(w->prober, question_new, on_answer, &answer);
    json_decref(question_new);
    assert_null(answer); /* never from within */
    while (!answer)
        assert_true(sd_event_run(w->event, UINT64_MAX) >= 0);
    return answer;
}

static json_t *ask_url(struct world *w, const char *path, const char *header, int timeout_ms)
{
    _cleanup_free_ char *url = xasprintf("http://127.0.0.1:%d%s", w->server->port, path);
    json_t *q = json_pack("{s:s, s:s, s:i}", "ask", "http", "url", url, "timeout_ms", timeout_ms);
    if (header)
        json_object_set_new(q, "headers", json_pack("{s:s}", header, "1"));
    return ask(w, q);
}

static void test_http(void **state)
{
    _cleanup_json_ json_t *a = ask_url(*state, "/", "X-Probe", 2000);
    assert_int_equal(json_int_or(a, "status", -1), 200);
    assert_string_equal(json_text(a, "text"), "{\"status\":\"ok\"}");
    assert_true(json_int_or(a, "latency_ms", -1) >= 0);
    _cleanup_json_ json_t *b = ask_url(*state, "/", NULL, 2000);
    assert_int_equal(json_int_or(b, "status", -1), 503);
    _cleanup_json_ json_t *c = ask_url(*state, "/stall", NULL, 50);
    assert_string_equal(json_text(c, "error"), "timeout");
    assert_null(json_object_get(c, "status"));
    _cleanup_json_ json_t *d = ask_url(*state, "/", "Bad\r\nName", 50);
    assert_string_equal(json_text(d, "error"), "local");
}

static json_t *ask_tcp(struct world *w, const char *address)
{
    return ask(w, json_pack("{s:s, s:s, s:i}", "ask", "tcp", "address", address, "timeout_ms", 2000));
}

static void test_tcp(void **state)
{
    struct world *w = *state;
    _cleanup_free_ char *open_at = xasprintf("127.0.0.1:%d", w->server->port);
    _cleanup_free_ char *closed_at = xasprintf("127.0.0.1:%d", script_closed_port());
    _cleanup_json_ json_t *a = ask_tcp(w, open_at);
    assert_int_equal(json_int_or(a, "status", -1), 0);
    _cleanup_json_ json_t *b = ask_tcp(w, closed_at);
    assert_string_equal(json_text(b, "error"), "refused");
    _cleanup_json_ json_t *c = ask_tcp(w, "no-such-name.invalid:80");
    assert_string_equal(json_text(c, "error"), "dns");
    static const char *const bad[] = {"", "host", ":80", "host:", "host:0", "host:70000", "a/b:80", "u@h:80", "h:8 0"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        _cleanup_json_ json_t *d = ask_tcp(w, bad[i]);
        assert_string_equal(json_text(d, "error"), "local");
    }
}

static pid_t start_redis(int port)
{
    _cleanup_free_ char *p = xasprintf("%d", port);
    const pid_t pid = fork();
    if (pid == 0) {
        (void)!freopen("/dev/null", "w", stdout);
        execlp("redis-server", "redis-server", "--port", p, "--bind", "127.0.0.1", "--save", "", "--requirepass",
               "hunter2", NULL);
        _exit(127);
    }
    return pid;
}

static json_t *ask_redis(struct world *w, int port, const char *password_file, json_t *command_new)
{
    _cleanup_free_ char *address = xasprintf("127.0.0.1:%d", port);
    json_t *q = json_pack("{s:s, s:s, s:o, s:i}", "ask", "redis", "address", address, "command", command_new,
                          "timeout_ms", 5000);
    json_set_text(q, "password_file", password_file);
    return ask(w, q);
}

static void redis_cases(struct world *w, int port, const char *good, const char *wrong)
{
    _cleanup_json_ json_t *a = ask_redis(w, port, good, json_pack("[s]", "PING"));
    assert_string_equal(json_text(a, "text"), "PONG");
    assert_int_equal(json_int_or(a, "status", -1), 0);
    _cleanup_json_ json_t *b = ask_redis(w, port, good, json_pack("[s,s,s,s]", "RPUSH", "l", "a", "b c"));
    assert_int_equal(json_int_or(b, "integer", -1), 2);
    _cleanup_json_ json_t *c = ask_redis(w, port, good, json_pack("[s,s,s,s]", "LRANGE", "l", "0", "-1"));
    assert_string_equal(json_text(c, "text"), "a\nb c");
    _cleanup_json_ json_t *d = ask_redis(w, port, NULL, json_pack("[s]", "PING"));
    assert_true(str_starts(json_text(d, "redis_error"), "NOAUTH"));
    _cleanup_json_ json_t *e = ask_redis(w, port, wrong, json_pack("[s]", "PING"));
    assert_true(str_starts(json_text(e, "redis_error"), "WRONGPASS"));
    _cleanup_json_ json_t *f = ask_redis(w, port, "/nonexistent", json_pack("[s]", "PING"));
    assert_string_equal(json_text(f, "error"), "local");
    _cleanup_json_ json_t *g = ask_redis(w, port, good, json_array());
    assert_string_equal(json_text(g, "error"), "local");
}

static char *secret_file(const char *text)
{
    char *path = xstrdup("/tmp/mendd-test-XXXXXX");
    const int fd = mkstemp(path);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    return path;
}

static void test_redis(void **state)
{
    struct world *w = *state;
    const int port = script_closed_port();
    const pid_t pid = start_redis(port);
    _cleanup_free_ char *good = secret_file("hunter2\n");
    _cleanup_free_ char *wrong = secret_file("swordfish");
    for (int i = 0;; i++) { /* until it listens */
        _cleanup_json_ json_t *a = ask_redis(w, port, good, json_pack("[s]", "PING"));
        if (str_eq(json_text(a, "text"), "PONG"))
            break;
        assert_int_equal(waitpid(pid, NULL, WNOHANG), 0); /* is redis-server installed? */
        usleep(10000);
        assert_true(i < 1000);
    }
    redis_cases(w, port, good, wrong);
    unlink(good);
    unlink(wrong);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    _cleanup_json_ json_t *gone = ask_redis(w, port, NULL, json_pack("[s]", "PING"));
    assert_string_equal(json_text(gone, "error"), "refused");
}

/* An HTTP server is no Redis. */
static void test_not_redis(void **state)
{
    struct world *w = *state;
    _cleanup_json_ json_t *a = ask_redis(w, w->server->port, NULL, json_pack("[s]", "GET / HTTP/1.1\r\n\r\n"));
    assert_non_null(json_text(a, "error"));
}

static void test_many_and_freed(void **state)
{
    struct world *w = *state;
    json_t *answers[100] = {NULL};
    _cleanup_free_ char *url = xasprintf("http://127.0.0.1:%d/stall", w->server->port);
    _cleanup_json_ json_t *q = json_pack("{s:s, s:s}", "ask", "http", "url", url);
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
        probe_start(w->prober, q, on_answer, &answers[i]);
    for (int i = 0; i < 200; i++)
        sd_event_run(w->event, 0);
    w->prober = prober_free(w->prober);
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        assert_string_equal(json_text(answers[i], "error"), "cancelled");
        json_decref(answers[i]);
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_http), T(test_tcp), T(test_redis), T(test_not_redis),
                                       T(test_many_and_freed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
