/* Redis commands as questions (core/ask.h, "redis"): which of them only read. */
#pragma once

#include "base/json.h"

#include <stdbool.h>

/* Whether a command (array of words) changes nothing. What is not known does. */
bool redis_is_reading(const json_t *command);
/* "host:port" or "[v6]:port". */
bool address_is_valid(const char *address);
