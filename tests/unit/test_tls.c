/* TLS as the clients of clusters use it: certificates from memory and files, tls-server-name, and what goes wrong. */
#include "base/alloc.h"
#include "base/json.h"
#include "base/text.h"
#include "io/http.h"
#include "kube/client.h"
#include "kube/kubeconfig.h"
#include "support/tls_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static struct tls_pair ca, other_ca, ip, named, expired, client, stranger;

struct got {
    bool fired, sent;
    enum http_error error;
    char *message;
    json_t *body;
};

static void on_done(const struct http_result *r, void *userdata)
{
    struct got *g = userdata;
    *g = (struct got){.fired = true,
                      .sent = r->sent,
                      .error = r->error,
                      .message = xstrdup(r->message),
                      .body = json_parse(r->body, r->body_len, 4096, false, NULL)};
}

static void got_clear(struct got *g)
{
    free(g->message);
    json_decref(g->body);
}

static struct got ask(sd_event *event, struct http_client *c, const struct tls_server *server)
{
    struct got g = {0};
    _cleanup_free_ char *url = xasprintf("https://127.0.0.1:%d/", server->port);
    const struct http_request req = {.method = "GET", .url = url, .timeout_ms = 5000};
    assert_int_equal(http_start(c, &req, on_done, &g, NULL, NULL), 0);
    while (!g.fired)
        assert_true(sd_event_run(event, UINT64_MAX) >= 0);
    return g;
}

/* One request of that identity to a server with that certificate. */
static struct got ask_as(struct http_identity id, const struct tls_pair *pair, const struct tls_pair *client_ca)
{
    struct http_client *c = NULL;
    sd_event *event = NULL;
    struct tls_server *server = tls_start(pair, client_ca);
    assert_true(sd_event_new(&event) >= 0);
    assert_int_equal(http_client_new(event, &id, &c, NULL), 0);
    struct got g = ask(event, c, server);
    http_client_free(c);
    tls_stop(server);
    sd_event_unref(event);
    return g;
}

static void is_answered(struct http_identity id, const struct tls_pair *pair, const struct tls_pair *client_ca,
                        const char *sni, const char *name)
{
    struct got g = ask_as(id, pair, client_ca);
    if (g.error != HTTP_OK)
        fail_msg("%s", g.message);
    assert_string_equal(json_text(g.body, "sni"), sni);
    assert_string_equal(json_text(g.body, "client"), name);
    got_clear(&g);
}

static void fails(struct http_identity id, const struct tls_pair *pair, const struct tls_pair *client_ca,
                  enum http_error error, const char *words)
{
    struct got g = ask_as(id, pair, client_ca);
    if (g.error != error || !strstr(g.message, words))
        fail_msg("%s: \"%s\", expected %s with \"%s\"", http_error_name(g.error), g.message, http_error_name(error),
                 words);
    assert_null(strstr(g.message, "/proc/self"));
    assert_null(strstr(g.message, "BEGIN"));
    assert_null(g.body);
    got_clear(&g);
}

static char *file_of(const char *text)
{
    char *path = xstrdup("/tmp/mendd-tls-XXXXXX");
    const int fd = mkstemp(path);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    return path;
}

static void test_identities(void **state _unused_)
{
    _cleanup_free_ char *ca_file = file_of(ca.crt_pem), *cert = file_of(client.crt_pem), *key = file_of(client.key_pem);
    is_answered((struct http_identity){.ca_data = ca.crt_pem}, &ip, NULL, "", "");
    is_answered((struct http_identity){.ca_file = ca_file}, &ip, NULL, "", "");
    is_answered((struct http_identity){.ca_data = ca.crt_pem, .cert_data = client.crt_pem, .key_data = client.key_pem},
                &ip, &ca, "", "mendd");
    is_answered((struct http_identity){.ca_file = ca_file, .cert_file = cert, .key_file = key}, &ip, &ca, "", "mendd");
    /* data win over the files, which may be gone */
    is_answered((struct http_identity){.ca_data = ca.crt_pem,
                                       .ca_file = "/nonexistent",
                                       .cert_data = client.crt_pem,
                                       .cert_file = "/nonexistent",
                                       .key_data = client.key_pem,
                                       .key_file = "/nonexistent"},
                &ip, &ca, "", "mendd");
    is_answered((struct http_identity){.insecure = true}, &expired, NULL, "", "");
    unlink(ca_file);
    unlink(cert);
    unlink(key);
}

static void test_server_name(void **state _unused_)
{
    const struct http_identity id = {.ca_data = ca.crt_pem, .server_name = "api.cluster.internal"};
    is_answered(id, &named, NULL, "api.cluster.internal", "");
    fails((struct http_identity){.ca_data = ca.crt_pem}, &named, NULL, HTTP_ERROR_TLS, "127.0.0.1");
    fails((struct http_identity){.ca_data = ca.crt_pem, .server_name = "other.internal"}, &named, NULL, HTTP_ERROR_TLS,
          "");
    fails(id, &ip, NULL, HTTP_ERROR_TLS, ""); /* the address is no longer what is proven */
    is_answered((struct http_identity){.insecure = true, .server_name = "any.internal"}, &ip, NULL, "any.internal", "");
}

