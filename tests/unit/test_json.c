/* Pointers, canonical text, bounded parsing, text that is no UTF-8. */
#include "base/json.h"

#include "base/alloc.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void pointers(void **state)
{
    (void)state;
    _cleanup_json_ json_t *j = json_loads("{\"a/b\":{\"~\":[10,11]},\"\":1}", 0, NULL);
    assert_int_equal(json_integer_value(json_pointer(j, "/a~1b/~0/1")), 11);
    assert_int_equal(json_integer_value(json_pointer(j, "/")), 1);
    assert_ptr_equal(json_pointer(j, ""), j);
    static const char *const nothing[] = {"a",           "/x",          "/a~1b/~0/2",  "/a~1b/~0/-",
                                          "/a~1b/~0/01", "/a~1b/~0/+1", "/a~1b/~0/ 1", "/a~1b/~0/-1"};
    for (size_t i = 0; i < ARRAY_SIZE(nothing); i++)
        if (json_pointer(j, nothing[i]))
            fail_msg("something stands at '%s'", nothing[i]);
    _cleanup_free_ char *joined = json_pointer_join("/x", "a/~b");
    assert_string_equal(joined, "/x/a~1~0b");
}

static void canonical_text(void **state)
{
    (void)state;
    _cleanup_json_ json_t *j = json_loads("{\"b\": 1, \"a\": [true, null]}", 0, NULL);
    _cleanup_free_ char *canonical = json_canonical(j), *compact = json_compact(j), *none = json_canonical(NULL);
    assert_string_equal(canonical, "{\"a\":[true,null],\"b\":1}");
    assert_string_equal(compact, "{\"b\":1,\"a\":[true,null]}");
    assert_string_equal(none, "null");
}

static void parsing_is_bounded(void **state)
{
    (void)state;
    _cleanup_error_ struct error err = ERROR_NONE;
    assert_null(json_parse("[1,2]", 5, 4, false, &err));
    assert_int_equal(err.code, -E2BIG);
    assert_null(json_parse("{\"a\":1,\"a\":2}", 13, 100, true, &err));
    assert_int_equal(err.code, -EBADMSG);
    assert_null(json_parse("{\"a\": x}", 8, 100, false, &err));
    assert_non_null(strstr(error_message(&err), "line 1, column"));
    assert_null(json_parse("\"\xff\"", 3, 100, false, &err));
    _cleanup_json_ json_t *ok = json_parse("{\"a\":1,\"a\":2}", 13, 100, false, &err);
    assert_int_equal(json_int_or(ok, "a", 0), 2);
}

static void broken_text_is_replaced(void **state)
{
    (void)state;
    _cleanup_json_ json_t *j = json_text_new("a\xff\xc3\xa4\xc3", 5);
    assert_string_equal(json_string_value(j), "a\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd");
    _cleanup_json_ json_t *o = json_object();
    json_set_text(o, "k", "v");
    assert_string_equal(json_text(o, "k"), "v");
    json_set_text(o, "k", NULL);
    assert_null(json_object_get(o, "k"));
    assert_string_equal(json_text_or(NULL, "k", "d"), "d");
    assert_null(json_path_text(o, "a", "b", NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(pointers), cmocka_unit_test(canonical_text),
                                       cmocka_unit_test(parsing_is_bounded), cmocka_unit_test(broken_text_is_replaced)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
