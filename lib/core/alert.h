/* Alerts as Alertmanager's webhook (payload version 4) and its vendors really send them.
 *
 * An alert's identity is its label set: the 64-bit FNV-1a over name, 0xff, value, 0xff with names sorted, as
 * Alertmanager computes it (semantics.md). The sender's own `fingerprint` is kept for show only. */
#pragma once

#include "base/clock.h"
#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>

enum { ALERT_MAX_LABELS = 256, ALERT_MAX_NAME = 1024, ALERT_MAX_VALUE = 65536 };

struct alert {
    json_t *labels;         /* object of texts, never NULL in a valid alert */
    json_t *annotations;    /* object of texts, may be empty */
    char fingerprint[17];   /* 16 hex digits, computed */
    char *sent_fingerprint; /* the sender's, or NULL */
    char *generator_url;
    int64_t starts_us, ends_us; /* 0: not said (or the zero time 0001-01-01) */
    bool firing;
};

struct alert *alert_free(struct alert *a);
DEFINE_CLEANUP(struct alert *, alert_free);

/* One element of the payload's `alerts`. Per-alert status missing: ends in the past means resolved, else the payload's
 * status, else firing. NULL and an error that says what is wrong: that alert is `malformed` (wrong types, no labels,
 * names empty, over the limits, NUL or invalid UTF-8 cannot occur: jansson refuses them). */
struct alert *alert_from_json(const json_t *j, const char *payload_status, struct now now, struct error *err);
/* {labels, annotations, fingerprint, sent_fingerprint?, startsAt?, endsAt?, generatorURL?, status}: the form of
 * records. */
json_t *alert_to_json(const struct alert *a);
/* From alert_to_json()'s form. Never fails on what it wrote. */
struct alert *alert_from_record(const json_t *j);

void alert_fingerprint(const json_t *labels, char ret[17]);
const char *alert_name(const struct alert *a); /* the alertname label, or "" */

/* A webhook payload, looked at as a whole. */
struct payload {
    const json_t *alerts; /* the array; borrowed from the document */
    const char *status;   /* "firing" | "resolved" | NULL */
    int64_t truncated;    /* truncatedAlerts */
};
/* -EBADMSG: not a webhook payload (no object, no `alerts` array, empty array): 400. */
int payload_from_json(const json_t *document, struct payload *ret, struct error *err);

/* The names of mendd's own alerts: from the webhook they are malformed. */
bool alert_name_is_internal(const char *name);
