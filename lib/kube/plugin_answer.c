/* ExecCredential, both ways. What the program prints is hostile: bounded before it comes here, and checked where it
 * would become a header or a certificate file. */
#include "kube/plugin.h"

#include "base/alloc.h"
#include "base/base64.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "core/redact.h"

#include <errno.h>
#include <string.h>

enum { TOKEN_MAX = 64 << 10, CA_MAX = 1 << 20, LAST_WORDS = 400 };

/* ---- what it is told ---- */

static int add_ca(const struct kube_config *config, json_t *cluster, struct error *err)
{
    _cleanup_free_ char *file = NULL;
    size_t len = 0;
    const char *pem = config->ca_data;
    if (!pem && config->ca_file) {
        int r = file_read(config->ca_file, CA_MAX, &file, &len, err);
        if (r < 0)
            return r;
        pem = file;
    }
    _cleanup_free_ char *encoded = pem ? base64_new(pem, strlen(pem)) : NULL;
    json_set_text(cluster, "certificate-authority-data", encoded);
    return 0;
}

int kube_plugin_info_new(const struct kube_config *config, char **ret, struct error *err)
{
    const struct kube_plugin_config *p = config->plugin;
    _cleanup_json_ json_t *info = json_pack("{s:s, s:s, s:{s:b}}", "kind", "ExecCredential", "apiVersion",
                                            p->api_version, "spec", "interactive", false);
    if (p->provide_cluster_info) {
        json_t *cluster = json_object();
        json_object_set_new(json_object_get(info, "spec"), "cluster", cluster);
        json_set_text(cluster, "server", config->server);
        json_set_text(cluster, "tls-server-name", config->server_name);
        json_set_text(cluster, "proxy-url", config->proxy);
        if (config->insecure)
            json_object_set_new(cluster, "insecure-skip-tls-verify", json_true());
        if (p->cluster_config)
            json_object_set(cluster, "config", p->cluster_config);
        int r = add_ca(config, cluster, err);
        if (r < 0)
            return r;
    }
    _cleanup_free_ char *text = json_compact(info);
    *ret = xasprintf("KUBERNETES_EXEC_INFO=%s", text);
    return 0;
}

/* ---- what it printed ---- */

static bool is_token(const char *s)
{
    if (strlen(s) > TOKEN_MAX)
        return false;
    for (; *s; s++)
        if ((unsigned char)*s <= 0x20 || *s == 0x7f)
            return false;
    return true;
}

static bool is_pem(const char *s)
{
    return strstr(s, "-----BEGIN ") != NULL;
}

static const char *text_of(const json_t *status, const char *key)
{
    const char *s = json_text(status, key);
    return str_empty(s) ? NULL : s;
}

static int read_expiry(const json_t *status, int64_t now_wall_us, int64_t *ret, struct error *err)
{
    const char *text = text_of(status, "expirationTimestamp");
    *ret = INT64_MAX;
    if (text && time_parse(text, ret) < 0)
        return error_set(err, -EPROTO, "its expirationTimestamp is no RFC 3339 time");
    if (*ret <= now_wall_us)
        return error_set(err, -EPROTO, "it hands out a credential that expired at %s", text);
    return 0;
}

int kube_plugin_answer(const char *text, size_t len, const char *api_version, int64_t now_wall_us,
                       struct kube_credential *ret, struct error *err)
{
    _cleanup_json_ json_t *doc = json_parse(text, len, len, false, NULL);
    const json_t *status = json_object_get(doc, "status");
    const char *version = json_text(doc, "apiVersion");
    if (!doc)
        return error_set(err, -EPROTO, "what it prints is no JSON");
    if (!str_eq(json_text(doc, "kind"), "ExecCredential") || !str_eq(version, api_version))
        return error_set(err, -EPROTO, "it does not print an ExecCredential of %s", api_version);
    const char *token = text_of(status, "token");
    const char *cert = text_of(status, "clientCertificateData"), *key = text_of(status, "clientKeyData");
    if (!token && !cert && !key)
        return error_set(err, -EPROTO, "its status holds neither token nor clientCertificateData");
    if (!cert != !key)
        return error_set(err, -EPROTO, "clientCertificateData and clientKeyData must come together");
    if (token && !is_token(token))
        return error_set(err, -EPROTO, "its token holds a space or line break, or is too long");
    if (cert && (!is_pem(cert) || !is_pem(key)))
        return error_set(err, -EPROTO, "clientCertificateData and clientKeyData are no PEM text");
    int64_t expires_us = 0;
    int r = read_expiry(status, now_wall_us, &expires_us, err);
    if (r < 0)
        return r;
    *ret = (struct kube_credential){
        .token = xstrdup(token), .cert = xstrdup(cert), .key = xstrdup(key), .expires_wall_us = expires_us};
    return 0;
}

char *kube_plugin_last_words(const char *text, size_t len)
{
    _cleanup_json_ json_t *valid = json_text_new(text, len);
    _cleanup_free_ char *plain = redact_text_new(json_string_value(valid)); /* whole: a secret may span the cut */
    for (char *c = plain; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
    size_t end = strlen(plain), from = 0;
    while (end > 0 && plain[end - 1] == ' ')
        plain[--end] = '\0';
    if (end > LAST_WORDS)
        for (from = end - LAST_WORDS; (plain[from] & 0xc0) == 0x80;)
            from++;
    while (plain[from] == ' ')
        from++;
    return xasprintf("%s%s", from > 0 && end > LAST_WORDS ? "…" : "", plain + from);
}
