/* A schedule's text, and when it is due in UTC: strictly after, in order, and what comes next is later the latest. */
#include "base/cron.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *text = fuzz_text(data, size, 4096);
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_(cron_freep) struct cron *c = NULL;
    if (cron_parse(text, &c, &err) < 0) {
        fuzz_check(!c && err.message);
        return 0;
    }
    _cleanup_(zone_unrefp) struct zone *utc = NULL;
    fuzz_check(zone_load("UTC", &utc, NULL) == 0);
    int64_t t = INT64_C(1767225600000000);
    for (int i = 0; i < 4; i++) {
        int64_t next = cron_next(c, utc, t);
        if (next == INT64_MAX)
            break;
        fuzz_check(next > t && cron_previous(c, utc, next) == next && cron_previous(c, utc, next - 1) <= t);
        t = next;
    }
    return 0;
}
