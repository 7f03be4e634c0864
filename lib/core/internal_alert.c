/* Everything is an alert: what mendd notices by itself goes through the same table as what Alertmanager sends, by names
 * that are refused from outside (semantics.md, "Alerts and episodes"). */
#include "base/alloc.h"
#include "base/text.h"
#include "core/internal.h"

struct run *episode_internal(struct core *c, const json_t *labels, const json_t *annotations, const char *starts,
                             bool firing)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_json_ json_t *j = json_object();
    json_object_set_new(j, "labels", json_deep_copy(labels));
    json_object_set_new(j, "annotations", annotations ? json_deep_copy(annotations) : json_object());
    json_set_text(j, "status", firing ? "firing" : "resolved");
    json_set_text(j, "startsAt", starts);
    _cleanup_(alert_freep) struct alert *alert = alert_from_json(j, NULL, c->now, &err);
    if (!alert) {
        core_note(c, NULL, NOTE_ERROR, REASON_MALFORMED, "an alert of mendd's own cannot be raised: %s",
                  error_message(&err));
        return NULL;
    }
    return episode_take(c, alert);
}
