/* The notifier against local stand-ins: answers, timeouts, order, and that one receiver does not hold up another. */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"
#include "engine/notify.h"
#include "support/script_server.h"
#include "support/smtp_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { RECEIVERS_MAX = 8 };

struct world {
    sd_event *event;
    struct notifier *notifier;
    struct script_server *server;
    struct receiver receivers[RECEIVERS_MAX];
    size_t n_receivers;
    /* seen by the server, guarded by its lock */
    int stalled;
    char target[2048], body[8192], authorization[128], order[256];
};

static char *handle(const struct script_request *req, void *userdata)
{
    struct world *w = userdata;
    _cleanup_free_ char *authorization = script_header(req, "Authorization");
    snprintf(w->target, sizeof(w->target), "%s", req->target);
    snprintf(w->body, sizeof(w->body), "%s", req->body);
    snprintf(w->authorization, sizeof(w->authorization), "%s", authorization ? authorization : "");
    if (str_eq(req->target, "/stall")) {
        w->stalled++;
        return xstrdup("");
    }
    if (str_eq(req->target, "/v2/enqueue"))
        return script_json(202, "{\"status\":\"success\"}");
    if (str_eq(req->target, "/busy"))
        return xstrdup("HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n");
    if (str_eq(req->target, "/fail"))
        return script_json(500, "out of\r\norder");
    if (str_eq(req->target, "/moved"))
        return xstrdup("HTTP/1.1 302 Found\r\nLocation: /v2/enqueue\r\nContent-Length: 0\r\n\r\n");
    if (str_eq(req->target, "/echo"))
        return script_json(400, w->authorization);
    if (str_eq(req->target, "/order")) {
        const char *event = strstr(req->body, "\"event\":\"");
        size_t n = strlen(w->order);
        w->order[n] = event ? event[9] : '?';
        w->order[n + 1] = '\0';
        usleep(20000);
    }
    return script_json(200, "ok");
}

static struct receiver *add(struct world *w, const char *name, enum receiver_kind kind, const char *path)
{
    assert_true(w->n_receivers < RECEIVERS_MAX);
    struct receiver *r = &w->receivers[w->n_receivers++];
    receiver_init(r, kind);
    r->name = xstrdup(name);
    if (path)
        r->url = xasprintf("http://127.0.0.1:%d%s", w->server->port, path);
    return r;
}

static void apply(struct world *w, int timeout_ms)
{
    const struct notifier_settings s = {.receivers = w->receivers,
                                        .n_receivers = w->n_receivers,
                                        .external_url = "https://mendd.example.com/",
                                        .timeout_ms = timeout_ms};
    if (w->notifier)
        notifier_set(w->notifier, &s);
    else
        assert_int_equal(notifier_new(w->event, &s, &w->notifier, NULL), 0);
}

static int setup(void **state)
{
    struct world *w = xnew0(struct world);
    assert_true(sd_event_new(&w->event) >= 0);
    w->server = script_start(handle, w);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    notifier_free(w->notifier);
    script_stop(w->server);
    for (size_t i = 0; i < w->n_receivers; i++)
        receiver_clear(&w->receivers[i]);
    sd_event_unref(w->event);
    free(w);
    return 0;
}

static void on_answer(json_t *answer_new, void *userdata)
{
    json_t **ret = userdata;
    assert_null(*ret);
    *ret = answer_new;
}

static json_t *notice_new(const char *receiver, const char *event, const char *key)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "receiver", receiver, "event", event, "key", key, "time",
                     "2026-01-05T10:00:00Z", "severity", "critical", "summary", "redis is down", "path",
                     "/actions/01h");
}

static void send_to(struct world *w, const char *receiver, const char *event, const char *key, json_t **ret)
{
    _cleanup_json_ json_t *notice = notice_new(receiver, event, key);
    notify_send(w->notifier, notice, on_answer, ret);
    assert_null(*ret); /* never from within */
}

