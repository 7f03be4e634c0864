/* rollout.undo, as kubectl does it (kubectl rollback.go): a Deployment goes back to the template of the ReplicaSet with
 * the second highest revision among those that it controls; a StatefulSet or DaemonSet to the data of the
 * ControllerRevision before the last. */
#include "actions/common.h"
#include "base/alloc.h"
#include "base/text.h"

#include <errno.h>
#include <stdlib.h>

#define REVISION "deployment.kubernetes.io/revision"

/* Annotations that a Deployment keeps for itself; a ReplicaSet's copy of them is not taken over. */
static bool is_own_annotation(const char *key)
{
    static const char *const own[] = {"kubectl.kubernetes.io/last-applied-configuration",
                                      REVISION,
                                      "deployment.kubernetes.io/revision-history",
                                      "deployment.kubernetes.io/desired-replicas",
                                      "deployment.kubernetes.io/max-replicas",
                                      "deprecated.deployment.rollback.to",
                                      NULL};
    return str_in(key, own) || str_starts(key, "mendd.io/");
}

static int64_t replicaset_revision(const json_t *rs)
{
    const char *s = json_path_text(rs, "metadata", "annotations", REVISION, NULL);
    return s ? strtoll(s, NULL, 10) : 0;
}

static int64_t controllerrevision_revision(const json_t *rev)
{
    return json_int_or(rev, "revision", 0);
}

/* The revision `wanted`, or with 0 the second highest; NULL if there is none. *ret_latest: the present one. */
static const json_t *choose(const json_t *list, const char *uid, int64_t (*revision)(const json_t *), int64_t wanted,
                            const json_t **ret_latest)
{
    const json_t *latest = NULL, *previous = NULL, *asked = NULL, *item;
    size_t i;
    json_array_foreach (json_object_get(list, "items"), i, item) {
        if (!object_is_controlled_by(item, uid))
            continue;
        if (wanted > 0 && revision(item) == wanted)
            asked = item;
        if (!latest || revision(item) > revision(latest)) {
            previous = latest;
            latest = item;
        } else if (!previous || revision(item) > revision(previous)) {
            previous = item;
        }
    }
    *ret_latest = latest;
    return wanted > 0 ? asked : previous;
}

/* An old rollout is not to blame for a fault of today. */
static int refuse_old_rollout(const struct action_in *in, const struct workload *w, const json_t *latest,
                              struct error *err)
{
    const int64_t max_age_ms = json_int_or(in->with, "max_age", 0);
    const char *since = json_path_text(latest, "metadata", "creationTimestamp", NULL);
    int64_t since_us;
    char age[TIME_TEXT_MAX], most[TIME_TEXT_MAX];
    if (max_age_ms == 0)
        return 0;
    if (!since || time_parse(since, &since_us) < 0)
        return error_set(err, -EBUSY,
                         "the present revision of %s does not say since when it is there, and max_age is set",
                         w->label);
    const int64_t age_ms = (in->now.wall_us - since_us) / USEC_PER_MSEC;
    if (age_ms <= max_age_ms)
        return 0;
    return error_set(err, -EBUSY, "the present revision of %s is %s old, older than max_age %s: it is not to blame",
                     w->label, duration_format(age_ms / 1000 * 1000, age), duration_format(max_age_ms, most));
}

static int find_revision(const struct action_in *in, const struct workload *w, const struct kind *k,
                         int64_t (*revision)(const json_t *), const json_t **ret, struct error *err)
{
    const json_t *list = NULL;
    const int64_t wanted = json_int_or(in->with, "to_revision", 0);
    const json_t *latest = NULL;
    _cleanup_free_ char *selector = selector_text(json_path(w->object, "spec", "selector", NULL));
    int r = list_kube(in->asks, in->cluster, k, w->namespace, selector, &list, err);
    if (r < 0)
        return r;
    *ret = choose(list, object_uid(w->object), revision, wanted, &latest);
    if (*ret)
        return refuse_old_rollout(in, w, latest, err);
    if (wanted > 0)
        return error_set(err, -ENOENT, "%s has no revision %lld", w->label, (long long)wanted);
    return error_set(err, -ENOENT, "%s has no revision before the present one", w->label);
}

static json_t *merged_annotations_new(const json_t *object, const json_t *rs, const char *mark)
{
    json_t *out = json_object(), *value;
    const char *key;
    json_object_foreach (json_path(object, "metadata", "annotations", NULL), key, value) {
        if (is_own_annotation(key))
            json_object_set(out, key, value);
    }
    json_object_foreach (json_path(rs, "metadata", "annotations", NULL), key, value) {
        if (!is_own_annotation(key))
            json_object_set(out, key, value);
    }
    json_set_text(out, MARK_ANNOTATION, mark);
    return out;
}

static json_t *template_new(const json_t *rs)
{
    json_t *template = json_deep_copy(json_path(rs, "spec", "template", NULL));
    json_object_del(json_path(template, "metadata", "labels", NULL), "pod-template-hash");
    return template;
}

static json_t *undo_patch_new(const struct workload *w, const json_t *rs, const json_t *template, const char *mark)
{
    const json_t *had = json_path(w->object, "metadata", "annotations", NULL);
    return json_pack("[{s:s, s:s, s:s}, {s:s, s:s, s:O}, {s:s, s:s, s:o}]", "op", "test", "path", "/metadata/uid",
                     "value", object_uid(w->object), "op", "replace", "path", "/spec/template", "value", template, "op",
                     had ? "replace" : "add", "path", "/metadata/annotations", "value",
                     merged_annotations_new(w->object, rs, mark));
}

