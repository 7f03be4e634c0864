/* Counts what ended, for /metrics: a record's reason and outcome, and how long a repair took from the alert's receipt
 * to its proof. A run that was proven counts even if its alert fired on: the reason tells. */
#include "base/clock.h"
#include "base/macro.h"
#include "core/record.h"
#include "engine/internal.h"

const int64_t repair_bucket_us[REPAIR_BUCKETS - 1] = {5 * USEC_PER_SEC,    10 * USEC_PER_SEC,  30 * USEC_PER_SEC,
                                                      60 * USEC_PER_SEC,   120 * USEC_PER_SEC, 300 * USEC_PER_SEC,
                                                      600 * USEC_PER_SEC,  900 * USEC_PER_SEC, 1800 * USEC_PER_SEC,
                                                      3600 * USEC_PER_SEC, 7200 * USEC_PER_SEC};

/* Only of runs that acted: a precheck that passes, too, says "verified". */
static bool repair_took(const json_t *record, int64_t *ret_us)
{
    int64_t acted, detected, verified;
    const json_t *times = json_object_get(record, "times");
    const char *a = json_text(times, "acted"), *d = json_text(times, "detected"), *v = json_text(times, "verified");
    if (!a || !d || !v || time_parse(a, &acted) < 0 || time_parse(d, &detected) < 0 || time_parse(v, &verified) < 0)
        return false;
    *ret_us = verified > detected ? verified - detected : 0; /* the wall clock may have been set */
    return true;
}

void tally_ended(struct engine_stats *st, const json_t *record)
{
    enum reason reason;
    enum run_outcome outcome;
    int64_t took_us;
    const char *why = json_text(record, "reason"), *how = json_text(record, "outcome");
    if (why && reason_parse(why, &reason))
        st->decisions[reason]++;
    if (how && run_outcome_parse(how, &outcome))
        st->outcomes[outcome]++;
    if (!repair_took(record, &took_us))
        return;
    size_t bucket = 0;
    while (bucket < REPAIR_BUCKETS - 1 && took_us > repair_bucket_us[bucket])
        bucket++;
    st->repair_buckets[bucket]++;
    st->repair_sum_us += took_us;
}
