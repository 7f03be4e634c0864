/* Happy path: adding an easy handle makes libcurl ask for a timer at once; the timer's dispatch calls
 * curl_multi_socket_action(), which asks for sockets to be watched; their dispatches call it again; after each such
 * call the defer source is armed, takes one finished transfer, hands it over and arms itself again until none is left.
 *
 * Failure modes: libcurl's callbacks only change event sources and never call libcurl back (a timer of 0 ms is armed
 * too, accuracy 1 us: with 0 systemd would coalesce it with others up to 250 ms later). A failed event call inside a
 * callback makes libcurl fail the transfer. A handler never returns a negative value: sd-event would disable its source
 * without a word. On teardown curl_multi_cleanup() still calls the socket callback, so the sources go last. */
#include "io/curl_loop.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <ctype.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>

struct curl_loop {
    sd_event *event;
    CURLM *multi;
    sd_event_source *timer, *defer;
    curl_loop_done_cb done;
    void *userdata;
    bool keep_finished;
};

static void arm_defer(struct curl_loop *l)
{
    sd_event_source_set_enabled(l->defer, SD_EVENT_ONESHOT);
}

static void drive(struct curl_loop *l, curl_socket_t fd, int events)
{
    int running;
    curl_multi_socket_action(l->multi, fd, events, &running);
    arm_defer(l);
}

static int on_io(sd_event_source *source _unused_, int fd, uint32_t revents, void *userdata)
{
    int events = 0;
    if (revents & (EPOLLIN | EPOLLHUP | EPOLLRDHUP))
        events |= CURL_CSELECT_IN;
    if (revents & EPOLLOUT)
        events |= CURL_CSELECT_OUT;
    if (revents & EPOLLERR)
        events |= CURL_CSELECT_ERR;
    drive(userdata, fd, events);
    return 0;
}

static int on_timer(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
    drive(userdata, CURL_SOCKET_TIMEOUT, 0);
    return 0;
}

static int on_defer(sd_event_source *source _unused_, void *userdata)
{
    struct curl_loop *l = userdata;
    int left;
    const CURLMsg *message = curl_multi_info_read(l->multi, &left);
    if (!message)
        return 0;
    CURL *easy = message->easy_handle;
    const CURLcode code = message->data.result;
    const bool done = message->msg == CURLMSG_DONE;
    arm_defer(l);
    if (!done)
        return 0;
    if (!l->keep_finished)
        curl_multi_remove_handle(l->multi, easy);
    l->done(easy, code, l->userdata); /* may free l */
    return 0;
}

static int socket_callback(CURL *easy _unused_, curl_socket_t fd, int what, void *userdata, void *socketp)
{
    struct curl_loop *l = userdata;
    sd_event_source *io = socketp;
    if (what == CURL_POLL_REMOVE) {
        curl_multi_assign(l->multi, fd, NULL);
        sd_event_source_disable_unref(io);
        return 0;
    }
    const uint32_t events =
        (what & CURL_POLL_IN ? (uint32_t)EPOLLIN : 0) | (what & CURL_POLL_OUT ? (uint32_t)EPOLLOUT : 0);
    if (io)
        return sd_event_source_set_io_events(io, events) < 0 ? -1 : 0;
    if (sd_event_add_io(l->event, &io, fd, events, on_io, l) < 0)
        return -1;
    curl_multi_assign(l->multi, fd, io);
    return 0;
}

static int timer_callback(CURLM *multi _unused_, long timeout_ms, void *userdata)
{
    struct curl_loop *l = userdata;
    if (timeout_ms < 0)
        return sd_event_source_set_enabled(l->timer, SD_EVENT_OFF) < 0 ? -1 : 0;
    if (sd_event_source_set_time_relative(l->timer, (uint64_t)timeout_ms * USEC_PER_MSEC) < 0)
        return -1;
    return sd_event_source_set_enabled(l->timer, SD_EVENT_ONESHOT) < 0 ? -1 : 0;
}

