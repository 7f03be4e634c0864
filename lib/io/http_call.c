/* One request on one easy handle.
 *
 * Happy path: everything is checked and copied, libcurl asks on_body() for the request's body and hands the answer to
 * on_header() and on_data(); the end comes through http_result.c.
 *
 * libcurl sends a request again by itself when a reused connection dies before a byte of the answer came. It must
 * rewind the body for that, and on_rewind() refuses, so that a write with a body ends as an error instead. A write
 * without a body has nothing to rewind: it always gets a connection of its own (HTTP/1.1, never shared, never reused).
 */
#include "io/http_internal.h"

#include "base/alloc.h"
#include "base/text.h"

#include <errno.h>
#include <string.h>

static size_t on_body(char *buffer, size_t size, size_t count, void *userdata)
{
    struct http_call *call = userdata;
    size_t n = call->body_len - call->body_sent;
    if (n > size * count)
        n = size * count;
    if (n > 0)
        memcpy(buffer, call->body + call->body_sent, n);
    call->body_sent += n;
    call->body_asked = true;
    return n;
}

static int on_rewind(void *userdata _unused_, curl_off_t offset _unused_, int origin _unused_)
{
    return CURL_SEEKFUNC_FAIL;
}

/* Before each try, on the connection that it will use: over HTTP/2 libcurl connects anew before it finds out that it
 * cannot rewind. */
static int on_prerequest(void *userdata, char *address _unused_, char *local _unused_, int port _unused_,
                         int local_port _unused_)
{
    struct http_call *call = userdata;
    call->sent_again = call->body_sent > 0;
    return call->sent_again ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static size_t on_data(char *data, size_t size, size_t count, void *userdata)
{
    struct http_call *call = userdata;
    strbuf_add(&call->answer, data, size * count);
    if (!call->answer.truncated)
        return size * count;
    call->too_large = true;
    return 0; /* CURLE_WRITE_ERROR */
}

static void read_retry_after(struct http_call *call, const char *value, size_t len)
{
    char text[64];
    while (len > 0 && (*value == ' ' || *value == '\t'))
        value++, len--;
    if (len == 0 || len >= sizeof(text))
        return;
    memcpy(text, value, len);
    text[len] = '\0';
    text[strcspn(text, "\r\n")] = '\0';
    long long s = -1;
    if (text[0] && strspn(text, "0123456789") == strlen(text)) {
        s = strtoll(text, NULL, 10);
    } else {
        const time_t at = curl_getdate(text, NULL);
        if (at >= 0)
            s = at - time(NULL) > 0 ? at - time(NULL) : 0;
    }
    if (s >= 0)
        call->retry_after_s = s > 86400 ? 86400 : (int)s;
}

static size_t on_header(char *data, size_t size, size_t count, void *userdata)
{
    static const char retry_after[] = "Retry-After:";
    struct http_call *call = userdata;
    const size_t len = size * count;
    call->header_bytes += len;
    if (call->header_bytes > HTTP_ANSWER_HEADERS_MAX) {
        call->too_large = true;
        call->truncate = false;
        return 0;
    }
    if (len >= 5 && memcmp(data, "HTTP/", 5) == 0)
        call->retry_after_s = -1;
    else if (len >= strlen(retry_after) && strncasecmp(data, retry_after, strlen(retry_after)) == 0)
        read_retry_after(call, data + strlen(retry_after), len - strlen(retry_after));
    return len;
}

static void add_header(struct http_call *call, const char *header)
{
    struct curl_slist *more = curl_slist_append(call->headers, header);
    if (more)
        call->headers = more;
}

static int set_headers(struct http_call *call, const struct http_request *req, struct error *err)
{
    bool agent = false;
    for (const char *const *h = req->headers; h && *h; h++) {
        int r = http_check_header(*h, err);
        if (r < 0)
            return r;
        agent |= strncasecmp(*h, "User-Agent:", 11) == 0;
        const char *colon = strchr(*h, ':');
        _cleanup_free_ char *empty = NULL;
        if (colon[1 + strspn(colon + 1, " \t")] == '\0') /* libcurl would leave a header without a value out */
            empty = xasprintf("%.*s;", (int)(colon - *h), *h);
        add_header(call, empty ? empty : *h);
    }
    if (!agent)
        add_header(call, "User-Agent: mendd/" MENDD_VERSION);
    add_header(call, "Expect:");
    curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers);
    return 0;
}

/* tls-server-name: the URL carries the name to prove, CONNECT_TO the place to go, Host the place as it was written. */
static void set_server_name(struct http_call *call, CURLU *url, const char *name)
{
    char *host = NULL, *port = NULL, *written = NULL;
    curl_url_get(url, CURLUPART_HOST, &host, 0);
    curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
    const bool explicit_port = curl_url_get(url, CURLUPART_PORT, &written, 0) == CURLUE_OK;
    _cleanup_free_ char *to = xasprintf("::%s:%s", host, port); /* whatever the URL says */
    _cleanup_free_ char *header = xasprintf("Host: %s%s%s", host, explicit_port ? ":" : "", explicit_port ? port : "");
    call->connect_to = curl_slist_append(NULL, to);
    add_header(call, header);
    curl_url_set(url, CURLUPART_HOST, name, 0);
    curl_easy_setopt(call->easy, CURLOPT_CONNECT_TO, call->connect_to);
    curl_free(host);
    curl_free(port);
    curl_free(written);
}

/* http_proxy of the environment is for other programs. A tunnel also for http://: the proxy only passes bytes, and its
 * answer to CONNECT is none of the server's. */
