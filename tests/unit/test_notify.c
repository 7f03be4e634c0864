/* Messages for people: each kind's form as a golden file, hostile values, bounds, threads. */
#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "notify/message.h"
#include "notify/notice.h"

#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define DATA "tests/data/notices/"

static json_t *load(const char *name)
{
    _cleanup_free_ char *path = xasprintf(DATA "%s.json", name), *text = NULL;
    size_t len;
    assert_int_equal(file_read(path, 1 << 20, &text, &len, NULL), 0);
    json_t *value = json_parse(text, len, len, true, NULL);
    assert_non_null(value);
    return value;
}

static struct receiver receiver(enum receiver_kind kind)
{
    struct receiver r;
    receiver_init(&r, kind);
    r.name = xstrdup("oncall");
    if (kind == RECEIVER_SLACK || kind == RECEIVER_WEBHOOK)
        r.url = xstrdup("https://hooks.example.com/T0/B0");
    r.pagerduty.routing_key = xstrdup("R0UT1NG");
    r.email.from = xstrdup("mendd <mendd@example.com>");
    r.email.to = xcalloc(3, sizeof(char *));
    r.email.to[0] = xstrdup("On \"Call\" <ops@example.com>");
    r.email.to[1] = xstrdup("second@example.com");
    return r;
}

static struct message build(enum receiver_kind kind, const json_t *notice)
{
    struct receiver r = receiver(kind);
    struct message m = {0};
    _cleanup_error_ struct error err = ERROR_NONE;
    if (message_build(&r, notice, &m, &err) != 0)
        fail_msg("%s", error_message(&err));
    receiver_clear(&r);
    return m;
}

static json_t *build_json(enum receiver_kind kind, const json_t *notice)
{
    _cleanup_message_ struct message m = build(kind, notice);
    assert_null(m.nothing);
    assert_string_equal(m.headers[0], "Content-Type: application/json");
    assert_int_equal(strlen(m.body), m.body_len);
    json_t *value = json_parse(m.body, m.body_len, m.body_len, true, NULL);
    assert_non_null(value);
    return value;
}

/* GOLDEN_WRITE=1 in the environment writes the files anew: look at the difference before it is kept. */
static void expect_golden(const char *name, const char *got)
{
    _cleanup_free_ char *path = xasprintf(DATA "%s", name), *want = NULL;
    if (getenv("GOLDEN_WRITE")) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fputs(got, file);
        fclose(file);
    }
    assert_int_equal(file_read(path, 1 << 20, &want, NULL, NULL), 0);
    assert_string_equal(got, want);
}

static void expect_golden_json(const char *name, enum receiver_kind kind, const char *notice_name)
{
    _cleanup_json_ json_t *notice = load(notice_name), *value = build_json(kind, notice);
    _cleanup_free_ char *text = json_dumps(value, JSON_INDENT(2) | JSON_SORT_KEYS);
    _cleanup_free_ char *line = xasprintf("%s\n", text);
    expect_golden(name, line);
}

static void test_golden(void **state _unused_)
{
    expect_golden_json("trigger.slack", RECEIVER_SLACK, "trigger");
    expect_golden_json("trigger.pagerduty", RECEIVER_PAGERDUTY, "trigger");
    expect_golden_json("trigger.webhook", RECEIVER_WEBHOOK, "trigger");
    expect_golden_json("approval.slack", RECEIVER_SLACK, "approval");
    expect_golden_json("approval.pagerduty", RECEIVER_PAGERDUTY, "approval");
}

static void expect_golden_mail(const char *name, const char *notice_name)
{
    _cleanup_json_ json_t *notice = load(notice_name);
    _cleanup_message_ struct message m = build(RECEIVER_EMAIL, notice);
    struct strbuf b = STRBUF_INIT; /* files of the repository end lines with LF */
    for (const char *p = m.body; *p; p++)
        if (*p != '\r')
            strbuf_putc(&b, *p);
    _cleanup_free_ char *text = strbuf_take(&b);
    expect_golden(name, text);
    assert_string_equal(m.from, "mendd@example.com");
    assert_string_equal(m.to[0], "ops@example.com");
    assert_string_equal(m.to[1], "second@example.com");
    assert_null(m.to[2]);
    assert_null(m.url);
}

static void test_golden_mail(void **state _unused_)
{
    expect_golden_mail("trigger.mail", "trigger");
    expect_golden_mail("approval.mail", "approval");
}

