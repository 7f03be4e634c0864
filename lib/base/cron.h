/* When a schedule is due: crontab(5)'s five fields, in a time zone.
 *
 *   minute 0-59, hour 0-23, day of month 1-31, month 1-12 or jan-dec, day of week 0-7 or sun-sat (0 and 7: Sunday)
 *   each: "*", a value, a range "1-5", a step over either (every 15th: a star, "/15"; "8-18/2"), a list of those with
 * "," or one of @hourly @daily @midnight @weekly @monthly @yearly @annually
 *
 * Days: if day of month and day of week are both restricted (no "*" in either), either is enough; otherwise both hold.
 * Names in any case. "sat-sun" ends on Sunday. A step stands behind a range or "*" only. What never fires (31 February)
 * is refused.
 *
 * When the clocks change: an entry fires when the wall reads its time, or a later one, for the first time. So a time
 * that does not exist fires at the first instant after the gap (all that lie in the gap together fire once), and one
 * that exists twice fires the first time only. A schedule of every minute rests while the clocks repeat an hour.
 *
 * A cron is immutable; its maker owns it. Pure: no clock is read. */
#pragma once

#include "base/error.h"
#include "base/zone.h"

#include <stdint.h>

struct cron;

/* 0, or -EINVAL with the field, the character (counted from 1) and what is allowed:
 * `character 9: day of week "8" is out of range 0-7 (or sun-sat)`. */
int cron_parse(const char *text, struct cron **ret, struct error *err);
void cron_free(struct cron *c); /* NULL is fine */
DEFINE_CLEANUP(struct cron *, cron_free);

/* The first time strictly after; INT64_MAX: none within 8 years. */
int64_t cron_next(const struct cron *c, const struct zone *z, int64_t after_wall_us);
/* The latest time at or before; INT64_MIN: none within 8 years. */
int64_t cron_previous(const struct cron *c, const struct zone *z, int64_t at_wall_us);