static void set_proxy(struct http_call *call, const struct identity *id)
{
    curl_easy_setopt(call->easy, CURLOPT_PROXY, id->proxy ? id->proxy : "");
    if (!id->proxy)
        return;
    curl_easy_setopt(call->easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
    curl_easy_setopt(call->easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(call->easy, CURLOPT_NOPROXY, "");
    _cleanup_free_ char *where = xasprintf("%s through the proxy %s", call->where, id->proxy_where);
    str_replace(&call->where, where);
}

static void set_tls(CURL *easy, const struct identity *id)
{
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL); /* else every handshake would read all of /etc/ssl/certs */
    if (id->ca_path)
        curl_easy_setopt(easy, CURLOPT_CAINFO, id->ca_path);
    if (id->cert_path)
        curl_easy_setopt(easy, CURLOPT_SSLCERT, id->cert_path);
    if (id->key_path)
        curl_easy_setopt(easy, CURLOPT_SSLKEY, id->key_path);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, id->insecure ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, id->insecure ? 0L : 2L);
}

static void set_method(struct http_call *call, const struct http_request *req)
{
    CURL *easy = call->easy;
    if (str_eq(req->method, "HEAD")) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
        return;
    }
    /* POST, PUT and PATCH say "Content-Length: 0" when they have no body. */
    if (req->body || str_in(req->method, (const char *const[]){"POST", "PUT", "PATCH", NULL})) {
        curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 16384L);
        curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)call->body_len);
        curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_body);
        curl_easy_setopt(easy, CURLOPT_READDATA, call);
        curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_rewind);
        curl_easy_setopt(easy, CURLOPT_SEEKDATA, call);
        curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_prerequest);
        curl_easy_setopt(easy, CURLOPT_PREREQDATA, call);
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, req->method);
}

static void set_connection(struct http_call *call, const struct http_request *req, bool tls)
{
    const bool alone = req->fresh_connect || (http_method_writes(req->method) && call->body_len == 0);
    const bool http2 = call->client->identity.http2 && tls && !alone;
    CURL *easy = call->easy;
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)(http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, http2 ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_MAXLIFETIME_CONN, (long)HTTP_LIFETIME_S);
    if (alone) {
        curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
        curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    }
    if (req->connect_only)
        curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
    if (req->unix_socket)
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, req->unix_socket);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)call->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)call->connect_timeout_ms);
}

static void set_common(struct http_call *call)
{
    CURL *easy = call->easy;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* else the end of a call waits for its getaddrinfo() thread */
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->errbuf);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
}

static int set_url(struct http_call *call, CURLU *url, struct error *err)
{
    char *text = NULL;
    const CURLUcode code = curl_url_get(url, CURLUPART_URL, &text, 0);
    if (code != CURLUE_OK)
        return error_set(err, -EINVAL, "not a URL: %s", curl_url_strerror(code));
    curl_easy_setopt(call->easy, CURLOPT_URL, text);
    curl_free(text);
    return 0;
}

static struct http_call *call_alloc(struct http_client *c, const struct http_request *req)
{
    struct http_call *call = xnew0(struct http_call);
    call->client = c;
    call->method = xstrdup(req->method);
    call->retry_after_s = -1;
    call->timeout_ms = req->timeout_ms > 0 ? req->timeout_ms : HTTP_TIMEOUT_MS;
    call->connect_timeout_ms = req->connect_timeout_ms > 0 ? req->connect_timeout_ms : HTTP_CONNECT_TIMEOUT_MS;
    call->answer.max = req->max_answer ? req->max_answer : HTTP_ANSWER_DEFAULT;
    call->truncate = req->truncate;
    if (req->body && req->body_len > 0) {
        call->body = xmalloc(req->body_len);
        memcpy(call->body, req->body, req->body_len);
        call->body_len = req->body_len;
    }
    return call;
}

int http_call_new(struct http_client *c, const struct http_request *req, http_done_cb done, void *userdata,
                  struct http_call **ret, struct error *err)
{
    int r = http_check_method(req->method, err);
    if (r < 0)
        return r;
    _cleanup_(http_call_freep) struct http_call *call = call_alloc(c, req);
    call->done = done;
    call->userdata = userdata;
    CURLU *url = NULL;
    bool tls = false;
    r = http_check_url(req->url, &url, &call->where, &tls, err);
    if (r < 0)
        return r;
    if (req->unix_socket)
        str_replace(&call->where, req->unix_socket);
    call->easy = curl_easy_init();
    if (!call->easy) {
        curl_url_cleanup(url);
        return error_set(err, -ENOMEM, "cannot set libcurl up");
    }
    set_common(call);
    set_proxy(call, &c->identity);
    if (tls)
        set_tls(call->easy, &c->identity);
    if (tls && c->identity.server_name)
        set_server_name(call, url, c->identity.server_name);
    set_method(call, req);
    set_connection(call, req, tls);
    r = set_headers(call, req, err);
    if (r >= 0)
        r = set_url(call, url, err);
    curl_url_cleanup(url);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(call);
    return 0;
}

struct http_call *http_call_free(struct http_call *call)
{
    if (!call)
        return NULL;
    curl_easy_cleanup(call->easy);
    curl_slist_free_all(call->headers);
    curl_slist_free_all(call->connect_to);
    free(call->where);
    free(call->method);
    free(call->body);
    strbuf_free(&call->answer);
    free(call);
    return NULL;
}
