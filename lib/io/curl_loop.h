/* libcurl's multi interface on sd-event: sockets, the one timer, finished transfers. Knows nothing of HTTP.
 * Owns the multi handle and the event sources; the easy handles stay the caller's. While nothing is in flight no timer
 * is armed. */
#pragma once

#include "base/error.h"
#include "base/macro.h"

#include <curl/curl.h>
#include <systemd/sd-event.h>

struct curl_loop;

/* Called from the loop, never from within libcurl: the handle is already out of the multi handle, and the callback may
 * free anything, the curl_loop included. */
typedef void (*curl_loop_done_cb)(CURL *easy, CURLcode code, void *userdata);

int curl_loop_new(sd_event *event, curl_loop_done_cb done, void *userdata, struct curl_loop **ret, struct error *err);
/* Every easy handle must have been removed before. */
struct curl_loop *curl_loop_free(struct curl_loop *l);
DEFINE_CLEANUP(struct curl_loop *, curl_loop_free);

/* A finished handle stays in the multi handle until its owner removes it: a CONNECT_ONLY connection, which the owner
 * goes on to use, lives only as long as that. Before the first curl_loop_add(). */
void curl_loop_keep_finished(struct curl_loop *l);
CURLM *curl_loop_multi(struct curl_loop *l); /* for options */
int curl_loop_add(struct curl_loop *l, CURL *easy, struct error *err);
void curl_loop_remove(struct curl_loop *l, CURL *easy);

/* After a failed verification: ": its certificate …" for people, or "". Static. */
const char *curl_tls_reason(CURL *easy);

/* What libcurl wrote into the handle's error buffer, else its words for the code, on one line: without the names of our
 * memory files and without control characters (part of the text is the server's). Owned by the caller. */
char *curl_detail(const char *errbuf, CURLcode code);
