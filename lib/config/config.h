/* mendd's configuration file, typed. Every secret can be given as `…_file` instead (base/file.h: secret_read, also from
 * $CREDENTIALS_DIRECTORY). Loaded whole or not at all; immutable; owned by the caller.
 *
 * Keys: clusters, alertmanager, prometheus, vars, protected_namespaces, limits, unmatched, storage, defaults,
 * ignore_annotation, receivers, escalation, digest, maintenance, budgets, storm, breaker, tokens, users, backup,
 * events. A key of the design that this version does not act on is a fault that says so: a setting that would be
 * ignored in silence is a trap. */
#pragma once

#include "base/json.h"
#include "config/node.h"
#include "core/playbook.h"
#include "core/settings.h"
#include "notify/receiver.h"

struct cluster_config {
    char *name;
    bool in_cluster;
    char *kubeconfig, *context;                /* kubeconfig NULL: $KUBECONFIG or ~/.kube/config */
    bool watched;                              /* `watch` is there */
    int64_t watch_interval_ms, watch_after_ms; /* 0: not said */
    int line;
};

struct endpoint_auth { /* for Alertmanager and Prometheus; at most one of the two kinds */
    char *bearer_token, *bearer_token_file;
    char *username, *password, *password_file;
    char *ca_file, *cert_file, *key_file;
    bool insecure;
};

struct playbook_defaults { /* `defaults:`; what a playbook does not say. The limits' stand under `limits:` */
    int mode, resolve;     /* as the enums of core/playbook.h */
    int64_t settle_ms, run_timeout_ms;
    struct {
        int64_t timeout_ms, interval_ms, for_ms;
    } verify;
};

enum token_scope { SCOPE_WEBHOOK = 1 << 0, SCOPE_VIEWER = 1 << 1, SCOPE_APPROVE = 1 << 2, SCOPE_OPERATOR = 1 << 3 };

enum { TOKEN_SECRET_MIN = 16 };

struct token { /* of the API; several secrets while one takes the place of another */
    char *name, *file;
    unsigned scopes;
    char **hashes; /* SHA-256 of each secret, 64 hex digits; those of `file` come with config_read_tokens() */
    size_t n_hashes;
};

struct user_scopes {   /* of somebody whom --web.config.file lets in; one of the two names */
    char *name;        /* of basic_auth_users */
    char *certificate; /* a name that a verified client certificate bears */
    unsigned scopes;
};

struct config {
    struct cluster_config *clusters;
    size_t n_clusters;
    char **alertmanager_urls; /* no trailing slash */
    size_t n_alertmanagers;
    struct endpoint_auth alertmanager_auth;
    char *prometheus_url;
    struct endpoint_auth prometheus_auth;
    json_t *vars;                /* object of texts */
    char **protected_namespaces; /* NULL-terminated; default kube-system, kube-public, kube-node-lease */
    char *ignore_annotation;
    struct rate *target_attempts;
    struct limits limits; /* defaults for playbooks */
    struct playbook_defaults defaults;
    bool escalate_unmatched;
    int64_t retention_ms;
    struct budget_settings budgets;
    struct storm_settings storm;
    struct breaker_settings breaker;
    struct window *windows;
    size_t n_windows;
    struct receiver *receivers;
    size_t n_receivers;
    struct escalation_settings escalation;
    struct schedule_entry *schedules;
    size_t n_schedules;
    struct cluster_set *cluster_sets;
    size_t n_cluster_sets;
    struct watched_cluster *watched; /* names borrowed from the clusters */
    size_t n_watched;
    struct token *tokens; /* none: whoever reaches the API may do everything */
    size_t n_tokens;
    struct user_scopes *users; /* NULL: each of them may look and send alerts */
    size_t n_users;
    struct backup_settings backup;
    bool events;          /* Kubernetes Events on what is acted on; default true */
    bool feature_command; /* --enable-feature=command; not of the file: config_enable() */
    char *hash;           /* of the loaded bytes: <app>_config_hash */
};

struct config *config_free(struct config *c);
DEFINE_CLEANUP(struct config *, config_free);

/* path NULL: an empty configuration (all defaults; one cluster "default": in-cluster if the files are there, else the
 * kubeconfig). On faults returns -EINVAL, having added every one of them. */
int config_load(const char *path, struct config **ret, struct faults *faults);
/* --enable-feature: `name` of a feature, or false if there is none of that name. */
bool feature_exists(const char *name);
void config_enable(struct config *c, const char *feature);
bool config_has_feature(const struct config *c, const char *feature);
/* The secrets of `tokens[].token_file`, for the daemon: at load and at reload. Not part of config_load(), so that the
 * programs that only look at a configuration need no secrets. -EINVAL with a fault for each file. */
int config_read_tokens(struct config *c, struct faults *faults);
/* What is wrong with a token's secret ("is shorter than 16 characters"), or NULL. */
const char *token_secret_fault(const char *secret);

/* Playbook files: each path is a file or a folder (its *.yaml and *.yml, not *.test.yaml nor *.manifest.yaml, in byte
 * order of their paths, not recursive into hidden folders nor into those named fixtures or manifests). Adds every
 * fault; warnings for playbooks that can never be reached, irreversible actions in mode auto, …  -EINVAL if there was a
 * fault, -ENOENT if a path is missing.
 */
int playbooks_load(const char *const *paths, const struct config *config, const struct registry *registry,
                   struct playbook_table **ret, struct faults *faults);
/* One playbook from the JSON that the journal kept (playbook.source). */
int playbook_from_json(const json_t *source, const struct config *config, const struct registry *registry,
                       struct playbook **ret, struct error *err);

/* The rules of every URL in the configuration; `ret_why` gets a sentence if it is none. */
bool url_ok(const char *url, const char **ret_why);

/* Settings for the core; borrows from config, owns only itself. The table is the caller's. */
void settings_from_config(const struct config *config, struct playbook_table *table, struct settings *ret);
