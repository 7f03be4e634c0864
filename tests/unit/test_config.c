/* The configuration file: every fault in its exact words, every setting where it belongs. */
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
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/mendd-config-XXXXXX";
static char *path;

static int setup(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    path = xasprintf("%s/mendd.yaml", folder);
    unsetenv("CREDENTIALS_DIRECTORY");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    rmdir(folder);
    free(path);
    return 0;
}

static struct config *load(const char *text, struct faults *f)
{
    struct config *c = NULL;
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    int r = config_load(path, &c, f);
    assert_int_equal(r, f->n ? -EINVAL : 0);
    return c;
}

/* systemd's LoadCredential=: kubeconfigs and keys as well as what is nothing but a secret. */
static void relative_files_are_credentials_first(void **state)
{
    (void)state;
    struct faults f = {0};
    _cleanup_free_ char *there = xasprintf("%s/here", folder), *beside = xasprintf("%s/elsewhere", folder);
    assert_int_equal(symlink("/etc/hostname", there), 0);
    setenv("CREDENTIALS_DIRECTORY", folder, 1);
    struct config *c = load("clusters:\n- {name: a, kubeconfig: here}\n- {name: b, kubeconfig: elsewhere}\n"
                            "tokens:\n- {name: t, token_file: here, scopes: [viewer]}\n",
                            &f);
    unsetenv("CREDENTIALS_DIRECTORY");
    unlink(there);
    assert_int_equal(f.n, 0);
    assert_string_equal(c->clusters[0].kubeconfig, there);
    assert_string_equal(c->clusters[1].kubeconfig, beside);
    assert_string_equal(c->tokens[0].file, there);
    config_free(c);
}

/* The fault without its "PATH:". */
static void refuses(const char *text, const char *const *expected)
{
    struct faults f = {0};
    assert_null(load(text, &f));
    for (size_t i = 0; i < f.n; i++) {
        if (!expected[i])
            fail_msg("one fault too many: %s", f.texts[i]);
        assert_true(str_starts(f.texts[i], path));
        assert_string_equal(f.texts[i] + strlen(path) + 1, expected[i]);
    }
    assert_null(expected[f.n]);
    faults_clear(&f);
}
#define REFUSES(text, ...) refuses(text, (const char *const[]){__VA_ARGS__, NULL})

static struct config *accepts(const char *text)
{
    struct faults f = {0};
    struct config *c = load(text, &f);
    if (f.n)
        fail_msg("%s", f.texts[0]);
    return c;
}

static void test_defaults(void **state)
{
    (void)state;
    struct faults f = {0};
    struct config *c = NULL;
    assert_int_equal(config_load(NULL, &c, &f), 0);
    assert_int_equal(c->n_clusters, 1);
    assert_string_equal(c->clusters[0].name, "default");
    assert_false(c->clusters[0].in_cluster);
    assert_string_equal(c->protected_namespaces[0], "kube-system");
    assert_string_equal(c->protected_namespaces[2], "kube-node-lease");
    assert_null(c->protected_namespaces[3]);
    assert_string_equal(c->ignore_annotation, "mendd.io/ignore");
    assert_true(c->escalate_unmatched);
    assert_int_equal(c->retention_ms, INT64_C(90) * 86400000);
    assert_int_equal(c->limits.cooldown_ms, 300000);
    assert_int_equal(c->limits.expires_ms, 1800000);
    assert_int_equal(c->limits.concurrent, 1);
    assert_int_equal(c->limits.pods, 10);
    assert_int_equal(c->limits.n_attempts, 1);
    assert_int_equal(c->limits.attempts[0].count, 3);
    assert_int_equal(c->limits.attempts[0].window_ms, 3600000);
    assert_int_equal(c->target_attempts[0].count, 3);
    assert_int_equal(c->target_attempts[1].count, 0);
    assert_int_equal(c->defaults.settle_ms, 900000);
    config_free(c);
    c = accepts("");
    assert_int_equal(c->n_clusters, 1);
    config_free(c);
}

