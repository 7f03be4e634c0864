#include "core/host_command.h"

#include "base/text.h"
#include "core/template.h"

#include <errno.h>
#include <string.h>

enum { ARG_MAX_BYTES = 65536 };

bool effect_is_host_command(const json_t *effect)
{
    return str_eq(json_text(effect, "method"), "COMMAND");
}

bool is_host_path(const char *path)
{
    if (!path || *path != '/' || template_is(path))
        return false;
    for (const char *p = path; *p; p += strcspn(p, "/")) {
        const size_t n = strcspn(++p, "/");
        if ((n == 0 && *p) || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
            return false;
    }
    return true;
}

bool is_env_name(const char *name)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
    return name && strspn(name, letters) > 0 &&
           !name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789")];
}

int host_command_check(const json_t *command, struct error *err)
{
    const char *program = json_string_value(json_array_get(command, 0));
    size_t i;
    json_t *arg;
    if (!is_host_path(program) || !program[1])
        return error_set(err, -EINVAL,
                         "command: expected a list that begins with a program's absolute path, without templates: "
                         "[/usr/local/bin/failover, \"{{ labels.x }}\"]");
    if (json_array_size(command) > HOST_COMMAND_ARGS_MAX)
        return error_set(err, -EINVAL, "command: more than %d arguments", HOST_COMMAND_ARGS_MAX);
    json_array_foreach (command, i, arg) {
        const char *text = json_string_value(arg);
        if (!text || strlen(text) != json_string_length(arg) || strlen(text) > ARG_MAX_BYTES)
            return error_set(err, -EINVAL, "command: argument %zu is no text that a program can be given", i);
    }
    return 0;
}

int host_command_check_expanded(const json_t *written, const json_t *expanded, struct error *err)
{
    size_t i;
    json_t *arg;
    json_array_foreach (written, i, arg) {
        const char *text = json_string_value(arg), *now = json_string_value(json_array_get(expanded, i));
        if (!text || !str_starts(text, "{{") || !template_is(text))
            continue;
        if (str_empty(now))
            return error_set(err, -EINVAL, "command: argument %zu (%.80s) came out empty", i, text);
        if (*now == '-')
            return error_set(err, -EINVAL,
                             "command: argument %zu (%.80s) came out as \"%.80s\": what begins with \"-\" would be an "
                             "option, and an alert gives none",
                             i, text, now);
    }
    return 0;
}
