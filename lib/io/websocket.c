/* Happy path: websocket_start() takes an easy handle as http_call.c makes it, but one that only connects;
 * on_connected() sends the upgrade; read_head() finds a 101 that is right, tells `open`, and from there on bytes go to
 * and from websocket_frames.c; the server's close frame ends it.
 *
 * Failure modes: no connection or a bad certificate are put into words by http_result.c, as for every request; an
 * answer other than 101 is read to its end (bounded) and handed over as a refusal: the server did nothing then; a 101
 * that does not belong to our key, or a frame that breaks the protocol, is HTTP_ERROR_PROTOCOL; an end without a close
 * frame is HTTP_ERROR_RESET; the deadline is one timer over everything. The easy handle stays in its multi handle to
 * the end, as the connection lives no longer than that; each websocket has a multi handle of its own. */
#include "io/websocket_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

static void websocket_free(struct websocket *ws)
{
    sd_event_source_disable_unref(ws->io); /* before the connection closes: the descriptor's number may be another's */
    sd_event_source_disable_unref(ws->deadline);
    sd_event_source_disable_unref(ws->more);
    if (ws->frames)
        wslay_event_context_free(ws->frames);
    if (ws->loop && ws->call)
        curl_loop_remove(ws->loop, ws->call->easy);
    http_call_free(ws->call);
    curl_loop_free(ws->loop);
    websocket_head_clear(&ws->head);
    texts_free(ws->protocols);
    free(ws->accept);
    strbuf_free(&ws->in);
    if (ws->out.data)
        explicit_bzero(ws->out.data, ws->out.cap); /* the request held the token */
    strbuf_free(&ws->out);
    sd_event_unref(ws->event);
    free(ws);
}

static void websocket_freep(struct websocket **ws)
{
    if (*ws)
        websocket_free(*ws);
}

/* What was queued last (our close frame) goes out if the socket takes it at once. */
static void send_rest(struct websocket *ws)
{
    size_t n = 0;
    if (ws->state == WEBSOCKET_OPEN && ws->out_sent < ws->out.len)
        (void)!curl_easy_send(ws->call->easy, ws->out.data + ws->out_sent, ws->out.len - ws->out_sent, &n);
}

void websocket_finish(struct websocket *ws, enum http_error error, const char *message)
{
    _cleanup_(websocket_freep) struct websocket *owned = ws;
    _cleanup_strbuf_ struct strbuf body = {.max = WEBSOCKET_BODY_MAX};
    if (ws->state == WEBSOCKET_REFUSED && ws->head.chunked)
        websocket_unchunk(strbuf_str(&ws->in), ws->in.len, &body);
    else if (ws->state == WEBSOCKET_REFUSED)
        strbuf_add(&body, strbuf_str(&ws->in), ws->in.len);
    struct websocket_end end = {.error = error,
                                .message = message,
                                .status = ws->status,
                                .body = strbuf_str(&body),
                                .body_len = body.len,
                                .sent = ws->sent};
    if (ws->frames && wslay_event_get_close_received(ws->frames))
        end.close_code = wslay_event_get_status_code_received(ws->frames);
    send_rest(ws);
    sd_event_source_disable_unref(TAKE_PTR(ws->io));
    ws->events.end(&end, ws->userdata);
}

static void fail(struct websocket *ws, enum http_error error, const char *words)
{
    _cleanup_free_ char *message = xasprintf("%s: %s", ws->call->where, words);
    websocket_finish(ws, error, message);
}

/* ---- sending ---- */

/* False: it has ended. */
static bool flush(struct websocket *ws)
{
    while (ws->out_sent < ws->out.len) {
        size_t n = 0;
        const CURLcode code =
            curl_easy_send(ws->call->easy, ws->out.data + ws->out_sent, ws->out.len - ws->out_sent, &n);
        if (code == CURLE_AGAIN)
            break;
        if (code != CURLE_OK) {
            fail(ws, HTTP_ERROR_RESET, "the connection ended while something was being sent");
            return false;
        }
        ws->sent = true;
        ws->out_sent += n;
    }
    const bool all = ws->out_sent == ws->out.len;
    if (all) {
        strbuf_reset(&ws->out);
        ws->out_sent = 0;
    }
    sd_event_source_set_io_events(ws->io, all ? EPOLLIN : EPOLLIN | EPOLLOUT);
    return true;
}

void websocket_send(struct websocket *ws, const void *data, size_t len)
{
    const struct wslay_event_msg message = {WSLAY_BINARY_FRAME, data, len};
    if (ws->state != WEBSOCKET_OPEN || wslay_event_queue_msg(ws->frames, &message) != 0)
        return;
    wslay_event_send(ws->frames);
    sd_event_source_set_io_events(ws->io, EPOLLIN | EPOLLOUT); /* the loop sends it */
}

