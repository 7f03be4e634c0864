/* pods/exec: what a command does is read off the pod, so that the same fixtures serve here and on a real API server
 * with tests/real/node-sim behind it. */
#pragma once

#include "sim.h"

#include <microhttpd.h>

struct execs; /* the commands that run */

struct execs *execs_new(void);
/* Ends them all and waits for them. */
void execs_free(struct execs *e);
/* A connection that exec.c's answer (answer.h, `exec`) was given for. NULL if it is no WebSocket that we speak. */
struct MHD_Response *exec_response(struct execs *e, struct MHD_Connection *mhd, const json_t *rule);
