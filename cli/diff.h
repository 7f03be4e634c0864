/* What differs between two JSON objects, leaf by leaf. */
#pragma once

#include "base/json.h"

/* {pointer: {"before", "after"}}; a side where nothing stands is left out. What an API server writes by itself into
 * metadata (managedFields, resourceVersion, generation) is no difference. Caller owns. */
json_t *diff_new(const json_t *before, const json_t *after);
