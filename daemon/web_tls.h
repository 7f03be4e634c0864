/* What --web.config.file says, ready for use; above all TLS: certificate, client certificates, versions and ciphers.
 *
 * One struct web_tls is what a connection began with; it is counted, so that a reload swaps it under the running
 * connections, which keep theirs until their next request. A client certificate is verified within the handshake
 * (chain, purpose, times, names), and again when the rules or the time have moved on: what does not hold gets no
 * connection. */
#pragma once

#include "config/web_config.h"

#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stdint.h>

enum { TLS_NAMES_MAX = 16, TLS_NAME_MAX = 128 };

struct tls_peer {  /* the client's certificate, as far as it is verified; nothing else counts */
    bool verified; /* false: none was shown, or nobody judged it */
    int n_names;   /* of its DNS, URI, mail and IP names; without any of these its CN */
    char names[TLS_NAMES_MAX][TLS_NAME_MAX];
    int64_t expires_s; /* since 1970 */
};

struct web_tls;

/* Reads certificate, key and CA, if there is TLS. The message names the file. Takes `config`, also when it fails. */
int web_tls_new(struct web_config *config_taken, struct web_tls **ret, struct error *err);
const struct web_config *web_tls_config(const struct web_tls *t);
/* -EINVAL: the certificate has expired, or is not valid yet. */
int web_tls_check_times(const struct web_tls *t, struct error *err);
struct web_tls *web_tls_ref(struct web_tls *t);
struct web_tls *web_tls_unref(struct web_tls *t);
DEFINE_CLEANUP(struct web_tls *, web_tls_unref);
/* To be called before the handshake. The session must end before its reference to `t` does. */
int web_tls_apply(struct web_tls *t, gnutls_session_t session);
/* Looks at the peer's certificate by the rules of `t`: also of a session that began by older ones. -EACCES with the
 * reason: it does not hold; 0 with ret->verified false: there is none, or `t` judges none. */
int web_tls_look(const struct web_tls *t, gnutls_session_t session, struct tls_peer *ret, struct error *err);
