/* From rights to roles: what holds for one namespace goes into a Role there, everything else into the ClusterRole.
 * Rules with the same resource and verbs share their names; nothing is put together that would allow more than its
 * parts. */
#include "rbac.h"

#include "base/alloc.h"
#include "base/text.h"

#include <string.h>

#define RBAC_GROUP "rbac.authorization.k8s.io"

/* ---- comments ---- */

/* What a security team looks for first. */
static const char *warning_of(const struct right *r)
{
    const bool reads = str_eq(r->verb, "get") || str_eq(r->verb, "list");
    if (str_eq(r->group, "") && str_eq(r->resource, "secrets"))
        return reads ? "reads Secrets, with their content" : "writes Secrets";
    if (str_starts(r->resource, "pods/exec"))
        return "runs commands in containers";
    if (str_ends(r->resource, "/proxy"))
        return "sends requests into the cluster through the API server";
    if (str_eq(r->group, RBAC_GROUP) && !reads)
        return "changes who may do what";
    if (str_eq(r->resource, "nodes") && !reads)
        return "changes nodes";
    if (str_eq(r->group, "") && str_eq(r->resource, "namespaces") && !reads)
        return "changes or deletes namespaces";
    if (str_eq(r->group, "batch") && str_eq(r->resource, "jobs") && str_eq(r->verb, "create"))
        return "runs new pods, with any service account of the namespace";
    return NULL;
}

static void add_text(json_t *list, const char *text)
{
    size_t i;
    json_t *t;
    json_array_foreach (list, i, t)
        if (str_eq(json_string_value(t), text))
            return;
    json_array_append_new(list, json_string(text));
}

/* "playbook x, step y" and "playbook x, check z" become "x: step y, check z". */
static void add_why(json_t *by_playbook, const char *why)
{
    const char *comma = strchr(why, ',');
    const bool playbook = str_starts(why, "playbook ") && comma;
    _cleanup_free_ char *key =
        playbook ? xstrndup(why + strlen("playbook "), (size_t)(comma - why) - strlen("playbook ")) : xstrdup(why);
    json_t *parts = json_object_get(by_playbook, key);
    if (!parts) {
        parts = json_array();
        json_object_set_new(by_playbook, key, parts);
    }
    if (playbook)
        add_text(parts, comma + 2);
}

static json_t *comments_new(const json_t *warnings, const json_t *by_playbook)
{
    json_t *out = json_array(), *parts, *part;
    const char *key;
    size_t i;
    json_array_foreach (warnings, i, part)
        json_array_append_new(out, json_sprintf("CAUTION: %s", json_string_value(part)));
    json_object_foreach ((json_t *)by_playbook, key, parts) {
        _cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
        strbuf_puts(&b, key);
        json_array_foreach (parts, i, part)
            strbuf_printf(&b, "%s%s", i ? ", " : ": ", json_string_value(part));
        json_array_append_new(out, json_string(strbuf_str(&b)));
    }
    return out;
}

/* ---- rules ---- */

static bool is_of_rule(const struct right *a, const struct right *b)
{
    return str_eq(a->namespace, b->namespace) && str_eq(a->group, b->group) && str_eq(a->resource, b->resource) &&
           str_eq(a->name, b->name);
}

/* The rights of one resource and name, from `first` on (they stand beside each other). */
static json_t *rule_new(const struct rights *rights, size_t first)
{
    const struct right *like = &rights->items[first];
    _cleanup_json_ json_t *warnings = json_array(), *whys = json_object();
    json_t *verbs = json_array(),
           *rule = json_pack("{s:[s], s:[s]}", "apiGroups", like->group, "resources", like->resource);
    for (size_t i = first; i < rights->n; i++) {
        const struct right *r = &rights->items[i];
        if (!is_of_rule(like, r))
            continue;
        add_text(verbs, r->verb);
        if (warning_of(r))
            add_text(warnings, warning_of(r));
        if (r->guessed)
            add_text(warnings, "the resource's name is taken from its kind by Kubernetes' own rule");
        for (size_t k = 0; k < r->n_whys; k++)
            add_why(whys, r->whys[k]);
    }
    if (like->name)
        json_object_set_new(rule, "resourceNames", json_pack("[s]", like->name));
    json_object_set_new(rule, "verbs", verbs);
    json_object_set_new(rule, "#", comments_new(warnings, whys));
    return rule;
}

