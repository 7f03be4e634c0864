/* Tokens: who may do what, how a secret is found, what a rotation is; the configuration's rules for them. */
#include "../../daemon/web_auth.h"

#include "base/alloc.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct config *load(const char *tokens, struct faults *faults)
{
    char path[] = "/tmp/mendd-tokens-XXXXXX";
    struct config *c = NULL;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    dprintf(fd, "tokens:\n%s", tokens);
    close(fd);
    config_load(path, &c, faults);
    unlink(path);
    return c;
}

static void expect_fault(const char *tokens, const char *words)
{
    _cleanup_(faults_clear) struct faults faults = {0};
    struct config *c = load(tokens, &faults);
    assert_null(c);
    for (size_t i = 0; i < faults.n; i++)
        if (strstr(faults.texts[i], words))
            return;
    fail_msg("no fault says '%s'; the first is: %s", words, faults.n ? faults.texts[0] : "none at all");
}

static const char four[] = "- {name: am, token: webhook-secret-0123, scopes: [webhook]}\n"
                           "- {name: look, token: viewer-secret-01234, scopes: [viewer]}\n"
                           "- {name: oncall, token: approve-secret-0123, scopes: [approve]}\n"
                           "- {name: ops, token: operator-secret-012, scopes: [operator]}\n";

