/* What the core needs of the configuration: plain values, no secrets, no addresses. Owned by whoever made it;
 * immutable. */
#pragma once

#include "base/json.h"
#include "core/playbook.h"

#include <stdbool.h>

struct settings {
    struct playbook_table *table;
    char *default_cluster;        /* name of the first cluster, "default" if none is configured */
    char **protected_namespaces;  /* NULL-terminated; exact names or prefix "kube-*" */
    char *ignore_annotation;      /* mendd.io/ignore */
    struct rate *target_attempts; /* spans playbooks; ended by count 0 */
    bool escalate_unmatched;      /* unmatched: escalate */
    bool has_prometheus;          /* resolve's default: wait with one, post without */
    int n_alertmanagers;
    bool dry_run; /* --dry-run: nothing is sent that changes anything */
};
