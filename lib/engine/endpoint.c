#include "engine/endpoint.h"

#include "base/alloc.h"
#include "base/base64.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "base/text.h"

#include <string.h>

enum { ANSWER_MAX = 1 << 26 };

/* A call that failed before it left: told with the next turn of the loop, never from within. */
struct failure {
    char *why;
    http_done_cb done;
    void *userdata;
    sd_event_source *source;
    struct failure *next, **link;
};

struct endpoint {
    sd_event *event;
    char *name; /* for people */
    char **urls;
    size_t n;
    struct http_client *client;
    char *identity; /* what the client is made of, to see whether a reload changed it */
    char *why;      /* client NULL */
    char *secret_file, *secret, *user;
    struct failure *failures;
};

static void open_client(struct endpoint *e, const struct endpoint_auth *a, struct endpoint *previous)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    const struct http_identity id = {
        .ca_file = a->ca_file, .cert_file = a->cert_file, .key_file = a->key_file, .insecure = a->insecure};
    e->identity = xasprintf("%s\n%s\n%s\n%d", a->ca_file ? a->ca_file : "", a->cert_file ? a->cert_file : "",
                            a->key_file ? a->key_file : "", a->insecure);
    if (previous && str_eq(previous->identity, e->identity))
        e->client = TAKE_PTR(previous->client);
    if (!e->client && http_client_new(e->event, &id, &e->client, &err) < 0)
        e->why = xasprintf("%s's client: %s", e->name, error_message(&err));
}

struct endpoint *endpoint_new(sd_event *event, const char *name, char *const *urls, const struct endpoint_auth *auth,
                              struct endpoint *previous)
{
    struct endpoint *e = xnew0(struct endpoint);
    e->event = event;
    e->name = xstrdup(name);
    e->urls = texts_dup(urls);
    while (e->urls && e->urls[e->n])
        e->n++;
    if (e->n == 0)
        return e;
    open_client(e, auth, previous);
    e->user = xstrdup(auth->username);
    e->secret_file = xstrdup(auth->bearer_token_file ? auth->bearer_token_file : auth->password_file);
    e->secret = xstrdup(auth->bearer_token ? auth->bearer_token : auth->password);
    return e;
}

size_t endpoint_n(const struct endpoint *e)
{
    return e->n;
}

/* Read anew for each request: the file is rotated without a reload. */
static int authorization(const struct endpoint *e, char **ret, struct error *err)
{
    _cleanup_free_ char *secret = xstrdup(e->secret);
    *ret = NULL;
    if (e->secret_file) {
        free(TAKE_PTR(secret));
        int r = secret_read(e->secret_file, &secret, err);
        if (r < 0)
            return r;
    }
    if (!secret)
        return 0;
    if (e->user) {
        _cleanup_free_ char *pair = xasprintf("%s:%s", e->user, secret);
        _cleanup_free_ char *encoded = base64_new(pair, strlen(pair));
        *ret = xasprintf("Authorization: Basic %s", encoded);
    } else {
        *ret = xasprintf("Authorization: Bearer %s", secret);
    }
    return 0;
}

static void failure_tell(struct failure *f)
{
    *f->link = f->next;
    if (f->next)
        f->next->link = f->link;
    sd_event_source_disable_unref(f->source);
    const struct http_result r = {.error = HTTP_ERROR_LOCAL, .message = f->why, .body = "", .retry_after_s = -1};
    f->done(&r, f->userdata);
    free(f->why);
    free(f);
}

static int on_failure(sd_event_source *source _unused_, void *userdata)
{
    failure_tell(userdata);
    return 0;
}

static void fail_later(struct endpoint *e, const char *why, http_done_cb done, void *userdata)
{
    struct failure *f = xnew0(struct failure);
    *f = (struct failure){.why = xstrdup(why), .done = done, .userdata = userdata, .next = e->failures};
    f->link = &e->failures;
    if (f->next)
        f->next->link = &f->next;
    e->failures = f;
    if (sd_event_add_defer(e->event, &f->source, on_failure, f) < 0)
        f->source = NULL; /* told when the endpoint is freed */
}

static void call(struct endpoint *e, int i, const char *path, const char *body, int timeout_ms, http_done_cb done,
                 void *userdata)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_free_ char *auth = NULL;
    if (i < 0 || (size_t)i >= e->n || !e->client) {
        _cleanup_free_ char *none = xasprintf("no such %s is in the configuration", e->name);
        fail_later(e, e->why ? e->why : none, done, userdata);
        return;
    }
    if (authorization(e, &auth, &err) < 0) {
        fail_later(e, error_message(&err), done, userdata);
        return;
    }
    _cleanup_free_ char *url = xasprintf("%s%s", e->urls[i], path);
    const char *headers[3] = {0};
    size_t n = 0;
    if (body)
        headers[n++] = "Content-Type: application/json";
    if (auth)
        headers[n++] = auth;
    const struct http_request req = {.method = body ? "POST" : "GET",
                                     .url = url,
                                     .headers = headers,
                                     .body = body,
                                     .body_len = body ? strlen(body) : 0,
                                     .timeout_ms = timeout_ms,
                                     .max_answer = ANSWER_MAX};
    if (http_start(e->client, &req, done, userdata, NULL, &err) < 0)
        fail_later(e, error_message(&err), done, userdata);
}

void endpoint_get(struct endpoint *e, int i, const char *path, int timeout_ms, http_done_cb done, void *userdata)
{
    call(e, i, path, NULL, timeout_ms, done, userdata);
}

struct asked {
    answer_cb done;
    void *userdata;
};

static void on_asked(const struct http_result *r, void *userdata)
{
    struct asked asked = *(struct asked *)userdata;
    free(userdata);
    json_t *answer = json_object();
    if (r->error != HTTP_OK) {
        json_set_text(answer, "error", http_error_name(r->error));
        json_set_text(answer, "message", r->message);
        json_object_set_new(answer, "sent", json_boolean(r->sent));
    } else {
        json_t *body = r->body_len ? json_parse(r->body, r->body_len, ANSWER_MAX, false, NULL) : NULL;
        json_object_set_new(answer, "status", json_integer(r->status));
        if (body)
            json_object_set_new(answer, "body", body);
        else
            json_object_set_new(answer, "text", json_text_new(r->body, r->body_len < 512 ? r->body_len : 512));
    }
    asked.done(answer, asked.userdata);
}

void endpoint_ask(struct endpoint *e, int i, const char *path, const json_t *body, int timeout_ms, answer_cb done,
                  void *userdata)
{
    _cleanup_free_ char *text = body ? json_compact(body) : NULL;
    struct asked *asked = xnew0(struct asked);
    *asked = (struct asked){.done = done, .userdata = userdata};
    call(e, i, path, text, timeout_ms, on_asked, asked);
}

struct endpoint *endpoint_free(struct endpoint *e)
{
    if (!e)
        return NULL;
    http_client_free(e->client);
    while (e->failures)
        failure_tell(e->failures);
    texts_free(e->urls);
    free(e->name);
    free(e->identity);
    free(e->why);
    free(e->secret_file);
    free(e->secret);
    free(e->user);
    free(e);
    return NULL;
}
