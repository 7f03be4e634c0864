/* Where a cluster's API server is and as whom to speak to it: in-cluster files or a kubeconfig.
 *
 * kubeconfig: current-context or a named one; clusters' server, certificate-authority(-data), tls-server-name,
 * insecure-skip-tls-verify; users' token, tokenFile (wins over token), client-certificate(-data), client-key(-data);
 * relative paths are relative to the kubeconfig's folder; *-data wins over files. `exec`, `auth-provider`, `proxy-url`,
 * `as` are refused with words that say so (never silently another identity). File readable by others: a warning. JSON
 * kubeconfigs are YAML too. */
#pragma once

#include "base/error.h"
#include "base/macro.h"

#include <stdbool.h>

struct kube_config {
    char *name;   /* the cluster's name in mendd's config */
    char *server; /* https://host:port[/prefix], without a trailing slash; http only to loopback */
    char *ca_file, *ca_data, *server_name;
    bool insecure;
    char *token, *token_file;
    char *cert_file, *cert_data, *key_file, *key_data;
    char *namespace;
};

struct kube_config *kube_config_free(struct kube_config *c);
DEFINE_CLEANUP(struct kube_config *, kube_config_free);

/* path NULL: $KUBECONFIG (the first of its list), else ~/.kube/config. context NULL: the current one. */
int kube_config_load(const char *path, const char *context, struct kube_config **ret, struct error *err);
/* The files under `dir` (NULL: /var/run/secrets/kubernetes.io/serviceaccount) and KUBERNETES_SERVICE_HOST/PORT. */
int kube_config_in_cluster(const char *dir, struct kube_config **ret, struct error *err);
