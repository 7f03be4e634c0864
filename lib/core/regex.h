/* Regexes as Alertmanager means them: RE2's syntax, fully anchored. PCRE2 does the work, with a match limit; what RE2
 * would refuse (look-around, back-references, possessive quantifiers, verbs, …) is refused when it is compiled, so that
 * a playbook means here what it means in an Alertmanager route. */
#pragma once

#include "base/error.h"
#include "base/macro.h"

struct regex;

/* -EINVAL with words and the offset in the pattern. */
int regex_compile(const char *pattern, struct regex **ret, struct error *err);
struct regex *regex_free(struct regex *r);
DEFINE_CLEANUP(struct regex *, regex_free);
/* 1 match, 0 no match, -ELOOP the limit was hit (neither). */
int regex_matches(const struct regex *r, const char *subject);
