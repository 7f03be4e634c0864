/* What probe.c (queue, bounds), probe_http.c and tcp.c share. */
#pragma once

#include "io/dns_look.h"
#include "io/http.h"
#include "io/probe.h"
#include "io/redis.h"
#include "io/tls_look.h"

#include <stdbool.h>

enum { PROBES_RUNNING = 64, PROBE_CLIENTS = 16, PROBE_TIMEOUT_MS = 10000, PROBE_ANSWER_MAX = 1 << 20 };

struct probe_client { /* one identity */
    char *ca_file, *cert_file, *key_file;
    bool insecure;
    struct http_client *http;
    unsigned users;
};

struct prober {
    sd_event *event;
    sd_event_source *defer;
    struct probe *first, *last, *running;
    unsigned n_running;
    struct probe_client clients[PROBE_CLIENTS];
    bool closing;
};

struct probe {
    struct prober *prober;
    struct probe *prev, *next;
    json_t *question;
    probe_done_cb done;
    void *userdata;
    struct probe_client *client;
    struct http_call *http;
    struct redis_call *redis;
    struct tls_look *tls;
    struct dns_look *dns;
    char *where; /* host:port, for people */
    int port;
    int64_t deadline_us; /* CLOCK_MONOTONIC */
};

int64_t probe_now_us(void);
json_t *probe_error_new(const char *error, const char *message);
/* The client of that identity; made when needed. NULL if all are taken by others. */
struct probe_client *probe_client_get(struct prober *p, const struct http_identity *identity, struct error *err);
void probe_finish(struct probe *probe, json_t *answer_new);

/* Start, or a negative errno with words (then probe_finish() has not been called). */
int probe_http(struct probe *probe, struct error *err);
int probe_tcp(struct probe *probe, struct error *err);
int probe_dns(struct probe *probe, struct error *err);
int probe_by_address(struct probe *probe, struct error *err); /* redis, tls */
