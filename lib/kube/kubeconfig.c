/* kubeconfig files and in-cluster files. What this version cannot do is refused with words: quietly acting as another
 * identity than the operator meant would be worse. No message carries a token, key or other value of a user entry. */
#include "kube/kubeconfig.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "config/node.h"
#include "io/http.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DATA_MAX = 1 << 20 };

static void wipe(char *s)
{
    if (s)
        explicit_bzero(s, strlen(s));
    free(s);
}

struct kube_config *kube_config_free(struct kube_config *c)
{
    if (!c)
        return NULL;
    free(c->name);
    free(c->server);
    free(c->ca_file);
    free(c->ca_data);
    free(c->server_name);
    wipe(c->token);
    free(c->token_file);
    free(c->cert_file);
    free(c->cert_data);
    free(c->key_file);
    wipe(c->key_data);
    free(c->namespace);
    wipe(c->proxy);
    kube_plugin_config_free(c->plugin);
    free(c);
    return NULL;
}

char *kube_config_identity(const struct kube_config *c)
{
    const struct kube_plugin_config none = {0}, *p = c->plugin ? c->plugin : &none;
    const char *parts[] = {c->server,     c->ca_file,   c->ca_data,    c->server_name, c->token,
                           c->token_file, c->cert_file, c->cert_data,  c->key_file,    c->key_data,
                           c->proxy,      p->command,   p->api_version};
    struct strbuf b = STRBUF_INIT;
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        strbuf_printf(&b, "%s\n", parts[i] ? parts[i] : "");
    for (char **word = p->args; word && *word; word++)
        strbuf_printf(&b, "arg %s\n", *word);
    for (char **word = p->env; word && *word; word++)
        strbuf_printf(&b, "env %s\n", *word);
    _cleanup_free_ char *config = p->cluster_config ? json_compact(p->cluster_config) : NULL;
    strbuf_printf(&b, "%s%s%s", config ? config : "", c->insecure ? "insecure" : "",
                  p->provide_cluster_info ? "informed" : "");
    return strbuf_take(&b);
}

static int base64_value(char c)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *p = c ? strchr(alphabet, c) : NULL;
    return p ? (int)(p - alphabet) : -1;
}

/* PEM text out of base64; line breaks inside are fine. NULL if it is none. */
static char *base64_text(const char *s)
{
    if (strlen(s) > DATA_MAX)
        return NULL;
    char *out = xmalloc(strlen(s) + 1);
    size_t n = 0;
    unsigned bits = 0, have = 0;
    for (; *s && *s != '='; s++) {
        if (strchr(" \t\r\n", *s))
            continue;
        const int v = base64_value(*s);
        if (v < 0)
            break;
        bits = (bits << 6 | (unsigned)v) & 0xffffff;
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[n++] = (char)(bits >> have & 0xff);
        }
    }
    s += strspn(s, "= \t\r\n");
    out[n] = '\0';
    if (*s || n == 0 || strlen(out) != n || !strstr(out, "-----BEGIN ")) {
        wipe(out);
        return NULL;
    }
    return out;
}

static int set_data(const json_t *from, const char *key, char **ret, struct error *err)
{
    const char *s = json_text(from, key);
    if (str_empty(s))
        return 0;
    *ret = base64_text(s);
    return *ret ? 0 : error_set(err, -EINVAL, "%s is not base64 of PEM text", key);
}

static void set_path(const json_t *from, const char *key, const char *folder, char **ret)
{
    const char *s = json_text(from, key);
    if (!str_empty(s))
        *ret = s[0] == '/' ? xstrdup(s) : xasprintf("%s/%s", folder, s);
}

static int set_file_or_data(const json_t *from, const char *key, const char *folder, char **ret_file, char **ret_data,
                            struct error *err)
{
    _cleanup_free_ char *data_key = xasprintf("%s-data", key);
    int r = set_data(from, data_key, ret_data, err);
    if (r >= 0 && !*ret_data)
        set_path(from, key, folder, ret_file);
    return r;
}

static bool is_loopback(const char *host)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]", NULL};
    const size_t len = strcspn(host, host[0] == '[' ? "/" : ":/");
    for (size_t i = 0; names[i]; i++) {
        const size_t n = strlen(names[i]);
        if (strncmp(host, names[i], n) == 0 && (len == n || (host[0] == '[' && host[n] == ':')))
            return true;
    }
    return false;
}

