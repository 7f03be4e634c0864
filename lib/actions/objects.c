/* configmap.set and service.switch: one marked merge patch of a small object each, undone from what stood there. */
#include "actions/common.h"
#include "base/alloc.h"
#include "base/text.h"

#include <errno.h>
#include <string.h>

enum { VALUE_MAX = 64 * 1024, KEY_MAX = 253 };

/* ---- configmap.set ---- */

static bool is_data_key(const char *key)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const size_t n = strlen(key);
    return n > 0 && n <= KEY_MAX && key[strspn(key, allowed)] == '\0' && !str_eq(key, ".") && !str_starts(key, "..");
}

static int check_data(const json_t *data, struct error *err)
{
    const char *key;
    json_t *value;
    if (json_object_size(data) == 0)
        return error_set(err, -EINVAL, "data is empty: there is nothing to set");
    json_object_foreach ((json_t *)data, key, value) {
        if (!is_data_key(key))
            return error_set(err, -EINVAL, "'%.80s' is no key of a ConfigMap: letters, digits, '-', '_' and '.'", key);
        if (json_string_length(value) > VALUE_MAX)
            return error_set(err, -EINVAL, "the value of %s has %zu bytes; more than %d do not belong in the journal",
                             key, json_string_length(value), VALUE_MAX);
    }
    return 0;
}

/* What stands there is recorded too, for the rollback. */
static int check_present(const struct workload *w, const json_t *data, struct error *err)
{
    const char *key;
    json_t *value;
    if (json_is_true(json_object_get(w->object, "immutable")))
        return error_set(err, -EBUSY, "%s is immutable: it can only be replaced under another name", w->label);
    json_object_foreach ((json_t *)data, key, value) {
        const json_t *have = json_path(w->object, "data", key, NULL);
        if (json_string_length(have) > VALUE_MAX)
            return error_set(err, -EINVAL, "%s: what stands in %s has %zu bytes; more than %d are not kept for an undo",
                             w->label, key, json_string_length(have), VALUE_MAX);
        if (json_path(w->object, "binaryData", key, NULL))
            return error_set(err, -EINVAL, "%s: %s holds binary data", w->label, key);
    }
    return refuse_if_owned(w, err);
}

/* `data`, and `key` with `value`: a key that comes from an alert. */
static json_t *wanted_data_new(const json_t *with)
{
    json_t *data = json_object();
    json_object_update(data, json_object_get(with, "data"));
    if (json_text(with, "key"))
        json_set_text(data, json_text(with, "key"), json_text_or(with, "value", ""));
    return data;
}

static int configmap_one(const struct action_in *in, const struct workload *w, struct action_plan *plan,
                         struct error *err)
{
    _cleanup_json_ json_t *data = wanted_data_new(in->with);
    int r = check_present(w, data, err);
    if (r < 0)
        return r;
    _cleanup_json_ json_t *patch = json_pack("{s:O}", "data", data);
    plan_merge(in, w, patch, "set", plan);
    return 0;
}

/* plan_each() takes the kind from the parameters. */
static int plan_of_kind(const struct action_in *in, const char *kind, const struct each_workload *each,
                        struct action_plan *ret, struct error *err)
{
    _cleanup_json_ json_t *with = json_deep_copy(in->with);
    json_object_del(with, "selector"); /* a parameter of its own here, which selects nothing to change */
    json_set_text(with, "kind", kind);
    if (!json_text(with, "name") && str_eq(in->target->kind, kind))
        json_set_text(with, "name", in->target->name);
    if (!json_text(with, "name"))
        return error_set(err, -EINVAL, "the target is no %s: say which one (name)", kind);
    struct workloads_query q = {.asks = in->asks,
                                .cluster = in->cluster,
                                .target = in->target,
                                .with = with,
                                .kinds = each->kinds,
                                .look = true};
    _cleanup_workloads_ struct workloads w = {0};
    struct action_plan plan = {.effects = json_array()};
    int r = workloads_find(&q, &w, err);
    if (r == 0)
        r = each->one(in, &w.items[0], &plan, err);
    if (r < 0) {
        action_plan_clear(&plan);
        return r;
    }
    *ret = plan;
    return 0;
}

