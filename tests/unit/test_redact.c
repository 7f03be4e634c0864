/* What looks like a secret goes, what helps at 3 a.m. stays. */
#include "core/redact.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/strbuf.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define R REDACTED

static void names(void **state)
{
    (void)state;
    static const char *const secret[] = {"Authorization",
                                         "password",
                                         "DB_PASSWORD",
                                         "dbPassword",
                                         "apiKey",
                                         "X-Api-Key",
                                         "api_key",
                                         "token",
                                         "GITHUB_TOKEN",
                                         "X-Vault-Token",
                                         "client_secret",
                                         "AWS_SECRET_ACCESS_KEY",
                                         "aws_access_key_id",
                                         "Set-Cookie",
                                         "private_key",
                                         "DB_PASS",
                                         "db.pwd",
                                         "REDIS_AUTH",
                                         "requirepass",
                                         "X-Amz-Signature",
                                         "sig",
                                         "routing_key",
                                         ".dockerconfigjson",
                                         "connectionString",
                                         "PGPASSWORD",
                                         "SECRET",
                                         "tls.privateKey",
                                         NULL};
    static const char *const harmless[] = {"name",
                                           "key",
                                           "kind",
                                           "secretName",
                                           "secretKeyRef",
                                           "password_file",
                                           "tokenExpirationSeconds",
                                           "PWD",
                                           "OLDPWD",
                                           "passed",
                                           "bypass",
                                           "compass",
                                           "author",
                                           "authenticated",
                                           "playbook_hash",
                                           "token.go",
                                           "keyspace",
                                           "status",
                                           "token-service",
                                           "cooldown",
                                           "",
                                           "---",
                                           "imagePullPolicy",
                                           NULL};
    for (const char *const *n = secret; *n; n++)
        if (!redact_is_secret_name(*n, strlen(*n)))
            fail_msg("%s is a secret", *n);
    for (const char *const *n = harmless; *n; n++)
        if (redact_is_secret_name(*n, strlen(*n)))
            fail_msg("%s is none", *n);
}

