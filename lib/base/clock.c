#include "base/clock.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * USEC_PER_SEC + ts.tv_nsec / 1000;
}

struct now now_read(void)
{
    return (struct now){.wall_us = read_clock(CLOCK_REALTIME), .boot_us = read_clock(CLOCK_BOOTTIME)};
}

static void split(int64_t wall_us, struct tm *tm, int *ret_us)
{
    int64_t us = wall_us % USEC_PER_SEC, sec = wall_us / USEC_PER_SEC;
    if (us < 0) {
        us += USEC_PER_SEC;
        sec--;
    }
    time_t t = (time_t)sec;
    gmtime_r(&t, tm);
    *ret_us = (int)us;
}

char *time_format_seconds(int64_t wall_us, char buf[TIME_TEXT_MAX])
{
    struct tm tm;
    int us;
    split(wall_us, &tm, &us);
    strftime(buf, TIME_TEXT_MAX, "%04Y-%m-%dT%H:%M:%SZ", &tm);
    return buf;
}

char *time_format(int64_t wall_us, char buf[TIME_TEXT_MAX])
{
    struct tm tm;
    int us;
    split(wall_us, &tm, &us);
    size_t n = strftime(buf, TIME_TEXT_MAX, "%04Y-%m-%dT%H:%M:%S", &tm);
    snprintf(buf + n, TIME_TEXT_MAX - n, ".%06dZ", us);
    return buf;
}

static const char *fraction(const char *p, int64_t *ret_us)
{
    int64_t us = 0, unit = 100000;
    while (isdigit((unsigned char)*p)) {
        us += (*p++ - '0') * unit;
        unit /= 10;
    }
    *ret_us = us;
    return p;
}

/* 'd': a digit, '?': anything. sscanf() alone takes signs and blanks for digits. */
static bool looks_like(const char *s, const char *pattern)
{
    for (; *pattern; s++, pattern++)
        if (!*s || (*pattern == 'd' ? !isdigit((unsigned char)*s) : *pattern != '?' && *s != *pattern))
            return false;
    return true;
}

int time_parse(const char *s, int64_t *ret_wall_us)
{
    struct tm tm = {0};
    int n = 0;
    if (!looks_like(s, "dddd-dd-dd?dd:dd:dd"))
        return -EINVAL;
    if (sscanf(s, "%4d-%2d-%2d%*1[Tt ]%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min,
               &tm.tm_sec, &n) != 6 ||
        n != 19)
        return -EINVAL;
    if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 ||
        tm.tm_sec > 60)
        return -EINVAL;
    const char *p = s + n;
    int64_t us = 0;
    if (*p == '.') {
        if (!isdigit((unsigned char)p[1]))
            return -EINVAL;
        p = fraction(p + 1, &us);
    }
    int64_t offset_sec = 0;
    if (*p == 'Z' || *p == 'z') {
        p++;
    } else if (*p == '+' || *p == '-') {
        int h, m, k = 0;
        if (!looks_like(p + 1, "dd:dd") || sscanf(p + 1, "%2d:%2d%n", &h, &m, &k) != 2 || k != 5 || h > 23 || m > 59)
            return -EINVAL;
        offset_sec = (h * 60 + m) * 60 * (*p == '-' ? -1 : 1);
        p += 6;
    } else {
        return -EINVAL;
    }
    if (*p)
        return -EINVAL;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    *ret_wall_us = ((int64_t)timegm(&tm) - offset_sec) * USEC_PER_SEC + us;
    return 0;
}

static const struct {
    const char *name;
    int64_t ms;
} units[] = {
    {"y", INT64_C(31536000000)},
    {"w", 604800000},
    {"d", 86400000},
    {"h", 3600000},
    {"m", 60000},
    {"s", 1000},
    {"ms", 1},
};
#define N_UNITS (sizeof(units) / sizeof(units[0]))

static int find_unit(const char *p, size_t *ret_len)
{
    for (size_t i = N_UNITS; i-- > 0;) { /* "ms" before "m" */
        size_t len = strlen(units[i].name);
        if (strncmp(p, units[i].name, len) == 0 && !isalpha((unsigned char)p[len])) {
            *ret_len = len;
            return (int)i;
        }
    }
    return -1;
}

/* So that a time plus a duration, in microseconds, never overflows: more than 100,000 years. */
#define DURATION_MAX_MS (INT64_MAX / 1000 / 2)

int duration_parse(const char *s, int64_t *ret_ms, struct error *err)
{
    int64_t total = 0;
    int last = -1;
    const char *p = s;
    if (strcmp(s, "0") == 0) {
        *ret_ms = 0;
        return 0;
    }
    do {
        int64_t value = 0;
        int digits = 0;
        for (; isdigit((unsigned char)*p) && digits < 10; p++, digits++)
            value = value * 10 + (*p - '0');
        size_t len = 0;
        const int unit = digits ? find_unit(p, &len) : -1;
        if (unit < 0 || unit <= last || __builtin_mul_overflow(value, units[unit].ms, &value) ||
            __builtin_add_overflow(total, value, &total) || total > DURATION_MAX_MS)
            return error_set(err, -EINVAL, "'%s' is not a duration (write it like 30s, 5m or 1h30m)", s);
        last = unit;
        p += len;
    } while (*p);
    *ret_ms = total;
    return 0;
}

char *duration_format(int64_t ms, char buf[TIME_TEXT_MAX])
{
    size_t n = 0;
    buf[0] = '\0';
    for (size_t i = 2; i < N_UNITS && n < TIME_TEXT_MAX; i++) { /* days and below */
        if (ms < units[i].ms)
            continue;
        n += (size_t)snprintf(buf + n, TIME_TEXT_MAX - n, "%lld%s", (long long)(ms / units[i].ms), units[i].name);
        ms %= units[i].ms;
    }
    return n ? buf : strcpy(buf, "0s");
}
