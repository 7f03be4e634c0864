/* Time as values: the wall clock for people and for other programs, the boot clock for everything that waits.
 * The core never reads a clock; it is handed a `struct now`. Durations are written Prometheus' way ("15m", "1h30m"). */
#pragma once

#include "base/error.h"

#include <stdint.h>

#define USEC_PER_SEC INT64_C(1000000)
#define USEC_PER_MSEC INT64_C(1000)
#define MSEC_PER_SEC INT64_C(1000)

struct now {
    int64_t wall_us; /* microseconds since 1970-01-01 UTC */
    int64_t boot_us; /* CLOCK_BOOTTIME, microseconds: never jumps, counts suspend */
};

struct now now_read(void);

#define TIME_TEXT_MAX 40

/* "2026-01-05T10:00:00Z" (whole seconds). Returns buf. */
char *time_format_seconds(int64_t wall_us, char buf[TIME_TEXT_MAX]);
/* "2026-01-05T10:00:00.123456Z". Returns buf. */
char *time_format(int64_t wall_us, char buf[TIME_TEXT_MAX]);
/* RFC 3339 with any offset and any number of fractional digits. 0 or -EINVAL. */
int time_parse(const char *s, int64_t *ret_wall_us);

/* "1h30m", "500ms", "0s", "0"; units y w d h m s ms, each at most once, largest first. 0 or -EINVAL with a message. */
int duration_parse(const char *s, int64_t *ret_ms, struct error *err);
/* The shortest such text. Returns buf. */
char *duration_format(int64_t ms, char buf[TIME_TEXT_MAX]);
