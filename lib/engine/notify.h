/* Sends notices (core/notice.h) to the receivers of the configuration: Slack, PagerDuty and webhooks over HTTP, mail
 * over SMTP. One call is one try; trying again is the core's business.
 *
 * At most 2 are on their way to one receiver, the second only while fewer than 8 are in all, and never two of the same
 * receiver and key (a "resolve" must not overtake its "trigger"); the rest waits in order, and receivers that are slow
 * hold up only their own.
 * Secrets in files are read right before each try.
 *
 * Answers have the form of core/ask.h and come exactly once, on the loop, never from within notify_send():
 *   {"status": 202, "text": "…", "retry_after_s": 30?}   what the server said; a mail's are those of io/smtp.h
 *   {"status": 204, "text": "why"}                       there was nothing to send (send_resolved: false)
 *   {"error": "local", "message"}    no such receiver, a secret that cannot be read, a notice that says nothing
 *   {"error": "dns"|"refused"|"timeout"|"tls"|"reset"|…|"cancelled", "message"}
 * 3xx is not followed and is a failure like any other. No text holds a secret of the receiver. */
#pragma once

#include "base/error.h"
#include "base/json.h"
#include "notify/receiver.h"

#include <systemd/sd-event.h>

struct notifier;

struct notifier_settings { /* copied */
    const struct receiver *receivers;
    size_t n_receivers;
    const char *external_url; /* where people reach mendd ("https://mendd.example.com"); NULL: notices carry no link */
    int timeout_ms;           /* of one try; 0: 15 s for HTTP, 30 s for mail */
};

int notifier_new(sd_event *event, const struct notifier_settings *settings, struct notifier **ret, struct error *err);
/* A reload: what is on its way ends as it began, what waits goes by the new settings. */
void notifier_set(struct notifier *n, const struct notifier_settings *settings);
/* What is outstanding answers "cancelled", from within. */
struct notifier *notifier_free(struct notifier *n);
DEFINE_CLEANUP(struct notifier *, notifier_free);

typedef void (*notify_done_cb)(json_t *answer_new, void *userdata);
/* The receiver is the notice's own ("receiver"). The notice is copied. */
void notify_send(struct notifier *n, const json_t *notice, notify_done_cb done, void *userdata);
