/* Base64 (RFC 4648, with padding). */
#pragma once

#include <stddef.h>

/* The caller frees. */
char *base64_new(const void *data, size_t len);
/* The bytes, NUL-terminated after the last of them; NULL if it is no base64. The caller frees. */
char *base64_decode_new(const char *text, size_t *ret_len);
