/* certificate.reissue: Certificate and Secret go, and the Certificate comes back as it was, so that all of it is issued
 * anew. One step of up to three effects, planned and journalled together: what is made again is in the plan that a
 * person approves, and no other step has to find an object that is gone.
 *
 * certificate.renew: what `cmctl renew` does (cert-manager): the status condition Issuing=True with the reason
 * ManuallyTriggered, through the status subresource. cert-manager takes it from there; the checks condition Ready and
 * tls say when the new one is served. */
#include "actions/backup.h"
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

/* ---- certificate.reissue ---- */

static int refuse_reissue(const struct action_in *in, const struct workload *w, struct error *err)
{
    const char *secret = json_path_text(w->object, "spec", "secretName", NULL);
    if (!in->approved)
        return error_set(err, -EPERM, "until it is issued TLS fails: only a person may say so (mode: approve)");
    if (object_is_terminating(w->object))
        return error_set(err, -EBUSY, "%s is being deleted", w->label);
    if (json_array_size(json_path(w->object, "metadata", "finalizers", NULL)) > 0)
        return error_set(err, -EBUSY, "%s has finalizers: it would not go at once, and could not be made again",
                         w->label);
    if (!is_dns1123_subdomain(secret ? secret : ""))
        return error_set(err, -EINVAL, "%s names no Secret (spec.secretName)", w->label);
    return refuse_if_owned(w, err);
}

static int plan_secret_gone(const struct action_in *in, const struct workload *w, struct action_plan *plan,
                            struct error *err)
{
    const char *secret = json_path_text(w->object, "spec", "secretName", NULL);
    const json_t *object = NULL;
    int r = look_for(in, "Secret", w->namespace, secret, &object, err);
    if (r < 0 || !object || object_is_terminating(object))
        return r;
    const char *of = json_path_text(object, "metadata", "annotations", "cert-manager.io/certificate-name", NULL);
    if (!str_eq(of, w->name))
        return error_set(err, -EPERM,
                         "Secret %s/%s is not marked as %s's own (cert-manager.io/certificate-name): it is left alone",
                         w->namespace, secret, w->label);
    const struct kind *k = kind_known("Secret");
    _cleanup_free_ char *path = kube_path(k, w->namespace, secret, NULL), *name = xstrdup(secret);
    const struct workload gone = {.kind = *k, .namespace = w->namespace, .name = name, .path = path, .object = object};
    json_t *effect = effect_delete_new(in, &gone);
    effect_irreversible(effect, "the old certificate does not come back by itself: its backup must be restored");
    plan_effect(plan, effect);
    return 0;
}

/* Its labels stay what they were: made_mark() would say that mendd manages it. */
static json_t *again_effect_new(const struct action_in *in, const struct workload *w)
{
    json_t *labels = json_path(w->object, "metadata", "labels", NULL);
    json_t *effect = effect_create_new(in, &w->kind, w->namespace, object_again_new(w));
    json_t *metadata = json_path(effect, "body", "metadata", NULL);
    if (labels)
        json_object_set_new(metadata, "labels", json_deep_copy(labels));
    else
        json_object_del(metadata, "labels");
    effect_irreversible(effect, "it is what was there before");
    return effect;
}

static int reissue_one(const struct action_in *in, const struct workload *w, struct action_plan *plan,
                       struct error *err)
{
    int r = refuse_reissue(in, w, err);
    if (r < 0)
        return r;
    json_t *gone = effect_delete_new(in, w);
    _cleanup_free_ char *key =
        xasprintf("%s.delete", json_text(gone, "key")); /* the mark of what is made has the other */
    json_set_text(gone, "key", key);
    effect_irreversible(gone, "it is made again by the next request");
    plan_effect(plan, gone);
    r = plan_secret_gone(in, w, plan, err);
    if (r < 0)
        return r;
    plan_effect(plan, again_effect_new(in, w));
    plan_note(plan, "delete %s and its Secret, and make it again: no TLS until it is issued", w->label);
    return 0;
}

static int reissue_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    static const struct each_workload each = {.kinds = renew_kinds, .look = true, .one = reissue_one};
    return plan_each(in, &each, ret, err);
}

static void reissue_kind(const struct rights_in *in, const struct rights_what *what)
{
    const struct rights_what secret = {.kind = "Secret", .namespaces = what->namespaces};
    rights_change(in, what, "delete");
    rights_create(in, what, false);
    rights_read(in, &secret, "get");
    rights_change(in, &secret, "delete");
}

static void reissue_rights(const struct rights_in *in)
{
    rights_look_at_objects(in, renew_kinds);
    rights_each_kind(in, renew_kinds, reissue_kind);
}

const struct action action_certificate_reissue = {
    .name = "certificate.reissue",
    .class = ACTION_EFFECT,
    .reversible = false,
    .params = renew_params,
    .doc = "deletes a Certificate and its Secret and makes it again; only in an approved run",
    .plan = reissue_plan,
    .rights = reissue_rights,
    .changes_spec = true,
};
