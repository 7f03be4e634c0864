#include "base/json.h"

#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

const char *json_text(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

const char *json_text_or(const json_t *object, const char *key, const char *otherwise)
{
    const char *s = json_text(object, key);
    return s ? s : otherwise;
}

int64_t json_int_or(const json_t *object, const char *key, int64_t otherwise)
{
    const json_t *v = json_object_get(object, key);
    return json_is_integer(v) ? json_integer_value(v) : otherwise;
}

bool json_bool_or(const json_t *object, const char *key, bool otherwise)
{
    const json_t *v = json_object_get(object, key);
    return json_is_boolean(v) ? json_is_true(v) : otherwise;
}

static json_t *walk(const json_t *value, va_list args)
{
    const char *key;
    while (value && (key = va_arg(args, const char *)))
        value = json_object_get(value, key);
    return (json_t *)value;
}

json_t *json_path(const json_t *value, ...)
{
    va_list args;
    va_start(args, value);
    json_t *found = walk(value, args);
    va_end(args);
    return found;
}

const char *json_path_text(const json_t *value, ...)
{
    va_list args;
    va_start(args, value);
    const char *s = json_string_value(walk(value, args));
    va_end(args);
    return s;
}

/* Unescapes one reference token ("~1" is '/', "~0" is '~'). */
static char *token_new(const char *s, size_t len)
{
    char *token = xmalloc(len + 1), *out = token;
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '~' && i + 1 < len && (s[i + 1] == '0' || s[i + 1] == '1'))
            *out++ = s[++i] == '1' ? '/' : '~';
        else
            *out++ = s[i];
    }
    *out = '\0';
    return token;
}

json_t *json_pointer(const json_t *value, const char *pointer)
{
    while (value && *pointer) {
        if (*pointer != '/')
            return NULL;
        size_t len = strcspn(++pointer, "/");
        _cleanup_free_ char *token = token_new(pointer, len);
        if (json_is_array(value)) {
            /* digits without a leading zero (RFC 6901, 4): no sign, no blank, as strtoul() would take them */
            const size_t digits = strspn(token, "0123456789");
            const bool index = digits && digits < 10 && !token[digits] && (token[0] != '0' || digits == 1);
            value = index ? json_array_get(value, strtoul(token, NULL, 10)) : NULL;
        } else {
            value = json_object_get(value, token);
        }
        pointer += len;
    }
    return (json_t *)value;
}

char *json_pointer_join(const char *pointer, const char *key)
{
    struct strbuf b = STRBUF_INIT;
    strbuf_puts(&b, pointer);
    strbuf_putc(&b, '/');
    for (; *key; key++) {
        if (*key == '~')
            strbuf_puts(&b, "~0");
        else if (*key == '/')
            strbuf_puts(&b, "~1");
        else
            strbuf_putc(&b, *key);
    }
    return strbuf_take(&b);
}

static char *dump(const json_t *value, size_t flags)
{
    char *s = value ? json_dumps(value, flags | JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    return s ? s : xstrdup("null");
}

char *json_canonical(const json_t *value)
{
    return dump(value, JSON_SORT_KEYS);
}

char *json_compact(const json_t *value)
{
    return dump(value, 0);
}

json_t *json_parse(const char *text, size_t len, size_t max_len, bool reject_duplicates, struct error *err)
{
    if (len > max_len) {
        error_set(err, -E2BIG, "%zu bytes of JSON are more than the %zu allowed", len, max_len);
        return NULL;
    }
    json_error_t at;
    json_t *value = json_loadb(text, len, (reject_duplicates ? JSON_REJECT_DUPLICATES : 0u) | JSON_DECODE_ANY, &at);
    if (!value)
        error_set(err, -EBADMSG, "not valid JSON: line %d, column %d: %s", at.line, at.column, at.text);
    return value;
}

json_t *json_text_new(const char *s, size_t len)
{
    json_t *value = json_stringn(s, len);
    if (value)
        return value;
    _cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
    while (len > 0) {
        size_t good = 1;
        while (good <= 4 && good <= len && !utf8_valid(s, good))
            good++;
        if (good > 4 || good > len) {
            strbuf_puts(&b, "\xef\xbf\xbd");
            good = 1;
        } else {
            strbuf_add(&b, s, good);
        }
        s += good;
        len -= good;
    }
    return json_stringn(strbuf_str(&b), b.len);
}

void json_set_text(json_t *object, const char *key, const char *s)
{
    if (s)
        json_object_set_new(object, key, json_text_new(s, strlen(s)));
    else
        json_object_del(object, key);
}
