/* GnuTLS on a non-blocking socket under sd-event.
 *
 * Happy path: connect, the socket becomes writable, the handshake goes on whenever the socket is ready for what it
 * waits for; at its end the chain is read and judged, and finish() takes everything down and calls back. Failure modes:
 * the timer, a refused or reset connection, a peer that speaks no TLS: each ends in finish() once. The chain is bounded
 * by GnuTLS (MAX_HANDSHAKE) and by CHAIN_MAX here; names by NAMES_MAX. */
#include "io/tls_look.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CHAIN_MAX = 16, NAMES_MAX = 64, MAX_HANDSHAKE = 256 << 10 };

struct tls_look {
    int fd;
    bool connected;
    gnutls_session_t session;
    gnutls_certificate_credentials_t trust;
    sd_event_source *io, *timer;
    char *where, *server_name;
    tls_look_cb done;
    void *userdata;
};

static struct tls_look *look_free(struct tls_look *l)
{
    sd_event_source_disable_unref(l->io);
    sd_event_source_disable_unref(l->timer);
    if (l->session)
        gnutls_deinit(l->session);
    if (l->trust)
        gnutls_certificate_free_credentials(l->trust);
    if (l->fd >= 0)
        close(l->fd);
    free(l->where);
    free(l->server_name);
    free(l);
    return NULL;
}

static void finish(struct tls_look *l, json_t *answer_new)
{
    const tls_look_cb done = l->done;
    void *userdata = l->userdata;
    look_free(l);
    done(answer_new, userdata);
}

static void fail(struct tls_look *l, const char *error, const char *what)
{
    _cleanup_free_ char *message = xasprintf("%s: %s", l->where, what);
    json_t *answer = json_object();
    json_set_text(answer, "error", error);
    json_set_text(answer, "message", message);
    finish(l, answer);
}

/* ---- what was shown ---- */

static json_t *names_new(gnutls_x509_crt_t crt)
{
    json_t *names = json_array();
    for (unsigned i = 0; i < NAMES_MAX; i++) {
        char text[512] = {0};
        size_t len = sizeof(text) - 1;
        unsigned type = 0;
        const int r = gnutls_x509_crt_get_subject_alt_name2(crt, i, text, &len, &type, NULL);
        if (r == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
            break;
        if (r < 0)
            continue;
        char shown[INET6_ADDRSTRLEN] = {0};
        if (type == GNUTLS_SAN_DNSNAME)
            json_array_append_new(names, json_text_new(text, strnlen(text, len)));
        else if (type == GNUTLS_SAN_IPADDRESS && inet_ntop(len == 4 ? AF_INET : AF_INET6, text, shown, sizeof(shown)))
            json_array_append_new(names, json_string(shown));
    }
    return names;
}

static void set_name(json_t *answer, const char *key, gnutls_x509_crt_t crt,
                     int (*get)(gnutls_x509_crt_t, gnutls_datum_t *, unsigned))
{
    gnutls_datum_t dn = {0};
    if (get(crt, &dn, 0) < 0)
        return;
    json_object_set_new(answer, key, json_text_new((const char *)dn.data, dn.size));
    gnutls_free(dn.data);
}

static bool describe(json_t *answer, const gnutls_datum_t *chain, unsigned n, const char *server_name)
{
    int64_t not_after = INT64_MAX, not_before = INT64_MIN;
    for (unsigned i = 0; i < n && i < CHAIN_MAX; i++) {
        gnutls_x509_crt_t crt = NULL;
        if (gnutls_x509_crt_init(&crt) < 0)
            return false;
        const int r = gnutls_x509_crt_import(crt, &chain[i], GNUTLS_X509_FMT_DER);
        if (r == 0 && (i == 0 || !gnutls_x509_crt_check_issuer(crt, crt))) { /* a root that came along proves nothing */
            const int64_t until = gnutls_x509_crt_get_expiration_time(crt);
            const int64_t from = gnutls_x509_crt_get_activation_time(crt);
            not_after = until < not_after ? until : not_after;
            not_before = from > not_before ? from : not_before;
        }
        if (r == 0 && i == 0) {
            json_object_set_new(answer, "names", names_new(crt));
            set_name(answer, "subject", crt, gnutls_x509_crt_get_dn3);
            set_name(answer, "issuer", crt, gnutls_x509_crt_get_issuer_dn3);
            json_object_set_new(answer, "named", json_boolean(gnutls_x509_crt_check_hostname(crt, server_name)));
        }
        gnutls_x509_crt_deinit(crt);
        if (r < 0 && i == 0)
            return false;
    }
    json_object_set_new(answer, "not_after", json_integer(not_after));
    json_object_set_new(answer, "not_before", json_integer(not_before));
    return true;
}

/* Of trust alone: what is wrong with its times and names is told apart from it. */
static void judge_trust(json_t *answer, gnutls_session_t session)
{
    static const unsigned others = GNUTLS_CERT_INVALID | GNUTLS_CERT_EXPIRED | GNUTLS_CERT_NOT_ACTIVATED;
    unsigned status = 0;
    const bool judged = gnutls_certificate_verify_peers2(session, &status) >= 0;
    gnutls_datum_t words = {0};
    json_object_set_new(answer, "trusted", json_boolean(judged && (status & ~others) == 0));
    if (judged && status && gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &words, 0) >= 0) {
        json_object_set_new(answer, "why", json_text_new((const char *)words.data, words.size));
        gnutls_free(words.data);
    }
}

