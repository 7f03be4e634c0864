/* Secrets out of what is shown: one judge of names, one of texts, one for JSON. Pure; used where evidence is recorded,
 * where literal headers enter a record, and by the report (semantics.md, "What mendd never does": a Secret's content
 * stands in no journal, evidence, diff, log or report).
 *
 * What is recognised: names that promise a secret (Authorization, DB_PASSWORD, apiKey, Cookie, …) with the value that
 * stands beside them, in JSON, YAML, headers, environment lists, query strings and command lines; private key blocks;
 * user and password in URLs; bearer and basic credentials; tokens of well-known shape (JWT, GitHub, Slack, AWS, …);
 * long random-looking text; the data of a Kubernetes Secret. In doubt it redacts: a lost word of a log is cheaper than
 * a leaked password. What has no name and no shape (a short password alone on a line) cannot be recognised by anybody.
 *
 * Redacting twice gives what redacting once gave. Costs grow linearly with the text. */
#pragma once

#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>

#define REDACTED "[redacted]"

/* Whether the value of something called so is a secret. Not: names that only say where one is (…Name, …Ref, …_file). */
bool redact_is_secret_name(const char *name, size_t len);
/* The text without its secrets; the caller frees. NULL in, NULL out. */
char *redact_text_new(const char *text);
/* A deep copy without secrets; the caller owns it. Keys, booleans and nulls stay. NULL in, NULL out. */
json_t *redact_json_new(const json_t *value);
