/* Time zones: tzdata's files against glibc's own reading of them, hand-made files, damaged ones, hostile names. */
#include "base/zone.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "base/zone_rule.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unit/tz_oracle.h"

static struct civil reading(const char *text)
{
    return civil_from_s(floor_div(at(text), USEC_PER_SEC));
}

static void calendar(void **state)
{
    (void)state;
    for (int64_t day = -800000; day < 800000; day++) {
        struct civil c = civil_from_s(day * DAY_S + 86399);
        if (civil_to_days(c.year, c.month, c.day) != day || c.hour != 23 || c.minute != 59 || c.second != 59)
            fail_msg("day %ld becomes %d-%d-%d", (long)day, c.year, c.month, c.day);
        assert_in_range(c.day, 1, civil_month_days(c.year, c.month));
    }
    assert_true(civil_is_leap(2000) && civil_is_leap(2024) && !civil_is_leap(2100) && !civil_is_leap(2026));
    assert_int_equal(civil_weekday(civil_to_days(2026, 11, 22)), 0);
    assert_int_equal(civil_weekday(civil_to_days(1969, 12, 31)), 3);
    assert_int_equal(floor_div(-1, 60), -1);
    assert_int_equal(floor_div(-60, 60), -1);
}

/* ---- what a name may be ---- */

static void utc_needs_no_file(void **state)
{
    (void)state;
    _cleanup_(zone_unrefp) struct zone *z = zone_of("UTC"), *other = zone_of("Etc/UTC"), *more = zone_ref(z);
    assert_ptr_equal(more, z);
    assert_string_equal(zone_name(other), "Etc/UTC");
    assert_int_equal(zone_offset_s(z, INT64_MAX), 0);
    assert_int_equal(zone_offset_s(z, INT64_MIN), 0);
    struct civil c = zone_civil(z, at("2026-02-28T23:59:59.999999Z"));
    assert_true(c.year == 2026 && c.month == 2 && c.day == 28 && c.second == 59);
    int64_t first, last;
    assert_int_equal(zone_instant(z, &c, &first, &last), ZONE_ONCE);
    assert_true(first == at("2026-02-28T23:59:59Z") && last == first);
}

static void hostile_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int code;
        const char *words;
    } bad[] = {
        {"", -EINVAL, "the name is empty"},
        {"Europe/Berln", -ENOENT, "no time zone \"Europe/Berln\"; is the package tzdata installed?"},
        {"Europe", -ENOENT, "no time zone"},
        {"Europe/Berlin/x", -ENOENT, "no time zone"},
        {"../../../etc/passwd", -EINVAL, "\".\" at character 1"},
        {"Europe/../UTC", -EINVAL, "\".\" at character 8"},
        {"/etc/localtime", -EINVAL, "a \"/\" too many"},
        {"Europe/", -EINVAL, "a \"/\" too many"},
        {"Europe//Berlin", -EINVAL, "a \"/\" too many"},
        {"Europe/Berlin\n", -EINVAL, "byte 0x0a at character 14"},
        {"Europe Berlin", -EINVAL, "byte 0x20 at character 7"},
        {"\x1b[31m", -EINVAL, "byte 0x1b at character 1"},
        {"Zürich", -EINVAL, "byte 0xc3"},
        {":UTC", -EINVAL, "\":\" at character 1"},
        {"CET-1CEST,M3.5.0,M10.5.0/3", -EINVAL, "\",\" at character 10"},
        {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", -EINVAL, "more than 64"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        _cleanup_error_ struct error err = ERROR_NONE;
        struct zone *z = NULL;
        int r = zone_load(bad[i].name, &z, &err);
        if (r != bad[i].code || z || !strstr(error_message(&err), bad[i].words))
            fail_msg("'%s' gave %d: %s", bad[i].name, r, error_message(&err));
    }
}

/* ---- hand-made files ---- */

static void put(struct strbuf *b, int64_t n, int size)
{
    for (int i = size - 1; i >= 0; i--)
        strbuf_putc(b, (char)(i < 8 ? n >> (8 * i) : 0));
}

struct made {
    char version;
    uint32_t isut, isstd, leap, time, type, chars;
    int offsets[2];
    int64_t at[2];
    int index;
};

