/* What came of a request: libcurl's codes in the words of core/ask.h, and a sentence for people. The sentence names the
 * place, never path, query or headers: those may hold secrets. */
#include "io/http_internal.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <string.h>

const char *http_error_name(enum http_error e)
{
    static const char *const names[] = {[HTTP_OK] = "ok",
                                        [HTTP_ERROR_DNS] = "dns",
                                        [HTTP_ERROR_REFUSED] = "refused",
                                        [HTTP_ERROR_TIMEOUT] = "timeout",
                                        [HTTP_ERROR_TLS] = "tls",
                                        [HTTP_ERROR_RESET] = "reset",
                                        [HTTP_ERROR_PROTOCOL] = "protocol",
                                        [HTTP_ERROR_TOO_LARGE] = "too_large",
                                        [HTTP_ERROR_LOCAL] = "local",
                                        [HTTP_ERROR_CANCELLED] = "cancelled"};
    return e >= 0 && (size_t)e < ARRAY_SIZE(names) ? names[e] : "local";
}

/* Our own certificate or key: with GnuTLS libcurl has no code of its own for it. */
static bool is_own_certificate(const struct http_call *call, CURLcode code)
{
    return code == CURLE_SSL_CERTPROBLEM ||
           (code == CURLE_SSL_CONNECT_ERROR && strstr(call->errbuf, "error reading X.509"));
}

/* The proxy's answer to CONNECT, if it refused: nothing has reached the server then. 0: it did not. */
static long refused_by_proxy(const struct http_call *call, CURLcode code)
{
    long status = 0;
    if (call->client->identity.proxy && code != CURLE_OK)
        curl_easy_getinfo(call->easy, CURLINFO_HTTP_CONNECTCODE, &status);
    return status >= 300 ? status : 0;
}

static enum http_error classify(const struct http_call *call, CURLcode code)
{
    if (refused_by_proxy(call, code))
        return HTTP_ERROR_REFUSED;
    if (call->sent_again) /* on_prerequest() stopped a second try after the connection died */
        return HTTP_ERROR_RESET;
    if (is_own_certificate(call, code)) /* says nothing of the server */
        return HTTP_ERROR_LOCAL;
    switch (code) {
    case CURLE_OK:
        return HTTP_OK;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return HTTP_ERROR_DNS;
    case CURLE_COULDNT_CONNECT:
    case CURLE_PROXY: /* SOCKS: it could not, or would not */
        return HTTP_ERROR_REFUSED;
    case CURLE_OPERATION_TIMEDOUT:
        return HTTP_ERROR_TIMEOUT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_SHUTDOWN_FAILED:
    case CURLE_SSL_CLIENTCERT:
        return HTTP_ERROR_TLS;
    case CURLE_WRITE_ERROR:
        return !call->too_large ? HTTP_ERROR_LOCAL : call->truncate ? HTTP_OK : HTTP_ERROR_TOO_LARGE;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_SEND_FAIL_REWIND: /* the connection died, and on_rewind() refused to send again */
    case CURLE_HTTP2_STREAM:
    case CURLE_HTTP2:
        return HTTP_ERROR_RESET;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_HTTP_RETURNED_ERROR:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_TOO_MANY_REDIRECTS:
        return HTTP_ERROR_PROTOCOL;
    default: /* a certificate file that cannot be read, no memory, … */
        return HTTP_ERROR_LOCAL;
    }
}

static char *timeout_message(const struct http_call *call)
{
    curl_off_t connected_us = 0;
    curl_easy_getinfo(call->easy, CURLINFO_PRETRANSFER_TIME_T, &connected_us);
    if (connected_us > 0)
        return xasprintf("%s: no complete answer within %d ms", call->where, call->timeout_ms);
    const int ms = call->timeout_ms < call->connect_timeout_ms ? call->timeout_ms : call->connect_timeout_ms;
    return xasprintf("connect to %s: no connection within %d ms", call->where, ms);
}

static char *tls_message(const struct http_call *call, const char *detail)
{
    return xasprintf("TLS with %s: %s%s", call->where, detail, curl_tls_reason(call->easy));
}

