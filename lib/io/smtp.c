/* Happy path: smtp_start() makes an easy handle that only connects; on_connected() hands the connection to
 * smtp_dialogue.c, which ends in smtp_finish().
 *
 * Failure modes: what libcurl finds wrong on the way (name, connection, TLS, AUTH) is put into words here; a server
 * that hangs anywhere is met by the deadline, a timer of ours over the whole; freeing the client, also from within a
 * callback, answers "cancelled" to all that is left. The easy handle stays in the multi handle to the end: removing it
 * closes the connection at once, without libcurl's own QUIT, for whose answer it would wait. */
#include "io/smtp_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

static void global_init(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

json_t *smtp_error_new(const char *error, const char *message)
{
    json_t *answer = json_object();
    json_set_text(answer, "error", error);
    json_set_text(answer, "message", message);
    return answer;
}

json_t *smtp_refusal_new(int code, char *text_taken)
{
    _cleanup_free_ char *text = text_taken;
    if (code / 100 != 4 && code / 100 != 5)
        return smtp_error_new("protocol", text);
    json_t *answer = json_object();
    json_object_set_new(answer, "status", json_integer(code / 100 == 4 ? 503 : 400));
    json_set_text(answer, "text", text);
    return answer;
}

static void call_free(struct smtp_call *call)
{
    sd_event_source_disable_unref(call->io);
    sd_event_source_disable_unref(call->deadline);
    curl_easy_cleanup(call->easy);
    for (char **p = call->to; p && *p; p++)
        free(*p);
    free(call->to);
    free(call->where);
    free(call->from);
    free(call->message);
    strbuf_free(&call->out);
    strbuf_free(&call->in);
    strbuf_free(&call->words);
    json_decref(call->refused);
    free(call);
}

static void call_freep(struct smtp_call **call)
{
    if (*call)
        call_free(*call);
}

void smtp_finish(struct smtp_call *call, json_t *answer_new)
{
    const smtp_done_cb done = call->done;
    void *userdata = call->userdata;
    *(call->prev ? &call->prev->next : &call->client->calls) = call->next;
    if (call->next)
        call->next->prev = call->prev;
    /* before the connection is closed: a descriptor's number may be another's a moment later */
    call->io = sd_event_source_disable_unref(call->io);
    curl_loop_remove(call->client->loop, call->easy);
    call_free(call);
    done(answer_new, userdata);
}

static const char *error_name(CURLcode code)
{
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return "dns";
    case CURLE_COULDNT_CONNECT:
        return "refused";
    case CURLE_OPERATION_TIMEDOUT:
        return "timeout";
    case CURLE_USE_SSL_FAILED:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
        return "tls";
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
        return "reset";
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_LOGIN_DENIED:
    case CURLE_REMOTE_ACCESS_DENIED:
        return "protocol";
    default: /* a CA file that cannot be read, no memory, … */
        return "local";
    }
}

static char *failure_message(const struct smtp_call *call, CURLcode code)
{
    _cleanup_free_ char *detail = curl_detail(call->errbuf, code);
    long os_errno = 0;
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return xasprintf("%s: the mail server's name does not resolve", call->where);
    case CURLE_COULDNT_CONNECT:
        curl_easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &os_errno);
        return xasprintf("connect to %s: %s", call->where, os_errno ? strerror((int)os_errno) : "connection refused");
    case CURLE_OPERATION_TIMEDOUT:
        return xasprintf("%s: the mail server did not get through greeting, STARTTLS and AUTH in time", call->where);
    case CURLE_USE_SSL_FAILED:
        return xasprintf("%s: the mail server does not offer STARTTLS, and without TLS nothing is sent there",
                         call->where);
    case CURLE_LOGIN_DENIED:
        return xasprintf("%s: the mail server does not accept the user name and password (%s)", call->where, detail);
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
        return xasprintf("TLS with %s: %s%s", call->where, detail, curl_tls_reason(call->easy));
    case CURLE_SSL_CACERT_BADFILE:
        return xasprintf("%s: the receiver's CA certificates cannot be read, or there is none among them", call->where);
    default:
        return xasprintf("%s: %s", call->where, detail);
    }
}

static json_t *failure_new(const struct smtp_call *call, CURLcode code)
{
    long reply = 0;
    char *message = failure_message(call, code);
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &reply);
    if (str_eq(error_name(code), "protocol") && (reply / 100 == 4 || reply / 100 == 5))
        return smtp_refusal_new((int)reply, message);
    json_t *answer = smtp_error_new(error_name(code), message);
    free(message);
    return answer;
}

static void on_connected(CURL *easy, CURLcode code, void *userdata _unused_)
{
    char *private = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
    struct smtp_call *call = (void *)private;
    if (code == CURLE_OK)
        smtp_dialogue_start(call);
    else
        smtp_finish(call, failure_new(call, code));
}

static int on_deadline(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
    struct smtp_call *call = userdata;
    _cleanup_free_ char *message = xasprintf("%s: the mail server did not answer within %d ms (at %s)", call->where,
                                             call->timeout_ms, smtp_stage_name(call->stage));
    smtp_finish(call, smtp_error_new("timeout", message));
    return 0;
}

int smtp_client_new(sd_event *event, struct smtp_client **ret, struct error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, global_init);
    struct smtp_client *c = xnew0(struct smtp_client);
    c->event = sd_event_ref(event);
    int r = curl_loop_new(event, on_connected, c, &c->loop, err);
    if (r < 0) {
        smtp_client_free(c);
        return r;
    }
    curl_loop_keep_finished(c->loop);
    *ret = c;
    return 0;
}

void smtp_cancel(struct smtp_call *call)
{
    if (call)
        smtp_finish(call, smtp_error_new("cancelled", "the mail was cancelled"));
}

