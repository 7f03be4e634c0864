/* Strategic merge patch: a merge patch that merges the lists whose elements have a key. Which lists those are is in the
 * Go types of a real API server (patchMergeKey tags); here it is the table below, by the list's name and its parent's.
 */
#include "sim.h"

#include "base/alloc.h"
#include "base/text.h"

#include <string.h>

static const struct {
    const char *list, *parent; /* parent NULL: anywhere */
    const char *key;           /* NULL: a list of plain values, merged as a set */
} merge_keys[] = {
    {"containers", NULL, "name"},
    {"initContainers", NULL, "name"},
    {"ephemeralContainers", NULL, "name"},
    {"env", NULL, "name"},
    {"volumes", NULL, "name"},
    {"volumeMounts", NULL, "mountPath"},
    {"volumeDevices", NULL, "devicePath"},
    {"imagePullSecrets", NULL, "name"},
    {"secrets", NULL, "name"},
    {"hostAliases", NULL, "ip"},
    {"topologySpreadConstraints", NULL, "topologyKey"},
    {"conditions", NULL, "type"},
    {"ownerReferences", NULL, "uid"},
    {"podIPs", NULL, "ip"},
    {"addresses", "status", "type"},
    {"ports", "containers", "containerPort"},
    {"ports", "initContainers", "containerPort"},
    {"ports", "spec", "port"}, /* Service */
    {"finalizers", "metadata", NULL},
};

struct context {
    struct answer *answer;
    bool failed;
};

static json_t *merge_map(struct context *c, const char *name, const json_t *target, const json_t *patch);

/* Whether the list merges, and by what. */
static bool merge_rule(const char *parent, const char *list, const char **ret_key)
{
    for (size_t i = 0; i < ARRAY_SIZE(merge_keys); i++) {
        if (!str_eq(merge_keys[i].list, list) || (merge_keys[i].parent && !str_eq(merge_keys[i].parent, parent)))
            continue;
        *ret_key = merge_keys[i].key;
        return true;
    }
    return false;
}

static json_t *without_directives(const json_t *value)
{
    json_t *copy = json_deep_copy(value);
    json_object_del(copy, "$patch");
    json_object_del(copy, "$retainKeys");
    return copy;
}

static size_t find_by_key(const json_t *list, const char *key, const json_t *wanted)
{
    size_t i;
    json_t *element;
    json_array_foreach (list, i, element) {
        const json_t *have = json_object_get(element, key);
        if (have && json_equal(have, wanted))
            return i;
    }
    return SIZE_MAX;
}

static void fail_key(struct context *c, const json_t *element, const char *key)
{
    _cleanup_free_ char *shown = json_compact(element);
    c->failed = true;
    answer_fail(c->answer, 500, NULL, NULL, "map: %s does not contain declared merge key: %s", shown, key);
}

static bool replaces_list(const json_t *patch)
{
    size_t i;
    json_t *element;
    json_array_foreach (patch, i, element)
        if (str_eq(json_text(element, "$patch"), "replace"))
            return true;
    return false;
}

static json_t *replaced_list(const json_t *patch)
{
    json_t *result = json_array();
    size_t i;
    json_t *element;
    json_array_foreach (patch, i, element)
        if (!json_object_get(element, "$patch"))
            json_array_append_new(result, json_deep_copy(element));
    return result;
}

/* Where an element stands in a list: by its key, or (key NULL) by its value. */
static size_t position(const json_t *list, const char *key, const json_t *element)
{
    size_t i;
    json_t *other;
    if (key)
        return find_by_key(list, key, json_object_get(element, key));
    json_array_foreach (list, i, other)
        if (json_equal(other, element))
            return i;
    return SIZE_MAX;
}

/* The real server's order: what `order` names comes in its order; the others go in front of those that they stood in
 * front of in the original list. Takes `merged`. */
static json_t *ordered(json_t *merged, const char *key, const json_t *order, const json_t *original)
{
    json_t *others = json_array(), *named = json_array(), *result = json_array(), *element;
    size_t i, o = 0, n = 0;
    json_array_foreach (order, i, element) {
        size_t at = position(merged, key, element);
        if (at != SIZE_MAX)
            json_array_append(named, json_array_get(merged, at));
    }
    json_array_foreach (merged, i, element)
        if (position(order, key, element) == SIZE_MAX)
            json_array_append(others, element);
    while (o < json_array_size(others) || n < json_array_size(named)) {
        json_t *left = json_array_get(others, o), *right = json_array_get(named, n);
        const size_t at_left = left ? position(original, key, left) : SIZE_MAX;
        const size_t at_right = right ? position(original, key, right) : SIZE_MAX;
        const bool take_left = !right || (left && at_left != SIZE_MAX && at_right != SIZE_MAX && at_left < at_right);
        json_array_append(result, take_left ? left : right);
        *(take_left ? &o : &n) += 1;
    }
    json_decref(others);
    json_decref(named);
    json_decref(merged);
    return result;
}

