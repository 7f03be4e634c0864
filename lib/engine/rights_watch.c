/* The reviews of the running mendd: at the start and at a reload, and again while something is missing or not known. */
#include "base/alloc.h"
#include "base/log.h"
#include "base/text.h"
#include "engine/internal.h"
#include "engine/reviews.h"

#define AGAIN_US (UINT64_C(5) * 60 * USEC_PER_SEC)
enum { LOGGED_MAX = 20, ACCURACY_US = 1000000 };

static struct kube_client *client_of(const char *cluster, const char **ret_why, void *userdata)
{
    struct engine *e = userdata;
    return clusters_find(e->clusters, cluster, ret_why);
}

static void say(const json_t *result)
{
    _cleanup_json_ json_t *words = reviews_words_new(result);
    const size_t n = json_array_size(words);
    size_t i;
    json_t *line;
    json_array_foreach (words, i, line) {
        if (i < LOGGED_MAX)
            log_event(LOG_LEVEL_WARN, json_string_value(line), "help", "`mendctl rbac` prints the roles that allow it",
                      NULL);
    }
    if (n > LOGGED_MAX) {
        _cleanup_free_ char *more = xasprintf("%zu more rights are missing (mendctl check --cluster)", n - LOGGED_MAX);
        log_event(LOG_LEVEL_WARN, more, NULL);
    }
    if (n == 0)
        log_event(LOG_LEVEL_INFO, "mendd may do all that its playbooks need", NULL);
}

static void on_reviewed(const json_t *result, void *userdata)
{
    struct engine *e = userdata;
    const bool well = json_array_size(json_object_get(result, "missing")) == 0 &&
                      json_array_size(json_object_get(result, "unknown")) == 0;
    if (!json_equal(e->rights, result))
        say(result);
    json_decref(e->rights);
    e->rights = json_deep_copy(result);
    if (!well && e->rights_source) {
        sd_event_source_set_time_relative(e->rights_source, AGAIN_US);
        sd_event_source_set_enabled(e->rights_source, SD_EVENT_ONESHOT);
    }
}

static int on_again(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
    rights_review(userdata);
    return 0;
}

void rights_review(struct engine *e)
{
    _cleanup_free_ const char **names = xcalloc(e->config->n_clusters + 1, sizeof(*names));
    for (size_t i = 0; i < e->config->n_clusters; i++)
        names[i] = e->config->clusters[i].name;
    if (!e->rights_source && sd_event_add_time_relative(e->event, &e->rights_source, CLOCK_BOOTTIME, AGAIN_US,
                                                        ACCURACY_US, on_again, e) >= 0)
        sd_event_source_set_enabled(e->rights_source, SD_EVENT_OFF);
    reviews_free(e->reviews);
    e->reviews = reviews_start(&(struct reviews_in){
        .settings = &e->settings, .clusters = names, .client = client_of, .done = on_reviewed, .userdata = e});
}

void rights_stop(struct engine *e)
{
    e->reviews = reviews_free(e->reviews);
    sd_event_source_disable_unref(e->rights_source);
    e->rights_source = NULL;
    json_decref(e->rights);
    e->rights = NULL;
}

json_t *rights_status_new(const struct engine *e)
{
    json_t *o =
        e->rights ? json_deep_copy(e->rights) : json_pack("{s:i, s:[], s:[]}", "asked", 0, "missing", "unknown");
    const bool known = e->rights && json_array_size(json_object_get(o, "unknown")) == 0;
    json_object_del(o, "faults");
    json_object_set_new(o, "known", json_boolean(known));
    json_object_set_new(o, "words", e->rights ? reviews_words_new(e->rights) : json_array());
    return o;
}
