/* rollout.restart: kubectl's annotation on the pod template, with mendd's mark and the uid in the same patch.
 * rollout.undo lies in undo.c, by the same rules as kubectl's. */
#include "actions/common.h"
#include "base/alloc.h"
#include "base/text.h"

#include <errno.h>

#define RESTARTED_AT "kubectl.kubernetes.io/restartedAt"
#define RESTARTED_AT_POINTER "/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt"

/* Two restarts within a second would be one: the second of them names the next second. */
static void restart_time(const struct action_in *in, const char *present, char buf[TIME_TEXT_MAX])
{
    time_format_seconds(in->now.wall_us, buf);
    if (str_eq(present, buf))
        time_format_seconds(in->now.wall_us + USEC_PER_SEC, buf);
}

static int refuse_restart(const struct workload *w, struct error *err)
{
    int r = refuse_if_owned(w, err);
    if (r < 0)
        return r;
    if (json_is_true(json_path(w->object, "spec", "paused", NULL)))
        return error_set(err, -EBUSY, "%s is paused: a restart would change nothing", w->label);
    if (str_eq(json_path_text(w->object, "spec", "updateStrategy", "type", NULL), "OnDelete"))
        return error_set(err, -EBUSY, "%s has the update strategy OnDelete: a restart would change nothing", w->label);
    return 0;
}

static int restart_one(const struct action_in *in, const struct workload *w, struct action_plan *plan,
                       struct error *err)
{
    int r = refuse_restart(w, err);
    if (r < 0)
        return r;
    const json_t *present = json_pointer(w->object, RESTARTED_AT_POINTER);
    char at[TIME_TEXT_MAX];
    restart_time(in, json_string_value(present), at);
    const char *uid = object_uid(w->object);
    _cleanup_free_ char *key = effect_key(in, w->kind.kind, w->name);
    json_t *body = json_pack("{s:o, s:{s:{s:{s:{s:s}}}}}", "metadata", marked_metadata_new(uid, key), "spec",
                             "template", "metadata", "annotations", RESTARTED_AT, at);
    json_t *effect = effect_on(in, w, NULL, uid, "PATCH", CONTENT_STRATEGIC, body, RECOGNISE_MARK);
    effect_change(effect, RESTARTED_AT_POINTER, present, json_string(at));
    effect_irreversible(effect, "a restart has no inverse: the old pods are gone");
    json_object_set_new(effect, "made", json_pack("{s:s}", "restartedAt", at));
    plan_effect(plan, effect);
    plan_note(plan, "restart %s", w->label);
    return 0;
}

static int restart_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    static const struct each_workload each = {.kinds = rollout_kinds, .look = true, .one = restart_one};
    return plan_each(in, &each, ret, err);
}

static const struct param restart_params[] = {
    {"kind", PARAM_KIND, false, NULL, "Deployment, StatefulSet or DaemonSet; the target's by default"},
    {"name", PARAM_NAME, false, NULL, "the workload; the target's owners by default"},
    {"selector", PARAM_SELECTOR, false, NULL, "all workloads of the kind with these labels, in name order"},
    {0},
};

static void restart_rights(const struct rights_in *in)
{
    rights_patch_objects(in, rollout_kinds);
}

const struct action action_rollout_restart = {
    .name = "rollout.restart",
    .class = ACTION_EFFECT,
    .reversible = false,
    .params = restart_params,
    .doc = "restarts all pods of a workload, by its own rollout strategy",
    .plan = restart_plan,
    .rights = restart_rights,
    .changes_spec = true,
    .makes_pods = true,
};
