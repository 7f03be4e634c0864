/* Schedules: what is read and refused, when they are due, and what the clocks' changes do to them. A walk through every
 * minute with glibc's localtime_r() is the second opinion. */
#include "base/cron.h"

#include "base/clock.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unit/tz_oracle.h"

static struct cron *cron_of(const char *text)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    struct cron *c = NULL;
    if (cron_parse(text, &c, &err) < 0)
        fail_msg("'%s': %s", text, error_message(&err));
    return c;
}

static void refusals(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"* * * * 8", "character 9: day of week \"8\" is out of range 0-7 (or sun-sat)"},
        {"60 * * * *", "character 1: minute \"60\" is out of range 0-59"},
        {"0 24 * * *", "character 3: hour \"24\" is out of range 0-23"},
        {"0 0 0 * *", "character 5: day of month \"0\" is out of range 1-31"},
        {"0 0 * 13 *", "character 7: month \"13\" is out of range 1-12 (or jan-dec)"},
        {"0 0 * 0 *", "character 7: month \"0\" is out of range"},
        {"1,2,61 * * * *", "character 5: minute \"61\" is out of range"},
        {"99999999999999999999 * * * *", "minute \"99999999999999999999\" is out of range 0-59"},
        {"-1 * * * *", "character 1: minute \"-\" is not understood; allowed are 0-59"},
        {"+1 * * * *", "character 1: minute \"+\" is not understood"},
        {"1.5 * * * *", "character 2: minute \".\" is not understood"},
        {"0x1 * * * *", "character 1: minute \"0x1\" is not understood"},
        {"5m * * * *", "character 1: minute \"5m\" is not understood"},
        {"*5 * * * *", "character 2: minute \"5\" is not understood"},
        {"** * * * *", "character 2: minute \"*\" is not understood"},
        {"? * * * *", "minute \"?\" is not understood"},
        {"0 0 L * *", "day of month \"L\" is not understood"},
        {"0 0 * * 5#3", "character 10: day of week \"#\" is not understood"},
        {"0 0 * * sunday", "day of week \"sunday\" is not understood; allowed are 0-7 (or sun-sat)"},
        {"jan * * * *", "minute \"jan\" is not understood"},
        {"0 0 * mon *", "month \"mon\" is not understood"},
        {"1, * * * *", "character 3: minute ends too early: a value of 0-59 is missing"},
        {",1 * * * *", "character 1: minute \",\" is not understood"},
        {"1-5- * * * *", "character 4: minute \"-\" is not understood"},
        {"1- * * * *", "character 3: minute ends too early"},
        {"*/ * * * *", "character 3: minute ends too early"},
        {"*/0 * * * *", "character 3: step \"0\" of minute is out of range 1-60"},
        {"*/90 * * * *", "character 3: step \"90\" of minute is out of range 1-60"},
        {"* * * * */8", "step \"8\" of day of week is out of range 1-7"},
        {"*/2/2 * * * *", "character 4: minute \"/\" is not understood"},
        {"5/15 * * * *", "character 2: minute \"5/\": a step stands behind \"*\" or a range, as in 5-59/2"},
        {"0 22-5 * * *", "character 3: hour \"22-5\" begins after it ends; allowed is 22-23,0-5"},
        {"0 0 * * fri-0", "day of week \"fri-0\" begins after it ends"},
        {"0 0 31 2 *", "\"0 0 31 2 *\" never fires: no month that it names has such a day"},
        {"0 0 30,31 feb *", "never fires"},
        {"0 0 31 2,4,6,9,11 *", "never fires"},
        {"0 0 30 2 */2", "never fires"},
        {"", "five fields (minute, hour, day of month, month, day of week), not 0"},
        {"   ", "not 0"},
        {"* * * *", "not 4"},
        {"0 * * * * *", "not 6; seconds and years are not known"},
        {"@dayly", "\"@dayly\" is not known (did you mean @daily?)"},
        {"@reboot", "\"@reboot\" is not known; allowed alone are @hourly, @daily, @weekly, @monthly, @yearly"},
        {"@", "is not known"},
        {"@daily * * * *", "is not known"},
        {"* * * * *\n", "character 10: byte 0x0a has no place in a schedule"},
        {"\x1b[2J* * * * *", "character 1: byte 0x1b has no place"},
        {"* * * * \xc3\xa9", "character 9: byte 0xc3 has no place"},
        {"TZ=UTC * * * *", "character 1: minute \"TZ\" is not understood"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_error_ struct error err = ERROR_NONE;
        struct cron *c = NULL;
        int r = cron_parse(rows[i][0], &c, &err);
        if (r != -EINVAL || c || !strstr(error_message(&err), rows[i][1]))
            fail_msg("'%s' gave %d: %s", rows[i][0], r, error_message(&err));
    }
    char large[300];
    memset(large, ' ', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    struct cron *c = NULL;
    assert_int_equal(cron_parse(large, &c, NULL), -EINVAL);
}

