/* The checks of a real API server that a client of workloads meets, with its words (422, field by field). */
#include "sim.h"

#include "base/alloc.h"
#include "base/text.h"

#include <string.h>

#define BAD_NAME                                                                                                       \
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "   \
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "                        \
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
#define BAD_LABEL                                                                                                      \
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start "    \
    "and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation "  \
    "is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"

struct check {
    const struct kind *kind;
    const char *name;
    struct answer *answer;
};

static void required(struct check *c, const char *field)
{
    fail_invalid(c->answer, c->kind, c->name, field, "FieldValueRequired", "Required value");
}

static void check_name(struct check *c)
{
    if (str_empty(c->name))
        fail_invalid(c->answer, c->kind, c->name, "metadata.name", "FieldValueRequired",
                     "Required value: name or generateName is required");
    else if (!is_dns1123_subdomain(c->name))
        fail_invalid(c->answer, c->kind, c->name, "metadata.name", "FieldValueInvalid", "Invalid value: \"%s\": %s",
                     c->name, BAD_NAME);
}

static void check_labels(struct check *c, const json_t *labels, const char *field)
{
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)labels, key, value) {
        const char *s = json_string_value(value);
        if (!s || !is_label_value(s))
            fail_invalid(c->answer, c->kind, c->name, field, "FieldValueInvalid", "Invalid value: \"%s\": %s",
                         s ? s : "", BAD_LABEL);
    }
}

/* Go's rendering of a map[string]string. */
static char *go_map(const json_t *labels)
{
    struct strbuf b = STRBUF_INIT;
    if (!labels || json_is_null(labels)) {
        strbuf_puts(&b, "map[string]string(nil)");
        return strbuf_take(&b);
    }
    _cleanup_free_ char *sorted = json_canonical(labels);
    strbuf_printf(&b, "map[string]string{%.*s}", (int)strlen(sorted) - 2, sorted + 1);
    return strbuf_take(&b);
}

static void check_selector(struct check *c, const json_t *spec, const json_t *old)
{
    const json_t *selector = json_object_get(spec, "selector");
    const json_t *labels = json_path(spec, "template", "metadata", "labels", NULL);
    const bool empty = !json_object_size(json_object_get(selector, "matchLabels")) &&
                       !json_array_size(json_object_get(selector, "matchExpressions"));
    if (!selector)
        required(c, "spec.selector");
    if (empty || !label_selector_matches(selector, labels)) {
        _cleanup_free_ char *shown = go_map(labels);
        fail_invalid(c->answer, c->kind, c->name, "spec.template.metadata.labels", "FieldValueInvalid",
                     "Invalid value: %s: `selector` does not match template `labels`", shown);
    }
    const json_t *was = json_path(old, "spec", "selector", NULL);
    if (old && selector && was && !json_equal(selector, was)) {
        _cleanup_free_ char *shown = go_map(json_object_get(selector, "matchLabels"));
        fail_invalid(c->answer, c->kind, c->name, "spec.selector", "FieldValueInvalid",
                     "Invalid value: v1.LabelSelector{MatchLabels:%s, "
                     "MatchExpressions:[]v1.LabelSelectorRequirement(nil)}: field is immutable",
                     shown);
    }
}

static void check_containers(struct check *c, const json_t *pod_spec, const char *prefix)
{
    const json_t *containers = json_object_get(pod_spec, "containers");
    _cleanup_free_ char *field = xasprintf("%s.containers", prefix);
    if (json_array_size(containers) == 0) {
        required(c, field);
        return;
    }
    size_t i;
    json_t *container;
    json_array_foreach (containers, i, container) {
        _cleanup_free_ char *name_field = xasprintf("%s[%zu].name", field, i);
        _cleanup_free_ char *image_field = xasprintf("%s[%zu].image", field, i);
        if (str_empty(json_text(container, "name")))
            required(c, name_field);
        if (str_empty(json_text(container, "image")))
            required(c, image_field);
    }
}

static void check_replicas(struct check *c, const json_t *spec)
{
    const json_int_t replicas = json_int_or(spec, "replicas", 0);
    if (replicas < 0)
        fail_invalid(c->answer, c->kind, c->name, "spec.replicas", "FieldValueInvalid",
                     "Invalid value: %lld: must be greater than or equal to 0", (long long)replicas);
}

