/* Faults on demand: rules that a test posts to /_sim/faults, each for so many matching requests.
 *
 *   {"method": "PATCH", "path": "/deployments/redis", "count": 1, "after": 0, "kind": "reset_after"}
 *
 * method and path are regular expressions found anywhere in the text (default: everything); count is how many requests
 * are hit (default 1, 0: all), after how many matching ones are let through first. kinds:
 *   conflict      409, nothing applied            throttle      429 with Retry-After (retry_after_s, default 1)
 *   error         5xx (code, default 500; retry_after_s), nothing applied
 *   reset_before  connection reset, nothing applied
 *   reset_after   applied, then the connection is reset without an answer
 *   stall         nothing applied, no answer for ms (default 10 minutes), then reset; "apply": true applies it first
 *   slow          applied; the answer comes after ms (default 1000)
 *   truncate      applied; half of the answer's body, then the connection is closed */
#pragma once

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum fault_kind {
    FAULT_NONE,
    FAULT_CONFLICT,
    FAULT_THROTTLE,
    FAULT_ERROR,
    FAULT_RESET_BEFORE,
    FAULT_RESET_AFTER,
    FAULT_STALL,
    FAULT_SLOW,
    FAULT_TRUNCATE
};

struct fault {
    enum fault_kind kind;
    int code, retry_after_s;
    int64_t ms;
    bool apply; /* whether the request takes effect */
};

struct faults;
struct faults *faults_new(void);
void faults_free(struct faults *f);
/* A rule, or an array of rules. 0 or -EINVAL with a message. */
int faults_add(struct faults *f, const json_t *rules, struct error *err);
void faults_clear(struct faults *f);
/* What is left, for a look. New reference. */
json_t *faults_json(const struct faults *f);
/* The fault for this request, counted as used; FAULT_NONE otherwise. `path` with its query. */
struct fault faults_match(struct faults *f, const char *method, const char *path);
const char *fault_name(enum fault_kind kind);
