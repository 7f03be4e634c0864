#include "io/probe_auth.h"

#include "base/alloc.h"
#include "base/base64.h"
#include "base/civil.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/sigv4.h"
#include "base/text.h"
#include "base/url.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct list {
    char **items;
    size_t n;
};

static void wipe(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

void probe_headers_free(char *headers[PROBE_HEADERS_MAX + 1])
{
    for (size_t i = 0; headers[i]; i++) {
        wipe(headers[i]);
        headers[i] = NULL;
    }
}

static int add(struct list *l, const char *name, const char *value, struct error *err)
{
    if (!value || l->n >= PROBE_HEADERS_MAX)
        return error_set(err, -EINVAL, "a header's value is no text, or there are too many");
    l->items[l->n++] = xasprintf("%s: %s", name, value);
    return 0;
}

static int add_all(struct list *l, const json_t *headers, bool from_files, struct error *err)
{
    const char *name;
    json_t *value;
    json_object_foreach ((json_t *)headers, name, value) {
        const char *text = json_string_value(value);
        char *secret = NULL;
        int r = from_files && text ? secret_read(text, &secret, err) : 0;
        if (r >= 0)
            r = add(l, name, from_files ? secret : text, err);
        wipe(secret);
        if (r < 0)
            return r;
    }
    return 0;
}

static int add_bearer(struct list *l, const char *file, struct error *err)
{
    char *token = NULL;
    int r = secret_read(file, &token, err);
    if (r < 0)
        return r;
    char *value = xasprintf("Bearer %s", token);
    r = add(l, "Authorization", value, err);
    wipe(token);
    wipe(value);
    return r;
}

static int add_basic(struct list *l, const char *user, const char *file, struct error *err)
{
    char *password = NULL;
    int r = secret_read(file, &password, err);
    if (r < 0)
        return r;
    char *pair = xasprintf("%s:%s", user, password), *encoded = base64_new(pair, strlen(pair));
    char *value = xasprintf("Basic %s", encoded);
    r = add(l, "Authorization", value, err);
    wipe(password);
    wipe(pair);
    wipe(encoded);
    wipe(value);
    return r;
}

/* ---- AWS ---- */

static int secret_of(const json_t *aws, const char *key, const char *file_key, char **ret, struct error *err)
{
    const char *file = json_text(aws, file_key), *value = key ? json_text(aws, key) : NULL;
    if (file)
        return secret_read(file, ret, err);
    *ret = xstrdup(value);
    return 0;
}

static int add_date(struct list *l, int64_t wall_us, struct error *err)
{
    const struct civil t = civil_from_s(floor_div(wall_us, USEC_PER_SEC));
    _cleanup_free_ char *date =
        xasprintf("%04d%02d%02dT%02d%02d%02dZ", t.year, t.month, t.day, t.hour, t.minute, t.second);
    return add(l, "X-Amz-Date", date, err);
}

/* Host as libcurl writes it: said here, so that what is signed is what goes out. */
static int add_host(struct list *l, const struct url *url, struct error *err)
{
    const bool usual = !*url->port || str_eq(url->port, url->https ? "443" : "80");
    _cleanup_free_ char *host = usual ? xstrdup(url->host) : xasprintf("%s:%s", url->host, url->port);
    for (char *c = host; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return add(l, "Host", host, err);
}

static int sign(struct list *l, const json_t *q, const struct url *url, const struct sigv4_key *key, struct error *err)
{
    const char *body = json_text(q, "body");
    const size_t path_len = strcspn(url->path, "?#");
    _cleanup_free_ char *path = xstrndup(url->path, path_len), *value = NULL;
    _cleanup_free_ char *query =
        url->path[path_len] == '?' ? xstrndup(url->path + path_len + 1, strcspn(url->path + path_len + 1, "#")) : NULL;
    const struct sigv4_request req = {.method = json_text_or(q, "method", "GET"),
                                      .path = path,
                                      .query = query,
                                      .headers = (const char *const *)l->items,
                                      .body = body,
                                      .body_len = body ? strlen(body) : 0};
    int r = sigv4_authorization(&req, key, &value, err);
    return r < 0 ? r : add(l, "Authorization", value, err);
}

static int add_aws(struct list *l, const json_t *q, const json_t *aws, int64_t wall_us, struct error *err)
{
    char *access = NULL, *secret = NULL, *token = NULL;
    struct url url;
    const char *body = json_text_or(q, "body", "");
    const struct sigv4_key place = {.region = json_text_or(aws, "region", ""),
                                    .service = json_text_or(aws, "service", "")};
    _cleanup_free_ char *hash = str_eq(place.service, "s3") ? sha256_hex_new(body, strlen(body)) : NULL;
    int r = url_parse(json_text(q, "url"), &url, err);
    if (r >= 0)
        r = secret_of(aws, "access_key_id", "access_key_id_file", &access, err);
    if (r >= 0)
        r = secret_of(aws, NULL, "secret_access_key_file", &secret, err);
    if (r >= 0)
        r = secret_of(aws, NULL, "session_token_file", &token, err);
    if (r >= 0 && (!access || !secret))
        r = error_set(err, -EINVAL, "aws needs an access key and its secret");
    if (r >= 0)
        r = add_host(l, &url, err);
    if (r >= 0)
        r = add_date(l, wall_us, err);
    if (r >= 0 && hash)
        r = add(l, "X-Amz-Content-Sha256", hash, err);
    if (r >= 0 && token)
        r = add(l, "X-Amz-Security-Token", token, err);
    if (r >= 0) {
        const struct sigv4_key key = {access, secret, place.region, place.service};
        r = sign(l, q, &url, &key, err);
    }
    wipe(access);
    wipe(secret);
    wipe(token);
    return r;
}

int probe_headers_new(const json_t *question, int64_t wall_us, char *headers[PROBE_HEADERS_MAX + 1], struct error *err)
{
    struct list l = {.items = headers};
    const char *bearer = json_text(question, "bearer_token_file"), *user = json_text(question, "username");
    const json_t *aws = json_object_get(question, "aws");
    int r = add_all(&l, json_object_get(question, "headers"), false, err);
    if (r >= 0)
        r = add_all(&l, json_object_get(question, "header_files"), true, err);
    if (r >= 0 && bearer)
        r = add_bearer(&l, bearer, err);
    if (r >= 0 && user)
        r = add_basic(&l, user, json_text_or(question, "password_file", ""), err);
    if (r >= 0 && aws)
        r = add_aws(&l, question, aws, wall_us, err);
    return r;
}
