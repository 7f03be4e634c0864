/* Kinds and the paths of their objects. Well-known kinds stand in a table; the group version of those that moved
 * between Kubernetes versions (CronJob, PodDisruptionBudget) and of every other kind comes from discovery, through
 * asks. */
#pragma once

#include "core/ask.h"

#include <stdbool.h>

struct kind {
    char kind[64], group[128], version[32], plural[64];
    bool namespaced;
};

/* By kind alone ("Deployment", case-insensitive short forms are not accepted) from the table, or by apiVersion + kind.
 * 0; -EAGAIN while discovery is asked; -ENOENT with words if the API server does not know it; other: see
 * answer_error(). */
int kind_find(struct asks *a, const char *cluster, const char *api_version, const char *kind, struct kind *ret,
              struct error *err);
/* Table only, no asks: NULL if unknown. */
const struct kind *kind_known(const char *kind);

/* Without a server, for what needs no version (RBAC): group, resource and whether it is in a namespace. The table, else
 * Kubernetes' own rule for a resource's name, by which a custom resource is taken to be in a namespace (*ret_guessed).
 * -EINVAL with words: an unknown kind without an apiVersion. */
int kind_offline(const char *api_version, const char *kind, struct kind *ret, bool *ret_guessed, struct error *err);

/* "/apis/apps/v1/namespaces/shop/deployments/api" + "/" + subresource. name NULL: the collection; namespace NULL: all
 * of them (or cluster-scoped). Every part is percent-encoded. The caller frees. */
char *kube_path(const struct kind *k, const char *namespace, const char *name, const char *subresource);
/* Appends ?key=value or &key=value, encoded. Frees and replaces *path. */
void kube_path_query(char **path, const char *key, const char *value);
