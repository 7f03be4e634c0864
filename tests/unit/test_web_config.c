/* exporter-toolkit's web configuration as it is read: values, defaults, and what GnuTLS is told. */
#include "config/web_config.h"

#include "base/alloc.h"
#include "base/text.h"

#include <gnutls/gnutls.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define HASH "$2y$10$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyz01234"
#define TLS "tls_server_config:\n  cert_file: tls.crt\n  key_file: /etc/tls.key\n"

static struct web_config *load(const char *text, struct faults *faults)
{
    char path[] = "/tmp/mendd-web-config-XXXXXX";
    struct web_config *c = NULL;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    dprintf(fd, "%s", text);
    close(fd);
    web_config_load(path, &c, faults);
    unlink(path);
    return c;
}

static struct web_config *good(const char *text)
{
    _cleanup_(faults_clear) struct faults faults = {0};
    struct web_config *c = load(text, &faults);
    if (!c)
        fail_msg("%s\n%s", text, faults.texts[0]);
    return c;
}

static void an_empty_file_asks_nothing_of_anybody(void **state)
{
    (void)state;
    _cleanup_(web_config_freep) struct web_config *c = good("\n");
    assert_false(c->tls || c->n_users > 0 || web_config_verifies(c));
}

static void the_defaults_of_tls(void **state)
{
    (void)state;
    _cleanup_(web_config_freep) struct web_config *c = good(TLS);
    assert_true(c->tls);
    assert_string_equal(c->cert_file, "/tmp/tls.crt"); /* beside the file */
    assert_string_equal(c->key_file, "/etc/tls.key");
    assert_int_equal(c->client_auth, CLIENT_NONE);
    assert_false(web_config_verifies(c));
    gnutls_priority_t p;
    assert_int_equal(gnutls_priority_init(&p, c->priority, NULL), 0);
    gnutls_priority_deinit(p);
}

/* Which suites GnuTLS makes of it, by their own names. */
static char *suites_new(const char *priority)
{
    struct strbuf b = STRBUF_INIT;
    gnutls_priority_t p;
    unsigned index;
    assert_int_equal(gnutls_priority_init(&p, priority, NULL), 0);
    for (unsigned i = 0; i < 200; i++) {
        gnutls_protocol_t version;
        const char *name = gnutls_priority_get_cipher_suite_index(p, i, &index) >= 0
                               ? gnutls_cipher_suite_info(index, NULL, NULL, NULL, NULL, &version)
                               : NULL;
        if (name)
            strbuf_printf(&b, "%s ", name);
    }
    gnutls_priority_deinit(p);
    return strbuf_take(&b);
}

static void the_chosen_suites_and_no_others(void **state)
{
    (void)state;
    static const struct {
        const char *text, *suites;
    } cases[] = {
        {"  max_version: TLS12\n  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]\n",
         "TLS_ECDHE_RSA_AES_128_GCM_SHA256 "},
        {"  max_version: TLS12\n  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA]\n",
         "TLS_ECDHE_RSA_AES_256_CBC_SHA1 "},
        {"  cipher_suites: [TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256]\n",
         "TLS_CHACHA20_POLY1305_SHA256 TLS_ECDHE_ECDSA_CHACHA20_POLY1305 "},
        {"  min_version: TLS13\n  curve_preferences: [X25519]\n",
         "TLS_AES_256_GCM_SHA384 TLS_CHACHA20_POLY1305_SHA256 TLS_AES_128_GCM_SHA256 TLS_AES_128_CCM_SHA256 "},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_free_ char *text = xasprintf("%s%s", TLS, cases[i].text);
        _cleanup_(web_config_freep) struct web_config *c = good(text);
        _cleanup_free_ char *suites = suites_new(c->priority);
        assert_string_equal(suites, cases[i].suites);
    }
    _cleanup_(web_config_freep) struct web_config *c = good(TLS);
    _cleanup_free_ char *suites = suites_new(c->priority);
    assert_null(strstr(suites, "CBC")); /* the default: nothing without forward secrecy or authenticated encryption */
    assert_null(strstr(suites, "TLS_RSA_"));
}

static void every_client_auth_type(void **state)
{
    (void)state;
    static const char *const names[] = {"NoClientCert", "RequestClientCert", "RequireAnyClientCert",
                                        "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"};
    for (int i = CLIENT_NONE; i <= CLIENT_REQUIRE_AND_VERIFY; i++) {
        const bool verifies = i >= CLIENT_VERIFY_IF_GIVEN;
        _cleanup_free_ char *text =
            xasprintf("%s  client_auth_type: %s\n%s", TLS, names[i], verifies ? "  client_ca_file: ca.crt\n" : "");
        _cleanup_(web_config_freep) struct web_config *c = good(text);
        assert_int_equal(c->client_auth, i);
        assert_int_equal(web_config_verifies(c), verifies);
    }
}

static void users_and_headers(void **state)
{
    (void)state;
    _cleanup_(web_config_freep) struct web_config *c =
        good("basic_auth_users:\n  alice: " HASH "\n  b.ob@example: \"" HASH "\"\n"
             "http_server_config:\n  http2: false\n  headers: {X-Frame-Options: deny}\n");
    assert_int_equal(c->n_users, 2);
    assert_string_equal(c->users[1].name, "b.ob@example");
    assert_string_equal(c->users[0].hash, HASH);
    assert_int_equal(c->bcrypt_cost, 10);
    assert_int_equal(c->n_headers, 1);
    assert_string_equal(c->headers[0].value, "deny");
}

static void what_cannot_be_meant(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"basic_auth_users: {}\n", "0 entries"},
        {"basic_auth_users:\n  \"a:b\": " HASH "\n", "no colon"},
        {"basic_auth_users:\n  a: $1$abc\n", "must be a bcrypt hash"},
        {"basic_auth_users:\n  a: \"" HASH "x\"\n", "must be a bcrypt hash"},
        {"http_server_config:\n  headers: {X-Frame-Options: \"a\\r\\nSet-Cookie: x\"}\n", "one line of ASCII"},
        {TLS "  min_version: TLS13\n  max_version: TLS12\n", "min_version is above max_version"},
        {TLS "  min_version: TLS13\n  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]\n", "are of TLS 1.2"},
        {TLS "  curve_preferences: [CurveP257]\n", "did you mean \"CurveP256\""},
        {TLS "  cipher_suites: [TLS_AES_128_GCM_SHA256]\n", "cannot be had"},
        {"tls_server_config: []\n", "must be a map"},
        {"a: 1\na: 2\n", "a"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_(faults_clear) struct faults faults = {0};
        assert_null(load(cases[i].text, &faults));
        if (!strstr(faults.texts[0], cases[i].words))
            fail_msg("'%s' is not in: %s", cases[i].words, faults.texts[0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_file_asks_nothing_of_anybody),
        cmocka_unit_test(the_defaults_of_tls),
        cmocka_unit_test(the_chosen_suites_and_no_others),
        cmocka_unit_test(every_client_auth_type),
        cmocka_unit_test(users_and_headers),
        cmocka_unit_test(what_cannot_be_meant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
