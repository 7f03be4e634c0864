/* Names, encodings, suggestions. */
#include "base/text.h"

#include "base/alloc.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void names_of_kubernetes(void **state)
{
    (void)state;
    char label64[65], name254[255];
    memset(label64, 'a', 64);
    label64[64] = '\0';
    memset(name254, 'a', 254);
    name254[254] = '\0';
    assert_true(is_dns1123_label("redis-0"));
    assert_true(is_dns1123_subdomain("a.b-c.d"));
    static const char *const bad[] = {"", "-a", "a-", "A", "a_b", "../a", "a/b", "a\n", "a;b", "\xc3\xa4", "a..b", "."};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_false(is_dns1123_label(bad[i]));
        assert_false(is_dns1123_subdomain(bad[i]));
    }
    assert_false(is_dns1123_label(label64));
    assert_true(is_dns1123_label(label64 + 1));
    assert_false(is_dns1123_label("a.b"));
    assert_false(is_dns1123_subdomain(name254));
    assert_false(is_dns1123_label(NULL));
    assert_true(is_qualified_name("mendd.io/last-effect"));
    assert_false(is_qualified_name("/x"));
    assert_false(is_qualified_name("a/b/c"));
    assert_true(is_label_value(""));
    assert_false(is_label_value("a b"));
}

static void utf8(void **state)
{
    (void)state;
    assert_true(utf8_valid("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 10));
    assert_false(utf8_valid("\xc0\x80", 2));         /* overlong */
    assert_false(utf8_valid("\xed\xa0\x80", 3));     /* surrogate */
    assert_false(utf8_valid("\xe2\x82", 2));         /* cut */
    assert_false(utf8_valid("\xf4\x90\x80\x80", 4)); /* over U+10FFFF */
}

static void encoding(void **state)
{
    (void)state;
    _cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
    url_encode(&b, "a-._~/?&=%\xc3\xa4");
    assert_string_equal(strbuf_str(&b), "a-._~%2F%3F%26%3D%25%C3%A4");
}

static void suggestions(void **state)
{
    (void)state;
    static const char *const known[] = {"matchers", "target", "verify", NULL};
    char longest[301];
    memset(longest, 'x', 300);
    longest[300] = '\0';
    assert_string_equal(did_you_mean("mathcers", known), "matchers");
    assert_string_equal(did_you_mean("Verify", known), "verify");
    assert_null(did_you_mean("limits", known));
    assert_null(did_you_mean(longest, known)); /* too long to be like anything */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names_of_kubernetes), cmocka_unit_test(utf8),
                                       cmocka_unit_test(encoding), cmocka_unit_test(suggestions)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
