/* Rates: so many at once, and one more each interval (a token bucket, kept as the time at which it will be full again).
 * No memory beside the one number, no timer. Times are microseconds of any clock that never jumps back. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct rate_limit {
    int burst;
    int64_t interval_us;
};

struct bucket {
    int64_t full_at_us; /* 0: full */
};

/* 0: taken. Else how long to wait until one can be; nothing was taken. */
static inline int64_t bucket_take(struct bucket *b, const struct rate_limit *limit, int64_t now_us)
{
    const int64_t from_us = b->full_at_us > now_us ? b->full_at_us : now_us;
    const int64_t over_us = from_us - now_us - (limit->burst - 1) * limit->interval_us;
    if (over_us > 0)
        return over_us;
    b->full_at_us = from_us + limit->interval_us;
    return 0;
}

/* What was taken turned out not to count. */
static inline void bucket_put_back(struct bucket *b, const struct rate_limit *limit)
{
    b->full_at_us -= limit->interval_us;
}

static inline bool bucket_is_full(const struct bucket *b, int64_t now_us)
{
    return b->full_at_us <= now_us;
}
