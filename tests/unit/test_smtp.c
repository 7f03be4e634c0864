/* Mails against a scripted mail server: what is taken, what is refused, what hangs, and TLS. */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"
#include "io/smtp.h"
#include "support/script_server.h"
#include "support/smtp_server.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static const char MAIL[] = "Subject: x\r\n\r\nfirst\r\n.dot\r\n..two\r\nlast\r\n";

struct world {
    sd_event *event;
    struct smtp_client *client;
    struct smtp_server *server;
    struct tls_pair ca, pair;
    char ca_file[40];
    int ticks; /* of a 10 ms timer: the loop was free */
};

static void start_server(struct world *w, const struct smtp_rule *rules, const char *offers, bool tls)
{
    w->server = smtp_server_start(rules, offers, tls ? &w->pair : NULL);
}

static int setup(void **state)
{
    struct world *w = xnew0(struct world);
    assert_true(sd_event_new(&w->event) >= 0);
    assert_int_equal(smtp_client_new(w->event, &w->client, NULL), 0);
    tls_pair_make(&w->ca, "test CA", NULL, 10);
    tls_pair_make(&w->pair, "127.0.0.1", &w->ca, 10);
    strcpy(w->ca_file, "/tmp/mendd-test-XXXXXX");
    const int fd = mkstemp(w->ca_file);
    assert_int_equal(write(fd, w->ca.crt_pem, strlen(w->ca.crt_pem)), (ssize_t)strlen(w->ca.crt_pem));
    close(fd);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    smtp_client_free(w->client);
    if (w->server)
        smtp_server_stop(w->server);
    unlink(w->ca_file);
    tls_pair_clear(&w->pair);
    tls_pair_clear(&w->ca);
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

static int on_tick(sd_event_source *s, uint64_t usec _unused_, void *userdata)
{
    struct world *w = userdata;
    w->ticks++;
    sd_event_source_set_time_relative(s, 10 * USEC_PER_MSEC);
    sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
    return 0;
}

static char *to_one[] = {(char *)"b@example.com", NULL};

static struct smtp_request request(const struct world *w)
{
    return (struct smtp_request){.host = "127.0.0.1",
                                 .port = w->server->port,
                                 .hello = "mendd.test",
                                 .from = "a@example.com",
                                 .to = to_one,
                                 .message = MAIL,
                                 .message_len = strlen(MAIL),
                                 .timeout_ms = 5000};
}

static json_t *post(struct world *w, struct smtp_request req)
{
    json_t *answer = NULL;
    sd_event_source *tick = NULL;
    assert_int_equal(smtp_start(w->client, &req, on_answer, &answer, NULL, NULL), 0);
    assert_null(answer); /* never from within */
    assert_true(sd_event_add_time_relative(w->event, &tick, CLOCK_MONOTONIC, 0, 1, on_tick, w) >= 0);
    while (!answer)
        assert_true(sd_event_run(w->event, UINT64_MAX) >= 0);
    sd_event_source_disable_unref(tick);
    return answer;
}

static void expect_status(const json_t *answer, int status, const char *words)
{
    if (json_int_or(answer, "status", -1) != status || !strstr(json_text_or(answer, "text", ""), words)) {
        _cleanup_free_ char *text = json_compact(answer);
        fail_msg("expected %d \"%s\", got %s", status, words, text);
    }
    assert_null(json_object_get(answer, "error"));
}

static void expect_error(const json_t *answer, const char *error, const char *words)
{
    if (!str_eq(json_text(answer, "error"), error) || !strstr(json_text_or(answer, "message", ""), words)) {
        _cleanup_free_ char *text = json_compact(answer);
        fail_msg("expected %s \"%s\", got %s", error, words, text);
    }
    assert_null(json_object_get(answer, "status"));
}

static void test_taken(void **state)
{
    struct world *w = *state;
    start_server(w, NULL, "", false);
    _cleanup_json_ json_t *a = post(w, request(w));
    expect_status(a, 250, "queued as 1");
    assert_null(json_object_get(a, "refused"));
    _cleanup_free_ char *heard = smtp_server_heard(w->server);
    assert_non_null(strstr(heard, "EHLO mendd.test\r\n"));
    assert_non_null(strstr(heard, "MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n"
                                  "Subject: x\r\n\r\nfirst\r\n..dot\r\n...two\r\nlast\r\n.\r\n"));
}

static void test_goodbye_is_said(void **state)
{
    struct world *w = *state;
    start_server(w, NULL, "", false);
    _cleanup_json_ json_t *a = post(w, request(w));
    for (int i = 0; i < 500; i++) {
        _cleanup_free_ char *heard = smtp_server_heard(w->server);
        if (str_ends(heard, "QUIT\r\n"))
            return;
        usleep(10000);
    }
    fail_msg("no QUIT came");
}

static void test_refusals(void **state)
{
    struct world *w = *state;
    static const struct {
        struct smtp_rule rules[2];
        int status;
        const char *words;
    } cases[] = {
        {{{"", "421 too busy"}}, 503, ""},
        {{{"", "554 go away"}}, 400, ""},
        {{{"MAIL", "451 later"}}, 503, "MAIL FROM: 451 later"},
        {{{"MAIL", "550-not\r\n550-you\r\n550 ever"}}, 400, "MAIL FROM: 550-not you ever"},
        {{{"RCPT", "550 no such person"}}, 400, "b@example.com: 550 no such person"},
        {{{"RCPT", "450 greylisted"}}, 503, "450 greylisted"},
        {{{"RCPT", "421 going down"}}, 503, "421 going down"},
        {{{"DATA", "452 disk full"}}, 503, "452 disk full"},
        {{{".", "554 spam"}}, 400, "the mail's end: 554 spam"},
        {{{".", "451 not now"}}, 503, "451 not now"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        start_server(w, cases[i].rules, "", false);
        _cleanup_json_ json_t *a = post(w, request(w));
        expect_status(a, cases[i].status, cases[i].words);
        smtp_server_stop(TAKE_PTR(w->server));
    }
}

static void test_one_of_two_recipients(void **state)
{
    struct world *w = *state;
    static const struct smtp_rule rules[] = {{"RCPT TO:<gone@", "550 moved"}, {NULL, NULL}};
    char *to[] = {(char *)"gone@example.com", (char *)"b@example.com", NULL};
    start_server(w, rules, "", false);
    struct smtp_request req = request(w);
    req.to = to;
    _cleanup_json_ json_t *a = post(w, req);
    expect_status(a, 250, "queued");
    assert_int_equal(json_array_size(json_object_get(a, "refused")), 1);
    assert_string_equal(json_string_value(json_array_get(json_object_get(a, "refused"), 0)),
                        "gone@example.com: 550 moved");
}

static void test_hangs_are_bounded_and_block_nothing(void **state)
{
    struct world *w = *state;
    static const char *const where[] = {"", "EHLO", "MAIL", "RCPT", "DATA", "."};
    for (size_t i = 0; i < ARRAY_SIZE(where); i++) {
        const struct smtp_rule rules[] = {{where[i], NULL}, {NULL, NULL}};
        start_server(w, rules, "", false);
        struct smtp_request req = request(w);
        req.timeout_ms = 300;
        w->ticks = 0;
        const int64_t began = now_read().boot_us;
        _cleanup_json_ json_t *a = post(w, req);
        expect_error(a, "timeout", "the mail server did not");
        assert_in_range(now_read().boot_us - began, 250 * USEC_PER_MSEC, 3000 * USEC_PER_MSEC);
        assert_true(w->ticks >= 8);
        smtp_server_stop(TAKE_PTR(w->server));
    }
}

/* A server that says nothing to QUIT costs nothing: nobody waits for that answer. */
static void test_no_answer_to_quit(void **state)
{
    struct world *w = *state;
    static const struct smtp_rule rules[] = {{"QUIT", NULL}, {NULL, NULL}};
    start_server(w, rules, "", false);
    const int64_t began = now_read().boot_us;
    _cleanup_json_ json_t *a = post(w, request(w));
    expect_status(a, 250, "queued");
    w->client = smtp_client_free(w->client);
    assert_true(now_read().boot_us - began < 3000 * USEC_PER_MSEC);
}

static void test_connections_that_end(void **state)
{
    struct world *w = *state;
    static const char *const where[] = {"MAIL", "RCPT", "DATA", "."};
    for (size_t i = 0; i < ARRAY_SIZE(where); i++) {
        const struct smtp_rule rules[] = {{where[i], ""}, {NULL, NULL}};
        start_server(w, rules, "", false);
        _cleanup_json_ json_t *a = post(w, request(w));
        expect_error(a, "reset", "closed the connection");
        smtp_server_stop(TAKE_PTR(w->server));
    }
}

static void test_no_mail_server(void **state)
{
    struct world *w = *state;
    static const struct smtp_rule garbage[] = {{"MAIL", "HTTP/1.1 400 Bad"}, {NULL, NULL}};
    static const struct smtp_rule early[] = {{"DATA", "250 but no 354"}, {NULL, NULL}};
    start_server(w, garbage, "", false);
    _cleanup_json_ json_t *a = post(w, request(w));
    expect_error(a, "protocol", "no mail server");
    smtp_server_stop(TAKE_PTR(w->server));
    start_server(w, early, "", false);
    _cleanup_json_ json_t *b = post(w, request(w));
    expect_error(b, "protocol", "250 but no 354");
    struct smtp_request req = request(w);
    req.port = script_closed_port();
    _cleanup_json_ json_t *c = post(w, req);
    expect_error(c, "refused", "connect to 127.0.0.1:");
    req.host = "no-such-name.invalid";
    _cleanup_json_ json_t *d = post(w, req);
    expect_error(d, "dns", "does not resolve");
}

static void test_a_reply_without_end(void **state)
{
    struct world *w = *state;
    struct strbuf b = STRBUF_INIT;
    while (b.len < 100000)
        strbuf_puts(&b, "250-and more\r\n");
    strbuf_puts(&b, "250-x");
    _cleanup_free_ char *flood = strbuf_take(&b);
    const struct smtp_rule rules[] = {{"MAIL", flood}, {NULL, NULL}};
    start_server(w, rules, "", false);
    _cleanup_json_ json_t *a = post(w, request(w));
    expect_error(a, "protocol", "does not end");
}

static void test_starttls(void **state)
{
    struct world *w = *state;
    start_server(w, NULL, "250-STARTTLS\r\n", true);
    struct smtp_request req = request(w);
    req.require_tls = true;
    req.ca_file = w->ca_file;
    _cleanup_json_ json_t *a = post(w, req);
    expect_status(a, 250, "queued");
    assert_true(w->server->tls);
    w->server->tls = false;
    req.ca_file = NULL; /* the host's own CAs do not know it */
    _cleanup_json_ json_t *b = post(w, req);
    expect_error(b, "tls", "signed by none of the CAs that are trusted for it");
    req.ca_file = "/nonexistent/ca.pem";
    _cleanup_json_ json_t *bad = post(w, req);
    expect_error(bad, "local", "CA certificates cannot be read");
    req.ca_file = NULL;
    req.insecure = true;
    _cleanup_json_ json_t *c = post(w, req);
    expect_status(c, 250, "queued");
    assert_true(w->server->tls);
    w->server->tls = false;
    req = request(w); /* not required: taken all the same if it is offered */
    _cleanup_json_ json_t *d = post(w, req);
    expect_status(d, 250, "queued");
    assert_true(w->server->tls);
}

static void test_starttls_refused_when_required(void **state)
{
    struct world *w = *state;
    static const struct smtp_rule rules[] = {{"STARTTLS", "454 not now"}, {NULL, NULL}};
    static const char *const offers[] = {"", "250-STARTTLS\r\n"};
    for (size_t i = 0; i < ARRAY_SIZE(offers); i++) {
        start_server(w, rules, offers[i], false);
        struct smtp_request req = request(w);
        req.require_tls = true;
        req.username = "u";
        req.password = "hunter2";
        _cleanup_json_ json_t *a = post(w, req);
        expect_error(a, "tls", "STARTTLS");
        _cleanup_free_ char *heard = smtp_server_heard(w->server);
        assert_null(strstr(heard, "MAIL"));
        assert_null(strstr(heard, "AUTH"));
        smtp_server_stop(TAKE_PTR(w->server));
    }
}

static void test_auth(void **state)
{
    struct world *w = *state;
    start_server(w, NULL, "250-AUTH PLAIN LOGIN\r\n", false);
    struct smtp_request req = request(w);
    req.username = "u";
    req.password = "hunter2";
    _cleanup_json_ json_t *a = post(w, req);
    expect_status(a, 250, "queued");
    _cleanup_free_ char *heard = smtp_server_heard(w->server);
    assert_non_null(strstr(heard, "AUTH PLAIN\r\nAHUAaHVudGVyMg==\r\nMAIL"));
    smtp_server_stop(TAKE_PTR(w->server));
    static const struct {
        struct smtp_rule rules[2];
        int status;
    } refused[] = {{{{"AHUAaHVudGVyMg==", "535 no"}}, 400}, {{{"AHUAaHVudGVyMg==", "454 later"}}, 503}};
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        start_server(w, refused[i].rules, "250-AUTH PLAIN\r\n", false);
        req.port = w->server->port;
        _cleanup_json_ json_t *b = post(w, req);
        expect_status(b, refused[i].status, "does not accept the user name and password");
        assert_null(strstr(json_text(b, "text"), "hunter2"));
        smtp_server_stop(TAKE_PTR(w->server));
    }
}

static void expect_not_started(struct world *w, struct smtp_request req)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    json_t *answer = NULL;
    assert_int_equal(smtp_start(w->client, &req, on_answer, &answer, NULL, &err), -EINVAL);
    assert_null(answer);
    assert_non_null(err.message);
}

