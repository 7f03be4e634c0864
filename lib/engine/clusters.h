/* The clients of the clusters, of Alertmanager's peers and of Prometheus, as the configuration names them. Owned by the
 * engine; replaced as a whole at a reload, clients whose settings did not change are carried over. A cluster that
 * cannot be set up (no such file, a bad CA) is not fatal: it is kept with its words, and every question to it answers
 * {"error": "local"} with them. */
#pragma once

#include "base/error.h"
#include "base/json.h"
#include "config/config.h"
#include "engine/endpoint.h"
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

/* Never NULL; without urls every request answers that there is none. */
struct endpoint *clusters_alertmanager(struct clusters *c);
struct endpoint *clusters_prometheus(struct clusters *c);

/* [{name, server, error?, requests, …}] for /status. */
json_t *clusters_status_new(const struct clusters *c);
