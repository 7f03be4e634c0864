/* Everything is an alert: what mendd notices by itself goes through the same table as what Alertmanager sends, by names
 * that are refused from outside (semantics.md, "Alerts and episodes"). */
#include "base/alloc.h"
#include "base/text.h"
#include "core/internal.h"

#include <string.h>

static struct alert *internal_alert_new(struct core *c, const json_t *labels, const json_t *annotations,
                                        const char *starts, bool firing, struct error *err)
{
    _cleanup_json_ json_t *j = json_object();
    json_object_set_new(j, "labels", json_deep_copy(labels));
    json_object_set_new(j, "annotations", annotations ? json_deep_copy(annotations) : json_object());
    json_set_text(j, "status", firing ? "firing" : "resolved");
    json_set_text(j, "startsAt", starts);
    return alert_from_json(j, NULL, c->now, err);
}

struct run *episode_internal_find(struct core *c, const json_t *labels)
{
    struct run *run = NULL;
    char now[TIME_TEXT_MAX];
    _cleanup_(alert_freep) struct alert *alert =
        internal_alert_new(c, labels, NULL, time_format(c->now.wall_us, now), true, NULL);
    if (alert)
        HASH_FIND(hh_episode, c->episodes, alert->fingerprint, strlen(alert->fingerprint), run);
    return run;
}

struct run *episode_internal(struct core *c, const json_t *labels, const json_t *annotations, const char *starts,
                             bool firing)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_(alert_freep) struct alert *alert = internal_alert_new(c, labels, annotations, starts, firing, &err);
    if (!alert) {
        core_note(c, NULL, NOTE_ERROR, REASON_MALFORMED, "an alert of mendd's own cannot be raised: %s",
                  error_message(&err));
        return NULL;
    }
    return episode_take(c, alert);
}
