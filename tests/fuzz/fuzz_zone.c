/* A time zone's file, and whether its offsets and readings hold together, whatever the transitions. */
#include "base/zone.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_(zone_unrefp) struct zone *z = NULL;
    if (zone_parse("fuzz", data, size, &z, &err) < 0) {
        fuzz_check(!z && err.message);
        return 0;
    }
    const int64_t times_s[] = {INT64_MIN / 1000000, -2177452800,        0, 1774746000, 1774746001,
                               4102444800,          INT64_MAX / 1000000};
    for (size_t i = 0; i < ARRAY_SIZE(times_s); i++) {
        int64_t t = times_s[i], shown = zone_shown_s(z, t);
        fuzz_check(zone_reached_s(z, shown) <= t && zone_reached_s(z, shown + 1) > t);
        struct civil c = zone_civil(z, t * 1000000);
        int64_t first, last;
        fuzz_check(zone_instant(z, &c, &first, &last) != ZONE_GAP);
        fuzz_check(first <= t * 1000000 && last >= t * 1000000);
    }
    return 0;
}
