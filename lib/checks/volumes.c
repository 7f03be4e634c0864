/* volumes.claimed: what a workload's pods hold outlives them. An emptyDir, and the claim of an ephemeral volume, go
 * with their pod; a hostPath stays on a node that the next pod may not see. */
#include "base/text.h"
#include "checks/common.h"
#include "core/rights.h"

static const char *const kinds[] = {"Deployment", "StatefulSet", "DaemonSet", NULL};

static bool is_claimed(const json_t *object)
{
    size_t i;
    json_t *volume;
    if (json_array_size(json_path(object, "spec", "volumeClaimTemplates", NULL)) > 0)
        return true;
    json_array_foreach (json_path(object, "spec", "template", "spec", "volumes", NULL), i, volume) {
        if (json_object_get(volume, "persistentVolumeClaim"))
            return true;
    }
    return false;
}

static int claimed_judge(const struct check_in *in, struct check_result *ret)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_workloads_ struct workloads w = {0};
    _cleanup_strbuf_ struct strbuf bad = {.max = 1000}, good = {.max = 1000};
    int r = check_workloads(in, kinds, &w, &err);
    if (r < 0)
        return verdict_for(r, &err, ret);
    for (size_t i = 0; i < w.n; i++) {
        if (is_claimed(w.items[i].object))
            words_add(&good, "%s has a claim", w.items[i].label);
        else
            words_add(&bad, "%s has no claim: what its pods hold is lost with them", w.items[i].label);
    }
    if (bad.len)
        return check_say(ret, VERDICT_FAIL, "%s", strbuf_str(&bad));
    return check_say(ret, VERDICT_PASS, "%s", strbuf_str(&good));
}

static const struct param claimed_params[] = {
    {"kind", PARAM_KIND, false, NULL, "Deployment, StatefulSet or DaemonSet; the target's by default"},
    {"name", PARAM_NAME, false, NULL, "the workload; the target's owners by default"},
    {"selector", PARAM_SELECTOR, false, NULL, "all workloads of the kind with these labels"},
    {0},
};

static void claimed_rights(const struct rights_in *in)
{
    rights_look_at_objects(in, kinds);
}

const struct check check_volumes_claimed = {
    .name = "volumes.claimed",
    .params = claimed_params,
    .doc = "a workload's pods keep their data on a claim",
    .judge = claimed_judge,
    .rights = claimed_rights,
};
