/* The kinds that kubesim serves: one row of a table each (kinds.c). A kind that is served in several versions has a row
 * for each; rows with the same id share their objects, as versions of one kind do in a real API server. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum kind_id {
    KIND_NAMESPACE,
    KIND_NODE,
    KIND_POD,
    KIND_SERVICE,
    KIND_ENDPOINTS,
    KIND_CONFIGMAP,
    KIND_SECRET,
    KIND_EVENT,
    KIND_PVC,
    KIND_SERVICEACCOUNT,
    KIND_REPLICASET,
    KIND_DEPLOYMENT,
    KIND_STATEFULSET,
    KIND_DAEMONSET,
    KIND_CONTROLLERREVISION,
    KIND_HPA,
    KIND_JOB,
    KIND_CRONJOB,
    KIND_PDB,
    KIND_LEASE,
    KIND_NETWORKPOLICY,
    KIND_STORAGECLASS,
    KIND_COUNT
};

enum {
    KIND_HAS_STATUS = 1 << 0,            /* subresource status; a write to the object itself leaves .status alone */
    KIND_HAS_SCALE = 1 << 1,             /* subresource scale: spec.replicas */
    KIND_HAS_GENERATION = 1 << 2,        /* metadata.generation rises with spec */
    KIND_ANNOTATION_GENERATION = 1 << 3, /* … and with annotations (Deployment, ReplicaSet's big brother alone) */
    KIND_RETURNS_DELETED = 1 << 4,       /* DELETE answers the object, not a Status */
};

struct kind {
    enum kind_id id;
    const char *group; /* "" for core */
    const char *version, *plural, *kind, *short_name;
    bool namespaced;
    unsigned flags;
};

extern const struct kind kinds[];
extern const size_t kinds_count;

/* By what stands in a URL. NULL if it is not served. */
const struct kind *kind_find(const char *group, const char *version, const char *plural);
/* By what stands in an object. */
const struct kind *kind_of(const char *api_version, const char *kind);
/* The first row of an id. */
const struct kind *kind_row(enum kind_id id);
/* "apps/v1", "v1". The caller frees. */
char *kind_api_version(const struct kind *kind);
/* "deployments.apps", "pods": how error messages name it. The caller frees. */
char *kind_qualified(const struct kind *kind);
bool kind_group_served(const char *group);
bool kind_version_served(const char *group, const char *version);

/* Discovery documents; NULL where nothing is served. New references. */
json_t *discovery_api(void);
json_t *discovery_groups(void);
json_t *discovery_group(const char *group);
json_t *discovery_resources(const char *group, const char *version);
