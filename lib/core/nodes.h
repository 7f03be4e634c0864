/* What is to know about nodes and the pods on them, for actions and checks: readiness, cordons, control planes, and
 * which pods a drain leaves where they are.
 *
 * Pure reads: everything is borrowed from the object, which may be anything the API server sent (missing and mistyped
 * fields count as absent). Which pods a drain leaves out: kubectl's rules (kubernetes.io/docs, "Safely Drain a Node").
 */
#pragma once

#include "core/pods.h"

extern const struct kind kind_node;

bool node_is_ready(const json_t *node);         /* condition Ready is True */
bool node_is_cordoned(const json_t *node);      /* spec.unschedulable */
bool node_is_control_plane(const json_t *node); /* by its role label, the old one (master) too */

bool pod_is_of_daemonset(const json_t *pod);
bool pod_has_empty_dir(const json_t *pod);
/* A drain does not move it: a DaemonSet's, a mirror, or one that has ended. */
bool pod_stays_on_node(const json_t *pod);
/* "shop/web-1". The caller frees. */
char *pod_label(const json_t *pod);

/* The pods that are bound to the node, of all namespaces, in order of namespace and name: a new array. 0; -EAGAIN; else
 * as answer_error(). */
int node_pods_find(struct asks *asks, const char *cluster, const char *node, json_t **ret, struct error *err);
