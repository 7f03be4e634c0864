/* The text becomes a set of bits a field. Due times are searched among the readings of the wall, which know neither
 * zones nor gaps, by month, by day, then by hour and minute; base/zone.h turns instants into readings and back. */
#include "base/cron.h"

#include "base/alloc.h"
#include "base/civil.h"
#include "base/clock.h"
#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { MINUTE, HOUR, DAY, MONTH, WEEKDAY, FIELDS };
enum { TEXT_MAX = 256, DAY_MINUTES = 24 * 60, SEARCH_DAYS = 8 * 365 + 2 /* 8 years with their leap days */ };

struct cron {
    uint64_t set[FIELDS]; /* bit n: the value n; Sunday is bit 0 */
    bool either_day;      /* both day fields are restricted */
};

struct field {
    const char *name, *range;
    int min, max;
    const char *const *names; /* of min, min + 1, … */
};

static const char *const month_names[] = {"jan", "feb", "mar", "apr", "may", "jun", "jul",
                                          "aug", "sep", "oct", "nov", "dec", NULL};
static const char *const weekday_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};

static const struct field fields[FIELDS] = {
    {"minute", "0-59", 0, 59, NULL},
    {"hour", "0-23", 0, 23, NULL},
    {"day of month", "1-31", 1, 31, NULL},
    {"month", "1-12 (or jan-dec)", 1, 12, month_names},
    {"day of week", "0-7 (or sun-sat)", 0, 7, weekday_names},
};

static const char *const macros[] = {"@hourly",  "@daily",  "@midnight", "@weekly",
                                     "@monthly", "@yearly", "@annually", NULL};
static const char *const macro_texts[] = {"0 * * * *", "0 0 * * *", "0 0 * * *", "0 0 * * 0",
                                          "0 0 1 * *", "0 0 1 1 *", "0 0 1 1 *"};

/* ---- reading ---- */