static const struct {
    const char *text, *expected;
} texts[] = {
    /* names and values */
    {"password=hunter2", "password=" R},
    {"level=info password=hunter2 user=bob", "level=info password=" R " user=bob"},
    {"connecting with password: hunter2, retrying", "connecting with password: " R ", retrying"},
    {"DB_PASSWORD=correct horse battery\nDB_HOST=db", "DB_PASSWORD=" R "\nDB_HOST=db"},
    {"  password: correct horse # x\n  user: bob", "  password: " R "\n  user: bob"},
    {"key: |\n", "key: |\n"},
    {"  tls_private_key: |\n    abc\n    def\n  host: x\n", "  tls_private_key: " R "\n  host: x\n"},
    {"{\"user\": \"bob\", \"password\": \"hun\\\"ter2\"} tail", "{\"user\": \"bob\", \"password\": \"" R "\"} tail"},
    {"msg=\"{\\\"apiKey\\\":\\\"abc\\\",\\\"n\\\":1}\"", "msg=\"{\\\"apiKey\\\":\\\"" R "\\\",\\\"n\\\":1}\""},
    {"map[password:hunter2 user:bob]", "map[password:" R " user:bob]"},
    {"Authorization: Basic dXNlcjpwYXNz\nHost: x", "Authorization: " R "\nHost: x"},
    {"curl -H \"Authorization: Bearer abc.def\" http://x/y", "curl -H \"Authorization: " R "\" http://x/y"},
    {"map[Authorization:[Bearer x]]", "map[Authorization:" R "]"},
    {"Cookie: a=b; c=d", "Cookie: " R},
    {"mysql --password hunter2 -h db", "mysql --password " R " -h db"},
    {"mysql --password=hunter2 -h db", "mysql --password=" R " -h db"},
    {"CONFIG SET requirepass hunter2", "CONFIG SET requirepass " R},
    {"\"AUTH\" \"hunter2\"", "\"AUTH\" " R},
    {"<password>hunter2</password>", "<password>" R "</password>"},
    {"GET /x?token=abc&page=2", "GET /x?token=" R "&page=2"},
    {"Server=db;Password=a,b;Database=x", "Server=db;Password=" R ";Database=x"},
    {"- name: DB_PASSWORD\n  value: hunter2\n- name: A\n  value: b",
     "- name: DB_PASSWORD\n  value: " R "\n- name: A\n  value: b"},
    {"env \"DB_PASSWORD\",\"value\":\"hunter2\"}", "env \"DB_PASSWORD\",\"value\":\"" R "\"}"},
    {"tokens: [abc, def] x", "tokens: " R " x"},
    {"\x1b[32mpassword\x1b[0m=hunter2\x1b[0m x", "\x1b[32mpassword\x1b[0m=" R " x"},
    {"password := \"x y\"", "password := \"" R "\""},
    {"secret='it''s'", "secret='" R "''s'"},
    /* without a name */
    {"redis://:pa/ss#w@redis:6379/0", "redis://" R "@redis:6379/0"},
    {"see https://bob:hunter2@git.example/x@y", "see https://" R "@git.example/x@y"},
    {"https://git.example:443/x@y", "https://git.example:443/x@y"},
    {"sent bearer swordfish to it", "sent bearer " R " to it"},
    {"Bearer authentication failed", "Bearer authentication failed"},
    {"a -----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY----- b", "a " R " b"},
    {"a\n-----BEGIN PRIVATE KEY-----\nMIIE, cut off", "a\n" R},
    {"-----BEGIN CERTIFICATE-----\nabc", "-----BEGIN CERTIFICATE-----\nabc"},
    {"got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdef", "got " R},
    {"ghp_0123456789abcdefghij0123", R},
    {"POST https://hooks.slack.com/services/T0/B0/xyz failed", "POST https://hooks.slack.com/services/" R " failed"},
    {"blob /9j4AAQSkZJRgABAQEAYABgAAD2wBDAAgGBgcGBQgHBwcJ= end", "blob " R " end"},
    {"x=SGVsbG8gV29ybGQgdGhpcyBpcyBhIHRlc3QgMTIzNDU2Nzg5MA==", "x=" R},
    /* what stays */
    {"secret \"redis-auth\" not found", "secret \"redis-auth\" not found"},
    {"couldn't find key password in Secret shop/redis", "couldn't find key password in Secret shop/redis"},
    {"password authentication failed for user \"bob\"", "password authentication failed for user \"bob\""},
    {"secrets is forbidden: User \"x\" cannot list resource \"secrets\"",
     "secrets is forbidden: User \"x\" cannot list resource \"secrets\""},
    {"token.go:12: bad", "token.go:12: bad"},
    {"http://token-service:8080/x", "http://token-service:8080/x"},
    {"pass: 3, fail: 0", "pass: 3, fail: 0"},
    {"std::secret::x", "std::secret::x"},
    {"passwordEnabled=true token=null", "passwordEnabled=true token=null"},
    {"image registry.example/app@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
     "image registry.example/app@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
    {"/usr/lib/Python3/Dist-packages/Some/Package/With/A/Long1/Path22/file",
     "/usr/lib/Python3/Dist-packages/Some/Package/With/A/Long1/Path22/file"},
    {"last state: terminated, OOMKilled, exit code 137", "last state: terminated, OOMKilled, exit code 137"},
    {"", ""},
    /* manifests */
    {"kind: Secret\ndata:\n  a: aHVudGVyMg==\n  b: |\n    x: y\n  c: z\ntype: Opaque",
     "kind: Secret\ndata:\n  a: " R "\n  b: " R "\n    " R "\n  c: " R "\ntype: Opaque"},
    {"{\"kind\":\"Secret\",\"data\":{\"a\":\"aHVudGVyMg==\"},\"type\":\"Opaque\"}",
     "{\"kind\":\"Secret\",\"data\":{\"a\":\"" R "\"},\"type\":\"Opaque\"}"},
};

static void in_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        _cleanup_free_ char *once = redact_text_new(texts[i].text), *twice = redact_text_new(once);
        assert_string_equal(once, texts[i].expected);
        assert_string_equal(twice, once);
    }
    assert_null(redact_text_new(NULL));
}

