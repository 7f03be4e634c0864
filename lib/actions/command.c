/* command.run: a program on mendd's own host, as mendd's user, without a shell. Only with --enable-feature=command.
 * What it did nobody can look up afterwards, so it is never started twice (unless the step says `idempotent: true`). */
#include "core/host_command.h"

#include "actions/common.h"
#include "base/alloc.h"
#include "base/text.h"

#include <errno.h>
#include <string.h>

static int check_env(const json_t *with, struct error *err)
{
    const json_t *pass = json_object_get(with, "pass_env"), *item;
    const char *name;
    json_t *value;
    size_t i;
    json_object_foreach (json_object_get(with, "env"), name, value) {
        if (!is_env_name(name))
            return error_set(err, -EINVAL, "env: '%.80s' is no name of a variable", name);
        if (strlen(json_string_value(value)) != json_string_length(value))
            return error_set(err, -EINVAL, "env: the value of %s holds a NUL byte", name);
    }
    json_array_foreach (pass, i, item) {
        if (!is_env_name(json_string_value(item)))
            return error_set(err, -EINVAL, "pass_env: '%.80s' is no name of a variable", json_string_value(item));
    }
    return 0;
}

static int command_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    static const char *const kept[] = {"command", "env", "pass_env", "directory"};
    const json_t *command = json_object_get(in->with, "command");
    const char *program = json_string_value(json_array_get(command, 0));
    int r = host_command_check(command, err);
    if (r == 0)
        r = check_env(in->with, err);
    if (r < 0)
        return r;
    json_t *body = json_object();
    for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
        if (json_object_get(in->with, kept[i]))
            json_object_set(body, kept[i], json_object_get(in->with, kept[i]));
    json_object_set_new(body, "timeout_ms", json_integer(json_int_or(in->with, "timeout", HOST_COMMAND_TIMEOUT_MS)));
    json_object_set_new(body, "expect_exit", json_integer(json_int_or(in->with, "expect_exit", 0)));
    _cleanup_free_ char *key = xasprintf("%s/command", in->key);
    json_t *effect = effect_new(key, "COMMAND", program, NULL, body, RECOGNISE_NEVER);
    json_set_text(effect, "cluster", in->cluster ? in->cluster : "");
    effect_irreversible(effect, "what a program did cannot be undone");
    plan_effect(ret, effect);
    plan_note(ret, "%s with %zu arguments, on mendd's host", program, json_array_size(command) - 1);
    return 0;
}

static const struct param command_params[] = {
    {"command", PARAM_COMMAND, true, NULL, "[/absolute/path, argument, …]; no shell; an argument may be a template"},
    {"env", PARAM_TEXT_MAP, false, NULL,
     "NAME: value, beside PATH and LANG; never a password: it stands in the journal"},
    {"pass_env", PARAM_TEXTS, false, NULL, "names of mendd's own variables that it gets; none by default"},
    {"directory", PARAM_HOST_PATH, false, NULL, "where it is started (/)"},
    {"expect_exit", PARAM_INT, false, NULL, "the exit code that means success (0)"},
    {"timeout", PARAM_DURATION, false, NULL, "how long it may take (30s), within the step's own timeout"},
    {0},
};

const struct action action_command_run = {
    .name = "command.run",
    .class = ACTION_EFFECT,
    .reversible = false,
    .params = command_params,
    .doc = "runs a program on mendd's host; only with --enable-feature=command",
    .plan = command_plan,
    .feature = "command",
};