static int configmap_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    static const char *const kinds[] = {"ConfigMap", NULL};
    static const struct each_workload each = {.kinds = kinds, .look = true, .one = configmap_one};
    _cleanup_json_ json_t *data = wanted_data_new(in->with);
    int r = check_data(data, err);
    if (!json_text(in->with, "value") != !json_text(in->with, "key"))
        return error_set(err, -EINVAL, "key and value go together: the alert names only one of them");
    return r < 0 ? r : plan_of_kind(in, "ConfigMap", &each, ret, err);
}

/* ---- service.switch ---- */

static int check_labels(const json_t *labels, struct error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)labels, key, value) {
        if (!is_qualified_name(key) || !is_label_value(json_string_value(value) ? json_string_value(value) : ""))
            return error_set(err, -EINVAL, "'%.80s' is no label that a Service can select", key);
    }
    return 0;
}

/* The selector as it will be: what stands there with the keys that are given, an empty value taking one away. */
static json_t *merged_new(const json_t *present, const json_t *given)
{
    json_t *next = json_is_object(present) ? json_deep_copy(present) : json_object(), *value;
    const char *key;
    json_object_foreach ((json_t *)given, key, value) {
        if (str_empty(json_string_value(value)))
            json_object_del(next, key);
        else
            json_object_set(next, key, value);
    }
    return next;
}

/* The labels by which a Deployment knows its pods. */
static int labels_of(const struct action_in *in, const char *namespace, const char *name, json_t **ret,
                     struct error *err)
{
    const struct kind *k = kind_known("Deployment");
    const json_t *deployment = NULL;
    _cleanup_free_ char *path = kube_path(k, namespace, name, NULL), *what = kube_what("GET", k, namespace, name);
    int r = read_kube(in->asks, in->cluster, path, what, &deployment, err);
    if (r < 0)
        return r;
    const json_t *selector = json_path(deployment, "spec", "selector", NULL);
    if (json_object_size(json_object_get(selector, "matchLabels")) == 0 ||
        json_array_size(json_object_get(selector, "matchExpressions")) > 0)
        return error_set(err, -EINVAL, "Deployment %s/%s selects by expressions, which a Service cannot: say selector",
                         namespace, name);
    *ret = json_deep_copy(json_object_get(selector, "matchLabels"));
    return 0;
}

/* Traffic is never led to where nobody answers. */
static int ready_behind(const struct action_in *in, const struct workload *w, const json_t *selector, size_t *ret,
                        struct error *err)
{
    _cleanup_free_ char *text = selector_text(selector);
    const json_t *list = NULL;
    size_t i;
    json_t *pod;
    if (!text)
        return error_set(err, -EPERM, "%s would select every pod, or none that it names", w->label);
    int r = list_kube(in->asks, in->cluster, &kind_pod, w->namespace, text, &list, err);
    if (r < 0)
        return r;
    *ret = 0;
    json_array_foreach (json_object_get(list, "items"), i, pod)
        *ret += pod_is_ready(pod);
    if (*ret == 0)
        return error_set(err, -EBUSY, "no ready pod matches %s: %s would lead nowhere", text, w->label);
    return 0;
}

static json_t *selector_patch_new(const json_t *present, const json_t *next)
{
    json_t *change = json_deep_copy(next), *value;
    const char *key;
    json_object_foreach ((json_t *)present, key, value) {
        if (!json_object_get(next, key))
            json_object_set_new(change, key, json_null());
    }
    return json_pack("{s:{s:o}}", "spec", "selector", change);
}