static void test_everything(void **state)
{
    (void)state;
    struct config *c = accepts("clusters:\n"
                               "- {name: prod, kubeconfig: kube/config, context: admin}\n"
                               "- {name: here, in_cluster: true}\n"
                               "alertmanager:\n"
                               "  urls: ['http://127.0.0.1:9093/', \"https://am.example:443/alertmanager\"]\n"
                               "  auth:\n"
                               "    basic_auth: {username: m, password_file: /run/p}\n"
                               "    tls_config: {ca_file: ca.pem, insecure_skip_verify: true}\n"
                               "prometheus: {url: http://127.0.0.1:9090, auth: {authorization: {credentials: t}}}\n"
                               "vars: {port: 6379, version: 1.10, url: 'http://x'}\n"
                               "protected_namespaces: [kube-*, shop]\n"
                               "limits: {target_attempts: '3/1h, 9/1d', attempts: [1/10m], pods: 4}\n"
                               "defaults: {mode: auto, settle: 1m, resolve: wait, verify: {timeout: 30s}}\n"
                               "unmatched: record\n"
                               "storage: {retention: 7d}\n"
                               "ignore_annotation: example.com/hands-off\n");
    assert_int_equal(c->n_clusters, 2);
    _cleanup_free_ char *kubeconfig = xasprintf("%s/kube/config", folder), *ca = xasprintf("%s/ca.pem", folder);
    assert_string_equal(c->clusters[0].kubeconfig, kubeconfig);
    assert_string_equal(c->clusters[0].context, "admin");
    assert_true(c->clusters[1].in_cluster);
    assert_int_equal(c->n_alertmanagers, 2);
    assert_string_equal(c->alertmanager_urls[0], "http://127.0.0.1:9093");
    assert_string_equal(c->alertmanager_urls[1], "https://am.example:443/alertmanager");
    assert_string_equal(c->alertmanager_auth.username, "m");
    assert_string_equal(c->alertmanager_auth.password_file, "/run/p");
    assert_string_equal(c->alertmanager_auth.ca_file, ca);
    assert_true(c->alertmanager_auth.insecure);
    assert_string_equal(c->prometheus_url, "http://127.0.0.1:9090");
    assert_string_equal(c->prometheus_auth.bearer_token, "t");
    assert_string_equal(json_text(c->vars, "port"), "6379");
    assert_string_equal(json_text(c->vars, "version"), "1.10");
    assert_string_equal(c->protected_namespaces[0], "kube-*");
    assert_null(c->protected_namespaces[2]);
    assert_int_equal(c->target_attempts[1].count, 9);
    assert_int_equal(c->target_attempts[1].window_ms, 86400000);
    assert_int_equal(c->target_attempts[2].count, 0);
    assert_int_equal(c->limits.attempts[0].window_ms, 600000);
    assert_int_equal(c->limits.n_attempts, 1);
    assert_int_equal(c->limits.pods, 4);
    assert_int_equal(c->limits.cooldown_ms, 300000);
    assert_int_equal(c->defaults.mode, MODE_AUTO);
    assert_int_equal(c->defaults.resolve, RESOLVE_WAIT);
    assert_int_equal(c->defaults.verify.timeout_ms, 30000);
    assert_int_equal(c->defaults.verify.interval_ms, 2000);
    assert_false(c->escalate_unmatched);
    assert_int_equal(c->retention_ms, 7 * 86400000);
    assert_string_equal(c->ignore_annotation, "example.com/hands-off");
    assert_int_equal(strlen(c->hash), 16);

    struct settings s;
    settings_from_config(c, NULL, &s);
    assert_string_equal(s.default_cluster, "prod");
    assert_true(s.has_prometheus);
    assert_int_equal(s.n_alertmanagers, 2);
    assert_false(s.escalate_unmatched);
    config_free(c);
}

static void test_unknown_keys(void **state)
{
    (void)state;
    REFUSES("alertmanger: {urls: []}\n",
            "1:1: unknown key \"alertmanger\" in the config (did you mean \"alertmanager\")");
    REFUSES("limits:\n  coldown: 5m\n  zzz: 1\n",
            "2:3: unknown key \"coldown\" in \"limits\" (did you mean \"cooldown\")",
            "3:3: unknown key \"zzz\" in \"limits\"");
    REFUSES("clusters:\n- {nmae: a}\n", "2:3: a cluster needs \"name\": its name in playbooks and records",
            "2:4: unknown key \"nmae\" in a cluster (did you mean \"name\")");
}

static void test_keys_of_later_versions(void **state)
{
    (void)state;
    static const char *const absent[] = {"coordination"};
    for (size_t i = 0; i < ARRAY_SIZE(absent); i++) {
        _cleanup_free_ char *text = xasprintf("%s: {}\n", absent[i]);
        _cleanup_free_ char *fault = xasprintf("1:1: \"%s\" is not available in this version of mendd", absent[i]);
        REFUSES(text, fault);
    }
}

