/* mendd's command line. */
#include "../../daemon/options.h"
#include "base/macro.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <getopt.h>

#include <cmocka.h>

enum { MAX_ARGS = 8 };

/* Options are scanned from the start each time; what is said on stdout and stderr goes nowhere. */
static int parse(struct options *o, const char *first, const char *second)
{
    char *argv[MAX_ARGS] = {(char *)"mendd", (char *)first, (char *)second};
    int argc = 1;
    while (argv[argc])
        argc++;
    const int out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    fflush(NULL);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    optind = 0;
    const int r = options_parse(argc, argv, o);
    fflush(NULL);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    close(out);
    close(err);
    close(null);
    return r;
}

static void expect(const char *first, const char *second, int expected)
{
    struct options o;
    const int r = parse(&o, first, second);
    options_clear(&o);
    if (r != expected)
        fail_msg("%s %s: %d, expected %d", first ? first : "", second ? second : "", r, expected);
}

static void the_defaults(void **state _unused_)
{
    struct options o;
    unsetenv("STATE_DIRECTORY");
    assert_int_equal(parse(&o, NULL, NULL), 1);
    assert_string_equal(o.listen_address, "127.0.0.1:9490");
    assert_string_equal(o.storage_path, "/var/lib/mendd");
    assert_int_equal(o.max_body, 8 << 20);
    assert_false(o.dry_run);
    assert_false(o.allow_anonymous);
    options_clear(&o);
}

static void systemds_state_directory_is_the_default_storage(void **state _unused_)
{
    struct options o;
    setenv("STATE_DIRECTORY", "/var/lib/private/mendd", 1);
    assert_int_equal(parse(&o, NULL, NULL), 1);
    assert_string_equal(o.storage_path, "/var/lib/private/mendd");
    options_clear(&o);
    assert_int_equal(parse(&o, "--storage.path=/srv/x", NULL), 1);
    assert_string_equal(o.storage_path, "/srv/x");
    options_clear(&o);
    setenv("STATE_DIRECTORY", "/a:/b", 1);
    assert_int_equal(parse(&o, NULL, NULL), 1);
    assert_string_equal(o.storage_path, "/var/lib/mendd");
    options_clear(&o);
    unsetenv("STATE_DIRECTORY");
}

static void playbooks_may_be_given_several_times(void **state _unused_)
{
    struct options o;
    assert_int_equal(parse(&o, "--playbooks=a", "--playbooks=b"), 1);
    assert_string_equal(o.playbooks[0], "a");
    assert_string_equal(o.playbooks[1], "b");
    assert_null(o.playbooks[2]);
    options_clear(&o);
    assert_null(o.playbooks);
}

static void values_with_a_space_instead_of_equals(void **state _unused_)
{
    struct options o;
    assert_int_equal(parse(&o, "--web.listen-address", "unix:/run/x"), 1);
    assert_string_equal(o.listen_address, "unix:/run/x");
    options_clear(&o);
}

static void sizes(void **state _unused_)
{
    static const struct {
        const char *text;
        size_t size;
    } good[] = {{"1024", 1024}, {"1KiB", 1024}, {"16MiB", 16 << 20}, {"256MiB", 256 << 20}};
    static const char *const bad[] = {"",
                                      "0",
                                      "1023",
                                      "-1",
                                      " -1",
                                      "257MiB",
                                      "8MB",
                                      "8 MiB",
                                      "MiB",
                                      "0x10KiB",
                                      "1e6",
                                      "1KiBx",
                                      "99999999999999999999",
                                      "18446744073709551615MiB",
                                      "17592186044417MiB"};
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        struct options o;
        assert_int_equal(parse(&o, "--web.max-body", good[i].text), 1);
        assert_int_equal(o.max_body, good[i].size);
        options_clear(&o);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        expect("--web.max-body", bad[i], -EINVAL);
}

static void wrong_usage(void **state _unused_)
{
    expect("--nonsense", NULL, -EINVAL);
    expect("stray", NULL, -EINVAL);
    expect("--log.level=loud", NULL, -EINVAL);
    expect("--log.format=xml", NULL, -EINVAL);
    expect("--storage.path", NULL, -EINVAL);
    expect("--dry-run=yes", NULL, -EINVAL);
    expect("--enable-feature=comand", NULL, -EINVAL); /* not of this version: said, not swallowed */
    expect("--web.config.file=x", NULL, 1);
    expect("--log.level=debug", "--log.format=json", 1);
    expect("--help", NULL, 0);
    expect("-h", NULL, 0);
    expect("--version", NULL, 0);
}

static void only_this_host_needs_no_authentication(void **state _unused_)
{
    static const char *const local[] = {"127.0.0.1:9490", "127.1.2.3:1", "localhost:1", "[::1]:9490", "unix:/run/m"};
    static const char *const open[] = {
        ":9490",      "0.0.0.0:9490",    "[::]:9490", "192.0.2.1:1", "", "example.org:1", "127.0.0.1.example.org:1",
        "127.evil:1", "localhost.evil:1"};
    for (size_t i = 0; i < ARRAY_SIZE(local); i++)
        if (!listen_address_is_local(local[i]))
            fail_msg("%s is local", local[i]);
    for (size_t i = 0; i < ARRAY_SIZE(open); i++)
        if (listen_address_is_local(open[i]))
            fail_msg("%s is not local", open[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_defaults),
        cmocka_unit_test(systemds_state_directory_is_the_default_storage),
        cmocka_unit_test(playbooks_may_be_given_several_times),
        cmocka_unit_test(values_with_a_space_instead_of_equals),
        cmocka_unit_test(sizes),
        cmocka_unit_test(wrong_usage),
        cmocka_unit_test(only_this_host_needs_no_authentication),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
