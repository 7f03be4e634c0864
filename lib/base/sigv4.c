#include "base/sigv4.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/strbuf.h"
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

#define ALGORITHM "AWS4-HMAC-SHA256"
enum { HEADERS_MAX = 64, PARAMS_MAX = 256, SHA256_BYTES = 32 };

struct pair {
    char *name, *value;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct pair *)a)->name, ((const struct pair *)b)->name);
}

static int by_name_and_value(const void *a, const void *b)
{
    const int r = by_name(a, b);
    return r ? r : strcmp(((const struct pair *)a)->value, ((const struct pair *)b)->value);
}

static void pairs_clear(struct pair *pairs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(pairs[i].name);
        free(pairs[i].value);
    }
}

/* ---- path and query ---- */

static char *decoded_new(const char *s, size_t len)
{
    char *out = xcalloc(len + 1, 1), *to = out;
    for (size_t i = 0; i < len; i++) {
        const bool escape =
            s[i] == '%' && len - i > 2 && isxdigit((unsigned char)s[i + 1]) && isxdigit((unsigned char)s[i + 2]);
        if (!escape) {
            *to++ = s[i];
            continue;
        }
        const char hex[3] = {s[i + 1], s[i + 2], 0};
        *to++ = (char)strtol(hex, NULL, 16);
        i += 2;
    }
    return out;
}

static void encode_but_slashes(struct strbuf *b, const char *s)
{
    while (*s) {
        const size_t n = strcspn(s, "/");
        _cleanup_free_ char *part = xstrndup(s, n);
        url_encode(b, part);
        s += n;
        if (*s) {
            strbuf_putc(b, '/');
            s++;
        }
    }
}

