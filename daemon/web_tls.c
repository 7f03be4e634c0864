#include "web_tls.h"

#include "base/alloc.h"
#include "base/bucket.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "web_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { PEM_MAX = 1 << 20 };

static const struct rate_limit told_limit = {.burst = 20, .interval_us = USEC_PER_SEC};

struct web_tls {
    unsigned refs;
    struct web_config *config;
    gnutls_certificate_credentials_t credentials; /* this and what follows: NULL without TLS */
    gnutls_priority_t priority;
    struct bucket told; /* refused certificates: one line each, but no flood of them */
};

static int fail(struct error *err, const char *file, int r)
{
    return error_set(err, -EINVAL, "%s: %s", file, gnutls_strerror(r));
}

static int load_pair(struct web_tls *t, struct error *err)
{
    _cleanup_free_ char *cert = NULL, *key = NULL;
    size_t cert_len = 0, key_len = 0;
    int r = file_read(t->config->cert_file, PEM_MAX, &cert, &cert_len, err);
    if (r >= 0)
        r = file_read(t->config->key_file, PEM_MAX, &key, &key_len, err);
    if (r < 0)
        return r;
    const gnutls_datum_t cert_pem = {(unsigned char *)cert, (unsigned)cert_len},
                         key_pem = {(unsigned char *)key, (unsigned)key_len};
    r = gnutls_certificate_set_x509_key_mem(t->credentials, &cert_pem, &key_pem, GNUTLS_X509_FMT_PEM);
    explicit_bzero(key, key_len);
    if (r == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
        return error_set(err, -EINVAL, "the key in %s does not belong to the certificate in %s", t->config->key_file,
                         t->config->cert_file);
    return r < 0
               ? error_set(err, -EINVAL, "%s or %s: %s", t->config->cert_file, t->config->key_file, gnutls_strerror(r))
               : 0;
}

int web_tls_check_times(const struct web_tls *t, struct error *err)
{
    gnutls_x509_crt_t *list = NULL;
    unsigned n = 0;
    int r = t->config->tls ? gnutls_certificate_get_x509_crt(t->credentials, 0, &list, &n) : 0;
    if (r < 0)
        return fail(err, t->config->cert_file, r);
    const time_t now = time(NULL);
    const bool over = n > 0 && gnutls_x509_crt_get_expiration_time(list[0]) < now;
    const bool early = n > 0 && gnutls_x509_crt_get_activation_time(list[0]) > now;
    for (unsigned i = 0; i < n; i++)
        gnutls_x509_crt_deinit(list[i]);
    gnutls_free(list);
    return over || early ? error_set(err, -EINVAL, "%s: the certificate %s", t->config->cert_file,
                                     over ? "has expired" : "is not valid yet")
                         : 0;
}

static int load_client_ca(struct web_tls *t, struct error *err)
{
    _cleanup_free_ char *text = NULL;
    size_t len = 0;
    if (!t->config->client_ca_file)
        return 0;
    int r = file_read(t->config->client_ca_file, PEM_MAX, &text, &len, err);
    if (r < 0)
        return r;
    const gnutls_datum_t pem = {(unsigned char *)text, (unsigned)len};
    r = gnutls_certificate_set_x509_trust_mem(t->credentials, &pem, GNUTLS_X509_FMT_PEM);
    if (r == 0)
        return error_set(err, -EINVAL, "%s holds no certificate", t->config->client_ca_file);
    return r < 0 ? fail(err, t->config->client_ca_file, r) : 0;
}

static void warn_of_open_key(const char *file)
{
    struct stat st;
    if (stat(file, &st) == 0 && (st.st_mode & S_IROTH))
        log_event(LOG_LEVEL_WARN, "the private key can be read by everybody on this host: chmod o-r", "file", file,
                  NULL);
}

static int load_tls(struct web_tls *t, struct error *err)
{
    const char *at = NULL;
    int r = gnutls_certificate_allocate_credentials(&t->credentials);
    if (r >= 0)
        r = gnutls_priority_init(&t->priority, t->config->priority, &at);
    if (r < 0)
        return error_set(err, -EINVAL, "GnuTLS cannot do \"%s\": %s", at ? at : t->config->priority,
                         gnutls_strerror(r));
    r = load_pair(t, err);
    if (r >= 0)
        r = load_client_ca(t, err);
    if (r < 0)
        return r;
    warn_of_open_key(t->config->key_file);
    return 0;
}

int web_tls_new(struct web_config *config_taken, struct web_tls **ret, struct error *err)
{
    _cleanup_(web_tls_unrefp) struct web_tls *t = xnew0(struct web_tls);
    t->refs = 1;
    t->config = config_taken;
    int r = t->config->tls ? load_tls(t, err) : 0;
    if (r < 0)
        return r;
    *ret = TAKE_PTR(t);
    return 0;
}

const struct web_config *web_tls_config(const struct web_tls *t)
{
    return t->config;
}

struct web_tls *web_tls_ref(struct web_tls *t)
{
    t->refs++;
    return t;
}

struct web_tls *web_tls_unref(struct web_tls *t)
{
    if (!t || --t->refs > 0)
        return NULL;
    if (t->credentials)
        gnutls_certificate_free_credentials(t->credentials);
    if (t->priority)
        gnutls_priority_deinit(t->priority);
    web_config_free(t->config);
    free(t);
    return NULL;
}

static int on_verify(gnutls_session_t session);

int web_tls_apply(struct web_tls *t, gnutls_session_t session)
{
    static const gnutls_certificate_request_t asked[] = {[CLIENT_NONE] = GNUTLS_CERT_IGNORE,
                                                         [CLIENT_REQUEST] = GNUTLS_CERT_REQUEST,
                                                         [CLIENT_REQUIRE_ANY] = GNUTLS_CERT_REQUIRE,
                                                         [CLIENT_VERIFY_IF_GIVEN] = GNUTLS_CERT_REQUEST,
                                                         [CLIENT_REQUIRE_AND_VERIFY] = GNUTLS_CERT_REQUIRE};
    int r = gnutls_priority_set(session, t->priority);
    if (r >= 0)
        r = gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, t->credentials);
    gnutls_certificate_server_set_request(session, asked[t->config->client_auth]);
    gnutls_session_set_verify_function(session, on_verify);
    gnutls_db_set_ptr(session, t); /* no session cache is used: this pointer is ours, and MHD has the other one */
    return r < 0 ? -EIO : 0;
}

