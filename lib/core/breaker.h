/* What the files of the breakers share: breaker.c opens, holds and closes, breaker_status.c shows, keeps and resets.
 * Private to lib/core. Times are wall clock microseconds, moved with the clock when it is set. */
#pragma once

#include "core/internal.h"

enum breaker_kind { BREAKER_GLOBAL, BREAKER_PLAYBOOK, BREAKER_API };
enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

struct breaker {
    enum breaker_kind kind;
    char *name; /* "global", "playbook NAME", "api CLUSTER" */
    enum breaker_state state;
    int64_t *times; /* of what failed, oldest first */
    size_t n;
    int64_t until_wall_us; /* open: half-open then */
    int doublings;
    char prober[ULID_LEN + 1]; /* half-open: the run that tries; "": none */
    UT_hash_handle hh;
};

struct breakers {
    struct breaker *list;
};

char *breaker_key_new(enum breaker_kind kind, const char *of);
/* What people call it: a playbook's breaker by the playbook's name alone. */
const char *breaker_shown(const struct breaker *b);
struct breaker *breaker_get(struct core *c, enum breaker_kind kind, const char *of);
void breaker_free(struct core *c, struct breaker *b);
enum breaker_state breaker_state(const struct core *c, const struct breaker *b);
bool breaker_covers(const struct breaker *b, const struct run *run);
/* Closed, with empty books. */
void breaker_close(struct core *c, struct breaker *b);
