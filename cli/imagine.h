/* A cluster that nobody looked at: what an alert names is taken to exist, as such things usually are. For
 * `mendctl replay`, whose history may be older than any cluster that could be asked. Pure. */
#pragma once

#include "base/json.h"

/* The object that would answer GET of that path's parts, or NULL for a kind that is not imagined. A pod belongs to the
 * controller that its name tells of ("redis-6d4cf56db6-x2x7p": Deployment redis). The caller owns it. */
json_t *imagine_object_new(const char *plural, const char *namespace, const char *name);
/* The items that a selector would find: pods (one, not ready) and ReplicaSets (two revisions) of the workload that it
 * names, else none. */
json_t *imagine_items_new(const char *plural, const char *namespace, const char *label_selector);
