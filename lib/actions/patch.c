#include "actions/patch.h"

#include "base/alloc.h"
#include "base/text.h"
#include "core/registry.h"

#include <errno.h>
#include <string.h>

#define MARK_POINTER "/metadata/annotations/mendd.io~1last-effect"

static const char *const forbidden[] = {"/apiVersion",          "/kind",
                                        "/metadata/name",       "/metadata/namespace",
                                        "/metadata/uid",        "/metadata/ownerReferences",
                                        "/metadata/finalizers", NULL};

/* "/a" holds "/a/b" and itself. */
static bool pointer_holds(const char *outer, const char *inner)
{
    const size_t n = strlen(outer);
    return strncmp(outer, inner, n) == 0 && (inner[n] == '\0' || inner[n] == '/');
}

static bool json_op_touches(const json_t *op, const char *pointer)
{
    const char *path = json_text_or(op, "path", "");
    if (str_eq(json_text(op, "op"), "test"))
        return false;
    if (pointer_holds(path, pointer) || pointer_holds(pointer, path))
        return true;
    const char *from = str_eq(json_text(op, "op"), "move") ? json_text(op, "from") : NULL;
    return from && (pointer_holds(from, pointer) || pointer_holds(pointer, from));
}

static bool merge_touches(const json_t *patch, const char *pointer)
{
    while (*pointer) {
        if (!json_is_object(patch))
            return true; /* the whole is replaced or removed */
        if (json_object_get(patch, "$patch") || json_object_get(patch, "$retainKeys"))
            return true;
        const size_t len = strcspn(++pointer, "/");
        _cleanup_free_ char *key = xstrndup(pointer, len);
        const char *directive;
        json_t *value;
        json_object_foreach ((json_t *)patch, directive, value) { /* $setElementOrder/key and its like */
            const char *slash = *directive == '$' ? strchr(directive, '/') : NULL;
            if (slash && str_eq(slash + 1, key))
                return true;
        }
        patch = json_object_get(patch, key);
        if (!patch)
            return false;
        pointer += len;
    }
    return true;
}

bool patch_touches(const json_t *patch, const char *type, const char *pointer)
{
    if (!str_eq(type, "json"))
        return merge_touches(patch, pointer);
    size_t i;
    json_t *op;
    json_array_foreach (patch, i, op) {
        if (json_op_touches(op, pointer))
            return true;
    }
    return false;
}

static int check_json(const json_t *patch, struct error *err)
{
    static const char *const ops[] = {"add", "remove", "replace", "move", "copy", "test", NULL};
    if (!json_is_array(patch) || json_array_size(patch) == 0)
        return error_set(err, -EINVAL, "patch: type json takes a list of operations");
    size_t i;
    json_t *op;
    json_array_foreach (patch, i, op) {
        const char *path = json_text(op, "path"), *name = json_text(op, "op");
        if (!str_in(name, ops) || !path || *path != '/')
            return error_set(err, -EINVAL,
                             "patch: operation %zu needs op (add, remove, replace, move, copy, test) and path", i + 1);
        if (!str_eq(name, "test") && (str_eq(path, "/metadata") || str_eq(path, "/metadata/annotations")))
            return error_set(err, -EPERM, "patch: %s as a whole is not mendd's to replace: patch its members", path);
    }
    return 0;
}

static int check_merge(const json_t *patch, struct error *err)
{
    const json_t *metadata = json_object_get(patch, "metadata");
    const json_t *annotations = json_object_get(metadata, "annotations");
    if (!json_is_object(patch) || json_object_size(patch) == 0)
        return error_set(err, -EINVAL, "patch: expected a map");
    if ((metadata && !json_is_object(metadata)) || (annotations && !json_is_object(annotations)))
        return error_set(err, -EPERM, "patch: metadata and its annotations as a whole are not mendd's to replace");
    return 0;
}

int patch_check(const json_t *patch, const char *type, struct error *err)
{
    int r = str_eq(type, "json") ? check_json(patch, err) : check_merge(patch, err);
    if (r < 0)
        return r;
    for (const char *const *f = forbidden; *f; f++)
        if (patch_touches(patch, type, *f))
            return error_set(err, -EPERM, "patch: %s is not mendd's to change", *f);
    if (patch_touches(patch, type, MARK_POINTER) && str_eq(type, "json"))
        return error_set(err, -EPERM, "patch: %s is mendd's own mark", MARK_ANNOTATION);
    return 0;
}

/* ---- what it changes ---- */

static void add_change(json_t *changes, const char *pointer, const json_t *before, json_t *after_new)
{
    json_t *change = json_object();
    if (before)
        json_object_set_new(change, "before", json_deep_copy(before));
    if (after_new)
        json_object_set_new(change, "after", after_new);
    json_object_set_new(changes, pointer, change);
}

