/* The configuration's sections of limits and receivers: what they give, and what is refused with its position. */
#include "base/alloc.h"
#include "base/cron.h"
#include "base/text.h"
#include "config/config.h"
#include "config/read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int load(const char *text, struct config **ret, struct faults *faults)
{
    char path[] = "/tmp/test_config_safety.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    int r = config_load(path, ret, faults);
    unlink(path);
    return r;
}

static struct config *good(const char *text)
{
    struct config *c = NULL;
    struct faults faults = {0};
    if (load(text, &c, &faults) < 0)
        fail_msg("%s", faults.n ? faults.texts[0] : "no fault");
    faults_clear(&faults);
    return c;
}

/* The first fault, behind the file's name. */
static void refuses(const char *text, const char *expected)
{
    struct config *c = NULL;
    struct faults faults = {0};
    assert_int_not_equal(load(text, &c, &faults), 0);
    assert_true(faults.n > 0);
    const char *behind = strchr(faults.texts[0], ':');
    if (!behind || !strstr(behind, expected))
        fail_msg("%s\nlacks: %s", faults.texts[0], expected);
    faults_clear(&faults);
}

static void nothing_is_on_without_its_section(void **state)
{
    (void)state;
    struct config *c = good("unmatched: record\n");
    assert_false(c->budgets.enabled || c->storm.enabled || c->breaker.enabled);
    assert_int_equal(c->n_windows + c->n_receivers + c->escalation.n_policies, 0);
    config_free(c);
}

static void what_contradicts_itself(void **state)
{
    (void)state;
    refuses("limits: {attempts: '7/1h, 3/1d'}\n", ":1:20: 7/1h is never reached: 3/1d comes first");
    refuses("limits: {target_attempts: [3/1h, 3/1h]}\n", "3/1h is never reached: 3/1h comes first");
    refuses("budgets: {workloads: '5/1h, 5/1d'}\n", "5/1h is never reached: 5/1d comes first");
    config_free(good("limits: {attempts: '3/1h, 7/1d', target_attempts: '1/5m, 2/1h'}\n"));
#define A_WINDOW(more) "maintenance: {windows: [{name: w, cron: '0 0 * * *', duration: 1h, " more "}]}\n"
    refuses(A_WINDOW("namespaces: []"), "\"namespaces\" names none, so the window would cover nothing");
    refuses("clusters: [{name: prod, in_cluster: true}]\n" A_WINDOW("clusters: [prdo]"),
            "there is no cluster \"prdo\" (did you mean \"prod\")");
    config_free(good("clusters: [{name: prod, in_cluster: true}]\n" A_WINDOW("clusters: [prod, 'pr*']")));
    refuses("schedules: [{name: a, cron: '0 0 * * *', labels: {alertname: X}}]\n", "\"alertname\" is mendd's own");
    refuses("receivers: [{name: a, slack: {url: 'http://x/y'}}]\nescalation: {critical: {notify: []}}\n",
            ":2:33: nobody would be told: name a receiver");
    refuses("receivers: [{name: a, slack: {url: 'http://x/y'}}]\ndigest: {notify: []}\n", "nobody would be told");
}

static void a_window_that_never_closes_is_warned_of(void **state)
{
    (void)state;
    struct config *c = NULL;
    struct faults faults = {0};
    assert_int_equal(load("maintenance: {windows: [{name: w, cron: '*/5 * * * *', duration: 5m},\n"
                          "  {name: x, cron: '*/5 * * * *', duration: 4m}]}\n",
                          &c, &faults),
                     0);
    assert_int_equal(faults.n_warnings, 1);
    assert_non_null(strstr(faults.warnings[0], ":1:25: the window never closes"));
    faults_clear(&faults);
    config_free(c);
}

