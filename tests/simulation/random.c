/* Chance from a seed (splitmix64), and the schedule: a binary heap ordered by time, then by the order of adding. */
#include "simulation.h"

#include "base/alloc.h"

#include <stdlib.h>

uint64_t rng_next(struct rng *r)
{
    uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

int64_t rng_int(struct rng *r, int64_t low, int64_t high)
{
    return high <= low ? low : low + (int64_t)(rng_next(r) % (uint64_t)(high - low + 1));
}

bool rng_chance(struct rng *r, int per_mille)
{
    return rng_int(r, 0, 999) < per_mille;
}

static bool before(const struct item *a, const struct item *b)
{
    return a->at_us < b->at_us || (a->at_us == b->at_us && a->order < b->order);
}

static void swap(struct item *a, struct item *b)
{
    struct item t = *a;
    *a = *b;
    *b = t;
}

void schedule_add(struct schedule *s, struct item item)
{
    if (s->n == s->cap)
        s->items = xreallocarray(s->items, s->cap = s->cap ? s->cap * 2 : 64, sizeof(*s->items));
    size_t i = s->n++;
    item.order = s->next_order++;
    s->items[i] = item;
    for (; i > 0 && before(&s->items[i], &s->items[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&s->items[i], &s->items[(i - 1) / 2]);
}

const struct item *schedule_head(const struct schedule *s)
{
    return s->n ? &s->items[0] : NULL;
}

struct item schedule_take(struct schedule *s)
{
    struct item first = s->items[0];
    s->items[0] = s->items[--s->n];
    for (size_t i = 0;;) {
        size_t least = i, left = 2 * i + 1, right = left + 1;
        if (left < s->n && before(&s->items[left], &s->items[least]))
            least = left;
        if (right < s->n && before(&s->items[right], &s->items[least]))
            least = right;
        if (least == i)
            return first;
        swap(&s->items[i], &s->items[least]);
        i = least;
    }
}

void schedule_clear(struct schedule *s)
{
    for (size_t i = 0; i < s->n; i++)
        json_decref(s->items[i].doc);
    free(s->items);
    *s = (struct schedule){0};
}
