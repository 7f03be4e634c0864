/* A small registry of its own, so that the words of the loader's tests do not change with every new parameter. */
#pragma once

#include "config/config.h"

#include <errno.h>

static int no_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    (void)in, (void)ret;
    return error_set(err, -EINVAL, "never called");
}

static int no_judge(const struct check_in *in, struct check_result *ret)
{
    (void)in;
    return check_say(ret, VERDICT_UNKNOWN, "never called");
}

static const char *const only_choices[] = {"not_ready", "all", NULL};
static const struct param delete_params[] = {
    {"only", PARAM_CHOICE, false, only_choices, "which ones"},
    {"grace", PARAM_DURATION, false, NULL, "grace period"},
    {0},
};
static const struct param scale_params[] = {
    {"replicas", PARAM_INT_OR_TEXT, true, NULL, "how many"},
    {"name", PARAM_NAME, false, NULL, "of what"},
    {0},
};
static const struct param redis_params[] = {
    {"address", PARAM_TEXT, true, NULL, "host:port"},
    {"command", PARAM_TEXTS, true, NULL, "the command"},
    {0},
};
static const struct param none[] = {{0}};
static const struct action pods_delete = {
    .name = "pods.delete", .class = ACTION_EFFECT, .params = delete_params, .doc = "", .plan = no_plan};
static const struct action pod_logs = {
    .name = "pod.logs", .class = ACTION_EVIDENCE, .params = none, .doc = "", .plan = no_plan};
static const struct action scale = {.name = "scale",
                                    .class = ACTION_EFFECT,
                                    .reversible = true,
                                    .params = scale_params,
                                    .doc = "",
                                    .plan = no_plan,
                                    .changes_spec = true};
static const struct check pods_ready = {.name = "pods.ready", .params = none, .doc = "", .judge = no_judge};
static const struct check redis = {.name = "redis", .params = redis_params, .doc = "", .judge = no_judge};
static const struct action *const actions[] = {&pod_logs, &pods_delete, &scale, NULL};
static const struct check *const checks[] = {&pods_ready, &redis, NULL};
static const struct registry registry = {actions, checks};
