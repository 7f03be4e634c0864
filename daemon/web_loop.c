/* libmicrohttpd as a guest of the sd-event loop.
 *
 * Its epoll descriptor is a source; after each dispatch it says when it wants to be called again. That time is relative
 * (as an absolute one the loop spins), and without it edge-triggered connections hang. A resumed connection moves only
 * when MHD_run() is called. Without connections there is no timer: an idle daemon is not woken up. */
#include "web_internal.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

/* Resuming without the inter-thread channel: there is no other thread, and we call MHD_run() after each resume; the
 * channel would cost a write and a read a request. */
enum { FLAGS = MHD_USE_EPOLL | MHD_USE_TURBO | (MHD_ALLOW_SUSPEND_RESUME & ~MHD_USE_ITC) | MHD_USE_ERROR_LOG };
enum { CONNECTIONS_MAX = 4096, FILES_KEPT = 256, IDLE_TIMEOUT_S = 30, CONNECTION_MEMORY = 16 * 1024 };

static void arm(struct web *w)
{
    MHD_UNSIGNED_LONG_LONG timeout_ms = 0;
    if (MHD_get_timeout(w->mhd, &timeout_ms) != MHD_YES) {
        if (w->armed_us)
            sd_event_source_set_enabled(w->timer, SD_EVENT_OFF);
        w->armed_us = 0;
        return;
    }
    if (timeout_ms == 0) {
        web_kick(w);
        return;
    }
    uint64_t now_us = 0;
    sd_event_now(w->event, CLOCK_MONOTONIC, &now_us);
    const uint64_t at_us = now_us + timeout_ms * 1000;
    if (w->armed_us && w->armed_us <= at_us)
        return; /* fires early and arms again: cheaper than a move with each request */
    sd_event_source_set_time_relative(w->timer, timeout_ms * 1000);
    sd_event_source_set_enabled(w->timer, SD_EVENT_ONESHOT);
    w->armed_us = at_us;
}

/* A handler that returns an error would only lose its source: the loop has to end instead. */
static int run(struct web *w)
{
    if (MHD_run(w->mhd) != MHD_YES) {
        log_event(LOG_LEVEL_ERROR, "the HTTP server failed", NULL);
        return sd_event_exit(w->event, -EIO);
    }
    arm(w);
    return 0;
}

static int on_io(sd_event_source *source _unused_, int fd _unused_, uint32_t events _unused_, void *userdata)
{
    return run(userdata);
}

static int on_timer(sd_event_source *source _unused_, uint64_t at_us _unused_, void *userdata)
{
    struct web *w = userdata;
    w->armed_us = 0;
    return run(w);
}

static int on_kick(sd_event_source *source _unused_, void *userdata)
{
    return run(userdata);
}

void web_kick(struct web *w)
{
    sd_event_source_set_enabled(w->kick, SD_EVENT_ONESHOT);
}

static void on_log(void *cls _unused_, const char *fmt, va_list args)
{
    if (!log_enabled(LOG_LEVEL_DEBUG))
        return;
    char text[512];
    vsnprintf(text, sizeof(text), fmt, args);
    text[strcspn(text, "\n")] = '\0';
    log_event(LOG_LEVEL_DEBUG, text, "component", "libmicrohttpd", NULL);
}

static unsigned connection_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= CONNECTIONS_MAX + FILES_KEPT)
        return CONNECTIONS_MAX;
    return limit.rlim_cur > 2 * FILES_KEPT ? (unsigned)limit.rlim_cur - FILES_KEPT : (unsigned)limit.rlim_cur / 2;
}

/* Asked for a certificate only if the connection has none of its own: web_tls_apply() gives it one. */
static int no_certificate(gnutls_session_t session _unused_, const struct gnutls_cert_retr_st *info _unused_,
                          gnutls_pcert_st **certs _unused_, unsigned *n _unused_, gnutls_ocsp_data_st **ocsp _unused_,
                          unsigned *n_ocsp _unused_, gnutls_privkey_t *key _unused_, unsigned *flags _unused_)
{
    return GNUTLS_E_NO_CERTIFICATE_FOUND;
}

static int start_mhd(struct web *w, int listen_fd, struct error *err)
{
    const bool tls = w->tls && web_config_of(w)->tls;
    w->connections_max = connection_limit();
    w->mhd = MHD_start_daemon(tls ? (unsigned)FLAGS | MHD_USE_TLS : (unsigned)FLAGS, 0, web_on_accept, w,
                              web_on_request, w, MHD_OPTION_EXTERNAL_LOGGER, on_log, w, MHD_OPTION_LISTEN_SOCKET,
                              listen_fd, MHD_OPTION_NOTIFY_COMPLETED, web_on_completed, w, MHD_OPTION_NOTIFY_CONNECTION,
                              web_on_connection, w, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_TIMEOUT_S,
                              MHD_OPTION_CONNECTION_LIMIT, w->connections_max, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                              (size_t)CONNECTION_MEMORY, MHD_OPTION_STRICT_FOR_CLIENT, 1,
                              tls ? MHD_OPTION_HTTPS_CERT_CALLBACK2 : MHD_OPTION_END, no_certificate, MHD_OPTION_END);
    if (w->mhd)
        return 0;
    close(listen_fd);
    return error_set(err, -EIO, "cannot start the HTTP server");
}

int web_loop_start(struct web *w, int listen_fd, struct error *err)
{
    int r = start_mhd(w, listen_fd, err);
    if (r < 0)
        return r;
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(w->mhd, MHD_DAEMON_INFO_EPOLL_FD);
    if (!info)
        return error_set(err, -ENOSYS, "libmicrohttpd has no epoll here");
    r = sd_event_add_io(w->event, &w->io, info->epoll_fd, EPOLLIN, on_io, w);
    if (r >= 0)
        r = sd_event_add_time_relative(w->event, &w->timer, CLOCK_MONOTONIC, 0, 1, on_timer, w);
    if (r >= 0)
        r = sd_event_source_set_enabled(w->timer, SD_EVENT_OFF);
    if (r >= 0)
        r = sd_event_add_defer(w->event, &w->kick, on_kick, w);
    if (r < 0)
        return error_set(err, r, "cannot watch the HTTP server: %s", strerror(-r));
    sd_event_source_set_description(w->io, "http");
    return sd_event_source_set_enabled(w->kick, SD_EVENT_ONESHOT);
}

/* From here on web_on_request() begins nothing: what comes in these last turns is told that mendd is stopping, so
 * that no connection is suspended, which MHD_stop_daemon() would abort on. */
void web_loop_stop(struct web *w)
{
    if (w->mhd) {
        const int listen_fd = MHD_quiesce_daemon(w->mhd); /* who is not accepted yet finds the next process */
        MHD_run(w->mhd);                                  /* what was just answered or resumed leaves */
        MHD_run(w->mhd);
        MHD_stop_daemon(w->mhd);
        if (listen_fd >= 0)
            close(listen_fd);
    }
    sd_event_source_disable_unref(w->io);
    sd_event_source_disable_unref(w->timer);
    sd_event_source_disable_unref(w->kick);
    sd_event_source_disable_unref(w->heartbeat);
    sd_event_source_disable_unref(w->sweep);
}
