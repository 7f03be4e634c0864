/* The table of checks: one line each. */
#pragma once

#include "core/registry.h"

extern const struct check *const all_checks[]; /* NULL-terminated, in alphabetical order */
