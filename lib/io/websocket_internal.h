/* What the files of the WebSocket client share: websocket.c (connection, lifetime), websocket_http.c (the upgrade, as
 * pure functions of text), websocket_frames.c (libwslay). */
#pragma once

#include "io/http_internal.h"
#include "io/websocket.h"

#include <wslay/wslay.h>

enum {
    WEBSOCKET_HEAD_MAX = 32 * 1024, /* of the answer to the upgrade */
    WEBSOCKET_BODY_MAX = 64 * 1024, /* of a refusal */
    WEBSOCKET_FRAME_MAX = 1 << 20,
    WEBSOCKET_UNSENT_MAX = 256 * 1024, /* what waits to be sent: a server that pings without reading ends there */
    WEBSOCKET_TURN_MAX = 256 * 1024,   /* taken in one turn of the loop */
};

enum websocket_state { WEBSOCKET_CONNECTING, WEBSOCKET_ASKING, WEBSOCKET_REFUSED, WEBSOCKET_OPEN };

/* ---- websocket_http.c ---- */

struct websocket_head {
    int status;
    long long content_length; /* -1: not said */
    bool chunked;
    char *upgrade, *connection, *accept, *protocol, *extensions; /* NULL where there is none */
};
void websocket_head_clear(struct websocket_head *h);
#define _cleanup_head_ _cleanup_(websocket_head_clear)

/* 16 random bytes in base64. The caller frees. */
char *websocket_key_new(void);
/* What the server must answer to that key. The caller frees. */
char *websocket_accept_new(const char *key);
/* The whole request. The headers must have been checked. */
int websocket_ask(const struct websocket_request *req, const char *key, struct strbuf *ret, struct error *err);
/* `text`: a head up to and including the empty line. -EPROTO if it is none of HTTP/1. */
int websocket_head_parse(const char *text, struct websocket_head *ret);
/* Why a 101 is no WebSocket of ours, in words (static), or NULL. */
const char *websocket_head_fault(const struct websocket_head *h, const char *accept, char *const *protocols);
/* Takes the chunks of a body apart; true once the last one is there, or if they are malformed. */
bool websocket_unchunk(const char *raw, size_t len, struct strbuf *ret);

/* ---- websocket.c ---- */

struct websocket {
    sd_event *event;
    struct http_call *call; /* the easy handle as the client's identity wants it */
    struct curl_loop *loop;
    sd_event_source *io, *deadline, *more;
    enum websocket_state state;
    char *accept, **protocols;
    long status;
    struct websocket_head head;
    struct strbuf in;  /* the head, then the raw body of a refusal */
    struct strbuf out; /* waits to be sent */
    size_t out_sent;
    int timeout_ms;
    size_t max_frame;
    bool sent, lingers;
    /* frames */
    wslay_event_context_ptr frames;
    const char *feed; /* what libwslay may read now */
    size_t feed_len;
    bool in_control, begins, enough;
    struct websocket_events events;
    void *userdata;
};

/* Tells the owner and frees everything. `message` NULL with HTTP_OK. */
void websocket_finish(struct websocket *ws, enum http_error error, const char *message);

/* ---- websocket_frames.c ---- */

int websocket_frames_open(struct websocket *ws);
/* Takes what came; what libwslay answers (pongs, close) goes to `out`. False: the websocket has ended and is gone. */
bool websocket_frames_take(struct websocket *ws, const char *data, size_t len);
