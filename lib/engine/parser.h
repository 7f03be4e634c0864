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
enum { PARSED_INLINE_ALERTS = 1 }; /* a webhook with one alert needs no second allocation */

struct parsed {
    int status; /* 200, 400 or 413; 503: not parsed, mendd is stopping */
    struct error err;
    struct parsed_alert *alerts; /* inline_alerts, or its own memory */
    struct parsed_alert inline_alerts[PARSED_INLINE_ALERTS];
    size_t n, n_malformed;
    bool unread; /* the one alert is valid (glance.h), but not built yet: it is read from the body when it is decided */
    int64_t truncated; /* truncatedAlerts */
    char *body;        /* handed back */
    size_t len;
};
struct parsed *parsed_free(struct parsed *p);
DEFINE_CLEANUP(struct parsed *, parsed_free);

/* Never fails: the outcome is in `status`. Takes the body. */
struct parsed *parse_body(char *body_taken, size_t len, struct now now);
/* The same for the list that Alertmanager's /api/v2/alerts gives; it may be empty. */
struct parsed *parse_active(char *body_taken, size_t len, struct now now);
/* What comes back of a body that nobody will parse. */
struct parsed *parse_nothing(char *body_taken, size_t len, struct now now);

typedef void (*parsed_cb)(struct parsed *taken, void *userdata);
int parser_new(sd_event *event, struct parser **ret, struct error *err);
/* Waits for the body that is being parsed; callbacks that are still due fire, those whose turn had not come with 503.
 */
struct parser *parser_free(struct parser *p);
typedef struct parsed *(*parse_fn)(char *body_taken, size_t len, struct now now);
/* The callback runs on the loop, or in parser_free(). Takes the body. -EBUSY: too many wait already (it is freed). */
int parser_submit(struct parser *p, parse_fn parse, char *body_taken, size_t len, parsed_cb done, void *userdata);
