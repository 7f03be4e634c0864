/* Kubernetes Events of mendd (core/cluster_event.h) on their way to the clusters, as core/v1 Events: every server from
 * 1.19 on takes them, and shows them through events.k8s.io/v1 too.
 *
 * Best effort: no answer goes back into the core, nothing is tried again but what the client repeats by itself, a
 * failure is counted and logged at most once a minute. So that a flood of refusals floods no etcd, what client-go does
 * is done here: the same words about the same object within 10 minutes are one Event whose count rises (PATCH), and one
 * object gets at most a burst of 25 and then one in 5 minutes; what is over is only counted. At most 256 are on their
 * way, 2 at a time a cluster, behind everything else (KUBE_EVENT).
 *
 * Events of what belongs to no namespace (nodes) go to the namespace "default", as those of the kubelet do. The message
 * is one line of at most 1024 bytes and ends with run and playbook.
 *
 * Rights: "create" and "patch" on "events" (core group) in the namespace of everything that is acted on, and in
 * "default" for what has none. Without them nothing else fails. */
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "kube/client.h"

#include <stdint.h>

struct cluster_events;

/* The client of a cluster ("": the default one), or NULL if there is none now. */
typedef struct kube_client *(*cluster_events_find)(const char *cluster, void *userdata);

/* host: where mendd runs (source.host, reportingInstance); NULL: unknown. */
struct cluster_events *cluster_events_new(const char *host, cluster_events_find find, void *userdata);
/* The clients must have been freed before (their answers "cancelled" come here). */
struct cluster_events *cluster_events_free(struct cluster_events *t);
DEFINE_CLEANUP(struct cluster_events *, cluster_events_free);

void cluster_events_tell(struct cluster_events *t, const json_t *what, struct now now);

struct cluster_events_stats {
    uint64_t written, failed; /* requests */
    uint64_t dropped;         /* not written: over the limit of the object, or too many on their way */
};
void cluster_events_stats(const struct cluster_events *t, struct cluster_events_stats *ret);