static void same(const char *a, const char *b)
{
    _cleanup_(cron_freep) struct cron *x = cron_of(a), *y = cron_of(b);
    _cleanup_(zone_unrefp) struct zone *utc = zone_of("UTC");
    int64_t t = at("2026-01-01T00:00:00Z");
    for (int i = 0; i < 1000; i++) {
        int64_t next = cron_next(x, utc, t);
        if (next != cron_next(y, utc, t))
            fail_msg("'%s' is not '%s'", a, b);
        t = next;
    }
}

static void spellings(void **state)
{
    (void)state;
    same("@hourly", "0 * * * *");
    same("  @Daily ", "0 0 * * *");
    same("@midnight", "0 0 * * *");
    same("@weekly", "0 0 * * sun");
    same("@monthly", "0 0 1 * *");
    same("@yearly", "0 0 1 jan *");
    same("@annually", "@yearly");
    same("*/15 * * * *", "0,15,30,45 * * * *");
    same("5-59/15\t*  * * *", "5,20,35,50 * * * *");
    same("0 0 * * 7", "0 0 * * 0");
    same("0 0 * * SAT-Sun", "0 0 * * 6,0");
    same("0 0 * * 5-7", "0 0 * * fri,sat,sun");
    same("0 0 * * sun-sun", "0 0 * * 0");
    same("0 0 * * 0-7", "0 0 * * *");
    same("0 0 * Jun-AUG,dec *", "0 0 * 6,7,8,12 *");
    same("*/60 */24 */31 */12 *", "0 0 1 1 *");
    same("00 06 * * 01-05", "0 6 * * mon-fri");
    same("1,1,1-1,*/2 * * * *", "0-58/2,1 * * * *");
}

/* after -> the next, which is the latest at its own instant and until the one after it */
static void due_times(void **state)
{
    (void)state;
    static const struct {
        const char *cron, *zone, *after, *next;
    } rows[] = {
        {"0 2 * * sun", "UTC", "2026-11-21T12:00:00Z", "2026-11-22T02:00:00Z"},
        {"0 2 * * sun", "UTC", "2026-11-22T01:59:59.999999Z", "2026-11-22T02:00:00Z"},
        {"0 2 * * sun", "UTC", "2026-11-22T02:00:00Z", "2026-11-29T02:00:00Z"},
        {"* * * * *", "UTC", "2026-11-22T02:00:00Z", "2026-11-22T02:01:00Z"},
        {"* * * * *", "UTC", "2026-12-31T23:59:30Z", "2027-01-01T00:00:00Z"},
        {"0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"},
        {"0 0 29 2 *", "UTC", "2096-02-29T00:00:00Z", "2104-02-29T00:00:00Z"}, /* 2100 has none: 8 years */
        {"59 23 31 12 *", "UTC", "2037-12-31T23:59:00Z", "2038-12-31T23:59:00Z"},
        {"0 0 31 * *", "UTC", "2026-03-31T00:00:00Z", "2026-05-31T00:00:00Z"},
        {"0 0 13 * fri", "UTC", "2026-11-01T00:00:00Z", "2026-11-06T00:00:00Z"},   /* either: a Friday */
        {"0 0 13 * sat", "UTC", "2026-11-07T00:00:00Z", "2026-11-13T00:00:00Z"},   /* either: the 13th */
        {"0 0 30 2 mon", "UTC", "2026-02-01T00:00:00Z", "2026-02-02T00:00:00Z"},   /* no 30th, but Mondays */
        {"0 0 */31 * mon", "UTC", "2026-11-01T00:00:00Z", "2027-02-01T00:00:00Z"}, /* both: a Monday, a 1st */
        {"0 0 1 1 *", "UTC", "1969-06-01T00:00:00Z", "1970-01-01T00:00:00Z"},
        {"30 9 * * *", "Asia/Kathmandu", "2026-06-01T00:00:00Z", "2026-06-01T03:45:00Z"},
        {"0 9 * * *", "Europe/Berlin", "2060-07-01T00:00:00Z", "2060-07-01T07:00:00Z"},
        {"0 9 * * *", "Europe/Berlin", "2060-12-01T00:00:00Z", "2060-12-01T08:00:00Z"},
        {"0 9 * * *", "America/New_York", "2060-07-01T00:00:00Z", "2060-07-01T13:00:00Z"},
        /* the clocks go forward: 02:30 is not there */
        {"30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"},
        {"30 2 * * *", "Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"},
        {"*/10 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"}, /* the six fire once */
        {"*/10 2 * * *", "Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"},
        {"30 * * * *", "Europe/Berlin", "2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z"},
        {"30 * * * *", "Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"},
        {"30 2 * * *", "America/New_York", "2026-03-08T00:00:00Z", "2026-03-08T07:00:00Z"},
        {"30 2 8 3 *", "America/New_York", "2026-03-08T07:00:00Z", "2027-03-08T07:30:00Z"},
        {"0 12 30 12 *", "Pacific/Apia", "2011-06-01T00:00:00Z", "2011-12-30T10:00:00Z"}, /* the day that never was */
        /* the clocks go back: 02:30 is there twice */
        {"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"},
        {"30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"},
        {"30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", "2026-10-26T01:30:00Z"},
        {"* * * * *", "Europe/Berlin", "2026-10-25T00:59:00Z", "2026-10-25T02:00:00Z"},
        {"30 1 * * *", "America/New_York", "2026-11-01T00:00:00Z", "2026-11-01T05:30:00Z"},
        {"30 1 * * *", "America/New_York", "2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"},
        {"30 1 * * *", "America/New_York", "2071-11-01T05:30:00Z", "2071-11-02T06:30:00Z"},
    };
    bool all = tzdata_there();
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (!all && strcmp(rows[i].zone, "UTC") != 0)
            continue;
        _cleanup_(cron_freep) struct cron *c = cron_of(rows[i].cron);
        _cleanup_(zone_unrefp) struct zone *z = zone_of(rows[i].zone);
        int64_t next = cron_next(c, z, at(rows[i].after));
        char buf[TIME_TEXT_MAX];
        if (next != at(rows[i].next))
            fail_msg("%s in %s after %s: %s", rows[i].cron, rows[i].zone, rows[i].after, time_format(next, buf));
        assert_true(cron_previous(c, z, next) == next);
        assert_true(cron_previous(c, z, next + 1) == next);
        assert_true(cron_previous(c, z, next - 1) <= at(rows[i].after));
    }
}