/* ---- the client's certificate ---- */

static bool add_name(struct tls_peer *p, const char *text, size_t len)
{
    if (p->n_names == TLS_NAMES_MAX || len >= TLS_NAME_MAX || memchr(text, '\0', len))
        return false; /* a name with a NUL is somebody's trick */
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] <= ' ' || (unsigned char)text[i] > '~')
            return false;
    memcpy(p->names[p->n_names], text, len);
    p->names[p->n_names++][len] = '\0';
    return true;
}

static void read_names(gnutls_x509_crt_t crt, struct tls_peer *p)
{
    for (unsigned i = 0; i < 64; i++) {
        char text[512];
        unsigned type = 0;
        size_t len = sizeof(text);
        int r = gnutls_x509_crt_get_subject_alt_name2(crt, i, text, &len, &type, NULL);
        if (r == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
            break;
        char address[INET6_ADDRSTRLEN];
        if (r < 0)
            continue;
        if (type == GNUTLS_SAN_DNSNAME || type == GNUTLS_SAN_URI || type == GNUTLS_SAN_RFC822NAME)
            add_name(p, text, len);
        else if (type == GNUTLS_SAN_IPADDRESS &&
                 inet_ntop(len == 4 ? AF_INET : AF_INET6, text, address, sizeof(address)))
            add_name(p, address, strlen(address));
    }
    char text[512];
    size_t len = sizeof(text);
    if (p->n_names == 0 && gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, text, &len) >= 0)
        add_name(p, text, len);
}

