/* Webhook bodies: what is 200, 400 and 413, and what each alert of a body becomes. */
#include "base/alloc.h"
#include "base/strbuf.h"
#include "engine/parser.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct parsed *parse(const char *text)
{
    return parse_body(xstrdup(text), strlen(text), (struct now){.wall_us = INT64_C(1767607200) * USEC_PER_SEC});
}

static void expect_status(const char *text, int status, const char *words)
{
    _cleanup_(parsed_freep) struct parsed *p = parse(text);
    if (p->status != status)
        fail_msg("%s: status %d, expected %d (%s)", text, p->status, status, error_message(&p->err));
    if (words && !strstr(error_message(&p->err), words))
        fail_msg("%s: '%s' does not say '%s'", text, error_message(&p->err), words);
}

static void one_alert_is_its_own_row(void **state _unused_)
{
    _cleanup_(parsed_freep) struct parsed *p = parse("{\"status\":\"firing\",\"alerts\":[{\"labels\":{\"alertname\":"
                                                     "\"A\"},\"startsAt\":\"2026-01-05T10:00:00Z\"}]}");
    assert_int_equal(p->status, 200);
    assert_int_equal(p->n, 1);
    assert_null(p->alerts[0].row);
    assert_true(p->unread); /* its alert is built when it is decided */
    assert_null(p->alerts[0].waiting->alert);
    assert_non_null(p->body);
}

static void one_unusual_alert_is_built_at_once(void **state _unused_)
{
    _cleanup_(parsed_freep) struct parsed *p = parse("{\"status\":\"firing\",\"truncatedAlerts\":2,\"alerts\":[{"
                                                     "\"labels\":{\"alertname\":\"A\"}}]}");
    assert_int_equal(p->status, 200);
    assert_int_equal(p->truncated, 2);
    assert_false(p->unread);
    assert_non_null(p->alerts[0].waiting->alert);
}

static void rows_of_several_alerts_can_be_read_again(void **state _unused_)
{
    _cleanup_(parsed_freep) struct parsed *p = parse("{\"status\":\"resolved\",\"alerts\":[{\"labels\":{\"alertname\":"
                                                     "\"A\"}},{\"labels\":{\"alertname\":\"B\"}},{\"labels\":3}]}");
    assert_int_equal(p->status, 200);
    assert_int_equal(p->n, 3);
    assert_int_equal(p->n_malformed, 1);
    for (size_t i = 0; i < 2; i++) {
        struct waiting *again = waiting_from_row(7, INBOX_ALERT, 0, p->alerts[i].row, p->alerts[i].row_len);
        assert_non_null(again->alert);
        assert_string_equal(again->alert->fingerprint, p->alerts[i].waiting->alert->fingerprint);
        assert_false(again->alert->firing);
        waiting_free(again);
    }
    struct waiting *bad = waiting_from_row(8, INBOX_ALERT, 0, p->alerts[2].row, p->alerts[2].row_len);
    assert_null(bad->alert);
    assert_non_null(bad->why);
    waiting_free(bad);
}

static void what_is_no_webhook_is_400(void **state _unused_)
{
    expect_status("", 400, "not valid JSON");
    expect_status("{", 400, "not valid JSON");
    expect_status("[]", 400, NULL);
    expect_status("{}", 400, NULL);
    expect_status("{\"alerts\":[]}", 400, NULL);
    expect_status("{\"alerts\":{}}", 400, NULL);
    expect_status("{\"alerts\":[{}]}", 400, "not one of the 1 alerts is valid");
    expect_status("{\"alerts\":[\"x\",3,null]}", 400, "not one of the 3 alerts is valid");
    expect_status("{\"alerts\":[{\"labels\":{\"alertname\":\"\xff\"}}]}", 400, "not valid JSON");
}

static void a_nul_spoils_its_alert_only(void **state _unused_)
{
    _cleanup_(parsed_freep) struct parsed *p = parse(
        "{\"alerts\":[{\"labels\":{\"alertname\":\"A\",\"pod\":\"x\\u0000y\"}},{\"labels\":{\"alertname\":\"B\"}}]}");
    assert_int_equal(p->status, 200);
    assert_int_equal(p->n_malformed, 1);
    assert_string_equal(p->alerts[0].waiting->why, "a text holds a NUL character");
}

static void too_many_containers_are_413_before_they_are_parsed(void **state _unused_)
{
    struct strbuf b = STRBUF_INIT;
    strbuf_puts(&b, "{\"alerts\":[{}");
    for (size_t i = 0; i < 400 * 1000; i++)
        strbuf_puts(&b, ",{}");
    strbuf_puts(&b, "]}");
    size_t len = b.len;
    _cleanup_(parsed_freep) struct parsed *p = parse_body(strbuf_take(&b), len, (struct now){0});
    assert_int_equal(p->status, 413);
}

static void a_long_list_is_no_webhook(void **state _unused_)
{
    struct strbuf b = STRBUF_INIT;
    strbuf_puts(&b, "[{}");
    for (size_t i = 0; i < 400 * 1000; i++)
        strbuf_puts(&b, ",{}");
    strbuf_putc(&b, ']');
    size_t len = b.len;
    _cleanup_(parsed_freep) struct parsed *p = parse_body(strbuf_take(&b), len, (struct now){0});
    assert_int_equal(p->status, 400);
}

static void braces_inside_texts_do_not_count(void **state _unused_)
{
    struct strbuf b = STRBUF_INIT;
    strbuf_puts(&b, "{\"alerts\":[{\"labels\":{\"alertname\":\"A\"},\"annotations\":{\"d\":\"\\\"");
    for (size_t i = 0; i < 15 * 1000; i++)
        strbuf_puts(&b, "{[{[{[{[{[{[{[{[{[{[{[");
    strbuf_puts(&b, "\"}}]}");
    size_t len = b.len;
    _cleanup_(parsed_freep) struct parsed *p = parse_body(strbuf_take(&b), len, (struct now){0});
    assert_int_not_equal(p->status, 413);
}

static void deep_nesting_is_an_error(void **state _unused_)
{
    struct strbuf b = STRBUF_INIT;
    strbuf_puts(&b, "{\"alerts\":");
    for (size_t i = 0; i < 100 * 1000; i++)
        strbuf_putc(&b, '[');
    size_t len = b.len;
    _cleanup_(parsed_freep) struct parsed *p = parse_body(strbuf_take(&b), len, (struct now){0});
    assert_int_equal(p->status, 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_alert_is_its_own_row),
        cmocka_unit_test(one_unusual_alert_is_built_at_once),
        cmocka_unit_test(rows_of_several_alerts_can_be_read_again),
        cmocka_unit_test(what_is_no_webhook_is_400),
        cmocka_unit_test(a_nul_spoils_its_alert_only),
        cmocka_unit_test(too_many_containers_are_413_before_they_are_parsed),
        cmocka_unit_test(a_long_list_is_no_webhook),
        cmocka_unit_test(braces_inside_texts_do_not_count),
        cmocka_unit_test(deep_nesting_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
