/* Playbooks from YAML: every fault in its exact words, every setting where it belongs, the normalised form, warnings.
 */
#include "base/alloc.h"
#include "base/text.h"
#include "config/config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "playbook_registry.h"

/* ---- files ---- */

static char folder[] = "/tmp/mendd-playbooks-XXXXXX";
static struct config *config;

static char *write_file(const char *name, const char *text)
{
    char *path = xasprintf("%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    return path;
}

static int setup(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    struct faults f = {0};
    _cleanup_free_ char *path =
        write_file("c", "clusters: [{name: prod}]\nvars: {from_config: c, both: config}\n"
                        "limits: {cooldown: 7m}\ndefaults: {settle: 3m}\n"
                        "receivers: [{name: oncall, slack: {url: \"http://127.0.0.1:1/\"}}]\n"
                        "escalation: {warning: {notify: [oncall]}, critical: {notify: [oncall]}}\n");
    assert_int_equal(config_load(path, &config, &f), 0);
    unlink(path);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    config_free(config);
    return rmdir(folder);
}

static struct playbook_table *load(const char *text, struct faults *f)
{
    struct playbook_table *t = NULL;
    _cleanup_free_ char *path = write_file("p.yaml", text);
    int r = playbooks_load((const char *const[]){path, NULL}, config, &registry, &t, f);
    assert_int_equal(r, f->n ? -EINVAL : 0);
    unlink(path);
    return t;
}

static void expect_texts(char **texts, size_t n, const char *const *expected)
{
    _cleanup_free_ char *prefix = xasprintf("%s/p.yaml:", folder);
    for (size_t i = 0; i < n; i++) {
        if (!expected[i])
            fail_msg("one too many: %s", texts[i]);
        assert_true(str_starts(texts[i], prefix));
        assert_string_equal(texts[i] + strlen(prefix), expected[i]);
    }
    assert_null(expected[n]);
}

static void refuses(const char *text, const char *const *expected)
{
    struct faults f = {0};
    assert_null(load(text, &f));
    expect_texts(f.texts, f.n, expected);
    faults_clear(&f);
}
#define REFUSES(text, ...) refuses(text, (const char *const[]){__VA_ARGS__, NULL})

static struct playbook_table *accepts(const char *text)
{
    struct faults f = {0};
    struct playbook_table *t = load(text, &f);
    if (f.n)
        fail_msg("%s", f.texts[0]);
    faults_clear(&f);
    return t;
}

#define HEAD "playbooks:\n- name: p\n  matchers: [a=b]\n"
#define TARGET "  target: {kind: Deployment, namespace: n, name: x}\n"
#define STEPS "  steps: [{action: pods.delete}]\n"

/* ---- what is read ---- */

static const char full[] =
    "playbooks:\n"
    "- name: everything\n"
    "  summary: does it all\n"
    "  runbook: page 1\n"
    "  matchers: ['alertname=~\"A|B\"', 'x!=\"q\\\"q\"', c=d]\n"
    "  vars: {own: o, both: own, port: 6379}\n"
    "  target: {cluster: prod, kind: Deployment, namespace: \"{{ labels.namespace }}\",\n"
    "           name: \"{{ labels.deployment | default: vars.own }}\"}\n"
    "  mode: auto\n"
    "  severity: critical\n"
    "  delay: 10s\n"
    "  limits: {attempts: 3/1h, pods: 5}\n"
    "  diagnose: [{action: pod.logs}]\n"
    "  precheck: [{check: pods.ready}]\n"
    "  ladder:\n"
    "  - name: first\n"
    "    mode: approve\n"
    "    steps:\n"
    "    - {action: pods.delete, name: delete, with: {only: all, grace: 5s}, timeout: 30s, on_error: continue,\n"
    "       if: {check: redis, with: {address: \"{{ vars.own }}:{{ vars.port }}\", command: [PING, 1.10]}}}\n"
    "  - steps:\n"
    "    - {action: scale, with: {replicas: \"+1\"}, cluster: prod, unless: {check: pods.ready}, idempotent: true,\n"
    "       verify: {timeout: 20s, checks: [{check: pods.ready}]}}\n"
    "  verify: {timeout: 1m, interval: 1s, for: 5s, checks: [{check: pods.ready, cluster: \"{{ labels.cluster }}\"}]}\n"
    "  resolve: wait\n"
    "  run_timeout: 20m\n"
    "  on_failure: {rollback: false}\n"
    "  on_still_firing: next_rung\n"
    "  protected: allow\n";

static void test_everything_is_read(void **state)
{
    (void)state;
    struct playbook_table *t = accepts(full);
    const struct playbook *p = t->playbooks[0];
    assert_int_equal(t->n, 1);
    assert_string_equal(p->name, "everything");
    assert_int_equal(p->line, 2);
    assert_int_equal(p->n_matchers, 3);
    assert_string_equal(matcher_value(p->matchers[1]), "q\"q");
    assert_string_equal(json_text(p->vars, "own"), "o");
    assert_string_equal(json_text(p->vars, "both"), "config");
    assert_string_equal(json_text(p->vars, "from_config"), "c");
    assert_string_equal(p->target.name, "{{ labels.deployment | default: vars.own }}");
    assert_string_equal(p->target.cluster, "prod");
    assert_int_equal(p->mode, MODE_AUTO);
    assert_int_equal(p->delay_ms, 10000);
    assert_int_equal(p->limits.cooldown_ms, 7 * 60000); /* from the config */
    assert_int_equal(p->limits.pods, 5);
    assert_int_equal(p->limits.n_attempts, 1);
    assert_int_equal(p->settle_ms, 3 * 60000); /* from the config */
    assert_int_equal(p->run_timeout_ms, 20 * 60000);
    assert_ptr_equal(p->diagnose[0].action, &pod_logs);
    assert_ptr_equal(p->precheck[0].check, &pods_ready);
    assert_int_equal(p->n_rungs, 2);
    assert_int_equal(p->ladder[0].mode, MODE_APPROVE);
    assert_int_equal(p->ladder[1].mode, MODE_AUTO);
    assert_string_equal(p->ladder[1].name, "rung 2");
    const struct step *s = &p->ladder[0].steps[0];
    assert_int_equal(s->timeout_ms, 30000);
    assert_true(s->on_error_continue);
    assert_false(s->negate);
    assert_string_equal(json_text(s->with, "grace"), "5s");
    assert_string_equal(json_string_value(json_array_get(json_object_get(s->condition->with, "command"), 1)), "1.10");
    assert_true(p->ladder[1].steps[0].negate);
    assert_true(p->ladder[1].steps[0].idempotent);
    assert_null(s->verify);
    s = &p->ladder[1].steps[0];
    assert_int_equal(s->verify->timeout_ms, 20000);
    assert_int_equal(s->verify->interval_ms, 2000); /* not the playbook's own */
    assert_int_equal(s->verify->for_ms, 10000);
    assert_int_equal(s->verify->n_checks, 1);
    assert_true(p->verify.present);
    assert_int_equal(p->verify.for_ms, 5000);
    assert_string_equal(p->verify.checks[0].cluster, "{{ labels.cluster }}");
    assert_int_equal(p->resolve, RESOLVE_WAIT);
    assert_false(p->rollback);
    assert_true(p->escalate);
    assert_true(p->still_firing_next_rung);
    assert_true(p->protected_allowed);
    playbook_table_free(t);
}

static void test_defaults(void **state)
{
    (void)state;
    struct playbook_table *t = accepts(HEAD TARGET STEPS);
    const struct playbook *p = t->playbooks[0];
    assert_int_equal(p->mode, MODE_PLAN);
    assert_string_equal(p->ladder[0].name, "rung 1");
    assert_int_equal(p->ladder[0].mode, MODE_PLAN);
    assert_int_equal(p->verify.timeout_ms, 120000);
    assert_int_equal(p->verify.interval_ms, 2000);
    assert_int_equal(p->verify.for_ms, 10000);
    assert_false(p->verify.present);
    assert_int_equal(p->run_timeout_ms, 3600000);
    assert_int_equal(p->limits.expires_ms, 1800000);
    assert_int_equal(p->limits.concurrent, 1);
    assert_int_equal(p->limits.pods, 10);
    assert_true(p->rollback);
    assert_true(p->escalate);
    assert_false(p->still_firing_next_rung);
    assert_false(p->protected_allowed);
    assert_null(p->severity);
    playbook_table_free(t);
}

static void test_source_reads_back_without_the_config(void **state)
{
    (void)state;
    static const char *const texts[] = {full, HEAD TARGET STEPS,
                                        HEAD "  target: {kind: Pod, namespace: n, selector: {app: redis, t: "
                                             "\"{{ labels.t }}\"}}\n" STEPS,
                                        HEAD "  decision: ignore\n  reason: noise\n"};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct playbook_table *t = accepts(texts[i]);
        struct playbook *back = NULL;
        _cleanup_error_ struct error err = ERROR_NONE;
        int r = playbook_from_json(t->playbooks[0]->source, NULL, &registry, &back, &err);
        if (r < 0)
            fail_msg("%s", error_message(&err));
        assert_true(json_equal(back->source, t->playbooks[0]->source));
        assert_string_equal(back->hash, t->playbooks[0]->hash);
        assert_int_equal(strlen(back->hash), 16);
        playbook_unref(back);
        playbook_table_free(t);
    }
}

