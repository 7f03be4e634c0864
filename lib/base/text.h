/* Text helpers: names that Kubernetes accepts, encodings for where a value is used, suggestions for typing errors. */
#pragma once

#include "base/strbuf.h"

#include <stdbool.h>
#include <stddef.h>

static inline bool str_empty(const char *s)
{
    return !s || !*s;
}
bool str_eq(const char *a, const char *b); /* NULL equals only NULL */
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
bool str_in(const char *s, const char *const list[]); /* NULL-terminated list */
/* Lists of texts that end with NULL and own them; NULL is an empty one. */
void texts_free(char **texts);
DEFINE_CLEANUP(char **, texts_free);
char **texts_dup(char *const *texts);

/* RFC 1123 label (max 63) and subdomain (max 253), as Kubernetes' IsDNS1123Label/Subdomain. */
bool is_dns1123_label(const char *s);
bool is_dns1123_subdomain(const char *s);
/* A label or annotation key: [subdomain/]name, the name of at most 63 of [A-Za-z0-9_.-]. */
bool is_qualified_name(const char *s);
/* A label's value: empty, or at most 63 of [A-Za-z0-9_.-] that starts and ends alphanumeric. */
bool is_label_value(const char *s);

bool utf8_valid(const char *s, size_t len);
/* The length of s, or of what of it fits into max bytes without being cut within a character. */
size_t utf8_prefix(const char *s, size_t max);

/* Everything but RFC 3986 unreserved as %XX. For path segments and query values alike. */
void url_encode(struct strbuf *b, const char *s);

/* The candidate nearest to `word` (at most a third of it wrong), or NULL. */
const char *did_you_mean(const char *word, const char *const candidates[]);
