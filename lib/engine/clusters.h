/* The clusters' and Alertmanagers' clients, as the configuration names them. Owned by the engine; replaced as a whole
 * at a reload, clients whose settings did not change are carried over. A cluster that cannot be set up (no such file, a
 * bad CA) is not fatal: it is kept with its words, and every question to it answers {"error": "local"} with them. */
#pragma once

#include "base/error.h"
#include "base/json.h"
#include "config/config.h"
#include "io/http.h"
#include "kube/client.h"

#include <systemd/sd-event.h>

struct clusters;

/* The clients of `previous` (may be NULL) that did not change move into the new one. The caller frees `previous` once
 * the new one is in its place: what was in flight through the rest answers "cancelled" then, and whoever hears that may
 * ask again at once. */
struct clusters *clusters_new(sd_event *event, const struct config *config, struct clusters *previous);
/* What is in flight answers "cancelled". */
struct clusters *clusters_free(struct clusters *c);
DEFINE_CLEANUP(struct clusters *, clusters_free);

/* NULL if there is none or it could not be set up; `why` then gets words. name NULL or "": the first. */
struct kube_client *clusters_find(struct clusters *c, const char *name, const char **why);

typedef void (*answer_cb)(json_t *answer_new, void *userdata);
/* A request to Alertmanager `peer`: GET of `path`, or POST of `body`. Answers have the form of core/ask.h, from the
 * loop. */
void clusters_alertmanager(struct clusters *c, int peer, const char *path, const json_t *body, int timeout_ms,
                           answer_cb done, void *userdata);
/* GET with the answer's bytes as they came; `done` fires once, from the loop or from clusters_free(). */
void clusters_alertmanager_get(struct clusters *c, int peer, const char *path, int timeout_ms, http_done_cb done,
                               void *userdata);
size_t clusters_n_alertmanagers(const struct clusters *c);

/* [{name, server, error?, requests, …}] for /status. */
json_t *clusters_status_new(const struct clusters *c);
