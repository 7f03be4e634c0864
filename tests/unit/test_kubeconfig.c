/* kubeconfig files as kubectl writes them, and what is refused. */
#include "base/alloc.h"
#include "base/log.h"
#include "base/text.h"
#include "kube/kubeconfig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define PEM_BASE64 "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==" /* "-----BEGIN CERTIFICATE-----\n" */

static char *make(const char *cluster, const char *user)
{
    char *path = xstrdup("/tmp/mendd-kubeconfig-XXXXXX");
    const int fd = mkstemp(path);
    FILE *f = fdopen(fd, "w");
    fprintf(f,
            "apiVersion: v1\nkind: Config\ncurrent-context: main\n"
            "contexts:\n- name: main\n  context: {cluster: c, user: u, namespace: shop}\n"
            "- name: bad\n  context: {cluster: nowhere, user: u}\n"
            "clusters:\n- name: c\n  cluster: {%s}\nusers:\n- name: u\n  user: {%s}\n",
            cluster, user);
    fclose(f);
    return path;
}

static int load(const char *cluster, const char *user, const char *context, struct kube_config **ret, struct error *err)
{
    _cleanup_free_ char *path = make(cluster, user);
    const int r = kube_config_load(path, context, ret, err);
    unlink(path);
    return r;
}

static void test_everything(void **state _unused_)
{
    _cleanup_(kube_config_freep) struct kube_config *k = NULL;
    assert_int_equal(load("server: \"https://10.0.0.1:6443/\", certificate-authority-data: " PEM_BASE64
                          ", certificate-authority: ca.crt, tls-server-name: kubernetes",
                          "token: abc, tokenFile: tok, client-certificate: /c.pem, client-key-data: " PEM_BASE64, NULL,
                          &k, NULL),
                     0);
    assert_string_equal(k->server, "https://10.0.0.1:6443");
    assert_string_equal(k->ca_data, "-----BEGIN CERTIFICATE-----\n"); /* wins over the file */
    assert_null(k->ca_file);
    assert_string_equal(k->server_name, "kubernetes");
    assert_string_equal(k->token_file, "/tmp/tok"); /* wins over the token, relative to the kubeconfig */
    assert_null(k->token);
    assert_string_equal(k->cert_file, "/c.pem");
    assert_non_null(k->key_data);
    assert_string_equal(k->namespace, "shop");
}

static void refused(const char *cluster, const char *user, const char *context, const char *word)
{
    struct kube_config *k = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    assert_true(load(cluster, user, context, &k, &err) < 0);
    assert_null(k);
    if (!strstr(err.message, word))
        fail_msg("\"%s\" does not say \"%s\"", err.message, word);
    assert_null(strstr(err.message, "hunter2"));
}

#define SERVER "server: \"https://h:1\""

static void test_refused(void **state _unused_)
{
    refused(SERVER, "auth-provider: {name: gcp}", NULL, "auth-provider, which Kubernetes has given up");
    refused(SERVER, "as: admin, token: hunter2", NULL, "as");
    refused(SERVER ", proxy-url: \"ftp://p:1\"", "token: hunter2", NULL, "http, https and socks5");
    refused(SERVER ", proxy-url: \"socks4://u:hunter2@p:1\"", "token: hunter2", NULL, "proxy-url: ");
    refused(SERVER ", proxy-url: \"http://u:hunter2@p:1/path\"", "token: x", NULL, "neither path nor query");
    refused(SERVER ", proxy-url: \"p\"", "token: hunter2", NULL, "proxy-url: ");
    refused("server: \"http://10.0.0.1:80\"", "token: hunter2", NULL, "127.0.0.1");
    refused("server: \"http://127.0.0.1.evil.example:80\"", "token: hunter2", NULL, "127.0.0.1");
    refused("server: \"ftp://h\"", "token: hunter2", NULL, "https://");
    refused("server: \"\"", "token: hunter2", NULL, "no server");
    refused(SERVER ", certificate-authority-data: \"!!\"", "token: hunter2", NULL, "base64");
    refused(SERVER, "token: \"hunter2\\nX: y\"", NULL, "line break");
    refused(SERVER, "client-certificate: c.pem", NULL, "together");
    refused(SERVER, "token: hunter2", "nope", "no context \"nope\"");
    refused(SERVER, "token: hunter2", "bad", "no cluster \"nowhere\"");
}

