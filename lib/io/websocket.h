/* A WebSocket client (RFC 6455) on sd-event, as the identity of an HTTP client: libcurl connects and does TLS
 * (CONNECT_ONLY), the upgrade is ours, libwslay does the frames. Debian's libcurl has no ws:// built in.
 *
 * Everything is bounded: the answer to the upgrade, one frame, what is sent and not yet taken, the whole time. Pings
 * are answered; frames of ours are masked; a masked or oversized frame from the server ends the connection. What comes
 * fast is taken in portions, so that ten megabytes at once do not hold up the loop. Nothing is ever sent a second time.
 */
#pragma once

#include "io/http.h"

struct websocket;

struct websocket_request {        /* copied */
    const char *url;              /* http:// or https:// (checked) */
    const char *const *headers;   /* further ones, NULL-terminated "Name: value" (checked); NULL: none */
    const char *const *protocols; /* offered subprotocols, the best first, NULL-terminated; the server must take one */
    int timeout_ms;               /* from the first connect to the end; 0: 30 s */
    int connect_timeout_ms;       /* 0: 5 s */
    size_t max_frame;             /* bytes of one frame; 0: 1 MiB */
};

struct websocket_end {     /* valid during the callback only */
    enum http_error error; /* HTTP_OK: refused (status), or closed by the server in good order */
    const char *message;   /* for people, when error */
    long status;           /* of the answer to the upgrade: 101, or what it was refused with; 0: none came */
    const char *body;      /* of a refusal; NUL-terminated, never NULL, at most 64 KiB */
    size_t body_len;
    int close_code; /* of the server's close frame; 0: there was none */
    bool sent;      /* false: certainly no byte of the request left */
};

struct websocket_events {
    /* It is open; `protocol` is the one that the server chose. May call websocket_send(). */
    void (*open)(const char *protocol, void *userdata);
    /* A piece of a message; `begins`: the first one. False: enough, it ends as HTTP_ERROR_TOO_LARGE. */
    bool (*data)(const void *data, size_t len, bool begins, void *userdata);
    /* Exactly once, never from within websocket_start(); the websocket is gone after it. */
    void (*end)(const struct websocket_end *end, void *userdata);
};

/* `c` must outlive the websocket. -EINVAL with words for a bad URL or header; no callback comes then. */
int websocket_start(struct http_client *c, const struct websocket_request *req, const struct websocket_events *events,
                    void *userdata, struct websocket **ret, struct error *err);
/* One binary message; for the callback `open`, or later. */
void websocket_send(struct websocket *ws, const void *data, size_t len);
/* All that mattered has come: the server's close is awaited no longer than this, and then it ends in good order. */
void websocket_linger(struct websocket *ws, int ms);
/* The callback `end` fires from within, with HTTP_ERROR_CANCELLED. Not from within a callback of its own. */
void websocket_cancel(struct websocket *ws);
