/* Connections: how many a peer may have, TLS at their beginning, and their end when they do not get on.
 *
 * libmicrohttpd ends what is silent for 30 s; whoever sends a byte now and then would stay for ever. So a request's
 * head has to be there within HEAD_S of the connection's beginning (KEPT_S of the request before), and a body has to
 * come at LEAST_RATE or better. What is late is shut down from outside, and libmicrohttpd sees its end. One timer for
 * all, which runs only while there are connections. */
#include "web_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <utlist.h>

enum { SWEEP_S = 5, HEAD_S = 15, KEPT_S = 45, BODY_S = 30, LEAST_RATE = 1024 };

int64_t web_now_us(const struct web *w)
{
    uint64_t now_us = 0;
    sd_event_now(w->event, CLOCK_MONOTONIC, &now_us);
    return (int64_t)now_us;
}

struct connection *connection_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info->socket_context;
}

void connection_phase(struct connection *c, enum phase phase, const struct request *req)
{
    c->served = c->served || phase == PHASE_WORK;
    c->phase = phase;
    c->request = req;
    c->since_us = web_now_us(c->web);
}

/* ---- too slow ---- */

static int64_t allowed_s(const struct connection *c)
{
    if (c->phase == PHASE_HEAD)
        return c->served ? KEPT_S : HEAD_S;
    return BODY_S + (int64_t)(c->request->received / LEAST_RATE);
}

static int on_sweep(sd_event_source *source, uint64_t at_us _unused_, void *userdata)
{
    struct web *w = userdata;
    const int64_t now_us = web_now_us(w);
    struct connection *c;
    DL_FOREACH (w->connections, c) {
        if (c->phase == PHASE_WORK || now_us - c->since_us <= allowed_s(c) * USEC_PER_SEC)
            continue;
        web_count_refusal(w, REFUSED_SLOW);
        shutdown(c->fd, SHUT_RDWR);
        c->phase = PHASE_WORK; /* once is enough */
    }
    sd_event_source_set_time_relative(source, SWEEP_S * (uint64_t)USEC_PER_SEC);
    return sd_event_source_set_enabled(source, w->connections ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static void sweep_while_connected(struct web *w)
{
    if (w->sweep && w->connections && !w->connections->next) {
        sd_event_source_set_time_relative(w->sweep, SWEEP_S * (uint64_t)USEC_PER_SEC);
        sd_event_source_set_enabled(w->sweep, SD_EVENT_ONESHOT);
    } else if (!w->sweep) {
        sd_event_add_time_relative(w->event, &w->sweep, CLOCK_MONOTONIC, SWEEP_S * (uint64_t)USEC_PER_SEC, USEC_PER_SEC,
                                   on_sweep, w);
    }
}

/* ---- begin and end ---- */

enum MHD_Result web_on_accept(void *cls, const struct sockaddr *address, socklen_t len _unused_)
{
    struct web *w = cls;
    const struct peer *peer = peers_get(w->peers, address);
    const unsigned most = w->connections_max - w->connections_max / 4;
    if (!peer || peer->connections < (peer->loopback || most < PEER_CONNECTIONS ? most : PEER_CONNECTIONS))
        return MHD_YES;
    web_count_refusal(w, REFUSED_CONNECTIONS);
    return MHD_NO;
}

static gnutls_session_t session_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    return info ? info->tls_session : NULL;
}

static struct connection *begin(struct web *w, struct MHD_Connection *mhd)
{
    struct connection *c = xnew0(struct connection);
    socklen_t len = sizeof(c->address);
    c->web = w;
    c->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    if (getpeername(c->fd, (struct sockaddr *)&c->address, &len) < 0)
        c->address.ss_family = AF_UNSPEC;
    c->peer = peers_get(w->peers, (const struct sockaddr *)&c->address);
    if (c->peer)
        c->peer->connections++;
    connection_phase(c, PHASE_HEAD, NULL);
    web_doors_refresh(w);
    gnutls_session_t session = session_of(mhd);
    if (session && w->tls) {
        c->tls = web_tls_ref(w->tls);
        if (web_tls_apply(c->tls, session) < 0)
            shutdown(c->fd, SHUT_RDWR); /* rather than libmicrohttpd's own, empty credentials */
    }
    DL_APPEND(w->connections, c);
    sweep_while_connected(w);
    return c;
}

static void end(struct connection *c)
{
    char text[24], name[PEER_NAME_MAX];
    snprintf(text, sizeof(text), "%" PRIu64, c->webhooks);
    if (c->webhooks > 0)
        log_event(LOG_LEVEL_INFO, "webhooks", "by", c->webhooks_by, "from",
                  peer_name((const struct sockaddr *)&c->address, name), "accepted", text, NULL);
    if (c->peer)
        c->peer->connections--;
    DL_DELETE(c->web->connections, c);
    web_tls_unref(c->tls);
    free(c->client);
    free(c);
}

void web_on_connection(void *cls, struct MHD_Connection *mhd, void **context, enum MHD_ConnectionNotificationCode what)
{
    if (what == MHD_CONNECTION_NOTIFY_STARTED)
        *context = begin(cls, mhd);
    else
        end(*context);
}

/* ---- the client's certificate ---- */

void connection_look(struct connection *c, struct MHD_Connection *mhd)
{
    struct web *w = c->web;
    _cleanup_error_ struct error err = ERROR_NONE;
    const bool changed = c->tls != w->tls || !c->served;
    if (!c->tls || !w->tls || (!changed && (!c->client || c->client->expires_s > time(NULL))))
        return;
    struct tls_peer *peer = xnew0(struct tls_peer);
    c->distrusted = web_tls_look(w->tls, session_of(mhd), peer, &err) < 0;
    const bool holds = !c->distrusted && peer->verified;
    struct web_tls *old = c->tls; /* the session has the new one's credentials from here on */
    c->tls = web_tls_ref(w->tls);
    web_tls_unref(old);
    free(c->client);
    c->client = holds ? peer : NULL;
    if (!holds)
        free(peer);
}
