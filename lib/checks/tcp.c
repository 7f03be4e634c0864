/* tcp: whether a port takes connections; redis: one command and what it should answer. */
#include "base/alloc.h"
#include "base/text.h"
#include "checks/common.h"
#include "checks/probe.h"
#include "core/redis_ask.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { TIMEOUT_MS = 5000 };

static json_t *question_new(const struct check_in *in, const char *ask_name)
{
    json_t *q = json_pack("{s:s, s:s, s:I}", "ask", ask_name, "address", json_text_or(in->with, "address", ""),
                          "timeout_ms", (json_int_t)json_int_or(in->with, "timeout", TIMEOUT_MS));
    return q;
}

static int tcp_judge(const struct check_in *in, struct check_result *ret)
{
    const char *address = json_text_or(in->with, "address", "");
    if (!address_is_valid(address))
        return check_say(ret, VERDICT_UNKNOWN, "\"%.100s\" is no address (host:port)", address);
    const json_t *answer = ask(in->asks, question_new(in, "tcp"));
    if (!answer)
        return -EAGAIN;
    if (probe_failed(answer, address, ret))
        return 0;
    return check_say(ret, VERDICT_PASS, "%s takes connections (%lld ms)", address,
                     (long long)json_int_or(answer, "latency_ms", 0));
}

static const struct param tcp_params[] = {
    {"address", PARAM_TEXT, true, NULL, "host:port"},
    {"timeout", PARAM_DURATION, false, NULL, "how long a connection may take (5s)"},
    {0},
};

const struct check check_tcp = {
    .name = "tcp",
    .params = tcp_params,
    .doc = "a port takes connections",
    .judge = tcp_judge,
};

/* ---- redis ---- */

/* The whole answer, or one of its lines (INFO). */
static bool answers_text(const char *text, const char *expect)
{
    const size_t n = strlen(expect);
    if (str_eq(text, expect))
        return true;
    for (const char *line = text; *line;) {
        const size_t len = strcspn(line, "\r\n");
        if (len == n && strncmp(line, expect, n) == 0)
            return true;
        line += len + strspn(line + len, "\r\n");
    }
    return false;
}

static int judge_bounds(const struct check_in *in, const char *text, struct check_result *ret)
{
    const json_t *least = json_object_get(in->with, "at_least"), *most = json_object_get(in->with, "at_most");
    char *end = NULL;
    const double n = str_empty(text) ? 0 : strtod(text, &end);
    if ((least || most) && (!end || *end))
        return check_say(ret, VERDICT_FAIL, "redis answered \"%.100s\", which is no number", text);
    if (least && n < json_number_value(least))
        return check_say(ret, VERDICT_FAIL, "redis answered %.100s, at least %g is needed", text,
                         json_number_value(least));
    if (most && n > json_number_value(most))
        return check_say(ret, VERDICT_FAIL, "redis answered %.100s, at most %g is fine", text, json_number_value(most));
    return check_say(ret, VERDICT_PASS, "redis answered %.100s", text);
}

static int judge_error(const char *error, struct check_result *ret)
{
    static const char *const denied[] = {"NOAUTH", "WRONGPASS", "NOPERM"};
    bool unknown = str_starts(error, "ERR invalid password");
    for (size_t i = 0; i < ARRAY_SIZE(denied); i++)
        unknown = unknown || str_starts(error, denied[i]);
    return check_say(ret, unknown ? VERDICT_UNKNOWN : VERDICT_FAIL, "redis answered an error: %.200s", error);
}

static int redis_judge(const struct check_in *in, struct check_result *ret)
{
    const char *address = json_text_or(in->with, "address", "");
    _cleanup_json_ json_t *command = json_incref(json_object_get(in->with, "command"));
    const char *expect = json_text_or(in->with, "expect", command ? NULL : "PONG");
    command = command ? command : json_pack("[s]", "PING");
    if (!address_is_valid(address))
        return check_say(ret, VERDICT_UNKNOWN, "\"%.100s\" is no address (host:port)", address);
    if (!redis_is_reading(command))
        return check_say(ret, VERDICT_UNKNOWN, "a check may only ask redis what changes nothing (PING, INFO, LLEN, …)");
    json_t *q = question_new(in, "redis");
    json_object_set(q, "command", command);
    json_set_text(q, "password_file", json_text(in->with, "password_file"));
    const json_t *answer = ask(in->asks, q);
    if (!answer)
        return -EAGAIN;
    if (probe_failed(answer, address, ret))
        return 0;
    if (json_text(answer, "redis_error"))
        return judge_error(json_text(answer, "redis_error"), ret);
    const json_t *integer = json_object_get(answer, "integer");
    _cleanup_free_ char *text =
        json_is_integer(integer) ? json_compact(integer) : xstrdup(json_text_or(answer, "text", ""));
    if (expect && !answers_text(text, expect))
        return check_say(ret, VERDICT_FAIL, "redis answered \"%.100s\", not \"%.100s\"", text, expect);
    return judge_bounds(in, text, ret);
}

static const struct param redis_params[] = {
    {"address", PARAM_TEXT, true, NULL, "host:port"},
    {"password_file", PARAM_TEXT, false, NULL, "a file on mendd's host that holds the password"},
    {"command", PARAM_TEXTS, false, NULL, "a command that only reads: [LLEN, jobs] ([PING], which expects PONG)"},
    {"expect", PARAM_TEXT, false, NULL, "the answer, or one of its lines"},
    {"at_least", PARAM_NUMBER, false, NULL, "the answer is a number, this or more"},
    {"at_most", PARAM_NUMBER, false, NULL, "the answer is a number, this or less"},
    {"timeout", PARAM_DURATION, false, NULL, "how long it may take (5s)"},
    {0},
};

const struct check check_redis = {
    .name = "redis",
    .params = redis_params,
    .doc = "Redis answers a command as it should",
    .judge = redis_judge,
};
