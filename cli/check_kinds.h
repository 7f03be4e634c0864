/* mendctl check --cluster: kinds that a cluster does not have. */
#pragma once

#include "cluster.h"
#include "config/config.h"
#include "core/rights.h"
#include "engine/reviews.h"

/* A fault for each resource that a playbook needs and a cluster does not know, with who needs it. */
int check_kinds(const struct config *config, struct playbook_table *table, struct faults *faults, struct error *err);