static json_t *with(const char *key, json_t *value_new)
{
    json_t *notice = load("trigger");
    json_object_set_new(notice, key, value_new);
    return notice;
}

static void test_pagerduty_actions(void **state _unused_)
{
    static const char *const cases[][3] = {{"trigger", "trigger", ""},
                                           {"update", "trigger", ""},
                                           {"acknowledge", "acknowledge", ""},
                                           {"resolve", "resolve", ""},
                                           {"approval", "trigger", "/approval"}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_json_ json_t *notice = with("event", json_string(cases[i][0]));
        _cleanup_json_ json_t *e = build_json(RECEIVER_PAGERDUTY, notice);
        _cleanup_free_ char *key = xasprintf("%s%s", json_text(notice, "key"), cases[i][2]);
        assert_string_equal(json_text(e, "event_action"), cases[i][1]);
        assert_string_equal(json_text(e, "dedup_key"), key);
        assert_int_equal(!!json_object_get(e, "payload"), str_eq(cases[i][1], "trigger"));
    }
    static const char *const changes[] = {"maintenance", "digest", "note"};
    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        _cleanup_json_ json_t *notice = with("event", json_string(changes[i]));
        _cleanup_message_ struct message m = build(RECEIVER_PAGERDUTY, notice);
        assert_string_equal(m.url, "https://events.pagerduty.com/v2/change/enqueue");
        assert_null(strstr(m.body, "event_action"));
        struct receiver r = receiver(RECEIVER_PAGERDUTY);
        struct message odd;
        r.url = xstrdup("http://127.0.0.1:1/pd");
        assert_int_equal(message_build(&r, notice, &odd, NULL), 0);
        assert_non_null(odd.nothing);
        receiver_clear(&r);
    }
}

static void test_pagerduty_severities(void **state _unused_)
{
    static const char *const cases[][2] = {
        {"critical", "critical"}, {"P0", "critical"},     {"P1", "critical"},    {"Severity 1", "critical"},
        {"SEV-1", "critical"},    {"P2", "error"},        {"error", "error"},    {"high", "error"},
        {"Severity 2", "error"},  {"warning", "warning"}, {"P3", "warning"},     {"info", "info"},
        {"low", "info"},          {"P4", "info"},         {"whatever", "error"}, {"", "error"}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_json_ json_t *notice = with("severity", json_string(cases[i][0]));
        _cleanup_json_ json_t *e = build_json(RECEIVER_PAGERDUTY, notice);
        assert_string_equal(json_path_text(e, "payload", "severity", NULL), cases[i][1]);
    }
}

/* n bytes of a three-byte character, so that a careless cut tears one apart. */
static json_t *long_text(size_t n)
{
    struct strbuf b = STRBUF_INIT;
    while (b.len < n)
        strbuf_puts(&b, "\xe2\x82\xac");
    _cleanup_free_ char *text = strbuf_take(&b);
    return json_string(text);
}

static void test_pagerduty_bounds(void **state _unused_)
{
    for (size_t n = 3000; n < 3010; n++) {
        _cleanup_json_ json_t *notice = with("summary", long_text(n));
        _cleanup_json_ json_t *e = build_json(RECEIVER_PAGERDUTY, notice);
        assert_in_range(strlen(json_path_text(e, "payload", "summary", NULL)), 1018, 1024);
    }
    _cleanup_json_ json_t *a = with("key", long_text(300)), *b = with("key", long_text(303));
    _cleanup_json_ json_t *ea = build_json(RECEIVER_PAGERDUTY, a), *eb = build_json(RECEIVER_PAGERDUTY, b);
    assert_true(strlen(json_text(ea, "dedup_key")) <= 255);
    assert_string_not_equal(json_text(ea, "dedup_key"), json_text(eb, "dedup_key"));
}

/* Every text under `type` (and its limits) of Slack's blocks. */
static void check_slack_text(const json_t *text, size_t max)
{
    const char *s = json_text(text, "text");
    assert_non_null(s);
    assert_in_range(strlen(s), 1, max);
    if (str_eq(json_text(text, "type"), "mrkdwn"))
        assert_true(json_bool_or(text, "verbatim", false));
    for (const char *p = s; (p = strchr(p, '<')); p++) /* the only tag is our own link */
        assert_true(str_starts(p, "<https://mendd.example.com/"));
    for (const char *p = s; (p = strchr(p, '&')); p++)
        assert_true(str_starts(p, "&amp;") || str_starts(p, "&lt;") || str_starts(p, "&gt;"));
}

