/* Volume claims: bound at once, grown at once where their StorageClass allows it; never shrunk, and not before they are
 * bound. */
#include "sim.h"

#include "base/alloc.h"
#include "base/text.h"

double quantity(const char *s)
{
    static const struct {
        const char *suffix;
        double factor;
    } units[] = {{"m", 1e-3}, {"Ki", 1024.0}, {"Mi", 1048576.0}, {"Gi", 1073741824.0}, {"Ti", 1099511627776.0},
                 {"k", 1e3},  {"M", 1e6},     {"G", 1e9},        {"T", 1e12},          {"", 1}};
    char *end;
    const double n = s ? strtod(s, &end) : 0;
    for (size_t i = 0; s && i < ARRAY_SIZE(units); i++)
        if (str_eq(end, units[i].suffix))
            return n * units[i].factor;
    return 0;
}

static const char *size_of(const json_t *claim)
{
    return json_path_text(claim, "spec", "resources", "requests", "storage", NULL);
}

/* All of the spec but the size of a bound claim stays as it was made. */
bool check_claim_update(const json_t *next, const json_t *old, struct answer *a)
{
    const struct kind *kind = kind_row(KIND_PVC);
    const char *name = json_path_text(old, "metadata", "name", NULL);
    _cleanup_json_ json_t *x = json_deep_copy(json_object_get(next, "spec"));
    _cleanup_json_ json_t *y = json_deep_copy(json_object_get(old, "spec"));
    if (str_eq(json_path_text(old, "status", "phase", NULL), "Bound")) {
        json_object_del(json_object_get(x, "resources"), "requests");
        json_object_del(json_object_get(y, "resources"), "requests");
    }
    if (!json_equal(x, y))
        fail_invalid(a, kind, name, "spec", "FieldValueForbidden",
                     "Forbidden: spec is immutable after creation except resources.requests for bound claims\n");
    else if (quantity(size_of(next)) < quantity(size_of(old)))
        fail_invalid(a, kind, name, "spec.resources.requests.storage", "FieldValueForbidden",
                     "Forbidden: field can not be less than previous value");
    return !answered(a);
}

bool admit(struct sim *sim, const struct kind *kind, const json_t *object, const json_t *old, struct answer *a)
{
    if (kind->id != KIND_PVC || quantity(size_of(object)) <= quantity(size_of(old)))
        return true;
    const char *name = json_path_text(old, "spec", "storageClassName", NULL);
    const struct object *class = name ? store_get(sim->store, KIND_STORAGECLASS, NULL, name) : NULL;
    if (class && json_is_true(json_object_get(class->json, "allowVolumeExpansion")))
        return true;
    const char *claim = json_path_text(old, "metadata", "name", NULL);
    const struct kind as = {.group = "", .plural = kind->plural, .kind = kind->plural};
    answer_fail(a, 403, "Forbidden", details(&as, claim),
                "persistentvolumeclaims \"%s\" is forbidden: only dynamically provisioned pvc can be resized and the "
                "storageclass that provisions the pvc must support resize",
                claim);
    return false;
}

/* A pending claim is bound; a bound one that asks for more grows. */
void claims_tick(struct sim *sim)
{
    _cleanup_free_ struct object **all = NULL;
    const size_t n = store_list(sim->store, KIND_PVC, NULL, &all);
    for (size_t i = 0; i < n; i++) {
        const char *size = json_path_text(all[i]->json, "spec", "resources", "requests", "storage", NULL);
        if (!size)
            continue;
        json_t *next = json_deep_copy(all[i]->json), *spec = json_object_get(next, "spec");
        if (!json_text(spec, "volumeName")) {
            _cleanup_free_ char *volume = xasprintf("pv-%s", all[i]->uid);
            json_set_text(spec, "volumeName", volume);
        }
        json_t *modes = json_object_get(spec, "accessModes");
        json_object_set_new(
            next, "status",
            json_pack("{s:s, s:O?, s:{s:s}}", "phase", "Bound", "accessModes", modes, "capacity", "storage", size));
        store_replace(sim->store, all[i], next);
    }
}