static void wait_for(struct world *w, json_t **answer)
{
    const int64_t end_us = now_read().boot_us + 10 * USEC_PER_SEC;
    while (!*answer && now_read().boot_us < end_us)
        assert_true(sd_event_run(w->event, USEC_PER_SEC) >= 0);
    assert_non_null(*answer);
}

static json_t *tell(struct world *w, const char *receiver, const char *event)
{
    json_t *answer = NULL;
    send_to(w, receiver, event, "mendd/01h", &answer);
    wait_for(w, &answer);
    return answer;
}

static void test_answers(void **state)
{
    struct world *w = *state;
    add(w, "pager", RECEIVER_PAGERDUTY, "/v2/enqueue")->pagerduty.routing_key = xstrdup("R0UT1NG");
    add(w, "busy", RECEIVER_SLACK, "/busy");
    add(w, "fail", RECEIVER_SLACK, "/fail");
    add(w, "moved", RECEIVER_WEBHOOK, "/moved");
    apply(w, 0);
    _cleanup_json_ json_t *a = tell(w, "pager", "trigger");
    assert_int_equal(json_int_or(a, "status", 0), 202);
    assert_non_null(strstr(w->body, "\"routing_key\":\"R0UT1NG\""));
    assert_non_null(strstr(w->body, "\"href\":\"https://mendd.example.com/actions/01h\""));
    _cleanup_json_ json_t *b = tell(w, "busy", "trigger");
    assert_int_equal(json_int_or(b, "status", 0), 429);
    assert_int_equal(json_int_or(b, "retry_after_s", 0), 7);
    _cleanup_json_ json_t *c = tell(w, "fail", "trigger");
    assert_int_equal(json_int_or(c, "status", 0), 500);
    assert_string_equal(json_text(c, "text"), "out of  order");
    _cleanup_json_ json_t *d = tell(w, "moved", "trigger");
    assert_int_equal(json_int_or(d, "status", 0), 302);
    assert_string_equal(w->target, "/moved");
}

