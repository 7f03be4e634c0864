/* What the actions backup, secret.set and restore share: where the copy of an object lies and what it is called.
 *
 * A copy is named by run, kind and object: the first copy of a run is what stood there before the run, and stays. A
 * Secret's copy is a Secret beside it, whose values the engine puts in (core/secret.h). */
#pragma once

#include "actions/create.h"

#define BACKUP_OF "mendd.io/backup-of" /* annotation of a copy: "Secret/db" */
#define BACKUP_LABEL "mendd.io/backup" /* label: all copies of one object */
#define BACKUP_FILE "manifest.json"    /* the key under which a ConfigMap or Secret holds an object */

/* "mendd-backup-<run>-<kind>-<name>", a DNS-1123 subdomain; suffix NULL: none. The caller frees. */
char *backup_name_new(const struct action_in *in, const char *kind, const char *name, const char *suffix);
/* "shop/db". The caller frees. */
char *secret_scope_new(const struct workload *w);
/* GET; *ret NULL: it is not there. 0, -EAGAIN, else as answer_error(). */
int look_for(const struct action_in *in, const char *kind, const char *namespace, const char *name, const json_t **ret,
             struct error *err);
/* POST of a copy of a Secret that was looked at. */
json_t *secret_copy_effect_new(const struct action_in *in, const struct workload *w, const char *name);

/* What a copy of this kind needs beside the object. */
void backup_copy_rights(const struct rights_in *in, const char *kind);

/* A change of a Secret's keys, kept in a copy first. `keys` as in `assemble`; `from`: the path that values without a
 * file come from, or NULL. Nothing is planned if all of it is so already. */
int plan_secret(const struct action_in *in, const struct workload *w, const json_t *keys, const char *from,
                const char *verb, struct action_plan *plan, struct error *err);
/* What plan_secret() needs. */
void secret_change_rights(const struct rights_in *in, const struct choices *names);
/* -EPERM, -EBUSY: a Secret that mendd leaves alone. */
int refuse_secret(const struct workload *w, struct error *err);
