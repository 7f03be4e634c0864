/* Alerts as senders really send them. */
#include "base/alloc.h"
#include "base/file.h"
#include "core/alert.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct now noon = {.wall_us = INT64_C(1767607200) * USEC_PER_SEC}; /* 2026-01-05T10:00:00Z */

static json_t *parse(const char *text)
{
    json_t *j = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(j);
    return j;
}

static struct alert *alert(const char *text, const char *payload_status)
{
    _cleanup_json_ json_t *j = parse(text);
    _cleanup_error_ struct error err = ERROR_NONE;
    struct alert *a = alert_from_json(j, payload_status, noon, &err);
    if (!a)
        fail_msg("%s: %s", text, error_message(&err));
    return a;
}

static void expect_malformed(const char *text, const char *words)
{
    _cleanup_json_ json_t *j = parse(text);
    _cleanup_error_ struct error err = ERROR_NONE;
    assert_null(alert_from_json(j, NULL, noon, &err));
    if (!strstr(error_message(&err), words))
        fail_msg("'%s' does not say '%s'", error_message(&err), words);
}

static void fingerprint_is_alertmanagers(void **state _unused_)
{
    _cleanup_(alert_freep) struct alert *a = alert("{\"labels\":{\"severity\":\"critical\",\"alertname\":"
                                                   "\"HeldOutDown\",\"namespace\":\"held-x\",\"deployment\":\"api\"},"
                                                   "\"fingerprint\":\"something else\"}",
                                                   NULL);
    assert_string_equal(a->fingerprint, "ab77f3e4ba5f2517");
    assert_string_equal(a->sent_fingerprint, "something else");
}

