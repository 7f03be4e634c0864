/* Base64 (RFC 4648, with padding). */
#pragma once

#include <stddef.h>

/* The caller frees. */
char *base64_new(const void *data, size_t len);
