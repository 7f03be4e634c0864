/* Commands in containers (lib/kube/exec.c over lib/io/websocket.c): what comes back, whose identity asks, how many run.
 */
#include "support/exec_world.h"
#include "support/tls_server.h"

/* ---- what goes well ---- */

static void says_hello(struct ws_connection *c)
{
    ws_upgrade(c, NULL, V5);
    ws_message(c, 1, "");
    ws_message(c, 1, "hello ");
    ws_message(c, 2, "warning");
    ws_message(c, 1, "world\n");
    ws_message(c, 3, SUCCESS);
    ws_close(c);
    ws_wait(c);
}

static void answers_with_both_streams(void **state)
{
    struct exec_world *w = *state;
    _cleanup_json_ json_t *a = run_script(w, says_hello, (struct kube_exec_request){.container = "main"});
    assert_int_equal(json_int_or(a, "status", 0), 101);
    assert_int_equal(json_int_or(a, "exit_code", -1), 0);
    assert_string_equal(json_text(a, "stdout"), "hello world\n");
    assert_string_equal(json_text(a, "stderr"), "warning");
    assert_false(json_bool_or(a, "truncated", true));
    const char *head = w->server->connections[0]->head;
    assert_true(str_starts(head,
                           "GET /prefix/api/v1/namespaces/shop/pods/redis-0/exec?stdout=true&stderr=true"
                           "&container=main&command=say&command=a%20b%2F%C3%A4%26c HTTP/1.1\r\nHost: 127.0.0.1:"));
    assert_non_null(strstr(head, "\r\nAuthorization: Bearer old-token\r\n"));
    assert_non_null(strstr(head, "\r\nSec-WebSocket-Protocol: " V5 ", " V4 "\r\n"));
    assert_non_null(strstr(head, "\r\nSec-WebSocket-Version: 13\r\n"));
}

static void exits_with_three(struct ws_connection *c)
{
    ws_upgrade(c, NULL, V4);
    ws_message(c, 2, "no such database");
    ws_message(c, 3,
               "{\"status\":\"Failure\",\"reason\":\"NonZeroExitCode\",\"message\":\"command terminated with exit code "
               "3\",\"details\":{\"causes\":[{\"reason\":\"Other\",\"message\":\"9\"},{\"reason\":\"ExitCode\","
               "\"message\":\"3\"}]}}");
    ws_close(c);
}

static void tells_the_exit_code(void **state)
{
    _cleanup_json_ json_t *a = run_script(*state, exits_with_three, (struct kube_exec_request){0});
    assert_int_equal(json_int_or(a, "exit_code", -1), 3);
    assert_string_equal(json_text(a, "stderr"), "no such database");
}

static void in_fragments(struct ws_connection *c)
{
    ws_upgrade(c, NULL, V4);
    ws_frame(c, 0x02, "", 0, false); /* the channel comes with the second fragment */
    ws_frame(c, 0x00, "\1one ", 5, false);
    ws_frame(c, 0x89, "ping!", 5, false); /* in the middle of a message */
    ws_frame(c, 0x80, "two", 3, false);
    unsigned char pong[126];
    size_t len = 0;
    const bool answered = ws_receive(c, pong, &len) == WSLAY_PONG && len == 5 && memcmp(pong, "ping!", 5) == 0;
    ws_message(c, 2, answered ? "pong" : "no pong");
    ws_frame(c, 0x02, "\3{\"status\":", 11, false);
    ws_frame(c, 0x80, "\"Success\"}", 10, false);
    ws_close(c);
    ws_message(c, 2, len && ws_receive(c, pong, &len) == WSLAY_CONNECTION_CLOSE ? "closed" : "");
}

static void puts_fragments_together_and_answers_pings(void **state)
{
    _cleanup_json_ json_t *a = run_script(*state, in_fragments, (struct kube_exec_request){0});
    assert_int_equal(json_int_or(a, "exit_code", -1), 0);
    assert_string_equal(json_text(a, "stdout"), "one two");
    assert_string_equal(json_text(a, "stderr"), "pong");
}

