/* The set itself: merged, sorted, and nothing in it that another right of it covers. */
#include "core/rights_internal.h"

#include "base/alloc.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static void right_clear(struct right *r)
{
    free(r->cluster);
    free(r->group);
    free(r->resource);
    free(r->verb);
    free(r->namespace);
    free(r->name);
    texts_free(r->whys);
    *r = (struct right){0};
}

void rights_clear(struct rights *r)
{
    for (size_t i = 0; i < r->n; i++)
        right_clear(&r->items[i]);
    free(r->items);
    for (size_t i = 0; i < r->n_faults; i++)
        free(r->faults[i]);
    free(r->faults);
    *r = (struct rights){0};
}

/* "Not said" (all, any) comes before every name. */
static int compare_texts(const char *a, const char *b)
{
    if (!a || !b)
        return (a != NULL) - (b != NULL);
    return strcmp(a, b);
}

static int compare_rights(const void *x, const void *y)
{
    const struct right *a = x, *b = y;
    int k = compare_texts(a->cluster, b->cluster);
    if (k == 0)
        k = compare_texts(a->namespace, b->namespace);
    if (k == 0)
        k = strcmp(a->group, b->group);
    if (k == 0)
        k = strcmp(a->resource, b->resource);
    if (k == 0)
        k = compare_texts(a->name, b->name);
    return k ? k : strcmp(a->verb, b->verb);
}

static bool holds(const char *wide, const char *narrow)
{
    return !wide || str_eq(wide, narrow);
}

bool right_covers(const struct right *a, const struct right *b)
{
    return holds(a->cluster, b->cluster) && str_eq(a->group, b->group) && str_eq(a->resource, b->resource) &&
           str_eq(a->verb, b->verb) && holds(a->namespace, b->namespace) && holds(a->name, b->name);
}

static void add_why(struct right *r, const char *why)
{
    size_t at = 0;
    while (at < r->n_whys && strcmp(r->whys[at], why) < 0)
        at++;
    if (at < r->n_whys && str_eq(r->whys[at], why))
        return;
    r->whys = xreallocarray(r->whys, r->n_whys + 2, sizeof(*r->whys));
    memmove(r->whys + at + 1, r->whys + at, (r->n_whys - at) * sizeof(*r->whys));
    r->whys[at] = xstrdup(why);
    r->whys[++r->n_whys] = NULL;
}

static void absorb(struct right *wide, struct right *narrow)
{
    for (size_t i = 0; i < narrow->n_whys; i++)
        add_why(wide, narrow->whys[i]);
    wide->newer_only = wide->newer_only && narrow->newer_only;
    right_clear(narrow);
}

/* In their order a right that covers another mostly comes first; the exceptions are found all the same. */
void rights_finish(struct rights *r)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->n; i++) {
        for (size_t k = 0; k < r->n && r->items[i].verb; k++)
            if (k != i && r->items[k].verb && right_covers(&r->items[k], &r->items[i]))
                absorb(&r->items[k], &r->items[i]);
    }
    for (size_t i = 0; i < r->n; i++)
        if (r->items[i].verb)
            r->items[kept++] = r->items[i];
    r->n = kept;
    if (r->n > 0)
        qsort(r->items, r->n, sizeof(*r->items), compare_rights);
}

/* ---- adding (rights_in.c) ---- */

void right_add(struct rights *to, const struct right *like, const char *why)
{
    for (size_t i = 0; i < to->n; i++) {
        struct right *r = &to->items[i];
        if (compare_rights(r, like) != 0)
            continue;
        r->newer_only = r->newer_only && like->newer_only;
        add_why(r, why);
        return;
    }
    to->items = xreallocarray(to->items, to->n + 1, sizeof(*to->items));
    struct right *r = &to->items[to->n++];
    *r = (struct right){.cluster = xstrdup(like->cluster),
                        .group = xstrdup(like->group),
                        .resource = xstrdup(like->resource),
                        .verb = xstrdup(like->verb),
                        .namespace = xstrdup(like->namespace),
                        .name = xstrdup(like->name),
                        .namespaced = like->namespaced,
                        .newer_only = like->newer_only,
                        .guessed = like->guessed};
    add_why(r, why);
}

void right_fault(struct rights *to, const char *text)
{
    for (size_t i = 0; i < to->n_faults; i++)
        if (str_eq(to->faults[i], text))
            return;
    to->faults = xreallocarray(to->faults, to->n_faults + 1, sizeof(*to->faults));
    to->faults[to->n_faults++] = xstrdup(text);
}

void rights_of_cluster(const struct rights *all, const char *cluster, struct rights *ret)
{
    *ret = (struct rights){0};
    for (size_t i = 0; i < all->n; i++) {
        struct right like = all->items[i];
        if (!holds(like.cluster, cluster))
            continue;
        like.cluster = NULL;
        for (size_t k = 0; k < all->items[i].n_whys; k++)
            right_add(ret, &like, all->items[i].whys[k]);
    }
    rights_finish(ret);
}

char *right_words_new(const struct right *r)
{
    struct strbuf b = STRBUF_INIT;
    strbuf_printf(&b, "%s %s%s%s", r->verb, r->resource, *r->group ? "." : "", r->group);
    if (r->name)
        strbuf_printf(&b, " \"%s\"", r->name);
    if (r->namespace)
        strbuf_printf(&b, " in namespace %s", r->namespace);
    else if (r->namespaced)
        strbuf_puts(&b, " in all namespaces");
    return strbuf_take(&b);
}
