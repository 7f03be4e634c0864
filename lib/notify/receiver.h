/* Who is told, and how: the `receivers` of the configuration as plain values. Depends on base only, so that config may
 * fill it and the engine may send by it. Every text is owned by the struct; NULL where the configuration says nothing.
 *
 * A secret stands in the struct itself, or its file's name does (*_file). Files are read right before each send, never
 * when the configuration is loaded, so that a rotated secret works without a reload. */
#pragma once

#include "base/error.h"
#include "base/macro.h"

#include <stdbool.h>
#include <stddef.h>

enum receiver_kind { RECEIVER_SLACK, RECEIVER_PAGERDUTY, RECEIVER_WEBHOOK, RECEIVER_EMAIL };

/* require_tls of the configuration. AUTO (nothing was said): required, except that a smarthost on the loopback may do
 * without. OPPORTUNISTIC (`require_tls: false`): STARTTLS if the server offers it. */
enum receiver_tls { RECEIVER_TLS_AUTO, RECEIVER_TLS_REQUIRED, RECEIVER_TLS_OPPORTUNISTIC };

struct receiver {
    char *name;
    enum receiver_kind kind;
    bool send_resolved; /* receiver_init(): true */
    bool digest;        /* wants to hear what was repaired */

    /* slack (an incoming webhook), webhook: where to; pagerduty: NULL is PAGERDUTY_URL. The path may be the secret. */
    char *url, *url_file;
    char *ca_file; /* PEM; NULL: the host's own */
    bool insecure; /* the server's certificate is not verified */

    struct {
        char *channel, *username; /* honoured by old webhooks only */
    } slack;
    struct {
        char *routing_key, *routing_key_file, *client_url;
    } pagerduty;
    struct {
        char *bearer_token, *bearer_token_file;
    } webhook;
    struct {
        char **to;       /* ends with NULL; "a@example.com" or "On Call <a@example.com>" */
        char *from;      /* the same form */
        char *smarthost; /* "host:port"; port 465 speaks TLS from the first byte */
        char *username, *password, *password_file;
        char *hello; /* the name in EHLO; NULL: this host's */
        enum receiver_tls tls;
    } email;
};

#define PAGERDUTY_URL "https://events.pagerduty.com/v2/enqueue"

void receiver_init(struct receiver *r, enum receiver_kind kind);
/* Frees what it owns; what may be secret is wiped before. */
void receiver_clear(struct receiver *r);
/* `to` is uninitialised memory before. */
void receiver_copy(struct receiver *to, const struct receiver *from);

#define _cleanup_receiver_ _cleanup_(receiver_clear)

const char *receiver_kind_name(enum receiver_kind kind); /* "slack", … as in the configuration */

/* "host:port", "[::1]:port". -EINVAL with words. The caller frees the host (without brackets). */
int smarthost_parse(const char *smarthost, char **ret_host, int *ret_port, struct error *err);
/* "localhost", 127.0.0.0/8, ::1. */
bool host_is_loopback(const char *host);
/* May a mail to this receiver leave without TLS? Never with a password to another host. */
bool receiver_requires_tls(const struct receiver *r);

/* "On Call <a@example.com>" or "a@example.com" into name (NULL if there is none) and address. ASCII addresses only;
 * nothing that could end a header or an SMTP command. -EINVAL with words. */
int mailbox_parse(const char *mailbox, char **ret_name, char **ret_address, struct error *err);
