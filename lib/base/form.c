#include "base/form.h"

#include "base/alloc.h"
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

/* In place; false for a broken escape or a NUL. */
static bool decode(char *s)
{
    char *out = s;
    for (; *s; s++) {
        if (*s != '%') {
            *out++ = *s == '+' ? ' ' : *s;
            continue;
        }
        if (!isxdigit((unsigned char)s[1]) || !isxdigit((unsigned char)s[2]) || (s[1] == '0' && s[2] == '0'))
            return false;
        const char hex[] = {s[1], s[2], '\0'};
        *out++ = (char)strtoul(hex, NULL, 16);
        s += 2;
    }
    *out = '\0';
    return true;
}

static int add_field(json_t *fields, char *pair, struct error *err)
{
    char *value = strchr(pair, '=');
    if (value)
        *value++ = '\0';
    if (!decode(pair) || (value && !decode(value)))
        return error_set(err, -EINVAL, "the form is not encoded as forms are");
    if (!utf8_valid(pair, strlen(pair)) || (value && !utf8_valid(value, strlen(value))))
        return error_set(err, -EINVAL, "the form is not UTF-8");
    if (json_object_get(fields, pair))
        return error_set(err, -EINVAL, "the form has the field \"%.60s\" twice", pair);
    if (!str_empty(value))
        json_set_text(fields, pair, value);
    return 0;
}

json_t *form_parse_new(const char *form, struct error *err)
{
    _cleanup_json_ json_t *fields = json_object();
    _cleanup_free_ char *text = xstrdup(form);
    char *rest = text, *pair;
    int r = 0;
    while (r == 0 && (pair = strsep(&rest, "&\r\n")))
        if (*pair)
            r = add_field(fields, pair, err);
    explicit_bzero(text, strlen(form));
    return r < 0 ? NULL : TAKE_PTR(fields);
}