static void budgets(void **state)
{
    (void)state;
    struct config *c = good("budgets: {workloads: '20/1h, 40/1d', workloads_percent: 30, nodes: 1/1h,\n"
                            "  per_cluster: {nodes_percent: 20, window: 2h}, per_namespace: {workloads: 5/1h}}\n");
    assert_true(c->budgets.enabled);
    assert_int_equal(c->budgets.global.workloads[1].count, 40);
    assert_int_equal(c->budgets.global.workloads_percent, 30);
    assert_int_equal(c->budgets.global.window_ms, 3600 * 1000);
    assert_int_equal(c->budgets.cluster.window_ms, 2 * 3600 * 1000);
    assert_int_equal(c->budgets.cluster.nodes_percent, 20);
    assert_int_equal(c->budgets.namespace.workloads[0].count, 5);
    config_free(c);
    c = good("budgets: {enabled: false}\n");
    assert_false(c->budgets.enabled);
    config_free(c);
    refuses("budgets: {enabled: true}\n", ":1:10: \"budgets\" limits nothing");
    refuses("budgets: {workloads: many}\n", ":1:22: \"many\" is not a rate");
    refuses("budgets: {workloads_percent: 101}\n", ":1:30: a share is at most 100 percent, not 101");
    refuses("budgets: {per_namespace: {nodes: 1/1h}}\n", ":1:26: nodes belong to no namespace");
}

static void storm_and_breaker(void **state)
{
    (void)state;
    struct config *c = good("storm: {targets: 3}\nbreaker: {failures: 2, open: 1m}\n");
    assert_true(c->storm.enabled && c->breaker.enabled);
    assert_int_equal(c->storm.targets, 3);
    assert_int_equal(c->storm.within_ms, 60000);
    assert_int_equal(c->breaker.playbook_failures, 2);
    assert_int_equal(c->breaker.open_ms, 60000);
    config_free(c);
    refuses("storm: {targets: 0}\n", ":1:18: \"targets\" must be a whole number from 1");
    refuses("storm: {within: 0s}\n", ":1:17: \"within\" must be longer than nothing");
    refuses("breaker: {failure: 3}\n", "unknown key \"failure\" in \"breaker\" (did you mean \"failures\")");
}

static void maintenance(void **state)
{
    (void)state;
    struct config *c = good("receivers:\n- {name: mail, webhook: {url: 'http://127.0.0.1:1/'}}\n"
                            "maintenance:\n  notice: 48h\n  notify: [mail]\n  windows:\n"
                            "  - {name: sunday, cron: '0 2 * * sun', duration: 2h, namespaces: [shop]}\n"
                            "  - {name: nightly, cron: '@daily', duration: 30m, inside: observe, notice: 1h}\n");
    assert_int_equal(c->n_windows, 2);
    assert_int_equal(c->windows[0].notice_ms, 48 * 3600 * 1000);
    assert_string_equal(c->windows[0].notify[0], "mail");
    assert_string_equal(c->windows[0].namespaces[0], "shop");
    assert_string_equal(zone_name(c->windows[0].zone), "UTC");
    assert_true(c->windows[1].observe && !c->windows[0].observe);
    assert_int_equal(c->windows[1].notice_ms, 3600 * 1000);
    config_free(c);
#define WINDOW(rest) "maintenance: {windows: [{name: w, " rest "}]}\n"
    refuses(WINDOW("cron: '0 25 * * *', duration: 1h"), ":1:41: \"0 25 * * *\" is no schedule: character 3: hour");
    refuses(WINDOW("cron: '0 2 31 2 *', duration: 1h"), "never fires");
    refuses(WINDOW("cron: '@daily', duration: 1h, timezone: Mars/Olympus"), "no time zone \"Mars/Olympus\"");
    refuses(WINDOW("cron: '@daily', duration: 0s"), "\"duration\" must be longer than nothing");
    refuses(WINDOW("cron: '@daily'"), "a window needs \"duration\"");
    refuses(WINDOW("cron: '@daily', duration: 1h, notify: [nobody]"), "there is no receiver \"nobody\"");
    refuses(
        "maintenance: {windows: [{name: w, cron: '@daily', duration: 1h}, {name: w, cron: '@daily', duration: 1h}]}\n",
        "there is a window \"w\" already");
}

