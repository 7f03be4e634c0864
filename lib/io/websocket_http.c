/* The upgrade from HTTP/1.1 (RFC 6455, section 4), as functions of text. */
#include "io/websocket_internal.h"

#include "base/alloc.h"
#include "base/base64.h"
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

char *websocket_key_new(void)
{
    unsigned char nonce[16] = {0};
    gnutls_rnd(GNUTLS_RND_NONCE, nonce, sizeof(nonce));
    return base64_new(nonce, sizeof(nonce));
}

char *websocket_accept_new(const char *key)
{
    unsigned char digest[20] = {0};
    _cleanup_free_ char *text = xasprintf("%s" GUID, key);
    gnutls_hash_fast(GNUTLS_DIG_SHA1, text, strlen(text), digest);
    return base64_new(digest, sizeof(digest));
}

static void add_place(struct strbuf *b, CURLU *url)
{
    char *host = NULL, *port = NULL, *path = NULL, *query = NULL;
    curl_url_get(url, CURLUPART_HOST, &host, 0);
    curl_url_get(url, CURLUPART_PORT, &port, 0);
    curl_url_get(url, CURLUPART_PATH, &path, 0);
    curl_url_get(url, CURLUPART_QUERY, &query, 0);
    strbuf_printf(b, "GET %s%s%s HTTP/1.1\r\nHost: %s%s%s\r\n", path ? path : "/", query ? "?" : "", query ? query : "",
                  host, port ? ":" : "", port ? port : "");
    curl_free(host);
    curl_free(port);
    curl_free(path);
    curl_free(query);
}

int websocket_ask(const struct websocket_request *req, const char *key, struct strbuf *ret, struct error *err)
{
    CURLU *url = NULL;
    bool tls;
    _cleanup_free_ char *where = NULL;
    int r = http_check_url(req->url, &url, &where, &tls, err);
    if (r < 0)
        return r;
    add_place(ret, url);
    curl_url_cleanup(url);
    strbuf_printf(ret,
                  "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n"
                  "User-Agent: mendd/" MENDD_VERSION "\r\nSec-WebSocket-Protocol: ",
                  key);
    for (const char *const *p = req->protocols; *p; p++)
        strbuf_printf(ret, "%s%s", p == req->protocols ? "" : ", ", *p);
    strbuf_puts(ret, "\r\n");
    for (const char *const *h = req->headers; h && *h; h++)
        strbuf_printf(ret, "%s\r\n", *h);
    strbuf_puts(ret, "\r\n");
    return 0;
}

/* ---- the answer's head ---- */

void websocket_head_clear(struct websocket_head *h)
{
    free(h->upgrade);
    free(h->connection);
    free(h->accept);
    free(h->protocol);
    free(h->extensions);
    *h = (struct websocket_head){0};
}

static void take_header(struct websocket_head *h, const char *name, size_t name_len, const char *value)
{
    const struct {
        const char *name;
        char **slot;
    } wanted[] = {{"Upgrade", &h->upgrade},
                  {"Connection", &h->connection},
                  {"Sec-WebSocket-Accept", &h->accept},
                  {"Sec-WebSocket-Protocol", &h->protocol},
                  {"Sec-WebSocket-Extensions", &h->extensions}};
    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
        if (strlen(wanted[i].name) == name_len && strncasecmp(wanted[i].name, name, name_len) == 0)
            str_replace(wanted[i].slot, value);
    if (name_len == 14 && strncasecmp(name, "Content-Length", 14) == 0 && isdigit((unsigned char)value[0]))
        h->content_length = strtoll(value, NULL, 10);
    if (name_len == 17 && strncasecmp(name, "Transfer-Encoding", 17) == 0)
        h->chunked = strcasecmp(value, "chunked") == 0;
}

int websocket_head_parse(const char *text, struct websocket_head *ret)
{
    struct websocket_head h = {.content_length = -1};
    if (!(str_starts(text, "HTTP/1.1 ") || str_starts(text, "HTTP/1.0 ")) || !isdigit((unsigned char)text[9]) ||
        !isdigit((unsigned char)text[10]) || !isdigit((unsigned char)text[11]) || isdigit((unsigned char)text[12]))
        return -EPROTO;
    h.status = (text[9] - '0') * 100 + (text[10] - '0') * 10 + (text[11] - '0');
    for (const char *line = strstr(text, "\r\n"); line && line[2] && line[2] != '\r'; line = strstr(line + 2, "\r\n")) {
        const char *name = line + 2, *end = strstr(name, "\r\n");
        const size_t len = end ? (size_t)(end - name) : strlen(name);
        const char *colon = memchr(name, ':', len);
        if (!colon)
            continue;
        const char *value = colon + 1;
        size_t value_len = len - (size_t)(value - name);
        while (value_len > 0 && (*value == ' ' || *value == '\t'))
            value++, value_len--;
        while (value_len > 0 && (value[value_len - 1] == ' ' || value[value_len - 1] == '\t'))
            value_len--;
        _cleanup_free_ char *copy = xstrndup(value, value_len);
        take_header(&h, name, (size_t)(colon - name), copy);
    }
    *ret = h;
    return 0;
}

const char *websocket_head_fault(const struct websocket_head *h, const char *accept, char *const *protocols)
{
    if (!h->upgrade || strcasecmp(h->upgrade, "websocket") != 0 || !h->connection ||
        !strcasestr(h->connection, "upgrade"))
        return "the server switched to something else than a WebSocket";
    if (!str_eq(h->accept, accept))
        return "the server's Sec-WebSocket-Accept does not belong to the key that was sent";
    if (!h->protocol || !str_in(h->protocol, (const char *const *)protocols))
        return "the server chose none of the subprotocols that were offered";
    return h->extensions ? "the server wants an extension that was not offered" : NULL;
}

/* ---- the body of a refusal ---- */

bool websocket_unchunk(const char *raw, size_t len, struct strbuf *ret)
{
    strbuf_reset(ret);
    while (len > 0) {
        const char *line_end = memmem(raw, len, "\r\n", 2);
        if (!line_end)
            return false;
        char *digits_end;
        const unsigned long long n = isxdigit((unsigned char)*raw) ? strtoull(raw, &digits_end, 16) : 0;
        if (n == 0)
            return true;
        const size_t head = (size_t)(line_end - raw) + 2, there = len - head;
        strbuf_add(ret, raw + head, n < there ? (size_t)n : there);
        if (n > there || n + 2 > there)
            return false;
        raw += head + n + 2;
        len -= head + (size_t)n + 2;
    }
    return false;
}