static json_t *merge_list(struct context *c, const char *name, const char *key, const json_t *target,
                          const json_t *patch)
{
    if (replaces_list(patch))
        return replaced_list(patch);
    json_t *result = json_is_array(target) ? json_deep_copy(target) : json_array();
    size_t i;
    json_t *element;
    json_array_foreach (patch, i, element) {
        const json_t *wanted = json_object_get(element, key);
        if (!wanted) {
            fail_key(c, element, key);
            return result;
        }
        size_t at = find_by_key(result, key, wanted);
        if (str_eq(json_text(element, "$patch"), "delete")) {
            if (at != SIZE_MAX)
                json_array_remove(result, at);
        } else if (at == SIZE_MAX) {
            json_array_append_new(result, merge_map(c, name, NULL, element));
        } else {
            json_array_set_new(result, at, merge_map(c, name, json_array_get(result, at), element));
        }
    }
    return ordered(result, key, patch, target);
}

static json_t *merge_set(const json_t *target, const json_t *patch)
{
    json_t *result = json_is_array(target) ? json_deep_copy(target) : json_array();
    size_t i;
    json_t *element;
    json_array_foreach (patch, i, element)
        if (position(result, NULL, element) == SIZE_MAX)
            json_array_append_new(result, json_deep_copy(element));
    return ordered(result, NULL, patch, target);
}

/* $deleteFromPrimitiveList/LIST */
static void delete_from_set(json_t *result, const char *list, const json_t *gone)
{
    json_t *have = json_object_get(result, list), *element;
    size_t i;
    json_array_foreach (gone, i, element)
        for (size_t j = json_array_size(have); j-- > 0;)
            if (json_equal(json_array_get(have, j), element))
                json_array_remove(have, j);
}

/* $setElementOrder/LIST */
static void set_order(json_t *result, const char *list, const char *key, const json_t *order, const json_t *original)
{
    json_t *have = json_object_get(result, list);
    if (json_is_array(have) && json_is_array(order))
        json_object_set_new(result, list, ordered(json_incref(have), key, order, original));
}

static void retain_keys(json_t *result, const json_t *keys)
{
    const char *key;
    json_t *value, *wanted;
    void *next;
    json_object_foreach_safe (result, next, key, value) {
        bool keep = false;
        size_t i;
        json_array_foreach (keys, i, wanted)
            keep = keep || str_eq(json_string_value(wanted), key);
        if (!keep)
            json_object_del(result, key);
    }
}

static void merge_member(struct context *c, const char *name, json_t *result, const char *key, const json_t *value)
{
    const json_t *have = json_object_get(result, key);
    const char *merge_key = NULL;
    if (json_is_null(value))
        json_object_del(result, key);
    else if (json_is_object(value))
        json_object_set_new(result, key, merge_map(c, key, json_is_object(have) ? have : NULL, value));
    else if (json_is_array(value) && merge_rule(name, key, &merge_key))
        json_object_set_new(result, key,
                            merge_key ? merge_list(c, key, merge_key, have, value) : merge_set(have, value));
    else
        json_object_set_new(result, key, json_deep_copy(value));
}

/* `name` is the member (or list) that the map stands in. */
static json_t *merge_map(struct context *c, const char *name, const json_t *target, const json_t *patch)
{
    const char *directive = json_text(patch, "$patch");
    if (str_eq(directive, "replace"))
        return without_directives(patch);
    if (str_eq(directive, "delete"))
        return json_object();
    json_t *result = target ? json_deep_copy(target) : json_object();
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)patch, key, value) {
        if (str_starts(key, "$deleteFromPrimitiveList/"))
            delete_from_set(result, strchr(key, '/') + 1, value);
        else if (*key != '$')
            merge_member(c, name, result, key, value);
    }
    json_object_foreach ((json_t *)patch, key, value) {
        const char *merge_key = NULL;
        if (str_starts(key, "$setElementOrder/") && merge_rule(name, strchr(key, '/') + 1, &merge_key))
            set_order(result, strchr(key, '/') + 1, merge_key, value, json_object_get(target, strchr(key, '/') + 1));
    }
    const json_t *retained = json_object_get(patch, "$retainKeys");
    if (retained)
        retain_keys(result, retained);
    return result;
}

json_t *strategic_patch(const struct kind *kind, const json_t *target, const json_t *patch, struct answer *a)
{
    (void)kind;
    if (!json_is_object(patch)) {
        fail_bad_request(a, "json: cannot unmarshal %s into Go value of type map[string]interface {}",
                         json_is_array(patch)    ? "array"
                         : json_is_string(patch) ? "string"
                                                 : "number");
        return NULL;
    }
    struct context c = {.answer = a};
    json_t *result = merge_map(&c, "", target, patch);
    if (c.failed) {
        json_decref(result);
        return NULL;
    }
    return result;
}