static void far_and_rare(void **state)
{
    (void)state;
    _cleanup_(cron_freep) struct cron *often = cron_of("* * * * *"), *rare = cron_of("0 0 29 2 */7");
    _cleanup_(zone_unrefp) struct zone *utc = zone_of("UTC");
    assert_true(cron_next(often, utc, INT64_MAX) == INT64_MAX);
    assert_true(cron_next(often, utc, INT64_MAX - 1) == INT64_MAX);
    assert_true(cron_previous(often, utc, INT64_MIN) == INT64_MIN);
    assert_true(cron_previous(often, utc, INT64_MAX) > INT64_MAX - 61 * USEC_PER_SEC);
    assert_true(cron_next(often, utc, INT64_MIN) < INT64_MIN + 61 * USEC_PER_SEC);
    assert_true(cron_next(often, utc, -1) == 0);
    assert_true(cron_previous(often, utc, -1) == -60 * USEC_PER_SEC);
    /* a Sunday that is a 29 February: 2004, 2032 */
    assert_true(cron_next(rare, utc, at("2005-01-01T00:00:00Z")) == INT64_MAX);
    assert_true(cron_next(rare, utc, at("2026-01-01T00:00:00Z")) == at("2032-02-29T00:00:00Z"));
    assert_true(cron_previous(rare, utc, at("2026-01-01T00:00:00Z")) == INT64_MIN);
    assert_true(cron_previous(rare, utc, at("2010-01-01T00:00:00Z")) == at("2004-02-29T00:00:00Z"));
}

static void rare_ones_are_fast(void **state)
{
    (void)state;
    if (!tzdata_there())
        return;
    _cleanup_(cron_freep) struct cron *rare = cron_of("59 23 29 2 */7");
    _cleanup_(zone_unrefp) struct zone *z = zone_of("Europe/Berlin");
    clock_t begun = clock();
    for (int i = 0; i < 1000; i++)
        assert_true(cron_next(rare, z, at("2004-03-01T00:00:00Z") + i) == INT64_MAX);
    double us = (double)(clock() - begun) / CLOCKS_PER_SEC * 1e3;
    printf("nothing within 8 years is known after %.1f us\n", us);
    assert_true(us < 2000); /* minute by minute it would be some 100 000 */
}

/* ---- the second opinion ---- */

static const int least[] = {0, 0, 1, 1, 0}, most[] = {59, 23, 31, 12, 6};

struct naive {
    bool set[5][60], star[5];
    char text[256];
};

