/* What exec.c (queue, connection, channels) and exec_answer.c (what it came to) share. */
#pragma once

#include "io/websocket.h"
#include "kube/client_internal.h"
#include "kube/exec.h"

enum {
    KUBE_EXECS_RUNNING = 8,
    KUBE_EXEC_LINGER_MS = 1000,       /* for the server's close, after the Status */
    KUBE_EXEC_STATUS_MAX = 64 << 10,  /* of the Status */
    KUBE_EXEC_URL_MAX = 12 << 10,     /* the command is part of the URL */
    KUBE_EXEC_OUTPUT_MAX = 256 << 20, /* after that many bytes it is given up */
};

struct kube_stream {
    struct strbuf kept;
    uint64_t total; /* bytes that came */
};

struct kube_exec {
    struct kube_client *client;
    struct kube_exec *prev, *next;
    enum kube_class class;
    char *url, *label, *input; /* label: "exec in shop/redis-0", for people */
    int64_t deadline_us;       /* CLOCK_MONOTONIC */
    int timeout_ms;
    struct websocket *ws; /* NULL while it waits */
    struct kube_way *way; /* while `ws` */
    unsigned credential;
    sd_event_source *defer;
    json_t *answer; /* known before anything was sent: given from the loop */
    bool token_retried, opened;
    int channel; /* of the message that is coming in; -1: none */
    struct kube_stream out, err;
    struct strbuf status;
    kube_done_cb done;
    void *userdata;
};

/* exec_answer.c */
json_t *kube_exec_error_new(const struct kube_exec *x, const char *error, const char *message, bool sent);
/* A Status that is whole, or NULL. */
json_t *kube_exec_status_new(const struct kube_exec *x);
json_t *kube_exec_answer_new(const struct kube_exec *x, const struct websocket_end *end);