static void check_slack(const json_t *body)
{
    const json_t *blocks = json_object_get(body, "blocks");
    size_t i, k;
    json_t *block, *field;
    assert_in_range(json_array_size(blocks), 1, 50);
    assert_in_range(strlen(json_text(body, "text")), 1, 3000);
    assert_null(strchr(json_text(body, "text"), '<'));
    json_array_foreach (blocks, i, block) {
        const json_t *text = json_object_get(block, "text"), *fields = json_object_get(block, "fields");
        if (text)
            check_slack_text(text, str_eq(json_text(block, "type"), "header") ? 150 : 3000);
        assert_true(json_array_size(fields) <= 10);
        json_array_foreach (fields, k, field)
            check_slack_text(field, 2000);
        json_array_foreach (json_object_get(block, "elements"), k, field)
            check_slack_text(field, 3000);
    }
}

/* Every text of a notice replaced, labels and all. */
static json_t *hostile(const json_t *value, const char *text)
{
    json_t *copy, *member;
    const char *key;
    size_t i;
    if (json_is_object(value)) {
        copy = json_object();
        json_object_foreach ((json_t *)value, key, member)
            json_object_set_new(copy, key, hostile(member, text));
        return copy;
    }
    if (json_is_array(value)) {
        copy = json_array();
        json_array_foreach (value, i, member)
            for (int n = 0; n < 210; n++)
                json_array_append_new(copy, hostile(member, text));
        return copy;
    }
    return json_is_string(value) ? json_text_new(text, strlen(text)) : json_copy((json_t *)value);
}

static json_t *hostile_notice(const char *event, const char *text)
{
    _cleanup_json_ json_t *plain = load("approval");
    json_object_set_new(plain, "items", json_pack("[{s:s, s:s, s:s}]", "title", "a", "text", "b", "time", "c"));
    json_object_set_new(plain, "labels", json_pack("{s:s, s:s}", "a", "b", "c", "d"));
    for (int i = 0; i < 100; i++) { /* more than are kept */
        _cleanup_free_ char *name = xasprintf("%d%.400s", i, text);
        json_set_text(json_object_get(plain, "annotations"), name, "x");
        json_set_text(json_object_get(plain, "labels"), name, "x");
    }
    json_t *notice = hostile(plain, text);
    json_set_text(notice, "event", event);
    json_set_text(notice, "time", "2026-01-05T10:00:00Z");
    return notice;
}

static char *repeated(const char *s, size_t len)
{
    struct strbuf b = STRBUF_INIT;
    while (b.len < len)
        strbuf_puts(&b, s);
    return strbuf_take(&b);
}

static const char *const events[] = {"trigger",  "update",      "acknowledge", "resolve",
                                     "approval", "maintenance", "digest",      "unheard of"};
static const char *const evil[] = {"<!channel> & <http://evil|click> <@U1>",
                                   "x\r\nBcc: evil@example.com\r\n\r\nbody",
                                   "=?utf-8?q?=0D=0ABcc:_x?=",
                                   "\xe2\x82\xac\xf0\x9f\x94\xa5\xc2\x85\x01\x7f\n.\n..",
                                   "&<>",
                                   "",
                                   "%s%n%d"};

/* Every header line is one of ours, short, ASCII; then the body. */
static void check_mail(const char *mail)
{
    static const char *const known[] = {"Date: ",
                                        "From: ",
                                        "To: ",
                                        "Subject: ",
                                        "Message-ID: <mendd.",
                                        "In-Reply-To: <mendd.",
                                        "References: <mendd.",
                                        "Auto-Submitted: ",
                                        "MIME-Version: ",
                                        "Content-Type: ",
                                        "Content-Transfer-Encoding: ",
                                        " "};
    bool in_body = false;
    assert_true(str_ends(mail, "\r\n"));
    for (const char *line = mail; *line;) {
        const char *end = strstr(line, "\r\n");
        assert_non_null(end);
        assert_true(end - line <= 78);
        bool ours = in_body || end == line;
        for (size_t i = 0; i < ARRAY_SIZE(known); i++)
            ours |= str_starts(line, known[i]);
        if (!ours)
            fail_msg("not ours: %.*s", (int)(end - line), line);
        for (const char *p = line; p < end; p++)
            assert_true(((unsigned char)*p >= 0x20 || *p == '\t') && (unsigned char)*p < 0x7f);
        in_body |= end == line;
        line = end + 2;
    }
    assert_true(in_body);
    assert_non_null(strstr(mail, "\r\nSubject: "));
}

