/* flux.ready: what Flux itself says. After a flux.reconcile of the run only an answer to that request counts:
 * status.lastHandledReconcileAt equals the annotation (fluxcd/flux2 cmd/flux/reconcile.go). */
#include "base/alloc.h"
#include "base/text.h"
#include "checks/common.h"

#include <errno.h>

#define REQUESTED_AT "reconcile.fluxcd.io/requestedAt"

static const json_t *ready_condition(const struct workload *w)
{
    size_t i;
    json_t *c;
    json_array_foreach (json_path(w->object, "status", "conditions", NULL), i, c) {
        if (str_eq(json_text(c, "type"), "Ready"))
            return c;
    }
    return NULL;
}

static bool is_ready(const struct workload *w, struct strbuf *b)
{
    const json_t *ready = ready_condition(w), *meta = json_object_get(w->object, "metadata");
    const char *requested = json_path_text(meta, "annotations", REQUESTED_AT, NULL);
    const char *handled = json_path_text(w->object, "status", "lastHandledReconcileAt", NULL);
    const json_t *observed = json_path(w->object, "status", "observedGeneration", NULL);
    if (json_is_true(json_path(w->object, "spec", "suspend", NULL))) {
        words_add(b, "%s is suspended", w->label);
        return false;
    }
    if (requested && !str_eq(requested, handled)) {
        words_add(b, "%s has not handled the request of %s yet", w->label, requested);
        return false;
    }
    if (json_is_integer(observed) && json_integer_value(observed) < json_int_or(meta, "generation", 0)) {
        words_add(b, "%s has not seen the last change yet", w->label);
        return false;
    }
    words_add(b, "%s: Ready=%s %s", w->label, json_text_or(ready, "status", "?"), json_text_or(ready, "message", ""));
    return str_eq(json_text(ready, "status"), "True");
}

static int ready_judge(const struct check_in *in, struct check_result *ret)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_workloads_ struct workloads w = {0};
    _cleanup_strbuf_ struct strbuf words = {.max = 1000};
    int r = check_workloads(in, NULL, &w, &err);
    if (r < 0)
        return verdict_for(r, &err, ret);
    bool all = true;
    for (size_t i = 0; i < w.n; i++)
        all = is_ready(&w.items[i], &words) && all;
    return check_say(ret, all ? VERDICT_PASS : VERDICT_FAIL, "%s", strbuf_str(&words));
}

static const struct param ready_params[] = {
    {"apiVersion", PARAM_TEXT, false, NULL, "group/version; found by itself for Kustomization and HelmRelease"},
    {"kind", PARAM_KIND, false, NULL, "Kustomization, HelmRelease, GitRepository, …; the target's by default"},
    {"namespace", PARAM_NAME, false, NULL, "the target's by default"},
    {"name", PARAM_NAME, false, NULL, "which one; the target by default"},
    {0},
};

const struct check check_flux_ready = {
    .name = "flux.ready",
    .params = ready_params,
    .doc = "a Flux object is reconciled and Ready",
    .judge = ready_judge,
    .rights = check_look_rights,
};