static void test_source_that_cannot_be_read(void **state)
{
    (void)state;
    _cleanup_json_ json_t *j = json_pack("{s:s, s:[s], s:s}", "name", "p", "matchers", "a=b", "mod", "auto");
    struct playbook *p = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    assert_int_equal(playbook_from_json(j, config, &registry, &p, &err), -EINVAL);
    assert_string_equal(error_message(&err),
                        "a kept playbook cannot be read: journal: unknown key \"mod\" in a playbook "
                        "(did you mean \"mode\")");
    assert_null(p);
}

static void test_ignore(void **state)
{
    (void)state;
    struct playbook_table *t = accepts(HEAD "  decision: ignore\n  reason: noise\n");
    assert_true(t->playbooks[0]->ignore);
    assert_string_equal(t->playbooks[0]->ignore_reason, "noise");
    playbook_table_free(t);
    REFUSES(HEAD "  decision: ignore\n" STEPS, "2:3: decision ignore needs \"reason\": why the alert is ignored",
            "5:3: decision ignore does nothing: it has no \"steps\"");
    REFUSES(HEAD "  reason: x\n" TARGET STEPS, "4:3: \"reason\" belongs to decision: ignore");
}

/* ---- what is refused ---- */

static void test_unknown_names(void **state)
{
    (void)state;
    REFUSES(HEAD TARGET "  setle: 5m\n  steps:\n  - {action: pods.delet, tmeout: 3s}\n  - {action: rm}\n",
            "5:3: unknown key \"setle\" in a playbook (did you mean \"settle\")",
            "7:14: there is no action \"pods.delet\" (did you mean \"pods.delete\")",
            "7:26: unknown key \"tmeout\" in a step (did you mean \"timeout\")", "8:14: there is no action \"rm\"");
    REFUSES(HEAD TARGET STEPS "  verify: {checks: [{check: pod.ready}], tiemout: 3s}\n",
            "6:29: there is no check \"pod.ready\" (did you mean \"pods.ready\")",
            "6:42: unknown key \"tiemout\" in \"verify\" (did you mean \"timeout\")");
    REFUSES("playbook: []\n", "1:1: a playbook file needs \"playbooks\": a list of playbooks",
            "1:1: unknown key \"playbook\" in a playbook file (did you mean \"playbooks\")");
}

