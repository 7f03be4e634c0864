/* RFC 7386 merge patch and RFC 6902 JSON patch. */
#include "sim.h"

#include "base/alloc.h"
#include "base/text.h"

#include <string.h>

json_t *merge_patch(const json_t *target, const json_t *patch)
{
    if (!json_is_object(patch))
        return json_deep_copy(patch);
    json_t *result = json_is_object(target) ? json_deep_copy(target) : json_object();
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)patch, key, value) {
        if (json_is_null(value))
            json_object_del(result, key);
        else
            json_object_set_new(result, key, merge_patch(json_object_get(result, key), value));
    }
    return result;
}

/* Splits "/a/b/c" into its parent ("/a/b", looked up) and the last token (unescaped, the caller frees). */
static json_t *parent_of(json_t *doc, const char *path, char **ret_last)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return NULL;
    _cleanup_free_ char *head = xstrndup(path, (size_t)(slash - path));
    json_t *parent = json_pointer(doc, head);
    char *last = xmalloc(strlen(slash)), *out = last;
    for (const char *p = slash + 1; *p; p++) {
        if (*p == '~' && (p[1] == '0' || p[1] == '1'))
            *out++ = *++p == '1' ? '/' : '~';
        else
            *out++ = *p;
    }
    *out = '\0';
    *ret_last = last;
    return parent;
}

static bool array_index(const char *token, size_t size, size_t *ret)
{
    char *end;
    if (str_eq(token, "-")) {
        *ret = size;
        return true;
    }
    unsigned long i = strtoul(token, &end, 10);
    *ret = i;
    return *token >= '0' && *token <= '9' && !*end && i <= size;
}

static bool op_add(json_t *doc, const char *path, json_t *value)
{
    _cleanup_free_ char *last = NULL;
    json_t *parent = parent_of(doc, path, &last);
    size_t i;
    if (json_is_object(parent))
        return json_object_set(parent, last, value) == 0;
    return json_is_array(parent) && array_index(last, json_array_size(parent), &i) &&
           json_array_insert(parent, i, value) == 0;
}

static bool op_remove(json_t *doc, const char *path)
{
    _cleanup_free_ char *last = NULL;
    json_t *parent = parent_of(doc, path, &last);
    size_t i;
    if (json_is_object(parent))
        return json_object_del(parent, last) == 0;
    return json_is_array(parent) && array_index(last, json_array_size(parent), &i) && json_array_remove(parent, i) == 0;
}

/* The library in the real server (v1.20) lets `replace` set a member that was not there; so do we. */
static bool op_replace(json_t *doc, const char *path, json_t *value)
{
    _cleanup_free_ char *last = NULL;
    json_t *parent = parent_of(doc, path, &last);
    size_t i;
    if (json_is_object(parent))
        return json_object_set(parent, last, value) == 0;
    return json_is_array(parent) && array_index(last, json_array_size(parent), &i) && i < json_array_size(parent) &&
           json_array_set(parent, i, value) == 0;
}

static bool op_move(json_t *doc, const char *from, const char *path, bool remove)
{
    if (!from)
        return false;
    _cleanup_json_ json_t *value = json_deep_copy(json_pointer(doc, from));
    return value && (!remove || op_remove(doc, from)) && op_add(doc, path, value);
}

static bool op_test(const json_t *doc, const char *path, const json_t *value)
{
    const json_t *have = json_pointer(doc, path);
    if (!have)
        return json_is_null(value) && strrchr(path, '/') != path && *path;
    return value && json_equal(have, value);
}

static bool apply_op(json_t *doc, const json_t *op)
{
    const char *name = json_text(op, "op"), *path = json_text(op, "path");
    _cleanup_json_ json_t *value = json_deep_copy(json_object_get(op, "value"));
    if (!name || !path || (*path && *path != '/'))
        return false;
    if (str_eq(name, "test"))
        return op_test(doc, path, value);
    if (str_eq(name, "remove"))
        return op_remove(doc, path);
    if (str_eq(name, "move") || str_eq(name, "copy"))
        return op_move(doc, json_text(op, "from"), path, *name == 'm');
    if (str_eq(name, "add"))
        return value && op_add(doc, path, value);
    if (str_eq(name, "replace"))
        return value && op_replace(doc, path, value);
    return false;
}

json_t *json_patch(const json_t *target, const json_t *patch, struct answer *a)
{
    if (!json_is_array(patch)) {
        fail_bad_request(a, "json: cannot unmarshal %s into Go value of type jsonpatch.Patch",
                         json_is_object(patch)   ? "object"
                         : json_is_string(patch) ? "string"
                                                 : "number");
        return NULL;
    }
    if (json_array_size(patch) > 10000) {
        answer_fail(a, 413, "RequestEntityTooLarge", NULL,
                    "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got %zu",
                    json_array_size(patch));
        return NULL;
    }
    json_t *doc = json_deep_copy(target);
    size_t i;
    json_t *op;
    json_array_foreach (patch, i, op) {
        if (!apply_op(doc, op)) {
            json_decref(doc);
            answer_fail(a, 422, "Invalid", json_object(),
                        "the server rejected our request due to an error in our request");
            return NULL;
        }
    }
    return doc;
}