static void test_what_cannot_be_sent(void **state)
{
    struct world *w = *state;
    add(w, "gone", RECEIVER_SLACK, NULL)->url_file = xstrdup("/nonexistent/slack");
    add(w, "closed", RECEIVER_WEBHOOK, NULL)->url = xasprintf("http://127.0.0.1:%d/", script_closed_port());
    add(w, "bad", RECEIVER_WEBHOOK, "/")->webhook.bearer_token = xstrdup("a\nb");
    add(w, "quiet", RECEIVER_WEBHOOK, "/")->send_resolved = false;
    apply(w, 0);
    _cleanup_json_ json_t *a = tell(w, "nobody", "trigger");
    assert_string_equal(json_text(a, "error"), "local");
    assert_string_equal(json_text(a, "message"), "the configuration names no receiver nobody");
    _cleanup_json_ json_t *b = tell(w, "gone", "trigger");
    assert_string_equal(json_text(b, "error"), "local");
    assert_non_null(strstr(json_text(b, "message"), "/nonexistent/slack"));
    _cleanup_json_ json_t *c = tell(w, "closed", "trigger");
    assert_string_equal(json_text(c, "error"), "refused");
    _cleanup_json_ json_t *d = tell(w, "bad", "trigger");
    assert_string_equal(json_text(d, "error"), "local");
    assert_null(strstr(json_text(d, "message"), "a\nb"));
    _cleanup_json_ json_t *e = tell(w, "quiet", "resolve");
    assert_int_equal(json_int_or(e, "status", 0), 204);
    assert_int_equal(script_requests(w->server), 0);
    _cleanup_json_ json_t *empty = json_object();
    json_t *f = NULL;
    notify_send(w->notifier, empty, on_answer, &f);
    wait_for(w, &f);
    assert_string_equal(json_text(f, "error"), "local");
    json_decref(f);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void test_secrets_rotate_and_stay_secret(void **state)
{
    struct world *w = *state;
    char path[] = "/tmp/mendd-test-XXXXXX";
    close(mkstemp(path));
    add(w, "hook", RECEIVER_WEBHOOK, "/echo")->webhook.bearer_token_file = xstrdup(path);
    apply(w, 0);
    write_file(path, "hunter2\n");
    _cleanup_json_ json_t *a = tell(w, "hook", "trigger");
    assert_string_equal(w->authorization, "Bearer hunter2");
    assert_int_equal(json_int_or(a, "status", 0), 400);
    assert_null(strstr(json_text(a, "text"), "hunter2")); /* though the server repeats it */
    write_file(path, "swordfish");
    _cleanup_json_ json_t *b = tell(w, "hook", "trigger");
    assert_string_equal(w->authorization, "Bearer swordfish");
    unlink(path);
}

static void test_hang_is_bounded(void **state)
{
    struct world *w = *state;
    add(w, "slow", RECEIVER_SLACK, "/stall");
    apply(w, 200);
    const int64_t began = now_read().boot_us;
    _cleanup_json_ json_t *a = tell(w, "slow", "trigger");
    assert_string_equal(json_text(a, "error"), "timeout");
    assert_true(now_read().boot_us - began < 3 * USEC_PER_SEC);
}

/* Twenty for the one that hangs, then one for the other: it does not wait, and only two hang at a time. */
static void test_one_does_not_hold_up_the_other(void **state)
{
    struct world *w = *state;
    json_t *slow[20] = {NULL}, *fast = NULL;
    add(w, "slow", RECEIVER_SLACK, "/stall");
    add(w, "fast", RECEIVER_SLACK, "/");
    apply(w, 60000);
    for (size_t i = 0; i < ARRAY_SIZE(slow); i++) {
        char key[16];
        snprintf(key, sizeof(key), "k%zu", i);
        send_to(w, "slow", "trigger", key, &slow[i]);
    }
    send_to(w, "fast", "trigger", "k", &fast);
    wait_for(w, &fast);
    assert_int_equal(json_int_or(fast, "status", 0), 200);
    json_decref(fast);
    for (int i = 0; i < 20; i++)
        sd_event_run(w->event, 10 * USEC_PER_MSEC);
    pthread_mutex_lock(&w->server->lock);
    assert_int_equal(w->stalled, 2);
    pthread_mutex_unlock(&w->server->lock);
    w->notifier = notifier_free(w->notifier);
    for (size_t i = 0; i < ARRAY_SIZE(slow); i++) {
        assert_string_equal(json_text(slow[i], "error"), "cancelled");
        json_decref(slow[i]);
    }
}

/* Of five receivers that hang, two each, the last gets its first all the same, but no second: eight are under way. */
static void test_many_that_hang(void **state)
{
    struct world *w = *state;
    json_t *answers[10] = {NULL};
    for (size_t i = 0; i < 5; i++) {
        char name[16];
        snprintf(name, sizeof(name), "r%zu", i);
        add(w, name, RECEIVER_SLACK, "/stall");
    }
    apply(w, 60000);
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        char name[16], key[16];
        snprintf(name, sizeof(name), "r%zu", i / 2);
        snprintf(key, sizeof(key), "k%zu", i);
        send_to(w, name, "trigger", key, &answers[i]);
    }
    for (int i = 0; i < 60; i++)
        sd_event_run(w->event, 10 * USEC_PER_MSEC);
    pthread_mutex_lock(&w->server->lock);
    assert_int_equal(w->stalled, 9);
    pthread_mutex_unlock(&w->server->lock);
    w->notifier = notifier_free(w->notifier);
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
        json_decref(answers[i]);
}

