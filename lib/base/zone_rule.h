/* The rule at the end of a time zone's file: "CET-1CEST,M3.5.0,M10.5.0/3", which holds for all time after the file's
 * last transition. POSIX's TZ (XBD 8.3) with RFC 8536 section 3.3.1's extension: times of day from -167 to 167 hours.
 * For base/zone.c; a plain value, owned by whoever declares it. Times are seconds since 1970 UTC. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* A day of every year, and the time on the wall at which the clocks change. */
struct zone_rule_date {
    enum { ZONE_DAY_JULIAN, ZONE_DAY_OF_YEAR, ZONE_DAY_OF_WEEK } kind;
    int day;               /* JULIAN: 1-365, 29 February never counted; OF_YEAR: 0-365 */
    int month, week, wday; /* OF_WEEK: the week-th wday (0: Sunday) of the month; 5 is the last */
    int time_s;
};

struct zone_rule {
    int std_s, dst_s; /* east of UTC */
    bool has_dst;     /* otherwise std_s always */
    struct zone_rule_date start, end;
};

/* 0, or -EINVAL with *ret as it was. */
int zone_rule_parse(const char *text, struct zone_rule *ret);
/* The offset from UTC at that instant. */
int zone_rule_offset_s(const struct zone_rule *rule, int64_t at_s);
/* The first change of the clocks after that instant, INT64_MAX: none ever. The offset may come out the same (summer
 * time all year is written as two changes at one instant). */
int64_t zone_rule_next_s(const struct zone_rule *rule, int64_t after_s);
