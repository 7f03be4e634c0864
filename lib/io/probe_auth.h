/* The secrets of a question "http": read from their files when it is sent, never before, and signed with AWS Signature
 * V4 if it says so. */
#pragma once

#include "base/error.h"
#include "base/json.h"

#include <stddef.h>
#include <stdint.h>

enum { PROBE_HEADERS_MAX = 64 };

/* The question's headers with those that log in, as "Name: value"; at most PROBE_HEADERS_MAX, each owned by the caller,
 * who frees them with probe_headers_free() also after an error. */
int probe_headers_new(const json_t *question, int64_t wall_us, char *headers[PROBE_HEADERS_MAX + 1], struct error *err);
void probe_headers_free(char *headers[PROBE_HEADERS_MAX + 1]);
