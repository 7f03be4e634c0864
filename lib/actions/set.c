/* set.image and set.resources: one container of a workload's template, by a strategic patch (containers merge by name).
 * The rollout that follows is the checks' matter. */
#include "actions/common.h"
#include "base/alloc.h"
#include "base/text.h"
#include "core/quantity.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { IMAGE_MAX = 512 };

/* The container's place in the template. -ENOENT, or -EINVAL if several could be meant. */
static int find_container(const struct workload *w, const char *name, size_t *ret_index, const json_t **ret,
                          struct error *err)
{
    const json_t *list = json_path(w->object, "spec", "template", "spec", "containers", NULL);
    size_t i;
    json_t *c;
    if (!name && json_array_size(list) != 1)
        return error_set(err, -EINVAL, "%s has %zu containers: say which one (container)", w->label,
                         json_array_size(list));
    json_array_foreach ((json_t *)list, i, c) {
        if (name && !str_eq(json_text(c, "name"), name))
            continue;
        *ret_index = i;
        *ret = c;
        return 0;
    }
    return error_set(err, -ENOENT, "%s has no container \"%s\"", w->label, name ? name : "");
}

static int refuse_set(const struct workload *w, struct error *err)
{
    if (str_eq(json_path_text(w->object, "spec", "updateStrategy", "type", NULL), "OnDelete"))
        return error_set(err, -EBUSY, "%s has the update strategy OnDelete: its pods would stay as they are", w->label);
    if (json_is_true(json_path(w->object, "spec", "paused", NULL)))
        return error_set(err, -EBUSY, "%s is paused: nothing would be rolled out", w->label);
    return refuse_if_owned(w, err);
}

static json_t *template_patch_new(const struct action_in *in, const struct workload *w, json_t *container_new)
{
    _cleanup_free_ char *key = effect_key(in, w->kind.kind, w->name);
    return json_pack("{s:o, s:{s:{s:{s:[o]}}}}", "metadata", marked_metadata_new(object_uid(w->object), key), "spec",
                     "template", "spec", "containers", container_new);
}

/* ---- set.image ---- */

static bool is_image(const char *s)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./:@_-";
    return s && *s && strlen(s) <= IMAGE_MAX && s[strspn(s, allowed)] == '\0' && strchr("./:@_-", *s) == NULL;
}

static int image_one(const struct action_in *in, const struct workload *w, struct action_plan *plan, struct error *err)
{
    const char *image = json_text(in->with, "image");
    const json_t *container = NULL;
    size_t at = 0;
    if (!is_image(image))
        return error_set(err, -EINVAL, "'%.80s' is no image reference", image ? image : "");
    int r = refuse_set(w, err);
    if (r == 0)
        r = find_container(w, json_text(in->with, "container"), &at, &container, err);
    if (r < 0)
        return r;
    const char *name = json_text_or(container, "name", "");
    if (str_eq(json_text(container, "image"), image)) {
        plan_note(plan, "%s already runs %s", w->label, image);
        return 0;
    }
    _cleanup_free_ char *pointer = xasprintf("/spec/template/spec/containers/%zu/image", at);
    json_t *body = template_patch_new(in, w, json_pack("{s:s, s:s}", "name", name, "image", image));
    json_t *effect = effect_on(in, w, NULL, object_uid(w->object), "PATCH", CONTENT_STRATEGIC, body, RECOGNISE_MARK);
    effect_change(effect, pointer, json_object_get(container, "image"), json_string(image));
    json_object_set_new(effect, "reversible", json_true());
    plan_effect(plan, effect);
    plan_note(plan, "%s: container %s from %s to %s", w->label, name, json_text_or(container, "image", "none"), image);
    return 0;
}

static int image_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    static const struct each_workload each = {.kinds = rollout_kinds, .look = true, .one = image_one};
    return plan_each(in, &each, ret, err);
}

/* ---- set.resources ---- */

struct resource {
    const char *name; /* "memory" or "cpu" */
    char *(*format)(int64_t milli);
};
static const struct resource resources[] = {{"memory", quantity_memory_new}, {"cpu", quantity_cpu_new}};

/* "x1.5" of what is there, up to max; never down. */
static int wanted(const struct action_in *in, const struct resource *r, const char *current, int64_t *ret,
                  struct error *err)
{
    const char *text = json_text_or(in->with, r->name, "");
    _cleanup_free_ char *max_key = str_eq(r->name, "cpu") ? xstrdup("max_cpu") : xstrdup("max");
    const char *max_text = json_text(in->with, max_key);
    int64_t now = 0, max = INT64_MAX;
    if (max_text && quantity_parse(max_text, &max, err) < 0)
        return -EINVAL;
    if (*text != 'x') {
        int k = quantity_parse(text, ret, err);
        if (k == 0 && *ret > max)
            return error_set(err, -EINVAL, "%s %s is above %s %s", r->name, text, max_key, max_text);
        return k;
    }
    char *end = NULL;
    double factor = strtod(text + 1, &end);
    if (*end || text[1 + strspn(text + 1, "0123456789.")] || !(factor >= 1 && factor <= 100))
        return error_set(err, -EINVAL, "%s: '%.20s' is neither a quantity nor a factor such as x1.5", r->name, text);
    if (!current)
        return error_set(err, -EINVAL, "no %s limit is set: %s of nothing is nothing; say a quantity", r->name, text);
    if (!max_text)
        return error_set(err, -EINVAL, "%s: %s needs %s, or it would grow without end", r->name, text, max_key);
    if (quantity_parse(current, &now, err) < 0)
        return -EINVAL;
    double product = ceil((double)now * factor);
    *ret = product > (double)max ? max : (int64_t)product;
    if (*ret < now)
        *ret = now;
    return 0;
}

