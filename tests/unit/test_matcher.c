/* Alertmanager's matchers: syntax, meaning, and what RE2 would refuse. */
#include "base/alloc.h"
#include "core/matcher.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void expect(const char *text, const char *labels, int result)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_(matcher_freep) struct matcher *m = NULL;
    if (matcher_parse(text, &m, &err) < 0)
        fail_msg("%s: %s", text, error_message(&err));
    _cleanup_json_ json_t *j = json_loads(labels, 0, NULL);
    if (matcher_matches(m, j) != result)
        fail_msg("%s on %s is not %d", text, labels, result);
}

static void expect_fault(const char *text, const char *words)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_(matcher_freep) struct matcher *m = NULL;
    if (matcher_parse(text, &m, &err) != -EINVAL)
        fail_msg("%s was accepted", text);
    if (!strstr(error_message(&err), words))
        fail_msg("%s: '%s' does not say '%s'", text, error_message(&err), words);
}

static void four_operators(void **state _unused_)
{
    expect("a=b", "{\"a\":\"b\"}", 1);
    expect("a = \"b\"", "{\"a\":\"c\"}", 0);
    expect("a!=b", "{\"a\":\"c\"}", 1);
    expect("a=~\"b|c\"", "{\"a\":\"c\"}", 1);
    expect("a!~\"b|c\"", "{\"a\":\"c\"}", 0);
}

static void regexes_are_anchored(void **state _unused_)
{
    expect("a=~\"b\"", "{\"a\":\"abc\"}", 0);
    expect("a=~\"b|abc\"", "{\"a\":\"abcd\"}", 0);
    expect("a=~\".*b.*\"", "{\"a\":\"abc\"}", 1);
    expect("a=~\"b\"", "{\"a\":\"b\\n\"}", 0);
    expect("a=~\"(?i)ABC\"", "{\"a\":\"abc\"}", 1);
}

static void missing_labels_are_empty(void **state _unused_)
{
    expect("a=\"\"", "{}", 1);
    expect("a!=b", "{}", 1);
    expect("a=~\".+\"", "{}", 0);
    expect("a!~\".+\"", "{}", 1);
    expect("a=~\".*\"", "{}", 1);
}

static void names_and_values_quoted(void **state _unused_)
{
    expect("\"odd name\"=\"x \\\"y\\\"\"", "{\"odd name\":\"x \\\"y\\\"\"}", 1);
    expect("a=~\"\\d+\\.\\d+\"", "{\"a\":\"1.25\"}", 1);
}

static void faults_say_where(void **state _unused_)
{
    expect_fault("", "column 1: expected a label name");
    expect_fault("a", "column 2: expected one of = != =~ !~");
    expect_fault("a=\"b", "expected a closing \"");
    expect_fault("a=b c", "column 5: expected the end of the matcher");
    expect_fault("\"\"=x", "not empty");
    expect_fault("a=~\"(\"", "regex");
    expect_fault("a=~\"a)|(b\"", "regex");
    expect_fault("a=~\"x\\\"", "closing");
}

static void what_re2_refuses(void **state _unused_)
{
    static const char *const patterns[] = {"(?=a)", "(?!a)",     "(?<=a)b", "(?<!a)b", "(a)\\1",         "a++",
                                           "a*+",   "a?+",       "a{2}+",   "(?>a)",   "(*UTF)a",        "\\Ka",
                                           "a\\C",  "(?(1)a|b)", "(a)(?1)", "(?R)",    "(?P<n>a)(?P=n)", "\\k<n>",
                                           "(?#x)a"};
    for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
        _cleanup_free_ char *text = xasprintf("a=~\"%s\"", patterns[i]);
        expect_fault(text, "RE2");
    }
    expect("a=~\"[(?=]+\"", "{\"a\":\"(?=\"}", 1);
    expect("a=~\"\\++\"", "{\"a\":\"++\"}", 1);
    expect("a=~\"(?P<n>a)(?:b)\"", "{\"a\":\"ab\"}", 1);
}

static void a_regex_at_its_limit_is_neither(void **state _unused_)
{
    expect("a=~\"(a|aa)+[bd]\"", "{\"a\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac\"}", -ELOOP);
    expect("a!~\"(a|aa)+[bd]\"", "{\"a\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac\"}", -ELOOP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_operators),
        cmocka_unit_test(regexes_are_anchored),
        cmocka_unit_test(missing_labels_are_empty),
        cmocka_unit_test(names_and_values_quoted),
        cmocka_unit_test(faults_say_where),
        cmocka_unit_test(what_re2_refuses),
        cmocka_unit_test(a_regex_at_its_limit_is_neither),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