static void test_what_goes_wrong(void **state _unused_)
{
    struct http_identity id = {.ca_data = other_ca.crt_pem};
    fails(id, &ip, NULL, HTTP_ERROR_TLS, "signed by none of the CAs that are trusted");
    id.ca_data = ca.crt_pem;
    fails(id, &expired, NULL, HTTP_ERROR_TLS, "certificate has expired");
    fails((struct http_identity){0}, &ip, NULL, HTTP_ERROR_TLS, ""); /* no CA: nobody is trusted blindly */
    fails((struct http_identity){.ca_file = "/nonexistent/ca.crt"}, &ip, NULL, HTTP_ERROR_LOCAL, "/nonexistent/ca.crt");
    fails((struct http_identity){.ca_data = "-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n"}, &ip,
          NULL, HTTP_ERROR_LOCAL, "CA");
    id.cert_data = client.crt_pem;
    id.key_data = stranger.key_pem; /* not its key */
    fails(id, &ip, &ca, HTTP_ERROR_LOCAL, "client certificate");
}

/* Asked for a client certificate that is missing: only the server can say so, and it does so after the handshake. */
static void test_without_client_certificate(void **state _unused_)
{
    struct got g = ask_as((struct http_identity){.ca_data = ca.crt_pem}, &ip, &ca);
    assert_true(g.error == HTTP_ERROR_TLS || g.error == HTTP_ERROR_RESET);
    assert_null(g.body);
    got_clear(&g);
}

static void test_connection_is_reused(void **state _unused_)
{
    const struct http_identity id = {.ca_data = ca.crt_pem, .server_name = "api.cluster.internal", .http2 = true};
    struct tls_server *server = tls_start(&named, NULL);
    struct http_client *c = NULL;
    sd_event *event = NULL;
    assert_true(sd_event_new(&event) >= 0);
    assert_int_equal(http_client_new(event, &id, &c, NULL), 0);
    for (int i = 0; i < 3; i++) {
        struct got g = ask(event, c, server);
        assert_int_equal(json_int_or(g.body, "connection", -1), 0);
        assert_int_equal(json_int_or(g.body, "request", -1), i);
        got_clear(&g);
    }
    http_client_free(c);
    tls_stop(server);
    sd_event_unref(event);
}

static void on_answer(json_t *answer_new, void *userdata)
{
    *(json_t **)userdata = answer_new;
}

/* The whole way: what a kubeconfig says comes out at the other end. */
static void test_kube_client(void **state _unused_)
{
    struct tls_server *server = tls_start(&named, &ca);
    struct kube_client *c = NULL;
    sd_event *event = NULL;
    json_t *answer = NULL;
    struct kube_config *k = xnew0(struct kube_config);
    k->name = xstrdup("test");
    k->server = xasprintf("https://127.0.0.1:%d", server->port);
    k->ca_data = xstrdup(ca.crt_pem);
    k->server_name = xstrdup("api.cluster.internal");
    k->cert_data = xstrdup(client.crt_pem);
    k->key_data = xstrdup(client.key_pem);
    assert_true(sd_event_new(&event) >= 0);
    assert_int_equal(kube_client_new(event, k, &c, NULL), 0);
    kube_request_start(c, &(struct kube_request){.method = "GET", .path = "/api"}, on_answer, &answer);
    while (!answer)
        assert_true(sd_event_run(event, UINT64_MAX) >= 0);
    assert_string_equal(json_path_text(answer, "body", "sni", NULL), "api.cluster.internal");
    assert_string_equal(json_path_text(answer, "body", "client", NULL), "mendd");
    json_decref(answer);
    kube_client_free(c);
    tls_stop(server);
    sd_event_unref(event);
}

int main(void)
{
    tls_pair_make(&ca, "test CA", NULL, 10);
    tls_pair_make(&other_ca, "another CA", NULL, 10);
    tls_pair_make(&ip, "127.0.0.1", &ca, 10);
    tls_pair_make(&named, "api.cluster.internal", &ca, 10);
    tls_pair_make(&expired, "127.0.0.1", &ca, -1);
    tls_pair_make(&client, "mendd", &ca, 10);
    tls_pair_make(&stranger, "stranger", &other_ca, 10);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identities),           cmocka_unit_test(test_server_name),
        cmocka_unit_test(test_what_goes_wrong),      cmocka_unit_test(test_without_client_certificate),
        cmocka_unit_test(test_connection_is_reused), cmocka_unit_test(test_kube_client),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    struct tls_pair *const all[] = {&ca, &other_ca, &ip, &named, &expired, &client, &stranger};
    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        tls_pair_clear(all[i]);
    return failed;
}
