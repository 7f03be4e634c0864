/* Allocation that never fails. What comes from outside is bounded before anything is allocated for it; what is left is
 * small, and a process that cannot get it aborts: the journal makes a restart safe (see docs/architecture.md). */
#pragma once

#include "base/macro.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

void *xmalloc(size_t size) __attribute__((malloc)) _nonnull_;
void *xcalloc(size_t count, size_t size) __attribute__((malloc)) _nonnull_;
void *xrealloc(void *p, size_t size) _nonnull_;
/* Grows an array: multiplication is checked. */
void *xreallocarray(void *p, size_t count, size_t size) _nonnull_;
/* NULL in, NULL out. */
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t max) _nonnull_;
char *xasprintf(const char *fmt, ...) _printf_(1, 2) _nonnull_;
char *xvasprintf(const char *fmt, va_list args) _nonnull_;

#define xnew0(type) ((type *)xcalloc(1, sizeof(type)))

static inline _unused_ void freep(void *p)
{
    free(*(void **)p);
}
#define _cleanup_free_ _cleanup_(freep)

/* Replaces *p by a copy of s (NULL allowed). */
void str_replace(char **p, const char *s);
