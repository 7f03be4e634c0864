/* A binary heap of runs by the time at which they want to be woken: thousands of runs cost a logarithm an event. */
#include "base/alloc.h"
#include "core/internal.h"

static void put(struct core *c, size_t at, struct run *run)
{
    c->heap[at] = run;
    run->heap_at = at + 1;
}

/* Those that wait for the same moment are woken in order of arrival. */
static bool earlier(const struct run *a, const struct run *b)
{
    return a->wake_us != b->wake_us ? a->wake_us < b->wake_us : a->arrival < b->arrival;
}

static void sift_up(struct core *c, size_t at)
{
    struct run *run = c->heap[at];
    while (at > 0 && earlier(run, c->heap[(at - 1) / 2])) {
        put(c, at, c->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put(c, at, run);
}

static void sift_down(struct core *c, size_t at)
{
    struct run *run = c->heap[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < c->heap_n && earlier(c->heap[child + 1], c->heap[child]))
            child++;
        if (child >= c->heap_n || !earlier(c->heap[child], run))
            break;
        put(c, at, c->heap[child]);
        at = child;
    }
    put(c, at, run);
}

void heap_remove(struct core *c, struct run *run)
{
    if (!run->heap_at)
        return;
    size_t at = run->heap_at - 1;
    run->heap_at = 0;
    struct run *last = c->heap[--c->heap_n];
    if (last == run)
        return;
    put(c, at, last);
    sift_up(c, at);
    sift_down(c, last->heap_at - 1);
}

void heap_update(struct core *c, struct run *run)
{
    if (run->wake_us == INT64_MAX) {
        heap_remove(c, run);
        return;
    }
    if (!run->heap_at) {
        if (c->heap_n == c->heap_cap) {
            c->heap_cap = c->heap_cap ? c->heap_cap * 2 : 64;
            c->heap = xreallocarray(c->heap, c->heap_cap, sizeof(*c->heap));
        }
        put(c, c->heap_n++, run);
    }
    sift_up(c, run->heap_at - 1);
    sift_down(c, run->heap_at - 1);
}