static void put_block(struct strbuf *b, const struct made *m, int size)
{
    strbuf_add(b, "TZif", 4);
    strbuf_putc(b, m->version);
    put(b, 0, 15);
    const uint32_t counts[] = {m->isut, m->isstd, m->leap, m->time, m->type, m->chars};
    for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
        put(b, counts[i], 4);
    for (uint32_t i = 0; i < m->time && i < 2; i++)
        put(b, m->at[i], size);
    for (uint32_t i = 0; i < m->time && i < 2; i++)
        strbuf_putc(b, (char)(i == 0 ? m->index : 0));
    for (uint32_t i = 0; i < m->type && i < 2; i++) {
        put(b, m->offsets[i], 4);
        put(b, 0, 2);
    }
    for (uint32_t i = 0; i < m->chars && i < 4; i++)
        strbuf_putc(b, "LMT"[i]);
    put(b, 0, (int)(m->leap * (uint32_t)(size + 4)));
}

static const struct made plain = {'2', 0, 0, 0, 2, 2, 4, {3600, 7200}, {1000, 2000}, 1};

/* What reading that file says; NULL: it is understood, and *ret is the zone. */
static char *made_fault(const struct made *m, const char *footer, struct zone **ret)
{
    _cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
    _cleanup_error_ struct error err = ERROR_NONE;
    put_block(&b, m, 4);
    if (m->version)
        put_block(&b, m, 8);
    if (footer)
        strbuf_puts(&b, footer);
    int r = zone_parse("made", strbuf_str(&b), b.len, ret, &err);
    assert_true(r == 0 || (r == -EBADMSG && err.message));
    return r == 0 ? NULL : xstrdup(error_message(&err));
}

static void all_versions(void **state)
{
    (void)state;
    static const char versions[] = {'\0', '2', '3', '4'};
    for (size_t i = 0; i < sizeof(versions); i++) {
        struct made m = plain;
        m.version = versions[i];
        _cleanup_(zone_unrefp) struct zone *z = NULL;
        assert_null(made_fault(&m, versions[i] ? "\nEST5EDT,M3.2.0,M11.1.0\n" : NULL, &z));
        assert_int_equal(zone_offset_s(z, 999999999), 3600);
        assert_int_equal(zone_offset_s(z, 1000000000), 7200);
        assert_int_equal(zone_offset_s(z, 1999999999), 7200);
        assert_int_equal(zone_offset_s(z, at("2050-07-01T00:00:00Z")), versions[i] ? -4 * 3600 : 3600);
        assert_int_equal(zone_offset_s(z, at("2050-01-01T00:00:00Z")), versions[i] ? -5 * 3600 : 3600);
    }
    _cleanup_(zone_unrefp) struct zone *z = NULL;
    assert_null(made_fault(&plain, "\n\n", &z)); /* no rule: the last offset stays */
    assert_int_equal(zone_offset_s(z, at("2050-07-01T00:00:00Z")), 3600);
}

static void damaged_files(void **state)
{
    (void)state;
    struct made m[14];
    for (size_t i = 0; i < ARRAY_SIZE(m); i++)
        m[i] = plain;
    m[0].version = '5';
    m[1].type = 0;
    m[2].chars = 0;
    m[3].index = 2;
    m[4].index = 255;
    m[5].at[1] = 1000; /* twice the same */
    m[6].offsets[1] = INT32_MIN;
    m[7].offsets[0] = 93600;
    m[8].leap = 1;
    m[9].isut = 1;
    m[10].isstd = 7;
    m[11].time = UINT32_MAX;
    m[12].chars = UINT32_MAX;
    m[13].at[0] = INT64_MIN;
    for (size_t i = 0; i < ARRAY_SIZE(m); i++) {
        struct zone *z = NULL;
        _cleanup_free_ char *fault = made_fault(&m[i], "\nEST5\n", &z);
        if (!fault || z)
            fail_msg("damaged file %zu was understood", i);
    }
    static const char *const footers[] = {"", "\n", "\nEST5", "EST5\n", "\nES5\n", "\nEST\n", "\nEST5EDT\n"};
    for (size_t i = 0; i < ARRAY_SIZE(footers); i++) {
        struct zone *z = NULL;
        _cleanup_free_ char *fault = made_fault(&plain, footers[i], &z);
        if (!fault || z)
            fail_msg("the last line '%s' was understood", footers[i]);
    }
}

