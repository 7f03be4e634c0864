/* Sections of the configuration: clusters, Alertmanager, Prometheus, limits, defaults. */
#include "config/sections.h"

#include "base/alloc.h"
#include "base/text.h"

#include <string.h>

/* ---- clusters ---- */

const struct key cluster_keys[] = {
    {"name", FORM_NAME, offsetof(struct cluster_config, name), KEY_REQUIRED,
     .doc = "its name in playbooks and records"},
    {"in_cluster", FORM_BOOL, offsetof(struct cluster_config, in_cluster), .doc = "the cluster that mendd runs in"},
    {"kubeconfig", FORM_PATH, offsetof(struct cluster_config, kubeconfig),
     .doc = "default $KUBECONFIG, ~/.kube/config"},
    {"context", FORM_TEXT, offsetof(struct cluster_config, context), .doc = "default: the kubeconfig's current one"},
    {"watch", FORM_MAP, .sub = watch_keys, .read = read_watch,
     .doc = "its API server and nodes are looked at; by itself for what stands in a cluster set"},
    {0},
};

static void check_one_cluster(struct loader *l, const struct node *map, const struct config *c, size_t i)
{
    const struct cluster_config *cl = &c->clusters[i];
    if (cl->in_cluster && (cl->kubeconfig || cl->context))
        faults_add(l->faults, map, "a cluster is either in_cluster or has a kubeconfig, not both");
    for (size_t k = 0; k < i; k++)
        if (cl->name && str_eq(c->clusters[k].name, cl->name))
            faults_add(l->faults, node_get(map, "name"), "the cluster \"%s\" is already in line %d", cl->name,
                       c->clusters[k].line);
}

static void read_clusters(struct loader *l, const struct node *list, void *field)
{
    struct config *c = field;
    if (!want_type(l, list, NODE_LIST))
        return;
    c->clusters = xcalloc(list->n_children + 1, sizeof(struct cluster_config));
    c->n_clusters = list->n_children;
    for (size_t i = 0; i < list->n_children; i++) {
        c->clusters[i].line = list->children[i]->line;
        read_map(l, list->children[i], "a cluster", cluster_keys, &c->clusters[i]);
        check_one_cluster(l, list->children[i], c, i);
    }
}

/* ---- how to log in (as Prometheus' http_config) ---- */

#define AUTH(name) offsetof(struct endpoint_auth, name)

static const char *const authorization_types[] = {"Bearer", NULL};

struct auth_draft {
    struct endpoint_auth auth;
    int type;
};

static const struct key authorization_keys[] = {
    {"type", FORM_CHOICE, offsetof(struct auth_draft, type), .choices = authorization_types, .doc = "Bearer"},
    {"credentials", FORM_TEXT, AUTH(bearer_token), .doc = "the token; better in a file"},
    {"credentials_file", FORM_SECRET, AUTH(bearer_token_file), .doc = "a file with the token"},
    {0},
};
static const struct key basic_auth_keys[] = {
    {"username", FORM_TEXT, AUTH(username), KEY_REQUIRED, .doc = "as whom"},
    {"password", FORM_TEXT, AUTH(password), .doc = "better in a file"},
    {"password_file", FORM_SECRET, AUTH(password_file), .doc = "a file with the password"},
    {0},
};
static const struct key tls_config_keys[] = {
    {"ca_file", FORM_PATH, AUTH(ca_file), .doc = "whom to trust"},
    {"cert_file", FORM_PATH, AUTH(cert_file), .doc = "a client certificate"},
    {"key_file", FORM_PATH, AUTH(key_file), .doc = "its key"},
    {"insecure_skip_verify", FORM_BOOL, AUTH(insecure), .doc = "trust anybody"},
    {0},
};
const struct key auth_keys[] = {
    {"bearer_token", FORM_TEXT, AUTH(bearer_token), .doc = "the token; better in a file"},
    {"bearer_token_file", FORM_SECRET, AUTH(bearer_token_file), .doc = "a file with the token"},
    {"authorization", FORM_MAP, .sub = authorization_keys, .doc = "the same, as Prometheus writes it"},
    {"basic_auth", FORM_MAP, .sub = basic_auth_keys, .doc = "user and password"},
    {"tls_config", FORM_MAP, .sub = tls_config_keys, .doc = "certificates"},
    {0},
};

