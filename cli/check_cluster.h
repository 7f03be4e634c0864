/* mendctl check --cluster. */
#pragma once

#include "config/config.h"

/* What the reviews of all clusters came to (engine/reviews.h); NULL: nothing could be asked. The caller owns it. */
json_t *check_cluster_new(const struct config *config, struct playbook_table *table, struct error *err);
