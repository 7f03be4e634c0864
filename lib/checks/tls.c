/* tls: the certificate that a server shows is valid for the name, trusted, and will be for a while. Expired, of another
 * name or not trusted: fail. A server that cannot be reached says nothing of its certificate: unknown. */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"
#include "checks/common.h"
#include "checks/probe.h"

#include <errno.h>
#include <string.h>

enum { TIMEOUT_MS = 5000, DAYS_LEFT = 30, NAMES_SHOWN = 3 };
#define DAY_US (INT64_C(86400) * USEC_PER_SEC)

static void say_names(const json_t *names, struct strbuf *b)
{
    size_t i;
    json_t *name;
    json_array_foreach ((json_t *)names, i, name)
        if (i < NAMES_SHOWN && json_string_value(name))
            strbuf_printf(b, "%s%s", i ? ", " : "", json_string_value(name));
    if (json_array_size(names) > NAMES_SHOWN)
        strbuf_puts(b, ", …");
    if (json_array_size(names) == 0)
        strbuf_puts(b, "no name");
}

static int judge_shown(const struct check_in *in, const json_t *shown, const char *address, struct check_result *ret)
{
    const int64_t after_us = json_int_or(shown, "not_after", 0) * USEC_PER_SEC, now_us = in->now.wall_us;
    const int64_t needed = json_int_or(in->with, "days_left", DAYS_LEFT), days = (after_us - now_us) / DAY_US;
    const bool look_only = json_bool_or(in->with, "insecure", false);
    const char *why = json_text_or(shown, "why", "the chain leads to nobody who is trusted");
    _cleanup_strbuf_ struct strbuf names = {.max = 300};
    char until[TIME_TEXT_MAX];
    time_format_seconds(after_us, until);
    say_names(json_object_get(shown, "names"), &names);
    if (now_us >= after_us)
        return check_say(ret, VERDICT_FAIL, "%s: the certificate expired at %s", address, until);
    if (json_int_or(shown, "not_before", 0) * USEC_PER_SEC > now_us)
        return check_say(ret, VERDICT_FAIL, "%s: the certificate is not valid yet (or mendd's clock is wrong)",
                         address);
    if (!json_bool_or(shown, "named", false))
        return check_say(ret, VERDICT_FAIL, "%s: the certificate is for %s", address, strbuf_str(&names));
    if (!look_only && !json_bool_or(shown, "trusted", false))
        return check_say(ret, VERDICT_FAIL, "%s: the certificate is not trusted: %.200s (issuer %.100s)", address, why,
                         json_text_or(shown, "issuer", "?"));
    if (days < needed)
        return check_say(ret, VERDICT_FAIL, "%s: the certificate ends in %lld days (%s), %lld are needed", address,
                         (long long)days, until, (long long)needed);
    return check_say(ret, VERDICT_PASS, "%s: the certificate for %s is good for %lld days (%s)", address,
                     strbuf_str(&names), (long long)days, until);
}

static int tls_judge(const struct check_in *in, struct check_result *ret)
{
    const char *address = json_text_or(in->with, "address", ""), *name = json_text(in->with, "server_name");
    if (!address_is_valid(address))
        return check_say(ret, VERDICT_UNKNOWN, "\"%.100s\" is no address (host:port)", address);
    if (name && !is_dns1123_subdomain(name))
        return check_say(ret, VERDICT_UNKNOWN, "\"%.100s\" is no name of a server", name);
    json_t *q = json_pack("{s:s, s:s, s:I}", "ask", "tls", "address", address, "timeout_ms",
                          (json_int_t)json_int_or(in->with, "timeout", TIMEOUT_MS));
    json_set_text(q, "server_name", name);
    json_set_text(q, "ca_file", json_text(in->with, "ca_file"));
    const json_t *answer = ask(in->asks, q);
    if (!answer)
        return -EAGAIN;
    const char *error = json_text(answer, "error");
    if (error) /* it was reached, and it does not speak TLS: that much is known */
        return check_say(ret, str_eq(error, "tls") ? VERDICT_FAIL : VERDICT_UNKNOWN, "%s: %s: %s", address, error,
                         json_text_or(answer, "message", "no more is known"));
    if (!json_object_get(answer, "not_after"))
        return check_say(ret, VERDICT_UNKNOWN, "%s: the answer holds no certificate", address);
    return judge_shown(in, answer, address, ret);
}

static const struct param tls_params[] = {
    {"address", PARAM_TEXT, true, NULL, "host:port"},
    {"days_left", PARAM_INT, false, NULL, "the certificate is good for at least this many days (30)"},
    {"server_name", PARAM_NAME, false, NULL, "the name that it must be for; the host of the address by default"},
    {"ca_file", PARAM_TEXT, false, NULL, "the CA that must have signed it; by default whom the system trusts"},
    {"insecure", PARAM_BOOL, false, NULL, "look at times and names only, not at who signed it (false)"},
    {"timeout", PARAM_DURATION, false, NULL, "how long the handshake may take (5s)"},
    {0},
};

const struct check check_tls = {
    .name = "tls",
    .params = tls_params,
    .doc = "a server's certificate is for its name, trusted, and good for some days",
    .judge = tls_judge,
};