static const char *quantity_at(const json_t *container, const char *kind, const char *name)
{
    return json_path_text(container, "resources", kind, name, NULL);
}

static void change(json_t *patch, json_t *changes, size_t at, const json_t *container, const char *kind,
                   const char *name, const char *value)
{
    json_t *list = json_object_get(patch, kind);
    if (!list) {
        list = json_object();
        json_object_set_new(patch, kind, list);
    }
    json_set_text(list, name, value);
    _cleanup_free_ char *pointer = xasprintf("/spec/template/spec/containers/%zu/resources/%s/%s", at, kind, name);
    json_t *entry = json_object();
    json_set_text(entry, "before", quantity_at(container, kind, name));
    json_set_text(entry, "after", value);
    json_object_set_new(changes, pointer, entry);
}

/* The limit; and the request with it where both were the same (quality of service Guaranteed stays so), or where it
 * would be above. */
static int set_one(const struct action_in *in, const struct resource *r, const json_t *container, size_t at,
                   json_t *patch, json_t *changes, struct error *err)
{
    const char *limit = quantity_at(container, "limits", r->name),
               *request = quantity_at(container, "requests", r->name);
    int64_t milli = 0, now = 0, requested = 0;
    int k = wanted(in, r, limit, &milli, err);
    if (k < 0)
        return k;
    if (limit && quantity_parse(limit, &now, NULL) == 0 && now == milli)
        return 0;
    if (milli == 0)
        return error_set(err, -EINVAL, "%s: 0 is no limit", r->name);
    _cleanup_free_ char *value = r->format(milli);
    change(patch, changes, at, container, "limits", r->name, value);
    if (request && quantity_parse(request, &requested, NULL) == 0 && (str_eq(request, limit) || requested > milli))
        change(patch, changes, at, container, "requests", r->name, value);
    return 0;
}

static int resources_one(const struct action_in *in, const struct workload *w, struct action_plan *plan,
                         struct error *err)
{
    const json_t *container = NULL;
    size_t at = 0;
    int r = refuse_set(w, err);
    if (r == 0)
        r = find_container(w, json_text(in->with, "container"), &at, &container, err);
    _cleanup_json_ json_t *patch = json_object(), *changes = json_object();
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(resources); i++)
        if (json_text(in->with, resources[i].name))
            r = set_one(in, &resources[i], container, at, patch, changes, err);
    if (r < 0)
        return r;
    if (json_object_size(changes) == 0) {
        plan_note(plan, "%s: its limits are already so, or at their maximum", w->label);
        return 0;
    }
    const char *name = json_text_or(container, "name", "");
    json_t *body = template_patch_new(in, w, json_pack("{s:s, s:O}", "name", name, "resources", patch));
    json_t *effect = effect_on(in, w, NULL, object_uid(w->object), "PATCH", CONTENT_STRATEGIC, body, RECOGNISE_MARK);
    json_object_set(effect, "changes", changes);
    json_object_set_new(effect, "reversible", json_true());
    plan_effect(plan, effect);
    _cleanup_free_ char *words = json_compact(patch);
    plan_note(plan, "%s: container %s gets %s", w->label, name, words);
    return 0;
}

static int resources_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    static const struct each_workload each = {.kinds = rollout_kinds, .look = true, .one = resources_one};
    if (!json_text(in->with, "memory") && !json_text(in->with, "cpu"))
        return error_set(err, -EINVAL, "set.resources needs memory, cpu or both");
    return plan_each(in, &each, ret, err);
}

static const struct param image_params[] = {
    {"kind", PARAM_KIND, false, NULL, "Deployment, StatefulSet or DaemonSet; the target's by default"},
    {"name", PARAM_NAME, false, NULL, "the workload; the target's owners by default"},
    {"selector", PARAM_SELECTOR, false, NULL, "all workloads of the kind with these labels, in name order"},
    {"container", PARAM_NAME, false, NULL, "which container; may be left out if there is one"},
    {"image", PARAM_TEXT, true, NULL, "the image reference, tag or digest included"},
    {0},
};

static const struct param resources_params[] = {
    {"kind", PARAM_KIND, false, NULL, "Deployment, StatefulSet or DaemonSet; the target's by default"},
    {"name", PARAM_NAME, false, NULL, "the workload; the target's owners by default"},
    {"selector", PARAM_SELECTOR, false, NULL, "all workloads of the kind with these labels, in name order"},
    {"container", PARAM_NAME, false, NULL, "which container; may be left out if there is one"},
    {"memory", PARAM_TEXT, false, NULL, "the limit: 2Gi, or a factor: x1.5"},
    {"cpu", PARAM_TEXT, false, NULL, "the limit: 500m, or a factor: x2"},
    {"max", PARAM_TEXT, false, NULL, "memory never above this; needed with a factor"},
    {"max_cpu", PARAM_TEXT, false, NULL, "cpu never above this; needed with a factor"},
    {0},
};

static void set_rights(const struct rights_in *in)
{
    rights_patch_objects(in, rollout_kinds);
}

const struct action action_set_image = {
    .name = "set.image",
    .class = ACTION_EFFECT,
    .reversible = true,
    .params = image_params,
    .doc = "changes the image of a container",
    .plan = image_plan,
    .rights = set_rights,
    .changes_spec = true,
    .makes_pods = true,
};

const struct action action_set_resources = {
    .name = "set.resources",
    .class = ACTION_EFFECT,
    .reversible = true,
    .params = resources_params,
    .doc = "changes the memory or cpu limit of a container, within a maximum",
    .plan = resources_plan,
    .rights = set_rights,
    .changes_spec = true,
    .makes_pods = true,
};
