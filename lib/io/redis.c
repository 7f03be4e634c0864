/* hiredis 0.14 on sd-event.
 *
 * Happy path: connect; the first command (AUTH or the command itself) is in hiredis' buffer; the socket becomes
 * writable, the reply comes, on_auth() sends the command, on_reply() keeps the answer; when hiredis has returned,
 * settle() takes the connection down and calls back.
 *
 * Failure modes: a Handle call may free the context: hiredis says so through the cleanup hook, which clears call->ac,
 * and nothing is freed or called back from inside a reply callback. Each failure ends in a reply callback with NULL.
 * Replies are bounded by the reader's buffer, by their bytes and by the number of their elements. The hooks are
 * idempotent. */
#include "io/redis.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/strbuf.h"
#include "base/text.h"

#include <errno.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <string.h>
#include <sys/epoll.h>

enum { REPLY_MAX = 1 << 20, ELEMENTS_MAX = 1024, ARGUMENTS_MAX = 64 };

struct redis_call {
    redisAsyncContext *ac; /* NULL once hiredis has freed it */
    sd_event_source *io, *timer;
    redisReplyObjectFunctions functions;
    const redisReplyObjectFunctions *plain; /* hiredis' own */
    size_t elements, bytes;                 /* of the reply so far */
    uint32_t events;
    json_t *command, *answer;
    char *where;
    int64_t timeout_us;
    redis_done_cb done;
    void *userdata;
};

static void set_answer(struct redis_call *call, json_t *answer_new)
{
    if (call->answer)
        json_decref(answer_new);
    else
        call->answer = answer_new;
}

static json_t *error_new(const struct redis_call *call, const char *error, const char *what)
{
    _cleanup_free_ char *message = xasprintf("redis %s: %s", call->where, what);
    json_t *answer = json_object();
    json_set_text(answer, "error", error);
    json_set_text(answer, "message", message);
    return answer;
}

static void update_events(struct redis_call *call, uint32_t set, uint32_t clear)
{
    call->events = (call->events | set) & ~clear;
    if (call->io)
        sd_event_source_set_io_events(call->io, call->events);
}

static void add_read(void *p)
{
    update_events(p, EPOLLIN, 0);
}

static void del_read(void *p)
{
    update_events(p, 0, EPOLLIN);
}

static void add_write(void *p)
{
    update_events(p, EPOLLOUT, 0);
}

static void del_write(void *p)
{
    update_events(p, 0, EPOLLOUT);
}

static void cleanup(void *p)
{
    struct redis_call *call = p;
    call->io = sd_event_source_disable_unref(call->io); /* before hiredis closes the descriptor */
    call->ac = NULL;
}

/* A hostile server may announce any number of elements: hiredis would allocate for them at once. The bounds hold for
 * the reply as a whole: what hiredis has parsed has left its buffer. */
static void *create_array(const redisReadTask *task, int elements)
{
    struct redis_call *call = task->privdata;
    if (elements < 0 || (size_t)elements > ELEMENTS_MAX - call->elements)
        return NULL;
    call->elements += (size_t)elements;
    return call->plain->createArray(task, elements);
}

static void *create_string(const redisReadTask *task, char *text, size_t len)
{
    struct redis_call *call = task->privdata;
    if (len > REPLY_MAX - call->bytes)
        return NULL;
    call->bytes += len;
    return call->plain->createString(task, text, len);
}

static void add_reply_text(struct strbuf *b, const redisReply *r)
{
    if (r->type == REDIS_REPLY_ARRAY) {
        for (size_t i = 0; i < r->elements; i++) {
            if (i > 0)
                strbuf_putc(b, '\n');
            add_reply_text(b, r->element[i]);
        }
    } else if (r->type == REDIS_REPLY_INTEGER) {
        strbuf_printf(b, "%lld", r->integer);
    } else if (r->type != REDIS_REPLY_NIL) {
        strbuf_add(b, r->str, (size_t)r->len);
    }
}

static json_t *reply_answer_new(const redisReply *r)
{
    json_t *answer = json_pack("{s:i}", "status", 0);
    if (r->type == REDIS_REPLY_INTEGER) {
        json_object_set_new(answer, "integer", json_integer(r->integer));
        return answer;
    }
    _cleanup_strbuf_ struct strbuf b = {.max = REPLY_MAX};
    add_reply_text(&b, r);
    json_object_set_new(answer, r->type == REDIS_REPLY_ERROR ? "redis_error" : "text",
                        json_text_new(strbuf_str(&b), b.len));
    return answer;
}

static json_t *failure_new(const struct redis_call *call, const redisAsyncContext *ac)
{
    if (ac->err == REDIS_ERR_PROTOCOL)
        return error_new(call, "protocol", "what came back is not Redis' protocol");
    if (ac->err == REDIS_ERR_OOM)
        return error_new(call, "too_large", "the reply is too large");
    if (ac->err == REDIS_ERR_IO && errno == ECONNREFUSED)
        return error_new(call, "refused", "connection refused");
    return error_new(call, "reset", "the connection ended before the reply");
}

static void on_reply(redisAsyncContext *ac, void *reply, void *userdata)
{
    struct redis_call *call = userdata;
    set_answer(call, reply ? reply_answer_new(reply) : failure_new(call, ac));
}

