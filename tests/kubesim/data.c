/* ConfigMaps and Secrets: what becomes of data, stringData and binaryData, and what is refused (kubernetes 1.20,
 * pkg/apis/core/validation, pkg/registry/core/secret/strategy.go). */
#include "sim.h"

#include "base/alloc.h"
#include "base/base64.h"
#include "base/text.h"

#include <string.h>

#define KEY_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
#define BASE64_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/"
#define BAD_KEY                                                                                                        \
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  "  \
    "or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"

enum { DATA_MAX = 1 << 20 };

/* ---- types ---- */

static bool is_base64(const char *s)
{
    const size_t len = strlen(s), body = strspn(s, BASE64_CHARS);
    return len % 4 == 0 && len - body <= 2 && strspn(s + body, "=") == len - body;
}

static const char *wrong_base64(const json_t *object, const char *member)
{
    const char *key;
    json_t *value;
    json_object_foreach (json_object_get(object, member), key, value)
        if (json_is_string(value) && !is_base64(json_string_value(value)))
            return member;
    return NULL;
}

const char *wrong_data(const struct kind *kind, const json_t *object)
{
    if (kind->id == KIND_SECRET)
        return wrong_base64(object, "data");
    return kind->id == KIND_CONFIGMAP ? wrong_base64(object, "binaryData") : NULL;
}

/* ---- defaults ---- */

/* stringData is written only: it goes into data, where it wins. */
static void merge_string_data(json_t *o)
{
    json_t *data = json_object_get(o, "data"), *value;
    const char *key;
    json_object_foreach (json_object_get(o, "stringData"), key, value) {
        const char *text = json_string_value(value) ? json_string_value(value) : "";
        _cleanup_free_ char *encoded = base64_new(text, strlen(text));
        if (!json_is_object(data)) {
            data = json_object();
            json_object_set_new(o, "data", data);
        }
        json_object_set_new(data, key, json_string(encoded));
    }
    json_object_del(o, "stringData");
}

void default_data(const struct kind *kind, json_t *o)
{
    static const char *const maps[] = {"data", "binaryData"};
    if (kind->id == KIND_SECRET)
        merge_string_data(o);
    for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
        json_t *map = json_object_get(o, maps[i]), *value;
        const char *key;
        void *next;
        json_object_foreach_safe (map, next, key, value)
            if (json_is_null(value)) /* a map of texts has none: the empty one */
                json_object_set_new(map, key, json_string(""));
        if (map && json_object_size(map) == 0)
            json_object_del(o, maps[i]);
    }
}

/* ---- what is refused ---- */

static void check_keys(const struct kind *kind, const json_t *object, const char *member, struct answer *a)
{
    const char *name = json_path_text(object, "metadata", "name", NULL), *key;
    json_t *value;
    json_object_foreach (json_object_get(object, member), key, value) {
        _cleanup_free_ char *field = xasprintf("%s[%s]", member, key);
        if (!*key || key[strspn(key, KEY_CHARS)])
            fail_invalid(a, kind, name, field, "FieldValueInvalid", "Invalid value: \"%s\": %s", key, BAD_KEY);
        if (str_eq(member, "data") && json_path(object, "binaryData", key, NULL))
            fail_invalid(a, kind, name, field, "FieldValueInvalid",
                         "Invalid value: \"%s\": duplicate of key present in binaryData", key);
    }
}

static void check_size(const struct kind *kind, const json_t *object, struct answer *a)
{
    size_t total = 0;
    const char *key;
    json_t *value;
    json_object_foreach (json_object_get(object, "data"), key, value)
        total += kind->id == KIND_SECRET ? json_string_length(value) / 4 * 3 : json_string_length(value);
    json_object_foreach (json_object_get(object, "binaryData"), key, value)
        total += json_string_length(value) / 4 * 3;
    if (total > DATA_MAX)
        fail_invalid(a, kind, json_path_text(object, "metadata", "name", NULL), kind->id == KIND_SECRET ? "data" : "",
                     "FieldValueTooLong", "Too long: must have at most %d bytes", DATA_MAX);
}

static void check_type_needs(const struct kind *kind, const json_t *object, struct answer *a)
{
    static const char *const needs[][2] = {{"kubernetes.io/tls", "tls.crt"}, {"kubernetes.io/tls", "tls.key"}};
    for (size_t i = 0; i < ARRAY_SIZE(needs); i++) {
        _cleanup_free_ char *field = xasprintf("data[%s]", needs[i][1]);
        if (str_eq(json_text(object, "type"), needs[i][0]) && !json_path(object, "data", needs[i][1], NULL))
            fail_invalid(a, kind, json_path_text(object, "metadata", "name", NULL), field, "FieldValueRequired",
                         "Required value");
    }
}

static bool same(const json_t *a, const json_t *b, const char *member)
{
    const json_t *x = json_object_get(a, member), *y = json_object_get(b, member);
    return (!x && !y) || (x && y && json_equal(x, y));
}

static void check_immutable(const struct kind *kind, const json_t *object, const json_t *old, struct answer *a)
{
    static const char *const fixed[] = {"data", "binaryData"};
    const char *name = json_path_text(object, "metadata", "name", NULL);
    if (kind->id == KIND_SECRET && !same(object, old, "type"))
        fail_invalid(a, kind, name, "type", "FieldValueInvalid", "Invalid value: \"%s\": field is immutable",
                     json_text_or(object, "type", ""));
    if (!json_is_true(json_object_get(old, "immutable")))
        return;
    if (!json_is_true(json_object_get(object, "immutable")))
        fail_invalid(a, kind, name, "immutable", "FieldValueForbidden",
                     "Forbidden: field is immutable when `immutable` is set");
    for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
        if (!same(object, old, fixed[i]))
            fail_invalid(a, kind, name, fixed[i], "FieldValueForbidden",
                         "Forbidden: field is immutable when `immutable` is set");
}

void validate_data(const struct kind *kind, const json_t *object, const json_t *old, struct answer *a)
{
    if (kind->id == KIND_SECRET && old) /* in this order on the real server */
        check_immutable(kind, object, old, a);
    check_keys(kind, object, "data", a);
    check_keys(kind, object, "binaryData", a);
    check_size(kind, object, a);
    if (kind->id == KIND_SECRET)
        check_type_needs(kind, object, a);
    if (kind->id == KIND_CONFIGMAP && old)
        check_immutable(kind, object, old, a);
}