static int read_peer(gnutls_session_t session, struct tls_peer *p, struct error *err)
{
    unsigned n = 0;
    gnutls_x509_crt_t crt;
    const gnutls_datum_t *list = gnutls_certificate_get_peers(session, &n);
    int r = list && n > 0 ? gnutls_x509_crt_init(&crt) : GNUTLS_E_NO_CERTIFICATE_FOUND;
    if (r < 0)
        return error_set(err, -EACCES, "%s", gnutls_strerror(r));
    r = gnutls_x509_crt_import(crt, list, GNUTLS_X509_FMT_DER);
    if (r >= 0) {
        read_names(crt, p);
        p->expires_s = gnutls_x509_crt_get_expiration_time(crt);
    }
    gnutls_x509_crt_deinit(crt);
    return r < 0 ? error_set(err, -EACCES, "%s", gnutls_strerror(r)) : 0;
}

static bool is_allowed(const struct web_config *c, const struct tls_peer *p)
{
    for (int i = 0; c->allowed_sans && i < p->n_names; i++)
        if (str_in(p->names[i], (const char *const *)c->allowed_sans))
            return true;
    return !c->allowed_sans;
}

int web_tls_look(const struct web_tls *t, gnutls_session_t session, struct tls_peer *ret, struct error *err)
{
    gnutls_typed_vdata_st purpose = {.type = GNUTLS_DT_KEY_PURPOSE_OID, .data = (void *)GNUTLS_KP_TLS_WWW_CLIENT};
    unsigned status = 0, n = 0;
    *ret = (struct tls_peer){0};
    const enum client_auth auth = t->config->client_auth;
    if ((auth == CLIENT_REQUIRE_ANY || auth == CLIENT_REQUIRE_AND_VERIFY) &&
        (!gnutls_certificate_get_peers(session, &n) || n == 0))
        return error_set(err, -EACCES, "a client certificate is needed, none was shown");
    if (!web_config_verifies(t->config) || !gnutls_certificate_get_peers(session, &n) || n == 0)
        return 0;
    /* by the credentials of the moment, which may be newer than those of the session's beginning */
    int r = gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, t->credentials);
    if (r >= 0)
        r = gnutls_certificate_verify_peers(session, &purpose, 1, &status);
    if (r < 0)
        return error_set(err, -EACCES, "%s", gnutls_strerror(r));
    if (status != 0) {
        gnutls_datum_t why = {0};
        gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &why, 0);
        error_set(err, -EACCES, "%s", why.data ? (const char *)why.data : "it does not hold");
        gnutls_free(why.data);
        return -EACCES;
    }
    r = read_peer(session, ret, err);
    if (r == 0 && !is_allowed(t->config, ret))
        r = error_set(err, -EACCES, "none of its names stands in client_allowed_sans");
    if (r < 0)
        *ret = (struct tls_peer){0};
    else
        ret->verified = true;
    return r;
}

/* Within the handshake: a non-zero answer ends it. */
static int on_verify(gnutls_session_t session)
{
    struct web_tls *t = gnutls_db_get_ptr(session);
    _cleanup_error_ struct error err = ERROR_NONE;
    struct sockaddr_storage from = {0};
    socklen_t len = sizeof(from);
    char name[PEER_NAME_MAX];
    struct tls_peer peer;
    if (web_tls_look(t, session, &peer, &err) == 0)
        return 0;
    getpeername(gnutls_transport_get_int(session), (struct sockaddr *)&from, &len);
    if (bucket_take(&t->told, &told_limit, now_read().boot_us) == 0)
        log_event(LOG_LEVEL_WARN, "a client certificate was refused", "from", peer_name((struct sockaddr *)&from, name),
                  "why", error_message(&err), NULL);
    return GNUTLS_E_CERTIFICATE_ERROR;
}
