/* Where a cluster's API server is and as whom to speak to it: in-cluster files or a kubeconfig.
 *
 * kubeconfig: current-context or a named one; clusters' server, certificate-authority(-data), tls-server-name,
 * insecure-skip-tls-verify (a warning), proxy-url (http, https, socks5); users' token, tokenFile (wins over token),
 * client-certificate(-data), client-key(-data), exec; relative paths are relative to the kubeconfig's folder; *-data
 * wins over files. `auth-provider`, `as` and passwords are refused with words that say so (never silently another
 * identity). A file with a token or key in it that others can read: a warning. JSON kubeconfigs are YAML too.
 *
 * Who writes the kubeconfig chooses what `exec` runs, as mendd's own user. So a kubeconfig with `exec` must belong to
 * that user or to root, and nobody else may be able to write it: otherwise it is refused. Nothing of it is a template,
 * and no shell reads it. */
#pragma once

#include "base/error.h"
#include "base/json.h"
#include "base/macro.h"

#include <stdbool.h>

/* users[].user.exec: a program that hands out credentials (client.authentication.k8s.io/v1 or v1beta1). */
struct kube_plugin_config {
    char *api_version;
    char *command;      /* absolute, or a bare name that is looked up in $PATH */
    char **args, **env; /* end with NULL; env: "NAME=value" */
    char *install_hint; /* or NULL */
    bool provide_cluster_info;
    int timeout_ms;         /* of a run; 0: 30 s */
    json_t *cluster_config; /* the cluster's extension client.authentication.k8s.io/exec, or NULL */
};

struct kube_config {
    char *name;   /* the cluster's name in mendd's config */
    char *server; /* https://host:port[/prefix], without a trailing slash; http only to loopback */
    char *ca_file, *ca_data, *server_name;
    bool insecure;
    char *token, *token_file;
    char *cert_file, *cert_data, *key_file, *key_data;
    char *namespace;
    char *proxy;                       /* as io/http.h takes it; NULL: none. May hold a password */
    struct kube_plugin_config *plugin; /* or NULL */
};

struct kube_plugin_config *kube_plugin_config_free(struct kube_plugin_config *p);
DEFINE_CLEANUP(struct kube_plugin_config *, kube_plugin_config_free);
/* kubeconfig_plugin.c: `exec` of a user, its command relative to `folder`. */
int kube_plugin_config_read(const json_t *exec, const char *folder, struct kube_plugin_config **ret, struct error *err);
/* Everything that makes a client what it is, as one text: to see whether a reload changed it. The caller frees. */
char *kube_config_identity(const struct kube_config *c);

struct kube_config *kube_config_free(struct kube_config *c);
DEFINE_CLEANUP(struct kube_config *, kube_config_free);

/* path NULL: $KUBECONFIG (the first of its list), else ~/.kube/config. context NULL: the current one. */
int kube_config_load(const char *path, const char *context, struct kube_config **ret, struct error *err);
/* The files under `dir` (NULL: /var/run/secrets/kubernetes.io/serviceaccount) and KUBERNETES_SERVICE_HOST/PORT. */
int kube_config_in_cluster(const char *dir, struct kube_config **ret, struct error *err);