/* Without empty, "." and ".." segments (RFC 3986, 5.2.4); a trailing slash stays. */
static char *normalised_new(const char *path)
{
    char *out = xcalloc(strlen(path) + 2, 1);
    size_t len = 0;
    bool slash = true;
    for (const char *p = path; *p;) {
        p += strspn(p, "/");
        const size_t n = strcspn(p, "/");
        const bool dots = (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.');
        if (dots && n == 2)
            while (len > 0 && out[--len] != '/')
                ;
        if (n > 0 && !dots) {
            out[len++] = '/';
            memcpy(out + len, p, n);
            len += n;
        }
        slash = n == 0 || dots || p[n] == '/';
        p += n;
    }
    if (len == 0 || slash)
        out[len++] = '/';
    out[len] = '\0';
    return out;
}

static void add_path(struct strbuf *b, const char *path, const char *service)
{
    const bool as_it_is = str_eq(service, "s3");
    _cleanup_free_ char *text = as_it_is ? decoded_new(path, strlen(path)) : normalised_new(path);
    encode_but_slashes(b, *text ? text : "/");
}

static char *encoded_again_new(const char *s, size_t len)
{
    struct strbuf b = STRBUF_INIT;
    _cleanup_free_ char *plain = decoded_new(s, len);
    url_encode(&b, plain);
    return strbuf_take(&b);
}

static int add_query(struct strbuf *b, const char *query, struct error *err)
{
    struct pair pairs[PARAMS_MAX];
    size_t n = 0;
    int r = 0;
    for (const char *p = query ? query : ""; *p && r == 0;) {
        const size_t len = strcspn(p, "&"), name = strcspn(p, "=&");
        if (n == PARAMS_MAX) {
            r = error_set(err, -E2BIG, "a signed URL with more than %d parameters", PARAMS_MAX);
        } else if (len > 0) {
            const size_t value = name < len ? name + 1 : len;
            pairs[n++] = (struct pair){encoded_again_new(p, name), encoded_again_new(p + value, len - value)};
        }
        p += len + (p[len] == '&');
    }
    qsort(pairs, n, sizeof(*pairs), by_name_and_value);
    for (size_t i = 0; i < n; i++)
        strbuf_printf(b, "%s%s=%s", i ? "&" : "", pairs[i].name, pairs[i].value);
    pairs_clear(pairs, n);
    return r;
}

/* ---- headers ---- */

/* Without blanks around it, runs of them as one. */
static char *squeezed_new(const char *value)
{
    struct strbuf b = STRBUF_INIT;
    for (const char *p = value + strspn(value, " \t"); *p; p++) {
        const bool blank = *p == ' ' || *p == '\t';
        if (!blank)
            strbuf_putc(&b, *p);
        else if (p[1 + strspn(p + 1, " \t")] && p[1] != ' ' && p[1] != '\t')
            strbuf_putc(&b, ' ');
    }
    return strbuf_take(&b);
}

static char *lower_new(const char *s, size_t len)
{
    char *out = xstrndup(s, len);
    for (char *c = out; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return out;
}

/* Sorted by name; those of one name joined in their order. */
static int read_headers(const char *const *headers, struct pair *pairs, size_t *ret_n, struct error *err)
{
    size_t n = 0;
    for (; headers && *headers; headers++) {
        const char *colon = strchr(*headers, ':');
        if (!colon || n == HEADERS_MAX) {
            pairs_clear(pairs, n);
            return error_set(err, -EINVAL, colon ? "too many headers to sign" : "a header without a colon");
        }
        char *name = lower_new(*headers, (size_t)(colon - *headers)), *value = squeezed_new(colon + 1);
        size_t i = 0;
        while (i < n && !str_eq(pairs[i].name, name))
            i++;
        if (i == n) {
            pairs[n++] = (struct pair){name, value};
            continue;
        }
        char *joined = xasprintf("%s,%s", pairs[i].value, value);
        free(pairs[i].value);
        free(name);
        free(value);
        pairs[i].value = joined;
    }
    qsort(pairs, n, sizeof(*pairs), by_name);
    *ret_n = n;
    return 0;
}

static const char *find(const struct pair *pairs, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(pairs[i].name, name))
            return pairs[i].value;
    return NULL;
}

static bool is_date(const char *s)
{
    if (!s || strlen(s) != 16 || s[8] != 'T' || s[15] != 'Z')
        return false;
    return strspn(s, "0123456789") == 8 && strspn(s + 9, "0123456789") == 6;
}

/* ---- the request as it is signed ---- */

struct canonical {
    char *text, *signed_headers;
    char date[17]; /* "20150830T123600Z" */
};

static void canonical_clear(struct canonical *c)
{
    free(c->text);
    free(c->signed_headers);
}

static void add_headers(struct strbuf *b, const struct pair *pairs, size_t n, struct canonical *c)
{
    struct strbuf names = STRBUF_INIT;
    for (size_t i = 0; i < n; i++) {
        strbuf_printf(b, "%s:%s\n", pairs[i].name, pairs[i].value);
        strbuf_printf(&names, "%s%s", i ? ";" : "", pairs[i].name);
    }
    c->signed_headers = strbuf_take(&names);
    strbuf_printf(b, "\n%s\n", c->signed_headers);
}

static int canonical_make(const struct sigv4_request *req, const char *service, struct canonical *ret,
                          struct error *err)
{
    _cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
    struct pair pairs[HEADERS_MAX];
    size_t n = 0;
    int r = read_headers(req->headers, pairs, &n, err);
    if (r < 0)
        return r;
    const char *date = find(pairs, n, "x-amz-date");
    if (!is_date(date) || !find(pairs, n, "host")) {
        r = error_set(err, -EINVAL, "a request to sign needs the headers Host and X-Amz-Date");
    } else {
        strbuf_printf(&b, "%s\n", req->method);
        add_path(&b, req->path, service);
        strbuf_putc(&b, '\n');
        r = add_query(&b, req->query, err);
    }
    if (r == 0) {
        memcpy(ret->date, date, sizeof(ret->date));
        strbuf_putc(&b, '\n');
        add_headers(&b, pairs, n, ret);
        _cleanup_free_ char *hash = sha256_hex_new(req->body ? req->body : "", req->body ? req->body_len : 0);
        strbuf_puts(&b, hash);
        ret->text = strbuf_take(&b);
    }
    pairs_clear(pairs, n);
    return r;
}

int sigv4_canonical(const struct sigv4_request *req, const char *service, char **ret, struct error *err)
{
    struct canonical c = {0};
    int r = canonical_make(req, service, &c, err);
    if (r == 0)
        *ret = TAKE_PTR(c.text);
    canonical_clear(&c);
    return r;
}

/* ---- the signature ---- */

static void hmac(const void *key, size_t key_len, const char *text, unsigned char out[SHA256_BYTES])
{
    if (gnutls_hmac_fast(GNUTLS_MAC_SHA256, key, key_len, text, strlen(text), out) < 0)
        abort(); /* only if the library lacks SHA-256 */
}

static char *signature_new(const struct sigv4_key *key, const char *day, const char *to_sign)
{
    const char *const parts[] = {key->region, key->service, "aws4_request", to_sign};
    unsigned char sum[SHA256_BYTES];
    _cleanup_free_ char *secret = xasprintf("AWS4%s", key->secret_key);
    struct strbuf hex = STRBUF_INIT;
    hmac(secret, strlen(secret), day, sum);
    explicit_bzero(secret, strlen(secret));
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        unsigned char next[SHA256_BYTES];
        hmac(sum, sizeof(sum), parts[i], next);
        memcpy(sum, next, sizeof(sum));
    }
    for (size_t i = 0; i < sizeof(sum); i++)
        strbuf_printf(&hex, "%02x", sum[i]);
    return strbuf_take(&hex);
}

int sigv4_authorization(const struct sigv4_request *req, const struct sigv4_key *key, char **ret, struct error *err)
{
    struct canonical c = {0};
    int r = canonical_make(req, key->service, &c, err);
    if (r == 0) {
        _cleanup_free_ char *hash = sha256_hex_new(c.text, strlen(c.text));
        _cleanup_free_ char *day = xstrndup(c.date, 8);
        _cleanup_free_ char *scope = xasprintf("%s/%s/%s/aws4_request", day, key->region, key->service);
        _cleanup_free_ char *to_sign = xasprintf(ALGORITHM "\n%s\n%s\n%s", c.date, scope, hash);
        _cleanup_free_ char *signature = signature_new(key, day, to_sign);
        *ret = xasprintf(ALGORITHM " Credential=%s/%s, SignedHeaders=%s, Signature=%s", key->access_key, scope,
                         c.signed_headers, signature);
    }
    canonical_clear(&c);
    return r;
}
