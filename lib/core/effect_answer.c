/* What an answer to an effect says by itself, before anything is looked at. Pure functions on JSON. */
#include "base/alloc.h"
#include "base/text.h"
#include "core/internal.h"

#include <errno.h>

bool surely_not_sent(const json_t *answer)
{
    static const char *const errors[] = {"refused", "dns", "local", "tls", NULL};
    const char *error = json_text(answer, "error");
    return error && (str_in(error, errors) || !json_bool_or(answer, "sent", true));
}

/* A guard in the request did not hold: metadata.uid in a merge or strategic patch (422 and this cause up to 1.20, 409
 * later), or a `test` of a JSON patch (a bare 422). What stands there now must be looked at before anything is said. */
bool guard_refused(const json_t *effect, const json_t *answer)
{
    size_t i;
    json_t *cause;
    if (answer_status(answer) != 422)
        return false;
    json_array_foreach (json_path(answer_body(answer), "details", "causes", NULL), i, cause) {
        if (str_eq(json_text(cause, "field"), "metadata.uid"))
            return true;
    }
    return str_eq(json_text(effect, "content_type"), "application/json-patch+json");
}

/* Server-side apply: a field of the patch is somebody else's. Trying again would not change that. */
bool is_managed_by_others(const json_t *answer)
{
    size_t i;
    json_t *cause;
    if (answer_status(answer) != 409)
        return false;
    json_array_foreach (json_path(answer_body(answer), "details", "causes", NULL), i, cause) {
        if (str_eq(json_text(cause, "reason"), "FieldManagerConflict"))
            return true;
    }
    return false;
}

/* Nothing was touched, and nothing has to be looked at to know that. */
bool surely_refused(const json_t *effect, const json_t *answer)
{
    int status = answer_status(answer);
    if (is_managed_by_others(answer))
        return true;
    return !json_text(answer, "error") && status >= 400 && status < 500 && status != 404 && status != 408 &&
           status != 409 && !guard_refused(effect, answer);
}

/* Server-side apply may make the object, which takes `create` beside `patch`; the API server refuses that without a
 * word of what is missing (apiserver, endpoints/handlers/create.go, withAuthorization). */
void say_what_apply_lacks(const json_t *effect, const json_t *answer, struct error *err)
{
    const json_t *details = json_object_get(answer_body(answer), "details");
    const char *namespace = json_path_text(effect, "object", "namespace", NULL);
    if (answer_status(answer) != 403 || !str_eq(json_text(effect, "method"), "PATCH") ||
        !str_eq(json_text(effect, "recognise"), "name") ||
        !str_ends(json_text_or(answer_body(answer), "message", ""), "is forbidden: "))
        return;
    _cleanup_free_ char *said = xstrdup(error_message(err));
    error_set(err, -EACCES, "%smendd cannot create resource \"%s\" in API group \"%s\"%s%s%s", said,
              json_text_or(details, "kind", "?"), json_text_or(details, "group", ""),
              namespace ? " in the namespace \"" : "", namespace ? namespace : "", namespace ? "\"" : "");
}
