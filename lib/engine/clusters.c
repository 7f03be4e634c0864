#include "engine/clusters.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "kube/kubeconfig.h"

#include <errno.h>
#include <string.h>

enum { ALERTMANAGER_ANSWER_MAX = 1 << 26 };

struct cluster {
    char *name,
        *identity; /* identity: everything that makes its client what it is, to see whether a reload changed it */
    struct kube_client *client;
    char *why; /* client NULL */
};

struct clusters {
    sd_event *event;
    struct cluster *list;
    size_t n;
    char **alertmanager_urls;
    size_t n_alertmanagers;
    struct http_client *alertmanager;
    char *alertmanager_identity; /* what its client is made of, as with clusters */
    char *alertmanager_why, *alertmanager_header_file, *alertmanager_header, *alertmanager_user;
    struct failure *failures;
};

/* A call that failed before it left: told with the next turn of the loop, never from within. */
struct failure {
    char *why;
    http_done_cb done;
    void *userdata;
    sd_event_source *source;
    struct failure *next, **link;
};

/* ---- the clusters ---- */

static int load(const struct cluster_config *c, struct kube_config **ret, struct error *err)
{
    if (c->in_cluster)
        return kube_config_in_cluster(NULL, ret, err);
    return kube_config_load(c->kubeconfig, c->context, ret, err);
}

static char *identity_of(const struct kube_config *k)
{
    const char *parts[] = {k->server,     k->ca_file,   k->ca_data,   k->server_name, k->token,
                           k->token_file, k->cert_file, k->cert_data, k->key_file,    k->key_data};
    struct strbuf b = STRBUF_INIT;
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        strbuf_printf(&b, "%s\n", parts[i] ? parts[i] : "");
    strbuf_puts(&b, k->insecure ? "insecure" : "");
    return strbuf_take(&b);
}

static struct kube_client *carry_over(struct clusters *previous, const char *name, const char *identity)
{
    for (size_t i = 0; previous && i < previous->n; i++)
        if (str_eq(previous->list[i].name, name) && str_eq(previous->list[i].identity, identity))
            return TAKE_PTR(previous->list[i].client);
    return NULL;
}

static void cluster_open(struct clusters *all, struct cluster *c, const struct cluster_config *config,
                         struct clusters *previous)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_(kube_config_freep) struct kube_config *k = NULL;
    c->name = xstrdup(config->name);
    if (load(config, &k, &err) >= 0) {
        c->identity = identity_of(k);
        c->client = carry_over(previous, c->name, c->identity);
        str_replace(&k->name, c->name);
        if (!c->client)
            kube_client_new(all->event, TAKE_PTR(k), &c->client, &err);
    }
    if (c->client)
        return;
    c->why = xasprintf("cluster \"%s\" cannot be used: %s", c->name, error_message(&err));
    log_event(LOG_LEVEL_ERROR, "a cluster of the configuration cannot be used; its alerts will be escalated", "cluster",
              c->name, "error", error_message(&err), NULL);
}

struct kube_client *clusters_find(struct clusters *c, const char *name, const char **why)
{
    for (size_t i = 0; i < c->n; i++) {
        if (!str_empty(name) && !str_eq(c->list[i].name, name))
            continue;
        *why = c->list[i].why;
        return c->list[i].client;
    }
    *why = "no cluster of that name is in the configuration";
    return NULL;
}

/* ---- Alertmanager ---- */

static void alertmanager_client(struct clusters *c, const struct endpoint_auth *a, struct clusters *previous)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    const struct http_identity id = {
        .ca_file = a->ca_file, .cert_file = a->cert_file, .key_file = a->key_file, .insecure = a->insecure};
    c->alertmanager_identity = xasprintf("%s\n%s\n%s\n%d", a->ca_file ? a->ca_file : "",
                                         a->cert_file ? a->cert_file : "", a->key_file ? a->key_file : "", a->insecure);
    if (previous && str_eq(previous->alertmanager_identity, c->alertmanager_identity))
        c->alertmanager = TAKE_PTR(previous->alertmanager);
    if (!c->alertmanager && http_client_new(c->event, &id, &c->alertmanager, &err) < 0)
        c->alertmanager_why = xasprintf("Alertmanager's client: %s", error_message(&err));
}

