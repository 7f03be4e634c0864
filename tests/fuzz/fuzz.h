/* What the fuzz targets share. Each tests/fuzz/fuzz_NAME.c is one parser: LLVMFuzzerTestOneInput() feeds it and checks
 * what must hold for whatever came in. scripts/fuzz links them with libFuzzer; the tests link them with replay.c, which
 * feeds tests/fuzz/corpus/NAME and cheap mutations of it. */
#pragma once

#include "base/alloc.h"
#include "base/error.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define fuzz_check(what)                                                                                               \
    do {                                                                                                               \
        if (!(what)) {                                                                                                 \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #what);                                  \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* The input as text: up to the first NUL, at most max bytes. The caller frees. */
static inline _unused_ char *fuzz_text(const uint8_t *data, size_t size, size_t max)
{
    return xstrndup((const char *)data, size < max ? size : max);
}

static char fuzz_path[64];

static inline _unused_ void fuzz_unlink(void)
{
    unlink(fuzz_path);
}

/* The input as a file; its path. One file is used again and again, and removed at the end. */
static inline _unused_ const char *fuzz_file(const uint8_t *data, size_t size, const char *suffix)
{
    if (!*fuzz_path) {
        snprintf(fuzz_path, sizeof(fuzz_path), "/tmp/mendd-fuzz.%d%s", (int)getpid(), suffix);
        atexit(fuzz_unlink);
    }
    FILE *f = fopen(fuzz_path, "we");
    fuzz_check(f && fchmod(fileno(f), 0600) == 0 && fwrite(data, 1, size, f) == size && fclose(f) == 0);
    return fuzz_path;
}