static void test_parameters(void **state)
{
    (void)state;
    REFUSES(HEAD TARGET "  steps:\n"
                        "  - {action: pods.delete, with: {onyl: all, only: some, grace: 30}}\n"
                        "  - {action: scale}\n"
                        "  - {action: scale, with: {name: x}}\n"
                        "  - {action: scale, with: {replicas: 3, name: A_b}}\n"
                        "  - {action: scale, with: [3]}\n",
            "6:34: pods.delete has no parameter \"onyl\" (did you mean \"only\")",
            "6:51: only: expected one of not_ready, all, not \"some\"",
            "6:64: grace: '30' is not a duration (write it like 30s, 5m or 1h30m)",
            "7:5: scale needs the parameter \"replicas\": how many",
            "8:27: scale needs the parameter \"replicas\": how many",
            "9:47: name: expected the name of an object (lowercase letters, digits, - and .), not \"A_b\"",
            "10:27: \"with\" must be a map (key: value), not a list");
}

static void test_templates(void **state)
{
    (void)state;
    REFUSES(HEAD TARGET STEPS
            "  verify:\n    checks:\n    - {check: redis, with: {address: \"{{ vars.onw }}\", command: "
            "[\"{{ label.x }}\", \"{{ labels.x | uper }}\"]}}\n  vars: {own: x}\n",
            "8:38: unknown template variable \"vars.onw\" (did you mean \"vars.own\"?)",
            "8:66: unknown template variable \"label\" (did you mean \"labels\"?)",
            "8:83: unknown filter \"uper\" (did you mean \"upper\"?)");
    REFUSES(HEAD "  vars: {own: x}\n  target:\n    kind: Deployment\n"
                 "    namespace: \"{{ labels.namespace | default: \\\"shop\\\" }}\"\n"
                 "    name: \"{{ labels.a | default: labels.b }}\"\n" STEPS,
            "7:16: a target may fall back to vars only (default: vars.name), never to a literal or another label",
            "8:11: a target may fall back to vars only (default: vars.name), never to a literal or another label");
    REFUSES(HEAD "  target: {kind: Deployment, namespace: n, name: \"{{ target.name }}\"}\n" STEPS,
            "4:50: target.name is not known yet here");
    REFUSES(HEAD "  target: {kind: Deployment, namespace: n, name: {{ labels.x }} }\n" STEPS,
            "4:51: a map cannot be a key; a value with {{ … }} must be quoted: \"{{ … }}\"");
}

