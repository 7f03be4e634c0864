#include "kube/kubeconfig.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "config/node.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <string.h>
#include <sys/stat.h>

#define SERVICE_ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount"

struct kube_config *kube_config_free(struct kube_config *c)
{
    if (!c)
        return NULL;
    char *const texts[] = {c->name,       c->server,    c->ca_file,   c->ca_data,  c->server_name, c->token,
                           c->token_file, c->cert_file, c->cert_data, c->key_file, c->key_data,    c->namespace};
    if (c->token)
        explicit_bzero(c->token, strlen(c->token));
    if (c->key_data)
        explicit_bzero(c->key_data, strlen(c->key_data));
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        free(texts[i]);
    free(c);
    return NULL;
}

/* ---- the file's parts ---- */

struct loading {
    const char *path;
    struct kube_config *c;
    struct error *err;
};

static const struct node *named(const struct node *list, const char *name)
{
    for (size_t i = 0; list && list->type == NODE_LIST && i < list->n_children; i++) {
        const struct node *n = node_get(list->children[i], "name");
        if (n && n->type == NODE_SCALAR && str_eq(n->scalar, name))
            return list->children[i];
    }
    return NULL;
}

static const char *text_of(const struct node *map, const char *key)
{
    const struct node *n = map && map->type == NODE_MAP ? node_get(map, key) : NULL;
    return n && n->type == NODE_SCALAR && *n->scalar ? n->scalar : NULL;
}

/* Relative paths are relative to the kubeconfig's folder. */
static char *file_of(const struct loading *l, const struct node *map, const char *key)
{
    const char *s = text_of(map, key);
    const char *slash = strrchr(l->path, '/');
    if (!s || *s == '/' || !slash)
        return xstrdup(s);
    return xasprintf("%.*s/%s", (int)(slash - l->path), l->path, s);
}

static int data_of(const struct loading *l, const struct node *map, const char *key, char **ret)
{
    const char *s = text_of(map, key);
    if (!s)
        return 0;
    const gnutls_datum_t in = {.data = (unsigned char *)(uintptr_t)s, .size = (unsigned)strlen(s)};
    gnutls_datum_t out = {0};
    if (gnutls_base64_decode2(&in, &out) < 0 || memchr(out.data, 0, out.size)) {
        gnutls_free(out.data);
        return error_set(l->err, -EINVAL, "%s: %s is not base64 of PEM text", l->path, key);
    }
    *ret = xstrndup((const char *)out.data, out.size);
    explicit_bzero(out.data, out.size);
    gnutls_free(out.data);
    return 0;
}

static bool is_true(const struct node *map, const char *key)
{
    return str_eq(text_of(map, key), "true");
}

static int refuse(const struct loading *l, const struct node *map, const char *key, const char *why)
{
    const struct node *n = map && map->type == NODE_MAP ? node_get(map, key) : NULL;
    if (!n || n->type == NODE_NULL || (n->type == NODE_SCALAR && !*n->scalar))
        return 0;
    return error_set(l->err, -ENOTSUP, "%s:%d:%d: %s is not available in this version of mendd: %s", l->path, n->line,
                     n->column, key, why);
}

static bool is_loopback(const char *server)
{
    return str_starts(server, "http://127.") || str_starts(server, "http://localhost") ||
           str_starts(server, "http://[::1]");
}

static int read_server(struct loading *l, const struct node *cluster)
{
    const char *server = text_of(cluster, "server");
    if (!server)
        return error_set(l->err, -EINVAL, "%s: the cluster has no server", l->path);
    if (!str_starts(server, "https://") && !is_loopback(server))
        return error_set(l->err, -EINVAL, "%s: server %s: https only (http is for loopback)", l->path, server);
    l->c->server = xstrdup(server);
    for (size_t n = strlen(l->c->server); n && l->c->server[n - 1] == '/'; n--)
        l->c->server[n - 1] = '\0';
    return 0;
}

static int read_cluster(struct loading *l, const struct node *cluster)
{
    int r = read_server(l, cluster);
    if (r == 0)
        r = refuse(l, cluster, "proxy-url", "reach the API server directly");
    if (r == 0)
        r = data_of(l, cluster, "certificate-authority-data", &l->c->ca_data);
    l->c->ca_file = l->c->ca_data ? NULL : file_of(l, cluster, "certificate-authority");
    l->c->server_name = xstrdup(text_of(cluster, "tls-server-name"));
    l->c->insecure = is_true(cluster, "insecure-skip-tls-verify");
    return r;
}