static const struct {
    const char *json, *expected;
} values[] = {
    {"{\"headers\":{\"Authorization\":\"Bearer x\",\"Accept\":\"a/b\"}}",
     "{\"headers\":{\"Authorization\":\"" R "\",\"Accept\":\"a/b\"}}"},
    {"{\"env\":[{\"name\":\"DB_PASSWORD\",\"value\":\"x\"},{\"name\":\"A\",\"value\":\"b\"}]}",
     "{\"env\":[{\"name\":\"DB_PASSWORD\",\"value\":\"" R "\"},{\"name\":\"A\",\"value\":\"b\"}]}"},
    {"[{\"op\":\"replace\",\"path\":\"/spec/password\",\"value\":5}]",
     "[{\"op\":\"replace\",\"path\":\"/spec/password\",\"value\":\"" R "\"}]"},
    {"{\"changes\":{\"/spec/token\":{\"before\":\"a\",\"after\":\"b\"},\"/spec/x\":{\"after\":1}}}",
     "{\"changes\":{\"/spec/token\":{\"before\":\"" R "\",\"after\":\"" R "\"},\"/spec/x\":{\"after\":1}}}"},
    {"{\"object\":{\"kind\":\"Secret\"},\"body\":{\"data\":{\"a\":\"b\"}},\"changes\":{\"/data/"
     "a\":{\"before\":\"x\"}}}",
     "{\"object\":{\"kind\":\"Secret\"},\"body\":{\"data\":{\"a\":\"" R "\"}},\"changes\":{\"/data/a\":{\"before\":\"" R
     "\"}}}"},
    {"{\"object\":{\"kind\":\"Secret\"},\"body\":[{\"op\":\"add\",\"path\":\"/data/a\",\"value\":\"b\"}]}",
     "{\"object\":{\"kind\":\"Secret\"},\"body\":[{\"op\":\"add\",\"path\":\"/data/a\",\"value\":\"" R "\"}]}"},
    {"{\"with\":{\"kind\":\"Secret\",\"patch\":{\"stringData\":{\"a\":\"b\"}}}}",
     "{\"with\":{\"kind\":\"Secret\",\"patch\":{\"stringData\":{\"a\":\"" R "\"}}}}"},
    {"{\"kind\":\"SecretList\",\"items\":[{\"data\":{\"a\":\"b\"}}]}",
     "{\"kind\":\"SecretList\",\"items\":[{\"data\":{\"a\":\"" R "\"}}]}"},
    {"{\"command\":[\"AUTH\",\"bob\",\"x\"]}", "{\"command\":[\"AUTH\",\"" R "\",\"" R "\"]}"},
    {"{\"command\":[\"mysql\",\"--password\",\"x\",\"-h\",\"db\"]}",
     "{\"command\":[\"mysql\",\"--password\",\"" R "\",\"-h\",\"db\"]}"},
    {"{\"command\":[\"CONFIG\",\"SET\",\"requirepass\",\"x\"]}",
     "{\"command\":[\"CONFIG\",\"SET\",\"requirepass\",\"" R "\"]}"},
    {"{\"valueFrom\":{\"secretKeyRef\":{\"name\":\"redis\",\"key\":\"password\"}}}",
     "{\"valueFrom\":{\"secretKeyRef\":{\"name\":\"redis\",\"key\":\"password\"}}}"},
    {"{\"volumes\":[{\"secret\":{\"secretName\":\"x\",\"optional\":true}}]}",
     "{\"volumes\":[{\"secret\":{\"secretName\":\"x\",\"optional\":true}}]}"},
    {"{\"credentials\":{\"user\":\"bob\",\"value\":\"x\"},\"token\":null}",
     "{\"credentials\":{\"user\":\"" R "\",\"value\":\"" R "\"},\"token\":null}"},
    {"{\"kubectl.kubernetes.io/"
     "last-applied-configuration\":\"{\\\"env\\\":[{\\\"name\\\":\\\"PGPASSWORD\\\",\\\"value\\\":"
     "\\\"x\\\"}]}\"}",
     "{\"kubectl.kubernetes.io/last-applied-configuration\":\"{\\\"env\\\":[{\\\"name\\\":\\\"PGPASSWORD\\\","
     "\\\"value\\\":\\\"" R "\\\"}]}\"}"},
};

static void in_json(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        _cleanup_json_ json_t *v = json_loads(values[i].json, 0, NULL);
        assert_non_null(v);
        _cleanup_json_ json_t *once = redact_json_new(v), *twice = redact_json_new(once);
        _cleanup_free_ char *text = json_compact(once);
        assert_string_equal(text, values[i].expected);
        assert_true(json_equal(once, twice));
    }
    assert_null(redact_json_new(NULL));
}

/* Hostile texts must not cost more than their length: a megabyte of each beginning of a rule. */
static void costs_grow_linearly(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        "a/",       "://",          "a://",     "-----BEGIN ", "password",   "password\n",
        "token:\\", "eyJ",          "bearer ",  "a=",          "password=,", "\"token\":\"",
        "A1b",      "secret: |\n ", "--token ", "token \x1b[", "[{",         "\\\\"};
    for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
        _cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
        while (b.len < 1 << 20)
            strbuf_puts(&b, pieces[i]);
        const clock_t start = clock(); /* of this process: what else the machine does is no matter */
        _cleanup_free_ char *text = redact_text_new(strbuf_str(&b));
        const int64_t took_ms = (clock() - start) * 1000 / CLOCKS_PER_SEC;
        if (took_ms > 3000)
            fail_msg("a megabyte of '%s' took %lld ms", pieces[i], (long long)took_ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names), cmocka_unit_test(in_texts), cmocka_unit_test(in_json),
                                       cmocka_unit_test(costs_grow_linearly)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
