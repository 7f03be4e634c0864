/* Happy path: probe_start() queues, the defer source starts what fits (64 at once), each ends in probe_finish().
 * Failure modes: a question that cannot be asked is answered "local" from the loop; freeing the prober, also from
 * within a callback, answers "cancelled" to all that is left. */
#include "io/probe_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"

#include <errno.h>
#include <time.h>

int64_t probe_now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * USEC_PER_SEC + t.tv_nsec / 1000;
}

json_t *probe_error_new(const char *error, const char *message)
{
    json_t *answer = json_object();
    json_set_text(answer, "error", error);
    json_set_text(answer, "message", message);
    return answer;
}

static void client_clear(struct probe_client *c)
{
    http_client_free(c->http);
    free(c->ca_file);
    free(c->cert_file);
    free(c->key_file);
    *c = (struct probe_client){0};
}

static bool is_client_of(const struct probe_client *c, const struct http_identity *identity)
{
    return c->http && c->insecure == identity->insecure && str_eq(c->ca_file, identity->ca_file) &&
           str_eq(c->cert_file, identity->cert_file) && str_eq(c->key_file, identity->key_file);
}

struct probe_client *probe_client_get(struct prober *p, const struct http_identity *identity, struct error *err)
{
    struct probe_client *spare = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(p->clients); i++) {
        struct probe_client *c = &p->clients[i];
        if (is_client_of(c, identity)) {
            c->users++;
            return c;
        }
        if (c->users == 0 && (!spare || (spare->http && !c->http)))
            spare = c;
    }
    if (!spare) {
        error_set(err, -EAGAIN, "probes with too many different certificates and CA files at once");
        return NULL;
    }
    client_clear(spare);
    if (http_client_new(p->event, identity, &spare->http, err) < 0)
        return NULL;
    spare->ca_file = xstrdup(identity->ca_file);
    spare->cert_file = xstrdup(identity->cert_file);
    spare->key_file = xstrdup(identity->key_file);
    spare->insecure = identity->insecure;
    spare->users = 1;
    return spare;
}

static void take_out(struct probe *probe)
{
    struct prober *p = probe->prober;
    *(probe->prev ? &probe->prev->next : &p->running) = probe->next;
    if (probe->next)
        probe->next->prev = probe->prev;
    p->n_running--;
}

void probe_finish(struct probe *probe, json_t *answer_new)
{
    struct prober *p = probe->prober;
    take_out(probe);
    if (probe->client)
        probe->client->users--;
    if (!p->closing)
        sd_event_source_set_enabled(p->defer, SD_EVENT_ONESHOT);
    const probe_done_cb done = probe->done;
    void *userdata = probe->userdata;
    json_decref(probe->question);
    free(probe->where);
    free(probe);
    done(answer_new, userdata);
}

static int start(struct probe *probe, struct error *err)
{
    const char *ask = json_text_or(probe->question, "ask", "");
    const int64_t timeout_ms = json_int_or(probe->question, "timeout_ms", PROBE_TIMEOUT_MS);
    if (timeout_ms < 1 || timeout_ms > 3600 * 1000)
        return error_set(err, -EINVAL, "the probe's timeout is not between 1 ms and 1 h");
    probe->deadline_us = probe_now_us() + timeout_ms * USEC_PER_MSEC;
    if (str_eq(ask, "http"))
        return probe_http(probe, err);
    if (str_eq(ask, "tcp"))
        return probe_tcp(probe, err);
    if (str_eq(ask, "redis") || str_eq(ask, "tls"))
        return probe_by_address(probe, err);
    if (str_eq(ask, "dns"))
        return probe_dns(probe, err);
    return error_set(err, -EINVAL, "not a question for the network");
}

/* One probe a dispatch, as its callback may free the prober; the source is armed again before. */
static int on_defer(sd_event_source *source _unused_, void *userdata)
{
    struct prober *p = userdata;
    struct probe *probe = p->first;
    if (!probe || p->n_running >= PROBES_RUNNING)
        return 0;
    p->first = probe->next;
    if (!p->first)
        p->last = NULL;
    probe->prev = NULL;
    probe->next = p->running;
    if (p->running)
        p->running->prev = probe;
    p->running = probe;
    p->n_running++;
    sd_event_source_set_enabled(p->defer, SD_EVENT_ONESHOT);
    _cleanup_error_ struct error err = ERROR_NONE;
    if (start(probe, &err) < 0)
        probe_finish(probe, probe_error_new("local", error_message(&err)));
    return 0;
}

void probe_start(struct prober *p, const json_t *question, probe_done_cb done, void *userdata)
{
    struct probe *probe = xnew0(struct probe);
    probe->prober = p;
    probe->question = json_deep_copy(question);
    probe->done = done;
    probe->userdata = userdata;
    if (p->last)
        p->last->next = probe;
    else
        p->first = probe;
    p->last = probe;
    if (!p->closing)
        sd_event_source_set_enabled(p->defer, SD_EVENT_ONESHOT);
}

int prober_new(sd_event *event, struct prober **ret, struct error *err)
{
    _cleanup_(prober_freep) struct prober *p = xnew0(struct prober);
    p->event = sd_event_ref(event);
    int r = sd_event_add_defer(event, &p->defer, on_defer, p);
    if (r >= 0)
        r = sd_event_source_set_enabled(p->defer, SD_EVENT_OFF);
    if (r < 0)
        return error_set(err, r, "cannot add the prober to the event loop");
    *ret = TAKE_PTR(p);
    return 0;
}

struct prober *prober_free(struct prober *p)
{
    if (!p)
        return NULL;
    p->closing = true;
    while (p->running) {
        if (p->running->redis)
            redis_call_cancel(p->running->redis);
        else if (p->running->dns)
            dns_look_cancel(p->running->dns);
        else if (p->running->tls)
            tls_look_cancel(p->running->tls);
        else if (p->running->http)
            http_cancel(p->running->http);
        else
            probe_finish(p->running, probe_error_new("cancelled", "the probe was cancelled"));
    }
    for (struct probe *probe; (probe = p->first);) {
        p->first = probe->next;
        probe->done(probe_error_new("cancelled", "the probe was cancelled"), probe->userdata);
        json_decref(probe->question);
        free(probe);
    }
    for (size_t i = 0; i < ARRAY_SIZE(p->clients); i++)
        client_clear(&p->clients[i]);
    sd_event_source_disable_unref(p->defer);
    sd_event_unref(p->event);
    free(p);
    return NULL;
}
