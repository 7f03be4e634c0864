#include "engine/clusters.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/text.h"
#include "kube/kubeconfig.h"

#include <errno.h>
#include <string.h>

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
    struct endpoint *alertmanager, *prometheus;
};

/* ---- the clusters ---- */

static int load(const struct cluster_config *c, struct kube_config **ret, struct error *err)
{
    if (c->in_cluster)
        return kube_config_in_cluster(NULL, ret, err);
    return kube_config_load(c->kubeconfig, c->context, ret, err);
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
        c->identity = kube_config_identity(k);
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

/* ---- Alertmanager, Prometheus ---- */

static void open_endpoints(struct clusters *c, const struct config *config, struct clusters *previous)
{
    char *prometheus[2] = {config->prometheus_url, NULL};
    c->alertmanager = endpoint_new(c->event, "Alertmanager", config->alertmanager_urls, &config->alertmanager_auth,
                                   previous ? previous->alertmanager : NULL);
    c->prometheus = endpoint_new(c->event, "Prometheus", prometheus, &config->prometheus_auth,
                                 previous ? previous->prometheus : NULL);
}

struct endpoint *clusters_alertmanager(struct clusters *c)
{
    return c->alertmanager;
}

struct endpoint *clusters_prometheus(struct clusters *c)
{
    return c->prometheus;
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
    open_endpoints(c, config, previous);
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
    endpoint_free(c->alertmanager);
    endpoint_free(c->prometheus);
    free(c);
    return NULL;
}

static json_t *answers_new(const struct kube_stats *st)
{
    json_t *o = json_object();
    for (size_t i = 1; i < ARRAY_SIZE(st->answers); i++) {
        const char class[] = {(char)('0' + i), 'x', 'x', '\0'};
        json_object_set_new(o, class, json_integer((json_int_t)st->answers[i]));
    }
    return o;
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
            json_object_set_new(o, "answers", answers_new(&st));
        } else {
            json_set_text(o, "error", k->why);
        }
        json_array_append_new(list, o);
    }
    return list;
}