static void read_auth(struct loader *l, const struct node *map, void *field)
{
    struct endpoint_auth *a = field;
    struct auth_draft draft = {0};
    read_map(l, map, "\"auth\"", auth_keys, &draft);
    *a = draft.auth;
    const bool bearer = node_get(map, "bearer_token"), bearer_file = node_get(map, "bearer_token_file"),
               authorization = node_get(map, "authorization"), basic = node_get(map, "basic_auth");
    if (bearer + bearer_file + authorization + basic > 1)
        faults_add(l->faults, map,
                   "\"auth\" has more than one of bearer_token, bearer_token_file, authorization and "
                   "basic_auth");
    else if (a->bearer_token && a->bearer_token_file)
        faults_add(l->faults, map, "\"authorization\" has both credentials and credentials_file");
    else if (a->password && a->password_file)
        faults_add(l->faults, map, "\"basic_auth\" has both password and password_file");
    if (!a->cert_file != !a->key_file)
        faults_add(l->faults, map, "cert_file and key_file belong together");
}

/* ---- Alertmanager and Prometheus ---- */

static void read_alertmanager_auth(struct loader *l, const struct node *map, void *field)
{
    struct config *c = field;
    read_auth(l, map, &c->alertmanager_auth);
}

static void read_prometheus_auth(struct loader *l, const struct node *map, void *field)
{
    struct config *c = field;
    read_auth(l, map, &c->prometheus_auth);
}

const struct key alertmanager_keys[] = {
    {"urls", FORM_URLS, offsetof(struct config, alertmanager_urls), KEY_REQUIRED, .doc = "every peer of the cluster"},
    {"auth", FORM_MAP, .sub = auth_keys, .read = read_alertmanager_auth, .doc = "how to log in"},
    {0},
};
static const struct key events_keys[] = {
    {"enabled", FORM_BOOL, offsetof(struct config, events), .doc = "default true; never in --dry-run"},
    {0},
};
const struct key prometheus_keys[] = {
    {"url", FORM_URL, offsetof(struct config, prometheus_url), KEY_REQUIRED,
     .doc = "Prometheus, or what speaks its API"},
    {"auth", FORM_MAP, .sub = auth_keys, .read = read_prometheus_auth, .doc = "how to log in"},
    {0},
};

static void read_alertmanager(struct loader *l, const struct node *map, void *field)
{
    struct config *c = field;
    read_map(l, map, "\"alertmanager\"", alertmanager_keys, c);
    while (c->alertmanager_urls && c->alertmanager_urls[c->n_alertmanagers])
        c->n_alertmanagers++;
}

/* ---- limits, defaults, the rest ---- */

struct config_limits_draft {
    struct limits_draft limits;
    struct rate *target_attempts;
};

#define LIMIT(name) offsetof(struct config_limits_draft, name)

static const struct key config_limits_keys[] = {
    {"target_attempts", FORM_RATES, LIMIT(target_attempts), .doc = "runs with an effect an owner, over all playbooks"},
    {"cooldown", FORM_DURATION, LIMIT(limits.cooldown_ms), .doc = "default 5m"},
    {"attempts", FORM_RATES, LIMIT(limits.attempts), .doc = "default 3/1h"},
    {"concurrent", FORM_COUNT, LIMIT(limits.concurrent), .doc = "default 1"},
    {"pods", FORM_COUNT, LIMIT(limits.pods), .doc = "default 10"},
    {"expires", FORM_DURATION, LIMIT(limits.expires_ms), .doc = "default 30m"},
    {0},
};

static void read_limits(struct loader *l, const struct node *map, void *field)
{
    struct config *c = field;
    struct config_limits_draft draft = {.limits = limits_to_draft(&c->limits),
                                        .target_attempts = TAKE_PTR(c->target_attempts)};
    read_map(l, map, "\"limits\"", config_limits_keys, &draft);
    c->target_attempts = draft.target_attempts;
    limits_from_draft(&draft.limits, &c->limits);
}

#define DEFAULTS(name) offsetof(struct config, defaults.name)

static const char *const resolve_choices[] = {"", "post", "wait", NULL};
static const char *const unmatched_choices[] = {"record", "escalate", NULL};

static const struct key verify_default_keys[] = {
    {"timeout", FORM_DURATION, DEFAULTS(verify.timeout_ms), .doc = "default 2m"},
    {"interval", FORM_DURATION, DEFAULTS(verify.interval_ms), .doc = "default 2s"},
    {"for", FORM_DURATION, DEFAULTS(verify.for_ms), .doc = "default 10s"},
    {0},
};
static const struct key defaults_keys[] = {
    {"mode", FORM_CHOICE, DEFAULTS(mode), .choices = mode_choices, .doc = "default plan"},
    {"settle", FORM_DURATION, DEFAULTS(settle_ms), .doc = "default 15m"},
    {"run_timeout", FORM_DURATION, DEFAULTS(run_timeout_ms), .doc = "default 1h"},
    {"resolve", FORM_CHOICE, DEFAULTS(resolve), .choices = resolve_choices, .doc = "wait with a prometheus, else post"},
    {"verify", FORM_MAP, .sub = verify_default_keys, .doc = "times of the proof"},
    {0},
};
static const struct key storage_keys[] = {
    {"retention", FORM_DURATION, offsetof(struct config, retention_ms),
     .doc = "how long records are kept; default 90d"},
    {0},
};

