#include "config/web_config.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "config/web_ciphers.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

enum { MAX_BYTES = 1 << 20, USERS_MAX = 1000, COST_MIN = 4, COST_MAX = 14, HEADER_MAX = 4096 };

static const char *const auth_choices[] = {"NoClientCert",
                                           "RequestClientCert",
                                           "RequireAnyClientCert",
                                           "VerifyClientCertIfGiven",
                                           "RequireAndVerifyClientCert",
                                           NULL};
static const char *const version_choices[] = {"TLS12", "TLS13", NULL}; /* as enum web_tls_version */
static const char *const header_names[] = {"Content-Security-Policy",   "X-Frame-Options",
                                           "X-Content-Type-Options",    "X-XSS-Protection",
                                           "Strict-Transport-Security", NULL};

static const char no_early_tls[] = "mendd speaks TLS 1.2 and 1.3 only";

static void read_version(struct loader *l, const struct node *value, void *field)
{
    if (value->type == NODE_SCALAR && (str_eq(value->scalar, "TLS10") || str_eq(value->scalar, "TLS11")))
        faults_add(l->faults, value, "\"%s\": %s", value->scalar, no_early_tls);
    else
        read_form(l, &(struct key){.name = value->key->scalar, .form = FORM_CHOICE, .choices = version_choices}, value,
                  field);
}

#define WEB(field) offsetof(struct web_config, field)

static const struct key file_keys[] = {
    {"cert_file", FORM_PATH, WEB(cert_file), KEY_REQUIRED, .doc = "the certificate and its chain, PEM"},
    {"key_file", FORM_PATH, WEB(key_file), KEY_REQUIRED, .doc = "its private key, PEM"},
    {"client_ca_file", FORM_PATH, WEB(client_ca_file), .doc = "who signs client certificates"},
    {"client_auth_type", FORM_CHOICE, WEB(client_auth), .choices = auth_choices, .doc = "what is asked of clients"},
    {"client_allowed_sans", FORM_TEXTS, WEB(allowed_sans), .doc = "names of which a client certificate must bear one"},
    {"min_version", FORM_CHOICE, WEB(min_version), .choices = version_choices, .read = read_version},
    {"max_version", FORM_CHOICE, WEB(max_version), .choices = version_choices, .read = read_version},
    {"prefer_server_cipher_suites", FORM_BOOL, WEB(server_prefers), .doc = "default true"},
    {"cipher_suites", FORM_TEXTS, .read = read_later},
    {"curve_preferences", FORM_TEXTS, .read = read_later},
    {"cert", FORM_ABSENT, .doc = "use cert_file"},
    {"key", FORM_ABSENT, .doc = "use key_file"},
    {"client_ca", FORM_ABSENT, .doc = "use client_ca_file"},
    {0},
};

static const struct key choice_keys[] = {
    {"cipher_suites", FORM_TEXTS, offsetof(struct web_tls_choice, cipher_suites), .doc = "of TLS 1.2"},
    {"curve_preferences", FORM_TEXTS, offsetof(struct web_tls_choice, curves), .doc = "of both versions"},
    {0},
};

static void check_client_auth(struct loader *l, const struct node *map, const struct web_config *c)
{
    const bool verifies = web_config_verifies(c);
    if (verifies && !c->client_ca_file)
        faults_add(l->faults, map, "client_auth_type %s needs client_ca_file", auth_choices[c->client_auth]);
    if (c->client_ca_file && !verifies)
        faults_add(l->faults, node_get(map, "client_ca_file"),
                   "client_ca_file is not looked at with client_auth_type %s: say VerifyClientCertIfGiven or "
                   "RequireAndVerifyClientCert",
                   auth_choices[c->client_auth]);
    if (c->allowed_sans && !verifies)
        faults_add(l->faults, node_get(map, "client_allowed_sans"),
                   "client_allowed_sans needs client_auth_type VerifyClientCertIfGiven or RequireAndVerifyClientCert");
}

static void read_tls(struct loader *l, const struct node *map, void *field)
{
    struct web_config *c = field;
    const size_t before = l->faults->n;
    c->tls = true;
    read_map(l, map, "\"tls_server_config\"", file_keys, c);
    if (map->type != NODE_MAP)
        return;
    struct web_tls_choice choice = {
        .min_version = c->min_version, .max_version = c->max_version, .server_prefers = c->server_prefers};
    for (const struct key *k = choice_keys; k->name; k++)
        if (node_get(map, k->name))
            read_form(l, k, node_get(map, k->name), (char *)&choice + k->offset);
    check_client_auth(l, map, c);
    if (l->faults->n == before)
        c->priority = web_priority_new(l, map, &choice);
    texts_free(choice.cipher_suites);
    texts_free(choice.curves);
}

/* "$2y$10$" and 53 characters of bcrypt's base64; the cost, or -EINVAL. */
static int bcrypt_cost(const char *hash)
{
    static const char digits[] = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    const char *p = hash;
    if (strlen(hash) != 60 || strncmp(p, "$2", 2) != 0 || !strchr("aby", p[2]) || p[3] != '$' ||
        !isdigit((unsigned char)p[4]) || !isdigit((unsigned char)p[5]) || p[6] != '$' || strspn(p + 7, digits) != 53)
        return -EINVAL;
    return (p[4] - '0') * 10 + p[5] - '0';
}