struct reader {
    const char *text, *p;      /* the whole, and where we are */
    const struct field *field; /* whose turn it is */
    struct error *err;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The character's number, from 1. */
static int column(const struct reader *r, const char *at)
{
    return (int)(at - r->text) + 1;
}

/* What is wrong with the word or character at `at`. The text is known to be printable. */
static int complain(struct reader *r, const char *at, const char *what, const char *more)
{
    int len = 0;
    while (is_word(at[len]))
        len++;
    if (len == 0 && *at && !is_blank(*at))
        len = 1;
    if (len == 0)
        return error_set(r->err, -EINVAL, "character %d: %s ends too early: a value of %s is missing", column(r, at),
                         r->field->name, r->field->range);
    return error_set(r->err, -EINVAL, "character %d: %s \"%.*s\" %s %s%s", column(r, at), r->field->name, len, at, what,
                     r->field->range, more);
}

static int not_understood(struct reader *r, const char *at)
{
    return complain(r, at, "is not understood; allowed are", ", \"*\", and \"-\", \"/\", \",\" between them");
}

static int read_number(struct reader *r, int *ret)
{
    const char *from = r->p;
    int n = 0;
    for (; is_digit(*r->p); r->p++)
        n = n < 10000 ? n * 10 + *r->p - '0' : n;
    if (r->p == from || is_word(*r->p))
        return not_understood(r, from);
    *ret = n;
    return 0;
}

/* A number or a name; *ret_named tells which. */
static int read_value(struct reader *r, int *ret, bool *ret_named)
{
    const char *from = r->p;
    *ret_named = false;
    for (size_t i = 0; r->field->names && r->field->names[i]; i++)
        if (strncasecmp(from, r->field->names[i], 3) == 0 && !is_word(from[3])) {
            r->p += 3;
            *ret = r->field->min + (int)i;
            *ret_named = true;
            return 0;
        }
    int e = read_number(r, ret);
    if (e < 0)
        return e;
    return *ret >= r->field->min && *ret <= r->field->max ? 0 : complain(r, from, "is out of range", "");
}

static int read_step(struct reader *r, int *ret)
{
    const char *from = r->p;
    /* a longer one fires once a round, which is not what whoever wrote 90 minutes had in mind */
    int most = r->field->max - r->field->min + (r->field->max == 7 ? 0 : 1), e = read_number(r, ret);
    if (e < 0)
        return e;
    if (*ret < 1 || *ret > most)
        return error_set(r->err, -EINVAL, "character %d: step \"%.*s\" of %s is out of range 1-%d", column(r, from),
                         (int)(r->p - from), from, r->field->name, most);
    return 0;
}

/* "*", "5", "1-5", with "/2" behind the first and the last */
static int read_range(struct reader *r, uint64_t *set)
{
    const char *from = r->p;
    int low = r->field->min, high = r->field->max, step = 1, e;
    bool named, single = false;
    if (*r->p == '*') {
        r->p++;
    } else {
        if ((e = read_value(r, &low, &named)) < 0)
            return e;
        high = low;
        single = *r->p != '-';
        if (!single) {
            r->p++;
            if ((e = read_value(r, &high, &named)) < 0)
                return e;
            if (named && r->field->max == 7 && high == 0 && low > 0)
                high = 7; /* sat-sun */
        }
    }
    if (low > high)
        return error_set(r->err, -EINVAL, "character %d: %s \"%.*s\" begins after it ends; allowed is %d-%d,%d-%d",
                         column(r, from), r->field->name, (int)(r->p - from), from, low, r->field->max, r->field->min,
                         high);
    if (*r->p == '/') {
        if (single)
            return error_set(r->err, -EINVAL,
                             "character %d: %s \"%.*s/\": a step stands behind \"*\" or a range, as in %d-%d/2",
                             column(r, r->p), r->field->name, (int)(r->p - from), from, low, r->field->max);
        r->p++;
        if ((e = read_step(r, &step)) < 0)
            return e;
    }
    for (int n = low; n <= high; n += step)
        *set |= UINT64_C(1) << (n == 7 && r->field->max == 7 ? 0 : n);
    return 0;
}

static int read_field(struct reader *r, uint64_t *set)
{
    for (;;) {
        int e = read_range(r, set);
        if (e < 0)
            return e;
        if (!*r->p || is_blank(*r->p))
            return 0;
        if (*r->p != ',')
            return not_understood(r, r->p);
        r->p++;
    }
}

/* So that all later messages may quote the text as it is. */
static int check_text(const char *text, struct error *err)
{
    for (size_t i = 0; text[i]; i++) {
        unsigned char c = (unsigned char)text[i];
        if (i >= TEXT_MAX)
            return error_set(err, -EINVAL, "a schedule of more than %d characters is not understood", TEXT_MAX);
        if ((c < ' ' && c != '\t') || c >= 0x7f)
            return error_set(err, -EINVAL, "character %zu: byte 0x%02x has no place in a schedule", i + 1, c);
    }
    return 0;
}

static int count_fields(const char *p)
{
    int n = 0;
    for (; *p; p++)
        n += !is_blank(*p) && (!p[1] || is_blank(p[1]));
    return n;
}

/* "@daily" in place of its five fields; NULL: unknown. */
static const char *macro_text(const char *text, struct error *err)
{
    size_t len = strcspn(text, " \t");
    _cleanup_free_ char *word = xstrndup(text, len);
    for (size_t i = 0; macros[i] && count_fields(text) == 1; i++)
        if (strcasecmp(word, macros[i]) == 0)
            return macro_texts[i];
    const char *meant = did_you_mean(word, macros);
    error_set(err, -EINVAL, "\"%s\" is not known%s%s%s; allowed alone are @hourly, @daily, @weekly, @monthly, @yearly",
              text, meant ? " (did you mean " : "", meant ? meant : "", meant ? "?)" : "");
    return NULL;
}

static bool ever_due(const struct cron *c)
{
    for (int month = 1; month <= 12; month++)
        for (int day = 1; day <= civil_month_days(2000, month); day++)
            if (c->either_day || (c->set[MONTH] >> month & 1 && c->set[DAY] >> day & 1))
                return true;
    return false;
}

static int read_fields(struct reader *r, struct cron *c)
{
    bool star[FIELDS];
    for (int i = 0; i < FIELDS; i++) {
        while (is_blank(*r->p))
            r->p++;
        const char *from = r->p;
        r->field = &fields[i];
        int e = read_field(r, &c->set[i]);
        if (e < 0)
            return e;
        star[i] = memchr(from, '*', (size_t)(r->p - from));
    }
    c->either_day = !star[DAY] && !star[WEEKDAY];
    return 0;
}

int cron_parse(const char *text, struct cron **ret, struct error *err)
{
    int e = check_text(text, err);
    if (e < 0)
        return e;
    const char *from = text + strspn(text, " \t");
    if (*from == '@' && !(text = macro_text(from, err)))
        return -EINVAL;
    int n = count_fields(text);
    if (n != FIELDS)
        return error_set(err, -EINVAL,
                         "a schedule has five fields (minute, hour, day of month, month, day of week), not %d%s", n,
                         n > FIELDS ? "; seconds and years are not known" : "");
    _cleanup_(cron_freep) struct cron *c = xnew0(struct cron);
    if ((e = read_fields(&(struct reader){text, text, NULL, err}, c)) < 0)
        return e;
    if (!ever_due(c))
        return error_set(err, -EINVAL, "\"%s\" never fires: no month that it names has such a day", text);
    *ret = TAKE_PTR(c);
    return 0;
}

void cron_free(struct cron *c)
{
    free(c);
}

/* ---- searching, in readings of the wall ---- */

static bool has(uint64_t set, int n)
{
    return set >> n & 1;
}

static bool day_due(const struct cron *c, int64_t day, int of_month)
{
    bool by_month = has(c->set[DAY], of_month), by_week = has(c->set[WEEKDAY], civil_weekday(day));
    return c->either_day ? by_month || by_week : by_month && by_week;
}

/* The first due minute of a day at or after `from`, in the direction of `by` (1, -1). -1: none. */
static int minute_due(const struct cron *c, int from, int by)
{
    for (int m = from; m >= 0 && m < DAY_MINUTES;) {
        if (has(c->set[HOUR], m / 60)) {
            if (has(c->set[MINUTE], m % 60))
                return m;
            m += by;
        } else {
            m = by > 0 ? (m / 60 + 1) * 60 : m / 60 * 60 - 1; /* to the next hour's near end */
        }
    }
    return -1;
}

/* The nearest due reading (in minutes) at or beyond `from`, in the direction of `by`. False: none within 8 years. */
static bool nearest(const struct cron *c, int64_t from, int by, int64_t *ret)
{
    int64_t first = floor_div(from, DAY_MINUTES), day = first;
    int minute = (int)(from - first * DAY_MINUTES);
    while (by > 0 ? day - first <= SEARCH_DAYS : first - day <= SEARCH_DAYS) {
        struct civil date = civil_from_s(day * DAY_S);
        if (!has(c->set[MONTH], date.month)) {
            day += by > 0 ? civil_month_days(date.year, date.month) - date.day + 1 : -date.day;
        } else {
            int m = day_due(c, day, date.day) ? minute_due(c, minute, by) : -1;
            if (m >= 0) {
                *ret = day * DAY_MINUTES + m;
                return true;
            }
            day += by;
        }
        minute = by > 0 ? 0 : DAY_MINUTES - 1;
    }
    return false;
}

static int64_t due_us(const struct zone *z, int64_t minute, int64_t otherwise)
{
    int64_t us;
    return __builtin_mul_overflow(zone_reached_s(z, minute * MINUTE_S), USEC_PER_SEC, &us) ? otherwise : us;
}

/* An entry fires at zone_reached_s(); that is after an instant exactly if its reading was not shown by then. */
int64_t cron_next(const struct cron *c, const struct zone *z, int64_t after_wall_us)
{
    int64_t shown_s = zone_shown_s(z, floor_div(after_wall_us, USEC_PER_SEC)), minute;
    if (!nearest(c, floor_div(shown_s, MINUTE_S) + 1, 1, &minute))
        return INT64_MAX;
    return due_us(z, minute, INT64_MAX);
}

int64_t cron_previous(const struct cron *c, const struct zone *z, int64_t at_wall_us)
{
    int64_t shown_s = zone_shown_s(z, floor_div(at_wall_us, USEC_PER_SEC)), minute;
    if (!nearest(c, floor_div(shown_s, MINUTE_S), -1, &minute))
        return INT64_MIN;
    return due_us(z, minute, INT64_MIN);
}
