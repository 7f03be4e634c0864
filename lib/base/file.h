/* Small files from the operator: configuration, tokens, certificates. Bounded, so that /dev/zero is an error and no
 * hang. */
#pragma once

#include "base/error.h"

#include <stddef.h>

/* The whole file, NUL-terminated; the caller frees. -E2BIG over max_len. The message names the path and what is wrong.
 */
int file_read(const char *path, size_t max_len, char **ret, size_t *ret_len, struct error *err);

/* A secret: the file's text without the trailing line break. A relative path is looked up in $CREDENTIALS_DIRECTORY
 * first (systemd's LoadCredential=), then as it stands. The caller frees (and should wipe) it. */
int secret_read(const char *path, char **ret, struct error *err);
