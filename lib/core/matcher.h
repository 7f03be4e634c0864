/* Alertmanager's matchers: name=value, !=, =~, !~; values quoted or bare, names UTF-8 when quoted. Regexes are fully
 * anchored RE2 (a PCRE2 match with a limit; what RE2 would refuse is refused at load). Missing labels match as empty
 * text. */
#pragma once

#include "base/error.h"
#include "base/json.h"

#include <stdbool.h>

enum matcher_op { MATCH_EQUAL, MATCH_NOT_EQUAL, MATCH_REGEX, MATCH_NOT_REGEX };

struct matcher;

/* -EINVAL with words that say where in the text (column from 1) and what was expected. */
int matcher_parse(const char *text, struct matcher **ret, struct error *err);
struct matcher *matcher_free(struct matcher *m);
DEFINE_CLEANUP(struct matcher *, matcher_free);

const char *matcher_label(const struct matcher *m);
const char *matcher_value(const struct matcher *m);
enum matcher_op matcher_operator(const struct matcher *m);
/* 1 match, 0 no match, -ELOOP the regex hit its limit (neither; also for !~): escalate. */
int matcher_matches(const struct matcher *m, const json_t *labels);
