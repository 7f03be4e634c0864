#include "checks/url.h"

#include "base/strbuf.h"
#include "base/text.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/* Whether a segment means "." or ".." once dots are decoded, however often they were encoded. */
static bool climbs(const char *segment, size_t len)
{
    size_t dots = 0;
    for (size_t i = 0; i < len; dots++) {
        if (segment[i] == '.') {
            i++;
            continue;
        }
        if (segment[i] != '%')
            return false;
        for (i++; len - i >= 2 && strncmp(segment + i, "25", 2) == 0;)
            i += 2;
        if (len - i < 2 || strncasecmp(segment + i, "2e", 2) != 0)
            return false;
        i += 2;
    }
    return dots == 1 || dots == 2;
}

static bool path_is_safe(const char *path)
{
    const size_t n = strcspn(path, "?#");
    for (size_t i = 0; i < n;) {
        const size_t len = strcspn(path + i, "/?#");
        if (len > 0 && climbs(path + i, len))
            return false;
        for (size_t k = i; k + 2 < i + len; k++) /* an encoded slash or backslash could hide a segment */
            if (strncasecmp(path + k, "%2f", 3) == 0 || strncasecmp(path + k, "%5c", 3) == 0)
                return false;
        i += len + (path[i + len] == '/');
        if (len == 0 && path[i] != '/' && i >= n)
            break;
    }
    return true;
}

int url_proxy_path(const struct url *url, const char *plural, const char *namespace, const char *name, char **ret,
                   struct error *err)
{
    if (!is_dns1123_label(namespace) || !is_dns1123_subdomain(name))
        return error_set(err, -EINVAL, "%.100s in %.100s is no name of an object", name, namespace);
    if (!path_is_safe(url->path))
        return error_set(err, -EINVAL, "the path %.100s cannot go through the API server's proxy", url->path);
    struct strbuf b = STRBUF_INIT;
    strbuf_printf(&b, "/api/v1/namespaces/%s/%s/%s%s:%s/proxy%s", namespace, plural, url->https ? "https:" : "", name,
                  *url->port   ? url->port
                  : url->https ? "443"
                               : "80",
                  *url->path == '/' ? "" : "/");
    strbuf_add(&b, url->path, strcspn(url->path, "#"));
    *ret = strbuf_take(&b);
    return 0;
}