static void test_backup(void **state)
{
    (void)state;
    _cleanup_(config_freep) struct config *none = accepts("{}\n");
    assert_int_equal(none->backup.to, BACKUP_CONFIGMAP);
    assert_int_equal(none->backup.retention_ms, BACKUP_RETENTION_MS);
    _cleanup_(config_freep) struct config *c =
        accepts("backup: {to: folder, folder: /var/lib/mendd/backup, retention: 7d}\n");
    assert_int_equal(c->backup.to, BACKUP_FOLDER);
    assert_string_equal(c->backup.folder, "/var/lib/mendd/backup");
    assert_int_equal(c->backup.retention_ms, INT64_C(7) * 86400 * 1000);
    REFUSES("backup: {to: folder}\n", "1:9: \"backup\" with to: folder needs \"folder\"");
    REFUSES("backup: {folder: /x}\n", "1:18: \"folder\" is used with to: folder only");
}

static void test_cluster_sets(void **state)
{
    (void)state;
#define TWO "clusters: [{name: east}, {name: west, watch: {interval: 5s}}, {name: lone}, {name: seen, watch: {}}]\n"
    _cleanup_(config_freep) struct config *c = accepts(
        TWO "cluster_sets:\n- {name: runners, primary: east, secondary: west, nodes_per_side: 3, capacity_warn: 70,"
            " unavailable_after: 20s, provider_status: {url: \"https://status.example/\"}}\n");
    assert_int_equal(c->n_cluster_sets, 1);
    const struct cluster_set *s = &c->cluster_sets[0];
    assert_true(s->enabled);
    assert_string_equal(s->primary, "east");
    assert_string_equal(s->provider_status, "https://status.example");
    assert_int_equal(s->nodes_per_side, 3);
    assert_int_equal(s->capacity_warn, 70);
    assert_int_equal(s->capacity_critical, 90);
    static const struct watched_cluster watched[] = {
        {(char *)"east", 30000, 20000}, {(char *)"west", 5000, 20000}, {(char *)"seen", 30000, 60000}};
    assert_int_equal(c->n_watched, ARRAY_SIZE(watched)); /* lone is not: nothing wakes up for it */
    for (size_t i = 0; i < ARRAY_SIZE(watched); i++) {
        assert_string_equal(c->watched[i].name, watched[i].name);
        assert_int_equal(c->watched[i].interval_ms, watched[i].interval_ms);
        assert_int_equal(c->watched[i].unavailable_after_ms, watched[i].unavailable_after_ms);
    }
    REFUSES(TWO "cluster_sets: [{name: a, primary: eats, secondary: west}]\n",
            "2:35: the config names no cluster \"eats\" (did you mean \"east\")");
    REFUSES(TWO "cluster_sets: [{name: a, primary: east, secondary: east}]\n",
            "2:52: a cluster cannot stand in for itself");
    REFUSES(TWO "cluster_sets: [{name: a, primary: east, secondary: west, capacity_warn: 95}]\n",
            "2:16: capacity_warn (95) must be below capacity_critical (90)");
    REFUSES(TWO
            "cluster_sets:\n- {name: a, primary: east, secondary: west}\n- {name: a, primary: west, secondary: lone}\n",
            "4:10: there is a cluster set \"a\" already");
    REFUSES("clusters: [{name: a, watch: {interval: 10ms}}]\n", "1:40: \"interval\" must be at least 1s");
    REFUSES("cluster_sets: [{primary: a, secondary: b}]\n",
            "1:16: a cluster set needs \"name\": the label set of its alerts, unique",
            "1:26: the config names no cluster \"a\"", "1:40: the config names no cluster \"b\"");
#undef TWO
}

