/* AWS Signature Version 4, with the request's headers (not presigned URLs).
 * Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html; the published
 * test suite is in tests/unit/test_sigv4.c. Pure: the date is a header that the caller sets. */
#pragma once

#include "base/error.h"

#include <stddef.h>

struct sigv4_request {
    const char *method;
    const char *path;           /* as it goes out, encoded; "" counts as "/" */
    const char *query;          /* as it goes out, without "?"; NULL: none. A "+" is a plus, as AWS has it */
    const char *const *headers; /* "Name: value", NULL-terminated, every one is signed; Host and X-Amz-Date must be
                                   there, and X-Amz-Security-Token if the credentials are temporary */
    const void *body;
    size_t body_len;
};

struct sigv4_key {
    const char *access_key, *secret_key;
    const char *region,
        *service; /* "s3" takes the path as it is, every other service normalises it and encodes twice */
};

/* What is hashed, for tests and for reading a refusal; the caller frees. -EINVAL: no or a malformed X-Amz-Date, no
 * Host, a header without a colon. */
int sigv4_canonical(const struct sigv4_request *req, const char *service, char **ret, struct error *err);
/* "AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…": the value of Authorization; the caller frees. */
int sigv4_authorization(const struct sigv4_request *req, const struct sigv4_key *key, char **ret, struct error *err);
