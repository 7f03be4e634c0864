/* A growing, always NUL-terminated byte string. Initialise with STRBUF_INIT; the buffer is the owner of its memory
 * until strbuf_take(). `max` (0: none) bounds it: what would go over is dropped and `truncated` set, for text from
 * outside. */
#pragma once

#include "base/macro.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct strbuf {
    char *data; /* NULL while empty */
    size_t len, cap, max;
    bool truncated;
};

#define STRBUF_INIT ((struct strbuf){0})

void strbuf_add(struct strbuf *b, const void *data, size_t len);
void strbuf_puts(struct strbuf *b, const char *s);
void strbuf_putc(struct strbuf *b, char c);
void strbuf_printf(struct strbuf *b, const char *fmt, ...) _printf_(2, 3);
void strbuf_vprintf(struct strbuf *b, const char *fmt, va_list args);
/* The text; "" while empty. Valid until the next change. */
const char *strbuf_str(const struct strbuf *b);
/* Hands the text over (never NULL) and empties the buffer. */
char *strbuf_take(struct strbuf *b);
void strbuf_reset(struct strbuf *b); /* length 0, memory kept */
void strbuf_free(struct strbuf *b);

#define _cleanup_strbuf_ _cleanup_(strbuf_free)
