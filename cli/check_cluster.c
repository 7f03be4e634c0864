/* mendctl check --cluster: asks the API servers of the configuration whether mendd may do what the playbooks need, with
 * the credentials that the configuration names. */
#include "check_cluster.h"

#include "base/alloc.h"
#include "base/text.h"
#include "cluster.h"
#include "engine/reviews.h"

#include <errno.h>

struct asking {
    struct cluster_reader *reader;
    struct error err; /* of the last client that could not be had */
    json_t *result;
    bool done;
};

static struct kube_client *client_of(const char *cluster, const char **ret_why, void *userdata)
{
    struct asking *a = userdata;
    error_clear(&a->err);
    struct kube_client *client = cluster_client(a->reader, cluster, &a->err);
    *ret_why = client ? NULL : error_message(&a->err);
    return client;
}

static void on_done(const json_t *result, void *userdata)
{
    struct asking *a = userdata;
    a->result = json_deep_copy(result);
    a->done = true;
}

json_t *check_cluster_new(const struct config *config, struct playbook_table *table, struct error *err)
{
    struct settings settings;
    struct asking a = {.err = ERROR_NONE};
    _cleanup_(cluster_reader_freep) struct cluster_reader *reader = NULL;
    _cleanup_free_ const char **names = xcalloc(config->n_clusters + 1, sizeof(*names));
    for (size_t i = 0; i < config->n_clusters; i++)
        names[i] = config->clusters[i].name;
    if (cluster_reader_new(config, &reader, err) < 0)
        return NULL;
    a.reader = reader;
    settings_from_config(config, table, &settings);
    struct reviews *reviews = reviews_start(&(struct reviews_in){
        .settings = &settings, .clusters = names, .client = client_of, .done = on_done, .userdata = &a});
    if (!cluster_wait(reader, &a.done))
        error_set(err, -EIO, "the event loop failed");
    reviews_free(reviews);
    error_clear(&a.err);
    return a.result;
}