#define V1 "apiVersion: client.authentication.k8s.io/v1"

static void test_exec(void **state _unused_)
{
    _cleanup_(kube_config_freep) struct kube_config *k = NULL;
    assert_int_equal(
        load(SERVER ", proxy-url: \"socks5://u:p@proxy:1080\", extensions: [{name: client.authentication.k8s.io/exec, "
                    "extension: {audience: prod}}]",
             "exec: {" V1 "beta1, command: bin/login, args: [--role, \"a b\"], env: [{name: A, value: \"b=c\"}], "
             "installHint: get it, provideClusterInfo: true, interactiveMode: IfAvailable}",
             NULL, &k, NULL),
        0);
    assert_string_equal(k->proxy, "socks5://u:p@proxy:1080");
    assert_string_equal(k->plugin->api_version, "client.authentication.k8s.io/v1beta1");
    assert_string_equal(k->plugin->command, "/tmp/bin/login"); /* relative to the kubeconfig */
    assert_string_equal(k->plugin->args[1], "a b");
    assert_null(k->plugin->args[2]);
    assert_string_equal(k->plugin->env[0], "A=b=c");
    assert_string_equal(k->plugin->install_hint, "get it");
    assert_true(k->plugin->provide_cluster_info);
    assert_string_equal(json_text(k->plugin->cluster_config, "audience"), "prod");
    _cleanup_(kube_config_freep) struct kube_config *bare = NULL, *same = NULL;
    assert_int_equal(load(SERVER, "exec: {" V1 ", command: aws, args: null, env: null}", NULL, &bare, NULL), 0);
    assert_string_equal(bare->plugin->command, "aws"); /* $PATH */
    assert_int_equal(load(SERVER, "exec: {" V1 ", command: aws, args: [x]}", NULL, &same, NULL), 0);
    _cleanup_free_ char *a = kube_config_identity(bare), *b = kube_config_identity(same);
    assert_string_not_equal(a, b); /* a reload sees it */
    refused(SERVER, "exec: {command: aws}", NULL, "apiVersion");
    refused(SERVER, "exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: aws}", NULL, "v1alpha1");
    refused(SERVER, "exec: {" V1 "}", NULL, "no command");
    refused(SERVER, "exec: {" V1 ", command: aws, interactiveMode: Always}", NULL, "interactiveMode");
    refused(SERVER, "exec: {" V1 ", command: aws, args: hunter2}", NULL, "args");
    refused(SERVER, "exec: {" V1 ", command: aws, args: [1]}", NULL, "args");
    refused(SERVER, "exec: {" V1 ", command: aws, env: [hunter2]}", NULL, "env");
    refused(SERVER, "exec: {" V1 ", command: aws, env: [{name: \"A=B\", value: hunter2}]}", NULL, "env");
}

/* Who can write the file would choose what mendd runs. */
static void test_exec_of_others(void **state _unused_)
{
    static const struct {
        mode_t mode;
        uid_t owner;
        bool ok;
    } files[] = {{0600, 0, true}, {0644, 0, true}, {0660, 0, false}, {0606, 0, false}, {0600, 12345, false}};
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        _cleanup_free_ char *path = make(SERVER, "exec: {" V1 ", command: aws}");
        _cleanup_(kube_config_freep) struct kube_config *k = NULL;
        _cleanup_error_ struct error err = ERROR_NONE;
        assert_int_equal(chmod(path, files[i].mode), 0);
        if (files[i].owner == 0 || chown(path, files[i].owner, (gid_t)-1) == 0) { /* only root can give it away */
            const int r = kube_config_load(path, NULL, &k, &err);
            assert_int_equal(r, files[i].ok ? 0 : -EPERM);
            if (!files[i].ok)
                assert_non_null(strstr(err.message, "exec plugin is not run"));
        }
        unlink(path);
    }
}

