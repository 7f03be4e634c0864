/* Redis against a server that says whatever it likes: every reply ends in one answer, in bounded memory. */
#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "io/redis.h"

#include <arpa/inet.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* Takes one connection, reads the first bytes, sends `reply` `times` times, and closes (or stays until it is left). */
struct script {
    const char *reply;
    size_t times;
    bool stay;
    int fd, port;
};

static void *serve(void *userdata)
{
    const struct script *s = userdata;
    char buf[1024];
    const int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
    ssize_t n = recv(fd, buf, sizeof(buf), 0);
    for (size_t i = 0; i < s->times && n > 0; i++)
        n = send(fd, s->reply, strlen(s->reply), MSG_NOSIGNAL);
    while (s->stay && n > 0)
        n = recv(fd, buf, sizeof(buf), 0);
    close(fd);
    return NULL;
}

static void on_done(json_t *answer_new, void *userdata)
{
    json_t **ret = userdata;
    assert_null(*ret);
    *ret = answer_new;
}

static json_t *ask(sd_event *event, int port)
{
    json_t *answer = NULL;
    struct redis_call *call = NULL;
    _cleanup_json_ json_t *command = json_pack("[s]", "PING");
    const struct redis_request req = {
        .address = "127.0.0.1", .where = "here:1", .port = port, .command = command, .timeout_us = 300000};
    _cleanup_error_ struct error err = ERROR_NONE;
    assert_int_equal(redis_call_start(event, &req, on_done, &answer, &call, &err), 0);
    while (!answer)
        assert_true(sd_event_run(event, UINT64_MAX) >= 0);
    return answer;
}

static json_t *said(const char *reply, size_t times, bool stay)
{
    struct script s = {.reply = reply, .times = times, .stay = stay};
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    pthread_t thread;
    sd_event *event = NULL;
    s.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s.fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(s.fd, 1), 0);
    assert_int_equal(getsockname(s.fd, (struct sockaddr *)&a, &len), 0);
    assert_int_equal(pthread_create(&thread, NULL, serve, &s), 0);
    assert_true(sd_event_new(&event) >= 0);
    json_t *answer = ask(event, ntohs(a.sin_port));
    sd_event_unref(event);
    pthread_join(thread, NULL);
    close(s.fd);
    return answer;
}

static void text_is(const char *reply, const char *text)
{
    _cleanup_json_ json_t *a = said(reply, 1, true);
    assert_int_equal(json_int_or(a, "status", -1), 0);
    assert_string_equal(json_text_or(a, "text", "(none)"), text);
}

static void test_good_replies(void **state _unused_)
{
    text_is("+PONG\r\n", "PONG");
    text_is("$3\r\na\nb\r\n", "a\nb");
    text_is("$-1\r\n", "");
    text_is("*0\r\n", "");
    text_is("*3\r\n$1\r\na\r\n:7\r\n*2\r\n+b\r\n$-1\r\n", "a\n7\nb\n");
    _cleanup_json_ json_t *a = said(":-42\r\n", 1, true);
    assert_int_equal(json_int_or(a, "integer", 0), -42);
    _cleanup_json_ json_t *b = said("-LOADING Redis is loading\r\n", 1, true);
    assert_string_equal(json_text_or(b, "redis_error", ""), "LOADING Redis is loading");
}

static void error_is(const char *reply, size_t times, bool stay, const char *error)
{
    _cleanup_json_ json_t *a = said(reply, times, stay);
    if (!str_eq(json_text(a, "error"), error))
        fail_msg("%.30s x %zu: %s, expected %s", reply, times, json_text_or(a, "error", "no error"), error);
    assert_true(str_starts(json_text(a, "message"), "redis here:1: "));
    assert_null(json_object_get(a, "status"));
}

static void test_no_redis(void **state _unused_)
{
    error_is("HTTP/1.1 400 Bad Request\r\n\r\n", 1, true, "protocol");
    error_is("SSH-2.0-OpenSSH\r\n", 1, true, "protocol");
    error_is("", 1, false, "reset");
    error_is("$10\r\nabc", 1, false, "reset");
    error_is("*2\r\n+a\r\n", 1, false, "reset");
    error_is("*2\r\n+a\r\n", 1, true, "timeout");
    error_is("$9999999999\r\nabc", 1, true, "timeout");
}

static void test_hostile_numbers(void **state _unused_)
{
    error_is("*-5\r\n", 1, true, "protocol");
    error_is("*2147483648\r\n", 1, true, "protocol");
    error_is("*2147483647\r\n", 1, true, "too_large");
    error_is("*1025\r\n", 1, true, "too_large");
    error_is("$-2\r\n", 1, true, "protocol");
    error_is("*x\r\n", 1, true, "protocol");
    error_is("*1\r\n", 20, true, "protocol"); /* deeper than hiredis goes */
}

/* A stream without an end: the bounds are the reply's, not the buffer's, out of which what is parsed goes. */
static void floods(const char *begin, const char *more)
{
    struct strbuf b = STRBUF_INIT;
    strbuf_puts(&b, begin);
    while (b.len < 65536)
        strbuf_puts(&b, more);
    _cleanup_free_ char *reply = strbuf_take(&b);
    const size_t before = mallinfo2().arena + mallinfo2().hblkhd;
    error_is(reply, 4096, true, "too_large"); /* 256 MiB, if anybody took them */
    assert_true(mallinfo2().arena + mallinfo2().hblkhd < before + (32 << 20));
}

static void test_floods(void **state _unused_)
{
    floods("+", "aaaaaaaaaaaaaaaa");
    floods("$99999999\r\n", "aaaaaaaaaaaaaaaa");
    _cleanup_free_ char *big = xmalloc(60001);
    memset(big, 'b', 60000);
    big[60000] = '\0';
    _cleanup_free_ char *bulk = xasprintf("$60000\r\n%s\r\n", big);
    _cleanup_free_ char *begin = xasprintf("*1000\r\n%s", bulk);
    floods(begin, bulk); /* each in its bounds, together 60 MB */
    floods("*1000\r\n*2\r\n:1\r\n:1\r\n", "*2\r\n:1\r\n:1\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_good_replies), cmocka_unit_test(test_no_redis),
                                       cmocka_unit_test(test_hostile_numbers), cmocka_unit_test(test_floods)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
