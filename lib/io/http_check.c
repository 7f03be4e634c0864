/* What may be sent: methods, URLs and headers come from playbooks and templates, so nothing here trusts them. */
#include "io/http_internal.h"

#include "base/alloc.h"
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

int http_check_method(const char *method, struct error *err)
{
    const size_t len = method ? strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") : 0;
    if (len == 0 || len > 16 || method[len] || str_eq(method, "CONNECT"))
        return error_set(err, -EINVAL, "not an HTTP method: upper-case letters are expected, such as GET");
    return 0;
}

bool http_method_writes(const char *method)
{
    return !str_in(method, (const char *const[]){"GET", "HEAD", "OPTIONS", NULL});
}

static bool is_token_char(char c)
{
    return isalnum((unsigned char)c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

int http_check_header(const char *header, struct error *err)
{
    size_t len = 0;
    while (is_token_char(header[len]))
        len++;
    if (len == 0 || header[len] != ':')
        return error_set(err, -EINVAL, "not an HTTP header: \"Name: value\" is expected");
    for (const char *p = header + len + 1; *p; p++) /* the value may be a secret: it is not shown */
        if (((unsigned char)*p < 0x20 && *p != '\t') || *p == 0x7f)
            return error_set(err, -EINVAL, "the header %.*s holds a line break or control character", (int)len, header);
    /* How the body is framed is decided here alone: anything else would be request smuggling. */
    if (strncasecmp(header, "Content-Length:", len + 1) == 0 || strncasecmp(header, "Transfer-Encoding:", len + 1) == 0)
        return error_set(err, -EINVAL, "the header %.*s cannot be set", (int)len, header);
    return 0;
}

static void curl_freep(char **p)
{
    curl_free(*p);
}

static void curlu_freep(CURLU **p)
{
    curl_url_cleanup(*p);
}

int http_check_url(const char *url, CURLU **ret, char **ret_where, bool *ret_tls, struct error *err)
{
    if (str_empty(url) || strlen(url) > HTTP_URL_MAX)
        return error_set(err, -EINVAL, str_empty(url) ? "the URL is empty" : "the URL is too long");
    for (const char *p = url; *p; p++)
        if ((unsigned char)*p <= 0x20 || *p == 0x7f)
            return error_set(err, -EINVAL, "the URL holds a space or control character");
    _cleanup_(curlu_freep) CURLU *u = curl_url();
    _cleanup_(curl_freep) char *scheme = NULL;
    _cleanup_(curl_freep) char *host = NULL;
    _cleanup_(curl_freep) char *port = NULL;
    const CURLUcode code = curl_url_set(u, CURLUPART_URL, url, CURLU_PATH_AS_IS);
    if (code == CURLUE_UNSUPPORTED_SCHEME)
        return error_set(err, -EINVAL, "the URL is neither http:// nor https://");
    if (code != CURLUE_OK)
        return error_set(err, -EINVAL, "not a URL: %s", curl_url_strerror(code));
    if (curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) || curl_url_get(u, CURLUPART_HOST, &host, 0) ||
        curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT))
        return error_set(err, -EINVAL, "not a complete URL: http://host[:port]/path is expected");
    if (!str_eq(scheme, "http") && !str_eq(scheme, "https"))
        return error_set(err, -EINVAL, "the URL is neither http:// nor https://");
    *ret_tls = str_eq(scheme, "https");
    *ret_where = xasprintf("%s:%s", host, port);
    *ret = TAKE_PTR(u);
    return 0;
}

int http_check_proxy(const char *url, char **ret_url, char **ret_where, struct error *err)
{
    static const struct {
        const char *name, *curl, *port;
    } schemes[] = {{"http", "http", "80"}, {"https", "https", "443"}, {"socks5", "socks5h", "1080"}};
    _cleanup_(curlu_freep) CURLU *u = curl_url();
    _cleanup_(curl_freep) char *scheme = NULL;
    _cleanup_(curl_freep) char *host = NULL;
    _cleanup_(curl_freep) char *port = NULL;
    _cleanup_(curl_freep) char *path = NULL;
    _cleanup_(curl_freep) char *text = NULL;
    size_t i = 0;
    if (curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) ||
        curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) || curl_url_get(u, CURLUPART_HOST, &host, 0) || str_empty(host) ||
        curl_url_get(u, CURLUPART_PATH, &path, 0))
        return error_set(err, -EINVAL, "not a proxy's URL: http://host:port is expected");
    while (i < ARRAY_SIZE(schemes) && !str_eq(scheme, schemes[i].name))
        i++;
    if (i == ARRAY_SIZE(schemes))
        return error_set(err, -EINVAL, "a proxy of the scheme %s: http, https and socks5 are known", scheme);
    if (!str_in(path, (const char *const[]){"", "/", NULL}) || strpbrk(url, "?# \t\r\n"))
        return error_set(err, -EINVAL, "a proxy's URL has neither path nor query");
    if (curl_url_get(u, CURLUPART_PORT, &port, 0)) /* libcurl would take 1080 for all of them */
        curl_url_set(u, CURLUPART_PORT, schemes[i].port, 0);
    curl_url_set(u, CURLUPART_SCHEME, schemes[i].curl, CURLU_NON_SUPPORT_SCHEME);
    if (curl_url_get(u, CURLUPART_URL, &text, 0))
        return error_set(err, -EINVAL, "not a proxy's URL: http://host:port is expected");
    if (ret_url)
        *ret_url = xstrdup(text);
    if (ret_where)
        *ret_where = xasprintf("%s:%s", host, port ? port : schemes[i].port);
    return 0;
}