static int switch_one(const struct action_in *in, const struct workload *w, struct action_plan *plan, struct error *err)
{
    const char *to = json_text(in->with, "to");
    const json_t *present = json_path(w->object, "spec", "selector", NULL);
    _cleanup_json_ json_t *next = NULL;
    size_t ready = 0;
    if (json_object_size(present) == 0)
        return error_set(err, -EPERM, "%s has no selector: what stands behind it is kept by somebody else", w->label);
    int r = refuse_if_owned(w, err);
    if (r == 0 && to)
        r = labels_of(in, w->namespace, to, &next, err);
    else if (r == 0)
        next = merged_new(present, json_object_get(in->with, "selector"));
    if (r == 0 && json_equal(present, next)) {
        plan_note(plan, "%s selects these pods already", w->label);
        return 0;
    }
    if (r == 0)
        r = ready_behind(in, w, next, &ready, err);
    if (r < 0)
        return r;
    _cleanup_json_ json_t *patch = selector_patch_new(present, next);
    plan_merge(in, w, patch, "switch", plan);
    plan_note(plan, "%zu ready pod%s behind the new selector", ready, ready == 1 ? "" : "s");
    return 0;
}

static int switch_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    static const char *const kinds[] = {"Service", NULL};
    static const struct each_workload each = {.kinds = kinds, .look = true, .one = switch_one};
    const json_t *selector = json_object_get(in->with, "selector");
    if (!selector == !json_text(in->with, "to"))
        return error_set(err, -EINVAL, "service.switch needs either selector or to");
    int r = check_labels(selector, err);
    return r < 0 ? r : plan_of_kind(in, "Service", &each, ret, err);
}

/* ---- tables ---- */

static const struct param configmap_params[] = {
    {"name", PARAM_NAME, false, NULL, "the ConfigMap; the target by default"},
    {"namespace", PARAM_NAME, false, NULL, "the target's by default"},
    {"data", PARAM_TEXT_MAP, false, NULL, "key: value; other keys stay as they are"},
    {"key", PARAM_TEXT, false, NULL, "with value: one more key, whose name a template may yield"},
    {"value", PARAM_TEXT, false, NULL, "what stands under key"},
    {0},
};

static const struct param switch_params[] = {
    {"name", PARAM_NAME, false, NULL, "the Service; the target by default"},
    {"namespace", PARAM_NAME, false, NULL, "the target's by default"},
    {"selector", PARAM_TEXT_MAP, false, NULL, "label: value; other labels stay, an empty value takes one away"},
    {"to", PARAM_NAME, false, NULL, "instead: the Deployment whose pods it shall select, and no others"},
    {0},
};

/* What plan_of_kind() does. */
static void rights_of_kind(const struct rights_in *in, const char *kind)
{
    _cleanup_choices_ struct choices names =
        rights_has(in, "name") ? rights_param(in, "name") : rights_target_name(in, kind);
    const struct rights_what what = {.kind = kind, .names = &names};
    rights_read(in, &what, "get");
    rights_change(in, &what, "patch");
}

static void configmap_rights(const struct rights_in *in)
{
    rights_of_kind(in, "ConfigMap");
}

static void switch_rights(const struct rights_in *in)
{
    _cleanup_choices_ struct choices to = rights_param(in, "to");
    rights_of_kind(in, "Service");
    rights_list(in, "Pod");
    if (rights_has(in, "to"))
        rights_read(in, &(struct rights_what){.kind = "Deployment", .names = &to}, "get");
}

const struct action action_configmap_set = {
    .name = "configmap.set",
    .class = ACTION_EFFECT,
    .reversible = true,
    .params = configmap_params,
    .doc = "sets keys of a ConfigMap",
    .plan = configmap_plan,
    .rights = configmap_rights,
    .changes_spec = true,
};

const struct action action_service_switch = {
    .name = "service.switch",
    .class = ACTION_EFFECT,
    .reversible = true,
    .params = switch_params,
    .doc = "leads a Service to other pods, if some of them are ready",
    .plan = switch_plan,
    .rights = switch_rights,
    .changes_spec = true,
};
