/* What actions that make objects share: names that follow from the effect's key (so that a second try meets the first
 * one's object), the labels by which people find them, and the POST that is recognised by name and mark. */
#pragma once

#include "actions/common.h"

/* "mendd-<run id>-<rung>-<step>", a DNS-1123 label (at most 63). The caller frees. */
char *made_name_new(const struct action_in *in);
/* Adds app.kubernetes.io/managed-by=mendd and mendd.io/run=<run id> to metadata.labels, the mark to the annotations. */
void made_mark(const struct action_in *in, const char *kind, const char *name, json_t *object);
/* Where the step acts: its parameter `namespace`, else the target's. NULL with an error: neither says one. */
const char *step_namespace(const struct action_in *in, struct error *err);
/* POST of an object that bears its name in metadata; marked here. Takes object_new. */
json_t *effect_create_new(const struct action_in *in, const struct kind *k, const char *namespace, json_t *object_new);
/* DELETE of an object that was looked at, and no other of its name; what depends on it goes too. */
json_t *effect_delete_new(const struct action_in *in, const struct workload *w);
/* An object that was looked at as it could be made again: without what only the server sets. */
json_t *object_again_new(const struct workload *w);
/* The inverse is to delete what was made. */
void effect_undo_by_delete(json_t *effect);
/* {apiVersion, kind, namespace, name} for an effect on an object whose uid is not known yet. */
json_t *object_ref_new(const struct kind *k, const char *namespace, const char *name);
/* "batch/v1", "v1". The caller frees. */
char *kind_version_text(const struct kind *k);
