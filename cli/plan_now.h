/* What stands in the way of a planned run in a daemon that runs now: read off its GET /status. */
#pragma once

#include "base/json.h"

/* An array of sentences, empty if nothing does. `record`: what was planned (playbook, cluster, target). What /status
 * does not hold is not looked at: cooldowns, attempts and locks. */
json_t *plan_now_new(const json_t *status, const json_t *record);