static void naive_field(struct naive *n, int field, uint64_t *seed)
{
    size_t len = strlen(n->text);
    n->star[field] = oracle_random(seed) % 3 == 0;
    int step = n->star[field] ? (int)oracle_between(seed, 1, 6) : 0, count = (int)oracle_between(seed, 1, 4);
    if (n->star[field]) {
        snprintf(n->text + len, sizeof(n->text) - len, "*/%d ", step);
        for (int v = least[field]; v <= most[field]; v += step)
            n->set[field][v] = true;
        return;
    }
    for (int i = 0; i < count; i++) {
        int low = (int)oracle_between(seed, least[field], most[field] + 1);
        int high = (int)oracle_between(seed, low, most[field] + 1);
        len = strlen(n->text);
        snprintf(n->text + len, sizeof(n->text) - len, "%d-%d%s", low, high, i == count - 1 ? " " : ",");
        for (int v = low; v <= high; v++)
            n->set[field][v] = true;
    }
}

static bool naive_due(const struct naive *n, const struct tm *tm)
{
    bool by_month = n->set[2][tm->tm_mday], by_week = n->set[4][tm->tm_wday];
    bool day = n->star[2] || n->star[4] ? by_month && by_week : by_month || by_week;
    return n->set[0][tm->tm_min] && n->set[1][tm->tm_hour] && n->set[3][tm->tm_mon + 1] && day;
}

/* Walks from two days before by the minute, with the furthest reading seen so far; what lies between that and the next
 * reading is due now. Zones whose offsets are whole minutes only. */
static void naive_walk(const struct naive *n, int64_t from_s, int64_t after_s, int64_t *ret_previous_s,
                       int64_t *ret_next_s)
{
    int64_t shown = INT64_MIN;
    *ret_previous_s = *ret_next_s = 0;
    for (int64_t t = floor_div(from_s, 60) * 60; t < after_s + 3 * DAY_S && !*ret_next_s; t += 60) {
        struct tm tm;
        time_t now = (time_t)t;
        localtime_r(&now, &tm);
        int64_t reading = t + tm.tm_gmtoff;
        for (int64_t r = shown == INT64_MIN ? reading : shown + 60; r <= reading; r += 60) {
            time_t as_utc = (time_t)r;
            gmtime_r(&as_utc, &tm);
            if (naive_due(n, &tm))
                *(t > after_s ? ret_next_s : ret_previous_s) = t;
        }
        if (reading > shown)
            shown = reading;
    }
}

static void check_near(const struct zone *z, int64_t near_s, uint64_t *seed, size_t *due)
{
    struct naive n = {0};
    for (int f = 0; f < 5; f++)
        naive_field(&n, f, seed);
    _cleanup_(cron_freep) struct cron *c = NULL;
    if (cron_parse(n.text, &c, NULL) < 0)
        return;
    int64_t after_s = near_s + oracle_between(seed, -DAY_S, DAY_S), previous_s, next_s;
    naive_walk(&n, after_s - 2 * DAY_S, after_s, &previous_s, &next_s);
    int64_t next_us = cron_next(c, z, after_s * USEC_PER_SEC),
            previous_us = cron_previous(c, z, after_s * USEC_PER_SEC);
    bool next_ok = next_s ? next_us == next_s * USEC_PER_SEC : next_us >= (after_s + 3 * DAY_S) * USEC_PER_SEC;
    bool previous_ok =
        previous_s ? previous_us == previous_s * USEC_PER_SEC : previous_us < (after_s - DAY_S) * USEC_PER_SEC;
    if (!next_ok || !previous_ok)
        fail_msg("'%s' in %s at %ld: %ld, %ld; walked: %ld, %ld", n.text, zone_name(z), (long)after_s,
                 (long)(previous_us / USEC_PER_SEC), (long)(next_us / USEC_PER_SEC), (long)previous_s, (long)next_s);
    *due += (size_t)(next_s != 0) + (size_t)(previous_s != 0);
}

static void same_as_a_walk(void **state)
{
    (void)state;
    uint64_t seed = UINT64_C(0x63726f6e);
    size_t due = 0;
    for (size_t i = 0; i < ARRAY_SIZE(oracle_zones) && tzdata_there(); i++) {
        _cleanup_(zone_unrefp) struct zone *z = zone_of(oracle_zones[i]);
        oracle_use(oracle_zones[i]);
        for (int k = 0; k < 25; k++) {
            int64_t t = oracle_between(&seed, at("1990-01-01T00:00:00Z"), at("2090-01-01T00:00:00Z")) / USEC_PER_SEC;
            /* most of them within a day of the next change of the clocks, if there is one within 200 days */
            for (int d = 0, offset = zone_offset_s(z, t * USEC_PER_SEC);
                 k % 4 && d < 200 && zone_offset_s(z, t * USEC_PER_SEC) == offset; d++)
                t += DAY_S;
            check_near(z, t, &seed, &due);
        }
    }
    printf("%zu due times as a walk through the minutes finds them\n", due);
    assert_true(due > 100 || !tzdata_there());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals),     cmocka_unit_test(spellings),          cmocka_unit_test(due_times),
        cmocka_unit_test(far_and_rare), cmocka_unit_test(rare_ones_are_fast), cmocka_unit_test(same_as_a_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
