/* What a page's form sends. */
#include "base/form.h"

#include "base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void expect(const char *form, const char *fields)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_json_ json_t *o = form_parse_new(form, &err);
    if (!o)
        fail_msg("%s: %s", form, error_message(&err));
    _cleanup_free_ char *text = json_canonical(o);
    assert_string_equal(text, fields);
}

static void refuse(const char *form, const char *words)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_json_ json_t *o = form_parse_new(form, &err);
    assert_null(o);
    if (!strstr(error_message(&err), words))
        fail_msg("%s: '%s' is not in: %s", form, words, error_message(&err));
}

static void test_fields(void **state)
{
    (void)state;
    expect("", "{}");
    expect("a=1&b=two+words", "{\"a\":\"1\",\"b\":\"two words\"}");
    expect("a=%26%3D%25%2b&b=x=y\r\n", "{\"a\":\"&=%+\",\"b\":\"x=y\"}");
    expect("n%61me=%C3%A4", "{\"name\":\"ä\"}");
    expect("a=&b&&c=1", "{\"c\":\"1\"}");
}

static void test_refused(void **state)
{
    (void)state;
    refuse("a=%", "not encoded");
    refuse("a=%4", "not encoded");
    refuse("a=%zz", "not encoded");
    refuse("a=1%00b", "not encoded");
    refuse("%00=1", "not encoded");
    refuse("a=%ff", "UTF-8");
    refuse("%ff=a", "UTF-8");
    refuse("a=1&a=2", "twice");
    refuse("a=1&%61=2", "twice");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_fields), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