/* Every byte of a real file cut off or changed: refused, or a zone that still answers. */
static void no_byte_breaks_it(void **state)
{
    (void)state;
    _cleanup_free_ char *data = NULL;
    size_t len;
    if (!tzdata_there())
        return;
    assert_int_equal(file_read("/usr/share/zoneinfo/Europe/Berlin", 65536, &data, &len, NULL), 0);
    for (size_t i = 0; i < len; i++) {
        _cleanup_(zone_unrefp) struct zone *cut = NULL, *changed = NULL;
        _cleanup_free_ char *copy = xmalloc(i);
        memcpy(copy, data, i);
        assert_int_equal(zone_parse("cut", copy, i, &cut, NULL), -EBADMSG);
        data[i] = (char)~data[i];
        if (zone_parse("changed", data, len, &changed, NULL) == 0) {
            zone_offset_s(changed, at("2040-07-01T00:00:00Z"));
            zone_reached_s(changed, 1774746000);
            zone_shown_s(changed, 1774746000);
        }
        data[i] = (char)~data[i];
    }
    _cleanup_free_ char *large = xcalloc(1, 65537);
    memcpy(large, data, len);
    struct zone *z = NULL;
    assert_int_equal(zone_parse("large", large, 65537, &z, NULL), -EBADMSG);
}

/* ---- rules ---- */

