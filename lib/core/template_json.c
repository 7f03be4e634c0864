/* Templates in the texts of any JSON: parameters, patches. Keys are not expanded. */
#include "base/alloc.h"
#include "base/text.h"
#include "core/template.h"

#include <errno.h>
#include <string.h>

static int expand_text(const json_t *value, const struct template_vars *v, json_t **ret, struct error *err)
{
    _cleanup_free_ char *text = NULL;
    int r = template_expand(json_string_value(value), v, &text, err);
    if (r == 0)
        *ret = json_text_new(text, strlen(text));
    return r;
}

int template_expand_json(const json_t *value, const struct template_vars *v, json_t **ret, struct error *err)
{
    const char *key;
    json_t *member;
    size_t i;
    int r = 0;
    if (json_is_string(value))
        return expand_text(value, v, ret, err);
    if (!json_is_object(value) && !json_is_array(value)) {
        *ret = json_deep_copy(value);
        return 0;
    }
    _cleanup_json_ json_t *copy = json_is_object(value) ? json_object() : json_array();
    json_object_foreach ((json_t *)value, key, member) {
        json_t *expanded;
        if ((r = template_expand_json(member, v, &expanded, err)) < 0)
            return r;
        json_object_set_new(copy, key, expanded);
    }
    json_array_foreach (value, i, member) {
        json_t *expanded;
        if ((r = template_expand_json(member, v, &expanded, err)) < 0)
            return r;
        json_array_append_new(copy, expanded);
    }
    *ret = TAKE_PTR(copy);
    return 0;
}
