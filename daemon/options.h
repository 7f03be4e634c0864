/* mendd's command line, in Prometheus' style: --name=value or --name value. Strings point into argv or are static;
 * nothing to free but `playbooks` and `passed_address`. Faults go to stderr with a hint; the exit code for them is 2.
 */
#pragma once

#include "base/log.h"

#include <stdbool.h>
#include <stddef.h>

struct options {
    const char *config_file; /* NULL: none */
    const char **playbooks;  /* NULL-terminated */
    const char *listen_address, *storage_path;
    char *passed_address; /* of the socket that was passed (activation.h): listen_address then; owned */
    int passed_fd;        /* that socket; 0: none */
    const char *external_url, *web_config_file; /* or NULL */
    size_t max_body;
    enum log_level log_level;
    enum log_format log_format;
    bool dry_run, allow_anonymous;
    bool feature_command; /* --enable-feature=command */
};

/* 1: go on; 0: --help or --version was answered; -EINVAL: said on stderr. */
int options_parse(int argc, char *argv[], struct options *ret);
void options_clear(struct options *o);
/* "127.0.0.1:9490", "[::1]:9490", "localhost:…" and unix sockets need no authentication. */
bool listen_address_is_local(const char *address);
