/* Network probes: the questions "http", "tcp", "tls", "redis" and "dns" of core/ask.h, asked directly from this host.
 * One answer object comes back for each, exactly once. Names are resolved without blocking the loop (libcurl's resolver
 * does HTTP and TCP; redis and tls go to the address that a connect-only curl handle found). At most 64 at once, the
 * rest waits in order. Bounded in number and size. */
#pragma once

#include "base/error.h"
#include "base/json.h"

#include <systemd/sd-event.h>

struct prober;

int prober_new(sd_event *event, struct prober **ret, struct error *err);
struct prober *prober_free(struct prober *p); /* outstanding probes answer {"error": "cancelled"} */
DEFINE_CLEANUP(struct prober *, prober_free);

typedef void (*probe_done_cb)(json_t *answer_new, void *userdata);
/* `question` is copied as needed. A bad question answers {"error": "local", …} (from the loop, not from within). */
void probe_start(struct prober *p, const json_t *question, probe_done_cb done, void *userdata);
