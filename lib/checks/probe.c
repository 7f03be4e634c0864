#include "checks/probe.h"

#include "base/text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

bool probe_failed(const json_t *answer, const char *what, struct check_result *ret)
{
    static const char *const down[] = {"refused", "timeout", "reset", "tls", "protocol", NULL};
    const char *error = json_text(answer, "error");
    if (!error)
        return false;
    check_say(ret, str_in(error, down) ? VERDICT_FAIL : VERDICT_UNKNOWN, "%s: %s: %s", what, error,
              json_text_or(answer, "message", "no more is known"));
    return true;
}

bool address_is_valid(const char *address)
{
    const char *colon = address ? strrchr(address, ':') : NULL;
    if (!colon || colon == address || strlen(address) > 300)
        return false;
    for (const char *c = address; c < colon; c++)
        if (!isalnum((unsigned char)*c) && !strchr(".-_:[]", *c))
            return false;
    if (*address != '[' && memchr(address, ':', (size_t)(colon - address)))
        return false;
    const size_t digits = strspn(colon + 1, "0123456789");
    const long port = digits && digits <= 5 && !colon[1 + digits] ? strtol(colon + 1, NULL, 10) : 0;
    return port > 0 && port < 65536;
}
