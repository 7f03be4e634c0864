/* What the files of the HTTP client share: http.c (clients, their identity and lifetime), http_call.c (one request on
 * one easy handle), http_check.c (what may be sent at all), http_result.c (what came of it, in words). */
#pragma once

#include "base/strbuf.h"
#include "io/curl_loop.h"
#include "io/http.h"

enum {
    HTTP_URL_MAX = 16384,
    HTTP_ANSWER_HEADERS_MAX = 128 * 1024,
    HTTP_ANSWER_DEFAULT = 8 << 20,
    HTTP_TIMEOUT_MS = 30000,
    HTTP_CONNECT_TIMEOUT_MS = 5000,
    HTTP_IDLE_RELEASE_S = 60, /* after this long without a request the connections and their memory are let go */
    HTTP_LIFETIME_S = 600,    /* no connection is reused for longer: certificates and addresses change */
};

struct identity { /* owned; each *_path is a file, or /proc/self/fd/N of a sealed memfd */
    char *ca_path, *cert_path, *key_path, *server_name;
    char *proxy, *proxy_where;
    int ca_fd, cert_fd, key_fd;
    bool insecure, http2;
    int max_connections;
};

struct http_client {
    sd_event *event;
    struct identity identity;
    struct curl_loop *loop; /* NULL while idle */
    sd_event_source *idle_timer;
    struct http_call *calls; /* list */
    bool closing;
};

struct http_call {
    struct http_client *client;
    struct http_call *prev, *next;
    CURL *easy;
    struct curl_slist *headers, *connect_to;
    char *where; /* host:port (or the socket), for messages: never the path, it may hold a secret */
    char *method, *body;
    size_t body_len, body_sent;
    struct strbuf answer;
    size_t header_bytes;
    int timeout_ms, connect_timeout_ms, retry_after_s;
    bool truncate, too_large, body_asked, sent_again;
    char errbuf[CURL_ERROR_SIZE];
    http_done_cb done;
    void *userdata;
};

/* http_check.c */
int http_check_method(const char *method, struct error *err);
int http_check_header(const char *header, struct error *err);
/* Parses; http and https only. Gives "host:port" for messages, and whether it is https. */
int http_check_url(const char *url, CURLU **ret, char **ret_where, bool *ret_tls, struct error *err);
/* May the server have done something for this method? */
bool http_method_writes(const char *method);

/* http_call.c */
int http_call_new(struct http_client *c, const struct http_request *req, http_done_cb done, void *userdata,
                  struct http_call **ret, struct error *err);
struct http_call *http_call_free(struct http_call *call);
DEFINE_CLEANUP(struct http_call *, http_call_free);

/* http_result.c: tells the caller and frees the call. */
void http_call_finish(struct http_call *call, CURLcode code);
void http_call_finish_cancelled(struct http_call *call);
/* The same judgement for a call that another file drives: what it was, and the words. The caller frees them. */
enum http_error http_call_judge(const struct http_call *call, CURLcode code, char **ret_message);
