/* Memory after a burst. What 10,000 alerts took is free again once they are decided, but glibc keeps it (measured: 142
 * MB of which 24 MB were in use). Some seconds after every so many bytes of webhooks, when all is decided and saved, it
 * goes back to the kernel: one wake-up a burst, none while mendd rests. */
#include "base/clock.h"
#include "engine/internal.h"

#include <malloc.h>

enum { TRIM_AFTER_BYTES = 1 << 20, TRIM_WAIT_S = 10 };

static bool is_at_rest(const struct engine *e)
{
    return !e->queue_head && !e->spilled && e->ingest_waiting == 0 && e->saves_in_flight == 0;
}

static int on_trim(sd_event_source *source, uint64_t usec _unused_, void *userdata)
{
    struct engine *e = userdata;
    if (!is_at_rest(e) && !e->broken) {
        sd_event_source_set_time_relative(source, TRIM_WAIT_S * USEC_PER_SEC);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    }
    e->untrimmed_bytes = 0;
    e->trim_source = sd_event_source_disable_unref(e->trim_source);
    malloc_trim(0);
    return 0;
}

void trim_note(struct engine *e, size_t bytes)
{
    e->untrimmed_bytes += bytes;
    if (e->untrimmed_bytes < TRIM_AFTER_BYTES || e->trim_source)
        return;
    sd_event_add_time_relative(e->event, &e->trim_source, CLOCK_MONOTONIC, TRIM_WAIT_S * USEC_PER_SEC, USEC_PER_SEC,
                               on_trim, e);
}
