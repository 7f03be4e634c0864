#include "diff.h"

#include "base/alloc.h"
#include "base/text.h"

enum { MAX_DEPTH = 64 };

static const char *const noise[] = {"/metadata/managedFields", "/metadata/resourceVersion", "/metadata/generation",
                                    "/status", NULL};

static void compare(json_t *out, const char *pointer, const json_t *before, const json_t *after, int depth)
{
    const char *key;
    json_t *value;
    if (str_in(pointer, noise) || json_equal(before, after))
        return;
    if (json_is_object(before) && json_is_object(after) && depth < MAX_DEPTH) {
        json_object_foreach ((json_t *)before, key, value) {
            _cleanup_free_ char *next = json_pointer_join(pointer, key);
            compare(out, next, value, json_object_get(after, key), depth + 1);
        }
        json_object_foreach ((json_t *)after, key, value) {
            _cleanup_free_ char *next = json_pointer_join(pointer, key);
            if (!json_object_get(before, key))
                compare(out, next, NULL, value, depth + 1);
        }
        return;
    }
    json_t *change = json_object();
    if (before)
        json_object_set(change, "before", (json_t *)before);
    if (after)
        json_object_set(change, "after", (json_t *)after);
    json_object_set_new(out, pointer, change);
}

json_t *diff_new(const json_t *before, const json_t *after)
{
    json_t *out = json_object();
    compare(out, "", before, after, 0);
    return out;
}
