/* Commands in containers, and a server that hangs, refuses, breaks off or breaks the protocol. */
#include "support/exec_world.h"

static void expect_error(struct exec_world *w, ws_script script, const char *error, const char *words)
{
    _cleanup_json_ json_t *a = run_script(w, script, (struct kube_exec_request){.timeout_ms = 5000});
    if (!str_eq(json_text(a, "error"), error) || !strstr(json_text_or(a, "message", ""), words))
        fail_msg("%s: %s", json_text_or(a, "error", "no error"), json_text_or(a, "message", ""));
}

static void closes_without_status(struct ws_connection *c)
{
    ws_upgrade(c, NULL, V4);
    ws_message(c, 1, "half");
    ws_close(c);
}

static void dies(struct ws_connection *c)
{
    ws_upgrade(c, NULL, V4);
    ws_message(c, 1, "half");
}

static void sends_half_a_status(struct ws_connection *c)
{
    ws_upgrade(c, NULL, V4);
    ws_message(c, 3, "{\"status\":\"Succ");
    ws_close(c);
}

static void no_status_is_a_failure(void **state)
{
    expect_error(*state, closes_without_status, "protocol",
                 "exec in shop/redis-0: the connection closed without a status");
    expect_error(*state, sends_half_a_status, "protocol", "without a status");
    expect_error(*state, dies, "reset", "without a close frame");
    _cleanup_json_ json_t *a = run_script(*state, closes_without_status, (struct kube_exec_request){0});
    assert_string_equal(json_text(a, "stdout"), "half");
    assert_null(json_object_get(a, "exit_code"));
    assert_null(json_object_get(a, "sent"));
}

static void hangs(struct ws_connection *c)
{
    ws_upgrade(c, NULL, V4);
    ws_message(c, 1, "begun");
    ws_wait(c);
}

static void never_answers(struct ws_connection *c)
{
    ws_wait(c);
}

static void a_hang_ends_with_the_time(void **state)
{
    struct exec_world *w = *state;
    _cleanup_json_ json_t *a = run_script(w, hangs, (struct kube_exec_request){.timeout_ms = 150});
    assert_string_equal(json_text(a, "error"), "timeout");
    assert_non_null(strstr(json_text(a, "message"), "no end within 15"));
    assert_string_equal(json_text(a, "stdout"), "begun");
    assert_null(json_object_get(a, "sent"));
    _cleanup_json_ json_t *b = run_script(w, never_answers, (struct kube_exec_request){.timeout_ms = 150});
    assert_non_null(strstr(json_text(b, "message"), "no answer within 15"));
    assert_null(json_object_get(b, "stdout"));
}

