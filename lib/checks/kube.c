/* endpoints.ready and condition: what Kubernetes itself says of a Service and of any object. */
#include "base/alloc.h"
#include "base/text.h"
#include "checks/common.h"

#include <errno.h>
#include <strings.h>

/* ---- endpoints.ready ---- */

/* One pod may stand in several subsets (one a port): it counts once. Pods on the node's network may share an address.
 */
static int64_t count_addresses(const json_t *endpoints)
{
    _cleanup_json_ json_t *seen = json_object();
    size_t i, k;
    json_t *subset, *address;
    json_array_foreach (json_object_get(endpoints, "subsets"), i, subset) {
        json_array_foreach (json_object_get(subset, "addresses"), k, address) {
            const char *uid = json_path_text(address, "targetRef", "uid", NULL), *ip = json_text(address, "ip");
            if (uid || ip)
                json_object_set_new(seen, uid ? uid : ip, json_true());
        }
    }
    return (int64_t)json_object_size(seen);
}

static int endpoints_judge(const struct check_in *in, struct check_result *ret)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    const char *service = json_text_or(in->with, "service", in->target->name),
               *namespace = target_namespace(in->target);
    const int64_t min = json_int_or(in->with, "min", 1);
    const json_t *endpoints = NULL;
    if (!service || str_empty(namespace))
        return check_say(ret, VERDICT_UNKNOWN, "which service is meant is not said");
    _cleanup_free_ char *path = kube_path(&kind_endpoints, namespace, service, NULL);
    _cleanup_free_ char *what = kube_what("GET", &kind_endpoints, namespace, service);
    int r = read_kube(in->asks, in->cluster, path, what, &endpoints, &err);
    if (r < 0)
        return verdict_for(r, &err, ret);
    const int64_t n = count_addresses(endpoints);
    return check_say(ret, n >= min ? VERDICT_PASS : VERDICT_FAIL, "service %s/%s has %lld ready address%s, %lld needed",
                     namespace, service, (long long)n, n == 1 ? "" : "es", (long long)min);
}

static const struct param endpoints_params[] = {
    {"service", PARAM_NAME, false, NULL, "the Service in the target's namespace; the target's name by default"},
    {"min", PARAM_INT, false, NULL, "at least this many ready addresses (1)"},
    {0},
};

static void endpoints_rights(const struct rights_in *in)
{
    _cleanup_choices_ struct choices names = rights_param_or_target(in, "service");
    rights_read(in, &(struct rights_what){.kind = "Endpoints", .names = &names}, "get");
}

const struct check check_endpoints_ready = {
    .name = "endpoints.ready",
    .params = endpoints_params,
    .doc = "a Service has ready addresses behind it",
    .judge = endpoints_judge,
    .rights = endpoints_rights,
};

/* ---- condition ---- */

/* The condition's own observedGeneration, else the status's, must have caught up (kubectl wait). */
static bool is_stale(const json_t *object, const json_t *condition)
{
    const json_t *seen = json_object_get(condition, "observedGeneration");
    seen = seen ? seen : json_path(object, "status", "observedGeneration", NULL);
    return json_is_integer(seen) &&
           json_integer_value(seen) < json_int_or(json_path(object, "metadata", NULL), "generation", 0);
}

static bool condition_holds(const struct workload *w, const char *type, const char *status, struct strbuf *b)
{
    size_t i;
    json_t *c;
    json_array_foreach (json_path(w->object, "status", "conditions", NULL), i, c) {
        if (strcasecmp(json_text_or(c, "type", ""), type) != 0)
            continue;
        const bool stale = is_stale(w->object, c);
        words_add(b, "%s: %s=%s%s%s%s", w->label, type, json_text_or(c, "status", "?"),
                  json_text(c, "message") ? " " : "", json_text_or(c, "message", ""),
                  stale ? " (from before the last change)" : "");
        return !stale && strcasecmp(json_text_or(c, "status", ""), status) == 0;
    }
    words_add(b, "%s has no condition %s", w->label, type);
    return false;
}

static int condition_judge(const struct check_in *in, struct check_result *ret)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_workloads_ struct workloads w = {0};
    _cleanup_strbuf_ struct strbuf words = {.max = 1000};
    const char *type = json_text_or(in->with, "type", "");
    int r = check_workloads(in, NULL, &w, &err);
    if (r < 0)
        return verdict_for(r, &err, ret);
    bool all = true;
    for (size_t i = 0; i < w.n; i++) {
        const int64_t made = effect_generation(in, &w.items[i]);
        const bool old = json_int_or(json_path(w.items[i].object, "metadata", NULL), "generation", 0) < made;
        if (old)
            words_add(&words, "%s: the change is not visible yet", w.items[i].label);
        all = !old && condition_holds(&w.items[i], type, json_text_or(in->with, "status", "True"), &words) && all;
    }
    return check_say(ret, all ? VERDICT_PASS : VERDICT_FAIL, "%s", strbuf_str(&words));
}

static const struct param condition_params[] = {
    {"apiVersion", PARAM_TEXT, false, NULL, "group/version of the kind; needed for custom resources only"},
    {"kind", PARAM_KIND, false, NULL, "any kind; the target's by default"},
    {"namespace", PARAM_NAME, false, NULL, "the target's by default"},
    {"name", PARAM_NAME, false, NULL, "the object; the target's owners by default"},
    {"type", PARAM_TEXT, true, NULL, "the condition: Ready, Available, …"},
    {"status", PARAM_TEXT, false, NULL, "what it must say (True)"},
    {0},
};

const struct check check_condition = {
    .name = "condition",
    .params = condition_params,
    .doc = "an object's status condition says what it should",
    .judge = condition_judge,
    .rights = check_look_rights,
};
