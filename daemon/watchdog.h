/* systemd's watchdog (WatchdogSec=): WATCHDOG=1 while mendd can do its work.
 *
 * It is sent from the loop, so a loop that stands still is noticed; and only while the journal's writer makes progress,
 * because without it nothing may act or be answered. What systemd then does (kill, start again) is safe: the journal
 * makes it a restart. A commit that fails is no standstill: /-/ready says so, and the journal is opened again. */
#pragma once

#include "base/error.h"
#include "store/store.h"

#include <systemd/sd-event.h>

/* Nothing if $WATCHDOG_USEC asks for none. The source is the event loop's. `store` is borrowed. */
int watchdog_start(sd_event *event, const struct store *store, struct error *err);
