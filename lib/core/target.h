/* What a run works on: one or more workloads, each known by its top controller.
 *
 * A playbook's target spec (kind, namespace, name | selector, cluster; templates) plus an alert gives object
 * references; the references are looked up (asks) and walked up their controllers (pod -> ReplicaSet -> Deployment) to
 * the owners. Locks, cooldown and attempts are keyed on cluster + top controller (semantics.md, "Guards"). */
#pragma once

#include "base/error.h"
#include "base/json.h"
#include "core/ask.h"
#include "core/template.h"

#include <stdbool.h>
#include <stddef.h>

struct object_ref {
    char *api_version, *kind, *namespace, *name, *uid; /* namespace NULL: cluster-scoped; uid NULL: not looked up */
};

struct target {
    char *cluster;
    char *kind, *namespace, *name; /* as named by the playbook; name NULL: by selector */
    char *selector;                /* label selector text of its pods, once known ("app=redis"); else NULL */
    struct object_ref *owners;     /* top controllers, in name order, at least one once resolved */
    size_t n_owners;
    char *custom_owner; /* "Redis shop/cache": a custom resource that controls an owner, if one does; else NULL */
};

void object_ref_clear(struct object_ref *ref);
void target_clear(struct target *t);
json_t *target_to_json(const struct target *t); /* {cluster, kind, namespace, name, selector, owners: [...]} */
int target_from_json(const json_t *j, struct target *ret);
/* "prod/Deployment/raibid-ci/redis": the key of locks and limits. The caller frees. */
char *target_owner_key(const struct target *t, size_t i);
/* "Deployment raibid-ci/redis", for people. The caller frees. */
char *target_describe(const struct target *t);

struct target_spec; /* core/playbook.h */

/* 0 with the owners found; -EAGAIN: questions were asked;
 *   -ENOENT no_target (a value came out empty or is no name, nothing of that name exists, it names the exporter),
 *   -E2BIG ambiguous_target (more pods than max_pods: refused whole), -EACCES forbidden, -EIO cannot be asked.
 * A workload that is named directly and has no controller costs one GET. Several owners by selector are one target. */
int target_resolve(const struct target_spec *spec, const char *default_cluster, const struct template_vars *v,
                   int max_pods, struct asks *asks, struct target *ret, struct error *err);
