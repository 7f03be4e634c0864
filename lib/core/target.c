#include "core/target.h"

#include "base/alloc.h"
#include "base/text.h"

#include <string.h>

void object_ref_clear(struct object_ref *ref)
{
    free(ref->api_version);
    free(ref->kind);
    free(ref->namespace);
    free(ref->name);
    free(ref->uid);
    *ref = (struct object_ref){0};
}

void target_clear(struct target *t)
{
    free(t->cluster);
    free(t->kind);
    free(t->namespace);
    free(t->name);
    free(t->selector);
    free(t->custom_owner);
    for (size_t i = 0; i < t->n_owners; i++)
        object_ref_clear(&t->owners[i]);
    free(t->owners);
    *t = (struct target){0};
}

static json_t *ref_to_json(const struct object_ref *ref)
{
    json_t *o = json_object();
    json_set_text(o, "apiVersion", ref->api_version);
    json_set_text(o, "kind", ref->kind);
    json_set_text(o, "namespace", ref->namespace);
    json_set_text(o, "name", ref->name);
    json_set_text(o, "uid", ref->uid);
    return o;
}

json_t *target_to_json(const struct target *t)
{
    json_t *o = json_object(), *owners = json_array();
    json_set_text(o, "cluster", t->cluster);
    json_set_text(o, "kind", t->kind);
    json_set_text(o, "namespace", t->namespace);
    json_set_text(o, "name", t->name);
    json_set_text(o, "selector", t->selector);
    json_set_text(o, "custom_owner", t->custom_owner);
    for (size_t i = 0; i < t->n_owners; i++)
        json_array_append_new(owners, ref_to_json(&t->owners[i]));
    json_object_set_new(o, "owners", owners);
    return o;
}

int target_from_json(const json_t *j, struct target *ret)
{
    const json_t *owners = json_object_get(j, "owners");
    struct target t = {.cluster = xstrdup(json_text(j, "cluster")),
                       .kind = xstrdup(json_text(j, "kind")),
                       .namespace = xstrdup(json_text(j, "namespace")),
                       .name = xstrdup(json_text(j, "name")),
                       .selector = xstrdup(json_text(j, "selector")),
                       .custom_owner = xstrdup(json_text(j, "custom_owner"))};
    size_t i;
    json_t *o;
    t.owners = xcalloc(json_array_size(owners), sizeof(*t.owners));
    json_array_foreach (owners, i, o)
        t.owners[t.n_owners++] = (struct object_ref){.api_version = xstrdup(json_text(o, "apiVersion")),
                                                     .kind = xstrdup(json_text(o, "kind")),
                                                     .namespace = xstrdup(json_text(o, "namespace")),
                                                     .name = xstrdup(json_text(o, "name")),
                                                     .uid = xstrdup(json_text(o, "uid"))};
    *ret = t;
    return 0;
}

char *target_owner_key(const struct target *t, size_t i)
{
    const struct object_ref *o = &t->owners[i];
    return xasprintf("%s/%s/%s/%s", t->cluster ? t->cluster : "", o->kind, o->namespace ? o->namespace : "", o->name);
}

char *target_describe(const struct target *t)
{
    const char *what = t->name ? t->name : t->selector ? t->selector : "*";
    if (!t->kind)
        return xstrdup("no target");
    return xasprintf("%s %s%s%s", t->kind, t->namespace ? t->namespace : "", t->namespace ? "/" : "", what);
}
