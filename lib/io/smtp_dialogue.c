/* The dialogue once greeting, TLS and AUTH are over: MAIL FROM, RCPT TO for each, DATA, the mail, the final dot.
 *
 * Happy path: each command is sent, its reply read and looked at, and the next one follows; after the reply to the
 * final dot QUIT goes out unanswered, as nothing depends on it any more.
 *
 * Failure modes: a reply of 4yz or 5yz ends the dialogue with the server's words (a refused recipient only if nobody is
 * left); a connection that ends is "reset"; a reply that is none, or never ends, is "protocol"; a server that says
 * nothing is met by the call's deadline (smtp.c). */
#include "io/smtp_internal.h"

#include "base/alloc.h"
#include "base/text.h"

#include <ctype.h>
#include <string.h>
#include <sys/epoll.h>

const char *smtp_stage_name(enum smtp_stage stage)
{
    static const char *const names[] = {[SMTP_CONNECT] = "greeting, STARTTLS or AUTH",
                                        [SMTP_MAIL] = "MAIL FROM",
                                        [SMTP_RCPT] = "RCPT TO",
                                        [SMTP_DATA] = "DATA",
                                        [SMTP_BODY] = "the mail's end"};
    return names[stage];
}

char *smtp_stuffed(const char *message, size_t len, size_t *ret_len)
{
    struct strbuf b = STRBUF_INIT;
    for (const char *p = message, *end = message + len; p < end;) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        const size_t n = newline ? (size_t)(newline - p) + 1 : (size_t)(end - p);
        if (*p == '.')
            strbuf_putc(&b, '.');
        strbuf_add(&b, p, n);
        p += n;
    }
    if (!str_ends(strbuf_str(&b), "\r\n"))
        strbuf_puts(&b, "\r\n");
    strbuf_puts(&b, ".\r\n");
    *ret_len = b.len;
    return strbuf_take(&b);
}

static void fail(struct smtp_call *call, const char *error, const char *what)
{
    _cleanup_free_ char *message = xasprintf("%s: %s (at %s)", call->where, what, smtp_stage_name(call->stage));
    smtp_finish(call, smtp_error_new(error, message));
}

/* Sends what it can. False: the call has ended. */
static bool flush_out(struct smtp_call *call)
{
    while (call->out_sent < call->out.len) {
        size_t n = 0;
        const CURLcode code =
            curl_easy_send(call->easy, call->out.data + call->out_sent, call->out.len - call->out_sent, &n);
        if (code == CURLE_AGAIN)
            break;
        if (code != CURLE_OK) {
            fail(call, "reset", "the mail server closed the connection");
            return false;
        }
        call->out_sent += n;
    }
    const bool pending = call->out_sent < call->out.len;
    sd_event_source_set_io_events(call->io, (uint32_t)EPOLLIN | (pending ? (uint32_t)EPOLLOUT : 0));
    return true;
}

static bool say(struct smtp_call *call, enum smtp_stage stage, const char *text, size_t len)
{
    call->stage = stage;
    strbuf_reset(&call->out);
    call->out_sent = 0;
    strbuf_add(&call->out, text, len);
    return flush_out(call);
}

static bool say_address(struct smtp_call *call, enum smtp_stage stage, const char *address)
{
    _cleanup_free_ char *line = xasprintf("%s:<%s>\r\n", stage == SMTP_MAIL ? "MAIL FROM" : "RCPT TO", address);
    return say(call, stage, line, strlen(line));
}

/* The result stands; the server may still hear that we go, on a connection that is closed right after. */
static void quit(struct smtp_call *call)
{
    size_t n;
    if (call->out_sent == call->out.len)
        curl_easy_send(call->easy, "QUIT\r\n", 6, &n);
}

static bool end(struct smtp_call *call, json_t *answer_new)
{
    quit(call);
    smtp_finish(call, answer_new);
    return false;
}

static bool refuse(struct smtp_call *call, int code)
{
    return end(call, smtp_refusal_new(code, xasprintf("%s refused the mail at %s: %s", call->where,
                                                      smtp_stage_name(call->stage), strbuf_str(&call->words))));
}

/* All recipients have been asked for: with one that was taken the mail goes out. */
static bool after_recipients(struct smtp_call *call)
{
    if (call->accepted)
        return say(call, SMTP_DATA, "DATA\r\n", 6);
    const char *first = json_string_value(json_array_get(call->refused, 0));
    return end(call, smtp_refusal_new(call->refused_for_now ? 450 : 550,
                                      xasprintf("%s refused every recipient: %s", call->where, first)));
}

