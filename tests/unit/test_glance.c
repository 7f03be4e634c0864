/* What is known at a glance is never wrong: whatever it accepts, the parser takes as one valid alert. */
#include "base/alloc.h"
#include "base/file.h"
#include "engine/glance.h"
#include "engine/internal.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char usual[] =
    "{\"receiver\":\"mendd\",\"status\":\"firing\",\"alerts\":[{\"status\":\"firing\",\"labels\":{\"alertname\":"
    "\"Down\",\"pod\":\"a-1\"},\"annotations\":{\"summary\":\"caf\xc3\xa9 \\\"x\\\" \\u0026 \\n\"},\"startsAt\":"
    "\"2026-01-05T10:00:00.123Z\",\"endsAt\":\"0001-01-01T00:00:00Z\",\"generatorURL\":\"http://p/g?a=1\\u0026b\","
    "\"fingerprint\":\"ab77f3e4ba5f2517\"}],\"groupLabels\":{},\"commonLabels\":{\"x\":\"y\"},\"version\":\"4\","
    "\"more\":[1,-20,true,false,null,[],{}],\"groupKey\":\"{}:{a=\\\"b\\\"}\",\"truncatedAlerts\":0}";

static bool parser_takes_it(const char *body, size_t len)
{
    _cleanup_json_ json_t *document = json_loadb(body, len, JSON_ALLOW_NUL, NULL);
    _cleanup_error_ struct error err = ERROR_NONE;
    struct payload payload;
    if (!document || payload_from_json(document, &payload, &err) < 0)
        return false;
    if (json_array_size(payload.alerts) != 1 || payload.truncated)
        return false;
    struct waiting *w = waiting_from_row(1, INBOX_PAYLOAD, 1, body, len);
    const bool valid = w->alert;
    waiting_free(w);
    return valid;
}

static bool glance(const char *body)
{
    const size_t len = strlen(body);
    char *exact = xmalloc(len); /* its end is where a read too far shows */
    memcpy(exact, body, len);
    const bool yes = glance_is_one_alert(exact, len);
    free(exact);
    if (yes && !parser_takes_it(body, len))
        fail_msg("accepted at a glance, but the parser does not: %s", body);
    return yes;
}

#define ALERT(members) "{\"alerts\":[{" members "}]}"
#define LABELS "\"labels\":{\"a\":\"b\"}"

static void the_usual_is_known(void **state _unused_)
{
    static const char *const bodies[] = {
        usual,
        ALERT(LABELS),
        " { \"alerts\" : [ { " LABELS " } ] } \n",
        ALERT(LABELS ",\"annotations\":null,\"startsAt\":null,\"endsAt\":\"\",\"status\":null,\"fingerprint\":null"),
        ALERT(LABELS ",\"startsAt\":\"2026-01-31T23:59:60.5+05:30\",\"status\":\"resolved\",\"x\":{\"y\":[[]]}"),
        "{\"status\":7,\"truncatedAlerts\":-0,\"alerts\":[{" LABELS "}]}",
    };
    for (size_t i = 0; i < ARRAY_SIZE(bodies); i++)
        if (!glance(bodies[i]))
            fail_msg("not known at a glance: %s", bodies[i]);
}

static void the_rest_is_the_parsers(void **state _unused_)
{
    static const char *const bodies[] = {
        "",
        "{",
        "[]",
        "{}",
        "null",
        "{\"alerts\":[]}",
        "{\"alerts\":[{}]}",
        ALERT("\"labels\":{}"),
        ALERT("\"labels\":{\"a\":1}"),
        ALERT("\"labels\":{\"\":\"b\"}"),
        ALERT("\"labels\":null"),
        "{\"alerts\":[{" LABELS "},{" LABELS "}]}",
        ALERT(LABELS) "x",
        ALERT(LABELS ","),
        "{\"alerts\":[{" LABELS "}],}",
        "{\"alerts\":[{" LABELS "}]",
        "{\"alerts\":[{" LABELS "},]}",
        ALERT("\"labels\":{\"a\":\"\\u0000\"}"),
        ALERT("\"labels\":{\"a\":\"\\ud800\"}"),
        ALERT("\"labels\":{\"a\":\"\\x\"}"),
        ALERT("\"labels\":{\"a\":\"\xff\"}"),
        ALERT("\"labels\":{\"a\":\"\n\"}"),
        ALERT("\"labels\":{\"a\":\"\xed\xa0\x80\"}"),
        ALERT("\"labels\":{\"a\":\"b\"\"c\":\"d\"}"),
        ALERT(LABELS ",\"status\":\"burning\""),
        ALERT(LABELS ",\"status\":1"),
        ALERT(LABELS ",\"startsAt\":1"),
        ALERT(LABELS ",\"startsAt\":\"yesterday\""),
        ALERT(LABELS ",\"startsAt\":\"2026-13-05T10:00:00Z\""),
        ALERT(LABELS ",\"startsAt\":\"2026-01-00T10:00:00Z\""),
        ALERT(LABELS ",\"startsAt\":\"2026-01-05T10:00:00.Z\""),
        ALERT(LABELS ",\"startsAt\":\"2026-01-05T10:00:00\""),
        ALERT(LABELS ",\"annotations\":[]"),
        ALERT(LABELS ",\"generatorURL\":1"),
        ALERT(LABELS ",\"x\":01"),
        ALERT(LABELS ",\"x\":-"),
        ALERT(LABELS ",\"x\":1e5"),
        ALERT(LABELS ",\"x\":99999999999999999999"),
        ALERT(LABELS ",\"x\":nul"),
        ALERT(LABELS ",\"l\\u0061bels\":7"),
        "{\"truncatedAlerts\":3,\"alerts\":[{" LABELS "}]}",
        ALERT(LABELS ",\"x\":[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]"),
    };
    for (size_t i = 0; i < ARRAY_SIZE(bodies); i++)
        if (glance(bodies[i]))
            fail_msg("taken for one valid alert: %s", bodies[i]);
}