/* $patch, $retainKeys, …: what they do to this map only the server knows. */
static bool has_directive(const json_t *patch)
{
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)patch, key, value) {
        if (*key == '$')
            return true;
    }
    return false;
}

/* What a merge patch makes where there was nothing: nulls are left out. */
static json_t *without_nulls_new(const json_t *patch)
{
    if (!json_is_object(patch))
        return json_deep_copy(patch);
    json_t *out = json_object(), *value;
    const char *key;
    json_object_foreach ((json_t *)patch, key, value) {
        if (!json_is_null(value))
            json_object_set_new(out, key, without_nulls_new(value));
    }
    return out;
}

static void merge_changes(json_t *changes, const json_t *patch, const json_t *present, const char *pointer,
                          bool strategic)
{
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)patch, key, value) {
        _cleanup_free_ char *at = json_pointer_join(pointer, key);
        const json_t *have = json_object_get(present, key);
        /* the mark goes among the annotations: they are compared one by one even if there are none yet */
        const bool descend = json_is_object(have) || str_eq(at, "/metadata/annotations") || str_eq(at, "/metadata");
        if (json_is_object(value) && descend && !(strategic && has_directive(value)))
            merge_changes(changes, value, have, at, strategic);
        else if (strategic && (json_is_array(value) || json_is_object(value)))
            add_change(changes, at, have, NULL); /* merged by the server: it says what came of it */
        else if (json_is_null(value) ? have != NULL : !have || !json_equal(have, value))
            add_change(changes, at, have, json_is_null(value) ? json_null() : without_nulls_new(value));
    }
}

static void json_change(json_t *changes, const json_t *object, const char *path)
{
    _cleanup_free_ char *pointer = xstrdup(path);
    char *slash;
    /* an element of a list shifts its neighbours: the list is what changes */
    while ((slash = strrchr(pointer, '/')) && slash != pointer) {
        _cleanup_free_ char *parent = xstrndup(pointer, (size_t)(slash - pointer));
        const json_t *holder = json_pointer(object, parent);
        if (holder && !json_is_array(holder))
            break;
        *slash = '\0';
    }
    add_change(changes, pointer, json_pointer(object, pointer), NULL);
}

/* A pointer inside another one would be put back twice: only the outer one stays. */
static void drop_inner(json_t *changes)
{
    const char *outer, *inner;
    json_t *a, *b;
    void *tmp;
    json_object_foreach_safe (changes, tmp, inner, b) {
        json_object_foreach (changes, outer, a) {
            if (!str_eq(outer, inner) && pointer_holds(outer, inner)) {
                json_object_del(changes, inner);
                break;
            }
        }
    }
}

json_t *patch_changes_new(const json_t *patch, const char *type, const json_t *object)
{
    json_t *changes = json_object();
    if (!str_eq(type, "json")) {
        merge_changes(changes, patch, object, "", str_eq(type, "strategic"));
        return changes;
    }
    size_t i;
    json_t *op;
    json_array_foreach (patch, i, op) {
        if (str_eq(json_text(op, "op"), "test"))
            continue;
        json_change(changes, object, json_text_or(op, "path", ""));
        if (str_eq(json_text(op, "op"), "move") && json_text(op, "from"))
            json_change(changes, object, json_text(op, "from"));
    }
    drop_inner(changes);
    return changes;
}

/* ---- mark and guard ---- */

json_t *patch_merge_marked_new(const json_t *patch, const char *uid, const char *mark)
{
    json_t *body = json_deep_copy(patch);
    if (!json_object_get(body, "metadata"))
        json_object_set_new(body, "metadata", json_object());
    json_t *metadata = json_object_get(body, "metadata");
    if (!json_object_get(metadata, "annotations"))
        json_object_set_new(metadata, "annotations", json_object());
    json_set_text(json_object_get(metadata, "annotations"), MARK_ANNOTATION, mark);
    json_set_text(metadata, "uid", uid);
    return body;
}

json_t *patch_json_marked_new(const json_t *patch, const char *uid, const char *mark, bool has_annotations)
{
    json_t *body = json_array();
    json_array_append_new(body, json_pack("{s:s, s:s, s:s}", "op", "test", "path", "/metadata/uid", "value", uid));
    if (!has_annotations)
        json_array_append_new(body,
                              json_pack("{s:s, s:s, s:{}}", "op", "add", "path", "/metadata/annotations", "value"));
    json_array_extend(body, (json_t *)patch);
    json_array_append_new(body, json_pack("{s:s, s:s, s:s}", "op", "add", "path", MARK_POINTER, "value", mark));
    return body;
}
