/* A notice as the message that leaves for one receiver. Pure: no files, no clock, no sockets. A notice is the JSON
 * object of core/notice.h (here with `url`, the link to the run's page, where the shell knows one); what is in it came
 * from alerts in part and is hostile: every text is bounded, cut between UTF-8 characters, and encoded for the place
 * where it goes.
 *
 * The receiver must be resolved: what its *_file fields name stands in `url`, `pagerduty.routing_key`,
 * `webhook.bearer_token` and `email.password`. A message holds secrets: it is wiped by message_clear() and never
 * logged. */
#pragma once

#include "base/error.h"
#include "base/json.h"
#include "notify/receiver.h"

struct message {
    const char *nothing; /* static words: there is nothing to send, and why; the rest is NULL then */
    char *body;          /* HTTP: JSON for a POST; email: the whole message, lines ended by CRLF */
    size_t body_len;
    char *url;      /* HTTP only */
    char **headers; /* HTTP only: "Name: value", ends with NULL */
    char *from;     /* email only: the envelope, addresses without names */
    char **to;      /* email only: ends with NULL */
};

void message_clear(struct message *m);
#define _cleanup_message_ _cleanup_(message_clear)

/* 0, or -EINVAL with words for the operator (a receiver without url, a notice without time). `ret` is to be cleared
 * only after 0. */
int message_build(const struct receiver *r, const json_t *notice, struct message *ret, struct error *err);

/* One a kind, called by message_build(), which has looked at send_resolved and has bounded the notice. */
int slack_message(const struct receiver *r, const json_t *notice, struct message *ret, struct error *err);
int pagerduty_message(const struct receiver *r, const json_t *notice, struct message *ret, struct error *err);
int webhook_message(const struct receiver *r, const json_t *notice, struct message *ret, struct error *err);
int email_message(const struct receiver *r, const json_t *notice, struct message *ret, struct error *err);

/* For the builders: POST of that JSON to that URL. Takes json_new. */
void message_set_json(struct message *m, const char *url, json_t *json_new);
void message_add_header(struct message *m, const char *name, const char *value);