static void send_command(struct redis_call *call)
{
    const char *argv[ARGUMENTS_MAX];
    size_t lengths[ARGUMENTS_MAX], n = json_array_size(call->command);
    for (size_t i = 0; i < n; i++) {
        argv[i] = json_string_value(json_array_get(call->command, i));
        lengths[i] = json_string_length(json_array_get(call->command, i));
    }
    if (redisAsyncCommandArgv(call->ac, on_reply, call, (int)n, argv, lengths) != REDIS_OK)
        set_answer(call, error_new(call, "local", "the command could not be sent"));
}

static void on_auth(redisAsyncContext *ac, void *reply, void *userdata)
{
    struct redis_call *call = userdata;
    const redisReply *r = reply;
    if (!r)
        set_answer(call, failure_new(call, ac));
    else if (r->type == REDIS_REPLY_ERROR)
        set_answer(call, reply_answer_new(r));
    else if (!call->answer)
        send_command(call);
}

static void settle(struct redis_call *call)
{
    if (!call->answer && call->ac)
        return;
    if (!call->answer)
        call->answer = error_new(call, "reset", "the connection ended before the reply");
    if (call->ac)
        redisAsyncFree(call->ac); /* its callbacks still fire, with NULL; the answer stands already */
    sd_event_source_disable_unref(call->io);
    sd_event_source_disable_unref(call->timer);
    json_t *answer = call->answer;
    const redis_done_cb done = call->done;
    void *userdata = call->userdata;
    json_decref(call->command);
    free(call->where);
    free(call);
    done(answer, userdata);
}

static int on_io(sd_event_source *source _unused_, int fd _unused_, uint32_t revents, void *userdata)
{
    struct redis_call *call = userdata;
    if (call->ac && (revents & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        redisAsyncHandleRead(call->ac);
    if (call->ac && (revents & EPOLLOUT))
        redisAsyncHandleWrite(call->ac);
    if (call->ac && call->ac->c.reader->len > REPLY_MAX)
        set_answer(call, error_new(call, "too_large", "the reply is too large"));
    settle(call);
    return 0;
}

static int on_timeout(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
    struct redis_call *call = userdata;
    _cleanup_free_ char *what = xasprintf("no reply within %lld ms", (long long)(call->timeout_us / USEC_PER_MSEC));
    set_answer(call, error_new(call, "timeout", what));
    settle(call);
    return 0;
}

static bool is_command(const json_t *command)
{
    size_t i;
    const json_t *word;
    json_array_foreach (command, i, word)
        if (!json_is_string(word))
            return false;
    return json_array_size(command) > 0 && json_array_size(command) <= ARGUMENTS_MAX;
}

static int attach(struct redis_call *call, sd_event *event, struct error *err)
{
    redisAsyncContext *ac = call->ac;
    ac->ev.data = call;
    ac->ev.addRead = add_read;
    ac->ev.delRead = del_read;
    ac->ev.addWrite = add_write;
    ac->ev.delWrite = del_write;
    ac->ev.cleanup = cleanup;
    call->plain = ac->c.reader->fn;
    call->functions = *call->plain;
    call->functions.createArray = create_array;
    call->functions.createString = create_string;
    ac->c.reader->fn = &call->functions;
    ac->c.reader->privdata = call;
    int r = sd_event_add_io(event, &call->io, ac->c.fd, 0, on_io, call);
    if (r >= 0)
        r = sd_event_add_time_relative(event, &call->timer, CLOCK_MONOTONIC, (uint64_t)call->timeout_us, 1, on_timeout,
                                       call);
    return r < 0 ? error_set(err, r, "redis %s: cannot add the connection to the event loop", call->where) : 0;
}

static struct redis_call *discard(struct redis_call *call)
{
    if (call->ac)
        redisAsyncFree(call->ac);
    sd_event_source_disable_unref(call->io);
    sd_event_source_disable_unref(call->timer);
    json_decref(call->answer);
    json_decref(call->command);
    free(call->where);
    free(call);
    return NULL;
}

int redis_call_start(sd_event *event, const struct redis_request *req, redis_done_cb done, void *userdata,
                     struct redis_call **ret, struct error *err)
{
    if (!is_command(req->command))
        return error_set(err, -EINVAL, "the Redis command is not a list of 1 to %d texts", ARGUMENTS_MAX);
    struct redis_call *call = xnew0(struct redis_call);
    call->command = json_deep_copy(req->command);
    call->where = xstrdup(req->where);
    call->timeout_us = req->timeout_us;
    call->done = done;
    call->userdata = userdata;
    call->ac = redisAsyncConnect(req->address, req->port);
    int r = !call->ac || call->ac->err ? error_set(err, -ECONNREFUSED, "redis %s: cannot connect: %s", call->where,
                                                   call->ac ? call->ac->errstr : "no memory")
                                       : attach(call, event, err);
    if (r < 0) {
        discard(call);
        return r;
    }
    if (req->password) {
        const char *argv[] = {"AUTH", req->password};
        const size_t lengths[] = {4, strlen(req->password)};
        redisAsyncCommandArgv(call->ac, on_auth, call, 2, argv, lengths);
    } else {
        send_command(call);
    }
    *ret = call;
    return 0;
}

void redis_call_cancel(struct redis_call *call)
{
    set_answer(call, error_new(call, "cancelled", "the probe was cancelled"));
    settle(call);
}
