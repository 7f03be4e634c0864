/* Errors travel as a value: a negative errno for the program, a message for the operator.
 *
 * A function that can fail returns 0 (or a useful positive value) or a negative errno, and fills the `struct error`
 * that the caller passed (NULL: the caller does not care). On the way up callers add context with error_prefix(); only
 * the top logs. The message is owned by the struct: initialise it with ERROR_NONE and declare it
 * _cleanup_(error_clear). */
#pragma once

#include "base/macro.h"

struct error {
    int code; /* negative errno, 0: none */
    char *message;
};

#define ERROR_NONE ((struct error){0})

/* Sets (replacing what was there) and returns code, so that `return error_set(err, -EINVAL, "…")` works. */
int error_set(struct error *err, int code, const char *fmt, ...) _printf_(3, 4);
/* "…: " in front of what is there. Returns the error's code; -EINVAL if err is NULL, so that a
 * failure whose words nobody wants stays a failure. */
int error_prefix(struct error *err, const char *fmt, ...) _printf_(2, 3);
/* Moves `from` into `to`; returns the code. */
int error_move(struct error *to, struct error *from);
void error_clear(struct error *err);
/* The message, or a text for the code, or "no error". Never NULL. */
const char *error_message(const struct error *err);

#define _cleanup_error_ _cleanup_(error_clear)
