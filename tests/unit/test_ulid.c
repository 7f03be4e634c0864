/* Ids ascend whatever the clock does. */
#include "base/ulid.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void ids_ascend(void **state)
{
    (void)state;
    struct ulid_source src;
    char last[ULID_LEN + 1] = "", id[ULID_LEN + 1];
    ulid_seed(&src, 1, 2);
    for (int i = 0; i < 5000; i++) {
        /* same millisecond, then a clock that steps back, then forward */
        ulid_next(&src, i < 2000 ? 1000000000 : i < 3000 ? 500000000 : 1000000000 + (int64_t)i * 1000, id);
        assert_true(ulid_valid(id));
        assert_true(strcmp(last, id) < 0);
        memcpy(last, id, sizeof(id));
    }
}

static void the_time_stands_in_front_and_the_seed_decides(void **state)
{
    (void)state;
    struct ulid_source a, b;
    char x[ULID_LEN + 1], y[ULID_LEN + 1];
    ulid_seed(&a, 1, 2);
    ulid_seed(&b, 1, 2);
    ulid_next(&a, INT64_C(1469918176385000), x); /* the example of the ULID specification */
    ulid_next(&b, INT64_C(1469918176385000), y);
    assert_memory_equal(x, "01aryz6s41", 10);
    assert_string_equal(x, y);
    ulid_seed(&b, 3, 2);
    ulid_next(&b, INT64_C(1469918176385000), y);
    assert_string_not_equal(x, y);
}

static void what_is_no_id(void **state)
{
    (void)state;
    assert_false(ulid_valid(""));
    assert_false(ulid_valid("01aryz6s41tsv4rrffq69g5fa"));
    assert_false(ulid_valid("01ARYZ6S41TSV4RRFFQ69G5FAV"));
    assert_false(ulid_valid("81aryz6s41tsv4rrffq69g5fav"));
    assert_false(ulid_valid("01aryz6s41tsv4rrffq69g5fa/"));
    assert_true(ulid_valid("01aryz6s41tsv4rrffq69g5fav"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ids_ascend),
                                       cmocka_unit_test(the_time_stands_in_front_and_the_seed_decides),
                                       cmocka_unit_test(what_is_no_id)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
