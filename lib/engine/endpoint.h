/* A service that speaks HTTP and stands in the configuration with urls and auth: Alertmanager's peers, Prometheus. One
 * client for all of its urls. Secrets in files are read anew for each request. Owned by struct clusters. */
#pragma once

#include "base/error.h"
#include "base/json.h"
#include "config/config.h"
#include "io/http.h"

#include <systemd/sd-event.h>

struct endpoint;

/* urls: NULL-terminated or NULL, copied. `previous` (may be NULL) gives its client away if nothing about it changed.
 * A client that cannot be made is no error here: every request then answers with the words. */
struct endpoint *endpoint_new(sd_event *event, const char *name, char *const *urls, const struct endpoint_auth *auth,
                              struct endpoint *previous);
/* What is in flight answers "cancelled". */
struct endpoint *endpoint_free(struct endpoint *e);

size_t endpoint_n(const struct endpoint *e);

typedef void (*answer_cb)(json_t *answer_new, void *userdata);
/* A request to its url number i: GET of `path`, or POST of `body`. The answer has the form of core/ask.h, from the
 * loop. */
void endpoint_ask(struct endpoint *e, int i, const char *path, const json_t *body, int timeout_ms, answer_cb done,
                  void *userdata);
/* The answer's bytes as they came. */
void endpoint_get(struct endpoint *e, int i, const char *path, int timeout_ms, http_done_cb done, void *userdata);
