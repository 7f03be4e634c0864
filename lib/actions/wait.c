/* wait: time for a system to come to rest between two steps. */
#include "actions/common.h"

#include <errno.h>

static int wait_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    const json_t *duration = json_object_get(in->with, "duration");
    if (!json_is_integer(duration))
        return error_set(err, -EINVAL, "duration is missing");
    char text[TIME_TEXT_MAX];
    ret->wait_ms = json_integer_value(duration);
    plan_note(ret, "wait %s", duration_format(ret->wait_ms, text));
    return 0;
}

static const struct param wait_params[] = {
    {"duration", PARAM_DURATION, true, NULL, "how long: 30s, 5m"},
    {0},
};

const struct action action_wait = {
    .name = "wait",
    .class = ACTION_WAIT,
    .params = wait_params,
    .doc = "waits before the next step",
    .plan = wait_plan,
};
