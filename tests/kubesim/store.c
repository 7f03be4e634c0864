#include "store.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define UID_SLOTS 4096

struct bucket {
    struct object **items; /* sorted by namespace, name */
    size_t n, cap;
    struct object **by_owner; /* sorted by owner_uid; rebuilt when `stale` */
    size_t owned;
    bool stale;
    uint64_t version;
};

struct store {
    struct bucket buckets[KIND_COUNT];
    struct object *by_uid[UID_SLOTS];
    struct object **removed;
    size_t removed_n, removed_cap;
    uint64_t version, garbage_version;
};

struct store *store_new(void)
{
    struct store *s = xnew0(struct store);
    s->version = 1;
    return s;
}

static void object_free(struct object *o)
{
    free(o->ns);
    free(o->name);
    free(o->uid);
    free(o->owner_uid);
    json_decref(o->json);
    free(o);
}

void store_free(struct store *s)
{
    if (!s)
        return;
    store_reap(s);
    for (size_t i = 0; i < KIND_COUNT; i++) {
        struct bucket *b = &s->buckets[i];
        for (size_t j = 0; j < b->n; j++)
            object_free(b->items[j]);
        free(b->items);
        free(b->by_owner);
    }
    free(s->removed);
    free(s);
}

static int compare_key(const char *ns, const char *name, const struct object *o)
{
    int order = strcmp(ns, o->ns);
    return order ? order : strcmp(name, o->name);
}

/* The first place whose object is not before (ns, name). */
static size_t lower_bound(const struct bucket *b, const char *ns, const char *name)
{
    size_t low = 0, high = b->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (compare_key(ns, name, b->items[mid]) > 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct object *store_get(struct store *s, enum kind_id id, const char *ns, const char *name)
{
    const struct bucket *b = &s->buckets[id];
    size_t at = lower_bound(b, ns ? ns : "", name);
    return at < b->n && compare_key(ns ? ns : "", name, b->items[at]) == 0 ? b->items[at] : NULL;
}

size_t store_list(struct store *s, enum kind_id id, const char *ns, struct object ***ret)
{
    const struct bucket *b = &s->buckets[id];
    size_t from = ns ? lower_bound(b, ns, "") : 0, n = from;
    while (n < b->n && (!ns || str_eq(b->items[n]->ns, ns)))
        n++;
    *ret = xcalloc(n - from + 1, sizeof(struct object *));
    if (n > from)
        memcpy(*ret, b->items + from, (n - from) * sizeof(struct object *));
    return n - from;
}

static int compare_owner(const void *a, const void *b)
{
    const struct object *x = *(struct object *const *)a, *y = *(struct object *const *)b;
    int order = strcmp(x->owner_uid, y->owner_uid);
    return order ? order : strcmp(x->name, y->name);
}

static void rebuild_owners(struct bucket *b)
{
    b->by_owner = xreallocarray(b->by_owner, b->n + 1, sizeof(struct object *));
    b->owned = 0;
    for (size_t i = 0; i < b->n; i++)
        if (b->items[i]->owner_uid)
            b->by_owner[b->owned++] = b->items[i];
    qsort(b->by_owner, b->owned, sizeof(struct object *), compare_owner);
    b->stale = false;
}

size_t store_children(struct store *s, enum kind_id id, const char *owner_uid, struct object ***ret)
{
    struct bucket *b = &s->buckets[id];
    if (b->stale)
        rebuild_owners(b);
    size_t low = 0, high = b->owned;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (strcmp(owner_uid, b->by_owner[mid]->owner_uid) > 0)
            low = mid + 1;
        else
            high = mid;
    }
    size_t n = 0;
    while (low + n < b->owned && str_eq(b->by_owner[low + n]->owner_uid, owner_uid))
        n++;
    *ret = xcalloc(n + 1, sizeof(struct object *));
    if (n)
        memcpy(*ret, b->by_owner + low, n * sizeof(struct object *));
    return n;
}

static struct object **uid_slot(const struct store *s, const char *uid)
{
    return (struct object **)&s->by_uid[fnv1a64(FNV1A64_INIT, uid, strlen(uid)) % UID_SLOTS];
}

struct object *store_by_uid(const struct store *s, const char *uid)
{
    struct object *o = *uid_slot(s, uid);
    while (o && !str_eq(o->uid, uid))
        o = o->same_hash;
    return o;
}

static void index_uid(struct store *s, struct object *o)
{
    struct object **slot = uid_slot(s, o->uid);
    o->same_hash = *slot;
    *slot = o;
}

static void forget_uid(struct store *s, const struct object *o)
{
    struct object **slot = uid_slot(s, o->uid);
    while (*slot && *slot != o)
        slot = &(*slot)->same_hash;
    if (*slot)
        *slot = o->same_hash;
}

char *uuid_new(void)
{
    unsigned char r[16];
    if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r))
        memset(r, 0x5a, sizeof(r));
    r[6] = (unsigned char)((r[6] & 0x0f) | 0x40);
    r[8] = (unsigned char)((r[8] & 0x3f) | 0x80);
    return xasprintf("%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", r[0], r[1], r[2], r[3],
                     r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12], r[13], r[14], r[15]);
}

