/* An answer before it is sent: a code and either JSON or text. Errors are metav1.Status objects, worded as a real API
 * server words them, because clients match on those words. */
#pragma once

#include "base/macro.h"
#include "kinds.h"

#include <jansson.h>
#include <stdbool.h>

struct answer {
    int code;
    json_t *body;      /* owned; NULL with text */
    char *text;        /* owned */
    const char *type;  /* content type of text, static */
    int retry_after_s; /* 0: none */
    json_t *exec;      /* owned; code 101: what the command does (exec.c) */
};

void answer_free(struct answer *a);
void answer_json(struct answer *a, int code, json_t *body);              /* takes body */
void answer_text(struct answer *a, int code, const char *type, char *s); /* takes s */
/* A failure; `details` is taken and may be NULL (none shown). */
void answer_fail(struct answer *a, int code, const char *reason, json_t *details, const char *fmt, ...) _printf_(5, 6);
/* A success Status, as DELETE answers. */
void answer_success(struct answer *a, const struct kind *kind, const char *name, const char *uid);
/* {name, group, kind}: the usual details. New reference. */
json_t *details(const struct kind *kind, const char *name);

void fail_not_found(struct answer *a, const struct kind *kind, const char *name);
void fail_no_resource(struct answer *a); /* "the server could not find the requested resource" */
void fail_method(struct answer *a);
void fail_bad_request(struct answer *a, const char *fmt, ...) _printf_(2, 3);
void fail_conflict(struct answer *a, const struct kind *kind, const char *name, const char *fmt, ...) _printf_(4, 5);
/* One cause of a 422; several are gathered by calling it again with the same answer. `detail` is what follows "FIELD: "
 * (such as "Required value"). */
void fail_invalid(struct answer *a, const struct kind *kind, const char *name, const char *field, const char *cause,
                  const char *fmt, ...) _printf_(6, 7);
static inline bool answered(const struct answer *a)
{
    return a->code != 0;
}
