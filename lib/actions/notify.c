/* notify: people are told something in the middle of a run.
 *
 * Who: the receivers of `to`, whose names were looked up when the playbook was loaded; else those of the first level of
 * the severity's escalation policy. The effect hands the words to the core's own book of notices, in one commit with
 * the record that says so: it needs no recognising, each receiver is told at least once, and one that is down is tried
 * again in the background and fails no repair. */
#include "actions/common.h"
#include "base/alloc.h"
#include "base/text.h"
#include "core/settings.h"

#include <errno.h>

enum { TITLE_MAX = 200, TEXT_MAX = 4000 };

static void add_once(json_t *list, const char *name)
{
    size_t i;
    json_t *have;
    json_array_foreach (list, i, have) {
        if (str_eq(json_string_value(have), name))
            return;
    }
    json_array_append_new(list, json_string(name));
}

static json_t *receivers_new(const struct action_in *in, const char *severity)
{
    json_t *list = json_array(), *name;
    const json_t *to = json_object_get(in->with, "to");
    const struct escalation_policy *p = !to && in->escalation ? escalation_policy_of(in->escalation, severity) : NULL;
    size_t i;
    json_array_foreach (to, i, name)
        add_once(list, json_string_value(name));
    for (char **r = p && p->n_levels > 0 ? p->levels[0].notify : NULL; r && *r; r++)
        add_once(list, *r);
    return list;
}

static char *joined(const json_t *names)
{
    struct strbuf b = STRBUF_INIT;
    size_t i;
    json_t *name;
    json_array_foreach ((json_t *)names, i, name)
        strbuf_printf(&b, "%s%s", i ? ", " : "", json_string_value(name));
    return strbuf_take(&b);
}

/* What comes from an alert may be long: that is no reason to tell nobody. */
static void set_cut(json_t *body, const char *key, const char *text, size_t max)
{
    if (text)
        json_object_set_new(body, key, json_text_new(text, utf8_prefix(text, max)));
}

static int notify_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    const char *title = json_text_or(in->with, "title", ""), *text = json_text(in->with, "text");
    const char *severity = json_text_or(in->with, "severity", in->severity ? in->severity : "default");
    if (str_empty(title))
        return error_set(err, -EINVAL, "the title is empty");
    _cleanup_json_ json_t *to = receivers_new(in, severity);
    ret->effects = json_array();
    if (json_array_size(to) == 0) {
        plan_note(ret, "nobody is told: the configuration has no escalation for severity %s, nor a default one",
                  severity);
        return 0;
    }
    _cleanup_free_ char *key = xasprintf("%s/notice", in->key), *names = joined(to);
    json_t *body = json_pack("{s:O}", "receivers", to);
    set_cut(body, "title", title, TITLE_MAX);
    set_cut(body, "text", text, TEXT_MAX);
    json_set_text(body, "severity", severity);
    json_t *effect = effect_new(key, "NOTIFY", names, NULL, body, RECOGNISE_NEVER);
    effect_irreversible(effect, "who was told something stays told");
    plan_effect(ret, effect);
    plan_note(ret, "tell %s: %s", names, title);
    return 0;
}

static const struct param notify_params[] = {
    {"title", PARAM_TEXT, true, NULL, "one line; what is over 200 bytes is cut"},
    {"text", PARAM_TEXT, false, NULL, "what else there is to say, 4000 bytes of it"},
    {"to", PARAM_RECEIVERS, false, NULL,
     "a list of receivers; by default those of the severity's escalation, first level"},
    {"severity", PARAM_TEXT, false, NULL, "the playbook's, else the alert's, by default"},
    {0},
};

const struct action action_notify = {
    .name = "notify",
    .class = ACTION_EFFECT,
    .reversible = true, /* it changes nothing that a rollback would have to put back */
    .params = notify_params,
    .doc = "tells people something: Slack, PagerDuty (a change event), mail, webhooks",
    .plan = notify_plan,
};