static void wrong_accept(struct ws_connection *c)
{
    ws_upgrade(c, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", V4);
    ws_message(c, 3, SUCCESS);
    ws_close(c);
}

static void wrong_protocol(struct ws_connection *c)
{
    ws_upgrade(c, NULL, "chat");
    ws_message(c, 3, SUCCESS);
    ws_close(c);
}

static void masks(struct ws_connection *c)
{
    ws_upgrade(c, NULL, V4);
    ws_frame(c, 0x82, "\3" SUCCESS, strlen(SUCCESS) + 1, true);
    ws_wait(c);
}

static void too_large(struct ws_connection *c)
{
    const unsigned char head[] = {0x82, 127, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 1};
    ws_upgrade(c, NULL, V4);
    ws_raw(c, head, sizeof(head));
    ws_wait(c);
}

static void reserved(struct ws_connection *c)
{
    ws_upgrade(c, NULL, V4);
    ws_frame(c, 0xc2, "\1x", 2, false); /* RSV1: an extension that nobody agreed on */
    ws_wait(c);
}

static void long_status(struct ws_connection *c)
{
    char piece[8193];
    memset(piece, ' ', sizeof(piece));
    piece[0] = 3;
    ws_upgrade(c, NULL, V4);
    for (int i = 0; i < 20; i++)
        ws_frame(c, 0x82, piece, sizeof(piece), false);
    ws_wait(c);
}

static void speaks_smtp(struct ws_connection *c)
{
    ws_text(c, "220 mail ESMTP\r\n\r\n");
    ws_wait(c);
}

static void endless_head(struct ws_connection *c)
{
    char line[1024];
    memset(line, 'a', sizeof(line));
    ws_text(c, "HTTP/1.1 101 x\r\n");
    for (int i = 0; i < 100; i++)
        ws_raw(c, line, sizeof(line));
    ws_wait(c);
}

static void breaches_end_it(void **state)
{
    expect_error(*state, wrong_accept, "protocol", "Sec-WebSocket-Accept does not belong");
    expect_error(*state, wrong_protocol, "protocol", "none of the subprotocols");
    expect_error(*state, masks, "protocol", "against its protocol");
    expect_error(*state, reserved, "protocol", "against its protocol");
    expect_error(*state, too_large, "too_large", "a WebSocket frame of more than 1048576 bytes");
    expect_error(*state, long_status, "too_large", "more came over the WebSocket than is taken");
    expect_error(*state, speaks_smtp, "protocol", "does not speak HTTP/1.1");
    expect_error(*state, endless_head, "protocol", "the head of the answer does not end");
}

static void refuses(struct ws_connection *c)
{
    static const char body[] = "{\"kind\":\"Status\",\"message\":\"pods \\\"redis-0\\\" is forbidden\",\"code\":403}";
    _cleanup_free_ char *text = xasprintf("HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\n"
                                          "Content-Length: %zu\r\n\r\n%s",
                                          strlen(body), body);
    ws_text(c, text);
    ws_wait(c); /* it keeps the connection */
}

static void refuses_in_chunks(struct ws_connection *c)
{
    ws_text(c, "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{\"kind\":\"Status\"\r\n");
    ws_text(c, "1;x=y\r\n}\r\n0\r\n\r\n");
    ws_wait(c);
}

static void refuses_and_closes(struct ws_connection *c)
{
    ws_text(c, "HTTP/1.1 502 Bad Gateway\r\n\r\n<html>sorry");
}

static void a_refusal_is_an_answer(void **state)
{
    _cleanup_json_ json_t *a = run_script(*state, refuses, (struct kube_exec_request){0});
    assert_int_equal(json_int_or(a, "status", 0), 403);
    assert_non_null(strstr(json_path_text(a, "body", "message", NULL), "forbidden"));
    _cleanup_json_ json_t *b = run_script(*state, refuses_in_chunks, (struct kube_exec_request){0});
    assert_int_equal(json_int_or(b, "status", 0), 404);
    assert_string_equal(json_path_text(b, "body", "kind", NULL), "Status");
    _cleanup_json_ json_t *c = run_script(*state, refuses_and_closes, (struct kube_exec_request){0});
    assert_int_equal(json_int_or(c, "status", 0), 502);
    assert_string_equal(json_text(c, "text"), "<html>sorry");
}

static void cannot_start(struct ws_connection *c)
{
    ws_upgrade(c, NULL, V4);
    ws_message(c, 3,
               strstr(c->head, "command=lost")
                   ? "{\"status\":\"Failure\",\"reason\":\"InternalError\",\"message\":\"the container has gone\"}"
                   : "{\"status\":\"Failure\",\"reason\":\"InternalError\",\"message\":\"OCI runtime exec failed: "
                     "exec: \\\"say\\\": executable file not found in $PATH\"}");
    ws_close(c);
}

static void what_never_started_is_told_from_what_may_have(void **state)
{
    _cleanup_json_ json_t *command = json_pack("[s]", "lost");
    _cleanup_json_ json_t *a = run_script(*state, cannot_start, (struct kube_exec_request){0});
    assert_int_equal(json_int_or(a, "status", 0), 422);
    _cleanup_json_ json_t *b = run_script(*state, cannot_start, (struct kube_exec_request){.command = command});
    assert_int_equal(json_int_or(b, "status", 0), 500);
    assert_string_equal(json_path_text(b, "body", "message", NULL), "the container has gone");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(no_status_is_a_failure),
        T(a_hang_ends_with_the_time),
        T(breaches_end_it),
        T(a_refusal_is_an_answer),
        T(what_never_started_is_told_from_what_may_have),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
