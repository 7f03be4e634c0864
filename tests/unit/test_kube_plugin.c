/* Exec plugins of kubeconfigs: a small script that is told by a file what to do, and an API server that wants its
 * token. */
#include "base/alloc.h"
#include "base/base64.h"
#include "base/clock.h"
#include "base/text.h"
#include "kube/client.h"
#include "kube/plugin.h"
#include "support/script_server.h"
#include "support/tls_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#define V1 "client.authentication.k8s.io/v1"
#define V1BETA1 "client.authentication.k8s.io/v1beta1"

struct world {
    sd_event *event;
    struct kube_client *client;
    struct script_server *server;
    char folder[64];
    pthread_mutex_t lock;
    char wanted[64]; /* the token that the server lets in */
};

static char *path_of(const struct world *w, const char *name)
{
    return xasprintf("%s/%s", w->folder, name);
}

static void write_file(const struct world *w, const char *name, const char *text)
{
    _cleanup_free_ char *path = path_of(w, name), *next = xasprintf("%s.new", path);
    FILE *f = fopen(next, "we");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    chmod(next, 0700);
    assert_int_equal(rename(next, path), 0);
}

static char *read_text(const struct world *w, const char *name)
{
    _cleanup_free_ char *path = path_of(w, name);
    char *text = xmalloc(1 << 16);
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(text, 1, (1 << 16) - 1, f) : 0;
    text[n] = '\0';
    if (f)
        fclose(f);
    return text;
}

static size_t runs(const struct world *w)
{
    _cleanup_free_ char *text = read_text(w, "runs");
    return strlen(text) / strlen("run\n");
}

/* What the next run does, a shell script. */
static void plugin_does(const struct world *w, const char *script)
{
    _cleanup_free_ char *all = xasprintf("#!/bin/sh\ncd %s\necho run >> runs\n%s\n", w->folder, script);
    write_file(w, "plugin", all);
}

/* What a plugin prints; expires_s from now, 0: not said. */
static void plugin_says(const struct world *w, const char *version, const char *token, int expires_s)
{
    char at[TIME_TEXT_MAX];
    time_format_seconds(now_read().wall_us + expires_s * USEC_PER_SEC, at);
    _cleanup_free_ char *expiry = expires_s ? xasprintf(", \"expirationTimestamp\": \"%s\"", at) : xstrdup("");
    _cleanup_free_ char *script = xasprintf("cat <<'X'\n{\"kind\": \"ExecCredential\", \"apiVersion\": \"%s\", "
                                            "\"status\": {\"token\": \"%s\"%s}}\nX",
                                            version, token, expiry);
    plugin_does(w, script);
}

static void server_wants(struct world *w, const char *token)
{
    pthread_mutex_lock(&w->lock);
    snprintf(w->wanted, sizeof(w->wanted), "Bearer %s", token);
    pthread_mutex_unlock(&w->lock);
}

static char *handle(const struct script_request *req, void *userdata)
{
    struct world *w = userdata;
    _cleanup_free_ char *authorization = script_header(req, "Authorization");
    pthread_mutex_lock(&w->lock);
    const bool ok = str_eq(authorization, w->wanted);
    pthread_mutex_unlock(&w->lock);
    return script_json(ok ? 200 : 401, "{\"kind\":\"Status\"}");
}

static struct kube_config *config_of(const struct world *w, const char *version)
{
    struct kube_config *k = xnew0(struct kube_config);
    k->name = xstrdup("test");
    k->server = xasprintf("http://127.0.0.1:%d", w->server->port);
    k->plugin = xnew0(struct kube_plugin_config);
    k->plugin->api_version = xstrdup(version);
    k->plugin->command = path_of(w, "plugin");
    k->plugin->args = texts_dup((char *[]){(char *)"--cluster", (char *)"a b;$(id)", NULL});
    k->plugin->env = texts_dup((char *[]){(char *)"PLUGIN_PROFILE=prod", NULL});
    k->plugin->timeout_ms = 20000;
    return k;
}