static void rules(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "CET",
                                      "CE-1",
                                      "CET-",
                                      "CET-25",
                                      "CET-1:60",
                                      "CET-1CEST",
                                      "CET-1CEST,",
                                      "CET-1CEST,M3.5.0",
                                      "CET-1CEST,M3.5.0,",
                                      "CET-1CEST,M13.5.0,M10.5.0",
                                      "CET-1CEST,M3.6.0,M10.5.0",
                                      "CET-1CEST,M3.5.7,M10.5.0",
                                      "CET-1CEST,M3.5.0,M10.5.0/168",
                                      "CET-1CEST,M3.5.0,M10.5.0/3x",
                                      "CET-1CEST,J0,J365",
                                      "CET-1CEST,J366,J1",
                                      "CET-1CEST,366,1",
                                      "<+03-3",
                                      "<+0>-3",
                                      "CET-1CEST,M99999999999.5.0,M10.5.0",
                                      "CET--1"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct zone_rule r;
        if (zone_rule_parse(bad[i], &r) != -EINVAL)
            fail_msg("'%s' was read as a rule", bad[i]);
    }
    static const struct {
        const char *rule, *when;
        int offset_s;
    } good[] = {
        {"<+0330>-3:30", "2100-01-01T00:00:00Z", 12600},
        {"CET-1CEST,M3.5.0,M10.5.0/3", "2038-03-28T00:59:59Z", 3600},
        {"CET-1CEST,M3.5.0,M10.5.0/3", "2038-03-28T01:00:00Z", 7200},
        {"CET-1CEST,M3.5.0,M10.5.0/3", "2038-10-31T00:59:59Z", 7200},
        {"CET-1CEST,M3.5.0,M10.5.0/3", "2038-10-31T01:00:00Z", 3600},
        {"IST-1GMT0,M10.5.0,M3.5.0/1", "2099-07-01T00:00:00Z", 3600}, /* winter is the "summer time" */
        {"IST-1GMT0,M10.5.0,M3.5.0/1", "2099-01-01T00:00:00Z", 0},
        {"AEST-10AEDT,M10.1.0,M4.1.0/3", "2099-12-31T23:59:59Z", 39600},
        {"AEST-10AEDT,M10.1.0,M4.1.0/3", "2100-01-01T00:00:00Z", 39600},
        {"EET-2EEST,M3.4.4/50,M10.4.4/50", "2044-03-25T23:59:59Z", 7200}, /* the Saturday after the 4th Thursday */
        {"EET-2EEST,M3.4.4/50,M10.4.4/50", "2044-03-26T00:00:00Z", 10800},
        {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2044-03-27T00:59:59Z", -7200},
        {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2044-03-27T01:00:00Z", -3600},
        {"XXX3EDT4,0/0,J365/23", "2044-01-01T02:59:59Z", -4 * 3600}, /* RFC 8536, 3.3.1: all the year */
        {"XXX3EDT4,0/0,J365/23", "2044-01-01T03:00:00Z", -4 * 3600},
        {"XXX3EDT4,0/0,J365/23", "2044-07-01T03:00:00Z", -4 * 3600},
        {"AAA0BBB,J60/0,J300/0", "2044-02-29T23:59:59Z", 0}, /* J60 is 1 March in leap years too */
        {"AAA0BBB,J60/0,J300/0", "2044-03-01T00:00:00Z", 3600},
        {"AAA0BBB,59/0,300/0", "2044-02-29T00:00:00Z", 3600}, /* 59 is 29 February then */
        {"AAA0BBB,59/0,300/0", "2045-03-01T00:00:00Z", 3600},
        {"AAA0BBB,59/0,300/0", "2045-02-28T23:59:59Z", 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        struct zone_rule r;
        assert_int_equal(zone_rule_parse(good[i].rule, &r), 0);
        int offset_s = zone_rule_offset_s(&r, at(good[i].when) / USEC_PER_SEC);
        if (offset_s != good[i].offset_s)
            fail_msg("%s at %s: %d", good[i].rule, good[i].when, offset_s);
    }
}

/* ---- there and back ---- */

static void gaps_and_overlaps(void **state)
{
    (void)state;
    static const struct {
        const char *zone, *local;
        enum zone_fit fit;
        const char *first, *last;
    } rows[] = {
        {"Europe/Berlin", "2026-03-29T01:59:59Z", ZONE_ONCE, "2026-03-29T00:59:59Z", NULL},
        {"Europe/Berlin", "2026-03-29T02:00:00Z", ZONE_GAP, "2026-03-29T01:00:00Z", NULL},
        {"Europe/Berlin", "2026-03-29T02:59:59Z", ZONE_GAP, "2026-03-29T01:00:00Z", NULL},
        {"Europe/Berlin", "2026-03-29T03:00:00Z", ZONE_ONCE, "2026-03-29T01:00:00Z", NULL},
        {"Europe/Berlin", "2026-10-25T01:59:59Z", ZONE_ONCE, "2026-10-24T23:59:59Z", NULL},
        {"Europe/Berlin", "2026-10-25T02:00:00Z", ZONE_TWICE, "2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z"},
        {"Europe/Berlin", "2026-10-25T02:59:59Z", ZONE_TWICE, "2026-10-25T00:59:59Z", "2026-10-25T01:59:59Z"},
        {"Europe/Berlin", "2026-10-25T03:00:00Z", ZONE_ONCE, "2026-10-25T02:00:00Z", NULL},
        {"Europe/Berlin", "2062-03-26T02:30:00Z", ZONE_GAP, "2062-03-26T01:00:00Z", NULL},
        {"America/New_York", "2026-03-08T02:30:00Z", ZONE_GAP, "2026-03-08T07:00:00Z", NULL},
        {"America/New_York", "2026-11-01T01:30:00Z", ZONE_TWICE, "2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"},
        {"America/New_York", "2071-11-01T01:30:00Z", ZONE_TWICE, "2071-11-01T05:30:00Z", "2071-11-01T06:30:00Z"},
        {"Pacific/Apia", "2011-12-30T12:00:00Z", ZONE_GAP, "2011-12-30T10:00:00Z", NULL}, /* a day that never was */
        {"Australia/Lord_Howe", "2026-10-04T02:15:00Z", ZONE_GAP, "2026-10-03T15:30:00Z", NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows) && tzdata_there(); i++) {
        _cleanup_(zone_unrefp) struct zone *z = zone_of(rows[i].zone);
        struct civil local = reading(rows[i].local);
        int64_t first = 0, last = 0;
        enum zone_fit fit = zone_instant(z, &local, &first, &last);
        if (fit != rows[i].fit || first != at(rows[i].first) || last != (rows[i].last ? at(rows[i].last) : first)) {
            char a[TIME_TEXT_MAX], b[TIME_TEXT_MAX];
            fail_msg("%s %s: %d, %s, %s", rows[i].zone, rows[i].local, (int)fit, time_format(first, a),
                     time_format(last, b));
        }
    }
    _cleanup_(zone_unrefp) struct zone *utc = zone_of("UTC");
    int64_t first, last;
    zone_instant(utc, &(struct civil){.year = INT32_MAX, .month = 12, .day = 31}, &first, &last);
    assert_true(first == INT64_MAX && last == INT64_MAX);
    zone_instant(utc, &(struct civil){.year = -291000, .month = 1, .day = 1}, &first, &last);
    assert_true(first == INT64_MIN && last == INT64_MIN);
    zone_instant(utc, &(struct civil){.year = INT32_MIN, .month = 1, .day = 1}, &first, &last);
    assert_true(first == INT64_MIN && last == INT64_MIN);
}

/* One random instant of a zone against glibc, and the way back from what the wall reads. */
static void as_glibc_says(const struct zone *z, int64_t at_s)
{
    struct tm tm;
    time_t t = (time_t)at_s;
    localtime_r(&t, &tm);
    struct civil c = zone_civil(z, at_s * USEC_PER_SEC + 999999);
    if (zone_offset_s(z, at_s * USEC_PER_SEC) != tm.tm_gmtoff || c.year != tm.tm_year + 1900 ||
        c.month != tm.tm_mon + 1 || c.day != tm.tm_mday || c.hour != tm.tm_hour || c.minute != tm.tm_min ||
        c.second != tm.tm_sec)
        fail_msg("%s at %ld: offset %d, glibc says %ld", zone_name(z), (long)at_s,
                 zone_offset_s(z, at_s * USEC_PER_SEC), tm.tm_gmtoff);
    int64_t first, last;
    enum zone_fit fit = zone_instant(z, &c, &first, &last);
    assert_true(fit != ZONE_GAP);
    if ((first != at_s * USEC_PER_SEC && last != at_s * USEC_PER_SEC) || (fit == ZONE_TWICE) != (first < last))
        fail_msg("%s at %ld: not among %ld and %ld", zone_name(z), (long)at_s, (long)first, (long)last);
    int64_t local_s = civil_to_s(&c), reached_s = zone_reached_s(z, local_s);
    assert_true(reached_s <= at_s && zone_shown_s(z, reached_s) >= local_s && zone_shown_s(z, reached_s - 1) < local_s);
    assert_true(zone_shown_s(z, at_s) >= local_s);
}

static void same_as_glibc(void **state)
{
    (void)state;
    uint64_t seed = UINT64_C(0x6d656e6464);
    int64_t from = at("1900-01-01T00:00:00Z") / USEC_PER_SEC, until = at("2400-01-01T00:00:00Z") / USEC_PER_SEC;
    size_t checked = 0;
    for (size_t i = 0; i < ARRAY_SIZE(oracle_zones) && tzdata_there(); i++) {
        _cleanup_(zone_unrefp) struct zone *z = zone_of(oracle_zones[i]);
        oracle_use(oracle_zones[i]);
        for (int n = 0; n < 3000; n++, checked++)
            as_glibc_says(z, oracle_between(&seed, from, until));
        /* and around every change of the clocks, by the second */
        int before = zone_offset_s(z, from * USEC_PER_SEC);
        for (int64_t t = from; t < until; t += 7 * DAY_S) {
            int offset = zone_offset_s(z, t * USEC_PER_SEC);
            if (offset == before)
                continue;
            int64_t low = t - 7 * DAY_S, high = t;
            while (high - low > 1) {
                int64_t middle = low + (high - low) / 2;
                *(zone_offset_s(z, middle * USEC_PER_SEC) == before ? &low : &high) = middle;
            }
            for (int64_t k = -2; k <= 2; k++, checked++)
                as_glibc_says(z, high + k);
            before = offset;
        }
    }
    printf("%zu instants as glibc says\n", checked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calendar),     cmocka_unit_test(utc_needs_no_file), cmocka_unit_test(hostile_names),
        cmocka_unit_test(all_versions), cmocka_unit_test(damaged_files),     cmocka_unit_test(no_byte_breaks_it),
        cmocka_unit_test(rules),        cmocka_unit_test(gaps_and_overlaps), cmocka_unit_test(same_as_glibc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
