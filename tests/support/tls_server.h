/* Certificates and a small HTTPS server for tests, both made with GnuTLS in this process: no files, no fixed ports. The
 * server answers each request with what it saw: {"sni", "client" (the client certificate's name), "connection",
 * "request"}. A thread serves one connection after the other. Header only. */
#pragma once

#include "base/alloc.h"
#include "base/macro.h"

#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct tls_pair { /* a key and its certificate */
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t crt;
    char *key_pem, *crt_pem;
};

struct tls_server {
    gnutls_certificate_credentials_t credentials;
    gnutls_priority_t priority;
    pthread_t thread;
    int fd, port, client_fd, connections;
    bool ask_client;
};

#define TLS_OK(call)                                                                                                   \
    do {                                                                                                               \
        const int tls_r = (call);                                                                                      \
        if (tls_r < 0) {                                                                                               \
            fprintf(stderr, "%s: %s\n", #call, gnutls_strerror(tls_r));                                                \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* name: DNS name, "127.0.0.1", or for ca NULL the CA's own name. days: until it expires; negative: it has. */
static inline void tls_pair_make(struct tls_pair *p, const char *name, const struct tls_pair *ca, int days)
{
    const time_t now = time(NULL);
    const unsigned char serial[] = {(unsigned char)(now & 0x7f), (unsigned char)strlen(name), (unsigned char)*name};
    const unsigned char ip[] = {127, 0, 0, 1};
    gnutls_datum_t out;
    TLS_OK(gnutls_x509_privkey_init(&p->key));
    TLS_OK(gnutls_x509_privkey_generate(p->key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
    TLS_OK(gnutls_x509_crt_init(&p->crt));
    TLS_OK(gnutls_x509_crt_set_version(p->crt, 3));
    TLS_OK(gnutls_x509_crt_set_serial(p->crt, serial, sizeof(serial)));
    TLS_OK(gnutls_x509_crt_set_key(p->crt, p->key));
    TLS_OK(gnutls_x509_crt_set_dn_by_oid(p->crt, GNUTLS_OID_X520_COMMON_NAME, 0, name, (unsigned)strlen(name)));
    TLS_OK(gnutls_x509_crt_set_activation_time(p->crt, now - 10 * 86400));
    TLS_OK(gnutls_x509_crt_set_expiration_time(p->crt, now + days * 86400));
    TLS_OK(gnutls_x509_crt_set_basic_constraints(p->crt, ca ? 0 : 1, -1));
    if (ca && !strcmp(name, "127.0.0.1"))
        TLS_OK(gnutls_x509_crt_set_subject_alt_name(p->crt, GNUTLS_SAN_IPADDRESS, ip, sizeof(ip), GNUTLS_FSAN_SET));
    else if (ca)
        TLS_OK(gnutls_x509_crt_set_subject_alt_name(p->crt, GNUTLS_SAN_DNSNAME, name, (unsigned)strlen(name),
                                                    GNUTLS_FSAN_SET));
    TLS_OK(gnutls_x509_crt_sign2(p->crt, ca ? ca->crt : p->crt, ca ? ca->key : p->key, GNUTLS_DIG_SHA256, 0));
    TLS_OK(gnutls_x509_privkey_export2_pkcs8(p->key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &out));
    p->key_pem = xstrndup((char *)out.data, out.size);
    gnutls_free(out.data);
    TLS_OK(gnutls_x509_crt_export2(p->crt, GNUTLS_X509_FMT_PEM, &out));
    p->crt_pem = xstrndup((char *)out.data, out.size);
    gnutls_free(out.data);
}

static inline void tls_pair_clear(struct tls_pair *p)
{
    gnutls_x509_crt_deinit(p->crt);
    gnutls_x509_privkey_deinit(p->key);
    free(p->key_pem);
    free(p->crt_pem);
}

static inline void tls_client_name(gnutls_session_t session, char *name, size_t size)
{
    unsigned n = 0;
    gnutls_x509_crt_t crt;
    const gnutls_datum_t *list = gnutls_certificate_get_peers(session, &n);
    *name = '\0';
    if (n == 0)
        return;
    TLS_OK(gnutls_x509_crt_init(&crt));
    TLS_OK(gnutls_x509_crt_import(crt, list, GNUTLS_X509_FMT_DER));
    TLS_OK(gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name, &size));
    gnutls_x509_crt_deinit(crt);
}

static inline void tls_serve(struct tls_server *s, gnutls_session_t session)
{
    char sni[256] = "", client[256] = "", buf[8192], body[700], head[128];
    size_t len = sizeof(sni) - 1, have = 0;
    unsigned type = 0;
    if (gnutls_server_name_get(session, sni, &len, &type, 0) < 0)
        sni[0] = '\0';
    tls_client_name(session, client, sizeof(client));
    for (int request = 0;;) {
        const ssize_t n = gnutls_record_recv(session, buf + have, sizeof(buf) - 1 - have);
        if (n <= 0)
            return;
        have += (size_t)n;
        buf[have] = '\0';
        if (!strstr(buf, "\r\n\r\n"))
            continue;
        have = 0;
        snprintf(body, sizeof(body), "{\"sni\":\"%s\",\"client\":\"%s\",\"connection\":%d,\"request\":%d}", sni, client,
                 s->connections, request++);
        snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", strlen(body));
        gnutls_record_send(session, head, strlen(head));
        gnutls_record_send(session, body, strlen(body));
    }
}

static inline void *tls_main(void *userdata)
{
    struct tls_server *s = userdata;
    for (;;) {
        s->client_fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
        if (s->client_fd < 0)
            return NULL;
        gnutls_session_t session;
        TLS_OK(gnutls_init(&session, GNUTLS_SERVER | GNUTLS_NO_SIGNAL));
        TLS_OK(gnutls_priority_set(session, s->priority));
        TLS_OK(gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, s->credentials));
        gnutls_certificate_server_set_request(session, s->ask_client ? GNUTLS_CERT_REQUIRE : GNUTLS_CERT_IGNORE);
        gnutls_transport_set_int(session, s->client_fd);
        gnutls_handshake_set_timeout(session, 5000);
        int r;
        do
            r = gnutls_handshake(session);
        while (r < 0 && !gnutls_error_is_fatal(r));
        if (r >= 0)
            tls_serve(s, session);
        s->connections++;
        gnutls_deinit(session);
        shutdown(s->client_fd, SHUT_RDWR);
        close(s->client_fd);
    }
}

/* client_ca NULL: no client certificate is asked for. */
static inline struct tls_server *tls_start(const struct tls_pair *pair, const struct tls_pair *client_ca)
{
    struct tls_server *s = xnew0(struct tls_server);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    gnutls_x509_crt_t list[] = {pair->crt};
    TLS_OK(gnutls_certificate_allocate_credentials(&s->credentials));
    TLS_OK(gnutls_certificate_set_x509_key(s->credentials, list, 1, pair->key));
    if (client_ca) {
        gnutls_x509_crt_t ca = client_ca->crt;
        TLS_OK(gnutls_certificate_set_x509_trust(s->credentials, &ca, 1));
        s->ask_client = true;
    }
    TLS_OK(gnutls_priority_init(&s->priority, "NORMAL", NULL));
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(s->fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(s->fd, 16) < 0 ||
        getsockname(s->fd, (struct sockaddr *)&a, &len) < 0)
        abort();
    s->port = ntohs(a.sin_port);
    pthread_create(&s->thread, NULL, tls_main, s);
    return s;
}

/* The clients must have closed their connections. */
static inline void tls_stop(struct tls_server *s)
{
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->fd);
    gnutls_certificate_free_credentials(s->credentials);
    gnutls_priority_deinit(s->priority);
    free(s);
}
