#include "base/zone_rule.h"

#include "base/civil.h"

#include <errno.h>
#include <string.h>

/* ---- reading; each reader moves *p behind what it took, or answers false ---- */

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool take(const char **p, char c)
{
    if (**p != c)
        return false;
    (*p)++;
    return true;
}

static bool number(const char **p, int min, int max, int *ret)
{
    int n = 0, digits = 0;
    for (; is_digit(**p) && digits < 4; digits++)
        n = n * 10 + *(*p)++ - '0';
    *ret = n;
    return digits > 0 && n >= min && n <= max;
}

/* "CET", "<+03>"; what it is called is not kept. */
static bool skip_name(const char **p)
{
    bool quoted = take(p, '<');
    const char *from = *p;
    while (is_alpha(**p) || (quoted && (is_digit(**p) || **p == '+' || **p == '-')))
        (*p)++;
    return *p - from >= 3 && (!quoted || take(p, '>'));
}

/* [+-]hh[:mm[:ss]] */
static bool clock_time(const char **p, int max_hours, int *ret_s)
{
    int sign = take(p, '-') ? -1 : 1, h, m = 0, s = 0;
    if (sign > 0)
        take(p, '+');
    if (!number(p, 0, max_hours, &h))
        return false;
    if (take(p, ':') && (!number(p, 0, 59, &m) || (take(p, ':') && !number(p, 0, 59, &s))))
        return false;
    *ret_s = sign * (h * HOUR_S + m * MINUTE_S + s);
    return true;
}

static bool date(const char **p, struct zone_rule_date *ret)
{
    if (!take(p, ','))
        return false;
    ret->time_s = 2 * HOUR_S;
    bool ok;
    if (take(p, 'J')) {
        ret->kind = ZONE_DAY_JULIAN;
        ok = number(p, 1, 365, &ret->day);
    } else if (take(p, 'M')) {
        ret->kind = ZONE_DAY_OF_WEEK;
        ok = number(p, 1, 12, &ret->month) && take(p, '.') && number(p, 1, 5, &ret->week) && take(p, '.') &&
             number(p, 0, 6, &ret->wday);
    } else {
        ret->kind = ZONE_DAY_OF_YEAR;
        ok = number(p, 0, 365, &ret->day);
    }
    return ok && (!take(p, '/') || clock_time(p, 167, &ret->time_s));
}

int zone_rule_parse(const char *text, struct zone_rule *ret)
{
    struct zone_rule rule = {0};
    const char *p = text;
    int west_s;
    if (!skip_name(&p) || !clock_time(&p, 24, &west_s))
        return -EINVAL;
    rule.std_s = -west_s;
    rule.has_dst = *p != '\0';
    if (rule.has_dst) {
        if (!skip_name(&p))
            return -EINVAL;
        west_s -= HOUR_S;
        if (*p != ',' && !clock_time(&p, 24, &west_s))
            return -EINVAL;
        rule.dst_s = -west_s;
        if (!date(&p, &rule.start) || !date(&p, &rule.end) || *p)
            return -EINVAL;
    }
    *ret = rule;
    return 0;
}

/* ---- evaluating ---- */

static int64_t date_in_year(const struct zone_rule_date *d, int64_t year)
{
    int64_t day;
    if (d->kind == ZONE_DAY_OF_WEEK) {
        int64_t first = civil_to_days(year, d->month, 1);
        int of_month = (d->wday - civil_weekday(first) + 7) % 7 + (d->week - 1) * 7;
        if (of_month >= civil_month_days(year, d->month))
            of_month -= 7;
        day = first + of_month;
    } else if (d->kind == ZONE_DAY_JULIAN) {
        day = civil_to_days(year, 1, 1) + d->day - 1 + (civil_is_leap(year) && d->day >= 60);
    } else {
        day = civil_to_days(year, 1, 1) + d->day;
    }
    return day * DAY_S + d->time_s;
}

static int64_t summer_begins_s(const struct zone_rule *rule, int64_t year)
{
    return date_in_year(&rule->start, year) - rule->std_s;
}

static int64_t summer_ends_s(const struct zone_rule *rule, int64_t year)
{
    return date_in_year(&rule->end, year) - rule->dst_s;
}

/* A time of day of up to a week may push a change into the neighbouring year: those are looked at too. */
int zone_rule_offset_s(const struct zone_rule *rule, int64_t at_s)
{
    if (!rule->has_dst)
        return rule->std_s;
    int64_t year = civil_from_s(at_s).year, latest = INT64_MIN;
    int offset = rule->std_s;
    for (int64_t y = year - 1; y <= year + 1; y++) {
        int64_t begin = summer_begins_s(rule, y), end = summer_ends_s(rule, y);
        /* at one instant the later year's change counts: that is how summer time all year is written */
        if (begin <= at_s && begin >= latest) {
            latest = begin;
            offset = rule->dst_s;
        }
        if (end <= at_s && end >= latest) {
            latest = end;
            offset = rule->std_s;
        }
    }
    return offset;
}

int64_t zone_rule_next_s(const struct zone_rule *rule, int64_t after_s)
{
    int64_t best = INT64_MAX;
    if (!rule->has_dst)
        return best;
    int64_t year = civil_from_s(after_s).year;
    for (int64_t y = year - 1; y <= year + 2; y++) {
        int64_t begin = summer_begins_s(rule, y), end = summer_ends_s(rule, y);
        if (begin > after_s && begin < best)
            best = begin;
        if (end > after_s && end < best)
            best = end;
    }
    return best;
}