static void read_user(struct loader *l, const struct node *value, struct web_config *c)
{
    const char *name = value->key->scalar, *hash = value->type == NODE_SCALAR ? value->scalar : "";
    const int cost = bcrypt_cost(hash);
    if (!*name || strlen(name) > 100 || strchr(name, ':') || !utf8_valid(name, strlen(name)))
        faults_add(l->faults, value->key, "a user's name has 1 to 100 bytes and no colon");
    else if (cost < 0) /* never the hash itself */
        faults_add(l->faults, value, "the password of \"%s\" must be a bcrypt hash ($2y$…): htpasswd -nBC 10 NAME",
                   name);
    else if (cost < COST_MIN || cost > COST_MAX)
        faults_add(l->faults, value, "the hash of \"%s\" has cost %d: %d to %d are taken, each step doubles the time",
                   name, cost, COST_MIN, COST_MAX);
    else
        c->users[c->n_users++] = (struct web_user){.name = xstrdup(name), .hash = xstrdup(hash)};
    c->bcrypt_cost = cost <= COST_MAX && cost > c->bcrypt_cost ? cost : c->bcrypt_cost;
}

static void read_users(struct loader *l, const struct node *map, void *field)
{
    struct web_config *c = field;
    if (!want_type(l, map, NODE_MAP))
        return;
    if (map->n_children == 0 || map->n_children > USERS_MAX) {
        faults_add(l->faults, map, "\"basic_auth_users\" has %zu entries: 1 to %d make sense", map->n_children,
                   USERS_MAX);
        return;
    }
    c->users = xcalloc(map->n_children, sizeof(struct web_user));
    for (size_t i = 0; i < map->n_children; i++)
        read_user(l, map->children[i], c);
}

static bool is_header_value(const char *s)
{
    for (const char *p = s; *p; p++)
        if ((unsigned char)*p < ' ' || (unsigned char)*p > '~')
            return false;
    return *s && strlen(s) <= HEADER_MAX;
}

static void read_headers(struct loader *l, const struct node *map, void *field)
{
    struct web_config *c = field;
    if (!want_type(l, map, NODE_MAP))
        return;
    c->headers = xcalloc(map->n_children + 1, sizeof(struct web_header));
    for (size_t i = 0; i < map->n_children; i++) {
        const struct node *value = map->children[i];
        const char *name = value->key->scalar;
        if (!str_in(name, header_names))
            fault_suggest(l, value->key, name, header_names, "the header \"%s\" cannot be set", name);
        else if (value->type != NODE_SCALAR || !is_header_value(value->scalar))
            faults_add(l->faults, value, "the value of %s must be one line of ASCII", name);
        else
            c->headers[c->n_headers++] = (struct web_header){.name = xstrdup(name), .value = xstrdup(value->scalar)};
    }
}

static void read_http2(struct loader *l, const struct node *value, void *field _unused_)
{
    bool wanted = false;
    read_form(l, &(struct key){.name = "http2", .form = FORM_BOOL}, value, &wanted);
    if (wanted)
        faults_add(l->faults, value, "mendd answers in HTTP/1.1 only: say false, or leave http2 out");
}

static const struct key http_keys[] = {
    {"http2", FORM_BOOL, .read = read_http2},
    {"headers", FORM_MAP_OF, .read = read_headers},
    {0},
};

static void read_http(struct loader *l, const struct node *map, void *field)
{
    read_map(l, map, "\"http_server_config\"", http_keys, field);
}

static const struct key web_keys[] = {
    {"tls_server_config", FORM_MAP, .read = read_tls},
    {"http_server_config", FORM_MAP, .read = read_http},
    {"basic_auth_users", FORM_MAP_OF, .read = read_users},
    {"basic_auth_excluded_paths", FORM_ABSENT, .doc = "which paths are open is fixed"},
    {"rate_limit", FORM_ABSENT, .doc = "it is fixed"},
    {0},
};

struct web_config *web_config_free(struct web_config *c)
{
    if (!c)
        return NULL;
    for (size_t i = 0; i < c->n_users; i++) {
        free(c->users[i].name);
        free(c->users[i].hash);
    }
    for (size_t i = 0; i < c->n_headers; i++) {
        free(c->headers[i].name);
        free(c->headers[i].value);
    }
    free(c->users);
    free(c->headers);
    free(c->cert_file);
    free(c->key_file);
    free(c->client_ca_file);
    texts_free(c->allowed_sans);
    free(c->priority);
    free(c);
    return NULL;
}

static void load_text(struct web_config *c, const char *path, const char *text, size_t len, struct faults *faults)
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
        read_map(&l, root, "the web configuration", web_keys, c);
}

int web_config_load(const char *path, struct web_config **ret, struct faults *faults)
{
    _cleanup_(web_config_freep) struct web_config *c = xnew0(struct web_config);
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_free_ char *text = NULL;
    const size_t before = faults->n;
    size_t len = 0;
    c->max_version = WEB_TLS_1_3;
    c->server_prefers = true;
    if (file_read(path, MAX_BYTES, &text, &len, &err) < 0)
        faults_add(faults, NULL, "%s", error_message(&err));
    else if (text[strspn(text, " \t\r\n")])
        load_text(c, path, text, len, faults);
    if (faults->n > before) {
        faults_sort(faults, before);
        return -EINVAL;
    }
    *ret = TAKE_PTR(c);
    return 0;
}

bool web_config_verifies(const struct web_config *c)
{
    return c && c->tls && c->client_auth >= CLIENT_VERIFY_IF_GIVEN;
}
