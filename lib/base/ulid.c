#include "base/ulid.h"

#include <string.h>

static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

/* xorshift128+: uniqueness, not secrecy, is what an id needs. */
static uint64_t next_random(struct ulid_source *src)
{
    uint64_t a = src->state[0];
    const uint64_t b = src->state[1];
    src->state[0] = b;
    a ^= a << 23;
    src->state[1] = a ^ b ^ (a >> 18) ^ (b >> 5);
    return src->state[1] + b;
}

void ulid_seed(struct ulid_source *src, uint64_t a, uint64_t b)
{
    *src = (struct ulid_source){.state = {a ? a : 1, b ? b : 2}, .last_ms = -1};
}

static void increment(unsigned char bytes[10])
{
    for (int i = 9; i >= 0; i--)
        if (++bytes[i])
            return;
}

void ulid_next(struct ulid_source *src, int64_t wall_us, char ret[ULID_LEN + 1])
{
    int64_t ms = wall_us / 1000;
    if (ms <= src->last_ms) {
        ms = src->last_ms; /* a clock that stepped back must not make ids descend */
        increment(src->last);
    } else {
        uint64_t r[2] = {next_random(src), next_random(src)};
        memcpy(src->last, r, sizeof(src->last));
        src->last[0] &= 0x7f; /* room to count up within the millisecond */
        src->last_ms = ms;
    }
    for (int i = 9; i >= 0; i--) {
        ret[i] = alphabet[ms & 31];
        ms >>= 5;
    }
    unsigned bits = 0, held = 0;
    int at = 10;
    for (int i = 0; i < 10; i++) {
        bits = (bits << 8 | src->last[i]) & 0xfff;
        for (held += 8; held >= 5; held -= 5)
            ret[at++] = alphabet[bits >> (held - 5) & 31];
    }
    ret[ULID_LEN] = '\0';
}

bool ulid_valid(const char *s)
{
    return strlen(s) == ULID_LEN && strspn(s, alphabet) == ULID_LEN && s[0] <= '7';
}