static void use(struct world *w, struct kube_config *taken)
{
    kube_client_free(w->client);
    assert_int_equal(kube_client_new(w->event, taken, &w->client, NULL), 0);
}

static int setup(void **state)
{
    struct world *w = xnew0(struct world);
    pthread_mutex_init(&w->lock, NULL);
    strcpy(w->folder, "/tmp/mendd-plugin-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    assert_true(sd_event_new(&w->event) >= 0);
    w->server = script_start(handle, w);
    server_wants(w, "good");
    use(w, config_of(w, V1));
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    kube_client_free(w->client);
    script_stop(w->server);
    sd_event_unref(w->event);
    _cleanup_free_ char *rm = xasprintf("rm -rf %s", w->folder);
    assert_int_equal(system(rm), 0);
    free(w);
    return 0;
}

static void on_answer(json_t *answer_new, void *userdata)
{
    json_t **ret = userdata;
    assert_null(*ret);
    *ret = answer_new;
}

static void begin(struct world *w, const char *path, json_t **answer)
{
    const struct kube_request req = {.class = KUBE_WRITE, .method = "GET", .path = path};
    kube_request_start(w->client, &req, on_answer, answer);
}

static json_t *ask(struct world *w)
{
    json_t *answer = NULL;
    begin(w, "/api", &answer);
    while (!answer)
        assert_true(sd_event_run(w->event, UINT64_MAX) >= 0);
    return answer;
}

static int status(struct world *w)
{
    _cleanup_json_ json_t *answer = ask(w);
    return (int)json_int_or(answer, "status", -1);
}

/* Not one word of the answer may be what a secret is. */
static void fails(struct world *w, const char *words)
{
    _cleanup_json_ json_t *answer = ask(w);
    const char *message = json_text_or(answer, "message", "");
    assert_string_equal(json_text_or(answer, "error", "none"), "local");
    assert_true(json_is_false(json_object_get(answer, "sent")));
    if (!strstr(message, words) || strstr(message, "hunter2") || strchr(message, '\n'))
        fail_msg("\"%s\" does not say \"%s\", or too much", message, words);
}

/* Twenty that wait are served by one run; later ones by what is kept. */
static void test_one_run_for_all(void **state)
{
    struct world *w = *state;
    json_t *answers[20] = {0};
    plugin_says(w, V1, "good", 3600);
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
        begin(w, "/api", &answers[i]);
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        while (!answers[i])
            assert_true(sd_event_run(w->event, UINT64_MAX) >= 0);
        assert_int_equal(json_int_or(answers[i], "status", 0), 200);
        json_decref(answers[i]);
    }
    assert_int_equal(status(w), 200);
    assert_int_equal(runs(w), 1);
    assert_int_equal(w->server->requests, 21); /* nothing left without a credential */
}

static void test_what_it_is_told(void **state)
{
    struct world *w = *state;
    struct kube_config *k = config_of(w, V1BETA1);
    k->plugin->provide_cluster_info = true;
    k->plugin->cluster_config = json_pack("{s:s}", "audience", "prod");
    k->server_name = xstrdup("kube.example");
    k->ca_data = xstrdup("-----BEGIN CERTIFICATE-----\n");
    use(w, k);
    plugin_does(
        w, "printf '%s' \"$KUBERNETES_EXEC_INFO\" > info; echo \"$#|$1|$2|$PLUGIN_PROFILE\" > told; wc -c > stdin\n"
           "printf '{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1BETA1 "\",\"status\":{\"token\":\"good\"}}'");
    assert_int_equal(status(w), 200);
    _cleanup_free_ char *told = read_text(w, "told"), *text = read_text(w, "info"), *in = read_text(w, "stdin");
    assert_string_equal(told, "2|--cluster|a b;$(id)|prod\n");
    assert_int_equal(atoi(in), 0);
    _cleanup_json_ json_t *info = json_parse(text, strlen(text), 1 << 20, true, NULL);
    const json_t *spec = json_object_get(info, "spec"), *cluster = json_object_get(spec, "cluster");
    assert_string_equal(json_text(info, "apiVersion"), V1BETA1);
    assert_string_equal(json_text(info, "kind"), "ExecCredential");
    assert_true(json_is_false(json_object_get(spec, "interactive")));
    assert_true(str_starts(json_text(cluster, "server"), "http://127.0.0.1:"));
    assert_string_equal(json_text(cluster, "tls-server-name"), "kube.example");
    assert_string_equal(json_path_text(cluster, "config", "audience", NULL), "prod");
    _cleanup_free_ char *ca = base64_decode_new(json_text(cluster, "certificate-authority-data"), &(size_t){0});
    assert_string_equal(ca, "-----BEGIN CERTIFICATE-----\n");
}

