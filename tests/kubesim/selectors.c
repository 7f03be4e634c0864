/* Label selectors (equality and set based) and field selectors, of LIST and of objects. */
#include "sim.h"

#include "base/alloc.h"
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define MAX_TERMS 64

enum op { OP_IN, OP_NOT_IN, OP_EXISTS, OP_NOT_EXISTS };

struct term {
    bool field;
    enum op op;
    char *key;
    json_t *values;
};

struct selector {
    struct term terms[MAX_TERMS];
    size_t n;
};

void selector_free(struct selector *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n; i++) {
        free(s->terms[i].key);
        json_decref(s->terms[i].values);
    }
    free(s);
}

static bool contains(const json_t *values, const char *s)
{
    size_t i;
    json_t *value;
    json_array_foreach (values, i, value)
        if (str_eq(json_string_value(value), s))
            return true;
    return false;
}

static bool term_holds(enum op op, const json_t *values, const char *have)
{
    switch (op) {
    case OP_IN:
        return have && contains(values, have);
    case OP_NOT_IN:
        return !have || !contains(values, have);
    case OP_EXISTS:
        return have != NULL;
    case OP_NOT_EXISTS:
        return have == NULL;
    }
    return false;
}

static char *trim(char *s)
{
    while (isspace((unsigned char)*s))
        s++;
    size_t n = strlen(s);
    while (n > 0 && isspace((unsigned char)s[n - 1]))
        s[--n] = '\0';
    return s;
}

/* "key in (a,b)": the part from '(' on, split at commas. NULL if the brackets are wrong. */
static json_t *parse_values(char *s)
{
    size_t n = strlen(s);
    if (*s != '(' || n < 2 || s[n - 1] != ')')
        return NULL;
    s[n - 1] = '\0';
    json_t *values = json_array();
    for (char *save, *v = strtok_r(s + 1, ",", &save); v; v = strtok_r(NULL, ",", &save))
        json_array_append_new(values, json_string(trim(v)));
    return values;
}

static int parse_label_term(char *s, struct term *t)
{
    s = trim(s);
    char *p;
    if (*s == '!') {
        t->op = OP_NOT_EXISTS;
        t->key = xstrdup(trim(s + 1));
    } else if ((p = strstr(s, "!=")) || (p = strstr(s, "==")) || (p = strchr(s, '='))) {
        size_t width = p[0] == '!' || p[1] == '=' ? 2 : 1;
        t->op = p[0] == '!' ? OP_NOT_IN : OP_IN;
        t->values = json_pack("[s]", trim(p + width));
        *p = '\0';
        t->key = xstrdup(trim(s));
        const char *value = json_string_value(json_array_get(t->values, 0));
        if (!value || !is_label_value(value))
            return -EINVAL;
    } else if ((p = strstr(s, " notin ")) || (p = strstr(s, " in "))) {
        bool not_in = p[1] == 'n';
        t->op = not_in ? OP_NOT_IN : OP_IN;
        t->values = parse_values(trim(p + (not_in ? 7 : 4)));
        *p = '\0';
        t->key = xstrdup(trim(s));
        if (!t->values)
            return -EINVAL;
    } else {
        t->op = OP_EXISTS;
        t->key = xstrdup(s);
    }
    return is_qualified_name(t->key) ? 0 : -EINVAL;
}

/* Splits at commas outside of brackets and hands each part over. */
static int parse_labels(char *text, struct selector *s)
{
    int depth = 0;
    char *start = text;
    for (char *p = text;; p++) {
        depth += *p == '(' ? 1 : *p == ')' ? -1 : 0;
        if (*p && (*p != ',' || depth > 0))
            continue;
        bool end = !*p;
        *p = '\0';
        if (depth != 0 || s->n == MAX_TERMS || parse_label_term(start, &s->terms[s->n++]) < 0)
            return -EINVAL;
        if (end)
            return 0;
        start = p + 1;
    }
}

static const char *const pod_fields[] = {"metadata.name",      "metadata.namespace",
                                         "spec.nodeName",      "spec.restartPolicy",
                                         "spec.schedulerName", "spec.serviceAccountName",
                                         "status.phase",       "status.nominatedNodeName",
                                         "status.podIP",       NULL};
static const char *const event_fields[] = {"metadata.name",
                                           "metadata.namespace",
                                           "involvedObject.kind",
                                           "involvedObject.namespace",
                                           "involvedObject.name",
                                           "involvedObject.uid",
                                           "involvedObject.apiVersion",
                                           "involvedObject.resourceVersion",
                                           "involvedObject.fieldPath",
                                           "reason",
                                           "reportingComponent",
                                           "source",
                                           "type",
                                           NULL};
