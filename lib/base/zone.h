/* Time zones by name: the offset from UTC at an instant, and the way from a time on the wall back to the instant.
 *
 * Why not the C library: glibc knows one zone a process (TZ, tzset()), which would be a global, and its mktime() does
 * not tell a time that does not exist from one that exists twice. So the files of Debian's tzdata are read here: TZif
 * versions 1 to 4 (RFC 8536, RFC 9636), whose footer holds for all time after the last transition (base/zone_rule.h).
 * "UTC" and "Etc/UTC" need no file.
 *
 * A zone is immutable and counts its references; zone_load() hands out one, zone_unref() gives it back. The count is
 * not atomic: a zone belongs to one thread. All but zone_load() is pure. */
#pragma once

#include "base/civil.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct zone;

/* -EINVAL: no such name can exist; -ENOENT: unknown, or tzdata is not installed; -EBADMSG: the file cannot be
 * understood (damaged, or it counts leap seconds, as those under right/ do); others: it cannot be read. */
int zone_load(const char *name, struct zone **ret, struct error *err);
/* The same from a TZif file's bytes. */
int zone_parse(const char *name, const void *data, size_t len, struct zone **ret, struct error *err);
struct zone *zone_ref(struct zone *z);
void zone_unref(struct zone *z); /* NULL is fine */
DEFINE_CLEANUP(struct zone *, zone_unref);
/* As it was loaded: "Europe/Berlin". */
const char *zone_name(const struct zone *z);

/* Seconds east of UTC; within a day or so either way. */
int zone_offset_s(const struct zone *z, int64_t wall_us);
/* What a clock on the wall there reads. */
struct civil zone_civil(const struct zone *z, int64_t wall_us);

enum zone_fit {
    ZONE_ONCE,  /* as nearly always */
    ZONE_GAP,   /* skipped when the clocks went forward: never on any wall */
    ZONE_TWICE, /* passed again after the clocks went back */
};

/* When the wall reads `local` (whose fields must be in range). TWICE: the first and the last time; GAP: both are the
 * first instant after the gap. Years beyond what microseconds hold give INT64_MIN or INT64_MAX. */
enum zone_fit zone_instant(const struct zone *z, const struct civil *local, int64_t *ret_first_us,
                           int64_t *ret_last_us);

/* The same clock seen as a hand that never goes back, which makes schedules simple (base/cron.h): the first instant at
 * which the wall reads `local_s` or later, and the latest reading that the wall has shown up to and with `at_s`.
 * zone_reached_s(z, l) <= t exactly if l <= zone_shown_s(z, t). Seconds since 1970 in UTC and on the wall. */
int64_t zone_reached_s(const struct zone *z, int64_t local_s);
int64_t zone_shown_s(const struct zone *z, int64_t at_s);
