/* ULIDs, lowercase: 48 bits of milliseconds, 80 bits that make it unique. They sort by time, which makes them cursors
 * too. The random part is handed in, so that the core stays deterministic (a seeded generator in tests and simulation).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define ULID_LEN 26

struct ulid_source {
    uint64_t state[2]; /* seed; advanced by each call */
    int64_t last_ms;   /* ids of one millisecond still ascend */
    unsigned char last[10];
};

void ulid_seed(struct ulid_source *src, uint64_t a, uint64_t b);
/* Writes ULID_LEN characters and a NUL. */
void ulid_next(struct ulid_source *src, int64_t wall_us, char ret[ULID_LEN + 1]);
bool ulid_valid(const char *s);