static void stamp(struct store *s, json_t *json)
{
    char version[24];
    snprintf(version, sizeof(version), "%" PRIu64, ++s->version);
    json_object_set_new(json_object_get(json, "metadata"), "resourceVersion", json_string(version));
}

/* After every change: the kind's version, and word to the object's controller and that one's (a Deployment waits for
 * the pods of its sets to be gone). */
static void note_change(struct store *s, struct object *o)
{
    o->version = s->buckets[o->kind->id].version = s->version;
    for (int up = 0; up < 3 && (o = o->owner_uid ? store_by_uid(s, o->owner_uid) : NULL); up++)
        o->touched = s->version;
}

/* Keeps the index of controllers in step with what the object says. */
static void note_owner(struct store *s, struct object *o)
{
    const char *owner = NULL;
    size_t i;
    json_t *reference;
    json_array_foreach (json_path(o->json, "metadata", "ownerReferences", NULL), i, reference)
        if (json_bool_or(reference, "controller", false))
            owner = json_text(reference, "uid");
    if (str_eq(owner, o->owner_uid))
        return;
    str_replace(&o->owner_uid, owner);
    s->buckets[o->kind->id].stale = true;
}

struct object *store_insert(struct store *s, const struct kind *kind, json_t *json)
{
    json_t *meta = json_object_get(json, "metadata");
    struct object *o = xnew0(struct object);
    o->kind = kind_row(kind->id);
    o->ns = xstrdup(kind->namespaced ? json_text_or(meta, "namespace", "") : "");
    o->name = xstrdup(json_text_or(meta, "name", ""));
    o->uid = json_text(meta, "uid") ? xstrdup(json_text(meta, "uid")) : uuid_new();
    o->json = json;
    json_object_set_new(meta, "uid", json_string(o->uid));
    stamp(s, json);
    struct bucket *b = &s->buckets[kind->id];
    if (b->n == b->cap)
        b->items = xreallocarray(b->items, b->cap = b->cap ? b->cap * 2 : 16, sizeof(struct object *));
    size_t at = lower_bound(b, o->ns, o->name);
    memmove(b->items + at + 1, b->items + at, (b->n - at) * sizeof(struct object *));
    b->items[at] = o;
    b->n++;
    b->stale = true;
    index_uid(s, o);
    note_owner(s, o);
    note_change(s, o);
    if (json_array_size(json_object_get(meta, "ownerReferences")))
        s->garbage_version++;
    return o;
}

static bool json_equal_or_none(const json_t *a, const json_t *b)
{
    return a && b ? json_equal(a, b) : a == b;
}

bool store_replace(struct store *s, struct object *o, json_t *json)
{
    json_t *meta = json_object_get(json, "metadata");
    const char *version = json_path_text(o->json, "metadata", "resourceVersion", NULL);
    json_object_set_new(meta, "resourceVersion", json_string(version ? version : ""));
    if (json_equal(json, o->json)) {
        json_decref(json);
        return false;
    }
    stamp(s, json);
    if (json_object_get(meta, "deletionTimestamp") ||
        !json_equal_or_none(json_object_get(meta, "ownerReferences"),
                            json_path(o->json, "metadata", "ownerReferences", NULL)))
        s->garbage_version++;
    json_decref(o->json);
    o->json = json;
    note_owner(s, o);
    note_change(s, o);
    return true;
}

void store_remove(struct store *s, struct object *o)
{
    if (o->removed)
        return;
    struct bucket *b = &s->buckets[o->kind->id];
    size_t at = lower_bound(b, o->ns, o->name);
    memmove(b->items + at, b->items + at + 1, (b->n - at - 1) * sizeof(struct object *));
    b->n--;
    b->stale = true;
    o->removed = true;
    forget_uid(s, o);
    s->version++;
    note_change(s, o);
    s->garbage_version++;
    if (s->removed_n == s->removed_cap)
        s->removed = xreallocarray(s->removed, s->removed_cap = s->removed_cap ? s->removed_cap * 2 : 16,
                                   sizeof(struct object *));
    s->removed[s->removed_n++] = o;
}

void store_reap(struct store *s)
{
    for (size_t i = 0; i < s->removed_n; i++)
        object_free(s->removed[i]);
    s->removed_n = 0;
}

uint64_t store_version(const struct store *s)
{
    return s->version;
}

uint64_t store_kind_version(const struct store *s, enum kind_id id)
{
    return s->buckets[id].version;
}

uint64_t store_garbage_version(const struct store *s)
{
    return s->garbage_version;
}