static void test_targets(void **state)
{
    (void)state;
    REFUSES(HEAD STEPS, "2:3: a playbook needs \"target\": what is to be repaired");
    REFUSES(HEAD "  target: {kind: deployment, namespace: n, name: x}\n" STEPS,
            "4:18: \"deployment\" is not a kind: write it like Deployment or StatefulSet");
    REFUSES(HEAD "  target: {kind: Deployment, name: x}\n" STEPS,
            "4:11: a target of kind Deployment needs \"namespace\"");
    REFUSES(HEAD "  target: {kind: Node, namespace: n, name: x}\n" STEPS, "4:35: a Node lives in no namespace");
    REFUSES(HEAD "  target: {kind: Pod, namespace: n}\n" STEPS, "4:11: a target needs either \"name\" or \"selector\"");
    REFUSES(HEAD "  target: {kind: Pod, namespace: n, name: x, selector: a=b}\n" STEPS,
            "4:11: a target needs either \"name\" or \"selector\", not both");
    REFUSES(HEAD "  target: {kind: Pod, namespace: n, name: ../x, cluster: prd}\n" STEPS,
            "4:43: \"../x\" is not a valid name of a Kubernetes object",
            "4:58: the config names no cluster \"prd\" (did you mean \"prod\")");
}

static void test_rules_between_keys(void **state)
{
    (void)state;
    REFUSES(HEAD "  mode: auto\n" TARGET STEPS, "2:3: mode auto needs \"verify\": a repair without proof is no repair");
    REFUSES(HEAD TARGET, "2:3: a playbook needs \"ladder\" or \"steps\": what to do");
    REFUSES(HEAD TARGET STEPS "  ladder: []\n", "5:3: a playbook has either \"ladder\" or \"steps\", not both",
            "6:11: a ladder must not be empty");
    REFUSES(HEAD TARGET "  steps: []\n", "5:10: a list of steps must not be empty");
    REFUSES(HEAD TARGET "  ladder:\n  - {mode: auto, steps: [{action: pods.delete}]}\n",
            "6:12: a rung's mode may only be stricter than the playbook's (plan), not looser");
    REFUSES(HEAD TARGET STEPS "  diagnose: [{action: pods.delete}]\n",
            "6:23: diagnose only looks: pods.delete changes something or waits");
    REFUSES(HEAD TARGET "  steps: [{action: pods.delete, if: {check: pods.ready}, unless: {check: pods.ready}}]\n",
            "5:58: a step has either \"if\" or \"unless\", not both");
    REFUSES(HEAD TARGET STEPS "  verify: {timeout: 5s, for: 5s, interval: 1ms, checks: []}\n",
            "6:11: verify.for must be shorter than verify.timeout: it could never pass",
            "6:11: verify.interval must be at least 100ms",
            "6:57: \"checks\" must not be empty: nothing would be proven");
    REFUSES(HEAD TARGET
            "  steps: [{action: pods.delete, verify: {timeout: 5s, for: 5s, checks: [{check: pods.ready}]}}]\n",
            "5:41: verify.for must be shorter than verify.timeout: it could never pass");
    REFUSES(HEAD TARGET "  steps: [{action: pods.delete, verify: {timeout: 5s, for: 1s}}]\n",
            "5:41: \"verify\" needs \"checks\": the proof");
    REFUSES(HEAD TARGET "  steps: [{action: pods.delete, verify: soon}]\n",
            "5:41: \"verify\" must be a map (key: value), not a single value");
}

