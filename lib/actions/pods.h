/* What pods.delete, pods.evict and node.drain share: which pods, in what time, and an eviction as an effect. */
#pragma once

#include "actions/common.h"

extern const struct param pods_params[]; /* name, selector, only, grace */

/* `grace` as whole seconds, -1: not said. -EPERM for 0, a forced delete. */
int pods_grace(const struct action_in *in, int64_t *ret_s, struct error *err);
/* Those of `pods` that the step means, in their order, appended to `chosen`; refuses what must not be touched. `done`:
 * "deleted", for the words. */
int pods_choose(const struct action_in *in, const char *done, const json_t *pods, json_t *chosen, struct error *err);

/* `only: all` waits for the target's pods between two of them. */
void pods_settle_rights(const struct rights_in *in);

/* The apiVersion of an Eviction, as the server's own discovery says ("policy/v1" since 1.22). The caller frees.
 * -EAGAIN; -ENOENT: it knows no evictions. */
int eviction_version(const struct action_in *in, char **ret, struct error *err);
/* One eviction, bound to this very pod by its uid. */
json_t *eviction_new(const struct action_in *in, const json_t *pod, const char *version, int64_t grace_s);
