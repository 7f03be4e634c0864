/* What the zone and cron tests share: a seeded generator, whether tzdata is there, and glibc as the second opinion. */
#pragma once

#include "base/alloc.h"
#include "base/zone.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* both hemispheres, half and quarter hours, negative summer time, rules with hours beyond a day, none at all */
static _unused_ const char *const oracle_zones[] = {"Europe/Berlin",
                                                    "America/New_York",
                                                    "Europe/Dublin",
                                                    "Europe/London",
                                                    "America/Sao_Paulo",
                                                    "Australia/Sydney",
                                                    "Asia/Kolkata",
                                                    "Asia/Kathmandu",
                                                    "Australia/Lord_Howe",
                                                    "Pacific/Chatham",
                                                    "Pacific/Apia",
                                                    "America/St_Johns",
                                                    "America/Santiago",
                                                    "America/Nuuk",
                                                    "Africa/Casablanca",
                                                    "Africa/Cairo",
                                                    "Asia/Gaza",
                                                    "Asia/Tehran",
                                                    "Antarctica/Troll",
                                                    "America/Los_Angeles",
                                                    "Pacific/Kiritimati",
                                                    "Europe/Moscow",
                                                    "UTC",
                                                    "Etc/GMT+5",
                                                    "Asia/Tokyo"};

static inline _unused_ bool tzdata_there(void)
{
    if (access("/usr/share/zoneinfo/Europe/Berlin", R_OK) == 0)
        return true;
    puts("SKIPPED: the package tzdata is not installed; only UTC and hand-made zones are tested");
    return false;
}

static inline _unused_ void oracle_use(const char *zone)
{
    setenv("TZ", zone, 1);
    tzset();
}

static inline _unused_ uint64_t oracle_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}

/* from <= result < until */
static inline _unused_ int64_t oracle_between(uint64_t *state, int64_t from, int64_t until)
{
    return from + (int64_t)((oracle_random(state) >> 11) % (uint64_t)(until - from));
}

static inline _unused_ struct zone *zone_of(const char *name)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    struct zone *z = NULL;
    if (zone_load(name, &z, &err) < 0)
        fail_msg("%s: %s", name, error_message(&err));
    return z;
}

/* "2026-03-29T01:00:00Z" */
static inline _unused_ int64_t at(const char *text)
{
    int64_t us = 0;
    if (time_parse(text, &us) < 0)
        fail_msg("%s is no time", text);
    return us;
}
