/* application/x-www-form-urlencoded: what a web page's form sends. The text comes from outside; who calls bounds it. */
#pragma once

#include "base/error.h"
#include "base/json.h"

/* The fields as an object of texts, without the empty ones; the caller owns it. NULL with words: an escape that is
 * none, NUL, what is not UTF-8, a field that comes twice. The parser's own copy of the text is wiped. */
json_t *form_parse_new(const char *text, struct error *err);