static void test_one_key_in_order(void **state)
{
    struct world *w = *state;
    static const char *const events[] = {"trigger", "update", "acknowledge", "resolve", "trigger", "resolve"};
    json_t *answers[ARRAY_SIZE(events)] = {NULL};
    add(w, "hook", RECEIVER_WEBHOOK, "/order");
    apply(w, 0);
    for (size_t i = 0; i < ARRAY_SIZE(events); i++)
        send_to(w, "hook", events[i], "mendd/01h", &answers[i]);
    for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
        wait_for(w, &answers[i]);
        json_decref(answers[i]);
    }
    assert_string_equal(w->order, "tuartr");
}

static void test_reload_keeps_what_is_on_its_way(void **state)
{
    struct world *w = *state;
    json_t *first = NULL, *second = NULL;
    add(w, "hook", RECEIVER_WEBHOOK, "/stall");
    apply(w, 300);
    send_to(w, "hook", "trigger", "k", &first);
    send_to(w, "hook", "resolve", "k", &second);
    for (int i = 0; i < 10; i++)
        sd_event_run(w->event, 10 * USEC_PER_MSEC);
    receiver_clear(&w->receivers[0]);
    w->n_receivers = 0;
    add(w, "hook", RECEIVER_WEBHOOK, "/new");
    apply(w, 5000);
    wait_for(w, &first);
    assert_string_equal(json_text(first, "error"), "timeout"); /* neither cancelled nor sent a second time */
    wait_for(w, &second);
    assert_int_equal(json_int_or(second, "status", 0), 200);
    assert_string_equal(w->target, "/new");
    json_decref(first);
    json_decref(second);
}

static void test_mail(void **state)
{
    struct world *w = *state;
    struct smtp_server *mail = smtp_server_start(NULL, "", NULL);
    struct receiver *r = add(w, "mail", RECEIVER_EMAIL, NULL);
    r->email.smarthost = xasprintf("127.0.0.1:%d", mail->port);
    r->email.from = xstrdup("mendd <mendd@example.com>");
    r->email.to = xcalloc(2, sizeof(char *));
    r->email.to[0] = xstrdup("On Call <ops@example.com>");
    apply(w, 0);
    _cleanup_json_ json_t *a = tell(w, "mail", "trigger");
    assert_int_equal(json_int_or(a, "status", 0), 250);
    _cleanup_free_ char *heard = smtp_server_heard(mail);
    assert_non_null(strstr(heard, "MAIL FROM:<mendd@example.com>\r\nRCPT TO:<ops@example.com>\r\n"));
    assert_non_null(strstr(heard, "Subject: [mendd] critical: redis is down\r\n"));
    r->email.tls = RECEIVER_TLS_REQUIRED;
    apply(w, 0);
    _cleanup_json_ json_t *b = tell(w, "mail", "trigger");
    assert_string_equal(json_text(b, "error"), "tls");
    smtp_server_stop(mail);
}

static void free_notifier(json_t *answer_new, void *userdata)
{
    struct world *w = userdata;
    json_decref(answer_new);
    w->notifier = notifier_free(w->notifier);
}

static void test_freed_by_its_own_callback(void **state)
{
    struct world *w = *state;
    json_t *waiting = NULL;
    add(w, "hook", RECEIVER_WEBHOOK, "/");
    apply(w, 0);
    _cleanup_json_ json_t *notice = notice_new("hook", "trigger", "k");
    notify_send(w->notifier, notice, free_notifier, w);
    send_to(w, "hook", "resolve", "k", &waiting);
    wait_for(w, &waiting);
    assert_null(w->notifier);
    assert_string_equal(json_text(waiting, "error"), "cancelled");
    json_decref(waiting);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_answers),
                                       T(test_what_cannot_be_sent),
                                       T(test_secrets_rotate_and_stay_secret),
                                       T(test_hang_is_bounded),
                                       T(test_one_does_not_hold_up_the_other),
                                       T(test_many_that_hang),
                                       T(test_one_key_in_order),
                                       T(test_reload_keeps_what_is_on_its_way),
                                       T(test_mail),
                                       T(test_freed_by_its_own_callback)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
