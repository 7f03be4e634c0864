/* A URL from a playbook, taken apart and checked, and its way through the API server's proxy. */
#pragma once

#include "base/error.h"

#include <stdbool.h>

struct url {
    bool https;
    char host[256], port[6]; /* port "" if it is not said */
    const char *path;        /* path and query; "" or starts with '/' or '?'; borrowed from the text */
};

/* -EINVAL with words: not http(s), spaces or control characters, a user, a port that is none. */
int url_parse(const char *text, struct url *ret, struct error *err);
/* "/api/v1/namespaces/NS/services/[https:]NAME:PORT/proxy/PATH". -EINVAL if the path climbs ("..", "%2e%2e", "\") out
 * of the proxy, where it would become another request to the API server. `plural`: "services" or "pods". The caller
 * frees *ret. */
int url_proxy_path(const struct url *url, const char *plural, const char *namespace, const char *name, char **ret,
                   struct error *err);