static void check_all(const json_t *notice)
{
    _cleanup_json_ json_t *slack = build_json(RECEIVER_SLACK, notice);
    check_slack(slack);
    _cleanup_json_ json_t *webhook = build_json(RECEIVER_WEBHOOK, notice);
    assert_string_equal(json_text(webhook, "version"), "1");
    _cleanup_message_ struct message pager = build(RECEIVER_PAGERDUTY, notice);
    assert_true(pager.body_len < 512 * 1024);
    _cleanup_message_ struct message mail = build(RECEIVER_EMAIL, notice);
    assert_true(mail.body_len < 256 * 1024);
    check_mail(mail.body);
}

static void test_hostile_values(void **state _unused_)
{
    for (size_t e = 0; e < ARRAY_SIZE(events); e++)
        for (size_t i = 0; i < ARRAY_SIZE(evil); i++) {
            _cleanup_free_ char *flood = repeated(*evil[i] ? evil[i] : "z", 5000);
            _cleanup_json_ json_t *shorter = hostile_notice(events[e], evil[i]);
            _cleanup_json_ json_t *longer = hostile_notice(events[e], flood);
            check_all(shorter);
            check_all(longer);
        }
    _cleanup_json_ json_t *bare = json_pack("{s:s, s:s}", "event", "trigger", "time", "2026-01-05T10:00:00Z");
    check_all(bare);
    _cleanup_json_ json_t *wrong = json_pack("{s:s, s:s, s:i, s:[i], s:i, s:s, s:[[[[[[[[i]]]]]]]]}", "event",
                                             "trigger", "time", "2026-01-05T10:00:00Z", "summary", 1, "labels", 2,
                                             "plan", 3, "url", "javascript:alert(1)", "items", 4);
    check_all(wrong);
}

static void test_lines(void **state _unused_)
{
    static const char *const cases[][2] = {{"plain", "plain"},
                                           {" a\r\nb\tc\x7f\xc2\x85\x1b[ ", "a  b c    ["},
                                           {"1234567890ab", "1234567890ab"},
                                           {"1234567890abc", "123456789\xe2\x80\xa6"},
                                           {"12345678\xe2\x82\xac\xe2\x82\xac", "12345678\xe2\x80\xa6"},
                                           {"", ""}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_free_ char *line = text_line(cases[i][0], 12);
        assert_string_equal(line, cases[i][1]);
    }
}