static void warns(const char *text, const char *const *expected)
{
    struct faults f = {0};
    struct playbook_table *table = load(text, &f);
    assert_non_null(table);
    expect_texts(f.warnings, f.n_warnings, expected);
    faults_clear(&f);
    playbook_table_free(table);
}
#define WARNS(text, ...) warns(text, (const char *const[]){__VA_ARGS__, NULL})

static void test_a_severity_that_tells_nobody(void **state)
{
    (void)state;
    WARNS(HEAD TARGET STEPS "  severity: fatal\n",
          "6:13: nobody is told: escalation has neither \"fatal\" nor \"default\"");
    WARNS(HEAD TARGET STEPS "  severity: critical\n", NULL);
    WARNS(HEAD TARGET STEPS "  severity: \"a\\eb\"\n",
          "6:13: nobody is told: escalation has neither \"a?b\" nor \"default\"");
}

static void test_times_that_contradict(void **state)
{
    (void)state;
    REFUSES(HEAD TARGET STEPS "  mode: approve\n  approval: {expires: 0s}\n",
            "7:13: approval.expires must be longer than nothing: nobody could approve in time");
    REFUSES(HEAD TARGET STEPS "  run_timeout: 0s\n", "6:16: run_timeout must be longer than nothing");
    REFUSES(HEAD TARGET STEPS "  limits: {attempts: '7/1h, 3/1d'}\n", "6:22: 7/1h is never reached: 3/1d comes first");
    WARNS(HEAD TARGET STEPS "  approval: {expires: 5m}\n  on_still_firing: next_rung\n  run_timeout: 1m\n  verify: "
                            "{timeout: 60s, checks: [{check: pods.ready}]}\n",
          "6:13: nobody is asked: neither the playbook nor a rung has mode approve",
          "8:16: run_timeout is not longer than verify.timeout: the proof may be cut short",
          "7:20: on_still_firing: next_rung, but there is no second rung");
}

static void test_names_and_matchers(void **state)
{
    (void)state;
    REFUSES("playbooks:\n- name: Redis Down\n  matchers: []\n" TARGET STEPS,
            "2:9: \"Redis Down\" is not a valid name: lower-case letters, digits and '-', at most 63 characters",
            "3:13: \"matchers\" must not be empty: it would match every alert");
    _cleanup_free_ char *twice = xasprintf("3:10: the playbook \"a\" is already defined in %s/p.yaml:2", folder);
    REFUSES("playbooks:\n- {name: a, decision: ignore, reason: r, matchers: [a=b]}\n"
            "- {name: a, decision: ignore, reason: r, matchers: [b=c]}\n",
            twice);
    REFUSES("playbooks:\n- name: a\n  matchers: ['a=~\"(x\"', 'b']\n" TARGET STEPS,
            "3:14: the regex is not valid: missing closing parenthesis (at character 3)",
            "3:25: column 2: expected one of = != =~ !~");
}

