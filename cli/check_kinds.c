/* mendctl check --cluster: whether the clusters know the resources that the playbooks are about. A custom resource
 * comes with its operator (CustomResourceDefinition); without it a playbook fails the night that it is needed. Asked by
 * discovery: the versions of a group, then the resources of each version. What cannot be asked is left to the reviews,
 * which say so. */
#include "check_kinds.h"

#include "base/alloc.h"
#include "base/text.h"
#include "core/ask.h"

/* Body of a GET, NULL: not answered with 200. *ret_gone: it was a 404. */
static json_t *read_new(struct cluster_reader *reader, const char *cluster, const char *path, bool *ret_gone)
{
    _cleanup_json_ json_t *question = json_pack("{s:s, s:s, s:s}", "ask", "kube", "cluster", cluster, "path", path);
    _cleanup_json_ json_t *answer = cluster_answer_new(reader, question);
    if (ret_gone)
        *ret_gone = json_int_or(answer, "status", 0) == 404;
    return answer_ok(answer) ? json_incref(json_object_get(answer, "body")) : NULL;
}

static bool add_version(struct cluster_reader *reader, const char *cluster, const char *version, json_t *names)
{
    _cleanup_strbuf_ struct strbuf path = STRBUF_INIT;
    strbuf_puts(&path, "/apis/");
    strbuf_puts(&path, version);
    _cleanup_json_ json_t *list = read_new(reader, cluster, strbuf_str(&path), NULL);
    size_t i;
    json_t *resource;
    json_array_foreach (json_object_get(list, "resources"), i, resource) {
        const char *name = json_text(resource, "name");
        if (name)
            json_object_set_new(names, name, json_true());
    }
    return list != NULL;
}

/* {"certificates": true, "certificates/status": true}, of all versions; empty: no such group; NULL: cannot be asked. */
static json_t *resources_new(struct cluster_reader *reader, const char *cluster, const char *group)
{
    bool gone = false, whole = true;
    _cleanup_free_ char *path = xasprintf("/apis/%s", group);
    _cleanup_json_ json_t *versions = read_new(reader, cluster, path, &gone);
    _cleanup_json_ json_t *names = json_object();
    size_t i;
    json_t *version;
    if (!versions && !gone)
        return NULL;
    json_array_foreach (json_object_get(versions, "versions"), i, version)
        whole = whole && add_version(reader, cluster, json_text_or(version, "groupVersion", ""), names);
    return whole ? json_incref(names) : NULL;
}

/* Who needs the resource, over all verbs. */
static char *who_needs_new(const struct rights *rights, const struct right *wanted)
{
    _cleanup_json_ json_t *whys = json_array(), *seen = json_object();
    for (size_t i = 0; i < rights->n; i++) {
        const struct right *r = &rights->items[i];
        if (!str_eq(r->group, wanted->group) || !str_eq(r->resource, wanted->resource))
            continue;
        for (size_t k = 0; k < r->n_whys; k++) {
            if (json_object_get(seen, r->whys[k]))
                continue;
            json_object_set_new(seen, r->whys[k], json_true());
            json_array_append_new(whys, json_string(r->whys[k]));
        }
    }
    return reviews_whys_new(whys);
}

static void look(struct cluster_reader *reader, const char *cluster, const struct rights *rights, struct faults *faults)
{
    _cleanup_json_ json_t *groups = json_object(), *said = json_object();
    for (size_t i = 0; i < rights->n; i++) {
        const struct right *r = &rights->items[i];
        if (str_empty(r->group)) /* the core group is everywhere */
            continue;
        if (!json_object_get(groups, r->group)) {
            json_t *known = resources_new(reader, cluster, r->group);
            json_object_set_new(groups, r->group, known ? known : json_null());
        }
        const json_t *known = json_object_get(groups, r->group);
        _cleanup_free_ char *name = xasprintf("%s.%s", r->resource, r->group);
        if (json_is_null(known) || json_object_get(known, r->resource) || json_object_get(said, name))
            continue;
        json_object_set_new(said, name, json_true());
        _cleanup_free_ char *who = who_needs_new(rights, r);
        faults_add(faults, NULL, "cluster %s: %s: it has no %s: is the operator that brings it installed?", cluster,
                   who, name);
    }
}

int check_kinds(const struct config *config, struct playbook_table *table, struct faults *faults, struct error *err)
{
    _cleanup_rights_ struct rights all = {0};
    _cleanup_(cluster_reader_freep) struct cluster_reader *reader = NULL;
    struct settings settings;
    int r = cluster_reader_new(config, &reader, err);
    if (r < 0)
        return r;
    settings_from_config(config, table, &settings);
    rights_of_table(&settings, &all);
    for (size_t i = 0; i < config->n_clusters; i++) {
        _cleanup_rights_ struct rights own = {0};
        rights_of_cluster(&all, config->clusters[i].name, &own);
        look(reader, config->clusters[i].name, &own, faults);
    }
    return 0;
}
