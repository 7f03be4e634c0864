/* A command in a pod's container, through the API server: pods/NAME/exec as a WebSocket, subprotocol
 * v5.channel.k8s.io or v4.channel.k8s.io (the first byte of a message is its channel: 0 stdin, 1 stdout, 2 stderr,
 * 3 the Status at the end, 255 the end of stdin, v5 only).
 *
 * The answer (core/ask.h): {"status": 101, "exit_code", "stdout", "stderr", "truncated"} once the server has said how
 * the command ended; a refusal of the API server as {"status": 403, "body": {Status}}; else {"error", "message"} with
 * "stdout" and "stderr" as far as they came, and for a KUBE_WRITE "sent": false when certainly nothing left. **No
 * status is a failure** ("protocol"): a connection that ends without one says nothing of the command. Of each stream
 * the first `max` bytes are kept and a note of how many more came. Nothing is sent a second time, but after a 401 once
 * with the token read again: the server did nothing then. At most 8 run at a time in a cluster, the others wait. */
#pragma once

#include "kube/client.h"

struct kube_exec_request { /* copied */
    enum kube_class class;
    const char *namespace, *pod;
    const char *container; /* NULL: the API server chooses, which it does only where there is but one */
    const json_t *command; /* array of texts, at least one; never a shell's line */
    const char *input;     /* for stdin, then its end (with v4 it stays open); NULL: no stdin */
    int timeout_ms;        /* total; 0: 30 s */
    int max;               /* bytes kept of each stream; 0: 64 KiB */
};

/* The callback fires exactly once, never from within; "cancelled" when the client is freed. */
void kube_exec_start(struct kube_client *c, const struct kube_exec_request *req, kube_done_cb done, void *userdata);