static int read_user(struct loading *l, const struct node *user)
{
    static const char *const refused[] = {"exec",   "auth-provider", "as",      "as-groups",
                                          "as-uid", "as-user-extra", "username"};
    struct kube_config *c = l->c;
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
        if (refuse(l, user, refused[i], "use a token, a tokenFile or a client certificate") < 0)
            return -ENOTSUP;
    int r = data_of(l, user, "client-certificate-data", &c->cert_data);
    if (r == 0)
        r = data_of(l, user, "client-key-data", &c->key_data);
    c->cert_file = c->cert_data ? NULL : file_of(l, user, "client-certificate");
    c->key_file = c->key_data ? NULL : file_of(l, user, "client-key");
    c->token_file = file_of(l, user, "tokenFile");
    c->token = c->token_file ? NULL : xstrdup(text_of(user, "token"));
    return r;
}

static int read_parts(struct loading *l, const struct node *root, const char *context)
{
    const char *name = context ? context : text_of(root, "current-context");
    if (!name)
        return error_set(l->err, -EINVAL, "%s: no current-context is set: name one", l->path);
    const struct node *entry = named(node_get(root, "contexts"), name);
    const struct node *c = entry ? node_get(entry, "context") : NULL;
    const char *cluster = text_of(c, "cluster"), *user = text_of(c, "user");
    if (!cluster)
        return error_set(l->err, -ENOENT, "%s: there is no context \"%s\", or it names no cluster", l->path, name);
    const struct node *of_cluster = named(node_get(root, "clusters"), cluster),
                      *of_user = user ? named(node_get(root, "users"), user) : NULL;
    if (!of_cluster)
        return error_set(l->err, -ENOENT, "%s: there is no cluster \"%s\"", l->path, cluster);
    if (user && !of_user)
        return error_set(l->err, -ENOENT, "%s: there is no user \"%s\"", l->path, user);
    l->c->namespace = xstrdup(text_of(c, "namespace"));
    int r = read_cluster(l, node_get(of_cluster, "cluster"));
    return r < 0 || !of_user ? r : read_user(l, node_get(of_user, "user"));
}

static void warn_if_readable(const char *path)
{
    struct stat st;
    if (stat(path, &st) == 0 && (st.st_mode & (S_IRGRP | S_IROTH)))
        log_event(LOG_LEVEL_WARN, "the kubeconfig can be read by others; chmod 600 it", "file", path, NULL);
}

static char *default_path(void)
{
    const char *env = getenv("KUBECONFIG"), *home = getenv("HOME");
    if (!str_empty(env))
        return xstrndup(env, strcspn(env, ":"));
    return xasprintf("%s/.kube/config", home ? home : "");
}

int kube_config_load(const char *path, const char *context, struct kube_config **ret, struct error *err)
{
    _cleanup_free_ char *found = path ? xstrdup(path) : default_path();
    _cleanup_(node_freep) struct node *root = NULL;
    _cleanup_(kube_config_freep) struct kube_config *c = xnew0(struct kube_config);
    struct loading l = {.path = found, .c = c, .err = err};
    int r = node_load_file(found, &root, err);
    if (r < 0)
        return r;
    if (root->type != NODE_MAP)
        return error_set(err, -EINVAL, "%s: not a kubeconfig", found);
    r = read_parts(&l, root, context);
    if (r < 0)
        return r;
    warn_if_readable(found);
    *ret = TAKE_PTR(c);
    return 0;
}

/* ---- in a pod ---- */

int kube_config_in_cluster(const char *dir, struct kube_config **ret, struct error *err)
{
    const char *host = getenv("KUBERNETES_SERVICE_HOST"), *port = getenv("KUBERNETES_SERVICE_PORT");
    const char *from = dir ? dir : SERVICE_ACCOUNT;
    if (str_empty(host))
        return error_set(err, -ENOENT, "in_cluster: KUBERNETES_SERVICE_HOST is not set: mendd does not run in a pod");
    _cleanup_(kube_config_freep) struct kube_config *c = xnew0(struct kube_config);
    const bool v6 = strchr(host, ':') != NULL;
    c->server = xasprintf("https://%s%s%s:%s", v6 ? "[" : "", host, v6 ? "]" : "", str_empty(port) ? "443" : port);
    c->ca_file = xasprintf("%s/ca.crt", from);
    c->token_file = xasprintf("%s/token", from);
    _cleanup_free_ char *token = NULL, *namespace_file = xasprintf("%s/namespace", from);
    int r = secret_read(c->token_file, &token, err);
    if (r < 0)
        return error_prefix(err, "in_cluster");
    explicit_bzero(token, strlen(token));
    if (secret_read(namespace_file, &c->namespace, NULL) < 0)
        c->namespace = NULL;
    *ret = TAKE_PTR(c);
    return 0;
}
