/* A client of one cluster's API server.
 *
 * Speaks HTTP/2 over one reused connection, at most `max_in_flight` requests at a time (32), of which checks may take
 * at most half while others wait. Tokens from files are read again after a minute and after a 401 (once a request); a
 * failed read keeps the old one. While the kubeconfig's exec plugin runs (kube/plugin.h) everything waits; when it
 * failed the answer is {"error": "local"} with its words. 429, and 5xx with Retry-After, are tried again up to 10
 * times, inside the request's total timeout: with those answers the server says that it did nothing. Everything else is
 * answered as it is; deciding is the caller's. Writes carry fieldManager=mendd (added here) and, on request,
 * dryRun=All. Redirects are never followed. Answers have the form of core/ask.h; the error of a KUBE_WRITE carries
 * "sent": false when certainly nothing left. Every callback fires exactly once. */
#pragma once

#include "base/error.h"
#include "base/json.h"

#include <stdbool.h>
#include <systemd/sd-event.h>

struct kube_config; /* kube/kubeconfig.h: where and as whom */
struct kube_client;

/* Takes the config. */
int kube_client_new(sd_event *event, struct kube_config *taken, struct kube_client **ret, struct error *err);
struct kube_client *kube_client_free(struct kube_client *c); /* outstanding requests answer {"error": "cancelled"} */
DEFINE_CLEANUP(struct kube_client *, kube_client_free);

/* KUBE_EVENT: what may as well be lost; behind everything else, 2 at a time. */
enum kube_class { KUBE_READ, KUBE_CHECK, KUBE_WRITE, KUBE_EVENT };

struct kube_request { /* copied */
    enum kube_class class;
    const char *method;       /* "GET", "PATCH", … */
    const char *path;         /* complete, encoded, from core/kinds.h; must start with '/' */
    const char *content_type; /* with a body */
    const json_t *body;       /* or NULL */
    bool text;                /* answer {"status", "text"}: logs */
    int max_text;             /* bytes; 0: 64 KiB */
    bool dry_run;
    bool once;      /* cannot be recognised as done: on a fresh connection, never re-sent, not even after 429 */
    int timeout_ms; /* total; 0: 30 s */
};
typedef void (*kube_done_cb)(json_t *answer_new, void *userdata);
void kube_request_start(struct kube_client *c, const struct kube_request *req, kube_done_cb done, void *userdata);

const char *kube_client_server(const struct kube_client *c);

struct kube_stats {
    uint64_t requests, errors, retries;
    uint64_t answers[6]; /* by the first digit of their status; [0] is none's */
    unsigned in_flight, waiting;
};
void kube_client_stats(const struct kube_client *c, struct kube_stats *ret);
