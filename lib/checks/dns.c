/* dns: a name has an address. No such name, or no address for it: fail. A server that was named and does not answer
 * fails too, since it is what is looked at; if the host's own server does not answer, nothing is known. */
#include "base/alloc.h"
#include "base/text.h"
#include "checks/common.h"

#include <errno.h>

enum { TIMEOUT_MS = 5000, SHOWN = 4 };

static const char *code_words(int code)
{
    static const char *const words[] = {
        [1] = "FORMERR", [2] = "SERVFAIL", [3] = "NXDOMAIN (no such name)", [4] = "NOTIMP", [5] = "REFUSED"};
    return code > 0 && code < (int)ARRAY_SIZE(words) ? words[code] : "an error";
}

static int judge_addresses(const struct check_in *in, const json_t *answer, const char *name, struct check_result *ret)
{
    const json_t *addresses = json_object_get(answer, "addresses");
    const char *expect = json_text(in->with, "expect"), *server = json_text_or(answer, "server", "?");
    const int code = (int)json_int_or(answer, "rcode", 0);
    _cleanup_strbuf_ struct strbuf words = {.max = 300};
    bool found = false;
    size_t i;
    json_t *a;
    json_array_foreach ((json_t *)addresses, i, a) {
        found = found || str_eq(json_string_value(a), expect);
        if (i < SHOWN)
            strbuf_printf(&words, "%s%s", i ? ", " : "", json_string_value(a));
    }
    if (json_array_size(addresses) == 0)
        return check_say(ret, VERDICT_FAIL, "%s: %s says %s", name, server,
                         code ? code_words(code) : "it has no address");
    if (expect && !found)
        return check_say(ret, VERDICT_FAIL, "%s is %s, not %s", name, strbuf_str(&words), expect);
    return check_say(ret, VERDICT_PASS, "%s is %s", name, strbuf_str(&words));
}

static int dns_judge(const struct check_in *in, struct check_result *ret)
{
    static const char *const silent[] = {"timeout", "refused", "reset", NULL};
    const char *name = json_text_or(in->with, "name", ""), *server = json_text(in->with, "server");
    json_t *q = json_pack("{s:s, s:s, s:I}", "ask", "dns", "name", name, "timeout_ms",
                          (json_int_t)json_int_or(in->with, "timeout", TIMEOUT_MS));
    json_set_text(q, "server", server);
    const json_t *answer = ask(in->asks, q);
    if (!answer)
        return -EAGAIN;
    const char *error = json_text(answer, "error");
    if (error)
        return check_say(ret, server && str_in(error, silent) ? VERDICT_FAIL : VERDICT_UNKNOWN, "%s: %s", name,
                         json_text_or(answer, "message", "nobody could be asked"));
    return judge_addresses(in, answer, name, ret);
}

static const struct param dns_params[] = {
    {"name", PARAM_TEXT, true, NULL, "the full name: redis.shop.svc.cluster.local (no search domains)"},
    {"server", PARAM_TEXT, false, NULL, "the server that is asked, IP or IP:port; the host's first one by default"},
    {"expect", PARAM_TEXT, false, NULL, "one of its addresses must be this"},
    {"timeout", PARAM_DURATION, false, NULL, "how long the answer may take (5s)"},
    {0},
};

const struct check check_dns = {
    .name = "dns",
    .params = dns_params,
    .doc = "a name has an address",
    .judge = dns_judge,
};
