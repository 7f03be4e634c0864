/* Errors as values: what is kept, what is put in front, what a caller without interest gets. */
#include "base/error.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void context_is_added(void **state)
{
    (void)state;
    _cleanup_error_ struct error err = ERROR_NONE;
    assert_string_equal(error_message(&err), "no error");
    assert_int_equal(error_set(&err, -ENOENT, "no %s", "pod"), -ENOENT);
    assert_int_equal(error_prefix(&err, "target"), -ENOENT);
    assert_string_equal(error_message(&err), "target: no pod");
    assert_int_equal(error_set(&err, -EIO, "again: %s", error_message(&err)), -EIO); /* its own text as argument */
    assert_string_equal(error_message(&err), "again: target: no pod");
}

static void errors_move(void **state)
{
    (void)state;
    struct error from = ERROR_NONE;
    _cleanup_error_ struct error to = ERROR_NONE;
    error_set(&to, -EPERM, "old");
    error_set(&from, -EIO, "new");
    assert_int_equal(error_move(&to, &from), -EIO);
    assert_string_equal(error_message(&to), "new");
    assert_null(from.message);
    error_set(&from, -EBUSY, "dropped");
    assert_int_equal(error_move(NULL, &from), -EBUSY);
    assert_int_equal(from.code, 0);
}

/* `return error_prefix(err, …)` must never turn a failure into a success because nobody wanted the words. */
static void a_caller_without_interest_still_fails(void **state)
{
    (void)state;
    assert_int_equal(error_set(NULL, -EIO, "x"), -EIO);
    assert_true(error_prefix(NULL, "y") < 0);
    error_clear(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(context_is_added), cmocka_unit_test(errors_move),
                                       cmocka_unit_test(a_caller_without_interest_still_fails)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