static void test_expiry(void **state)
{
    struct world *w = *state;
    plugin_says(w, V1, "good", 5); /* within the margin: it serves for a moment, then the next one is fetched */
    assert_int_equal(status(w), 200);
    assert_int_equal(runs(w), 1);
    plugin_says(w, V1, "good", 3600);
    while (runs(w) == 1)
        assert_int_equal(status(w), 200);
    assert_int_equal(status(w), 200);
    assert_int_equal(runs(w), 2);
}

static void test_expired(void **state)
{
    struct world *w = *state;
    plugin_says(w, V1, "hunter2", -5);
    fails(w, "expired at");
}

/* Ten at once. */
static bool all_are_let_in(struct world *w)
{
    json_t *answers[10] = {0};
    bool all = true;
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
        begin(w, "/api", &answers[i]);
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        while (!answers[i])
            assert_true(sd_event_run(w->event, UINT64_MAX) >= 0);
        all = all && json_int_or(answers[i], "status", 0) == 200;
        json_decref(answers[i]);
    }
    return all;
}

/* A revoked token: the 401 has the plugin run once, for all that got it; a fresh one that is refused is final. */
static void test_refused_token(void **state)
{
    struct world *w = *state;
    plugin_says(w, V1, "good", 0);
    assert_int_equal(status(w), 200);
    server_wants(w, "better");
    plugin_says(w, V1, "better", 0);
    while (!all_are_let_in(w)) /* too fresh to be asked for again */
        assert_true(runs(w) <= 2);
    assert_int_equal(runs(w), 2);
    server_wants(w, "nobody's");
    assert_int_equal(status(w), 401);
    assert_int_equal(status(w), 401);
    assert_int_equal(runs(w), 2);
}

static void on_changed(void *userdata)
{
    ++*(int *)userdata;
}

/* Who was refused with an older credential tries the one that is there; who was refused with this one, just fetched,
 * has the last word. */
static void test_refused_generations(void **state)
{
    struct world *w = *state;
    int changed = 0;
    unsigned generation = 0;
    struct kube_plugin *p = NULL;
    _cleanup_(kube_config_freep) struct kube_config *k = config_of(w, V1);
    plugin_says(w, V1, "good", 0);
    assert_int_equal(kube_plugin_new(w->event, k, on_changed, &changed, &p, NULL), 0);
    assert_int_equal(kube_plugin_ask(p), KUBE_PLUGIN_RUNNING);
    assert_int_equal(kube_plugin_ask(p), KUBE_PLUGIN_RUNNING);
    assert_true(kube_plugin_refused(p, generation)); /* one is on its way */
    while (!changed)
        assert_true(sd_event_run(w->event, UINT64_MAX) >= 0);
    assert_int_equal(kube_plugin_ask(p), KUBE_PLUGIN_READY);
    assert_string_equal(kube_plugin_credential(p, &generation)->token, "good");
    assert_true(kube_plugin_refused(p, generation - 1));
    assert_false(kube_plugin_refused(p, generation));
    assert_int_equal(kube_plugin_ask(p), KUBE_PLUGIN_READY);
    assert_int_equal(runs(w), 1);
    kube_plugin_free(p);
}

