/* As whom the API server is asked: the kubeconfig's own token and certificate, a token file, or what the exec plugin
 * hands out. While the plugin runs requests wait in their queues; when it failed they are answered with its words
 * ("local": nobody could be asked); nothing is ever sent without a credential. */
#include "kube/client_internal.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/text.h"

#include <string.h>

static int way_new(const struct kube_client *c, const struct kube_credential *own, struct kube_way **ret,
                   struct error *err)
{
    const struct kube_config *k = c->config;
    const bool has_own = own && own->cert;
    const struct http_identity identity = {.ca_file = k->ca_file,
                                           .ca_data = k->ca_data,
                                           .cert_file = has_own ? NULL : k->cert_file,
                                           .cert_data = has_own ? own->cert : k->cert_data,
                                           .key_file = has_own ? NULL : k->key_file,
                                           .key_data = has_own ? own->key : k->key_data,
                                           .server_name = k->server_name,
                                           .proxy = k->proxy,
                                           .insecure = k->insecure,
                                           .http2 = true};
    struct http_client *http = NULL;
    int r = http_client_new(c->event, &identity, &http, err);
    if (r < 0)
        return r;
    *ret = xnew0(struct kube_way);
    (*ret)->http = http;
    (*ret)->own = has_own;
    return 0;
}

static void way_free(struct kube_way *way)
{
    if (!way)
        return;
    http_client_free(way->http);
    free(way);
}

struct kube_way *kube_way_use(struct kube_client *c)
{
    c->way->users++;
    return c->way;
}

void kube_way_leave(struct kube_way *way)
{
    if (way)
        way->users--;
}

void kube_ways_drop(struct kube_client *c)
{
    for (struct kube_way **w = &c->old_ways; *w;) {
        struct kube_way *way = *w;
        if (way->users > 0) {
            w = &way->next;
        } else {
            *w = way->next;
            way_free(way);
        }
    }
}

static void on_changed(void *userdata)
{
    struct kube_client *c = userdata;
    sd_event_source_set_enabled(c->defer, SD_EVENT_ONESHOT);
    kube_execs_wake(c);
}

static void set_token(struct kube_client *c, const char *token)
{
    if (c->token)
        explicit_bzero(c->token, strlen(c->token));
    str_replace(&c->token, token);
}

/* A new credential: its token, and connections of its own if it is a certificate, or was one until now: the API server
 * would take an old certificate before the new token. */
static int adopt(struct kube_client *c, struct error *err)
{
    unsigned generation = 0;
    const struct kube_credential *own = kube_plugin_credential(c->plugin, &generation);
    if (generation == c->credential)
        return 0;
    struct kube_way *way = NULL;
    if (own->cert || c->way->own) {
        int r = way_new(c, own, &way, err);
        if (r < 0)
            return r;
        c->way->next = c->old_ways;
        c->old_ways = c->way;
        c->way = way;
    }
    set_token(c, own->token ? own->token : c->config->token);
    c->credential = generation;
    return 0;
}

enum kube_plugin_state kube_access(struct kube_client *c, const char **why)
{
    static const char no_way[] = "the exec plugin's certificate cannot be used";
    _cleanup_error_ struct error err = ERROR_NONE;
    if (!c->plugin) {
        kube_token_refresh(c, false);
        return KUBE_PLUGIN_READY;
    }
    enum kube_plugin_state state = kube_plugin_ask(c->plugin);
    if (state == KUBE_PLUGIN_FAILED)
        *why = kube_plugin_why(c->plugin);
    if (state != KUBE_PLUGIN_READY || adopt(c, &err) >= 0)
        return state;
    log_event(LOG_LEVEL_WARN, no_way, "cluster", c->config->name, "error", error_message(&err), NULL);
    *why = no_way;
    return KUBE_PLUGIN_FAILED;
}

bool kube_access_refused(struct kube_client *c, unsigned credential)
{
    return c->plugin ? kube_plugin_refused(c->plugin, credential) : kube_token_refresh(c, true);
}

int kube_access_open(struct kube_client *c, struct error *err)
{
    c->token = c->config->token_file ? NULL : xstrdup(c->config->token);
    int r = way_new(c, NULL, &c->way, err);
    if (r >= 0 && c->config->plugin)
        r = kube_plugin_new(c->event, c->config, on_changed, c, &c->plugin, err);
    return r;
}

void kube_access_close(struct kube_client *c)
{
    c->plugin = kube_plugin_free(c->plugin);
    for (struct kube_way *way = c->old_ways; way; way = way->next)
        way->http = http_client_free(way->http);
    if (c->way)
        c->way->http = http_client_free(c->way->http);
    kube_ways_drop(c); /* their requests have been answered: nobody uses them */
    way_free(c->way);
    c->way = NULL;
    set_token(c, NULL);
}
