/* Reads that many runs put at the same moment: a Namespace's annotations are a guard of every run in it, and in a storm
 * hundreds of runs ask for the same one. Such reads share one request, and its answer for half a second (the core
 * believes what it read for up to ten). Everything else is asked anew each time: a read that recognises an effect must
 * never be older than its question. */
#pragma once

#include "base/json.h"
#include "kube/client.h"

#include <stdbool.h>

struct shared_reads;

struct shared_reads *shared_reads_new(sd_event *event);
/* After the clients were freed: nothing is in flight any more. Who still waits hears "cancelled". */
struct shared_reads *shared_reads_free(struct shared_reads *s);

/* Whether this path is one: "/api/v1/namespaces/NAME", nothing behind it. */
bool shared_read_applies(const char *path);
/* `done` fires once, from the loop, with an answer of its own. */
void shared_read(struct shared_reads *s, struct kube_client *client, const struct kube_request *req, kube_done_cb done,
                 void *userdata);