/* ---- receiving ---- */

/* The answer to the upgrade is whole. False: it has ended. */
static bool opened(struct websocket *ws)
{
    const char *fault = websocket_head_fault(&ws->head, ws->accept, ws->protocols);
    if (fault || websocket_frames_open(ws) != 0) {
        fail(ws, HTTP_ERROR_PROTOCOL, fault ? fault : "no memory for the WebSocket");
        return false;
    }
    ws->state = WEBSOCKET_OPEN;
    ws->events.open(ws->head.protocol, ws->userdata);
    _cleanup_strbuf_ struct strbuf rest = ws->in;
    ws->in = STRBUF_INIT;
    return rest.len == 0 || websocket_frames_take(ws, rest.data, rest.len);
}

/* False: it has ended. */
static bool read_refusal(struct websocket *ws)
{
    bool whole = ws->head.content_length >= 0 && ws->in.len >= (size_t)ws->head.content_length;
    if (ws->head.chunked) {
        _cleanup_strbuf_ struct strbuf body = {.max = WEBSOCKET_BODY_MAX};
        whole = websocket_unchunk(strbuf_str(&ws->in), ws->in.len, &body);
    }
    if (!whole && !ws->in.truncated)
        return true;
    websocket_finish(ws, HTTP_OK, NULL);
    return false;
}

static bool read_head(struct websocket *ws)
{
    const char *end = ws->in.len ? memmem(ws->in.data, ws->in.len, "\r\n\r\n", 4) : NULL;
    if (!end) {
        if (ws->in.len < WEBSOCKET_HEAD_MAX)
            return true;
        fail(ws, HTTP_ERROR_PROTOCOL, "the head of the answer does not end");
        return false;
    }
    const size_t len = (size_t)(end - ws->in.data) + 4;
    _cleanup_free_ char *text = xstrndup(ws->in.data, len);
    if (websocket_head_parse(text, &ws->head) < 0) {
        fail(ws, HTTP_ERROR_PROTOCOL, "what answers there does not speak HTTP/1.1");
        return false;
    }
    memmove(ws->in.data, ws->in.data + len, ws->in.len - len);
    ws->in.len -= len;
    ws->in.data[ws->in.len] = '\0';
    ws->status = ws->head.status;
    if (ws->head.status == 101)
        return opened(ws);
    ws->state = WEBSOCKET_REFUSED;
    return read_refusal(ws);
}

/* False: it has ended. */
static bool take(struct websocket *ws, const char *data, size_t len)
{
    if (ws->state == WEBSOCKET_OPEN)
        return websocket_frames_take(ws, data, len);
    strbuf_add(&ws->in, data, len);
    return ws->state == WEBSOCKET_REFUSED ? read_refusal(ws) : read_head(ws);
}

static void connection_ended(struct websocket *ws)
{
    if (ws->state == WEBSOCKET_REFUSED || ws->lingers)
        websocket_finish(ws, HTTP_OK, NULL);
    else
        fail(ws, HTTP_ERROR_RESET,
             ws->state == WEBSOCKET_OPEN ? "the connection ended without a close frame"
                                         : "the connection ended before the answer was complete");
}

/* What TLS has decrypted already wakes no descriptor: after a portion a timer of zero goes on. (A defer source that is
 * armed again counts as pending since it was made, and would always come before everything else in the loop.) */
static void receive(struct websocket *ws)
{
    char chunk[16384];
    for (size_t got = 0; got < WEBSOCKET_TURN_MAX;) {
        size_t n = 0;
        const CURLcode code = curl_easy_recv(ws->call->easy, chunk, sizeof(chunk), &n);
        if (code == CURLE_AGAIN)
            return;
        if (code != CURLE_OK || n == 0) {
            connection_ended(ws);
            return;
        }
        got += n;
        if (!take(ws, chunk, n) || !flush(ws))
            return;
    }
    sd_event_source_set_time_relative(ws->more, 0);
    sd_event_source_set_enabled(ws->more, SD_EVENT_ONESHOT);
}

static int on_io(sd_event_source *source _unused_, int fd _unused_, uint32_t revents, void *userdata)
{
    struct websocket *ws = userdata;
    if ((revents & EPOLLOUT) && !flush(ws))
        return 0;
    if (revents & (EPOLLIN | EPOLLHUP | EPOLLERR))
        receive(ws);
    return 0;
}

static int on_more(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
    receive(userdata);
    return 0;
}

/* ---- beginning and time ---- */

