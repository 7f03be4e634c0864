/* TLS versions, cipher suites and curves as exporter-toolkit (Go) names them, in GnuTLS' words. Pure text. */
#pragma once

#include "config/read.h"
#include "config/web_config.h"

struct web_tls_choice { /* as they were read */
    int min_version, max_version;
    bool server_prefers;
    char **cipher_suites, **curves; /* NULL: the defaults */
};

/* The priority string (the caller frees), or NULL with faults at `map`. GnuTLS turns ciphers, key exchanges and MACs on
 * one by one, not in pairs: a list that would let in a suite which it does not name is a fault. */
char *web_priority_new(struct loader *l, const struct node *map, const struct web_tls_choice *choice);
