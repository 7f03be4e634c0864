#include "core/manifest.h"

#include "base/text.h"
#include "core/template.h"

#include <errno.h>

static int wrong(const char **at, const char *pointer, struct error *err, int code, const char *what)
{
    *at = pointer;
    return error_set(err, code, "%s", what);
}

static int check_name(const json_t *metadata, bool templates, const char **at, struct error *err)
{
    const char *name = json_text(metadata, "name");
    if (!name)
        return wrong(at, json_object_get(metadata, "name") ? "/metadata/name" : "/metadata", err, -EINVAL,
                     "manifest: metadata.name is missing: the object's name, as text");
    if ((templates && template_is(name)) || is_dns1123_subdomain(name))
        return 0;
    *at = "/metadata/name";
    return error_set(err, -EINVAL, "manifest: metadata.name '%.80s' is no name of an object", name);
}

int manifest_check(const json_t *m, bool templates, const char **ret_at, struct error *err)
{
    const json_t *metadata = json_object_get(m, "metadata"), *annotations = json_object_get(metadata, "annotations");
    const char *kind = json_text(m, "kind");
    *ret_at = "";
    if (!json_text(m, "apiVersion") || !kind)
        return wrong(ret_at, "", err, -EINVAL, "manifest: expected an object with apiVersion and kind");
    if (str_eq(kind, "List"))
        return wrong(ret_at, "/kind", err, -EINVAL, "manifest: write each item of a List as an object of its own");
    if (!json_is_object(metadata))
        return wrong(ret_at, metadata ? "/metadata" : "", err, -EINVAL, "manifest: expected a map \"metadata\"");
    int r = check_name(metadata, templates, ret_at, err);
    if (r < 0)
        return r;
    if (str_eq(kind, "Secret"))
        return wrong(
            ret_at, "/kind", err, -EPERM,
            "a Secret's content must not stand in the journal: mendd does not apply it (secret.set reads files)");
    static const char *const owned[] = {"/metadata/ownerReferences", "/metadata/finalizers"};
    for (size_t i = 0; i < ARRAY_SIZE(owned); i++)
        if (json_pointer(m, owned[i]))
            return wrong(ret_at, owned[i], err, -EPERM,
                         "manifest: ownerReferences and finalizers are not mendd's to set");
    if (annotations && !json_is_object(annotations))
        return wrong(ret_at, "/metadata/annotations", err, -EINVAL, "manifest: metadata.annotations is no map");
    return 0;
}
