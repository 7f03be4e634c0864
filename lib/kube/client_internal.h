/* What client.c (queue, retries), request.c (what is sent) and answer.c (what came back) share. */
#pragma once

#include "base/strbuf.h"
#include "io/http.h"
#include "kube/client.h"
#include "kube/kubeconfig.h"
#include "kube/plugin.h"

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

/* Connections of one identity. A plugin's certificate may change while requests are on their way by the old one. */
struct kube_way {
    struct http_client *http;
    bool own;       /* with the plugin's certificate, not the kubeconfig's */
    unsigned users; /* requests on their way */
    struct kube_way *next;
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
    struct kube_way *way;   /* while `http` */
    unsigned credential;    /* of the plugin, with which it was sent */
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
    struct kube_way *way, *old_ways; /* of now; of before, until nobody uses them */
    struct kube_plugin *plugin;      /* or NULL */
    unsigned credential;             /* its generation that is in use */
    sd_event_source *defer;          /* starts what waits */
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

/* access.c: as whom. READY: token and way are those of now; FAILED: `why` says it. */
int kube_access_open(struct kube_client *c, struct error *err);
void kube_access_close(struct kube_client *c); /* what is on its way answers "cancelled" */
enum kube_plugin_state kube_access(struct kube_client *c, const char **why);
/* A 401 for what was sent with that credential. True: another try has a chance. */
bool kube_access_refused(struct kube_client *c, unsigned credential);
struct kube_way *kube_way_use(struct kube_client *c);
void kube_way_leave(struct kube_way *way);
void kube_ways_drop(struct kube_client *c); /* those that nobody uses; not from within a callback of theirs */

/* exec.c: answers "cancelled" to all of them; lets the first one begin that may. */
void kube_execs_cancel(struct kube_client *c);
void kube_execs_wake(struct kube_client *c);
