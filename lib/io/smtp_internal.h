/* What the files of the mail client share: smtp.c (clients, the connection through libcurl, lifetime), smtp_dialogue.c
 * (MAIL FROM to the final dot). */
#pragma once

#include "base/strbuf.h"
#include "io/curl_loop.h"
#include "io/smtp.h"

#include <stdbool.h>

enum {
    SMTP_TIMEOUT_MS = 30000,
    SMTP_CONNECT_TIMEOUT_MS = 20000,
    SMTP_MESSAGE_MAX = 1 << 20,
    SMTP_RECIPIENTS_MAX = 100,
    SMTP_REPLY_MAX = 16 * 1024, /* of one reply, all its lines */
    SMTP_WORDS_MAX = 400        /* what of a reply is shown */
};

enum smtp_stage { SMTP_CONNECT, SMTP_MAIL, SMTP_RCPT, SMTP_DATA, SMTP_BODY };

struct smtp_client {
    sd_event *event;
    struct curl_loop *loop;
    struct smtp_call *calls; /* list */
    bool closing;
};

struct smtp_call {
    struct smtp_client *client;
    struct smtp_call *prev, *next;
    CURL *easy;
    char errbuf[CURL_ERROR_SIZE];
    char *where, *from, **to; /* where: host:port, for people */
    char *message;            /* as it goes over the wire: dots doubled, the final one included */
    size_t message_len;
    int timeout_ms;
    sd_event_source *deadline, *io;
    enum smtp_stage stage;
    struct strbuf out; /* what is being sent */
    size_t out_sent;
    struct strbuf in;    /* received, not yet a whole line */
    struct strbuf words; /* the reply so far, in one line */
    size_t reply_bytes;
    size_t next_to, accepted;
    json_t *refused; /* array: recipients that were refused, with the server's words */
    bool refused_for_now;
    smtp_done_cb done;
    void *userdata;
};

/* smtp.c: answers and frees the call. Takes answer_new. */
void smtp_finish(struct smtp_call *call, json_t *answer_new);
json_t *smtp_error_new(const char *error, const char *message);
/* 4yz and 5yz as statuses; any other code is a fault of the protocol. Takes text. */
json_t *smtp_refusal_new(int code, char *text_taken);

/* smtp_dialogue.c: the connection stands; ends in smtp_finish(). */
void smtp_dialogue_start(struct smtp_call *call);
const char *smtp_stage_name(enum smtp_stage stage);
/* Doubles dots at the start of lines and adds the final one (RFC 5321, 4.5.2). The caller frees. */
char *smtp_stuffed(const char *message, size_t len, size_t *ret_len);
