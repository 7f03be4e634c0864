/* Frames, by libwslay's event interface: it reads from what was just received and writes to what is to be sent, so it
 * never sees the connection itself. Messages are handed on as they come, not gathered. What the server does wrong makes
 * libwslay queue a close frame and stop reading without an error of its own: that is what frames_fault() looks for. */
#include "io/websocket_internal.h"

#include "base/alloc.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>

static ssize_t on_read(wslay_event_context_ptr ctx, uint8_t *buf, size_t len, int flags _unused_, void *userdata)
{
    struct websocket *ws = userdata;
    if (ws->feed_len == 0 || ws->enough) {
        wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    const size_t n = ws->feed_len < len ? ws->feed_len : len;
    memcpy(buf, ws->feed, n);
    ws->feed += n;
    ws->feed_len -= n;
    return (ssize_t)n;
}

static ssize_t on_write(wslay_event_context_ptr ctx _unused_, const uint8_t *data, size_t len, int flags _unused_,
                        void *userdata)
{
    struct websocket *ws = userdata;
    strbuf_add(&ws->out, data, len);
    return (ssize_t)len;
}

static int on_mask(wslay_event_context_ptr ctx _unused_, uint8_t *buf, size_t len, void *userdata _unused_)
{
    return gnutls_rnd(GNUTLS_RND_NONCE, buf, len) < 0 ? -1 : 0;
}

static void on_frame(wslay_event_context_ptr ctx _unused_, const struct wslay_event_on_frame_recv_start_arg *arg,
                     void *userdata)
{
    struct websocket *ws = userdata;
    ws->in_control = wslay_is_ctrl_frame(arg->opcode);
    if (!ws->in_control && arg->opcode != WSLAY_CONTINUATION_FRAME)
        ws->begins = true;
}

static void on_piece(wslay_event_context_ptr ctx _unused_, const struct wslay_event_on_frame_recv_chunk_arg *arg,
                     void *userdata)
{
    struct websocket *ws = userdata;
    if (ws->in_control || ws->enough || arg->data_length == 0)
        return;
    const bool begins = ws->begins;
    ws->begins = false;
    ws->enough = !ws->events.data(arg->data, arg->data_length, begins, ws->userdata);
}

int websocket_frames_open(struct websocket *ws)
{
    static const struct wslay_event_callbacks callbacks = {.recv_callback = on_read,
                                                           .send_callback = on_write,
                                                           .genmask_callback = on_mask,
                                                           .on_frame_recv_start_callback = on_frame,
                                                           .on_frame_recv_chunk_callback = on_piece};
    int r = wslay_event_context_client_init(&ws->frames, &callbacks, ws);
    if (r != 0)
        return r;
    wslay_event_config_set_no_buffering(ws->frames, 1);
    wslay_event_config_set_max_recv_msg_length(ws->frames, ws->max_frame);
    return 0;
}

/* Ends it if it has to; false then. */
static bool goes_on(struct websocket *ws, int code)
{
    const char *where = ws->call->where;
    _cleanup_free_ char *message = NULL;
    enum http_error error = HTTP_OK;
    if (ws->enough) {
        message = xasprintf("%s: more came over the WebSocket than is taken", where);
        error = HTTP_ERROR_TOO_LARGE;
    } else if (ws->out.len - ws->out_sent > WEBSOCKET_UNSENT_MAX) {
        message = xasprintf("%s: the server keeps asking over the WebSocket but does not read the answers", where);
        error = HTTP_ERROR_PROTOCOL;
    } else if (wslay_event_get_close_received(ws->frames)) {
        error = HTTP_OK;
    } else if (code != 0 || !wslay_event_get_read_enabled(ws->frames)) {
        const bool large = wslay_event_get_status_code_sent(ws->frames) == WSLAY_CODE_MESSAGE_TOO_BIG;
        message = large ? xasprintf("%s: a WebSocket frame of more than %zu bytes", where, ws->max_frame)
                        : xasprintf("%s: what came over the WebSocket is against its protocol", where);
        error = large ? HTTP_ERROR_TOO_LARGE : HTTP_ERROR_PROTOCOL;
    } else {
        return true;
    }
    websocket_finish(ws, error, message);
    return false;
}

bool websocket_frames_take(struct websocket *ws, const char *data, size_t len)
{
    ws->feed = data;
    ws->feed_len = len;
    int code = wslay_event_recv(ws->frames);
    ws->feed = NULL;
    if (wslay_event_want_write(ws->frames) && wslay_event_send(ws->frames) != 0)
        code = -1;
    return goes_on(ws, code);
}
