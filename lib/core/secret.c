#include "core/secret.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/text.h"
#include "core/registry.h"

#include <string.h>

static const char DATA[] = "/data/";

char *secret_hash_new(const char *scope, const char *key, const char *base64)
{
    _cleanup_free_ char *text = xasprintf("%s\n%s\n%s", scope, key, base64);
    char *hash = sha256_hex_new(text, strlen(text));
    explicit_bzero(text, strlen(text));
    return hash;
}

json_t *secret_hashed_new(const char *scope, const char *key, const json_t *data)
{
    const char *value = json_text(data, key);
    if (!value)
        return NULL;
    _cleanup_free_ char *hash = secret_hash_new(scope, key, value);
    return json_pack("{s:s}", "sha256", hash);
}

json_t *secret_hashes_new(const char *scope, const json_t *data)
{
    json_t *hashes = json_object(), *value;
    const char *key;
    json_object_foreach ((json_t *)data, key, value) {
        json_t *hashed = secret_hashed_new(scope, key, data);
        if (hashed)
            json_object_set_new(hashes, key, hashed);
    }
    return hashes;
}

bool effect_is_secret(const json_t *effect)
{
    return json_text(effect, "secret") != NULL;
}

json_t *secret_seen_new(const json_t *effect, const char *pointer, const json_t *object)
{
    const char *scope = json_text(effect, "secret");
    if (scope && str_starts(pointer, DATA))
        return secret_hashed_new(scope, pointer + strlen(DATA), json_object_get(object, "data"));
    return json_incref(json_pointer(object, pointer));
}

json_t *secret_inverse_new(const json_t *effect, const json_t *object)
{
    const char *from = json_path_text(effect, "undo", "from", NULL), *pointer;
    if (!from)
        return NULL;
    _cleanup_free_ char *key = xasprintf("%s/undo", json_text_or(effect, "key", ""));
    json_t *body = json_pack("{s:{s:s?, s:{s:s}}}", "metadata", "uid", json_path_text(object, "metadata", "uid", NULL),
                             "annotations", MARK_ANNOTATION, key);
    json_t *keys = json_object(), *changes = json_object(), *change;
    json_object_foreach (json_object_get(effect, "changes"), pointer, change) {
        json_t *before = json_object_get(change, "before"), *after = json_object_get(change, "after"),
               *back = json_object();
        before = json_is_null(before) ? NULL : before;
        if (after && !json_is_null(after))
            json_object_set(back, "before", after);
        if (before)
            json_object_set(back, "after", before);
        else
            json_object_set_new(back, "after", json_null());
        json_object_set_new(changes, pointer, back);
        if (str_starts(pointer, DATA))
            json_object_set_new(keys, pointer + strlen(DATA), before ? json_deep_copy(before) : json_null());
    }
    const char *path = json_text_or(effect, "path", "");
    json_t *inverse = effect_new(key, "PATCH", path, "application/merge-patch+json", body, RECOGNISE_MARK);
    static const char *const kept[] = {"object", "cluster", "read", "rung", "step", "secret", NULL};
    for (const char *const *k = kept; *k; k++) {
        json_t *v = json_object_get(effect, *k);
        if (v)
            json_object_set_new(inverse, *k, json_deep_copy(v));
    }
    json_object_set_new(inverse, "changes", changes);
    json_object_set_new(inverse, "assemble", json_pack("{s:s, s:o}", "from", from, "keys", keys));
    return inverse;
}
