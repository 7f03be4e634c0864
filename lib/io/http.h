/* HTTP client: libcurl's multi interface on sd-event. One client per identity (CA, certificate, proxy…), as libcurl's
 * connection pool must never be shared between identities. Nothing blocks; every request's callback fires exactly once,
 * on the loop, with HTTP_ERROR_CANCELLED when the client is freed or the request cancelled.
 *
 * A request with a body is never silently sent twice by libcurl: its body comes from a read callback whose rewind is
 * refused, so that a reused connection that dies after the first body byte is an error (HTTP_ERROR_RESET), not a second
 * send. A write without a body goes out alone on a fresh connection, as `fresh_connect` does. (reference:
 * docs/design-notes.md, "libcurl re-sends by itself")
 *
 * Redirects, proxies of the environment, netrc and compressed answers are never used. A minute after its last request a
 * client closes its kept connections and gives their memory back. Must be freed on the thread of its loop. */
#pragma once

#include "base/error.h"
#include "base/macro.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

struct http_client;
struct http_call;

struct http_identity { /* all optional; copied. *_data are PEM bytes and win over the files */
    const char *ca_file, *cert_file, *key_file;
    const char *ca_data, *cert_data, *key_data;
    const char
        *proxy; /* as http_check_proxy() takes it: everything goes through it, tunnelled by CONNECT; NULL: none */
    const char *server_name; /* tls-server-name: for SNI and verification, while connecting to the URL's host */
    bool insecure;
    bool http2;          /* offer HTTP/2 over TLS and multiplex */
    int max_connections; /* 0: libcurl's own idea */
};

/* "http://", "https://" or "socks5://" with a host, a port if it is not the scheme's (80, 443, 1080), maybe user and
 * password, and no path. `ret_url` is the same for libcurl (names are resolved behind a SOCKS proxy, as Go does), and
 * `ret_where` "host:port" for messages; both may be NULL. -EINVAL with words that hold no password. */
int http_check_proxy(const char *url, char **ret_url, char **ret_where, struct error *err);

int http_client_new(sd_event *event, const struct http_identity *identity, struct http_client **ret, struct error *err);
struct http_client *http_client_free(struct http_client *c);
DEFINE_CLEANUP(struct http_client *, http_client_free);

enum http_error {
    HTTP_OK,
    HTTP_ERROR_DNS,
    HTTP_ERROR_REFUSED,
    HTTP_ERROR_TIMEOUT,
    HTTP_ERROR_TLS,
    HTTP_ERROR_RESET,
    HTTP_ERROR_PROTOCOL,
    HTTP_ERROR_TOO_LARGE,
    HTTP_ERROR_LOCAL,
    HTTP_ERROR_CANCELLED
};
const char *http_error_name(enum http_error e); /* the words of core/ask.h: "dns", "refused", … */

struct http_request {           /* copied by http_start() */
    const char *method, *url;   /* url: http or https only, checked */
    const char *const *headers; /* NULL-terminated "Name: value"; no line breaks (checked) */
    const void *body;           /* NULL: none */
    size_t body_len;
    int timeout_ms, connect_timeout_ms; /* 0: 30 s, 5 s */
    size_t max_answer; /* 0: 8 MiB; over it the call ends as HTTP_ERROR_TOO_LARGE (truncate: the text up to there,
                          HTTP_OK) */
    bool truncate;
    bool fresh_connect;      /* a connection of its own, HTTP/1.1, closed afterwards: libcurl cannot send it twice */
    bool connect_only;       /* only connect (TCP; with https:// the handshake too): status 0 */
    const char *unix_socket; /* connect there instead of the URL's host; NULL */
};

struct http_result { /* valid during the callback only */
    enum http_error error;
    const char *message; /* for people, when error: "connect to 127.0.0.1:6443: connection refused" */
    long status;         /* 0 with an error: an incomplete answer's status proves nothing */
    const char *body;    /* NUL-terminated, never NULL */
    size_t body_len;
    int retry_after_s; /* -1: not said */
    const char *content_type;
    const char *address; /* the IP address that was connected to, or NULL */
    int64_t latency_us;
    bool sent; /* false: certainly no byte of the request left (a write may be tried again) */
};
typedef void (*http_done_cb)(const struct http_result *result, void *userdata);

/* -EINVAL with words for a bad URL, method or header; the callback does not fire then. ret_call may be NULL; it is
 * valid until the callback fires. */
int http_start(struct http_client *c, const struct http_request *req, http_done_cb done, void *userdata,
               struct http_call **ret_call, struct error *err);
/* The callback fires from within, with HTTP_ERROR_CANCELLED. */
void http_cancel(struct http_call *call);