static void test_warnings(void **state)
{
    (void)state;
    _cleanup_free_ char *first = xasprintf(
        "3:3: playbook \"b\" can never be reached: \"a\" (%s/p.yaml:2) matches all of its alerts first", folder);
    _cleanup_free_ char *second = xasprintf(
        "4:3: playbook \"c\" can never be reached: \"a\" (%s/p.yaml:2) matches all of its alerts first", folder);
    WARNS("playbooks:\n"
          "- {name: a, decision: ignore, reason: r, matchers: ['alertname=~\"X|Y\"']}\n"
          "- {name: b, decision: ignore, reason: r, matchers: ['alertname=\"X\"', n=m]}\n"
          "- {name: c, decision: ignore, reason: r, matchers: ['alertname=~\"Y|X\"']}\n"
          "- {name: d, decision: ignore, reason: r, matchers: ['alertname=~\"Y|Z\"']}\n"
          "- {name: e, decision: ignore, reason: r, matchers: ['alertname=~\"X.*\"']}\n"
          "- name: g\n  matchers: [g=h]\n  mode: auto\n" TARGET
          "  steps: [{action: pods.delete}, {action: pods.delete}, {action: scale, with: {replicas: 1}}]\n"
          "  verify: {checks: [{check: pods.ready}]}\n",
          first, second, "7:3: playbook \"g\" asks for a rollback, but what pods.delete does cannot be undone");
}

/* ---- files and folders ---- */

#define IGNORE(name) "playbooks:\n- {name: " name ", decision: ignore, reason: r, matchers: [a=" name "]}\n"

static void test_files_in_byte_order(void **state)
{
    (void)state;
    _cleanup_free_ char *b = write_file("b.yaml", IGNORE("b")), *a = write_file("a.yml", IGNORE("a")),
                        *upper = write_file("Z.yaml", IGNORE("z")), *test = write_file("a.test.yaml", "tests: []\n"),
                        *hidden = write_file(".c.yaml", "nonsense"), *text = write_file("readme.txt", "nonsense");
    struct playbook_table *t = NULL;
    struct faults f = {0};
    _cleanup_free_ char *slashed = xasprintf("%s//", folder);
    assert_int_equal(playbooks_load((const char *const[]){slashed, b, NULL}, config, &registry, &t, &f), 0);
    assert_int_equal(t->n, 3); /* b.yaml is given twice and read once */
    assert_string_equal(t->playbooks[0]->name, "z");
    assert_string_equal(t->playbooks[1]->name, "a");
    assert_string_equal(t->playbooks[2]->name, "b");
    playbook_table_free(t);
    const char *files[] = {b, a, upper, test, hidden, text};
    for (size_t i = 0; i < ARRAY_SIZE(files); i++)
        unlink(files[i]);
}

static void test_missing_path(void **state)
{
    (void)state;
    struct playbook_table *t = NULL;
    struct faults f = {0};
    assert_int_equal(playbooks_load((const char *const[]){"/nonexistent", NULL}, config, &registry, &t, &f), -ENOENT);
    assert_string_equal(f.texts[0], "/nonexistent: No such file or directory");
    assert_null(t);
    faults_clear(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_is_read),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_source_reads_back_without_the_config),
        cmocka_unit_test(test_source_that_cannot_be_read),
        cmocka_unit_test(test_ignore),
        cmocka_unit_test(test_unknown_names),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_templates),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_rules_between_keys),
        cmocka_unit_test(test_a_severity_that_tells_nobody),
        cmocka_unit_test(test_times_that_contradict),
        cmocka_unit_test(test_names_and_matchers),
        cmocka_unit_test(test_warnings),
        cmocka_unit_test(test_files_in_byte_order),
        cmocka_unit_test(test_missing_path),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