static void status_falls_back_to_the_payload_and_the_end(void **state _unused_)
{
    static const struct {
        const char *text, *payload;
        bool firing;
    } cases[] = {
        {"{\"labels\":{\"a\":\"b\"},\"status\":\"resolved\"}", "firing", false},
        {"{\"labels\":{\"a\":\"b\"},\"status\":\"firing\"}", "resolved", true},
        {"{\"labels\":{\"a\":\"b\"}}", "resolved", false},
        {"{\"labels\":{\"a\":\"b\"}}", NULL, true},
        {"{\"labels\":{\"a\":\"b\"},\"endsAt\":\"2026-01-05T09:00:00Z\"}", "firing", false},
        {"{\"labels\":{\"a\":\"b\"},\"endsAt\":\"2026-01-05T11:00:00Z\"}", "firing", true},
        {"{\"labels\":{\"a\":\"b\"},\"endsAt\":\"0001-01-01T00:00:00Z\"}", "firing", true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_(alert_freep) struct alert *a = alert(cases[i].text, cases[i].payload);
        if (a->firing != cases[i].firing)
            fail_msg("case %zu", i);
    }
}

static void times_with_offsets_and_nanoseconds(void **state _unused_)
{
    _cleanup_(alert_freep) struct alert *a = alert("{\"labels\":{\"a\":\"b\"},\"startsAt\":\"2018-03-07T06:33:21."
                                                   "873077559-05:00\",\"endsAt\":\"0001-01-01T00:00:00Z\"}",
                                                   NULL);
    assert_int_equal(a->starts_us, INT64_C(1520422401873077));
    assert_int_equal(a->ends_us, 0);
}

static void what_spoils_an_alert(void **state _unused_)
{
    expect_malformed("3", "no map");
    expect_malformed("{}", "labels");
    expect_malformed("{\"labels\":{}}", "labels");
    expect_malformed("{\"labels\":[\"a\"]}", "labels");
    expect_malformed("{\"labels\":{\"a\":1}}", "the value of \"a\" is no text");
    expect_malformed("{\"labels\":{\"\":\"x\"}}", "a name is empty");
    expect_malformed("{\"labels\":{\"a\":\"b\"},\"annotations\":3}", "annotations");
    expect_malformed("{\"labels\":{\"a\":\"b\"},\"startsAt\":\"yesterday\"}", "startsAt");
    expect_malformed("{\"labels\":{\"a\":\"b\"},\"startsAt\":7}", "startsAt");
    expect_malformed("{\"labels\":{\"a\":\"b\"},\"status\":\"odd\"}", "neither firing nor resolved");
    expect_malformed("{\"labels\":{\"a\":\"b\"},\"status\":{\"state\":\"active\"}}", "status: no text");
}

static void a_label_value_is_bounded(void **state _unused_)
{
    _cleanup_json_ json_t *j = json_pack("{s:{s:s}}", "labels", "alertname", "A");
    _cleanup_free_ char *big = xmalloc(1 << 20);
    memset(big, 'x', 1 << 20);
    json_object_set_new(json_object_get(j, "labels"), "pod", json_stringn(big, (1 << 20) - 1));
    _cleanup_error_ struct error err = ERROR_NONE;
    assert_null(alert_from_json(j, NULL, noon, &err));
    assert_int_equal(err.code, -E2BIG);
}

static void records_can_be_read_back(void **state _unused_)
{
    _cleanup_(alert_freep) struct alert *a =
        alert("{\"labels\":{\"alertname\":\"A\",\"pod\":\"p\"},\"annotations\":{\"summary\":\"s\"},"
              "\"startsAt\":\"2026-01-05T09:00:00Z\",\"generatorURL\":\"http://x\"}",
              "firing");
    _cleanup_json_ json_t *record = alert_to_json(a);
    _cleanup_(alert_freep) struct alert *b = alert_from_record(record);
    _cleanup_json_ json_t *again = alert_to_json(b);
    assert_true(json_equal(record, again));
    assert_string_equal(alert_name(b), "A");
}

static void payloads_of_real_senders(void **state _unused_)
{
    DIR *dir = opendir("tests/data/payloads");
    assert_non_null(dir);
    size_t files = 0;
    for (struct dirent *d; (d = readdir(dir));) {
        if (!strstr(d->d_name, ".json"))
            continue;
        _cleanup_error_ struct error err = ERROR_NONE;
        _cleanup_free_ char *path = xasprintf("tests/data/payloads/%s", d->d_name), *text = NULL;
        size_t len;
        assert_int_equal(file_read(path, 1 << 20, &text, &len, &err), 0);
        _cleanup_json_ json_t *document = json_loadb(text, len, 0, NULL);
        struct payload payload;
        assert_int_equal(payload_from_json(document, &payload, &err), 0);
        size_t i;
        json_t *element;
        json_array_foreach (payload.alerts, i, element) {
            _cleanup_(alert_freep) struct alert *a = alert_from_json(element, payload.status, noon, &err);
            if (!a)
                fail_msg("%s: %s", path, error_message(&err));
            assert_true(a->firing);
            assert_true(a->starts_us > 0);
        }
        files++;
    }
    closedir(dir);
    assert_true(files >= 7);
}

static void what_is_no_payload(void **state _unused_)
{
    static const char *const texts[] = {"[]", "{}", "{\"alerts\":{}}", "{\"alerts\":[]}", "{\"alerts\":\"x\"}"};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        _cleanup_json_ json_t *j = parse(texts[i]);
        struct payload p;
        _cleanup_error_ struct error err = ERROR_NONE;
        assert_int_equal(payload_from_json(j, &p, &err), -EBADMSG);
    }
}

static void names_of_its_own(void **state _unused_)
{
    assert_true(alert_name_is_internal("MenddStorm"));
    assert_false(alert_name_is_internal("MenddDown"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fingerprint_is_alertmanagers),
        cmocka_unit_test(status_falls_back_to_the_payload_and_the_end),
        cmocka_unit_test(times_with_offsets_and_nanoseconds),
        cmocka_unit_test(what_spoils_an_alert),
        cmocka_unit_test(a_label_value_is_bounded),
        cmocka_unit_test(records_can_be_read_back),
        cmocka_unit_test(payloads_of_real_senders),
        cmocka_unit_test(what_is_no_payload),
        cmocka_unit_test(names_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
