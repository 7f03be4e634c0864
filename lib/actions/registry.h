/* The table of actions: one line each. */
#pragma once

#include "core/registry.h"

extern const struct action *const all_actions[]; /* NULL-terminated, in alphabetical order */