static void floods(struct ws_connection *c)
{
    char piece[32769];
    memset(piece, 'x', sizeof(piece));
    piece[0] = 1;
    ws_upgrade(c, NULL, V4);
    for (int i = 0; i < 320; i++) /* 10 MiB */
        ws_frame(c, 0x82, piece, sizeof(piece), false);
    ws_message(c, 3, SUCCESS);
    ws_close(c);
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
    int *ticks = userdata;
    (void)usec;
    (*ticks)++;
    sd_event_source_set_time_relative(source, 1000);
    sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    return 0;
}

static void keeps_the_beginning_of_ten_megabytes(void **state)
{
    struct exec_world *w = *state;
    int ticks = 0;
    sd_event_source *timer = NULL;
    sd_event_add_time_relative(w->event, &timer, CLOCK_MONOTONIC, 1000, 1, on_tick, &ticks);
    _cleanup_json_ json_t *a = run_script(w, floods, (struct kube_exec_request){.max = 1000});
    sd_event_source_disable_unref(timer);
    const char *out = json_text(a, "stdout");
    assert_int_equal(json_int_or(a, "exit_code", -1), 0);
    assert_true(json_bool_or(a, "truncated", false));
    assert_int_equal(strspn(out, "x"), 1000);
    assert_string_equal(out + 1000, "\n[10484760 more bytes were cut off]\n");
    assert_true(ticks > 0); /* the loop went on turning */
    _cleanup_json_ json_t *b = run_script(w, floods, (struct kube_exec_request){0});
    assert_true(strlen(json_text(b, "stdout")) < (64 << 10) + 100);
}

static void cuts_umlauts(struct ws_connection *c)
{
    ws_upgrade(c, NULL, V4);
    ws_message(c, 1, "abc\xc3\xa4\xc3\xa4");
    ws_message(c, 3, SUCCESS);
    ws_close(c);
}

static void cuts_between_characters(void **state)
{
    _cleanup_json_ json_t *a = run_script(*state, cuts_umlauts, (struct kube_exec_request){.max = 4});
    assert_string_equal(json_text(a, "stdout"), "abc\n[4 more bytes were cut off]\n");
}

static void reads_stdin(struct ws_connection *c)
{
    unsigned char buf[126];
    size_t len = 0;
    ws_upgrade(c, NULL, strstr(c->head, "command=v4") ? V4 : V5);
    if (ws_receive(c, buf, &len) != WSLAY_BINARY_FRAME || buf[0] != 0)
        return;
    ws_frame(c, 0x82, "\1", 1, false);
    buf[0] = 1;
    ws_frame(c, 0x82, buf, len, false);
    if (strstr(c->head, "command=v4") ||
        (ws_receive(c, buf, &len) == WSLAY_BINARY_FRAME && len == 2 && buf[0] == 255 && buf[1] == 0))
        ws_message(c, 3, SUCCESS);
    ws_close(c);
}

static void hands_over_stdin_and_its_end(void **state)
{
    struct exec_world *w = *state;
    _cleanup_json_ json_t *a = run_script(w, reads_stdin, (struct kube_exec_request){.input = "SELECT 1;"});
    assert_int_equal(json_int_or(a, "exit_code", -1), 0);
    assert_string_equal(json_text(a, "stdout"), "SELECT 1;");
    assert_non_null(strstr(w->server->connections[0]->head, "&stdin=true"));
    _cleanup_json_ json_t *command = json_pack("[s]", "v4");
    _cleanup_json_ json_t *b =
        run_script(w, reads_stdin, (struct kube_exec_request){.input = "SELECT 2;", .command = command});
    assert_string_equal(json_text(b, "stdout"), "SELECT 2;");
}

static void stays_open(struct ws_connection *c)
{
    ws_upgrade(c, NULL, V4);
    ws_message(c, 3, SUCCESS);
    ws_wait(c);
}

