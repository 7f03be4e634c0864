#include "config/web_ciphers.h"

#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/text.h"

static const struct suite {
    const char *name, *exchange, *cipher, *mac;
} suites[] = {
    {"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA", "AES-128-GCM", "AEAD"},
    {"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA", "AES-256-GCM", "AEAD"},
    {"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA", "CHACHA20-POLY1305", "AEAD"},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "ECDHE-ECDSA", "AES-128-CBC", "SHA1"},
    {"TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", "ECDHE-ECDSA", "AES-256-CBC", "SHA1"},
    {"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA", "AES-128-GCM", "AEAD"},
    {"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA", "AES-256-GCM", "AEAD"},
    {"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA", "CHACHA20-POLY1305", "AEAD"},
    {"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "ECDHE-RSA", "AES-128-CBC", "SHA1"},
    {"TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "ECDHE-RSA", "AES-256-CBC", "SHA1"},
    {"TLS_RSA_WITH_AES_128_GCM_SHA256", "RSA", "AES-128-GCM", "AEAD"},
    {"TLS_RSA_WITH_AES_256_GCM_SHA384", "RSA", "AES-256-GCM", "AEAD"},
    {"TLS_RSA_WITH_AES_128_CBC_SHA", "RSA", "AES-128-CBC", "SHA1"},
    {"TLS_RSA_WITH_AES_256_CBC_SHA", "RSA", "AES-256-CBC", "SHA1"},
};

static const struct {
    const char *name, *group;
} curves[] = {{"CurveP256", "GROUP-SECP256R1"},
              {"CurveP384", "GROUP-SECP384R1"},
              {"CurveP521", "GROUP-SECP521R1"},
              {"X25519", "GROUP-X25519"}};

static const char defaults[] = ":-RSA:-DHE-RSA:-SHA1"; /* no key exchange without forward secrecy, no CBC */

static const struct suite *find_suite(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(suites); i++)
        if (str_eq(suites[i].name, name))
            return &suites[i];
    return NULL;
}

static void unknown(struct loader *l, const struct node *map, const char *key, const char *name)
{
    const struct node *list = node_get(map, key);
    const char *names[ARRAY_SIZE(suites) + 1] = {0};
    const bool is_suite = str_eq(key, "cipher_suites");
    for (size_t i = 0; i < (is_suite ? ARRAY_SIZE(suites) : ARRAY_SIZE(curves)); i++)
        names[i] = is_suite ? suites[i].name : curves[i].name;
    fault_suggest(l, list, name, names, "\"%s\" in %s cannot be had: %s", name, key,
                  is_suite ? "TLS 1.2 suites with RSA or ECDHE, AES or ChaCha20 are known; those of TLS 1.3 cannot be "
                             "chosen"
                           : "CurveP256, CurveP384, CurveP521 and X25519 are known");
}

/* Turning on all parts of the chosen suites turns on every suite that is made of these parts. */
static const char *uninvited(char *const *chosen)
{
    for (size_t i = 0; i < ARRAY_SIZE(suites); i++) {
        bool exchange = false, cipher = false, mac = false;
        for (size_t k = 0; chosen[k]; k++) {
            const struct suite *s = find_suite(chosen[k]);
            exchange = exchange || str_eq(s->exchange, suites[i].exchange);
            cipher = cipher || str_eq(s->cipher, suites[i].cipher);
            mac = mac || str_eq(s->mac, suites[i].mac);
        }
        if (exchange && cipher && mac && !str_in(suites[i].name, (const char *const *)chosen))
            return suites[i].name;
    }
    return NULL;
}

static bool add_suites(struct loader *l, const struct node *map, char *const *chosen, bool *ret_aead, struct strbuf *b)
{
    bool known = true;
    *ret_aead = false;
    for (size_t i = 0; chosen[i]; i++) {
        const struct suite *s = find_suite(chosen[i]);
        if (!s) {
            unknown(l, map, "cipher_suites", chosen[i]);
            known = false;
            continue;
        }
        *ret_aead = *ret_aead || str_eq(s->mac, "AEAD");
        strbuf_printf(b, ":+%s:+%s:+%s", s->exchange, s->cipher, s->mac);
    }
    const char *extra = known ? uninvited(chosen) : NULL;
    if (extra)
        faults_add(l->faults, node_get(map, "cipher_suites"),
                   "GnuTLS cannot offer these suites without %s: name it too, or leave one out", extra);
    return known && !extra;
}

static bool add_curves(struct loader *l, const struct node *map, char *const *chosen, struct strbuf *b)
{
    strbuf_puts(b, ":-GROUP-ALL");
    for (size_t i = 0; chosen[i]; i++) {
        size_t k = 0;
        while (k < ARRAY_SIZE(curves) && !str_eq(curves[k].name, chosen[i]))
            k++;
        if (k == ARRAY_SIZE(curves)) {
            unknown(l, map, "curve_preferences", chosen[i]);
            return false;
        }
        strbuf_printf(b, ":+%s", curves[k].group);
    }
    return true;
}

char *web_priority_new(struct loader *l, const struct node *map, const struct web_tls_choice *c)
{
    _cleanup_strbuf_ struct strbuf b = STRBUF_INIT, parts = STRBUF_INIT;
    bool aead = true;
    if (c->min_version > c->max_version) {
        faults_add(l->faults, map, "min_version is above max_version");
        return NULL;
    }
    if (c->cipher_suites && c->min_version == WEB_TLS_1_3) {
        faults_add(l->faults, node_get(map, "cipher_suites"),
                   "cipher_suites are of TLS 1.2, and min_version is TLS13: leave them out");
        return NULL;
    }
    if (c->cipher_suites && !add_suites(l, map, c->cipher_suites, &aead, &parts))
        return NULL;
    strbuf_puts(&b, c->cipher_suites ? "NORMAL:-VERS-ALL:-KX-ALL:-CIPHER-ALL:-MAC-ALL" : "NORMAL:-VERS-ALL");
    if (c->max_version == WEB_TLS_1_3 && aead) /* TLS 1.3 has no others */
        strbuf_puts(&b, ":+VERS-TLS1.3");
    if (c->min_version == WEB_TLS_1_2)
        strbuf_puts(&b, ":+VERS-TLS1.2");
    strbuf_puts(&b, c->cipher_suites ? strbuf_str(&parts) : defaults);
    if (c->curves && !add_curves(l, map, c->curves, &b))
        return NULL;
    if (c->server_prefers)
        strbuf_puts(&b, ":%SERVER_PRECEDENCE");
    return strbuf_take(&b);
}
