/* Growing text: bounded, always ended, handed over whole. */
#include "base/strbuf.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void text_grows_and_is_handed_over(void **state)
{
    (void)state;
    struct strbuf b = STRBUF_INIT;
    assert_string_equal(strbuf_str(&b), "");
    for (int i = 0; i < 1000; i++)
        strbuf_printf(&b, "%d,", i % 10);
    assert_int_equal(b.len, 2000);
    char *s = strbuf_take(&b);
    assert_int_equal(strlen(s), 2000);
    free(s);
    s = strbuf_take(&b);
    assert_string_equal(s, "");
    free(s);
    strbuf_free(&b);
    strbuf_free(NULL);
}

static void what_goes_over_is_dropped(void **state)
{
    (void)state;
    _cleanup_strbuf_ struct strbuf b = {.max = 5};
    strbuf_puts(&b, "abc");
    assert_false(b.truncated);
    strbuf_puts(&b, "defg");
    assert_true(b.truncated);
    strbuf_putc(&b, 'x');
    assert_string_equal(strbuf_str(&b), "abcde");
    strbuf_reset(&b);
    assert_false(b.truncated);
    strbuf_puts(&b, "12345");
    assert_string_equal(strbuf_str(&b), "12345");
    assert_false(b.truncated);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(text_grows_and_is_handed_over),
                                       cmocka_unit_test(what_goes_over_is_dropped)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
