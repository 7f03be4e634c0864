/* What client.c (queue, retries), request.c (what is sent) and answer.c (what came back) share. */
#pragma once

#include "base/strbuf.h"
#include "io/http.h"
#include "kube/client.h"
#include "kube/kubeconfig.h"

#include <stdint.h>

enum {
    KUBE_IN_FLIGHT = 32,
    KUBE_CHECKS_IN_FLIGHT = KUBE_IN_FLIGHT / 2,
    KUBE_EVENTS_IN_FLIGHT = 2,
    KUBE_RETRIES = 10,
    KUBE_TIMEOUT_MS = 30000,
    KUBE_CONNECT_TIMEOUT_MS = 5000,
    KUBE_ANSWER_MAX = 16 << 20,
    KUBE_TEXT_MAX = 64 << 10,
    KUBE_FOREIGN_TEXT_MAX = 512,
    KUBE_TOKEN_AGE_S = 60,
};

struct kube_call {
    struct kube_client *client;
    struct kube_call *prev, *next; /* in `waiting`, `checks`, `events`, `running` or `pausing` */
    struct kube_calls *list;
    enum kube_class class;
    char *method, *url, *content_type, *body;
    bool text, once, proxied, token_retried; /* proxied: another program behind the API server answers */
    int max_text, retries;
    int64_t deadline_us; /* CLOCK_MONOTONIC */
    struct http_call *http;
    sd_event_source *timer; /* until a try after Retry-After */
    json_t *answer;         /* an answer known before anything was sent: given from the loop */
    kube_done_cb done;
    void *userdata;
};

struct kube_calls {
    struct kube_call *first, *last;
    unsigned n;
};

struct kube_client {
    sd_event *event;
    struct kube_config *config;
    struct http_client *http;
    sd_event_source *defer; /* starts what waits */
    struct kube_calls waiting, checks, events, running, pausing;
    unsigned checks_running, events_running;
    struct kube_exec *execs, *execs_last; /* in the order in which they came */
    unsigned execs_running;
    char *token;
    int64_t token_read_us;
    bool token_failed, closing;
    struct kube_stats stats;
};

int64_t kube_monotonic_us(void);

/* request.c: the URL with fieldManager and dryRun, the body as it is sent. */
struct kube_call *kube_call_new(struct kube_client *c, const struct kube_request *req);
struct kube_call *kube_call_free(struct kube_call *call);
DEFINE_CLEANUP(struct kube_call *, kube_call_free);

/* answer.c */
json_t *kube_answer_error_new(const struct kube_call *call, const char *error, const char *message, bool sent);
json_t *kube_answer_new(const struct kube_call *call, const struct http_result *result);

/* token.c: reads token_file again when it is older than a minute. False if a forced reading brought nothing new. */
bool kube_token_refresh(struct kube_client *c, bool force);

/* exec.c: answers "cancelled" to all of them. */
void kube_execs_cancel(struct kube_client *c);
