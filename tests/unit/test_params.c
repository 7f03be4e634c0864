#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/params.h"

#include <errno.h>
#include <string.h>

static const char *const colours[] = {"red", "green", NULL};
static const struct param params[] = {
    {"name", PARAM_NAME, true, NULL, ""},
    {"timeout", PARAM_DURATION, false, NULL, ""},
    {"replicas", PARAM_INT_OR_TEXT, false, NULL, ""},
    {"status", PARAM_INTS, false, NULL, ""},
    {"selector", PARAM_SELECTOR, false, NULL, ""},
    {"colour", PARAM_CHOICE, false, colours, ""},
    {"command", PARAM_TEXTS, false, NULL, ""},
    {"all", PARAM_BOOL, false, NULL, ""},
    {"kind", PARAM_KIND, false, NULL, ""},
    {"most", PARAM_NUMBER, false, NULL, ""},
    {"count", PARAM_INT, false, NULL, ""},
    {0},
};

/* What comes of `with` as canonical text, or the error's words after "!". */
static const char *resolved(const char *with)
{
    static char buf[1024];
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_json_ json_t *in = json_loads(with, 0, NULL), *out = NULL;
    assert_non_null(in);
    if (params_resolve(params, in, &out, &err) < 0) {
        assert_int_equal(err.code, -EINVAL);
        snprintf(buf, sizeof(buf), "!%s", error_message(&err));
        return buf;
    }
    char *text = json_canonical(out);
    snprintf(buf, sizeof(buf), "%s", text);
    free(text);
    return buf;
}

static void takes_every_type(void **state)
{
    (void)state;
    assert_string_equal(resolved("{\"name\":\"a\",\"timeout\":\"1m30s\"}"), "{\"name\":\"a\",\"timeout\":90000}");
    assert_string_equal(resolved("{\"name\":\"a\",\"timeout\":90000}"), "{\"name\":\"a\",\"timeout\":90000}");
    assert_string_equal(resolved("{\"name\":\"a\",\"replicas\":\"3\"}"), "{\"name\":\"a\",\"replicas\":3}");
    assert_string_equal(resolved("{\"name\":\"a\",\"replicas\":\"x2\"}"), "{\"name\":\"a\",\"replicas\":\"x2\"}");
    assert_string_equal(resolved("{\"name\":\"a\",\"status\":200}"), "{\"name\":\"a\",\"status\":[200]}");
    assert_string_equal(resolved("{\"name\":\"a\",\"selector\":{\"app\":\"b\"}}"),
                        "{\"name\":\"a\",\"selector\":\"app=b\"}");
    assert_string_equal(resolved("{\"name\":\"a\",\"command\":[\"SET\",3]}"),
                        "{\"command\":[\"SET\",\"3\"],\"name\":\"a\"}");
    assert_string_equal(resolved("{\"name\":\"a\",\"all\":\"true\",\"count\":\"7\"}"),
                        "{\"all\":true,\"count\":7,\"name\":\"a\"}");
    assert_string_equal(resolved("{\"name\":\"a\",\"colour\":null}"), "{\"name\":\"a\"}");
}

static void refuses_with_words(void **state)
{
    (void)state;
    assert_string_equal(resolved("{}"), "!parameter \"name\" is missing");
    assert_string_equal(resolved("{\"name\":\"a\",\"timeuot\":1}"),
                        "!unknown parameter \"timeuot\" (did you mean \"timeout\"?)");
    assert_string_equal(resolved("{\"name\":\"a\",\"colour\":\"gren\"}"),
                        "!colour: unknown value \"gren\" (did you mean \"green\"?)");
    const char *const bad[] = {"{\"name\":\"../etc\"}",
                               "{\"name\":\"\"}",
                               "{\"name\":\"a\",\"count\":-1}",
                               "{\"name\":\"a\",\"count\":\"1x\"}",
                               "{\"name\":\"a\",\"all\":\"yes\"}",
                               "{\"name\":\"a\",\"kind\":\"pods/x\"}",
                               "{\"name\":\"a\",\"most\":\"nan\"}",
                               "{\"name\":\"a\",\"most\":\"\"}",
                               "{\"name\":\"a\",\"timeout\":\"soon\"}",
                               "{\"name\":\"a\",\"status\":[]}",
                               "{\"name\":\"a\",\"selector\":{\"app\":\"\"}}",
                               "{\"name\":\"a\",\"replicas\":true}"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(resolved(bad[i])[0], '!');
}

static void judges_selectors(void **state)
{
    (void)state;
    const char *const good[] = {"a=b", "a==b,c!=d", "a in (b, c),!d", "app.kubernetes.io/name=x,e", "a notin (b)"};
    const char *const bad[] = {"", "a=", "a=b,", "a in b", "a in (b", "=b", "a=b&x=y", "a b"};
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_int_equal(selector_check(good[i], NULL), 0);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(selector_check(bad[i], NULL), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(takes_every_type), cmocka_unit_test(refuses_with_words),
                                       cmocka_unit_test(judges_selectors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
