/* Files of the operator: bounded, and secrets without their line break. */
#include "base/file.h"

#include "base/alloc.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char *temp_file(const char *data, size_t len)
{
    char *path = xstrdup("/tmp/mendd-test-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), len);
    close(fd);
    return path;
}

static void reading_is_bounded(void **state)
{
    (void)state;
    _cleanup_error_ struct error err = ERROR_NONE;
    char *text = NULL;
    assert_int_equal(file_read("/dev/zero", 1000, &text, NULL, &err), -E2BIG);
    assert_int_equal(file_read("/nowhere/at/all", 1000, &text, NULL, &err), -ENOENT);
    assert_non_null(strstr(error_message(&err), "/nowhere/at/all"));
    assert_int_equal(file_read("/", 1000, &text, NULL, &err), -EISDIR);
    assert_null(text);
}

static void secrets(void **state)
{
    (void)state;
    _cleanup_free_ char *good = temp_file("s3cret\r\n", 8), *bad = temp_file("a\0b", 3), *text = NULL, *other = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    assert_int_equal(secret_read(good, &text, &err), 0);
    assert_string_equal(text, "s3cret");
    assert_int_equal(secret_read(bad, &other, &err), -EINVAL);
    setenv("CREDENTIALS_DIRECTORY", "/tmp", 1);
    assert_int_equal(secret_read(good + strlen("/tmp/"), &other, &err), 0);
    unsetenv("CREDENTIALS_DIRECTORY");
    assert_string_equal(other, "s3cret");
    unlink(good);
    unlink(bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reading_is_bounded), cmocka_unit_test(secrets)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
