/* Patches as the API server applies them: kubesim's own merge patch and JSON patch, which the contract suite compares
 * with a real one. Strategic patches of maps are merge patches; mendd's actions send no other. */
#include "sim.h"

#include "base/text.h"

json_t *patched_new(const json_t *object, const char *content_type, const json_t *patch);

json_t *patched_new(const json_t *object, const char *content_type, const json_t *patch)
{
    struct answer a = {0};
    return str_eq(content_type, "application/json-patch+json") ? json_patch(object, patch, &a)
                                                               : merge_patch(object, patch);
}

/* What kubesim would answer does not matter here, only that it refuses. */
void answer_fail(struct answer *a, int code, const char *reason, json_t *details_taken, const char *fmt, ...)
{
    (void)reason;
    (void)fmt;
    json_decref(details_taken);
    a->code = code;
}

void fail_bad_request(struct answer *a, const char *fmt, ...)
{
    (void)fmt;
    a->code = 400;
}
