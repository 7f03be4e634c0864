/* The question "dns": a name's addresses (A, AAAA), asked of one server over UDP. Not of the host's resolver, which
 * would block the loop and answer from its cache or its hosts file. */
#pragma once

#include "base/error.h"
#include "base/json.h"

#include <stdint.h>
#include <systemd/sd-event.h>

struct dns_look;
/* {"status": 0, "rcode": 0, "addresses": [texts], "server"}, or {"error", …}. */
typedef void (*dns_look_cb)(json_t *answer_new, void *userdata);

/* server: "IP" or "IP:port"; NULL: the first one of /etc/resolv.conf. The callback fires exactly once, from the loop;
 * from within dns_look_cancel() with "cancelled". */
int dns_look_start(sd_event *event, const char *name, const char *server, int64_t timeout_us, dns_look_cb done,
                   void *userdata, struct dns_look **ret, struct error *err);
void dns_look_cancel(struct dns_look *look);
