#include "cluster.h"

#include "base/alloc.h"
#include "base/text.h"
#include "kube/client.h"
#include "kube/kubeconfig.h"

#include <errno.h>
#include <systemd/sd-event.h>

struct cluster_reader {
    const struct config *config;
    sd_event *event;
    struct kube_client **clients; /* as the config's clusters; NULL until one is asked */
};

int cluster_reader_new(const struct config *config, struct cluster_reader **ret, struct error *err)
{
    struct cluster_reader *r = xnew0(struct cluster_reader);
    r->config = config;
    r->clients = xcalloc(config->n_clusters, sizeof(struct kube_client *));
    const int n = sd_event_new(&r->event);
    if (n < 0) {
        cluster_reader_free(r);
        return error_set(err, n, "cannot make an event loop");
    }
    *ret = r;
    return 0;
}

struct cluster_reader *cluster_reader_free(struct cluster_reader *r)
{
    if (!r)
        return NULL;
    for (size_t i = 0; i < r->config->n_clusters; i++)
        kube_client_free(r->clients[i]);
    free(r->clients);
    sd_event_unref(r->event);
    free(r);
    return NULL;
}

static json_t *local_error(const char *message)
{
    return json_pack("{s:s, s:s}", "error", "local", "message", message);
}

static int connect_cluster(struct cluster_reader *r, size_t i, struct error *err)
{
    const struct cluster_config *c = &r->config->clusters[i];
    _cleanup_(kube_config_freep) struct kube_config *k = NULL;
    int n =
        c->in_cluster ? kube_config_in_cluster(NULL, &k, err) : kube_config_load(c->kubeconfig, c->context, &k, err);
    if (n < 0)
        return n;
    str_replace(&k->name, c->name);
    return kube_client_new(r->event, TAKE_PTR(k), &r->clients[i], err);
}

struct kube_client *cluster_client(struct cluster_reader *r, const char *name, struct error *err)
{
    for (size_t i = 0; i < r->config->n_clusters; i++) {
        if (!str_empty(name) && !str_eq(r->config->clusters[i].name, name))
            continue;
        if (!r->clients[i] && connect_cluster(r, i, err) < 0)
            return NULL;
        return r->clients[i];
    }
    error_set(err, -ENOENT, "the config names no cluster \"%s\"", name);
    return NULL;
}

static void on_answer(json_t *answer_new, void *userdata)
{
    json_t **answer = userdata;
    *answer = answer_new;
}

static json_t *wait_for(struct cluster_reader *r, const char *cluster, const struct kube_request *request)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    struct kube_client *client = cluster_client(r, cluster, &err);
    json_t *answer = NULL;
    if (!client)
        return local_error(error_message(&err));
    kube_request_start(client, request, on_answer, &answer);
    while (!answer) /* the client has its own timeout and always answers */
        if (sd_event_run(r->event, UINT64_MAX) < 0)
            return local_error("the event loop failed");
    return answer;
}

bool cluster_wait(struct cluster_reader *r, const bool *done)
{
    while (!*done)
        if (sd_event_run(r->event, UINT64_MAX) < 0)
            return false;
    return true;
}

json_t *cluster_answer_new(struct cluster_reader *r, const json_t *question)
{
    if (str_eq(json_text(question, "ask"), "secret")) /* the files are on mendd's host: their values are taken as new */
        return json_pack("{s:i, s:s, s:i}", "status", 0, "sha256", "not read here", "bytes", 1);
    if (!str_eq(json_text(question, "ask"), "kube"))
        return local_error("not asked: a plan only reads the cluster");
    const struct kube_request request = {.class = KUBE_READ,
                                         .method = "GET",
                                         .path = json_text_or(question, "path", "/"),
                                         .text = json_bool_or(question, "text", false),
                                         .max_text = (int)json_int_or(question, "max", 0)};
    return wait_for(r, json_text(question, "cluster"), &request);
}

json_t *cluster_dry_run_new(struct cluster_reader *r, const json_t *planned)
{
    const json_t *body = json_object_get(planned, "body");
    const struct kube_request request = {.class = KUBE_WRITE,
                                         .method = json_text_or(planned, "method", "PATCH"),
                                         .path = json_text_or(planned, "path", "/"),
                                         .content_type = json_text(planned, "content_type"),
                                         .body = json_is_null(body) ? NULL : body,
                                         .dry_run = true};
    return wait_for(r, json_text(planned, "cluster"), &request);
}
