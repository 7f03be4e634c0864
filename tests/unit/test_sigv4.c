/* AWS Signature Version 4 against the signatures that AWS published: the suite "aws-sig-v4-test-suite" (AWS General
 * Reference, "Signature Version 4 test suite"; each row is named as there) and the two worked examples of the
 * documentation, "Create a signed AWS API request" (iam, ListUsers) and Amazon S3's "Authenticating Requests: Using the
 * Authorization Header" (GET Object, PUT Object). */
#include "base/alloc.h"
#include "base/sigv4.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SUITE_HEADERS "Host: example.amazonaws.com", "X-Amz-Date: 20150830T123600Z"
#define UNRESERVED "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define TOKEN                                                                                                          \
    "X-Amz-Security-Token: "                                                                                           \
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPf"                    \
    "IeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/"                                                                             \
    "kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd"                                  \
    "8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+"                                                    \
    "scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj"                                                           \
    "2ICCR/oLxBA=="

struct vector {
    const char *name, *method, *path, *query;
    const char *headers[8];
    const char *body, *signed_headers, *signature;
};

static const struct vector suite[] = {
    {"get-vanilla",
     "GET",
     "/",
     NULL,
     {SUITE_HEADERS},
     NULL,
     "host;x-amz-date",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-vanilla (no path)",
     "GET",
     "",
     "",
     {SUITE_HEADERS},
     "",
     "host;x-amz-date",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-vanilla-query-order-key-case",
     "GET",
     "/",
     "Param2=value2&Param1=value1",
     {SUITE_HEADERS},
     NULL,
     "host;x-amz-date",
     "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
    {"get-vanilla-query-order-value",
     "GET",
     "/",
     "Param1=value2&Param1=value1",
     {SUITE_HEADERS},
     NULL,
     "host;x-amz-date",
     "5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694"},
    {"get-vanilla-utf8-query",
     "GET",
     "/",
     "\xe1\x88\xb4=bar",
     {SUITE_HEADERS},
     NULL,
     "host;x-amz-date",
     "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
    {"get-vanilla-utf8-query (encoded)",
     "GET",
     "/",
     "%e1%88%b4=bar",
     {SUITE_HEADERS},
     NULL,
     "host;x-amz-date",
     "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
    {"get-unreserved",
     "GET",
     "/" UNRESERVED,
     NULL,
     {SUITE_HEADERS},
     NULL,
     "host;x-amz-date",
     "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
    {"get-utf8",
     "GET",
     "/\xe1\x88\xb4",
     NULL,
     {SUITE_HEADERS},
     NULL,
     "host;x-amz-date",
     "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
    {"get-space",
     "GET",
     "/example space/",
     NULL,
     {SUITE_HEADERS},
     NULL,
     "host;x-amz-date",
     "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"},
    {"get-slashes",
     "GET",
     "//example//",
     NULL,
     {SUITE_HEADERS},
     NULL,
     "host;x-amz-date",
     "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"},
    {"get-slash",
     "GET",
     "//",
     NULL,
     {SUITE_HEADERS},
     NULL,
     "host;x-amz-date",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-slash-dot-slash",
     "GET",
     "/./",
     NULL,
     {SUITE_HEADERS},
     NULL,
     "host;x-amz-date",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-relative",
     "GET",
     "/example/..",
     NULL,
     {SUITE_HEADERS},
     NULL,
     "host;x-amz-date",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-relative-relative",
     "GET",
     "/example1/example2/../..",
     NULL,
     {SUITE_HEADERS},
     NULL,
     "host;x-amz-date",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-header-key-duplicate",
     "GET",
     "/",
     NULL,
     {SUITE_HEADERS, "My-Header1: value2", "My-Header1: value2", "My-Header1: value1"},
     NULL,
     "host;my-header1;x-amz-date",
     "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
    {"get-header-value-order",
     "GET",
     "/",
     NULL,
     {SUITE_HEADERS, "My-Header1:value4", "My-Header1:value1", "My-Header1:value3", "My-Header1:value2"},
     NULL,
     "host;my-header1;x-amz-date",
     "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"},
    {"get-header-value-trim",
     "GET",
     "/",
     NULL,
     {"My-Header2: \"a   b   c\"", "My-Header1:  value1 ", SUITE_HEADERS},
     NULL,
     "host;my-header1;my-header2;x-amz-date",
     "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
    {"post-vanilla",
     "POST",
     "/",
     NULL,
     {SUITE_HEADERS},
     NULL,
     "host;x-amz-date",
     "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
    {"post-header-key-sort",
     "POST",
     "/",
     NULL,
     {SUITE_HEADERS, "My-Header1: value1"},
     NULL,
     "host;my-header1;x-amz-date",
     "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"},
    {"post-x-www-form-urlencoded",
     "POST",
     "/",
     NULL,
     {"Content-Type: application/x-www-form-urlencoded", SUITE_HEADERS},
     "Param1=value1",
     "content-type;host;x-amz-date",
     "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
    {"post-sts-header-before",
     "POST",
     "/",
     NULL,
     {SUITE_HEADERS, TOKEN},
     NULL,
     "host;x-amz-date;x-amz-security-token",
     "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"},
};

static void published_suite(void **s)
{
    (void)s;
    const struct sigv4_key key = {"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "us-east-1", "service"};
    for (size_t i = 0; i < ARRAY_SIZE(suite); i++) {
        const struct vector *v = &suite[i];
        const struct sigv4_request req = {v->method,  v->path, v->query,
                                          v->headers, v->body, v->body ? strlen(v->body) : 0};
        _cleanup_free_ char *got = NULL;
        assert_int_equal(sigv4_authorization(&req, &key, &got, NULL), 0);
        _cleanup_free_ char *expected =
            xasprintf("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                      "SignedHeaders=%s, Signature=%s",
                      v->signed_headers, v->signature);
        if (strcmp(got, expected) != 0)
            fail_msg("%s:\n%s\nexpected\n%s", v->name, got, expected);
    }
}

static void documented_examples(void **s)
{
    (void)s;
    const struct sigv4_key iam = {"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "us-east-1", "iam"};
    const char *const iam_headers[] = {"Content-Type: application/x-www-form-urlencoded; charset=utf-8",
                                       "Host: iam.amazonaws.com", "X-Amz-Date: 20150830T123600Z", NULL};
    const struct sigv4_request list = {"GET", "/", "Action=ListUsers&Version=2010-05-08", iam_headers, NULL, 0};
    _cleanup_free_ char *got = NULL, *get = NULL, *put = NULL;
    assert_int_equal(sigv4_authorization(&list, &iam, &got, NULL), 0);
    assert_non_null(strstr(got, "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"));
    const struct sigv4_key s3 = {"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1", "s3"};
#define S3_HOST "Host: examplebucket.s3.amazonaws.com", "x-amz-date: 20130524T000000Z"
    const char *const get_headers[] = {
        S3_HOST, "Range: bytes=0-9",
        "x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", NULL};
    const struct sigv4_request object = {"GET", "/test.txt", NULL, get_headers, NULL, 0};
    assert_int_equal(sigv4_authorization(&object, &s3, &get, NULL), 0);
    assert_non_null(strstr(get, "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"));
    const char *const put_headers[] = {
        S3_HOST, "Date: Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class: REDUCED_REDUNDANCY",
        "x-amz-content-sha256: 44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072", NULL};
    const char body[] = "Welcome to Amazon S3.";
    const struct sigv4_request upload = {"PUT", "/test%24file.text", NULL, put_headers, body, strlen(body)};
    assert_int_equal(sigv4_authorization(&upload, &s3, &put, NULL), 0);
    assert_non_null(strstr(put, "Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"));
}

static void line(const char *path, const char *query, const char *service, const char *expected)
{
    const char *const headers[] = {SUITE_HEADERS, NULL};
    const struct sigv4_request req = {"GET", path, query, headers, NULL, 0};
    _cleanup_free_ char *text = NULL;
    assert_int_equal(sigv4_canonical(&req, service, &text, NULL), 0);
    char *end = strstr(text, "\nhost:");
    assert_non_null(end);
    *end = '\0';
    assert_string_equal(text, expected);
}

/* What goes out encoded is encoded once more, but for S3; the query only once. */
static void canonical_lines(void **s)
{
    (void)s;
    line("/a%2Fb", NULL, "ecs", "GET\n/a%252Fb\n");
    line("/100%25", NULL, "ecs", "GET\n/100%2525\n");
    line("/a/..b/.c", NULL, "ecs", "GET\n/a/..b/.c\n");
    line("/a/./b/../", NULL, "ecs", "GET\n/a/\n");
    line("/../../a", NULL, "ecs", "GET\n/a\n");
    line("/a%20b//c", NULL, "s3", "GET\n/a%20b//c\n");
    line("/", "q=a+b&q=a%20b&b&a=1=2&a-=0&x=%", "ecs", "GET\n/\na=1%3D2&a-=0&b=&q=a%20b&q=a%2Bb&x=%25");
    line("/", "a=10&a=9&&a=1&a=1", "ecs", "GET\n/\na=1&a=1&a=10&a=9");
}

static void refused(void **s)
{
    (void)s;
    static const char *const cases[][4] = {{"Host: a", NULL},
                                           {"X-Amz-Date: 20150830T123600Z", NULL},
                                           {"Host: a", "X-Amz-Date: 2015-08-30T12:36", NULL},
                                           {SUITE_HEADERS, "no colon", NULL}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct sigv4_request req = {"GET", "/", NULL, cases[i], NULL, 0};
        char *text = NULL;
        assert_int_equal(sigv4_canonical(&req, "ecs", &text, NULL), -22);
        assert_null(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(published_suite), cmocka_unit_test(documented_examples),
                                       cmocka_unit_test(canonical_lines), cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
