/* Sends mails through a mail server (RFC 5321), without blocking the loop. libcurl resolves the name, connects, greets,
 * does STARTTLS and AUTH (CURLOPT_CONNECT_ONLY); the dialogue after that is ours, over curl_easy_send() and
 * curl_easy_recv(): libcurl's own way to send a mail waits for the server's last answers inside the loop's thread (up
 * to its whole timeout, smtp_done() and smtp_disconnect() of 7.88.1).
 *
 * TLS: `require_tls` without STARTTLS on offer is an error before anything but EHLO has been said. Port 465 speaks TLS
 * from the first byte. The certificate is verified, except when `insecure` is set, or when TLS is not required and no
 * CA was given (whoever could forge the certificate could as well hide STARTTLS).
 *
 * One mail is one connection and one try. Answers, exactly one a mail, on the loop or from smtp_cancel() and
 * smtp_client_free():
 *   {"status": 250, "text": "…", "refused": ["address: 550 …"]?}   taken; some recipients may have been refused
 *   {"status": 503, "text": "…"}     refused for now (4yz): try again        {"status": 400, "text"}  for good (5yz)
 *   {"error": "dns"|"refused"|"timeout"|"tls"|"reset"|"protocol"|"local"|"cancelled", "message"}
 * After a timeout or reset the mail may have been taken nevertheless. Texts hold neither user name nor password. */
#pragma once

#include "base/error.h"
#include "base/json.h"
#include "base/macro.h"

#include <systemd/sd-event.h>

struct smtp_client;
struct smtp_call;

int smtp_client_new(sd_event *event, struct smtp_client **ret, struct error *err);
struct smtp_client *smtp_client_free(struct smtp_client *c);
DEFINE_CLEANUP(struct smtp_client *, smtp_client_free);

struct smtp_request { /* copied by smtp_start() */
    const char *host; /* name or address, an IPv6 one without brackets */
    int port;
    const char *hello;               /* the name in EHLO; NULL: this host's */
    const char *username, *password; /* NULL: no AUTH */
    const char *from;                /* addresses alone, without names or brackets */
    char *const *to;                 /* ends with NULL */
    const char *message;             /* RFC 5322, lines ended by CRLF; dots are doubled here */
    size_t message_len;
    bool require_tls, insecure;
    const char *ca_file;
    int timeout_ms, connect_timeout_ms; /* 0: 30 s in all; 20 s until greeting, TLS and AUTH are over */
};

typedef void (*smtp_done_cb)(json_t *answer_new, void *userdata);

/* -EINVAL with words for what cannot be sent; the callback does not fire then. ret_call may be NULL; it is valid until
 * the callback fires. */
int smtp_start(struct smtp_client *c, const struct smtp_request *req, smtp_done_cb done, void *userdata,
               struct smtp_call **ret_call, struct error *err);
/* The callback fires from within, with "cancelled". */
void smtp_cancel(struct smtp_call *call);