static void read_unmatched(struct loader *l, const struct node *value, void *field)
{
    struct config *c = field;
    int choice = c->escalate_unmatched;
    read_form(l, &(struct key){.name = "unmatched", .form = FORM_CHOICE, .choices = unmatched_choices}, value, &choice);
    c->escalate_unmatched = choice == 1;
}

static void check_protected(struct loader *l, const struct node *list, void *field)
{
    char ***namespaces = field;
    read_form(l, &(struct key){.name = "protected_namespaces", .form = FORM_TEXTS}, list, namespaces);
    for (size_t i = 0; list->type == NODE_LIST && i < list->n_children; i++) {
        const struct node *item = list->children[i];
        _cleanup_free_ char *name = xstrdup(item->scalar ? item->scalar : "");
        size_t len = strlen(name);
        if (len > 1 && name[len - 1] == '*')
            name[len - 1] = name[len - 2] == '-' ? 'x' : '\0';
        if (*name && !is_dns1123_label(name))
            faults_add(l->faults, item, "\"%s\" is neither a namespace nor a prefix such as kube-*", item->scalar);
    }
}

const struct key config_keys[] = {
    {"clusters", FORM_LIST, .sub = cluster_keys, .read = read_clusters, .doc = "the first is the default"},
    {"alertmanager", FORM_MAP, .sub = alertmanager_keys, .read = read_alertmanager, .doc = "where alerts are resolved"},
    {"prometheus", FORM_MAP, .sub = prometheus_keys, .doc = "with one, resolve's default is wait"},
    {"vars", FORM_VARS, offsetof(struct config, vars), .doc = "{{ vars.x }} in playbooks"},
    {"protected_namespaces", FORM_TEXTS, offsetof(struct config, protected_namespaces), .read = check_protected,
     .doc = "never touched unless a playbook says protected: allow"},
    {"limits", FORM_MAP, .sub = config_limits_keys, .read = read_limits,
     .doc = "defaults for playbooks, target_attempts"},
    {"defaults", FORM_MAP, .sub = defaults_keys, .doc = "what a playbook does not say"},
    {"unmatched", FORM_CHOICE, .choices = unmatched_choices, .read = read_unmatched,
     .doc = "alerts without a playbook: escalate (the default) or record"},
    {"storage", FORM_MAP, .sub = storage_keys, .doc = "the journal"},
    {"ignore_annotation", FORM_TEXT, offsetof(struct config, ignore_annotation), .doc = "default mendd.io/ignore"},
    {"receivers", FORM_LIST, .sub = receiver_keys, .read = read_receivers, .doc = "who can be told"},
    {"escalation", FORM_MAP_OF, .sub = escalation_level_keys, .read = read_escalation,
     .doc = "severity -> who is told, and when it is overdue; default: serves all others"},
    {"digest", FORM_MAP, .sub = digest_keys, .read = read_digest, .doc = "who hears what was repaired"},
    {"maintenance", FORM_MAP, .sub = maintenance_keys, .read = read_maintenance, .doc = "windows and their notices"},
    {"budgets", FORM_MAP, .sub = budgets_keys, .read = read_budgets, .doc = "how much may be touched at all"},
    {"storm", FORM_MAP, .sub = storm_keys, .read = read_storm, .doc = "many alerts at once are one trouble"},
    {"breaker", FORM_MAP, .sub = breaker_keys, .read = read_breaker, .doc = "stops when repairs keep failing"},
    {"cluster_sets", FORM_LIST, .sub = cluster_set_keys, .read = read_cluster_sets,
     .doc = "pairs of clusters that stand in for each other; see /clusters"},
    {"coordination", FORM_ABSENT, .doc = "not in this version"},
    {"schedules", FORM_LIST, .sub = schedule_keys, .read = read_schedules,
     .doc = "when MenddSchedule{schedule=…} goes through the playbooks"},
    {"tokens", FORM_LIST, .sub = token_keys, .read = read_tokens,
     .doc = "who may call the API; none: whoever reaches it"},
    {"users", FORM_LIST, .sub = user_keys, .read = read_users,
     .doc = "what users and client certificates of --web.config.file may do; without it: webhook and viewer"},
    {"backup", FORM_MAP, .sub = backup_keys, .read = read_backup, .doc = "where the action backup keeps objects"},
    {"events", FORM_MAP, .sub = events_keys, .doc = "Kubernetes Events on what mendd acts on, and where it refuses"},
    {0},
};