static void plan_undo(struct action_plan *plan, json_t *effect, const struct workload *w, int64_t revision)
{
    json_object_set_new(effect, "reversible", json_true());
    json_t *made = json_pack("{s:I}", "revision", (json_int_t)revision);
    json_object_set_new(effect, "made", made);
    plan_effect(plan, effect);
    plan_note(plan, "take %s back to revision %lld", w->label, (long long)revision);
}

static int undo_deployment(const struct action_in *in, const struct workload *w, struct action_plan *plan,
                           struct error *err)
{
    const json_t *rs = NULL, *present = json_path(w->object, "spec", "template", NULL);
    int r = find_revision(in, w, &kind_replicaset, replicaset_revision, &rs, err);
    if (r < 0)
        return r;
    const int64_t revision = replicaset_revision(rs);
    _cleanup_json_ json_t *template = template_new(rs);
    if (!json_is_object(template))
        return error_set(err, -ENOENT, "revision %lld of %s has no template", (long long)revision, w->label);
    if (json_equal(template, present)) {
        plan_note(plan, "%s already has the template of revision %lld", w->label, (long long)revision);
        return 0;
    }
    _cleanup_free_ char *key = effect_key(in, w->kind.kind, w->name);
    json_t *effect = effect_on(in, w, NULL, object_uid(w->object), "PATCH", CONTENT_JSON_PATCH,
                               undo_patch_new(w, rs, template, key), RECOGNISE_MARK);
    effect_change(effect, "/spec/template", present, json_deep_copy(template));
    plan_undo(plan, effect, w, revision);
    return 0;
}

/* The data is a strategic patch whose template says "$patch": "replace". */
static int undo_revisioned(const struct action_in *in, const struct workload *w, struct action_plan *plan,
                           struct error *err)
{
    const json_t *rev = NULL, *present = json_path(w->object, "spec", "template", NULL);
    int r = find_revision(in, w, &kind_controllerrevision, controllerrevision_revision, &rev, err);
    if (r < 0)
        return r;
    const int64_t revision = controllerrevision_revision(rev);
    json_t *template = json_path(rev, "data", "spec", "template", NULL);
    if (!json_is_object(template))
        return error_set(err, -ENOENT, "revision %lld of %s has no template", (long long)revision, w->label);
    _cleanup_json_ json_t *plain = json_deep_copy(template);
    json_object_del(plain, "$patch");
    if (json_equal(plain, present)) {
        plan_note(plan, "%s already has the template of revision %lld", w->label, (long long)revision);
        return 0;
    }
    const char *uid = object_uid(w->object);
    _cleanup_free_ char *key = effect_key(in, w->kind.kind, w->name);
    json_t *body = json_pack("{s:o, s:{s:O}}", "metadata", marked_metadata_new(uid, key), "spec", "template", template);
    json_t *effect = effect_on(in, w, NULL, uid, "PATCH", CONTENT_STRATEGIC, body, RECOGNISE_MARK);
    effect_change(effect, "/spec/template", present, NULL);
    plan_undo(plan, effect, w, revision);
    return 0;
}

static int undo_one(const struct action_in *in, const struct workload *w, struct action_plan *plan, struct error *err)
{
    int r = refuse_if_owned(w, err);
    if (r < 0)
        return r;
    if (json_is_true(json_path(w->object, "spec", "paused", NULL)))
        return error_set(err, -EBUSY, "%s is paused: resume it before it is rolled back", w->label);
    return str_eq(w->kind.kind, "Deployment") ? undo_deployment(in, w, plan, err) : undo_revisioned(in, w, plan, err);
}

static int undo_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    static const struct each_workload each = {.kinds = rollout_kinds, .look = true, .one = undo_one};
    return plan_each(in, &each, ret, err);
}

static const struct param undo_params[] = {
    {"kind", PARAM_KIND, false, NULL, "Deployment, StatefulSet or DaemonSet; the target's by default"},
    {"name", PARAM_NAME, false, NULL, "the workload; the target's owners by default"},
    {"selector", PARAM_SELECTOR, false, NULL, "all workloads of the kind with these labels, in name order"},
    {"max_age", PARAM_DURATION, false, NULL, "refused if the present revision is older than this"},
    {"to_revision", PARAM_INT, false, NULL, "the revision to go back to; the one before the present by default"},
    {0},
};

static void undo_kind(const struct rights_in *in, const struct rights_what *what)
{
    rights_list(in, str_eq(what->kind, "Deployment") ? "ReplicaSet" : "ControllerRevision");
}

static void undo_rights(const struct rights_in *in)
{
    rights_patch_objects(in, rollout_kinds);
    rights_each_kind(in, rollout_kinds, undo_kind);
}

const struct action action_rollout_undo = {
    .name = "rollout.undo",
    .class = ACTION_EFFECT,
    .reversible = true,
    .params = undo_params,
    .doc = "takes a workload back to its previous revision",
    .plan = undo_plan,
    .rights = undo_rights,
    .changes_spec = true,
    .makes_pods = true,
};
