/* Small language helpers: automatic cleanup, pointer hand-over, array sizes. No state, no errors. */
#pragma once

#include <stddef.h>

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _printf_(fmt, args) __attribute__((format(printf, fmt, args)))
#define _unused_ __attribute__((unused))
#define _nonnull_ __attribute__((returns_nonnull))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Gives the value away and leaves NULL behind, so that the cleanup attribute does not free it. */
#define TAKE_PTR(p)                                                                                                    \
    ({                                                                                                                 \
        __auto_type _taken = (p);                                                                                      \
        (p) = NULL;                                                                                                    \
        _taken;                                                                                                        \
    })

/* Defines `void funcp(type *p)` for _cleanup_(funcp), where `func` frees one `type` and accepts NULL. */
#define DEFINE_CLEANUP(type, func)                                                                                     \
    static inline _unused_ void func##p(type *p)                                                                       \
    {                                                                                                                  \
        func(*p);                                                                                                      \
    }                                                                                                                  \
    struct _swallow_semicolon_