static void test_scopes(void **state)
{
    (void)state;
    static const struct {
        unsigned scope;
        bool allowed[5]; /* as enum access */
    } cases[] = {
        {SCOPE_WEBHOOK, {[ACCESS_WEBHOOK] = true, [ACCESS_OPEN] = true}},
        {SCOPE_VIEWER, {[ACCESS_VIEWER] = true, [ACCESS_OPEN] = true}},
        {SCOPE_APPROVE, {[ACCESS_APPROVE] = true, [ACCESS_VIEWER] = true, [ACCESS_OPEN] = true}},
        {SCOPE_OPERATOR, {true, true, true, true, true}},
        {SCOPE_WEBHOOK | SCOPE_VIEWER, {[ACCESS_WEBHOOK] = true, [ACCESS_VIEWER] = true, [ACCESS_OPEN] = true}},
        {0, {[ACCESS_OPEN] = true}},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        for (enum access a = ACCESS_OPERATOR; a <= ACCESS_OPEN; a++)
            if (auth_allows(cases[i].scope, a) != cases[i].allowed[a])
                fail_msg("scopes %u and a route that wants %s", cases[i].scope, auth_scope(a));
}

static void test_find(void **state)
{
    (void)state;
    _cleanup_(faults_clear) struct faults faults = {0};
    _cleanup_(config_freep) struct config *c = load(four, &faults);
    assert_non_null(c);
    assert_int_equal(c->n_tokens, 4);
    assert_string_equal(auth_find(c, "webhook-secret-0123")->name, "am");
    assert_string_equal(auth_find(c, "operator-secret-012")->name, "ops");
    assert_int_equal(auth_find(c, "viewer-secret-01234")->scopes, SCOPE_VIEWER);
    static const char *const wrong[] = {"", "viewer-secret-0123", "viewer-secret-012345", "Viewer-secret-01234",
                                        "look"};
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_null(auth_find(c, wrong[i]));
    /* the hash of a secret, as it might leak from memory, is no secret */
    assert_null(auth_find(c, c->tokens[1].hashes[0]));
}

static void test_header(void **state)
{
    (void)state;
    assert_string_equal(auth_bearer("Bearer abc"), "abc");
    assert_string_equal(auth_bearer("bearer   abc"), "abc");
    static const char *const none[] = {"", "Bearer", "Bearer ", "Basic abc", "Bearerabc", "abc"};
    assert_null(auth_bearer(NULL));
    for (size_t i = 0; i < ARRAY_SIZE(none); i++)
        assert_null(auth_bearer(none[i]));
}

static void test_origin(void **state)
{
    (void)state;
    assert_true(auth_origin_ok(NULL, "127.0.0.1:9490"));
    assert_true(auth_origin_ok("http://127.0.0.1:9490", "127.0.0.1:9490"));
    assert_true(auth_origin_ok("http://localhost:9490", "LOCALHOST:9490"));
    assert_true(auth_origin_ok("http://[::1]:9490", "[::1]:9490"));
    assert_true(auth_origin_ok("https://mendd.example", "mendd.example"));
    static const char *const foreign[] = {"http://evil.example", "null", "", "http://127.0.0.1:80", "127.0.0.1:9490"};
    for (size_t i = 0; i < ARRAY_SIZE(foreign); i++)
        assert_false(auth_origin_ok(foreign[i], "127.0.0.1:9490"));
    assert_false(auth_origin_ok("http://x", NULL));
}

/* Another site's name that points at this address: the page and the Host agree, and it is no address. */
static void test_host(void **state)
{
    (void)state;
    static const char *const good[] = {"127.0.0.1",      "127.0.0.1:9490", "[::1]:9490",
                                       "[2001:db8::1]",  "192.0.2.1:1",    "localhost",
                                       "LocalHost:9490", "mendd.example",  "mendd.example:443"};
    static const char *const bad[] = {"",
                                      "evil.example",
                                      "evil.example:9490",
                                      "127.0.0.1.evil.example",
                                      "::1",
                                      "[evil]",
                                      "localhost.evil",
                                      "mendd.example.evil",
                                      "0x7f.1",
                                      "mendd.example/.x.y",
                                      "127.1"};
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        if (!auth_host_ok(good[i], "https://mendd.example:8443/path"))
            fail_msg("%s is ours", good[i]);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (auth_host_ok(bad[i], i % 2 ? NULL : "https://mendd.example2"))
            fail_msg("%s is not ours", bad[i]);
    assert_false(auth_host_ok("mendd.example", NULL));
    assert_false(auth_host_ok(NULL, NULL));
}

static void test_basic(void **state)
{
    (void)state;
    char *user = NULL, *password = NULL;
    assert_true(auth_basic("Basic YWxpY2U6YTpi", &user, &password)); /* alice:a:b */
    assert_string_equal(user, "alice");
    assert_string_equal(password, "a:b");
    free(user);
    free(password);
    /* no colon, no user, a NUL, no base64, another scheme */
    static const char *const none[] = {
        "Basic YWxpY2U=", "Basic OmFi", "Basic YQBiOmM=", "Basic ###", "Bearer abc", "Basic"};
    for (size_t i = 0; i < ARRAY_SIZE(none); i++)
        assert_false(auth_basic(none[i], &user, &password));
    assert_false(auth_basic(NULL, &user, &password));
}

/* `users` of the configuration: one of two names, known scopes, nobody twice. */
static void test_users(void **state)
{
    (void)state;
    static const struct {
        const char *list, *words;
    } bad[] = {
        {"- {name: a, certificate: b, scopes: [viewer]}\n", "either \"name\" or \"certificate\""},
        {"- {scopes: [viewer]}\n", "either \"name\" or \"certificate\""},
        {"- {name: a, scopes: [viewer]}\n- {name: a, scopes: [webhook]}\n", "already"},
        {"- {name: a, scopes: [admin]}\n", "a scope is webhook"},
        {"- {name: a, scopes: []}\n", "opens nothing"},
        {"- {name: a}\n", "needs \"scopes\""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        _cleanup_(faults_clear) struct faults faults = {0};
        _cleanup_free_ char *text = xasprintf("%susers:\n%s", four, bad[i].list);
        assert_null(load(text, &faults));
        if (!strstr(faults.texts[0], bad[i].words))
            fail_msg("'%s' is not in: %s", bad[i].words, faults.texts[0]);
    }
    _cleanup_(faults_clear) struct faults faults = {0};
    _cleanup_free_ char *text = xasprintf("%susers:\n- {name: a, scopes: [viewer, approve]}\n"
                                          "- {certificate: a, scopes: [webhook]}\n",
                                          four);
    _cleanup_(config_freep) struct config *c = load(text, &faults);
    assert_non_null(c);
    assert_int_equal(c->n_users, 2);
    assert_int_equal(c->users[0].scopes, SCOPE_VIEWER | SCOPE_APPROVE);
    assert_string_equal(c->users[1].certificate, "a");
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* Old and new beside each other, then the new one alone: that is a rotation without a gap. */
static void test_rotation(void **state)
{
    (void)state;
    char path[] = "/tmp/mendd-secret-XXXXXX";
    close(mkstemp(path));
    _cleanup_free_ char *yaml = xasprintf("- {name: am, token_file: %s, scopes: [webhook]}\n", path);
    static const char *const steps[] = {"old-secret-0123456\n", "old-secret-0123456\r\n\nnew-secret-0123456",
                                        "new-secret-0123456\n"};
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        _cleanup_(faults_clear) struct faults faults = {0};
        _cleanup_(config_freep) struct config *c = load(yaml, &faults);
        assert_non_null(c);
        write_file(path, steps[i]);
        assert_null(auth_find(c, "old-secret-0123456")); /* not read yet */
        assert_int_equal(config_read_tokens(c, &faults), 0);
        assert_int_equal(auth_find(c, "old-secret-0123456") != NULL, i < 2);
        assert_int_equal(auth_find(c, "new-secret-0123456") != NULL, i > 0);
    }
    unlink(path);
}

static void expect_file_fault(const char *content, const char *words)
{
    char path[] = "/tmp/mendd-secret-XXXXXX";
    close(mkstemp(path));
    _cleanup_free_ char *yaml = xasprintf("- {name: am, token_file: %s, scopes: [webhook]}\n", path);
    _cleanup_(faults_clear) struct faults faults = {0};
    _cleanup_(config_freep) struct config *c = load(yaml, &faults);
    if (content)
        write_file(path, content);
    else
        unlink(path);
    assert_true(config_read_tokens(c, &faults) < 0);
    assert_int_equal(faults.n, 1);
    if (!strstr(faults.texts[0], words) || !strstr(faults.texts[0], "token \"am\""))
        fail_msg("'%s' is not in: %s", words, faults.texts[0]);
    if (content && *content && strstr(faults.texts[0], "hush"))
        fail_msg("the secret stands in: %s", faults.texts[0]);
    unlink(path);
}

static void test_files(void **state)
{
    (void)state;
    expect_file_fault(NULL, "No such file");
    expect_file_fault("", "is empty");
    expect_file_fault("\n\n", "is empty");
    expect_file_fault("hush-hush\n", "shorter than 16");
    expect_file_fault("hush hush hush hush\n", "a blank");
    expect_file_fault("good-secret-0123456\nhush\n", "shorter than 16");
}

static void test_faults(void **state)
{
    (void)state;
    expect_fault("- {name: a, token: short, scopes: [viewer]}\n", "shorter than 16");
    expect_fault("- {name: a, scopes: [viewer]}\n", "either \"token\" or \"token_file\"");
    expect_fault("- {name: a, token: abcdefghijklmnopq, token_file: /x, scopes: [viewer]}\n", "either \"token\"");
    expect_fault("- {name: a, token: abcdefghijklmnopq, scopes: [viewr]}\n", "(did you mean \"viewer\")");
    expect_fault("- {name: a, token: abcdefghijklmnopq, scopes: []}\n", "opens nothing");
    expect_fault("- {name: a, token: abcdefghijklmnopq}\n", "scopes");
    expect_fault("- {token: abcdefghijklmnopq, scopes: [viewer]}\n", "name");
    expect_fault("- {name: a, token: abcdefghijklmnopq, scopes: [viewer], role: x}\n", "role");
    expect_fault("- {name: a, token: abcdefghijklmnopq, scopes: [viewer]}\n"
                 "- {name: a, token: qponmlkjihgfedcba, scopes: [viewer]}\n",
                 "there is a token \"a\" already");
    expect_fault("  {}\n", "tokens");
    expect_fault("  []\n", "1 to 1000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scopes), cmocka_unit_test(test_find),     cmocka_unit_test(test_header),
        cmocka_unit_test(test_origin), cmocka_unit_test(test_host),     cmocka_unit_test(test_basic),
        cmocka_unit_test(test_users),  cmocka_unit_test(test_rotation), cmocka_unit_test(test_files),
        cmocka_unit_test(test_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
