/* A timer of a third of the interval: one late turn of the loop is forgiven. */
#include "watchdog.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

#include <inttypes.h>
#include <string.h>
#include <systemd/sd-daemon.h>

enum { TICKS = 3 };

struct watchdog {
    const struct store *store;
    uint64_t interval_us;
    bool told; /* that the writer stands still */
};

static void tell(struct watchdog *w, int64_t stalled_us)
{
    if (w->told)
        return;
    w->told = true;
    _cleanup_free_ char *seconds = xasprintf("%" PRId64, stalled_us / USEC_PER_SEC);
    log_event(LOG_LEVEL_ERROR,
              "the journal's writer does not come back from the disk; unless it does, the watchdog restarts mendd",
              "seconds", seconds, NULL);
}

static int on_tick(sd_event_source *source, uint64_t usec _unused_, void *userdata)
{
    struct watchdog *w = userdata;
    const int64_t stalled_us = store_stalled_us(w->store);
    if (stalled_us < (int64_t)(w->interval_us / 2)) {
        w->told = false;
        sd_notify(0, "WATCHDOG=1");
    } else {
        tell(w, stalled_us);
    }
    /* one that cannot be armed again ends in systemd's restart, which is what a watchdog is for */
    sd_event_source_set_time_relative(source, w->interval_us / TICKS);
    return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int watchdog_start(sd_event *event, const struct store *store, struct error *err)
{
    uint64_t interval_us;
    sd_event_source *source = NULL;
    int r = sd_watchdog_enabled(0, &interval_us);
    if (r == 0)
        return 0;
    if (r < 0)
        return error_set(err, r, "WATCHDOG_USEC or WATCHDOG_PID of the environment cannot be used: %s", strerror(-r));
    struct watchdog *w = xnew0(struct watchdog);
    *w = (struct watchdog){.store = store, .interval_us = interval_us};
    r = sd_event_add_time_relative(event, &source, CLOCK_MONOTONIC, 0, interval_us / TICKS / 10 + 1, on_tick, w);
    if (r >= 0)
        r = sd_event_source_set_destroy_callback(source, free);
    if (r < 0) {
        sd_event_source_unref(source);
        free(w);
        return error_set(err, r, "cannot start the watchdog's timer: %s", strerror(-r));
    }
    sd_event_source_set_description(source, "watchdog");
    sd_event_source_set_floating(source, true);
    sd_event_source_unref(source);
    return 0;
}