static void test_failure_and_back_off(void **state)
{
    struct world *w = *state;
    plugin_does(w, "echo 'no login; password=hunter2-hunter2' >&2; printf 'run\\033[31m aws sso login\\n' >&2; exit 3");
    fails(w, "exit status 3; it says: no login; password=[redacted]");
    fails(w, "aws sso login");
    fails(w, "exit status 3");
    assert_int_equal(runs(w), 1); /* left alone for a second */
    plugin_says(w, V1, "good", 0);
    for (int code = -1; code != 200;)
        code = status(w);
    assert_int_equal(runs(w), 2);
    assert_int_equal(w->server->requests, 1);
}

static void one_failure(struct world *w, const char *script, const char *words)
{
    use(w, config_of(w, V1));
    plugin_does(w, script);
    fails(w, words);
}

#define CREDENTIAL(version, status)                                                                                    \
    "cat <<'X'\n{\"kind\":\"ExecCredential\",\"apiVersion\":\"" version "\",\"status\":" status "}\nX"

static void test_what_is_no_credential(void **state)
{
    struct world *w = *state;
    one_failure(w, "echo hunter2", "no JSON");
    one_failure(w, "true", "no JSON");
    one_failure(w, "echo '[1]'", "ExecCredential");
    one_failure(w, CREDENTIAL(V1BETA1, "{\"token\":\"hunter2\"}"), "ExecCredential of " V1);
    one_failure(w, CREDENTIAL(V1, "{}"), "neither token nor");
    one_failure(w, CREDENTIAL(V1, "{\"token\":7}"), "neither token nor");
    one_failure(w, CREDENTIAL(V1, "{\"token\":\"hunter2\\r\\nX-Evil: 1\"}"), "line break");
    one_failure(w, CREDENTIAL(V1, "{\"clientCertificateData\":\"hunter2\"}"), "together");
    one_failure(w, CREDENTIAL(V1, "{\"clientCertificateData\":\"hunter2\",\"clientKeyData\":\"x\"}"), "no PEM");
    one_failure(w, CREDENTIAL(V1, "{\"token\":\"hunter2\",\"expirationTimestamp\":\"soon\"}"), "RFC 3339");
    one_failure(w, "head -c 10000000 /dev/zero | tr '\\0' x", "too much output");
    one_failure(w, "head -c 1500000 /dev/zero | tr '\\0' x", "more than 1 MiB");
    one_failure(w, "kill -SEGV $$", "signal 11");
    assert_int_equal(w->server->requests, 0);
}

static void test_not_there(void **state)
{
    struct world *w = *state;
    struct kube_config *k = config_of(w, V1);
    str_replace(&k->plugin->command, "mendd-no-such-plugin");
    k->plugin->install_hint = xstrdup("Install it with apt.");
    use(w, k);
    fails(w, "cannot run mendd-no-such-plugin: No such file or directory. Install it with apt.");
}

/* While it hangs nothing else does; then the words say so, and it is gone. */
static void test_hang(void **state)
{
    struct world *w = *state;
    struct kube_config *k = config_of(w, V1), *plain = config_of(w, V1);
    struct kube_client *other = NULL;
    json_t *stuck = NULL, *free_one = NULL;
    k->plugin->timeout_ms = 700;
    use(w, k);
    plain->plugin = kube_plugin_config_free(plain->plugin);
    plain->token = xstrdup("good");
    assert_int_equal(kube_client_new(w->event, plain, &other, NULL), 0);
    plugin_does(w, "echo $$ > pid; exec sleep 1000");
    begin(w, "/api", &stuck);
    kube_request_start(other, &(struct kube_request){.method = "GET", .path = "/api"}, on_answer, &free_one);
    while (!free_one)
        assert_true(sd_event_run(w->event, UINT64_MAX) >= 0);
    assert_null(stuck);
    assert_int_equal(json_int_or(free_one, "status", 0), 200);
    while (!stuck)
        assert_true(sd_event_run(w->event, UINT64_MAX) >= 0);
    assert_non_null(strstr(json_text_or(stuck, "message", ""), "no end within 700ms"));
    json_decref(stuck);
    json_decref(free_one);
    kube_client_free(other);
}