static bool on_recipient(struct smtp_call *call, int code)
{
    if (code / 100 == 2) {
        call->accepted++;
    } else if (code == 421) { /* the server goes away */
        return refuse(call, code);
    } else {
        _cleanup_free_ char *text = xasprintf("%s: %s", call->to[call->next_to - 1], strbuf_str(&call->words));
        json_array_append_new(call->refused, json_text_new(text, strlen(text)));
        call->refused_for_now |= code / 100 == 4;
    }
    if (call->to[call->next_to])
        return say_address(call, SMTP_RCPT, call->to[call->next_to++]);
    return after_recipients(call);
}

static bool taken(struct smtp_call *call)
{
    json_t *answer = json_object();
    json_object_set_new(answer, "status", json_integer(250));
    json_set_text(answer, "text", strbuf_str(&call->words));
    if (json_array_size(call->refused))
        json_object_set(answer, "refused", call->refused);
    return end(call, answer);
}

/* One whole reply. False: the call has ended. */
static bool on_reply(struct smtp_call *call, int code)
{
    const bool yes = code / 100 == 2;
    switch (call->stage) {
    case SMTP_MAIL:
        return yes ? say_address(call, SMTP_RCPT, call->to[call->next_to++]) : refuse(call, code);
    case SMTP_RCPT:
        return on_recipient(call, code);
    case SMTP_DATA:
        return code == 354 ? say(call, SMTP_BODY, call->message, call->message_len) : refuse(call, code);
    default:
        return yes ? taken(call) : refuse(call, code);
    }
}

static void keep_words(struct smtp_call *call, const char *line, size_t len)
{
    if (call->words.len)
        strbuf_putc(&call->words, ' ');
    for (size_t i = 0; i < len; i++)
        strbuf_putc(&call->words, isascii((unsigned char)line[i]) && isprint((unsigned char)line[i]) ? line[i] : ' ');
}

/* "250-more follows", "250 done". False: the call has ended. */
static bool on_line(struct smtp_call *call, const char *line, size_t len)
{
    while (len > 0 && (line[len - 1] == '\r' || line[len - 1] == '\n'))
        len--;
    for (size_t i = 0; i < 3; i++)
        if (len < 3 || !isdigit((unsigned char)line[i])) {
            fail(call, "protocol", "what answers there is no mail server");
            return false;
        }
    const int code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
    const bool more = len > 3 && line[3] == '-';
    keep_words(call, call->words.len ? line + (len > 3 ? 4 : 3) : line,
               call->words.len ? len - (len > 3 ? 4 : 3) : len);
    if (more)
        return true;
    call->reply_bytes = 0;
    const bool goes_on = on_reply(call, code);
    if (goes_on)
        strbuf_reset(&call->words);
    return goes_on;
}

/* Takes whole lines off `in`. False: the call has ended. */
static bool read_lines(struct smtp_call *call)
{
    for (const char *newline; (newline = call->in.len ? memchr(call->in.data, '\n', call->in.len) : NULL);) {
        const size_t len = (size_t)(newline - call->in.data) + 1;
        _cleanup_free_ char *line = xstrndup(call->in.data, len);
        memmove(call->in.data, call->in.data + len, call->in.len - len);
        call->in.len -= len;
        if (!on_line(call, line, strlen(line)))
            return false;
    }
    return true;
}

/* Until nothing is left: what TLS has decrypted already wakes no descriptor. */
static void receive(struct smtp_call *call)
{
    for (;;) {
        char chunk[2048];
        size_t n = 0;
        const CURLcode code = curl_easy_recv(call->easy, chunk, sizeof(chunk), &n);
        if (code == CURLE_AGAIN)
            return;
        if (code != CURLE_OK || n == 0) {
            fail(call, "reset", "the mail server closed the connection");
            return;
        }
        call->reply_bytes += n;
        if (call->reply_bytes > SMTP_REPLY_MAX) {
            fail(call, "protocol", "the mail server's reply does not end");
            return;
        }
        strbuf_add(&call->in, chunk, n);
        if (!read_lines(call))
            return;
    }
}

static int on_io(sd_event_source *source _unused_, int fd _unused_, uint32_t revents, void *userdata)
{
    struct smtp_call *call = userdata;
    if ((revents & EPOLLOUT) && !flush_out(call))
        return 0;
    if (revents & (EPOLLIN | EPOLLHUP | EPOLLERR))
        receive(call);
    return 0;
}

void smtp_dialogue_start(struct smtp_call *call)
{
    curl_socket_t fd = CURL_SOCKET_BAD;
    if (curl_easy_getinfo(call->easy, CURLINFO_ACTIVESOCKET, &fd) != CURLE_OK || fd == CURL_SOCKET_BAD) {
        fail(call, "reset", "the mail server closed the connection");
        return;
    }
    if (sd_event_add_io(call->client->event, &call->io, fd, EPOLLIN, on_io, call) < 0) {
        fail(call, "local", "the connection cannot be added to the event loop");
        return;
    }
    say_address(call, SMTP_MAIL, call->from);
}