/* Which file it was; what came as data has no name that would say anything. */
static char *local_message(const struct http_call *call, CURLcode code, const char *detail)
{
    const struct identity *id = &call->client->identity;
    const char *ca = id->ca_fd >= 0 ? "given as data" : id->ca_path ? id->ca_path : "of this host";
    const char *cert = id->cert_fd >= 0 ? "given as data" : id->cert_path ? id->cert_path : "none";
    if (code == CURLE_SSL_CACERT_BADFILE)
        return xasprintf("%s: the CA certificates (%s) cannot be read, or there is none among them", call->where, ca);
    if (is_own_certificate(call, code))
        return xasprintf("%s: the client certificate (%s) cannot be used: can it and its key be read, and do they "
                         "belong together?",
                         call->where, cert);
    return xasprintf("%s: %s", call->where, detail);
}

static char *message_of(const struct http_call *call, enum http_error error, CURLcode code)
{
    if (error == HTTP_OK)
        return NULL;
    _cleanup_free_ char *detail = curl_detail(call->errbuf, code);
    long os_errno = 0;
    switch (error) {
    case HTTP_ERROR_DNS:
        return xasprintf("%s: the name does not resolve", call->where);
    case HTTP_ERROR_REFUSED:
        if (refused_by_proxy(call, code))
            return xasprintf("connect to %s: it refused with status %ld", call->where, refused_by_proxy(call, code));
        if (code == CURLE_PROXY)
            return xasprintf("connect to %s: %s", call->where, detail);
        curl_easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &os_errno);
        return xasprintf("connect to %s: %s", call->where, os_errno ? strerror((int)os_errno) : "connection refused");
    case HTTP_ERROR_TIMEOUT:
        return timeout_message(call);
    case HTTP_ERROR_TLS:
        return tls_message(call, detail);
    case HTTP_ERROR_RESET:
        return xasprintf("%s: the connection ended before the answer was complete (%s)", call->where, detail);
    case HTTP_ERROR_TOO_LARGE:
        return xasprintf("%s: the answer is larger than the %zu bytes allowed", call->where, call->answer.max);
    case HTTP_ERROR_CANCELLED:
        return xasprintf("%s: the request was cancelled", call->where);
    default:
        return local_message(call, code, detail);
    }
}

enum http_error http_call_judge(const struct http_call *call, CURLcode code, char **ret_message)
{
    const enum http_error error = classify(call, code);
    *ret_message = message_of(call, error, code);
    return error;
}

static void unlink_call(struct http_call *call)
{
    if (call->prev)
        call->prev->next = call->next;
    else
        call->client->calls = call->next;
    if (call->next)
        call->next->prev = call->prev;
    call->prev = call->next = NULL;
}

/* The client may be freed from within the callback: nothing of it is touched afterwards. */
static void finish(struct http_call *taken, enum http_error error, CURLcode code)
{
    _cleanup_(http_call_freep) struct http_call *call = taken;
    unlink_call(call);
    _cleanup_free_ char *message = message_of(call, error, code);
    struct http_result result = {.error = error,
                                 .message = message,
                                 .body = strbuf_str(&call->answer),
                                 .body_len = call->answer.len,
                                 .retry_after_s = call->retry_after_s};
    long request_bytes = 0;
    curl_off_t total_us = 0;
    char *content_type = NULL, *address = NULL;
    curl_easy_getinfo(call->easy, CURLINFO_REQUEST_SIZE, &request_bytes);
    curl_easy_getinfo(call->easy, CURLINFO_TOTAL_TIME_T, &total_us);
    curl_easy_getinfo(call->easy, CURLINFO_CONTENT_TYPE, &content_type);
    curl_easy_getinfo(call->easy, CURLINFO_PRIMARY_IP, &address);
    if (error == HTTP_OK) /* a timeout can carry status 200: only a whole answer has a status */
        curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &result.status);
    result.content_type = content_type;
    result.address = address && *address ? address : NULL;
    result.latency_us = total_us;
    result.sent = (request_bytes > 0 || call->body_asked) && !refused_by_proxy(call, code);
    call->done(&result, call->userdata);
}

void http_call_finish(struct http_call *call, CURLcode code)
{
    finish(call, classify(call, code), code);
}

void http_call_finish_cancelled(struct http_call *call)
{
    finish(call, HTTP_ERROR_CANCELLED, CURLE_OK);
}