static char *warnings(const char *cluster, const char *user, mode_t mode)
{
    _cleanup_free_ char *path = make(cluster, user), *log = xstrdup("/tmp/mendd-log-XXXXXX");
    _cleanup_(kube_config_freep) struct kube_config *k = NULL;
    const int fd = mkstemp(log), before = dup(2);
    assert_int_equal(chmod(path, mode), 0);
    dup2(fd, 2);
    const int r = kube_config_load(path, NULL, &k, NULL);
    dup2(before, 2);
    close(before);
    assert_int_equal(r, 0);
    char *text = xcalloc(1, 4096);
    assert_true(pread(fd, text, 4095, 0) >= 0);
    close(fd);
    unlink(path);
    unlink(log);
    assert_null(strstr(text, "hunter2"));
    return text;
}

static void test_warnings(void **state _unused_)
{
    log_open(LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
    _cleanup_free_ char *open = warnings(SERVER, "token: hunter2", 0640);
    assert_non_null(strstr(open, "others can read it"));
    _cleanup_free_ char *key = warnings(SERVER, "client-certificate: c, client-key-data: " PEM_BASE64, 0604);
    assert_non_null(strstr(key, "others can read it"));
    _cleanup_free_ char *kept = warnings(SERVER, "token: hunter2", 0600);
    assert_string_equal(kept, "");
    _cleanup_free_ char *none = warnings(SERVER, "tokenFile: t", 0644); /* no secret in it */
    assert_string_equal(none, "");
    _cleanup_free_ char *insecure = warnings(SERVER ", insecure-skip-tls-verify: true", "token: hunter2", 0600);
    assert_non_null(strstr(insecure, "insecure-skip-tls-verify"));
}

static void test_loopback_and_environment(void **state _unused_)
{
    _cleanup_free_ char *path = make("server: \"http://127.0.0.1:8080\"", "token: t");
    _cleanup_free_ char *list = xasprintf("%s:/elsewhere", path);
    setenv("KUBECONFIG", list, 1);
    _cleanup_(kube_config_freep) struct kube_config *k = NULL;
    assert_int_equal(kube_config_load(NULL, NULL, &k, NULL), 0);
    assert_string_equal(k->server, "http://127.0.0.1:8080");
    assert_string_equal(k->token, "t");
    unlink(path);
}

static void test_in_cluster(void **state _unused_)
{
    char dir[] = "/tmp/mendd-sa-XXXXXX";
    assert_non_null(mkdtemp(dir));
    _cleanup_free_ char *token = xasprintf("%s/token", dir);
    _cleanup_(kube_config_freep) struct kube_config *k = NULL;
    setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
    setenv("KUBERNETES_SERVICE_PORT", "443", 1);
    assert_true(kube_config_in_cluster(dir, &k, NULL) < 0); /* no token there */
    FILE *f = fopen(token, "w");
    fputs("abc", f);
    fclose(f);
    assert_int_equal(kube_config_in_cluster(dir, &k, NULL), 0);
    assert_string_equal(k->server, "https://[fd00::1]:443");
    assert_string_equal(k->token_file, token);
    unsetenv("KUBERNETES_SERVICE_HOST");
    struct kube_config *none = NULL;
    assert_true(kube_config_in_cluster(dir, &none, NULL) < 0);
    unlink(token);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_exec),       cmocka_unit_test(test_exec_of_others),
        cmocka_unit_test(test_warnings),   cmocka_unit_test(test_loopback_and_environment),
        cmocka_unit_test(test_in_cluster)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