static void shake_hands_done(struct tls_look *l)
{
    unsigned n = 0;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(l->session, &n);
    json_t *answer = json_pack("{s:i}", "status", 0);
    if (!chain || n == 0 || !describe(answer, chain, n, l->server_name)) {
        json_decref(answer);
        fail(l, "tls", "the server shows no certificate that can be read");
        return;
    }
    judge_trust(answer, l->session);
    finish(l, answer);
}

/* ---- the connection ---- */

static void shake_hands(struct tls_look *l)
{
    int r;
    do
        r = gnutls_handshake(l->session);
    while (r == GNUTLS_E_INTERRUPTED || r == GNUTLS_E_WARNING_ALERT_RECEIVED);
    if (r == GNUTLS_E_SUCCESS)
        shake_hands_done(l);
    else if (r == GNUTLS_E_AGAIN)
        sd_event_source_set_io_events(l->io, gnutls_record_get_direction(l->session) ? EPOLLOUT : EPOLLIN);
    else if (r == GNUTLS_E_FATAL_ALERT_RECEIVED)
        fail(l, "tls", gnutls_alert_get_name(gnutls_alert_get(l->session)));
    else
        fail(l, "tls", gnutls_strerror(r));
}

static int on_io(sd_event_source *source _unused_, int fd, uint32_t events _unused_, void *userdata)
{
    struct tls_look *l = userdata;
    int error = 0;
    socklen_t len = sizeof(error);
    if (!l->connected && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        error = errno;
    if (error) {
        fail(l, error == ECONNREFUSED ? "refused" : error == ETIMEDOUT ? "timeout" : "reset", strerror(error));
        return 0;
    }
    l->connected = true;
    shake_hands(l);
    return 0;
}

static int on_timer(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
    fail(userdata, "timeout", "no handshake in time");
    return 0;
}

static int open_socket(struct tls_look *l, const struct tls_look_request *req, struct error *err)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)req->port)};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)req->port)};
    const bool is_v4 = inet_pton(AF_INET, req->address, &v4.sin_addr) == 1;
    if (!is_v4 && inet_pton(AF_INET6, req->address, &v6.sin6_addr) != 1)
        return error_set(err, -EINVAL, "%s: not an IP address", req->address);
    l->fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->fd < 0)
        return error_set(err, -errno, "%s: no socket: %s", l->where, strerror(errno));
    const struct sockaddr *to = is_v4 ? (const struct sockaddr *)&v4 : (const struct sockaddr *)&v6;
    if (connect(l->fd, to, is_v4 ? sizeof(v4) : sizeof(v6)) < 0 && errno != EINPROGRESS)
        return error_set(err, -errno, "connect to %s: %s", l->where, strerror(errno));
    return 0;
}

static bool is_address(const char *name)
{
    struct in6_addr any;
    return inet_pton(AF_INET, name, &any) == 1 || inet_pton(AF_INET6, name, &any) == 1;
}

static int open_session(struct tls_look *l, const char *ca_file, struct error *err)
{
    int r = gnutls_certificate_allocate_credentials(&l->trust);
    if (r >= 0)
        r = ca_file ? gnutls_certificate_set_x509_trust_file(l->trust, ca_file, GNUTLS_X509_FMT_PEM)
                    : gnutls_certificate_set_x509_system_trust(l->trust);
    if (ca_file && r <= 0)
        return error_set(err, -EINVAL, "%s: no CA certificate can be read from it%s%s", ca_file, r < 0 ? ": " : "",
                         r < 0 ? gnutls_strerror(r) : "");
    r = gnutls_init(&l->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);
    if (r >= 0)
        r = gnutls_set_default_priority_append(l->session, "-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2", NULL, 0);
    if (r >= 0)
        r = gnutls_credentials_set(l->session, GNUTLS_CRD_CERTIFICATE, l->trust);
    if (r >= 0 && !is_address(l->server_name))
        r = gnutls_server_name_set(l->session, GNUTLS_NAME_DNS, l->server_name, strlen(l->server_name));
    if (r < 0)
        return error_set(err, -EIO, "%s: %s", l->where, gnutls_strerror(r));
    gnutls_handshake_set_max_packet_length(l->session, MAX_HANDSHAKE);
    gnutls_transport_set_int(l->session, l->fd);
    return 0;
}

int tls_look_start(sd_event *event, const struct tls_look_request *req, tls_look_cb done, void *userdata,
                   struct tls_look **ret, struct error *err)
{
    struct tls_look *l = xnew0(struct tls_look);
    *l = (struct tls_look){.fd = -1,
                           .where = xstrdup(req->where),
                           .server_name = xstrdup(req->server_name),
                           .done = done,
                           .userdata = userdata};
    int r = open_socket(l, req, err);
    if (r >= 0)
        r = open_session(l, req->ca_file, err);
    if (r >= 0) {
        r = sd_event_add_io(event, &l->io, l->fd, EPOLLOUT, on_io, l);
        if (r >= 0)
            r = sd_event_add_time_relative(event, &l->timer, CLOCK_MONOTONIC, (uint64_t)req->timeout_us, 1, on_timer,
                                           l);
        if (r < 0)
            error_set(err, r, "%s: cannot be added to the event loop", req->where);
    }
    if (r < 0) {
        look_free(l);
        return r;
    }
    *ret = l;
    return 0;
}

void tls_look_cancel(struct tls_look *look)
{
    fail(look, "cancelled", "the look was cancelled");
}