static void test_free_while_it_runs(void **state)
{
    struct world *w = *state;
    json_t *answer = NULL;
    plugin_does(w, "exec sleep 1000");
    begin(w, "/api", &answer);
    for (int i = 0; i < 5; i++)
        assert_true(sd_event_run(w->event, 20000) >= 0);
    assert_null(answer);
    w->client = kube_client_free(w->client);
    assert_string_equal(json_text(answer, "error"), "cancelled");
    json_decref(answer);
}

static void plugin_hands_out(const struct world *w, const struct tls_pair *pair, int expires_s)
{
    char at[TIME_TEXT_MAX];
    time_format_seconds(now_read().wall_us + expires_s * USEC_PER_SEC, at);
    _cleanup_json_ json_t *doc =
        json_pack("{s:s, s:s, s:{s:s, s:s, s:s}}", "kind", "ExecCredential", "apiVersion", V1, "status",
                  "clientCertificateData", pair->crt_pem, "clientKeyData", pair->key_pem, "expirationTimestamp", at);
    _cleanup_free_ char *text = json_compact(doc);
    _cleanup_free_ char *script = xasprintf("cat <<'X'\n%s\nX", text);
    plugin_does(w, script);
}

/* Certificates instead of a token; the next one gets connections of its own. */
static void test_certificates(void **state)
{
    struct world *w = *state;
    struct tls_pair ca = {0}, name = {0}, pairs[2] = {0};
    tls_pair_make(&ca, "test CA", NULL, 10);
    tls_pair_make(&name, "127.0.0.1", &ca, 10);
    tls_pair_make(&pairs[0], "first", &ca, 10);
    tls_pair_make(&pairs[1], "second", &ca, 10);
    struct tls_server *server = tls_start(&name, &ca);
    struct kube_config *k = config_of(w, V1);
    free(k->server);
    k->server = xasprintf("https://127.0.0.1:%d", server->port);
    k->ca_data = xstrdup(ca.crt_pem);
    use(w, k);
    plugin_hands_out(w, &pairs[0], 5);
    _cleanup_json_ json_t *first = ask(w);
    assert_string_equal(json_path_text(first, "body", "client", NULL), "first");
    plugin_hands_out(w, &pairs[1], 5);
    for (bool second = false; !second;) {
        _cleanup_json_ json_t *answer = ask(w);
        second = str_eq(json_path_text(answer, "body", "client", NULL), "second");
        assert_int_equal(json_int_or(answer, "status", 0), 200);
    }
    assert_int_equal(runs(w), 2);
    plugin_says(w, V1, "good", 3600); /* the certificate goes: a server would believe it before the token */
    while (runs(w) < 3) {
        _cleanup_json_ json_t *answer = ask(w);
        if (runs(w) == 3)
            assert_false(str_eq(json_path_text(answer, "body", "client", NULL), "second"));
    }
    w->client = kube_client_free(w->client);
    tls_stop(server);
    struct tls_pair *const all[] = {&ca, &name, &pairs[0], &pairs[1]};
    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        tls_pair_clear(all[i]);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_one_run_for_all),
        TEST(test_what_it_is_told),
        TEST(test_expiry),
        TEST(test_expired),
        TEST(test_refused_token),
        TEST(test_refused_generations),
        TEST(test_failure_and_back_off),
        TEST(test_what_is_no_credential),
        TEST(test_not_there),
        TEST(test_hang),
        TEST(test_free_while_it_runs),
        TEST(test_certificates),
    };
    return cmocka_run_group_tests_name("kube plugin", tests, NULL, NULL);
}
