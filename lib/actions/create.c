#include "actions/create.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

enum { NAME_MAX_BYTES = 63 };

char *made_name_new(const struct action_in *in)
{
    struct strbuf b = STRBUF_INIT;
    strbuf_puts(&b, "mendd-");
    for (const char *c = in->key; *c; c++)
        strbuf_putc(&b, isalnum((unsigned char)*c) ? (char)tolower((unsigned char)*c) : '-');
    _cleanup_free_ char *name = strbuf_take(&b);
    if (strlen(name) <= NAME_MAX_BYTES && isalnum((unsigned char)name[strlen(name) - 1]))
        return TAKE_PTR(name);
    const uint64_t hash = fnv1a64(FNV1A64_INIT, in->key, strlen(in->key));
    return xasprintf("%.40s-%016llx", name, (unsigned long long)hash);
}

static json_t *member(json_t *object, const char *key)
{
    json_t *m = json_object_get(object, key);
    if (json_is_object(m))
        return m;
    m = json_object();
    json_object_set_new(object, key, m);
    return m;
}

void made_mark(const struct action_in *in, const char *kind, const char *name, json_t *object)
{
    _cleanup_free_ char *key = effect_key(in, kind, name);
    _cleanup_free_ char *run = xstrndup(in->key, strcspn(in->key, "/"));
    json_t *metadata = member(object, "metadata"), *labels = member(metadata, "labels");
    json_set_text(labels, "app.kubernetes.io/managed-by", "mendd");
    if (is_label_value(run))
        json_set_text(labels, "mendd.io/run", run);
    json_set_text(member(metadata, "annotations"), MARK_ANNOTATION, key);
}

const char *step_namespace(const struct action_in *in, struct error *err)
{
    const char *said = json_text(in->with, "namespace");
    const char *namespace = str_empty(said) ? target_namespace(in->target) : said;
    if (!str_empty(namespace))
        return namespace;
    error_set(err, -EINVAL, "the target is in no namespace: say which one (namespace)");
    return NULL;
}

char *kind_version_text(const struct kind *k)
{
    return *k->group ? xasprintf("%s/%s", k->group, k->version) : xstrdup(k->version);
}

json_t *object_ref_new(const struct kind *k, const char *namespace, const char *name)
{
    _cleanup_free_ char *api_version = kind_version_text(k);
    json_t *ref = json_pack("{s:s, s:s, s:s}", "apiVersion", api_version, "kind", k->kind, "name", name);
    json_set_text(ref, "namespace", k->namespaced ? namespace : NULL);
    return ref;
}

json_t *effect_create_new(const struct action_in *in, const struct kind *k, const char *namespace, json_t *object_new)
{
    const char *name = object_name(object_new);
    _cleanup_free_ char *collection = kube_path(k, namespace, NULL, NULL), *read = kube_path(k, namespace, name, NULL);
    _cleanup_free_ char *key = effect_key(in, k->kind, name);
    made_mark(in, k->kind, name, object_new);
    json_t *effect = effect_new(key, "POST", collection, "application/json", object_new, RECOGNISE_NAME);
    json_object_set_new(effect, "object", object_ref_new(k, namespace, name));
    json_set_text(effect, "cluster", in->cluster ? in->cluster : "");
    json_set_text(effect, "read", read);
    return effect;
}

void effect_undo_by_delete(json_t *effect)
{
    json_object_set_new(effect, "reversible", json_true());
    json_object_set_new(effect, "undo", json_pack("{s:s}", "method", "DELETE"));
}

json_t *object_again_new(const struct workload *w)
{
    static const char *const server_side[] = {
        "uid", "resourceVersion", "generation", "managedFields", "creationTimestamp", "selfLink", "ownerReferences"};
    _cleanup_free_ char *version = kind_version_text(&w->kind);
    json_t *copy = json_deep_copy(w->object);
    json_object_del(copy, "status");
    for (size_t i = 0; i < ARRAY_SIZE(server_side); i++)
        json_object_del(json_object_get(copy, "metadata"), server_side[i]);
    json_object_del(json_path(copy, "metadata", "annotations", NULL), MARK_ANNOTATION);
    json_set_text(copy, "kind", w->kind.kind); /* an element of a list says neither */
    json_set_text(copy, "apiVersion", version);
    return copy;
}

json_t *effect_delete_new(const struct action_in *in, const struct workload *w)
{
    const char *uid = object_uid(w->object);
    json_t *body = json_pack("{s:s, s:s, s:{s:s}, s:s}", "apiVersion", "v1", "kind", "DeleteOptions", "preconditions",
                             "uid", uid, "propagationPolicy", "Background");
    return effect_on(in, w, NULL, uid, "DELETE", "application/json", body, RECOGNISE_UID);
}
