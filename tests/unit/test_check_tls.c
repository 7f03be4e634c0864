/* tls: what a certificate means, and what a real server shows of one. */
#include "checks/registry.h"
#include "io/probe.h"
#include "support/tls_server.h"
#include "world.h"

#include <sys/socket.h>

extern const struct check check_tls;
#define AT "'address':'shop.example:443'"
#define DAY INT64_C(86400)

/* The judge's clock stands at 0. */
static void shows(struct world *w, int64_t after, const char *more, const char *with, enum verdict v, const char *words)
{
    _cleanup_free_ char *answer = xasprintf("{'status':0,'not_after':%lld,'not_before':-5,'names':['shop.example'],"
                                            "'issuer':'CN=ca'%s}",
                                            (long long)after, more);
    _cleanup_free_ char *params = xasprintf("{" AT "%s}", with);
    world_answer(w, "shop.example:443", answer);
    world_verdict(w, &check_tls, params, NULL, v, words);
}

static void judged(void **s _unused_)
{
    static const char good[] = ",'trusted':true,'named':true";
    struct world w;
    world_init(&w, "Deployment", "api", "app=api");
    shows(&w, 30 * DAY, good, "", VERDICT_PASS, "for shop.example is good for 30 days (1970-01-31T00:00:00Z)");
    shows(&w, 30 * DAY - 1, good, "", VERDICT_FAIL, "ends in 29 days");
    shows(&w, 30 * DAY - 1, good, ",'days_left':29", VERDICT_PASS, "29 days");
    shows(&w, 1, good, ",'days_left':0", VERDICT_PASS, "0 days");
    shows(&w, 0, good, ",'days_left':0", VERDICT_FAIL, "expired at 1970-01-01T00:00:00Z");
    shows(&w, 90 * DAY, ",'trusted':true,'named':false", "", VERDICT_FAIL, "is for shop.example");
    shows(&w, 90 * DAY, ",'trusted':false,'named':true,'why':'unknown issuer.'", "", VERDICT_FAIL,
          "not trusted: unknown issuer. (issuer CN=ca)");
    shows(&w, 90 * DAY, ",'trusted':false,'named':true", ",'insecure':true", VERDICT_PASS, "90 days");
    shows(&w, 90 * DAY, ",'trusted':true,'named':true,'not_before':1", "", VERDICT_FAIL, "not valid yet");
    world_clear(&w);
}

static void not_asked(void **s _unused_)
{
    struct world w;
    world_init(&w, "Deployment", "api", "app=api");
    static const char *const down[] = {"dns", "refused", "timeout", "reset", "local", NULL};
    for (size_t i = 0; down[i]; i++) {
        _cleanup_free_ char *answer = xasprintf("{'error':'%s','message':'it is away'}", down[i]);
        world_answer(&w, "shop.example:443", answer);
        world_verdict(&w, &check_tls, "{" AT "}", NULL, VERDICT_UNKNOWN, "it is away");
    }
    world_answer(&w, "shop.example:443", "{'error':'tls','message':'no TLS'}");
    world_verdict(&w, &check_tls, "{" AT "}", NULL, VERDICT_FAIL, "no TLS");
    world_verdict(&w, &check_tls, "{'address':'shop.example'}", NULL, VERDICT_UNKNOWN, "no address");
    world_verdict(&w, &check_tls, "{" AT ",'server_name':'a b'}", NULL, VERDICT_UNKNOWN, "no name of a server");
    world_clear(&w);
}

/* ---- real handshakes ---- */

static struct tls_pair ca, other_ca, ip, expired;

static void on_answer(json_t *answer_new, void *userdata)
{
    *(json_t **)userdata = answer_new;
}

static json_t *look_at(int port, const char *ca_file, const char *server_name, int timeout_ms)
{
    sd_event *event = NULL;
    struct prober *prober = NULL;
    json_t *answer = NULL;
    assert_true(sd_event_new(&event) >= 0);
    assert_int_equal(prober_new(event, &prober, NULL), 0);
    _cleanup_free_ char *address = xasprintf("127.0.0.1:%d", port);
    _cleanup_json_ json_t *q = json_pack("{s:s, s:s, s:i}", "ask", "tls", "address", address, "timeout_ms", timeout_ms);
    json_set_text(q, "ca_file", ca_file);
    json_set_text(q, "server_name", server_name);
    probe_start(prober, q, on_answer, &answer);
    while (!answer && timeout_ms > 1)
        assert_true(sd_event_run(event, UINT64_MAX) >= 0);
    prober_free(prober);
    sd_event_unref(event);
    return answer;
}

static char *file_of(const char *text)
{
    char *path = xstrdup("/tmp/mendd-look-XXXXXX");
    const int fd = mkstemp(path);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    return path;
}

static void seen(const struct tls_pair *pair, const struct tls_pair *trust, const char *name, bool trusted, bool named,
                 int days)
{
    struct tls_server *server = tls_start(pair, NULL);
    _cleanup_free_ char *ca_file = file_of(trust->crt_pem);
    _cleanup_json_ json_t *a = look_at(server->port, ca_file, name, 5000);
    unlink(ca_file);
    tls_stop(server);
    if (json_text(a, "error"))
        fail_msg("%s", json_text(a, "message"));
    const int64_t left = json_int_or(a, "not_after", 0) - time(NULL);
    assert_int_equal(json_bool_or(a, "trusted", !trusted), trusted);
    assert_int_equal(json_bool_or(a, "named", !named), named);
    assert_true(left > days * DAY - 100 && left <= days * DAY);
    assert_true(json_array_size(json_object_get(a, "names")) >= 1);
    assert_non_null(json_text(a, "issuer"));
}

static void real_servers(void **s _unused_)
{
    tls_pair_make(&ca, "ca", NULL, 100);
    tls_pair_make(&other_ca, "other", NULL, 100);
    tls_pair_make(&ip, "127.0.0.1", &ca, 20);
    tls_pair_make(&expired, "127.0.0.1", &ca, -1);
    seen(&ip, &ca, NULL, true, true, 20);
    seen(&ip, &ca, "shop.internal", true, false, 20);
    seen(&ip, &other_ca, NULL, false, true, 20);
    seen(&expired, &ca, NULL, true, true, -1);
}

/* A server that speaks no TLS, one that says nothing, none at all, a CA file that is none. */
static void no_handshake(void **s _unused_)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    const int port = ntohs(at.sin_port);
    _cleanup_json_ json_t *silent = look_at(port, NULL, NULL, 300);
    assert_string_equal(json_text(silent, "error"), "timeout");
    _cleanup_json_ json_t *cancelled = look_at(port, NULL, NULL, 1);
    assert_string_equal(json_text(cancelled, "error"), "cancelled");
    _cleanup_json_ json_t *no_ca = look_at(port, "/dev/null", NULL, 300);
    assert_string_equal(json_text(no_ca, "error"), "local");
    close(fd);
    _cleanup_json_ json_t *gone = look_at(port, NULL, NULL, 300);
    assert_string_equal(json_text(gone, "error"), "refused");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(judged), cmocka_unit_test(not_asked),
                                       cmocka_unit_test(real_servers), cmocka_unit_test(no_handshake)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
