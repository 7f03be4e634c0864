/* One Redis command on a connection of its own: connect to an IP address, AUTH if a password is given, the command, the
 * reply as an answer of core/ask.h. Its own timer; bounded reply. Replies of several elements come as lines of text. */
#pragma once

#include "base/json.h"

#include <stdint.h>
#include <systemd/sd-event.h>

struct redis_call;
typedef void (*redis_done_cb)(json_t *answer_new, void *userdata);

struct redis_request {           /* copied */
    const char *address, *where; /* address: an IP, never a name (that would block); where: for people */
    int port;
    const char *password;  /* or NULL */
    const json_t *command; /* array of strings, at least one */
    int64_t timeout_us;
};

/* The callback fires exactly once, from the loop; from within redis_call_cancel() with "cancelled". */
int redis_call_start(sd_event *event, const struct redis_request *req, redis_done_cb done, void *userdata,
                     struct redis_call **ret, struct error *err);
void redis_call_cancel(struct redis_call *call);
