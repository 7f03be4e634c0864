/* Webhook bodies into alerts. A body over PARSER_INLINE bytes is parsed on a helper thread, since jansson would stop
 * the loop for it (10,000 alerts: 200 ms); smaller ones on the loop. What a body may cost is bounded before it is
 * parsed: its tokens are counted in one pass over the bytes. */
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "engine/internal.h"

#include <stddef.h>

enum { PARSER_INLINE = 256 * 1024 };

/* One alert of a body: its row for the inbox and what will be decided. */
struct parsed_alert {
    struct waiting *waiting;
    char *row; /* NULL: the body itself is the row (INBOX_PAYLOAD) */
    size_t row_len;
};

struct parsed {
    int status; /* 200, 400 or 413 */
    struct error err;
    struct parsed_alert *alerts;
    size_t n, n_malformed;
    int64_t truncated; /* truncatedAlerts */
    char *body;        /* handed back */
    size_t len;
};
struct parsed *parsed_free(struct parsed *p);
DEFINE_CLEANUP(struct parsed *, parsed_free);

/* Never fails: the outcome is in `status`. Takes the body. */
struct parsed *parse_body(char *body_taken, size_t len, struct now now);

typedef void (*parsed_cb)(struct parsed *taken, void *userdata);
int parser_new(sd_event *event, struct parser **ret, struct error *err);
/* Waits for what is being parsed; callbacks that are still due fire with what was parsed. */
struct parser *parser_free(struct parser *p);
/* The callback runs on the loop. Takes the body. -EBUSY: too many wait already (the body is freed). */
int parser_submit(struct parser *p, char *body_taken, size_t len, parsed_cb done, void *userdata);