static void test_what_may_not_be_sent(void **state)
{
    struct world *w = *state;
    static const char *const bad[] = {"", "a@b>\r\nRCPT TO:<c@d", "a b@c", "a@b\nc", "<a@b>", "\xc3\xa4@b"};
    start_server(w, NULL, "", false);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        char *to[] = {(char *)bad[i], NULL};
        struct smtp_request req = request(w);
        req.from = bad[i];
        expect_not_started(w, req);
        req = request(w);
        req.to = to;
        expect_not_started(w, req);
    }
    struct smtp_request req = request(w);
    req.to = to_one + 1;
    expect_not_started(w, req);
    req = request(w);
    req.message_len = 0;
    expect_not_started(w, req);
    req = request(w);
    req.port = 0;
    expect_not_started(w, req);
}

static void test_cancel_and_free(void **state)
{
    struct world *w = *state;
    static const struct smtp_rule rules[] = {{"RCPT", NULL}, {NULL, NULL}};
    json_t *answers[3] = {NULL};
    struct smtp_call *call = NULL;
    start_server(w, rules, "", false);
    const struct smtp_request req = request(w);
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
        assert_int_equal(smtp_start(w->client, &req, on_answer, &answers[i], i ? NULL : &call, NULL), 0);
    for (int i = 0; i < 100; i++) /* one waits for RCPT's reply, the others for a greeting */
        sd_event_run(w->event, 2 * USEC_PER_MSEC);
    smtp_cancel(call);
    assert_non_null(answers[0]);
    assert_null(answers[1]);
    w->client = smtp_client_free(w->client);
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        assert_string_equal(json_text(answers[i], "error"), "cancelled");
        json_decref(answers[i]);
    }
}

static void free_client(json_t *answer_new, void *userdata)
{
    struct world *w = userdata;
    json_decref(answer_new);
    w->client = smtp_client_free(w->client);
}

static void test_freed_by_its_own_callback(void **state)
{
    struct world *w = *state;
    start_server(w, NULL, "", false);
    const struct smtp_request req = request(w);
    assert_int_equal(smtp_start(w->client, &req, free_client, w, NULL, NULL), 0);
    while (w->client)
        assert_true(sd_event_run(w->event, UINT64_MAX) >= 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_taken),
                                       T(test_goodbye_is_said),
                                       T(test_refusals),
                                       T(test_one_of_two_recipients),
                                       T(test_hangs_are_bounded_and_block_nothing),
                                       T(test_no_answer_to_quit),
                                       T(test_connections_that_end),
                                       T(test_no_mail_server),
                                       T(test_a_reply_without_end),
                                       T(test_starttls),
                                       T(test_starttls_refused_when_required),
                                       T(test_auth),
                                       T(test_what_may_not_be_sent),
                                       T(test_cancel_and_free),
                                       T(test_freed_by_its_own_callback)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