static int set_server(struct kube_config *c, const char *server, struct error *err)
{
    if (str_empty(server))
        return error_set(err, -EINVAL, "the cluster has no server");
    for (const char *p = server; *p; p++)
        if ((unsigned char)*p <= 0x20 || strchr("?#@", *p) || *p == 0x7f)
            return error_set(err, -EINVAL, "the cluster's server is no plain https:// URL");
    if (!str_starts(server, "https://") && !str_starts(server, "http://"))
        return error_set(err, -EINVAL, "server \"%s\": https://host:port is expected", server);
    if (str_starts(server, "http://") && !is_loopback(server + strlen("http://")))
        return error_set(err, -EINVAL, "server \"%s\": http:// is accepted for this host (127.0.0.1) only", server);
    c->server = xstrdup(server);
    for (size_t len = strlen(c->server); len > 8 && c->server[len - 1] == '/';)
        c->server[--len] = '\0';
    return 0;
}

static const json_t *find(const json_t *doc, const char *list, const char *name)
{
    size_t i;
    const json_t *entry;
    json_array_foreach (json_object_get(doc, list), i, entry)
        if (str_eq(json_text(entry, "name"), name))
            return entry;
    return NULL;
}

static int refuse(const json_t *from, const char *const keys[], const char *what, struct error *err)
{
    for (size_t i = 0; keys[i]; i++) {
        const json_t *v = json_object_get(from, keys[i]);
        if (v && !json_is_null(v) && !(json_is_string(v) && !*json_string_value(v)))
            return error_set(err, -ENOTSUP, "%s uses %s, which this version of mendd cannot do", what, keys[i]);
    }
    return 0;
}

static int set_proxy(struct kube_config *c, const char *url, struct error *err)
{
    if (str_empty(url))
        return 0;
    const int r = http_check_proxy(url, NULL, NULL, err);
    if (r < 0)
        return error_prefix(err, "proxy-url");
    c->proxy = xstrdup(url);
    return 0;
}

static int set_cluster(struct kube_config *c, const json_t *cluster, const char *folder, struct error *err)
{
    int r = set_server(c, json_text(cluster, "server"), err);
    if (r >= 0)
        r = set_proxy(c, json_text(cluster, "proxy-url"), err);
    if (r >= 0)
        r = set_file_or_data(cluster, "certificate-authority", folder, &c->ca_file, &c->ca_data, err);
    if (r < 0)
        return r;
    const char *name = json_text(cluster, "tls-server-name");
    c->server_name = str_empty(name) ? NULL : xstrdup(name);
    c->insecure = json_bool_or(cluster, "insecure-skip-tls-verify", false);
    if (c->insecure && (c->ca_file || c->ca_data))
        return error_set(err, -EINVAL, "insecure-skip-tls-verify together with a certificate-authority");
    return 0;
}

static int set_user(struct kube_config *c, const json_t *user, const char *folder, struct error *err)
{
    static const char *const unable[] = {"as", "as-uid", "as-groups", "as-user-extra", "username", NULL};
    const json_t *exec = json_object_get(user, "exec"), *provider = json_object_get(user, "auth-provider");
    if (provider && !json_is_null(provider))
        return error_set(err, -ENOTSUP,
                         "the user logs in by auth-provider, which Kubernetes has given up in 1.26: let it be an exec "
                         "plugin");
    int r = refuse(user, unable, "the user", err);
    if (r >= 0 && exec && !json_is_null(exec))
        r = kube_plugin_config_read(exec, folder, &c->plugin, err);
    if (r >= 0)
        r = set_file_or_data(user, "client-certificate", folder, &c->cert_file, &c->cert_data, err);
    if (r >= 0)
        r = set_file_or_data(user, "client-key", folder, &c->key_file, &c->key_data, err);
    if (r < 0)
        return r;
    if (!(c->cert_file || c->cert_data) != !(c->key_file || c->key_data))
        return error_set(err, -EINVAL, "client-certificate and client-key must come together");
    set_path(user, "tokenFile", folder, &c->token_file);
    const char *token = json_text(user, "token");
    if (!c->token_file && !str_empty(token))
        c->token = xstrdup(token);
    for (const char *p = c->token; p && *p; p++)
        if ((unsigned char)*p <= 0x20 || *p == 0x7f)
            return error_set(err, -EINVAL, "the user's token holds a space or line break");
    return 0;
}

/* What the cluster's entry has to say to the plugin (provideClusterInfo). */
static json_t *cluster_config(const json_t *cluster)
{
    const json_t *entry = NULL;
    size_t i;
    json_t *e;
    json_array_foreach (json_object_get(cluster, "extensions"), i, e)
        if (str_eq(json_text(e, "name"), "client.authentication.k8s.io/exec"))
            entry = e;
    return json_object_get(entry, "extension");
}

