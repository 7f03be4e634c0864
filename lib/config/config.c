/* The configuration file: its keys, its defaults, its life. Sections with rules of their own: sections.c. */
#include "config/read.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "config/sections.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum { MAX_BYTES = 1 << 20 };

const struct playbook_defaults builtin_defaults = {
    .mode = MODE_PLAN,
    .resolve = RESOLVE_DEFAULT,
    .settle_ms = 15 * 60 * MSEC_PER_SEC,
    .run_timeout_ms = 3600 * MSEC_PER_SEC,
    .verify = {.timeout_ms = 120 * MSEC_PER_SEC, .interval_ms = 2 * MSEC_PER_SEC, .for_ms = 10 * MSEC_PER_SEC},
};

static const char *const default_protected[] = {"kube-system", "kube-public", "kube-node-lease", NULL};

static struct config *config_new(void)
{
    struct config *c = xnew0(struct config);
    c->vars = json_object();
    c->escalate_unmatched = true;
    c->events = true;
    c->retention_ms = INT64_C(90) * 86400 * MSEC_PER_SEC;
    backup_default(c);
    c->ignore_annotation = xstrdup("mendd.io/ignore");
    c->defaults = builtin_defaults;
    limits_default(&c->limits);
    c->target_attempts = xcalloc(2, sizeof(struct rate));
    c->target_attempts[0] = (struct rate){.count = 3, .window_ms = 3600 * MSEC_PER_SEC};
    c->protected_namespaces = xcalloc(ARRAY_SIZE(default_protected), sizeof(char *));
    for (size_t i = 0; default_protected[i]; i++)
        c->protected_namespaces[i] = xstrdup(default_protected[i]);
    return c;
}

static void auth_clear(struct endpoint_auth *a)
{
    char **secrets[] = {&a->bearer_token, &a->password};
    for (size_t i = 0; i < ARRAY_SIZE(secrets); i++)
        if (*secrets[i])
            explicit_bzero(*secrets[i], strlen(*secrets[i]));
    char *all[] = {a->bearer_token,  a->bearer_token_file, a->username,  a->password,
                   a->password_file, a->ca_file,           a->cert_file, a->key_file};
    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        free(all[i]);
}

struct config *config_free(struct config *c)
{
    if (!c)
        return NULL;
    for (size_t i = 0; i < c->n_clusters; i++) {
        free(c->clusters[i].name);
        free(c->clusters[i].kubeconfig);
        free(c->clusters[i].context);
    }
    free(c->clusters);
    texts_free(c->alertmanager_urls);
    texts_free(c->protected_namespaces);
    auth_clear(&c->alertmanager_auth);
    auth_clear(&c->prometheus_auth);
    free(c->prometheus_url);
    json_decref(c->vars);
    free(c->ignore_annotation);
    free(c->target_attempts);
    free(c->limits.attempts);
    safety_clear(c);
    cluster_sets_clear(c);
    receivers_clear(c);
    tokens_clear(c);
    users_clear(c);
    backup_clear(c);
    free(c->hash);
    free(c);
    return NULL;
}

bool feature_exists(const char *name)
{
    return str_eq(name, "command");
}

void config_enable(struct config *c, const char *feature)
{
    if (str_eq(feature, "command"))
        c->feature_command = true;
}

bool config_has_feature(const struct config *c, const char *feature)
{
    return str_eq(feature, "command") && c->feature_command;
}

static void set_default_cluster(struct config *c)
{
    const char *token = "/var/run/secrets/kubernetes.io/serviceaccount/token";
    c->clusters = xnew0(struct cluster_config);
    c->n_clusters = 1;
    c->clusters[0].name = xstrdup("default");
    c->clusters[0].in_cluster = getenv("KUBERNETES_SERVICE_HOST") && access(token, R_OK) == 0;
}

static void set_hash(struct config *c, const char *bytes, size_t len)
{
    free(c->hash);
    c->hash = xasprintf("%016" PRIx64, fnv1a64(FNV1A64_INIT, bytes, len));
}

static void load_text(struct config *c, const char *path, const char *text, size_t len, struct faults *faults)
{
    _cleanup_(node_freep) struct node *root = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    if (node_load_text(path, text, len, &root, &err) < 0) {
        faults_add(faults, NULL, "%s", error_message(&err));
        return;
    }
    const char *slash = strrchr(path, '/');
    _cleanup_free_ char *folder = slash ? xstrndup(path, (size_t)(slash - path)) : NULL;
    struct loader l = {.faults = faults, .folder = folder && *folder ? folder : slash ? "/" : NULL};
    if (root->type != NODE_NULL)
        read_map(&l, root, "the config", config_keys, c);
    if (root->type == NODE_MAP)
        check_receiver_names(&l, root, c);
}

int config_load(const char *path, struct config **ret, struct faults *faults)
{
    _cleanup_(config_freep) struct config *c = config_new();
    const size_t before = faults->n;
    _cleanup_free_ char *text = NULL;
    size_t len = 0;
    _cleanup_error_ struct error err = ERROR_NONE;
    if (path && file_read(path, MAX_BYTES, &text, &len, &err) < 0)
        faults_add(faults, NULL, "%s", error_message(&err));
    else if (path && text[strspn(text, " \t\r\n")]) /* an empty file is a config without settings */
        load_text(c, path, text, len, faults);
    set_hash(c, text ? text : "", len);
    if (faults->n > before) {
        faults_sort(faults, before);
        return -EINVAL;
    }
    if (c->n_clusters == 0)
        set_default_cluster(c);
    cluster_sets_finish(c);
    *ret = TAKE_PTR(c);
    return 0;
}

void settings_from_config(const struct config *config, struct playbook_table *table, struct settings *ret)
{
    *ret = (struct settings){
        .table = table,
        .default_cluster = config->clusters[0].name,
        .protected_namespaces = config->protected_namespaces,
        .ignore_annotation = config->ignore_annotation,
        .target_attempts = config->target_attempts,
        .escalate_unmatched = config->escalate_unmatched,
        .has_prometheus = config->prometheus_url != NULL,
        .n_alertmanagers = (int)config->n_alertmanagers,
        .budgets = config->budgets,
        .breaker = config->breaker,
        .storm = config->storm,
        .windows = config->windows,
        .n_windows = config->n_windows,
        .escalation = config->escalation,
        .backup = config->backup,
        .events = config->events,
        .schedules = config->schedules,
        .n_schedules = config->n_schedules,
        .watched = config->watched,
        .n_watched = config->n_watched,
        .cluster_sets = config->cluster_sets,
        .n_cluster_sets = config->n_cluster_sets,
    };
}
