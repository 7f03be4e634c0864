/* The active alerts, from every Alertmanager's /api/v2/alerts: when a webhook was truncated or too large, what it left
 * out is found there. They take the same way as a webhook's: journalled, then decided; known ones only raise `seen`. */
#include "base/alloc.h"
#include "base/log.h"
#include "engine/internal.h"

#include <string.h>

enum { TIMEOUT_MS = 10000 };

/* A gettable alert of the API says its status as an object; a webhook's says it as text. */
static json_t *to_webhook(const json_t *alert)
{
    json_t *o = json_object();
    static const char *const same[] = {"labels", "annotations", "startsAt", "endsAt", "generatorURL", "fingerprint"};
    for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
        json_t *value = json_object_get(alert, same[i]);
        if (value)
            json_object_set(o, same[i], value);
    }
    json_object_set_new(o, "status", json_string("firing"));
    return o;
}

static void on_alerts(json_t *answer_new, void *userdata)
{
    struct engine *e = userdata;
    _cleanup_json_ json_t *answer = answer_new;
    const json_t *list = json_object_get(answer, "body");
    if (e->stopping || e->broken)
        return;
    if (json_int_or(answer, "status", 0) != 200 || !json_is_array(list)) {
        log_event(LOG_LEVEL_ERROR, "the active alerts could not be read from Alertmanager; alerts may be missing",
                  "error", json_text_or(answer, "message", "unexpected answer"), NULL);
        return;
    }
    if (json_array_size(list) == 0)
        return;
    _cleanup_json_ json_t *payload = json_pack("{s:s, s:[]}", "status", "firing", "alerts");
    size_t i;
    json_t *alert;
    json_array_foreach (list, i, alert)
        json_array_append_new(json_object_get(payload, "alerts"), to_webhook(alert));
    char *body = json_compact(payload);
    engine_ingest(e, body, strlen(body), ingest_nobody, NULL);
}

void refetch_alerts(struct engine *e)
{
    for (size_t i = 0; i < clusters_n_alertmanagers(e->clusters); i++)
        clusters_alertmanager(e->clusters, (int)i, "/api/v2/alerts?active=true&silenced=false&inhibited=false", NULL,
                              TIMEOUT_MS, on_alerts, e);
}
