#include "base/civil.h"

bool civil_is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

int civil_month_days(int64_t year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && civil_is_leap(year));
}

/* Years are counted from March, so that the leap day is the last of its year; 400 years (an era) are 146097 days. */
int64_t civil_to_days(int64_t year, int month, int day)
{
    int64_t y = year - (month <= 2), era = floor_div(y, 400), of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

int civil_weekday(int64_t days)
{
    int64_t d = days + 4; /* 1970-01-01 was a Thursday */
    return (int)(d - floor_div(d, 7) * 7);
}

struct civil civil_from_s(int64_t local_s)
{
    int64_t days = floor_div(local_s, DAY_S);
    int second = (int)(local_s - days * DAY_S);
    int64_t z = days + 719468, era = floor_div(z, 146097), doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int doy = (int)(doe - (365 * yoe + yoe / 4 - yoe / 100)), mp = (5 * doy + 2) / 153;
    int month = mp < 10 ? mp + 3 : mp - 9;
    return (struct civil){.year = (int)(yoe + era * 400 + (month <= 2)),
                          .month = month,
                          .day = doy - (153 * mp + 2) / 5 + 1,
                          .hour = second / HOUR_S,
                          .minute = second / MINUTE_S % 60,
                          .second = second % 60};
}

int64_t civil_to_s(const struct civil *c)
{
    return civil_to_days(c->year, c->month, c->day) * DAY_S + c->hour * HOUR_S + c->minute * MINUTE_S + c->second;
}