static const char *const node_fields[] = {"metadata.name", "spec.unschedulable", NULL};
static const char *const namespace_fields[] = {"metadata.name", "status.phase", NULL};
static const char *const replicaset_fields[] = {"metadata.name", "metadata.namespace", "status.replicas", NULL};
static const char *const job_fields[] = {"metadata.name", "metadata.namespace", "status.successful", NULL};
static const char *const other_fields[] = {"metadata.name", "metadata.namespace", NULL};

static const char *const *known_fields(const struct kind *kind)
{
    switch (kind->id) {
    case KIND_POD:
        return pod_fields;
    case KIND_EVENT:
        return event_fields;
    case KIND_NODE:
        return node_fields;
    case KIND_NAMESPACE:
        return namespace_fields;
    case KIND_REPLICASET:
        return replicaset_fields;
    case KIND_JOB:
        return job_fields;
    default:
        return other_fields;
    }
}

static void fail_field(const struct kind *kind, const char *field, struct answer *a)
{
    if (known_fields(kind) == other_fields)
        fail_bad_request(a, "\"%s\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
                         field);
    else
        fail_bad_request(a, "field label not supported: %s", field);
}

static int parse_fields(const struct kind *kind, char *text, struct selector *s, struct answer *a)
{
    for (char *save, *part = strtok_r(text, ",", &save); part; part = strtok_r(NULL, ",", &save)) {
        char *p = strchr(part, '=');
        if (!p || s->n == MAX_TERMS) {
            fail_bad_request(a, "invalid selector: '%s'; can't understand '%s'", part, part);
            return -EINVAL;
        }
        bool not = p > part && p[-1] == '!';
        const char *value = p[1] == '=' ? p + 2 : p + 1;
        struct term *t = &s->terms[s->n++];
        *t = (struct term){.field = true, .op = not ? OP_NOT_IN : OP_IN, .values = json_pack("[s]", value)};
        t->key = xstrndup(part, (size_t)(p - part) - (not ? 1 : 0));
        if (!str_in(t->key, known_fields(kind))) {
            fail_field(kind, t->key, a);
            return -EINVAL;
        }
    }
    return 0;
}

int selector_parse(const struct request *req, struct selector **ret, struct answer *a)
{
    struct selector *s = xnew0(struct selector);
    const char *labels = param(req, "labelSelector"), *fields = param(req, "fieldSelector");
    if (!str_empty(labels)) {
        _cleanup_free_ char *copy = xstrdup(labels);
        if (parse_labels(copy, s) < 0) {
            fail_bad_request(a, "unable to parse requirement: found '', expected: ',', ')' or identifier");
            selector_free(s);
            return -EINVAL;
        }
    }
    if (!str_empty(fields)) {
        _cleanup_free_ char *copy = xstrdup(fields);
        if (parse_fields(req->kind, copy, s, a) < 0) {
            selector_free(s);
            return -EINVAL;
        }
    }
    *ret = s;
    return 0;
}

/* The text at a dotted path; "" where nothing is, as the real server's field labels have it. */
static const char *field_value(const struct object *o, const char *path)
{
    const json_t *v = o->json;
    _cleanup_free_ char *copy = xstrdup(str_eq(path, "source") ? "source.component" : path);
    for (char *save, *key = strtok_r(copy, ".", &save); key; key = strtok_r(NULL, ".", &save))
        v = json_object_get(v, key);
    if (json_is_boolean(v))
        return json_is_true(v) ? "true" : "false";
    if (str_eq(path, "spec.unschedulable") && !v)
        return "false";
    const char *s = json_string_value(v);
    return s ? s : "";
}

bool selector_matches(const struct selector *s, const struct object *o)
{
    const json_t *labels = json_path(o->json, "metadata", "labels", NULL);
    for (size_t i = 0; i < s->n; i++) {
        const struct term *t = &s->terms[i];
        const char *have = t->field ? field_value(o, t->key) : json_text(labels, t->key);
        if (!term_holds(t->op, t->values, have))
            return false;
    }
    return true;
}

bool label_selector_matches(const json_t *selector, const json_t *labels)
{
    if (!json_is_object(selector))
        return false;
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)json_object_get(selector, "matchLabels"), key, value)
        if (!str_eq(json_text(labels, key), json_string_value(value)))
            return false;
    size_t i;
    json_array_foreach (json_object_get(selector, "matchExpressions"), i, value) {
        const char *op = json_text_or(value, "operator", "");
        enum op o = str_eq(op, "In")       ? OP_IN
                    : str_eq(op, "NotIn")  ? OP_NOT_IN
                    : str_eq(op, "Exists") ? OP_EXISTS
                                           : OP_NOT_EXISTS;
        if (!term_holds(o, json_object_get(value, "values"), json_text(labels, json_text_or(value, "key", ""))))
            return false;
    }
    return true;
}
