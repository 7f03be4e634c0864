#include "checks/probe.h"

#include "base/text.h"

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