static void does_not_wait_long_for_the_close(void **state)
{
    const int64_t before_us = kube_monotonic_us();
    _cleanup_json_ json_t *a = run_script(*state, stays_open, (struct kube_exec_request){0});
    assert_int_equal(json_int_or(a, "exit_code", -1), 0);
    assert_true(kube_monotonic_us() - before_us < 5 * USEC_PER_SEC);
}

/* ---- identity, bounds, lifetime ---- */

static void hangs(struct ws_connection *c)
{
    ws_upgrade(c, NULL, V4);
    ws_wait(c);
}

static void wants_the_new_token(struct ws_connection *c)
{
    if (strstr(c->head, "Bearer new-token"))
        says_hello(c);
    else
        ws_text(c, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
}

static void reads_the_token_again(void **state)
{
    struct exec_world *w = *state;
    _cleanup_json_ json_t *a = run_script(w, wants_the_new_token, (struct kube_exec_request){0});
    assert_int_equal(json_int_or(a, "status", 0), 401); /* the same token again: asked once */
    assert_int_equal(ws_connections(w->server), 1);
    write_token(w->token_path, "new-token");
    _cleanup_json_ json_t *b = run_script(w, wants_the_new_token, (struct kube_exec_request){0});
    assert_int_equal(json_int_or(b, "exit_code", -1), 0);
    assert_int_equal(ws_connections(w->server), 3);
}

static void what_cannot_be_sent_is_told_so(void **state)
{
    struct exec_world *w = *state;
    _cleanup_json_ json_t *none = json_array(), *huge = json_array();
    _cleanup_free_ char *word = xmalloc(20001);
    memset(word, 'x', 20000);
    word[20000] = '\0';
    json_array_append_new(huge, json_string(word));
    const struct kube_exec_request bad[] = {
        {.command = none}, {.command = huge}, {.namespace = "../x"}, {.container = "A b"}};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        _cleanup_json_ json_t *a = run_script(w, says_hello, bad[i]);
        assert_string_equal(json_text(a, "error"), "local");
        assert_false(json_bool_or(a, "sent", true));
    }
    assert_int_equal(ws_connections(w->server), 0);
}

static void a_refused_connection_sent_nothing(void **state)
{
    struct exec_world *w = *state;
    json_t *answer = NULL;
    struct kube_config *k = xnew0(struct kube_config);
    struct kube_client *client = NULL;
    k->name = xstrdup("gone");
    k->server = xstrdup("http://127.0.0.1:1");
    assert_int_equal(kube_client_new(w->event, k, &client, NULL), 0);
    _cleanup_json_ json_t *command = json_pack("[s]", "say");
    const struct kube_exec_request req = {.class = KUBE_WRITE, .namespace = "shop", .pod = "p", .command = command};
    kube_exec_start(client, &req, on_answer, &answer);
    while (!answer)
        assert_true(sd_event_run(w->event, UINT64_MAX) >= 0);
    assert_string_equal(json_text(answer, "error"), "refused");
    assert_false(json_bool_or(answer, "sent", true));
    json_decref(answer);
    kube_client_free(client);
}

static void eight_run_and_the_others_wait(void **state)
{
    struct exec_world *w = *state;
    json_t *answers[20] = {0};
    w->server->script = hangs;
    for (int i = 0; i < 20; i++)
        start(w, (struct kube_exec_request){.timeout_ms = i < 8 ? 300 : 5000}, &answers[i]);
    const int64_t until_us = kube_monotonic_us() + 200 * USEC_PER_MSEC;
    while (kube_monotonic_us() < until_us)
        assert_true(sd_event_run(w->event, 10000) >= 0);
    assert_int_equal(ws_connections(w->server), KUBE_EXECS_RUNNING);
    w->server->script = says_hello;
    for (int i = 0; i < 20; i++)
        while (!answers[i])
            assert_true(sd_event_run(w->event, UINT64_MAX) >= 0);
    for (int i = 0; i < 20; i++) {
        if (!str_eq(json_text_or(answers[i], "error", "none"), i < 8 ? "timeout" : "none"))
            fail_msg("%d: %s", i, json_text_or(answers[i], "message", "no error"));
        json_decref(answers[i]);
    }
}