static void receivers(void **state)
{
    (void)state;
    struct config *c = good(
        "receivers:\n- {name: oncall, slack: {url: 'https://hooks.example.com/x?y=z'}}\n"
        "- {name: pager, pagerduty: {routing_key_file: key}, send_resolved: false}\n"
        "- {name: mail, email: {to: 'a@example.com, Bob <b@example.com>', from: m@example.com, smarthost: 'mx:25'}}\n");
    assert_int_equal(c->n_receivers, 3);
    assert_int_equal(c->receivers[1].kind, RECEIVER_PAGERDUTY);
    assert_false(c->receivers[1].send_resolved);
    assert_true(c->receivers[0].send_resolved);
    assert_string_equal(c->receivers[2].email.to[1], "Bob <b@example.com>");
    assert_null(c->receivers[2].email.to[2]);
    config_free(c);
    refuses("receivers: [{name: a}]\n", "exactly one of slack, pagerduty, webhook and email");
    refuses("receivers: [{name: a, slack: {url: 'http://x', url_file: y}}]\n",
            "either \"url\" or \"url_file\", not both");
    refuses("receivers: [{name: a, slack: {url: 'ftp://x'}}]\n", "it must start with http:// or https://");
    refuses("receivers: [{name: a, pagerduty: {}}]\n", "\"routing_key\" or \"routing_key_file\" is missing");
    refuses("receivers: [{name: a, email: {to: nobody, from: m@example.com, smarthost: 'mx:25'}}]\n",
            "not a mail address");
    refuses("receivers: [{name: a, email: {to: a@b.c, from: m@example.com, smarthost: mx}}]\n",
            "host:port is expected");
    refuses("receivers: [{name: a, webhook: {url: 'http://x'}}, {name: a, webhook: {url: 'http://y'}}]\n",
            "there is a receiver \"a\" already");
}

static void escalation(void **state)
{
    (void)state;
#define RECEIVERS "receivers: [{name: a, webhook: {url: 'http://x'}}, {name: b, webhook: {url: 'http://x'}}]\n"
    struct config *c =
        good(RECEIVERS "escalation:\n  critical: {notify: [a], response: 15m, then: [b]}\n"
                       "  P1: {notify: [a], response: 30m, then: {notify: [b], response: 1h, then: [a]}}\n"
                       "  default: {notify: [a]}\ndigest: {notify: [b]}\n");
    assert_int_equal(c->escalation.n_policies, 3);
    assert_int_equal(c->escalation.policies[0].n_levels, 2);
    assert_int_equal(c->escalation.policies[0].levels[0].response_ms, 15 * 60 * 1000);
    assert_int_equal(c->escalation.policies[0].levels[1].response_ms, 0);
    assert_int_equal(c->escalation.policies[1].n_levels, 3);
    assert_string_equal(c->escalation.policies[1].levels[2].notify[0], "a");
    assert_int_equal(c->escalation.digest_interval_ms, 24 * 3600 * 1000);
    config_free(c);
    refuses(RECEIVERS "escalation: {critical: {notify: [c]}}\n", ":2:34: there is no receiver \"c\"");
    refuses(RECEIVERS "escalation: {critical: {notify: [a], then: [b]}}\n", "\"then\" needs \"response\"");
    refuses(RECEIVERS "escalation: {critical: {notify: [a], response: 1m, then: {notify: [bb]}}}\n",
            "there is no receiver \"bb\"");
    refuses(RECEIVERS "escalation: {critical: [a]}\n", "must be a map");
    refuses(RECEIVERS "digest: {notify: [a], every: 1s}\n", "at most once a minute");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_on_without_its_section),
        cmocka_unit_test(budgets),
        cmocka_unit_test(what_contradicts_itself),
        cmocka_unit_test(a_window_that_never_closes_is_warned_of),
        cmocka_unit_test(storm_and_breaker),
        cmocka_unit_test(maintenance),
        cmocka_unit_test(receivers),
        cmocka_unit_test(escalation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
