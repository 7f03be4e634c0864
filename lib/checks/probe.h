/* What the network checks share: how an answer that is no answer is judged. Asked directly, a service that refuses or
 * does not answer in time is down (fail); a name that does not resolve says nothing about it (unknown). */
#pragma once

#include "core/redis_ask.h"
#include "core/registry.h"

/* Whether the answer is an error; then the verdict is set. */
bool probe_failed(const json_t *answer, const char *what, struct check_result *ret);
