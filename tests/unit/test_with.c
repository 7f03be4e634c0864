/* What the loader looks up for a step: receivers, features, programs of the host; each fault with its place. */
#include "actions/registry.h"
#include "base/alloc.h"
#include "base/text.h"
#include "checks/registry.h"
#include "config/config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const struct registry registry = {all_actions, all_checks};
static char folder[] = "/tmp/mendd-with-XXXXXX";
static struct config *config;

static char *put(const char *name, const char *text)
{
    char *path = xasprintf("%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    return path;
}

static int setup(void **state _unused_)
{
    struct faults f = {0};
    assert_non_null(mkdtemp(folder));
    _cleanup_free_ char *path = put("config", "receivers: [{name: oncall, slack: {url: \"http://127.0.0.1:1/\"}}]\n");
    const int r = config_load(path, &config, &f);
    return unlink(path) == 0 ? r : -errno;
}

static int teardown(void **state _unused_)
{
    config_free(config);
    return rmdir(folder);
}

/* One step, in line 5. NULL: it must load. */
static void step(const char *text, const char *const faults[])
{
    struct faults f = {0};
    struct playbook_table *t = NULL;
    _cleanup_free_ char *playbook = xasprintf("playbooks:\n- name: p\n  matchers: [a=b]\n  target: {kind: Deployment, "
                                              "namespace: n, name: x}\n  steps: [%s]\n",
                                              text);
    _cleanup_free_ char *path = put("p.yaml", playbook);
    playbooks_load((const char *const[]){path, NULL}, config, &registry, &t, &f);
    size_t n = 0;
    while (faults && faults[n])
        n++;
    if (f.n != n)
        fail_msg("%s: %zu faults, expected %zu: %s", text, f.n, n, f.n ? f.texts[0] : "");
    for (size_t i = 0; i < n; i++)
        assert_string_equal(f.texts[i] + strlen(path) + 1, faults[i]);
    playbook_table_free(t);
    faults_clear(&f);
    unlink(path);
}

#define LOADS(text) step(text, NULL)
#define REFUSES(text, ...) step(text, (const char *const[]){__VA_ARGS__, NULL})

static void receivers(void **state _unused_)
{
#define NOTIFY(to) "{action: notify, with: {title: t, to: " to "}}"
    LOADS(NOTIFY("[oncall]"));
    LOADS("{action: notify, with: {title: '{{ labels.x }}'}}");
    REFUSES(NOTIFY("[oncal, pager]"), "5:50: there is no receiver \"oncal\" (did you mean \"oncall\")",
            "5:57: there is no receiver \"pager\"");
    REFUSES(NOTIFY("[]"), "5:49: nobody would be told: name a receiver");
    REFUSES(NOTIFY("['{{ labels.team }}']"), "5:49: to takes no templates: an alert must not choose who is told");
}

static void features_and_programs(void **state _unused_)
{
#define COMMAND(with) "{action: command.run, with: {" with "}}"
    REFUSES(COMMAND("command: [/bin/true]"),
            "5:20: command.run is off: mendd and mendctl have it only with --enable-feature=command");
    config_enable(config, "command");
    LOADS(COMMAND("command: [/bin/true, '{{ labels.x }}'], directory: /opt"));
    REFUSES(COMMAND("command: ['{{ labels.x }}']"),
            "5:49: command: expected a list that begins with a program's absolute path, without templates: "
            "[/usr/local/bin/failover, \"{{ labels.x }}\"]");
    REFUSES(COMMAND("command: [/bin/x, '{{ label.x }}']"),
            "5:58: unknown template variable \"label\" (did you mean \"labels\"?)");
    REFUSES(
        COMMAND("command: [/bin/x], directory: '/opt/{{ labels.x }}'"),
        "5:70: directory: expected an absolute path on mendd's host, without templates, not \"/opt/{{ labels.x }}\"");
    assert_true(feature_exists("command"));
    assert_false(feature_exists("comand"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(receivers), cmocka_unit_test(features_and_programs)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
