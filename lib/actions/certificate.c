/* certificate.renew: what `cmctl renew` does (cert-manager): the status condition Issuing=True with the reason
 * ManuallyTriggered, through the status subresource. cert-manager takes it from there; the checks condition Ready and
 * tls say when the new one is served. */
#include "actions/common.h"
#include "base/alloc.h"
#include "base/text.h"

#include <errno.h>

/* The present conditions with Issuing put in; a merge patch replaces lists whole. */
static json_t *conditions_new(const struct workload *w, const char *at)
{
    json_t *list = json_array(), *c;
    size_t i;
    json_array_foreach (json_path(w->object, "status", "conditions", NULL), i, c) {
        if (!str_eq(json_text(c, "type"), "Issuing"))
            json_array_append_new(list, json_deep_copy(c));
    }
    json_array_append_new(list,
                          json_pack("{s:s, s:s, s:s, s:s, s:s, s:I}", "type", "Issuing", "status", "True", "reason",
                                    "ManuallyTriggered", "message", "Certificate re-issuance manually triggered",
                                    "lastTransitionTime", at, "observedGeneration",
                                    (json_int_t)json_int_or(json_path(w->object, "metadata", NULL), "generation", 1)));
    return list;
}

static bool is_issuing(const struct workload *w)
{
    size_t i;
    json_t *c;
    json_array_foreach (json_path(w->object, "status", "conditions", NULL), i, c) {
        if (str_eq(json_text(c, "type"), "Issuing") && str_eq(json_text(c, "status"), "True"))
            return true;
    }
    return false;
}

static int renew_one(const struct action_in *in, const struct workload *w, struct action_plan *plan,
                     struct error *err _unused_)
{
    char at[TIME_TEXT_MAX];
    if (is_issuing(w)) {
        plan_note(plan, "%s is being issued already", w->label);
        return 0;
    }
    const char *uid = object_uid(w->object);
    json_t *conditions = conditions_new(w, time_format_seconds(in->now.wall_us, at));
    json_t *body = json_pack("{s:{s:s}, s:{s:O}}", "metadata", "uid", uid, "status", "conditions", conditions);
    json_t *effect = effect_on(in, w, "status", uid, "PATCH", CONTENT_MERGE, body, RECOGNISE_VALUE);
    json_set_text(effect, "read", w->path); /* it shows the status too, and needs no right of its own */
    effect_change(effect, "/status/conditions", json_path(w->object, "status", "conditions", NULL), conditions);
    effect_irreversible(effect, "a renewal has no inverse: the old certificate is replaced");
    json_object_set_new(effect, "made", json_pack("{s:s}", "renewedAt", at));
    plan_effect(plan, effect);
    plan_note(plan, "renew %s", w->label);
    return 0;
}

static const char *const renew_kinds[] = {"Certificate", NULL};

static int renew_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    static const struct each_workload each = {.kinds = renew_kinds, .look = true, .one = renew_one};
    return plan_each(in, &each, ret, err);
}

static const struct param renew_params[] = {
    {"kind", PARAM_KIND, false, NULL, "Certificate; needed if the target is something else"},
    {"apiVersion", PARAM_TEXT, false, NULL, "default cert-manager.io/v1"},
    {"namespace", PARAM_NAME, false, NULL, "the target's by default"},
    {"name", PARAM_NAME, false, NULL, "which one; the target by default"},
    {"selector", PARAM_SELECTOR, false, NULL, "all with these labels, in name order"},
    {0},
};

static void renew_kind(const struct rights_in *in, const struct rights_what *what)
{
    struct rights_what status = *what;
    status.subresource = "status";
    rights_change(in, &status, "patch");
}

static void renew_rights(const struct rights_in *in)
{
    rights_look_at_objects(in, renew_kinds);
    rights_each_kind(in, renew_kinds, renew_kind);
}

const struct action action_certificate_renew = {
    .name = "certificate.renew",
    .class = ACTION_EFFECT,
    .reversible = false,
    .params = renew_params,
    .doc = "has cert-manager issue a certificate anew",
    .plan = renew_plan,
    .rights = renew_rights,
};
