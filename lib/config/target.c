/* A playbook's target. Its templates may fall back to vars only: a literal would be a guess (semantics.md). */
#include "config/read.h"

#include "base/text.h"
#include "core/kinds.h"
#include "core/template.h"

#include <ctype.h>

void read_cluster(struct loader *l, const struct node *value, void *field)
{
    char **cluster = field;
    read_form(l, &(struct key){.name = "cluster", .form = FORM_TEMPLATE}, value, cluster);
    check_cluster(l, value, *cluster);
}

#define FIELD(name) offsetof(struct target_spec, name)

const struct key target_keys[] = {
    {"cluster", FORM_TEMPLATE, FIELD(cluster), .read = read_cluster, .doc = "default: the first cluster of the config"},
    {"apiVersion", FORM_TEXT, FIELD(api_version), .doc = "of a custom resource that mendd does not know by itself"},
    {"kind", FORM_TEMPLATE, FIELD(kind), KEY_REQUIRED, .doc = "what is to be repaired, such as Deployment"},
    {"namespace", FORM_TEMPLATE, FIELD(namespace), .doc = "where it lives; none for a Node"},
    {"name", FORM_TEMPLATE, FIELD(name), .doc = "its name; or a selector"},
    {"selector", FORM_SELECTOR, FIELD(selector), .doc = "all that match, in Kubernetes' selector syntax"},
    {0},
};

void check_cluster(struct loader *l, const struct node *at, const char *cluster)
{
    enum { MAX = 64 };
    const char *names[MAX + 1] = {0};
    if (!cluster || template_is(cluster) || !l->config)
        return;
    for (size_t i = 0; i < l->config->n_clusters && i < MAX; i++) {
        names[i] = l->config->clusters[i].name;
        if (str_eq(names[i], cluster))
            return;
    }
    fault_suggest(l, at, cluster, names, "the config names no cluster \"%s\"", cluster);
}

static bool is_kind(const char *s)
{
    if (!isupper((unsigned char)*s))
        return false;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s))
            return false;
    return true;
}

static void check_kind(struct loader *l, const struct node *map, const struct target_spec *t)
{
    if (!t->kind || template_is(t->kind))
        return;
    const struct node *at = node_get(map, "kind");
    const struct kind *known = kind_known(t->kind);
    if (!is_kind(t->kind))
        faults_add(l->faults, at, "\"%s\" is not a kind: write it like Deployment or StatefulSet", t->kind);
    else if (known && known->namespaced && !t->namespace && !node_get(map, "namespace"))
        faults_add(l->faults, map, "a target of kind %s needs \"namespace\"", t->kind);
    else if (known && !known->namespaced && t->namespace)
        faults_add(l->faults, node_get(map, "namespace"), "a %s lives in no namespace", t->kind);
}

static void check_name(struct loader *l, const struct node *at, const char *name)
{
    if (name && !template_is(name) && !is_dns1123_subdomain(name))
        faults_add(l->faults, at, "\"%s\" is not a valid name of a Kubernetes object", name);
}

void read_target(struct loader *l, const struct node *value, struct target_spec *target)
{
    const unsigned flags = l->template_flags;
    l->template_flags = TEMPLATE_NO_TARGET | TEMPLATE_NO_LITERAL_DEFAULT;
    target->line = value->line;
    read_map(l, value, "a target", target_keys, target);
    l->template_flags = flags;
    if (value->type != NODE_MAP)
        return;
    check_kind(l, value, target);
    check_name(l, node_get(value, "name"), target->name);
    check_name(l, node_get(value, "namespace"), target->namespace);
    const bool name = node_get(value, "name"), selector = node_get(value, "selector");
    if (name == selector)
        faults_add(l->faults, value, "a target needs either \"name\" or \"selector\"%s", name ? ", not both" : "");
}