static void freeing_the_client_answers_all(void **state)
{
    struct exec_world *w = *state;
    json_t *answers[12] = {0};
    w->server->script = hangs;
    for (int i = 0; i < 12; i++)
        start(w, (struct kube_exec_request){0}, &answers[i]);
    for (int i = 0; i < 50; i++)
        assert_true(sd_event_run(w->event, 1000) >= 0);
    w->client = kube_client_free(w->client);
    for (int i = 0; i < 12; i++) {
        assert_string_equal(json_text(answers[i], "error"), "cancelled");
        json_decref(answers[i]);
    }
}

/* What it is asked through is the client's identity: CA, client certificate, tls-server-name. The server answers every
 * request with what it saw. */
static json_t *ask_tls(struct exec_world *w, struct kube_config *config_taken)
{
    struct kube_client *client = NULL;
    json_t *answer = NULL;
    _cleanup_json_ json_t *command = json_pack("[s]", "say");
    const struct kube_exec_request req = {.namespace = "shop", .pod = "p", .command = command, .timeout_ms = 5000};
    config_taken->name = xstrdup("tls");
    assert_int_equal(kube_client_new(w->event, config_taken, &client, NULL), 0);
    kube_exec_start(client, &req, on_answer, &answer);
    while (!answer)
        assert_true(sd_event_run(w->event, UINT64_MAX) >= 0);
    kube_client_free(client);
    return answer;
}

static void tls_is_the_clients_own(void **state)
{
    struct exec_world *w = *state;
    struct tls_pair ca, pair, mine, other;
    tls_pair_make(&ca, "ca", NULL, 10);
    tls_pair_make(&other, "other ca", NULL, 10);
    tls_pair_make(&pair, "kube.example", &ca, 10);
    tls_pair_make(&mine, "mendd", &ca, 10);
    struct tls_server *server = tls_start(&pair, &ca);
    for (int i = 0; i < 2; i++) {
        struct kube_config *k = xnew0(struct kube_config);
        k->server = xasprintf("https://127.0.0.1:%d", server->port);
        k->server_name = xstrdup("kube.example");
        k->ca_data = xstrdup(i == 0 ? ca.crt_pem : other.crt_pem);
        k->cert_data = xstrdup(mine.crt_pem);
        k->key_data = xstrdup(mine.key_pem);
        _cleanup_json_ json_t *a = ask_tls(w, k);
        if (i == 0) {
            assert_string_equal(json_path_text(a, "body", "sni", NULL), "kube.example");
            assert_string_equal(json_path_text(a, "body", "client", NULL), "mendd");
        } else {
            assert_string_equal(json_text(a, "error"), "tls");
        }
    }
    tls_stop(server);
    tls_pair_clear(&ca);
    tls_pair_clear(&other);
    tls_pair_clear(&pair);
    tls_pair_clear(&mine);
}

static void the_accept_key_is_rfc_6455s(void **state)
{
    (void)state;
    _cleanup_free_ char *accept = websocket_accept_new("dGhlIHNhbXBsZSBub25jZQ==");
    assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    _cleanup_free_ char *a = websocket_key_new(), *b = websocket_key_new();
    assert_int_equal(strlen(a), 24);
    assert_string_not_equal(a, b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(answers_with_both_streams),
        T(tells_the_exit_code),
        T(puts_fragments_together_and_answers_pings),
        T(keeps_the_beginning_of_ten_megabytes),
        T(cuts_between_characters),
        T(hands_over_stdin_and_its_end),
        T(does_not_wait_long_for_the_close),
        T(reads_the_token_again),
        T(what_cannot_be_sent_is_told_so),
        T(a_refused_connection_sent_nothing),
        T(eight_run_and_the_others_wait),
        T(freeing_the_client_answers_all),
        T(tls_is_the_clients_own),
        cmocka_unit_test(the_accept_key_is_rfc_6455s),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
