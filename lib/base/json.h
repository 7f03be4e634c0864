/* What jansson leaves out: typed reads with defaults, JSON pointers (RFC 6901), bounded parsing.
 * Borrowed pointers unless a name says otherwise (`_new`). All functions accept NULL objects. */
#pragma once

#include "base/error.h"
#include "base/macro.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define _cleanup_json_ _cleanup_(json_decrefp)

/* The member's text, NULL if it is missing or no string. */
const char *json_text(const json_t *object, const char *key);
/* The same with a default. */
const char *json_text_or(const json_t *object, const char *key, const char *otherwise);
int64_t json_int_or(const json_t *object, const char *key, int64_t otherwise);
bool json_bool_or(const json_t *object, const char *key, bool otherwise);
/* Walks keys: json_path(pod, "metadata", "labels", NULL). NULL where the way ends. */
json_t *json_path(const json_t *value, ...) __attribute__((sentinel));
/* The text at the end of such a way. */
const char *json_path_text(const json_t *value, ...) __attribute__((sentinel));

/* RFC 6901. NULL if nothing is there (or the pointer is malformed). "" is the whole. */
json_t *json_pointer(const json_t *value, const char *pointer);
/* One more step on a pointer: "/a" + "b/c" -> "/a/b~1c". The caller frees. */
char *json_pointer_join(const char *pointer, const char *key);

/* Compact, keys sorted: the form for hashes, keys and comparisons. The caller frees. */
char *json_canonical(const json_t *value);
/* Compact, in the object's own order. The caller frees. */
char *json_compact(const json_t *value);

/* Parses text of at most max_len bytes; rejects duplicate keys if asked. NULL and an error with the position otherwise.
 */
json_t *json_parse(const char *text, size_t len, size_t max_len, bool reject_duplicates, struct error *err);

/* Sets text or removes the key if s is NULL. Invalid UTF-8 is replaced, never refused. */
void json_set_text(json_t *object, const char *key, const char *s);
/* A string value; invalid UTF-8 bytes become U+FFFD. Never NULL. */
json_t *json_text_new(const char *s, size_t len);
