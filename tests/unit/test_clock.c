/* Time and durations as text: what is read, what is refused. */
#include "base/clock.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void times_are_read(void **state)
{
    (void)state;
    int64_t us = -1;
    assert_int_equal(time_parse("1970-01-01T00:00:01Z", &us), 0);
    assert_int_equal(us, 1000000);
    assert_int_equal(time_parse("1970-01-01T02:00:00.5+02:00", &us), 0);
    assert_int_equal(us, 500000);
    assert_int_equal(time_parse("2021-10-25T12:01:24.29524738Z", &us), 0);
    char buf[TIME_TEXT_MAX];
    assert_string_equal(time_format(us, buf), "2021-10-25T12:01:24.295247Z");
    assert_string_equal(time_format_seconds(us, buf), "2021-10-25T12:01:24Z");
    assert_string_equal(time_format(-1, buf), "1969-12-31T23:59:59.999999Z");
}

static void what_is_no_time(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "now",
                                      "2026-01-05",
                                      "2026-01-05T10:00:00",
                                      "2026-13-05T10:00:00Z",
                                      "2026-01-05T24:00:00Z",
                                      "2026-01-05T10:00:00.Z",
                                      "2026-01-05T10:00:00Zx",
                                      "2026-01-05T10:00:00+-1:00",
                                      "2026-01-05T10:00:00+1:000",
                                      "+026-01-05T10:00:00Z",
                                      "2026--1-05T10:00:00Z",
                                      "2026-01-05T-1:00:00Z",
                                      "2026-01-05T10: 1:00Z"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        int64_t us = 42;
        if (time_parse(bad[i], &us) != -EINVAL)
            fail_msg("'%s' was read as a time", bad[i]);
        assert_int_equal(us, 42);
    }
}

static void durations(void **state)
{
    (void)state;
    int64_t ms = 0;
    char buf[TIME_TEXT_MAX];
    assert_int_equal(duration_parse("1h30m", &ms, NULL), 0);
    assert_int_equal(ms, 5400000);
    assert_string_equal(duration_format(ms, buf), "1h30m");
    assert_int_equal(duration_parse("1s500ms", &ms, NULL), 0);
    assert_int_equal(ms, 1500);
    assert_int_equal(duration_parse("0", &ms, NULL), 0);
    assert_string_equal(duration_format(0, buf), "0s");
    static const char *const bad[] = {
        "", "5", "m", "-5m", "5 m", "30m1h", "1m1m", "99999999999s", "9999999999y", "200000000y"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        _cleanup_error_ struct error err = ERROR_NONE;
        ms = 7;
        if (duration_parse(bad[i], &ms, &err) != -EINVAL)
            fail_msg("'%s' was read as a duration", bad[i]);
        assert_int_equal(ms, 7);
        assert_non_null(strstr(error_message(&err), "is not a duration"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(times_are_read), cmocka_unit_test(what_is_no_time),
                                       cmocka_unit_test(durations)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
