/* The usual webhook, known at a glance: exactly one alert, and nothing wrong with it.
 *
 * One pass over the bytes, nothing is built: what is accepted here needs no parser before it is journalled and
 * answered, and is parsed when it is decided. It never guesses: what it accepts, the parser (parse_body.c, jansson,
 * alert_from_json()) accepts too, as one valid alert with none left out. What it does not know for certain (escaped
 * keys, reals, surrogates, NUL, a second alert, anything wrong) is the parser's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

bool glance_is_one_alert(const char *body, size_t len);
