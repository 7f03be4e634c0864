#include "core/registry.h"

#include "base/alloc.h"
#include "base/text.h"

#include <stdarg.h>

void action_plan_clear(struct action_plan *plan)
{
    json_decref(plan->effects);
    json_decref(plan->evidence);
    free(plan->note);
    *plan = (struct action_plan){0};
}

void check_result_clear(struct check_result *r)
{
    free(r->seen);
    *r = (struct check_result){0};
}

int check_say(struct check_result *r, enum verdict v, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *seen = xvasprintf(fmt, args);
    va_end(args);
    free(r->seen);
    *r = (struct check_result){.verdict = v, .seen = seen};
    return 0;
}

const char *verdict_name(enum verdict v)
{
    static const char *const names[] = {"pass", "fail", "unknown"};
    return names[v];
}

const struct action *registry_action(const struct registry *r, const char *name)
{
    for (size_t i = 0; r->actions[i]; i++)
        if (str_eq(r->actions[i]->name, name))
            return r->actions[i];
    return NULL;
}

const struct check *registry_check(const struct registry *r, const char *name)
{
    for (size_t i = 0; r->checks[i]; i++)
        if (str_eq(r->checks[i]->name, name))
            return r->checks[i];
    return NULL;
}

const struct param *param_find(const struct param *params, const char *name)
{
    for (; params && params->name; params++)
        if (str_eq(params->name, name))
            return params;
    return NULL;
}