static void test_wrong_values(void **state)
{
    (void)state;
    REFUSES("unmatched: escalat\n",
            "1:12: \"unmatched\" must be record or escalate, not \"escalat\" (did you mean \"escalate\")");
    REFUSES("storage: {retention: 90}\n",
            "1:22: \"retention\" must be a duration such as 30s, 5m or 1h30m, not \"90\"");
    REFUSES("storage: {retention: 11y}\n", "1:22: \"retention\" is longer than ten years");
    REFUSES("storage: 90d\n", "1:10: \"storage\" must be a map (key: value), not a single value");
    REFUSES("vars: [a]\n", "1:7: \"vars\" must be a map (key: value), not a list");
    REFUSES("vars: {a-b: x, c: [], d: '{{ labels.x }}'}\n",
            "1:8: \"a-b\" is not a name for a var: letters, digits and _", "1:19: the var \"c\" must be text",
            "1:26: the var \"d\" holds a template: vars are values");
    REFUSES("limits: {pods: 0, concurrent: many, attempts: 3, target_attempts: [3/0s]}\n",
            "1:16: \"pods\" must be a whole number from 1 to 100000, not \"0\"",
            "1:31: \"concurrent\" must be a whole number from 1 to 100000, not \"many\"",
            "1:47: \"3\" is not a rate: write 3/1h, or several as 3/1h, 7/1d",
            "1:68: \"3/0s\" is not a rate: write 3/1h, or several as 3/1h, 7/1d");
    REFUSES("defaults: {mode: automatic, resolve: ''}\n",
            "1:18: \"mode\" must be observe, plan, approve or auto, not \"automatic\"",
            "1:38: \"resolve\" must not be empty");
    REFUSES("protected_namespaces: [kube-*, Shop]\n",
            "1:32: \"Shop\" is neither a namespace nor a prefix such as kube-*");
    REFUSES("- a\n", "1:1: an item of this list must be a map (key: value), not a list");
    REFUSES("a: b: c\n", "1:5: not valid YAML: mapping values are not allowed in this context");
}

static void test_clusters(void **state)
{
    (void)state;
    REFUSES("clusters:\n- {name: a}\n- {name: a}\n- {name: B_1}\n- {name: c, in_cluster: yes}\n"
            "- {name: d, in_cluster: true, context: x}\n",
            "3:10: the cluster \"a\" is already in line 2",
            "4:10: \"B_1\" is not a valid name: lower-case letters, digits and '-', at most 63 characters",
            "5:25: \"in_cluster\" must be true or false, not \"yes\"",
            "6:3: a cluster is either in_cluster or has a kubeconfig, not both");
}

static void test_urls_and_auth(void **state)
{
    (void)state;
    REFUSES("alertmanager: {urls: [127.0.0.1:9093, 'http://', 'http://u:p@h', 'http://h/?q=1', \"http://h h\"]}\n",
            "1:23: \"127.0.0.1:9093\" is not a usable URL: it must start with http:// or https://",
            "1:39: \"http://\" is not a usable URL: it names no host",
            "1:50: \"http://u:p@h\" is not a usable URL: credentials belong under auth, not into the URL",
            "1:66: \"http://h/?q=1\" is not a usable URL: it must have no query and no fragment",
            "1:83: \"http://h h\" is not a usable URL: it holds a blank or a character that is not ASCII");
    REFUSES("alertmanager: {auth: {}}\n", "1:15: \"alertmanager\" needs \"urls\": every peer of the cluster");
    REFUSES("prometheus: {url: 'http://h', auth: {bearer_token: a, basic_auth: {username: u}}}\n",
            "1:37: \"auth\" has more than one of bearer_token, bearer_token_file, authorization and basic_auth");
    REFUSES("prometheus: {url: 'http://h', auth: {authorization: {credentials: a, credentials_file: b}}}\n",
            "1:37: \"authorization\" has both credentials and credentials_file");
    REFUSES("prometheus: {url: 'http://h', auth: {basic_auth: {username: u, password: a, password_file: b}}}\n",
            "1:37: \"basic_auth\" has both password and password_file");
    REFUSES("prometheus: {url: 'http://h', auth: {tls_config: {cert_file: a}}}\n",
            "1:37: cert_file and key_file belong together");
}

static void test_file_is_missing(void **state)
{
    (void)state;
    struct faults f = {0};
    struct config *c = NULL;
    assert_int_equal(config_load("/nonexistent/mendd.yaml", &c, &f), -EINVAL);
    assert_int_equal(f.n, 1);
    assert_string_equal(f.texts[0], "/nonexistent/mendd.yaml: cannot open: No such file or directory");
    faults_clear(&f);
    config_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_everything),
        cmocka_unit_test(test_backup),
        cmocka_unit_test(test_cluster_sets),
        cmocka_unit_test(test_unknown_keys),
        cmocka_unit_test(test_keys_of_later_versions),
        cmocka_unit_test(test_wrong_values),
        cmocka_unit_test(test_clusters),
        cmocka_unit_test(test_urls_and_auth),
        cmocka_unit_test(test_file_is_missing),
        cmocka_unit_test(relative_files_are_credentials_first),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