static void limits_are_the_parsers(void **state _unused_)
{
    char *value = xmalloc(ALERT_MAX_VALUE + 2);
    memset(value, 'x', ALERT_MAX_VALUE + 1);
    value[ALERT_MAX_VALUE + 1] = '\0';
    _cleanup_free_ char *over = xasprintf(ALERT("\"labels\":{\"a\":\"%s\"}"), value);
    assert_false(glance(over));
    value[ALERT_MAX_VALUE] = '\0';
    _cleanup_free_ char *just = xasprintf(ALERT("\"labels\":{\"a\":\"%s\"}"), value);
    assert_true(glance(just));
    value[ALERT_MAX_NAME + 1] = '\0';
    _cleanup_free_ char *name = xasprintf(ALERT("\"labels\":{\"%s\":\"b\"}"), value);
    assert_false(glance(name));
    free(value);
}

static uint32_t random_next(uint32_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 17;
    return *x ^= *x << 5;
}

/* One to three bytes changed, left out or doubled. */
static size_t spoil(char *body, size_t len, uint32_t *x)
{
    static const char likely[] = "{}[]\",:\\u0123456789eE.-+truefalsn \t\xc3\xa9\xff\x01Z";
    for (uint32_t i = random_next(x) % 3 + 1; i > 0 && len > 1; i--) {
        const size_t at = random_next(x) % len;
        const uint32_t how = random_next(x) % 4;
        if (how == 0) {
            memmove(body + at, body + at + 1, --len - at);
        } else if (how == 1) {
            memmove(body + at + 1, body + at, len++ - at);
        } else {
            body[at] = how == 2 ? likely[random_next(x) % (sizeof(likely) - 1)] : (char)random_next(x);
        }
    }
    return len;
}

/* A wrong yes would be an answered webhook that is no alert. */
static void spoilt_bodies_are_never_wrongly_accepted(void **state _unused_)
{
    uint32_t x = 2463534242u;
    size_t accepted = 0;
    const size_t len = strlen(usual);
    for (int i = 0; i < 60000; i++) {
        char *body = xmalloc(len + 3);
        memcpy(body, usual, len);
        const size_t n = spoil(body, len, &x);
        if (glance_is_one_alert(body, n)) {
            accepted++;
            if (!parser_takes_it(body, n))
                fail_msg("accepted at a glance, but the parser does not: %.*s", (int)n, body);
        }
        free(body);
    }
    assert_in_range(accepted, 5000, 55000);
}

static void payloads_of_real_senders(void **state _unused_)
{
    DIR *d = opendir("tests/data/payloads");
    assert_non_null(d);
    for (struct dirent *entry; (entry = readdir(d));) {
        if (!strstr(entry->d_name, ".json"))
            continue;
        _cleanup_free_ char *path = xasprintf("tests/data/payloads/%s", entry->d_name), *text = NULL;
        size_t len = 0;
        _cleanup_error_ struct error err = ERROR_NONE;
        assert_int_equal(file_read(path, 1 << 20, &text, &len, &err), 0);
        glance(text);
    }
    closedir(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_usual_is_known),       cmocka_unit_test(the_rest_is_the_parsers),
        cmocka_unit_test(limits_are_the_parsers),   cmocka_unit_test(spoilt_bodies_are_never_wrongly_accepted),
        cmocka_unit_test(payloads_of_real_senders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