static bool same_but_names(const json_t *a, const json_t *b)
{
    return json_object_get(a, "resourceNames") && json_object_get(b, "resourceNames") &&
           json_equal(json_object_get(a, "apiGroups"), json_object_get(b, "apiGroups")) &&
           json_equal(json_object_get(a, "resources"), json_object_get(b, "resources")) &&
           json_equal(json_object_get(a, "verbs"), json_object_get(b, "verbs"));
}

static void add_rule(json_t *rules, json_t *rule_taken)
{
    size_t i, k;
    json_t *other, *text;
    json_array_foreach (rules, i, other) {
        if (!same_but_names(other, rule_taken))
            continue;
        json_array_extend(json_object_get(other, "resourceNames"), json_object_get(rule_taken, "resourceNames"));
        json_array_foreach (json_object_get(rule_taken, "#"), k, text)
            add_text(json_object_get(other, "#"), json_string_value(text));
        json_decref(rule_taken);
        return;
    }
    json_array_append_new(rules, rule_taken);
}

/* ---- manifests ---- */

static json_t *metadata_new(const char *name, const char *namespace)
{
    json_t *m = json_pack("{s:s}", "name", name);
    json_set_text(m, "namespace", namespace);
    json_object_set_new(
        m, "labels",
        json_pack("{s:s, s:s}", "app.kubernetes.io/name", "mendd", "app.kubernetes.io/managed-by", "mendctl-rbac"));
    return m;
}

static json_t *subject_new(const struct rbac_subject *s)
{
    if (s->user)
        return json_pack("{s:s, s:s, s:s}", "apiGroup", RBAC_GROUP, "kind", "User", "name", s->name);
    return json_pack("{s:s, s:s, s:s}", "kind", "ServiceAccount", "name", s->name, "namespace", s->namespace);
}

static void add_role(json_t *out, const struct rbac_subject *subject, const char *name, const char *namespace,
                     json_t *rules_taken)
{
    const char *kind = namespace ? "Role" : "ClusterRole";
    const bool none = json_array_size(rules_taken) == 0;
    if (none) {
        json_decref(rules_taken);
        return;
    }
    json_array_append_new(out, json_pack("{s:s, s:s, s:o, s:o}", "apiVersion", RBAC_GROUP "/v1", "kind", kind,
                                         "metadata", metadata_new(name, namespace), "rules", rules_taken));
    json_array_append_new(out, json_pack("{s:s, s:s, s:o, s:{s:s, s:s, s:s}, s:[o]}", "apiVersion", RBAC_GROUP "/v1",
                                         "kind", namespace ? "RoleBinding" : "ClusterRoleBinding", "metadata",
                                         metadata_new(name, namespace), "roleRef", "apiGroup", RBAC_GROUP, "kind", kind,
                                         "name", name, "subjects", subject_new(subject)));
}

/* The rights of one namespace stand beside each other, and in them those of one rule. */
json_t *rbac_manifests_new(const struct rights *rights, const struct rbac_subject *subject, const char *name)
{
    json_t *out = json_array(), *rules = json_array();
    if (!subject->user)
        json_array_append_new(out, json_pack("{s:s, s:s, s:o}", "apiVersion", "v1", "kind", "ServiceAccount",
                                             "metadata", metadata_new(subject->name, subject->namespace)));
    for (size_t i = 0; i < rights->n; i++) {
        const struct right *r = &rights->items[i], *before = i > 0 ? &rights->items[i - 1] : NULL;
        if (before && is_of_rule(before, r))
            continue;
        if (before && !str_eq(before->namespace, r->namespace)) {
            add_role(out, subject, name, before->namespace, rules);
            rules = json_array();
        }
        add_rule(rules, rule_new(rights, i));
    }
    add_role(out, subject, name, rights->n ? rights->items[rights->n - 1].namespace : NULL, rules);
    return out;
}

json_t *rbac_list_new(const json_t *manifests)
{
    json_t *items = json_deep_copy(manifests), *item, *rule;
    size_t i, k;
    json_array_foreach (items, i, item)
        json_array_foreach (json_object_get(item, "rules"), k, rule)
            json_object_del(rule, "#");
    return json_pack("{s:s, s:s, s:o}", "apiVersion", "v1", "kind", "List", "items", items);
}
