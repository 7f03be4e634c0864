/* exporter-toolkit's web configuration (web-config.yml): TLS, client certificates, bcrypt users, headers of answers.
 *
 * Loaded whole or not at all; immutable; owned by the caller. Every key of that format is either honoured or a fault
 * with its line that says why not
 * (https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md). Paths are made absolute by
 * the file's own folder. Certificates are not read here: that is whoever serves them. */
#pragma once

#include "base/macro.h"
#include "config/node.h"

#include <stdbool.h>
#include <stddef.h>

enum client_auth { /* Go's names, in this order */
                   CLIENT_NONE,
                   CLIENT_REQUEST,         /* asked for, never judged: it says nothing about anybody */
                   CLIENT_REQUIRE_ANY,     /* there must be one; not judged either */
                   CLIENT_VERIFY_IF_GIVEN, /* none will do; one that is shown must be good */
                   CLIENT_REQUIRE_AND_VERIFY
};
enum web_tls_version { WEB_TLS_1_2, WEB_TLS_1_3 };

struct web_user {
    char *name, *hash; /* bcrypt, as crypt(3) has it */
};

struct web_header {
    char *name, *value;
};

struct web_config {
    bool tls; /* tls_server_config is there */
    char *cert_file, *key_file, *client_ca_file;
    int client_auth, min_version, max_version;
    bool server_prefers;
    char **allowed_sans; /* NULL-terminated; NULL: any */
    char *priority;      /* GnuTLS' words for versions, ciphers and curves */
    struct web_user *users;
    size_t n_users;
    int bcrypt_cost; /* the highest of the users' */
    struct web_header *headers;
    size_t n_headers;
};

struct web_config *web_config_free(struct web_config *c);
DEFINE_CLEANUP(struct web_config *, web_config_free);

/* -EINVAL, having added every fault. */
int web_config_load(const char *path, struct web_config **ret, struct faults *faults);
/* Client certificates are verified: whoever gets in with one has shown who he is. */
bool web_config_verifies(const struct web_config *c);