static void test_links(void **state _unused_)
{
    assert_non_null(link_ok("https://mendd.example.com/actions/1?a=b&c"));
    static const char *const bad[] = {NULL,
                                      "",
                                      "javascript:alert(1)",
                                      "https://a/ b",
                                      "https://a/<!channel>",
                                      "https://a/|x",
                                      "https://a/\n",
                                      "https://a/\xe2\x80\xae",
                                      "ftp://a/"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_null(link_ok(bad[i]));
}

static void test_webhook(void **state _unused_)
{
    struct receiver r = receiver(RECEIVER_WEBHOOK);
    _cleanup_json_ json_t *notice = load("trigger");
    _cleanup_message_ struct message m = {0};
    r.webhook.bearer_token = xstrdup("hunter2");
    assert_int_equal(message_build(&r, notice, &m, NULL), 0);
    assert_string_equal(m.headers[1], "Authorization: Bearer hunter2");
    assert_null(m.headers[2]);
    assert_string_equal(m.url, "https://hooks.example.com/T0/B0");
    assert_null(strstr(m.body, "hunter2"));
    receiver_clear(&r);
}

/* The line of a header, without its line break; the caller frees. */
static char *header(const char *mail, const char *name)
{
    _cleanup_free_ char *begin = xasprintf("\r\n%s: ", name);
    const char *at = strstr(mail, begin);
    return at ? xstrndup(at + strlen(begin), strcspn(at + strlen(begin), "\r")) : NULL;
}

static char *mail_header(const char *event, int level, const char *key, const char *name)
{
    _cleanup_json_ json_t *notice = load("trigger");
    json_set_text(notice, "event", event);
    json_set_text(notice, "key", key);
    json_object_set_new(notice, "level", json_integer(level));
    _cleanup_message_ struct message m = build(RECEIVER_EMAIL, notice);
    return header(m.body, name);
}

static void test_one_run_is_one_thread(void **state _unused_)
{
    _cleanup_free_ char *root = mail_header("trigger", 0, "mendd/1", "Message-ID");
    _cleanup_free_ char *again = mail_header("trigger", 0, "mendd/1", "Message-ID");
    _cleanup_free_ char *other = mail_header("trigger", 0, "mendd/2", "Message-ID");
    _cleanup_free_ char *no_parent = mail_header("trigger", 0, "mendd/1", "In-Reply-To");
    _cleanup_free_ char *update = mail_header("update", 1, "mendd/1", "Message-ID");
    _cleanup_free_ char *parent = mail_header("update", 1, "mendd/1", "In-Reply-To");
    _cleanup_free_ char *references = mail_header("resolve", 0, "mendd/1", "References");
    _cleanup_free_ char *digest = mail_header("digest", 0, "mendd/1", "References");
    assert_string_equal(root, again);
    assert_string_not_equal(root, other);
    assert_null(no_parent);
    assert_string_not_equal(root, update);
    assert_string_equal(root, parent);
    assert_string_equal(root, references);
    assert_null(digest);
    assert_true(str_ends(root, "@example.com>"));
}

static char *mail_date(const char *time)
{
    _cleanup_json_ json_t *notice = with("time", json_string(time));
    _cleanup_message_ struct message m = build(RECEIVER_EMAIL, notice);
    assert_true(str_starts(m.body, "Date: "));
    return xstrndup(m.body + 6, strcspn(m.body + 6, "\r"));
}

static void test_dates(void **state _unused_)
{
    static const char *const cases[][2] = {{"1970-01-01T00:00:00Z", "Thu, 1 Jan 1970 00:00:00 +0000"},
                                           {"2026-01-05T10:00:00Z", "Mon, 5 Jan 2026 10:00:00 +0000"},
                                           {"2028-02-29T23:59:59.9+02:00", "Tue, 29 Feb 2028 21:59:59 +0000"}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_free_ char *date = mail_date(cases[i][0]);
        assert_string_equal(date, cases[i][1]);
    }
}

static void test_what_has_no_message(void **state _unused_)
{
    _cleanup_json_ json_t *notice = load("trigger"), *resolve = with("event", json_string("resolve"));
    _cleanup_json_ json_t *no_time = with("time", json_string("soon")), *empty = json_object();
    struct message m = {0};
    static const enum receiver_kind kinds[] = {RECEIVER_SLACK, RECEIVER_PAGERDUTY, RECEIVER_WEBHOOK, RECEIVER_EMAIL};
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        struct receiver bare, quiet = receiver(kinds[i]);
        _cleanup_error_ struct error err = ERROR_NONE;
        receiver_init(&bare, kinds[i]);
        bare.name = xstrdup("bare");
        assert_int_equal(message_build(&bare, notice, &m, &err), -EINVAL);
        assert_non_null(strstr(err.message, "bare"));
        assert_int_equal(message_build(&quiet, empty, &m, NULL), -EINVAL);
        quiet.send_resolved = false;
        assert_int_equal(message_build(&quiet, resolve, &m, NULL), 0);
        assert_non_null(m.nothing);
        receiver_clear(&bare);
        receiver_clear(&quiet);
    }
    struct receiver mail = receiver(RECEIVER_EMAIL);
    assert_int_equal(message_build(&mail, no_time, &m, NULL), -EINVAL);
    str_replace(&mail.email.to[1], "x@y>\r\nBcc: z");
    assert_int_equal(message_build(&mail, notice, &m, NULL), -EINVAL);
    receiver_clear(&mail);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden),
                                       cmocka_unit_test(test_golden_mail),
                                       cmocka_unit_test(test_pagerduty_actions),
                                       cmocka_unit_test(test_pagerduty_severities),
                                       cmocka_unit_test(test_pagerduty_bounds),
                                       cmocka_unit_test(test_hostile_values),
                                       cmocka_unit_test(test_lines),
                                       cmocka_unit_test(test_links),
                                       cmocka_unit_test(test_webhook),
                                       cmocka_unit_test(test_one_run_is_one_thread),
                                       cmocka_unit_test(test_dates),
                                       cmocka_unit_test(test_what_has_no_message)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
