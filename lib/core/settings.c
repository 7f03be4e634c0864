#include "core/settings.h"

#include "base/text.h"

const struct escalation_policy *escalation_policy_of(const struct escalation_settings *s, const char *severity)
{
    const struct escalation_policy *otherwise = NULL;
    for (size_t i = 0; i < s->n_policies; i++) {
        if (str_eq(s->policies[i].severity, severity))
            return &s->policies[i];
        if (str_eq(s->policies[i].severity, "default"))
            otherwise = &s->policies[i];
    }
    return otherwise;
}
