/* A cluster made of fixtures, for `mendctl test` and `plan --objects`: objects from YAML files that answer GET and LIST
 * with label selectors and metadata.name field selectors, and discovery. Nothing else exists in it: what is asked of
 * the network cannot be reached. */
#pragma once

#include "config/config.h"

struct world;

struct world *world_new(void);
struct world *world_free(struct world *w);
DEFINE_CLEANUP(struct world *, world_free);

/* A file holds one object, a list of objects, or a kind List with items. -EINVAL with file:line:column. */
int world_add_file(struct world *w, const char *path, struct error *err);

/* From now on what is not among the fixtures is imagined (imagine.h). */
void world_imagine(struct world *w);

/* The answer to a question of core/ask.h; caller owns. */
json_t *world_answer_new(const struct world *w, const json_t *question);
