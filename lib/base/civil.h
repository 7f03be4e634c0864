/* The calendar as arithmetic: what a clock on the wall reads, without any time zone (base/zone.h has those).
 * A reading is counted in seconds as if the wall were in UTC. Gregorian throughout, before 1582 too, as RFC 3339 has
 * it. The day count is Howard Hinnant's (https://howardhinnant.github.io/date_algorithms.html). Nothing here can fail.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { MINUTE_S = 60, HOUR_S = 3600, DAY_S = 86400 };

struct civil {
    int year, month, day; /* month 1-12, day 1-31 */
    int hour, minute, second;
};

/* Rounds down, for negative numbers too; b > 0. */
static inline int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

bool civil_is_leap(int64_t year);
/* 28-31 */
int civil_month_days(int64_t year, int month);
/* Days since 1970-01-01. */
int64_t civil_to_days(int64_t year, int month, int day);
/* 0 is Sunday. */
int civil_weekday(int64_t days);
/* Years up to INT_MAX, either way. */
struct civil civil_from_s(int64_t local_s);
int64_t civil_to_s(const struct civil *c);
