/* Programs on mendd's own host (action command.run, --enable-feature=command): the rules of their command lines, and
 * what came of them. Pure.
 *
 * No shell: an argument is one argument whatever it holds. The program is an absolute path that stands in the playbook.
 * What an alert says may be an argument, but never an option: one whose text begins with a template may not come out
 * beginning with "-", nor empty.
 *
 *   body of an effect  {"command": [texts], "env": {NAME: value}, "pass_env": [NAMES], "directory", "timeout_ms",
 *                       "expect_exit"}
 *   answer             {"status": 101, "exit_code", "stdout", "stderr"}: it ended by itself
 *                      {"status": 422, "body": {"message"}, "stdout"?, "stderr"?}: it could not be started, or a signal
 *                      that was not ours ended it
 *                      {"error": "timeout" | "too_large" | "cancelled", "message", …}: killed; what it did is not known
 */
#pragma once

#include "base/error.h"
#include "base/json.h"

#include <stdbool.h>

enum { HOST_COMMAND_TIMEOUT_MS = 30000, HOST_COMMAND_ARGS_MAX = 100 };

bool effect_is_host_command(const json_t *effect);

/* The list as it is written. -EINVAL with words. */
int host_command_check(const json_t *command, struct error *err);
/* Its arguments as the templates left them, against how they are written. -EINVAL with words. */
int host_command_check_expanded(const json_t *written, const json_t *expanded, struct error *err);
/* "/usr/bin/x", without "." and "..". */
bool is_host_path(const char *path);
/* "PATH", "LC_ALL". */
bool is_env_name(const char *name);
