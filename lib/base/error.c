#include "base/error.h"

#include "base/alloc.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

int error_set(struct error *err, int code, const char *fmt, ...)
{
    if (!err)
        return code;
    va_list args;
    va_start(args, fmt);
    char *message = xvasprintf(fmt, args);
    va_end(args);
    free(err->message);
    *err = (struct error){.code = code, .message = message};
    return code;
}

int error_prefix(struct error *err, const char *fmt, ...)
{
    if (!err)
        return -EINVAL; /* its code is not known here, but it is called for failures only */
    va_list args;
    va_start(args, fmt);
    _cleanup_free_ char *prefix = xvasprintf(fmt, args);
    va_end(args);
    char *message = xasprintf("%s: %s", prefix, error_message(err));
    free(err->message);
    err->message = message;
    return err->code;
}

int error_move(struct error *to, struct error *from)
{
    int code = from->code;
    if (to) {
        free(to->message);
        *to = *from;
        *from = ERROR_NONE;
    } else {
        error_clear(from);
    }
    return code;
}

void error_clear(struct error *err)
{
    if (!err)
        return;
    free(err->message);
    *err = ERROR_NONE;
}

const char *error_message(const struct error *err)
{
    if (err && err->message)
        return err->message;
    return err && err->code ? strerror(-err->code) : "no error";
}
