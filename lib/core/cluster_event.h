/* What mendd tells about an object in the object's own cluster: a Kubernetes Event, for who looks there first ("kubectl
 * describe deployment api"). Best effort: nothing waits for one, none is journalled, and one that is lost is lost. The
 * core decides that there is something to say; the engine (engine/cluster_events.h) bounds how often it is said.
 *
 * In `--dry-run`, and for a run whose mode is observe or plan and that has changed nothing, there are none: nothing at
 * all is written to the cluster then. `events: {enabled: false}` in the configuration turns them off.
 *
 *   reason            type     on            when
 *   Remediating       Normal   object, owner an effect leaves: "scale: PATCH Deployment shop/api"
 *   Repaired          Normal   owner         proven, and the alert cleared
 *   RepairFailed      Warning  owner         the run failed
 *   RolledBack        Normal   object        what mendd changed was put back
 *   RollbackFailed    Warning  object        it was not: somebody must look
 *   Refused           Warning  owner         a guard refused for good and a person was told
 *   Held              Warning  owner         half-way, and held so long that a person was told
 *   AwaitingApproval  Normal   owner         the plan waits for a person
 *   Cancelled         Normal   owner         an operator cancelled what had begun
 *
 * "object" is what an effect changes, "owner" each top controller of the target (at most CLUSTER_EVENT_OWNERS).
 * Form (struct cluster_event, core.h): {"cluster", "type", "reason", "message", "run", "playbook", "object":
 * {"apiVersion", "kind", "namespace"?, "name", "uid"?}}; the message holds no secret (core/redact.h) and no time. */
#pragma once

#include "core/internal.h"

enum { CLUSTER_EVENT_OWNERS = 10 };

void cluster_event_acting(struct core *c, const struct run *run, const json_t *effect);
/* how: "done", "skipped", "failed"; message may be NULL. */
void cluster_event_undone(struct core *c, const struct run *run, const json_t *effect, const char *how,
                          const char *message);
void cluster_event_ended(struct core *c, const struct run *run, bool escalated, const char *message);
void cluster_event_held(struct core *c, const struct run *run, const char *message);
void cluster_event_approval(struct core *c, const struct run *run, const char *message);
