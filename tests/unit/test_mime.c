/* Encodings of mail: what goes in comes back out of a reader, on lines that are short enough. */
#include "base/alloc.h"
#include "base/text.h"
#include "notify/mime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int hex(char c)
{
    return c >= 'A' ? c - 'A' + 10 : c - '0';
}

/* A reader's view of encoded words (RFC 2047: blanks between two of them go). */
static char *decoded(const char *words)
{
    struct strbuf b = STRBUF_INIT;
    for (const char *p = words; (p = strstr(p, "=?utf-8?q?")); p++) {
        p += 10;
        const char *begin = p;
        _cleanup_strbuf_ struct strbuf word = STRBUF_INIT;
        for (; !str_starts(p, "?="); p++) {
            if (*p == '=') {
                strbuf_putc(&word, (char)(hex(p[1]) * 16 + hex(p[2])));
                p += 2;
            } else {
                strbuf_putc(&word, (char)(*p == '_' ? ' ' : *p));
            }
        }
        assert_true(p - begin <= 63); /* with its frame at most 75 */
        assert_true(utf8_valid(strbuf_str(&word), word.len));
        strbuf_add(&b, strbuf_str(&word), word.len);
    }
    return strbuf_take(&b);
}

static void test_headers_come_back(void **state _unused_)
{
    static const char *const values[] = {
        "\xc3\x9c"
        "berlauf",
        "a b_c=d?e", "=?utf-8?q?x?=",
        "\xf0\x9f\x94\xa5\xf0\x9f\x94\xa5\xf0\x9f\x94\xa5\xf0\x9f\x94\xa5\xf0\x9f\x94\xa5 fire in the "
        "hall, \xe2\x82\xac 100 and a long tail that wants a second and a third line"};
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        _cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
        mime_header(&b, "Subject", values[i]);
        if (i == 1) {
            assert_string_equal(strbuf_str(&b), "Subject: a b_c=d?e\r\n");
            continue;
        }
        _cleanup_free_ char *back = decoded(strbuf_str(&b));
        assert_string_equal(back, values[i]);
    }
}

static void test_bodies_come_back(void **state _unused_)
{
    static const char text[] = "plain = sign\ntrailing blank \n.\n\xe2\x82\xac and a line that is much longer than the "
                               "seventy-six columns which quoted-printable allows, \xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"
                               "\xe2\x82\xac\xe2\x82\xac\n\ttab\t\nend";
    _cleanup_strbuf_ struct strbuf b = STRBUF_INIT, back = STRBUF_INIT;
    mime_body(&b, text);
    for (const char *p = strbuf_str(&b); *p; p++) {
        if (str_starts(p, "=\r\n"))
            p += 2;
        else if (*p == '=') {
            strbuf_putc(&back, (char)(hex(p[1]) * 16 + hex(p[2])));
            p += 2;
        } else if (*p != '\r') {
            strbuf_putc(&back, *p);
        }
    }
    _cleanup_free_ char *want = xasprintf("%s\n", text);
    assert_string_equal(strbuf_str(&back), want);
    for (const char *line = strbuf_str(&b), *end; (end = strstr(line, "\r\n")); line = end + 2)
        assert_true(end - line <= 76 && (end == line || (end[-1] != ' ' && end[-1] != '\t')));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_headers_come_back),
                                       cmocka_unit_test(test_bodies_come_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
