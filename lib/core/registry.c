#include "core/registry.h"

#include "base/alloc.h"
#include "base/text.h"

#include <stdarg.h>

static const char *recognition_name(enum recognition how)
{
    static const char *const names[] = {
        [RECOGNISE_MARK] = "mark", [RECOGNISE_VALUE] = "value", [RECOGNISE_UID] = "uid",
        [RECOGNISE_NAME] = "name", [RECOGNISE_NEVER] = "never",
    };
    return names[how];
}

json_t *effect_new(const char *key, const char *method, const char *path, const char *content_type, json_t *body_new,
                   enum recognition how)
{
    json_t *effect = json_object();
    json_set_text(effect, "key", key);
    json_set_text(effect, "cluster", "");
    json_set_text(effect, "method", method);
    json_set_text(effect, "path", path);
    json_set_text(effect, "content_type", content_type);
    json_object_set_new(effect, "body", body_new ? body_new : json_null());
    json_set_text(effect, "recognise", recognition_name(how));
    return effect;
}

void action_plan_clear(struct action_plan *plan)
{
    if (!plan)
        return;
    json_decref(plan->effects);
    json_decref(plan->evidence);
    free(plan->note);
    *plan = (struct action_plan){0};
}

void check_result_clear(struct check_result *r)
{
    if (!r)
        return;
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
    static const char *const names[] = {
        [VERDICT_PASS] = "pass", [VERDICT_FAIL] = "fail", [VERDICT_UNKNOWN] = "unknown"};
    return names[v];
}

const struct action *registry_action(const struct registry *r, const char *name)
{
    for (const struct action *const *a = r ? r->actions : NULL; a && *a; a++)
        if (str_eq((*a)->name, name))
            return *a;
    return NULL;
}

const struct check *registry_check(const struct registry *r, const char *name)
{
    for (const struct check *const *c = r ? r->checks : NULL; c && *c; c++)
        if (str_eq((*c)->name, name))
            return *c;
    return NULL;
}

const struct param *param_find(const struct param *params, const char *name)
{
    for (const struct param *p = params; p && p->name; p++)
        if (str_eq(p->name, name))
            return p;
    return NULL;
}
