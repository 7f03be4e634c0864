/* A URL's way through the API server's proxy. */
#pragma once

#include "base/url.h"

/* "/api/v1/namespaces/NS/services/[https:]NAME:PORT/proxy/PATH". -EINVAL if the path climbs ("..", "%2e%2e", "\") out
 * of the proxy, where it would become another request to the API server. `plural`: "services" or "pods". The caller
 * frees *ret. */
int url_proxy_path(const struct url *url, const char *plural, const char *namespace, const char *name, char **ret,
                   struct error *err);
