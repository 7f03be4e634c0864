#include "base/base64.h"

#include "base/strbuf.h"

#include <string.h>

char *base64_new(const void *data, size_t len)
{
    static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *s = data;
    struct strbuf b = STRBUF_INIT;
    for (size_t i = 0; i < len; i += 3) {
        const unsigned char in[3] = {s[i], i + 1 < len ? s[i + 1] : 0, i + 2 < len ? s[i + 2] : 0};
        strbuf_putc(&b, set[in[0] >> 2]);
        strbuf_putc(&b, set[(in[0] & 3) << 4 | in[1] >> 4]);
        strbuf_putc(&b, i + 1 < len ? set[(in[1] & 15) << 2 | in[2] >> 6] : '=');
        strbuf_putc(&b, i + 2 < len ? set[in[2] & 63] : '=');
    }
    return strbuf_take(&b);
}

char *base64_decode_new(const char *text, size_t *ret_len)
{
    static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const size_t len = strlen(text), body = strspn(text, set);
    if (len % 4 != 0 || len - body > 2 || strspn(text + body, "=") != len - body)
        return NULL;
    struct strbuf b = STRBUF_INIT;
    unsigned bits = 0;
    for (size_t i = 0; i < body; i++) {
        bits = bits << 6 | (unsigned)(strchr(set, text[i]) - set);
        if (i % 4 != 0) /* 6, 12, 18, 24 bits are there: one byte after each but the first */
            strbuf_putc(&b, (char)(bits >> (6 - 2 * (i % 4)) & 0xff));
    }
    *ret_len = b.len;
    return strbuf_take(&b);
}
