/* What resource.apply may be given: whole objects. The same rules hold when a playbook is loaded, where templates are
 * not known yet, and when the step is planned. Pure. */
#pragma once

#include "base/error.h"
#include "base/json.h"

#include <stdbool.h>

enum { MANIFESTS_MAX = 20 };

/* 0, or -EINVAL or -EPERM with words; *ret_at: the JSON pointer of what is wrong, "" for the whole (static). templates:
 * texts that hold one are not judged yet. */
int manifest_check(const json_t *manifest, bool templates, const char **ret_at, struct error *err);
