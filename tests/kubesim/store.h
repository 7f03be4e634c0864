/* The objects, by kind, namespace and name, in the order in which a real API server lists them. One resourceVersion
 * counter for all, as etcd has one revision. The store owns the objects; an object that was removed stays readable
 * until store_reap(), so that a controller may hold pointers during one pass. */
#pragma once

#include "kinds.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct object {
    const struct kind *kind;
    char *ns, *name, *uid; /* ns is "" for cluster-wide ones */
    char *owner_uid;       /* of the controller, or NULL */
    json_t *json;
    int64_t since_us; /* boot clock, for the simulation: when the pod was bound, the deletion began, … */
    bool removed;
    /* what the controllers need to leave alone what has not changed (store versions; see object_due) */
    uint64_t version, touched,
        synced;               /* of the object; of the last change to one that it controls; when last looked at */
    int64_t wake_us;          /* boot clock: to be looked at then, although nothing changed; 0: no */
    struct object *same_hash; /* the uid index's chain */
};

struct store;

struct store *store_new(void);
void store_free(struct store *s);

struct object *store_get(struct store *s, enum kind_id id, const char *ns, const char *name);
/* All of a kind, of one namespace (NULL: of all), in order. The caller frees the array. */
size_t store_list(struct store *s, enum kind_id id, const char *ns, struct object ***ret);
/* Those whose controller has this uid. The caller frees the array. */
size_t store_children(struct store *s, enum kind_id id, const char *owner_uid, struct object ***ret);
/* The object with this uid, or NULL. */
struct object *store_by_uid(const struct store *s, const char *uid);

/* Adds; takes json; metadata must bear name (and namespace); sets uid (unless there is one) and
 * resourceVersion. The name must be free. */
struct object *store_insert(struct store *s, const struct kind *kind, json_t *json);
/* Replaces; takes json. Nothing happens, and false is returned, if nothing but the resourceVersion differs. */
bool store_replace(struct store *s, struct object *o, json_t *json);
void store_remove(struct store *s, struct object *o);
void store_reap(struct store *s);

/* The last resourceVersion given, to any object and to one of a kind. */
uint64_t store_version(const struct store *s);
uint64_t store_kind_version(const struct store *s, enum kind_id id);
/* Changes with every removal, deletion and new owner: while it stands still there is no new garbage. */
uint64_t store_garbage_version(const struct store *s);

char *uuid_new(void);
