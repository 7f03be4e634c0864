/* kubeconfig files as kubectl writes them, and what is refused. */
#include "base/alloc.h"
#include "base/text.h"
#include "kube/kubeconfig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
    refused(SERVER, "exec: {command: aws}", NULL, "exec");
    refused(SERVER, "auth-provider: {name: gcp}", NULL, "auth-provider");
    refused(SERVER, "as: admin, token: hunter2", NULL, "as");
    refused(SERVER ", proxy-url: \"http://p\"", "token: hunter2", NULL, "proxy-url");
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_everything), cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_loopback_and_environment),
                                       cmocka_unit_test(test_in_cluster)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
