#include "base/url.h"

#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool host_ok(const char *s, size_t len)
{
    if (len == 0 || len > 253)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)s[i]) && !strchr(".-_:[]", s[i]))
            return false;
    return true;
}

static int split_authority(const char *s, size_t len, struct url *u)
{
    const char *bracket = memchr(s, ']', len);
    const char *from = bracket ? bracket : s;
    const char *colon = memchr(from, ':', len - (size_t)(from - s));
    const size_t host = colon ? (size_t)(colon - s) : len;
    if (!host_ok(s, host) || (!bracket && memchr(s, ':', host)))
        return -EINVAL;
    memcpy(u->host, s, host);
    u->host[host] = '\0';
    u->port[0] = '\0';
    if (!colon)
        return 0;
    const size_t digits = len - host - 1;
    if (digits == 0 || digits > 5 || strspn(colon + 1, "0123456789") < digits)
        return -EINVAL;
    memcpy(u->port, colon + 1, digits);
    u->port[digits] = '\0';
    const long port = strtol(u->port, NULL, 10);
    return port > 0 && port < 65536 ? 0 : -EINVAL;
}

int url_parse(const char *text, struct url *ret, struct error *err)
{
    const char *rest = text;
    if (str_empty(text) || strlen(text) > 4096)
        return error_set(err, -EINVAL, "the URL is empty or too long");
    for (const char *c = text; *c; c++)
        if (!isgraph((unsigned char)*c) || strchr("\\\"<>^`{|}", *c))
            return error_set(err, -EINVAL, "\"%.100s\" is no URL: a character in it must be encoded", text);
    struct url u = {.https = strncasecmp(text, "https://", 8) == 0};
    if (!u.https && strncasecmp(text, "http://", 7) != 0)
        return error_set(err, -EINVAL, "\"%.100s\" is no http:// or https:// URL", text);
    rest += u.https ? 8 : 7;
    const size_t authority = strcspn(rest, "/?#");
    if (split_authority(rest, authority, &u) < 0)
        return error_set(err, -EINVAL, "\"%.100s\" names no host and port that can be asked", text);
    u.path = rest + authority;
    *ret = u;
    return 0;
}
