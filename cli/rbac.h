/* mendctl rbac: the rights of the loaded playbooks as manifests. */
#pragma once

#include "core/rights.h"

#include <stdio.h>

struct rbac_subject {
    bool user;              /* else a service account */
    char *namespace, *name; /* namespace: of the service account */
};

/* The manifests of one cluster (rights_of_cluster()): ServiceAccount, ClusterRole and its binding, then a Role and a
 * RoleBinding a namespace; in a fixed order. Each rule of a role bears a key "#": [texts], the comments. */
json_t *rbac_manifests_new(const struct rights *rights, const struct rbac_subject *subject, const char *name);
/* rbac_print.c: as YAML with the comments, which leave nothing for a reader to look up. */
void rbac_print_yaml(const json_t *manifests, FILE *f);
/* As one List for `kubectl apply -f`, which knows no comments. */
json_t *rbac_list_new(const json_t *manifests);
