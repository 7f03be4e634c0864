/* What is to know about pods from their JSON, for actions and checks: whether one is ready, and if not, why, in the
 * words that kubectl shows; who controls it; whether deleting it would lose something.
 *
 * Pure reads: everything is borrowed from the object, which may be anything the API server sent (missing and mistyped
 * fields count as absent). Rules of readiness: the condition Ready of the pod lifecycle (kubernetes.io/docs,
 * "Pod Lifecycle"). */
#pragma once

#include "base/json.h"
#include "core/kinds.h"

#include <stdbool.h>

extern const struct kind kind_pod, kind_replicaset, kind_event, kind_endpoints, kind_controllerrevision, kind_hpa;

const char *object_name(const json_t *object); /* "" if there is none */
const char *object_uid(const json_t *object);
/* The owner reference with controller: true, or NULL. */
const json_t *object_controller(const json_t *object);
bool object_is_controlled_by(const json_t *object, const char *uid);
bool object_is_terminating(const json_t *object);

bool pod_is_ready(const json_t *pod);    /* condition Ready is True, and it is not terminating */
bool pod_is_finished(const json_t *pod); /* Succeeded: a Job's pod that did its work */
bool pod_has_failed(const json_t *pod);  /* phase Failed: evicted, or ended for good */
bool pod_is_mirror(const json_t *pod);   /* a static pod's reflection: deleting it does nothing */
bool pod_has_claim(const json_t *pod);   /* mounts a PersistentVolumeClaim */
const char *pod_hash(const json_t *pod); /* pod-template-hash or controller-revision-hash, NULL if neither */
/* "CrashLoopBackOff (OOMKilled, 7 restarts)", "ImagePullBackOff", "Unschedulable: 0/3 nodes …", "Terminating".
 * "ready" for a ready pod. One line, bounded; the caller frees. */
char *pod_why_not_ready(const json_t *pod);

/* "a=b,c in (d,e)" from a LabelSelector ({matchLabels, matchExpressions}) or a plain map of labels (a Service's, a
 * ReplicationController's); NULL if it selects everything or is not understood. The caller frees. */
char *selector_text(const json_t *selector);
/* The array `items` of a list, sorted by name: a new array of borrowed-by-reference objects. */
json_t *items_by_name_new(const json_t *list);