static void on_connected(CURL *easy, CURLcode code, void *userdata)
{
    struct websocket *ws = userdata;
    _cleanup_free_ char *message = NULL;
    curl_socket_t fd = CURL_SOCKET_BAD;
    if (code != CURLE_OK) {
        const enum http_error error = http_call_judge(ws->call, code, &message);
        websocket_finish(ws, error, message);
        return;
    }
    ws->state = WEBSOCKET_ASKING;
    if (curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &fd) != CURLE_OK || fd == CURL_SOCKET_BAD)
        fail(ws, HTTP_ERROR_RESET, "the connection ended at once");
    else if (sd_event_add_io(ws->event, &ws->io, fd, EPOLLIN, on_io, ws) < 0)
        fail(ws, HTTP_ERROR_LOCAL, "the connection cannot be added to the event loop");
    else
        flush(ws);
}

static int on_deadline(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
    struct websocket *ws = userdata;
    static const char *const words[] = {[WEBSOCKET_CONNECTING] = "no connection",
                                        [WEBSOCKET_ASKING] = "no answer",
                                        [WEBSOCKET_REFUSED] = "no complete answer",
                                        [WEBSOCKET_OPEN] = "no end"};
    if (ws->lingers) {
        websocket_finish(ws, HTTP_OK, NULL);
        return 0;
    }
    _cleanup_free_ char *text = xasprintf("%s within %d ms", words[ws->state], ws->timeout_ms);
    fail(ws, HTTP_ERROR_TIMEOUT, text);
    return 0;
}

void websocket_linger(struct websocket *ws, int ms)
{
    if (ws->lingers)
        return;
    ws->lingers = true;
    sd_event_source_set_time_relative(ws->deadline, (uint64_t)ms * USEC_PER_MSEC);
    sd_event_source_set_enabled(ws->deadline, SD_EVENT_ONESHOT);
}

void websocket_cancel(struct websocket *ws)
{
    if (ws)
        fail(ws, HTTP_ERROR_CANCELLED, "the WebSocket was given up");
}

static int add_sources(struct websocket *ws, struct error *err)
{
    int r = sd_event_add_time_relative(ws->event, &ws->deadline, CLOCK_MONOTONIC,
                                       (uint64_t)ws->timeout_ms * USEC_PER_MSEC, 1, on_deadline, ws);
    if (r >= 0)
        r = sd_event_add_time_relative(ws->event, &ws->more, CLOCK_MONOTONIC, 0, 1, on_more, ws);
    if (r >= 0)
        r = sd_event_source_set_enabled(ws->more, SD_EVENT_OFF);
    return r < 0 ? error_set(err, r, "cannot add a WebSocket to the event loop") : 0;
}

int websocket_start(struct http_client *c, const struct websocket_request *req, const struct websocket_events *events,
                    void *userdata, struct websocket **ret, struct error *err)
{
    if (c->closing)
        return error_set(err, -ESHUTDOWN, "the HTTP client is shutting down");
    _cleanup_(websocket_freep) struct websocket *ws = xnew0(struct websocket);
    _cleanup_free_ char *key = websocket_key_new();
    ws->event = sd_event_ref(c->event);
    ws->events = *events;
    ws->userdata = userdata;
    ws->timeout_ms = req->timeout_ms > 0 ? req->timeout_ms : HTTP_TIMEOUT_MS;
    ws->max_frame = req->max_frame ? req->max_frame : WEBSOCKET_FRAME_MAX;
    ws->accept = websocket_accept_new(key);
    ws->protocols = texts_dup((char *const *)req->protocols);
    ws->in.max = WEBSOCKET_HEAD_MAX + WEBSOCKET_BODY_MAX;
    const struct http_request connect = {.method = "GET",
                                         .url = req->url,
                                         .headers = req->headers, /* for their check */
                                         .timeout_ms = ws->timeout_ms,
                                         .connect_timeout_ms = req->connect_timeout_ms,
                                         .fresh_connect = true,
                                         .connect_only = true};
    int r = http_call_new(c, &connect, NULL, NULL, &ws->call, err);
    if (r >= 0)
        r = websocket_ask(req, key, &ws->out, err);
    if (r >= 0)
        r = curl_loop_new(ws->event, on_connected, ws, &ws->loop, err);
    if (r >= 0)
        r = add_sources(ws, err);
    if (r < 0)
        return r;
    curl_loop_keep_finished(ws->loop);
    curl_easy_setopt(ws->call->easy, CURLOPT_FORBID_REUSE, 0L); /* else it would be closed once it stands */
    r = curl_loop_add(ws->loop, ws->call->easy, err);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(ws);
    return 0;
}
