/* Patches as values: what they touch, what they would change, and how mark and uid ride along in them. `type` is
 * "merge" (RFC 7386), "json" (RFC 6902) or "strategic". Pure; everything borrowed unless a name says `_new`. */
#pragma once

#include "base/error.h"
#include "base/json.h"

#include <stdbool.h>

/* Shape, and the fields that no patch of mendd may touch: apiVersion, kind, metadata.name, uid, namespace,
 * ownerReferences and finalizers. -EINVAL or -EPERM with words. */
int patch_check(const json_t *patch, const char *type, struct error *err);
/* Whether it changes the pointer, something in it, or something that holds it. */
bool patch_touches(const json_t *patch, const char *type, const char *pointer);
/* {pointer: {before?, after?}} as in core/registry.h; empty if a merge patch would change nothing. */
json_t *patch_changes_new(const json_t *patch, const char *type, const json_t *object);
json_t *patch_merge_marked_new(const json_t *patch, const char *uid, const char *mark);
json_t *patch_json_marked_new(const json_t *patch, const char *uid, const char *mark, bool has_annotations);