static int set_context(struct kube_config *c, const json_t *doc, const char *context, const char *folder,
                       struct error *err)
{
    const char *wanted = context ? context : json_text(doc, "current-context");
    if (str_empty(wanted))
        return error_set(err, -EINVAL, "no context is named, and there is no current-context");
    const json_t *entry = json_object_get(find(doc, "contexts", wanted), "context");
    if (!entry)
        return error_set(err, -ENOENT, "there is no context \"%s\"", wanted);
    const char *cluster_name = json_text_or(entry, "cluster", ""), *user_name = json_text_or(entry, "user", "");
    const json_t *cluster = json_object_get(find(doc, "clusters", cluster_name), "cluster");
    if (!cluster)
        return error_set(err, -ENOENT, "context \"%s\": there is no cluster \"%s\"", wanted, cluster_name);
    const json_t *user = find(doc, "users", user_name);
    if (*user_name && !user)
        return error_set(err, -ENOENT, "context \"%s\": there is no user \"%s\"", wanted, user_name);
    int r = set_cluster(c, cluster, folder, err);
    if (r < 0) {
        error_prefix(err, "cluster \"%s\"", cluster_name);
        return r;
    }
    r = set_user(c, json_object_get(user, "user"), folder, err);
    if (r < 0) {
        error_prefix(err, "user \"%s\"", user_name);
        return r;
    }
    if (c->plugin)
        c->plugin->cluster_config = json_incref(cluster_config(cluster));
    c->name = xstrdup(wanted);
    c->namespace = xstrdup(json_text(entry, "namespace"));
    return 0;
}

static char *default_path(void)
{
    const char *list = getenv("KUBECONFIG"), *home = getenv("HOME");
    if (!str_empty(list)) {
        list += strspn(list, ":");
        return xstrndup(list, strcspn(list, ":"));
    }
    return xasprintf("%s/.kube/config", home ? home : "");
}

/* Who can write it chooses what is run; who can read it has what is in it. */
static int check_file(const char *file, const struct kube_config *c, struct error *err)
{
    struct stat st;
    if (stat(file, &st) < 0)
        return error_set(err, -errno, "%s: %s", file, strerror(errno));
    const bool others_write = (st.st_mode & (S_IWGRP | S_IWOTH)) || (st.st_uid != 0 && st.st_uid != geteuid());
    if (c->plugin && others_write)
        return error_set(err, -EPERM,
                         "%s: its exec plugin is not run: others can write the file (it must belong to mendd's user or "
                         "to root; chmod go-w it)",
                         file);
    if ((st.st_mode & (S_IRWXG | S_IRWXO)) && (c->token || c->key_data))
        log_event(LOG_LEVEL_WARN, "the kubeconfig holds a token or key, and others can read it: chmod 600 it", "file",
                  file, NULL);
    if (c->insecure)
        log_event(LOG_LEVEL_WARN,
                  "insecure-skip-tls-verify: whoever is in between can pose as the API server, and gets the token",
                  "file", file, "server", c->server, NULL);
    return 0;
}

int kube_config_load(const char *path, const char *context, struct kube_config **ret, struct error *err)
{
    _cleanup_free_ char *file = path ? xstrdup(path) : default_path();
    _cleanup_(node_freep) struct node *root = NULL;
    int r = node_load_file(file, &root, err);
    if (r < 0)
        return r;
    _cleanup_json_ json_t *doc = node_to_json(root);
    _cleanup_free_ char *folder = xstrdup(file);
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder ? 1 : 0] = '\0';
    else
        str_replace(&folder, ".");
    _cleanup_(kube_config_freep) struct kube_config *c = xnew0(struct kube_config);
    r = set_context(c, doc, context, folder, err);
    if (r < 0) {
        error_prefix(err, "%s", file);
        return r;
    }
    r = check_file(file, c, err);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(c);
    return 0;
}

int kube_config_in_cluster(const char *dir, struct kube_config **ret, struct error *err)
{
    const char *folder = dir ? dir : "/var/run/secrets/kubernetes.io/serviceaccount";
    const char *host = getenv("KUBERNETES_SERVICE_HOST"), *port = getenv("KUBERNETES_SERVICE_PORT");
    if (str_empty(host) || str_empty(port))
        return error_set(err, -ENOENT,
                         "not inside a cluster: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set");
    _cleanup_(kube_config_freep) struct kube_config *c = xnew0(struct kube_config);
    const bool v6 = strchr(host, ':') != NULL;
    _cleanup_free_ char *server = xasprintf("https://%s%s%s:%s", v6 ? "[" : "", host, v6 ? "]" : "", port);
    int r = set_server(c, server, err);
    if (r < 0)
        return r;
    c->name = xstrdup("in-cluster");
    c->token_file = xasprintf("%s/token", folder);
    c->ca_file = xasprintf("%s/ca.crt", folder);
    char *probe = NULL;
    r = secret_read(c->token_file, &probe, err);
    wipe(probe);
    if (r < 0)
        return r;
    _cleanup_free_ char *namespace_file = xasprintf("%s/namespace", folder);
    secret_read(namespace_file, &c->namespace, NULL);
    *ret = TAKE_PTR(c);
    return 0;
}
