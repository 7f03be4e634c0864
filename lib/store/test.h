/* Hooks for tests: a commit that fails, a writer that waits. */
#pragma once

#include "store/store.h"

/* The next `count` commits are rolled back and reported as -EIO. */
void store_fail_commits(struct store *s, int count);
static inline void store_fail_next_commit(struct store *s)
{
    store_fail_commits(s, 1);
}
/* While held the writer takes nothing from the queue, so that several batches surely share a transaction. */
void store_hold_writer(struct store *s, bool held);
