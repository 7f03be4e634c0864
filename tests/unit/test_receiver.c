/* Receivers as values: addresses of mail servers and people, and when a mail may leave without TLS. */
#include "base/alloc.h"
#include "base/text.h"
#include "notify/receiver.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_smarthosts(void **state _unused_)
{
    static const char *const good[][2] = {{"mail.example.com:25", "mail.example.com"}, {"[::1]:2525", "::1"}};
    static const char *const bad[] = {"",       ":25",    "host",   "host:", "host:0", "host:70000",
                                      "a b:25", "u@h:25", "h:25/x", "-h:25", "::1:25", NULL};
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        _cleanup_free_ char *host = NULL;
        int port = 0;
        assert_int_equal(smarthost_parse(good[i][0], &host, &port, NULL), 0);
        assert_string_equal(host, good[i][1]);
        assert_true(port == 25 || port == 2525);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        char *host = NULL;
        int port;
        assert_int_equal(smarthost_parse(bad[i], &host, &port, NULL), -EINVAL);
    }
}

static bool requires(const char *smarthost, enum receiver_tls tls, const char *username)
{
    struct receiver r = {.kind = RECEIVER_EMAIL};
    r.email.smarthost = (char *)smarthost;
    r.email.tls = tls;
    r.email.username = (char *)username;
    return receiver_requires_tls(&r);
}

static void test_when_tls_is_required(void **state _unused_)
{
    static const char *const loopback[] = {"127.0.0.1:25", "localhost:25", "[::1]:25", "127.9.9.9:25"};
    static const char *const far[] = {"mail.example.com:25", "127.example.com:25", "10.0.0.1:25", "no port"};
    for (size_t i = 0; i < ARRAY_SIZE(loopback); i++) {
        assert_false(requires(loopback[i], RECEIVER_TLS_AUTO, NULL));
        assert_false(requires(loopback[i], RECEIVER_TLS_AUTO, "u"));
        assert_true(requires(loopback[i], RECEIVER_TLS_REQUIRED, NULL));
        assert_true(requires(far[i], RECEIVER_TLS_AUTO, NULL));
        assert_false(requires(far[i], RECEIVER_TLS_OPPORTUNISTIC, NULL));
        assert_true(requires(far[i], RECEIVER_TLS_OPPORTUNISTIC, "u")); /* no password in clear text over a network */
    }
}

static void test_mailboxes(void **state _unused_)
{
    static const char *const good[][3] = {{"a@example.com", NULL, "a@example.com"},
                                          {"On Call <a.b+c@x-y.example>", "On Call", "a.b+c@x-y.example"},
                                          {"\"Doe, Jane\" <j@example.com>", "Doe, Jane", "j@example.com"},
                                          {"root@localhost", NULL, "root@localhost"}};
    static const char *const bad[] = {"",
                                      "a",
                                      "@b",
                                      "a@",
                                      "a@b c",
                                      "a b@c",
                                      "a@b\r\nX: y",
                                      "a@b>",
                                      "<a@b",
                                      "a@b, c@d",
                                      "N\r\nX: y <a@b>",
                                      "N <a@b> x",
                                      "a@.b",
                                      "a@b..c",
                                      "\xc3\xa4@b",
                                      NULL};
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        _cleanup_free_ char *name = NULL, *address = NULL;
        assert_int_equal(mailbox_parse(good[i][0], &name, &address, NULL), 0);
        assert_true(str_eq(name, good[i][1]));
        assert_string_equal(address, good[i][2]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        char *name = NULL, *address = NULL;
        _cleanup_error_ struct error err = ERROR_NONE;
        if (mailbox_parse(bad[i], &name, &address, &err) != -EINVAL)
            fail_msg("'%s' was taken for an address", bad[i]);
        assert_non_null(err.message);
    }
}

static void test_copies(void **state _unused_)
{
    struct receiver a, b;
    receiver_init(&a, RECEIVER_EMAIL);
    a.name = xstrdup("oncall");
    a.email.to = xcalloc(3, sizeof(char *));
    a.email.to[0] = xstrdup("ops@example.com");
    a.email.to[1] = xstrdup("second@example.com");
    a.email.password = xstrdup("hunter2");
    receiver_copy(&b, &a);
    receiver_clear(&a);
    assert_null(a.name);
    assert_string_equal(b.name, "oncall");
    assert_string_equal(b.email.password, "hunter2");
    assert_string_equal(b.email.to[1], "second@example.com");
    assert_null(b.email.to[2]);
    assert_true(b.send_resolved);
    assert_string_equal(receiver_kind_name(b.kind), "email");
    receiver_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_smarthosts), cmocka_unit_test(test_when_tls_is_required),
                                       cmocka_unit_test(test_mailboxes), cmocka_unit_test(test_copies)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
