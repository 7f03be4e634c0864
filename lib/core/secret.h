/* Secrets in effects: the journal holds what their values hash to, never the values (semantics.md, "What mendd never
 * does"). An effect on a Secret bears
 *   secret     "shop/db": the scope of its hashes. In `changes`, the pointers below /data hold {"sha256": …} for a
 * value assemble   {from?: path of a GET, keys: {key: {"sha256", "file"?: name} | null}}: the values that the engine
 * puts into the body's `data` when it sends it: from the file if one is named, else from `from`; null: the key goes. A
 * value that does not hash to what was journalled is not sent undo       {from: path}: the Secret that holds what stood
 * there before A hash covers the scope, the key and the value as the API server writes it (base64): the same password
 * under another name hashes to something else. A short password can be guessed from its hash all the same: the journal
 * is not public. Pure functions on JSON. */
#pragma once

#include "base/json.h"

#include <stdbool.h>

/* 64 lowercase hex digits; the caller frees. */
char *secret_hash_new(const char *scope, const char *key, const char *base64);
/* {"sha256": …} of a key of `data`; NULL if there is no such key. */
json_t *secret_hashed_new(const char *scope, const char *key, const json_t *data);
/* {key: {"sha256": …}} of all of them. */
json_t *secret_hashes_new(const char *scope, const json_t *data);

/* What stands at a pointer of `changes`, as `changes` holds it: hashed if the effect is one on a Secret and the pointer
 * leads to its data. A new reference, NULL if nothing is there. */
json_t *secret_seen_new(const json_t *effect, const char *pointer, const json_t *object);
bool effect_is_secret(const json_t *effect);
/* The inverse of a change of a Secret whose `after` stands: from the copy that `undo` names. NULL without one. */
json_t *secret_inverse_new(const json_t *effect, const json_t *object);
