/* JSON Schema (draft 2020-12) of a playbook file and of the config, for editors. Made from the tables of keys that the
 * loader reads by, so that the two cannot differ; docs/schema holds the result. Callers own what they get. */
#pragma once

#include "base/json.h"
#include "core/registry.h"

json_t *schema_playbook_new(const struct registry *registry);
json_t *schema_config_new(void);