struct smtp_client *smtp_client_free(struct smtp_client *c)
{
    if (!c)
        return NULL;
    c->closing = true;
    while (c->calls)
        smtp_cancel(c->calls);
    curl_loop_free(c->loop);
    sd_event_unref(c->event);
    free(c);
    return NULL;
}

/* Addresses were looked at when they were read from the configuration; this is the last door before the wire. */
static int check_address(const char *address, struct error *err)
{
    if (str_empty(address) || strlen(address) > 320)
        return error_set(err, -EINVAL, "not a mail address that can be sent to");
    for (const char *p = address; *p; p++)
        if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f || *p == '<' || *p == '>')
            return error_set(err, -EINVAL, "not a mail address that can be sent to");
    return 0;
}

static int check(const struct smtp_request *req, struct error *err)
{
    size_t n = 0;
    if (str_empty(req->host) || req->port < 1 || req->port > 65535)
        return error_set(err, -EINVAL, "the mail server's address is missing");
    int r = check_address(req->from, err);
    for (; r >= 0 && req->to && req->to[n]; n++)
        r = check_address(req->to[n], err);
    if (r < 0)
        return r;
    if (n == 0 || n > SMTP_RECIPIENTS_MAX)
        return error_set(err, -EINVAL, "a mail needs 1 to %d recipients", SMTP_RECIPIENTS_MAX);
    if (req->message_len == 0 || req->message_len > SMTP_MESSAGE_MAX || memchr(req->message, 0, req->message_len))
        return error_set(err, -EINVAL, "the mail is empty, too large or no text");
    return 0;
}

static int set_url(struct smtp_call *call, const struct smtp_request *req, struct error *err)
{
    _cleanup_strbuf_ struct strbuf url = STRBUF_INIT;
    const bool v6 = strchr(req->host, ':');
    call->where = xasprintf("%s%s%s:%d", v6 ? "[" : "", req->host, v6 ? "]" : "", req->port);
    strbuf_printf(&url, "%s://%s/", req->port == 465 ? "smtps" : "smtp", call->where);
    url_encode(&url, req->hello ? req->hello : "");
    if (curl_easy_setopt(call->easy, CURLOPT_URL, strbuf_str(&url)) != CURLE_OK)
        return error_set(err, -ENOMEM, "cannot set libcurl up");
    return 0;
}

static void set_options(struct smtp_call *call, const struct smtp_request *req)
{
    CURL *easy = call->easy;
    const bool verify = !req->insecure && (req->require_tls || req->ca_file || req->port == 465);
    const int connect_ms = req->connect_timeout_ms > 0 ? req->connect_timeout_ms : SMTP_CONNECT_TIMEOUT_MS;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* else the end of a call waits for its getaddrinfo() thread */
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->errbuf);
    curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)call->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     (long)(connect_ms < call->timeout_ms ? connect_ms : call->timeout_ms));
    curl_easy_setopt(easy, CURLOPT_USE_SSL, (long)(req->require_tls ? CURLUSESSL_ALL : CURLUSESSL_TRY));
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL); /* else every handshake would read all of /etc/ssl/certs */
    if (req->ca_file)
        curl_easy_setopt(easy, CURLOPT_CAINFO, req->ca_file);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, verify ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, verify ? 2L : 0L);
    if (str_empty(req->username))
        return;
    curl_easy_setopt(easy, CURLOPT_USERNAME, req->username);
    curl_easy_setopt(easy, CURLOPT_PASSWORD, req->password ? req->password : "");
    /* not GSSAPI, which may go and ask a KDC, nor NTLM */
    curl_easy_setopt(easy, CURLOPT_LOGIN_OPTIONS, "AUTH=PLAIN;AUTH=LOGIN;AUTH=CRAM-MD5");
}

static void copy_mail(struct smtp_call *call, const struct smtp_request *req)
{
    size_t n = 0;
    while (req->to[n])
        n++;
    call->from = xstrdup(req->from);
    call->to = xcalloc(n + 1, sizeof(*call->to));
    for (size_t i = 0; i < n; i++)
        call->to[i] = xstrdup(req->to[i]);
    call->message = smtp_stuffed(req->message, req->message_len, &call->message_len);
    call->words.max = SMTP_WORDS_MAX;
    call->refused = json_array();
    call->timeout_ms = req->timeout_ms > 0 ? req->timeout_ms : SMTP_TIMEOUT_MS;
}

int smtp_start(struct smtp_client *c, const struct smtp_request *req, smtp_done_cb done, void *userdata,
               struct smtp_call **ret_call, struct error *err)
{
    if (c->closing)
        return error_set(err, -ESHUTDOWN, "the mail client is shutting down");
    int r = check(req, err);
    if (r < 0)
        return r;
    _cleanup_(call_freep) struct smtp_call *call = xnew0(struct smtp_call);
    call->client = c;
    call->done = done;
    call->userdata = userdata;
    copy_mail(call, req);
    call->easy = curl_easy_init();
    if (!call->easy)
        return error_set(err, -ENOMEM, "cannot set libcurl up");
    set_options(call, req);
    r = set_url(call, req, err);
    if (r < 0)
        return r;
    r = sd_event_add_time_relative(c->event, &call->deadline, CLOCK_MONOTONIC,
                                   (uint64_t)call->timeout_ms * USEC_PER_MSEC, 1, on_deadline, call);
    if (r < 0)
        return error_set(err, r, "cannot add a timer to the event loop");
    r = curl_loop_add(c->loop, call->easy, err);
    if (r < 0)
        return r;
    call->next = c->calls;
    if (c->calls)
        c->calls->prev = call;
    c->calls = call;
    if (ret_call)
        *ret_call = call;
    TAKE_PTR(call);
    return 0;
}
