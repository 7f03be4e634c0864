/* Pods and events as text for people, much as `kubectl describe` shows them. No value of an environment variable. */
#pragma once

#include "base/json.h"
#include "base/strbuf.h"
#include "core/target.h"

void describe_pod(struct strbuf *b, const json_t *pod);
/* The newest `max` events, newest last. With a target, and unless `all`: those of its owners and of what bears their
 * names (pods, ReplicaSets). */
void describe_events(struct strbuf *b, const json_t *list, const struct target *target, bool all, size_t max);
