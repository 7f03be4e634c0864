/* dns: what an answer means, the bytes of it, and a server that is asked over UDP. */
#include "checks/registry.h"
#include "io/dns.h"
#include "io/probe.h"
#include "world.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

extern const struct check check_dns;

/* The question bears no path: the world answers by its name. */
static void judge(const char *answer, const char *more, enum verdict v, const char *words)
{
    struct world w;
    struct check_result result = {0};
    world_init(&w, "Deployment", "api", "app=api");
    _cleanup_free_ char *text = xasprintf("{'name':'a.example'%s}", more);
    _cleanup_json_ json_t *with = J(text);
    const struct check_in in = {.target = &w.target, .with = with, .cluster = "prod", .asks = &w.asks};
    assert_int_equal(check_dns.judge(&in, &result), -EAGAIN);
    _cleanup_json_ json_t *q = json_deep_copy(json_array_get(w.asks.wanted, 0));
    asks_answer(&w.asks, q, J(answer));
    assert_int_equal(check_dns.judge(&in, &result), 0);
    if (result.verdict != v || !strstr(result.seen, words))
        fail_msg("%s: %s \"%s\"", answer, verdict_name(result.verdict), result.seen);
    check_result_clear(&result);
    world_clear(&w);
}

static void judged(void **s _unused_)
{
    static const char two[] = "{'status':0,'rcode':0,'addresses':['10.0.0.1','::1'],'server':'10.0.0.10'}";
    judge(two, "", VERDICT_PASS, "a.example is 10.0.0.1, ::1");
    judge(two, ",'expect':'::1'", VERDICT_PASS, "::1");
    judge(two, ",'expect':'10.0.0.2'", VERDICT_FAIL, "not 10.0.0.2");
    judge("{'status':0,'rcode':3,'addresses':[],'server':'s'}", "", VERDICT_FAIL, "s says NXDOMAIN");
    judge("{'status':0,'rcode':2,'addresses':[],'server':'s'}", "", VERDICT_FAIL, "SERVFAIL");
    judge("{'status':0,'rcode':0,'addresses':[],'server':'s'}", "", VERDICT_FAIL, "it has no address");
    judge("{'error':'timeout','message':'no answer in time'}", "", VERDICT_UNKNOWN, "no answer in time");
    judge("{'error':'timeout','message':'no answer in time'}", ",'server':'10.0.0.10'", VERDICT_FAIL, "no answer");
    judge("{'error':'local','message':'is no name'}", ",'server':'10.0.0.10'", VERDICT_UNKNOWN, "is no name");
}

static void names(void **s _unused_)
{
    unsigned char q[DNS_QUERY_MAX];
    char longest[300];
    assert_int_equal(dns_query(0x1234, "a.example.", DNS_A, q, NULL), 12 + 11 + 4);
    assert_memory_equal(q, "\x12\x34\x01\0\0\1\0\0\0\0\0\0\1a\7example\0\0\1\0\1", 27);
    memset(longest, 'x', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    for (size_t i = 50; i < sizeof(longest) - 1; i += 50)
        longest[i] = '.';
    static const char *const bad[] = {"", ".", "a..b", ".a", NULL};
    for (size_t i = 0; bad[i]; i++)
        assert_int_equal(dns_query(1, bad[i], DNS_A, q, NULL), -EINVAL);
    assert_int_equal(dns_query(1, longest, DNS_A, q, NULL), -EINVAL);
    longest[253] = '\0';
    assert_true(dns_query(1, longest, DNS_A, q, NULL) > 0);
}

/* ---- over UDP ---- */

/* Answers A with 10.1.2.3 behind a CNAME and AAAA with nothing; first with somebody else's number. */
static void *serve(void *userdata)
{
    const int fd = *(int *)userdata;
    for (;;) {
        unsigned char m[512];
        struct sockaddr_storage from;
        socklen_t len = sizeof(from);
        const ssize_t n = recvfrom(fd, m, sizeof(m) - 64, 0, (struct sockaddr *)&from, &len);
        if (n <= 12)
            return NULL;
        static const unsigned char answers[] =
            "\xc0\x0c\0\5\0\1\0\0\0\1\0\4\1c\xc0\x0e\xc0\x0c\0\1\0\1\0\0\0\1\0\4\x0a\1\2\3";
        const bool a = m[n - 3] == DNS_A;
        const size_t more = a ? sizeof(answers) - 1 : 0;
        m[2] |= 0x80;
        m[7] = a ? 2 : 0;
        memcpy(m + n, answers, more);
        m[0] ^= 1;
        sendto(fd, m, (size_t)n + more, 0, (struct sockaddr *)&from, len);
        m[0] ^= 1;
        sendto(fd, m, (size_t)n + more, 0, (struct sockaddr *)&from, len);
    }
}

static void on_answer(json_t *answer_new, void *userdata)
{
    *(json_t **)userdata = answer_new;
}

static json_t *look_up(const char *name, const char *server, int timeout_ms)
{
    sd_event *event = NULL;
    struct prober *prober = NULL;
    json_t *answer = NULL;
    assert_true(sd_event_new(&event) >= 0);
    assert_int_equal(prober_new(event, &prober, NULL), 0);
    _cleanup_json_ json_t *q =
        json_pack("{s:s, s:s, s:s, s:i}", "ask", "dns", "name", name, "server", server, "timeout_ms", timeout_ms);
    probe_start(prober, q, on_answer, &answer);
    while (!answer)
        assert_true(sd_event_run(event, UINT64_MAX) >= 0);
    prober_free(prober);
    sd_event_unref(event);
    return answer;
}

static void asked(void **s _unused_)
{
    pthread_t thread;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    _cleanup_free_ char *server = xasprintf("127.0.0.1:%d", ntohs(at.sin_port));
    _cleanup_json_ json_t *silent = look_up("a.example", server, 200);
    assert_string_equal(json_text(silent, "error"), "timeout");
    assert_int_equal(pthread_create(&thread, NULL, serve, &fd), 0);
    _cleanup_json_ json_t *found = look_up("a.example", server, 5000);
    _cleanup_json_ json_t *expected = J("['10.1.2.3']");
    assert_true(json_equal(json_object_get(found, "addresses"), expected));
    assert_int_equal(json_int_or(found, "rcode", -1), 0);
    sendto(fd, "x", 1, 0, (struct sockaddr *)&at, sizeof(at)); /* it ends */
    pthread_join(thread, NULL);
    close(fd);
    _cleanup_json_ json_t *gone = look_up("a.example", server, 3000);
    assert_string_equal(json_text(gone, "error"), "refused");
    static const char *const bad[] = {"here", "1.2.3.4:x", "1.2.3.4:0", "[::1", "", NULL};
    for (size_t i = 0; bad[i]; i++) {
        _cleanup_json_ json_t *local = look_up("a.example", bad[i], 1000);
        assert_string_equal(json_text(local, "error"), "local");
    }
    _cleanup_json_ json_t *no_name = look_up("a..b", "127.0.0.1", 1000);
    assert_string_equal(json_text(no_name, "error"), "local");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(judged), cmocka_unit_test(names), cmocka_unit_test(asked)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