/* A pod may change its images and hardly anything else. */
static void check_pod_update(struct check *c, const json_t *next, const json_t *old)
{
    const json_t *now = json_path(next, "spec", "containers", NULL), *was = json_path(old, "spec", "containers", NULL);
    if (json_array_size(now) != json_array_size(was)) {
        fail_invalid(c->answer, c->kind, c->name, "spec.containers", "FieldValueForbidden",
                     "Forbidden: pod updates may not add or remove containers");
        return;
    }
    _cleanup_json_ json_t *a = json_deep_copy(json_object_get(next, "spec"));
    _cleanup_json_ json_t *b = json_deep_copy(json_object_get(old, "spec"));
    json_t *specs[] = {a, b};
    for (size_t s = 0; s < 2; s++) {
        json_object_del(specs[s], "tolerations");
        json_object_del(specs[s], "activeDeadlineSeconds");
        size_t i;
        json_t *container;
        json_array_foreach (json_object_get(specs[s], "containers"), i, container)
            json_object_del(container, "image");
    }
    if (!json_equal(a, b))
        fail_invalid(c->answer, c->kind, c->name, "spec", "FieldValueForbidden",
                     "Forbidden: pod updates may not change fields other than `spec.containers[*].image`, "
                     "`spec.initContainers[*].image`, `spec.activeDeadlineSeconds` or `spec.tolerations` (only "
                     "additions to existing tolerations)\n");
}

static void check_job_update(struct check *c, const json_t *next, const json_t *old)
{
    if (old && !json_equal(json_path(next, "spec", "template", NULL), json_path(old, "spec", "template", NULL)))
        fail_invalid(c->answer, c->kind, c->name, "spec.template", "FieldValueInvalid",
                     "Invalid value: core.PodTemplateSpec: field is immutable");
}

static void check_job_template(struct check *c, const json_t *spec)
{
    const char *policy = json_path_text(spec, "template", "spec", "restartPolicy", NULL);
    if (str_eq(policy, "Always"))
        fail_invalid(c->answer, c->kind, c->name, "spec.template.spec.restartPolicy", "FieldValueRequired",
                     "Required value: valid values: \"OnFailure\", \"Never\"");
}

static void check_service(struct check *c, const json_t *spec)
{
    if (json_array_size(json_object_get(spec, "ports")) == 0 && !str_eq(json_text(spec, "clusterIP"), "None") &&
        !str_eq(json_text(spec, "type"), "ExternalName"))
        required(c, "spec.ports");
}

/* Beside its object; in "default" where that has no namespace. */
static void check_event(struct check *c, const json_t *event)
{
    const char *own = json_path_text(event, "metadata", "namespace", NULL);
    const char *of = json_path_text(event, "involvedObject", "namespace", NULL);
    if (!str_eq(str_empty(of) ? "default" : of, own))
        fail_invalid(c->answer, c->kind, c->name, "involvedObject.namespace", "FieldValueInvalid",
                     "Invalid value: \"%s\": does not match event.namespace", of ? of : "");
}

static void check_workload(struct check *c, const json_t *object, const json_t *old)
{
    const json_t *spec = json_object_get(object, "spec");
    check_replicas(c, spec);
    check_selector(c, spec, old);
    check_containers(c, json_path(spec, "template", "spec", NULL), "spec.template.spec");
}

bool validate(const struct kind *kind, const json_t *object, const json_t *old, struct answer *a)
{
    struct check c = {kind, json_path_text(object, "metadata", "name", NULL), a};
    const json_t *spec = json_object_get(object, "spec");
    check_name(&c);
    for (int i = 0; i < (old ? 3 : 1); i++) /* on update the real server checks labels three times, and says so */
        check_labels(&c, json_path(object, "metadata", "labels", NULL), "metadata.labels");
    switch (kind->id) {
    case KIND_DEPLOYMENT:
    case KIND_REPLICASET:
    case KIND_STATEFULSET:
    case KIND_DAEMONSET:
        check_workload(&c, object, old);
        break;
    case KIND_JOB:
        check_containers(&c, json_path(spec, "template", "spec", NULL), "spec.template.spec");
        check_job_template(&c, spec);
        check_job_update(&c, object, old);
        break;
    case KIND_POD:
        check_containers(&c, spec, "spec");
        if (old)
            check_pod_update(&c, object, old);
        break;
    case KIND_SERVICE:
        check_service(&c, spec);
        break;
    case KIND_EVENT:
        check_event(&c, object);
        break;
    case KIND_CONFIGMAP:
    case KIND_SECRET:
        validate_data(kind, object, old, a);
        break;
    case KIND_PVC:
        if (old && !answered(a))
            check_claim_update(object, old, a);
        break;
    default:
        break;
    }
    return !answered(a);
}