static void open_alertmanager(struct clusters *c, const struct config *config, struct clusters *previous)
{
    const struct endpoint_auth *a = &config->alertmanager_auth;
    c->n_alertmanagers = config->n_alertmanagers;
    c->alertmanager_urls = xcalloc(c->n_alertmanagers, sizeof(char *));
    for (size_t i = 0; i < c->n_alertmanagers; i++)
        c->alertmanager_urls[i] = xstrdup(config->alertmanager_urls[i]);
    if (c->n_alertmanagers == 0)
        return;
    alertmanager_client(c, a, previous);
    c->alertmanager_user = xstrdup(a->username);
    c->alertmanager_header_file = xstrdup(a->bearer_token_file ? a->bearer_token_file : a->password_file);
    c->alertmanager_header = xstrdup(a->bearer_token ? a->bearer_token : a->password);
}

static char *base64(const char *s)
{
    static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct strbuf b = STRBUF_INIT;
    for (size_t n = strlen(s); n > 0; s += n < 3 ? n : 3, n -= n < 3 ? n : 3) {
        const unsigned char in[3] = {(unsigned char)s[0], n > 1 ? (unsigned char)s[1] : 0,
                                     n > 2 ? (unsigned char)s[2] : 0};
        strbuf_putc(&b, set[in[0] >> 2]);
        strbuf_putc(&b, set[(in[0] & 3) << 4 | in[1] >> 4]);
        strbuf_putc(&b, n > 1 ? set[(in[1] & 15) << 2 | in[2] >> 6] : '=');
        strbuf_putc(&b, n > 2 ? set[in[2] & 63] : '=');
    }
    return strbuf_take(&b);
}

/* Read anew for each request: the file is rotated without a reload. */
static int authorization(const struct clusters *c, char **ret, struct error *err)
{
    _cleanup_free_ char *secret = xstrdup(c->alertmanager_header);
    *ret = NULL;
    if (c->alertmanager_header_file) {
        int r = secret_read(c->alertmanager_header_file, &secret, err);
        if (r < 0)
            return r;
    }
    if (!secret)
        return 0;
    if (c->alertmanager_user) {
        _cleanup_free_ char *pair = xasprintf("%s:%s", c->alertmanager_user, secret);
        _cleanup_free_ char *encoded = base64(pair);
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

static void fail_later(struct clusters *c, const char *why, http_done_cb done, void *userdata)
{
    struct failure *f = xnew0(struct failure);
    *f = (struct failure){.why = xstrdup(why), .done = done, .userdata = userdata, .next = c->failures};
    f->link = &c->failures;
    if (f->next)
        f->next->link = &f->next;
    c->failures = f;
    if (sd_event_add_defer(c->event, &f->source, on_failure, f) < 0)
        f->source = NULL; /* told when the clients are freed */
}

static void call_alertmanager(struct clusters *c, int peer, const char *path, const char *body, int timeout_ms,
                              http_done_cb done, void *userdata)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_free_ char *auth = NULL;
    if (peer < 0 || (size_t)peer >= c->n_alertmanagers || !c->alertmanager) {
        fail_later(c, c->alertmanager_why ? c->alertmanager_why : "no such Alertmanager is in the configuration", done,
                   userdata);
        return;
    }
    if (authorization(c, &auth, &err) < 0) {
        fail_later(c, error_message(&err), done, userdata);
        return;
    }
    _cleanup_free_ char *url = xasprintf("%s%s", c->alertmanager_urls[peer], path);
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
                                     .max_answer = ALERTMANAGER_ANSWER_MAX};
    if (http_start(c->alertmanager, &req, done, userdata, NULL, &err) < 0)
        fail_later(c, error_message(&err), done, userdata);
}

