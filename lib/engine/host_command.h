/* Runs the programs of command.run (core/host_command.h) on this host: an effect's body in, one answer out, exactly
 * once and never from within. At most 4 at once: one more answers "local", which the run takes for "later". A daemon
 * that stops kills what runs; whether that did its work is then not known, and it is not started again. */
#pragma once

#include "base/error.h"
#include "base/json.h"
#include "base/macro.h"

#include <stdbool.h>
#include <systemd/sd-event.h>

struct host_commands;

struct host_commands *host_commands_new(sd_event *event);
/* What runs is killed and answers "cancelled", from within. */
struct host_commands *host_commands_free(struct host_commands *h);
DEFINE_CLEANUP(struct host_commands *, host_commands_free);

typedef void (*host_command_done_cb)(json_t *answer_new, void *userdata);
/* NULL: it runs, done() will be called. Else the answer, and done() is not called. */
json_t *host_command_start(struct host_commands *h, const json_t *body, int timeout_ms, host_command_done_cb done,
                           void *userdata);