int curl_loop_new(sd_event *event, curl_loop_done_cb done, void *userdata, struct curl_loop **ret, struct error *err)
{
    _cleanup_(curl_loop_freep) struct curl_loop *l = xnew0(struct curl_loop);
    l->event = sd_event_ref(event);
    l->done = done;
    l->userdata = userdata;
    l->multi = curl_multi_init();
    if (!l->multi)
        return error_set(err, -ENOMEM, "cannot set libcurl up");
    int r = sd_event_add_time_relative(event, &l->timer, CLOCK_MONOTONIC, 0, 1, on_timer, l);
    if (r >= 0)
        r = sd_event_source_set_enabled(l->timer, SD_EVENT_OFF);
    if (r >= 0)
        r = sd_event_add_defer(event, &l->defer, on_defer, l);
    if (r >= 0)
        r = sd_event_source_set_enabled(l->defer, SD_EVENT_OFF);
    if (r < 0)
        return error_set(err, r, "cannot add libcurl to the event loop");
    curl_multi_setopt(l->multi, CURLMOPT_SOCKETFUNCTION, socket_callback);
    curl_multi_setopt(l->multi, CURLMOPT_SOCKETDATA, l);
    curl_multi_setopt(l->multi, CURLMOPT_TIMERFUNCTION, timer_callback);
    curl_multi_setopt(l->multi, CURLMOPT_TIMERDATA, l);
    *ret = TAKE_PTR(l);
    return 0;
}

struct curl_loop *curl_loop_free(struct curl_loop *l)
{
    if (!l)
        return NULL;
    if (l->multi)
        curl_multi_cleanup(l->multi);
    sd_event_source_disable_unref(l->timer);
    sd_event_source_disable_unref(l->defer);
    sd_event_unref(l->event);
    free(l);
    return NULL;
}

void curl_loop_keep_finished(struct curl_loop *l)
{
    l->keep_finished = true;
}

CURLM *curl_loop_multi(struct curl_loop *l)
{
    return l->multi;
}

int curl_loop_add(struct curl_loop *l, CURL *easy, struct error *err)
{
    const CURLMcode code = curl_multi_add_handle(l->multi, easy);
    return code == CURLM_OK ? 0 : error_set(err, -EIO, "cannot start the request: %s", curl_multi_strerror(code));
}

void curl_loop_remove(struct curl_loop *l, CURL *easy)
{
    curl_multi_remove_handle(l->multi, easy);
}

/* libcurl only says that verification failed; which of the reasons it was, GnuTLS' status tells. */
const char *curl_tls_reason(CURL *easy)
{
    static const struct {
        unsigned bit;
        const char *words;
    } reasons[] = {
        {GNUTLS_CERT_SIGNER_NOT_FOUND, ": its certificate is signed by none of the CAs that are trusted for it"},
        {GNUTLS_CERT_SIGNER_NOT_CA, ": its certificate is signed by one that is no CA"},
        {GNUTLS_CERT_REVOKED, ": its certificate has been revoked"},
        {GNUTLS_CERT_EXPIRED, ": its certificate has expired"},
        {GNUTLS_CERT_NOT_ACTIVATED, ": its certificate is not valid yet (is this host's clock right?)"},
        {GNUTLS_CERT_INSECURE_ALGORITHM, ": its certificate is signed with an algorithm that is too weak"},
    };
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_SSL_VERIFYRESULT, &status);
    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
        if ((unsigned)status & reasons[i].bit)
            return reasons[i].words;
    return "";
}

char *curl_detail(const char *errbuf, CURLcode code)
{
    char *text = xstrdup(errbuf[0] ? errbuf : curl_easy_strerror(code));
    char *files = strstr(text, " CAfile:");
    if (files)
        *files = '\0';
    for (char *p = text; *p; p++)
        if (iscntrl((unsigned char)*p))
            *p = ' ';
    size_t len = strlen(text);
    while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '.'))
        text[--len] = '\0';
    return text;
}