struct asked {
    answer_cb done;
    void *userdata;
};

static void on_alertmanager(const struct http_result *r, void *userdata)
{
    struct asked asked = *(struct asked *)userdata;
    free(userdata);
    json_t *answer = json_object();
    if (r->error != HTTP_OK) {
        json_set_text(answer, "error", http_error_name(r->error));
        json_set_text(answer, "message", r->message);
    } else {
        json_t *body = r->body_len ? json_parse(r->body, r->body_len, ALERTMANAGER_ANSWER_MAX, false, NULL) : NULL;
        json_object_set_new(answer, "status", json_integer(r->status));
        if (body)
            json_object_set_new(answer, "body", body);
        else
            json_object_set_new(answer, "text", json_text_new(r->body, r->body_len < 512 ? r->body_len : 512));
    }
    asked.done(answer, asked.userdata);
}

void clusters_alertmanager(struct clusters *c, int peer, const char *path, const json_t *body, int timeout_ms,
                           answer_cb done, void *userdata)
{
    _cleanup_free_ char *text = body ? json_compact(body) : NULL;
    struct asked *asked = xnew0(struct asked);
    *asked = (struct asked){.done = done, .userdata = userdata};
    call_alertmanager(c, peer, path, text, timeout_ms, on_alertmanager, asked);
}

void clusters_alertmanager_get(struct clusters *c, int peer, const char *path, int timeout_ms, http_done_cb done,
                               void *userdata)
{
    call_alertmanager(c, peer, path, NULL, timeout_ms, done, userdata);
}

size_t clusters_n_alertmanagers(const struct clusters *c)
{
    return c->n_alertmanagers;
}

/* ---- all of it ---- */

struct clusters *clusters_new(sd_event *event, const struct config *config, struct clusters *previous)
{
    struct clusters *c = xnew0(struct clusters);
    c->event = event;
    c->n = config->n_clusters;
    c->list = xcalloc(c->n, sizeof(*c->list));
    for (size_t i = 0; i < c->n; i++)
        cluster_open(c, &c->list[i], &config->clusters[i], previous);
    open_alertmanager(c, config, previous);
    return c;
}

struct clusters *clusters_free(struct clusters *c)
{
    if (!c)
        return NULL;
    for (size_t i = 0; i < c->n; i++) {
        kube_client_free(c->list[i].client);
        free(c->list[i].name);
        free(c->list[i].identity);
        free(c->list[i].why);
    }
    free(c->list);
    http_client_free(c->alertmanager);
    while (c->failures)
        failure_tell(c->failures);
    for (size_t i = 0; i < c->n_alertmanagers; i++)
        free(c->alertmanager_urls[i]);
    free(c->alertmanager_urls);
    free(c->alertmanager_identity);
    free(c->alertmanager_why);
    free(c->alertmanager_header);
    free(c->alertmanager_header_file);
    free(c->alertmanager_user);
    free(c);
    return NULL;
}

json_t *clusters_status_new(const struct clusters *c)
{
    json_t *list = json_array();
    for (size_t i = 0; i < c->n; i++) {
        const struct cluster *k = &c->list[i];
        json_t *o = json_object();
        json_set_text(o, "name", k->name);
        if (k->client) {
            struct kube_stats st;
            kube_client_stats(k->client, &st);
            json_set_text(o, "server", kube_client_server(k->client));
            json_object_set_new(o, "requests", json_integer((json_int_t)st.requests));
            json_object_set_new(o, "errors", json_integer((json_int_t)st.errors));
            json_object_set_new(o, "retries", json_integer((json_int_t)st.retries));
            json_object_set_new(o, "in_flight", json_integer((json_int_t)st.in_flight));
        } else {
            json_set_text(o, "error", k->why);
        }
        json_array_append_new(list, o);
    }
    return list;
}
