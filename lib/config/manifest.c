/* resource.apply's objects when a playbook is loaded: written in the step, or in a file beside the playbook.
 *
 * A file is read once, here: the loaded playbook holds what it said, so a run keeps it over reloads and restarts, and
 * plan, test and check need nothing else. It must lie in the playbook's folder or below, symlinks resolved: a
 * ConfigMap's mount works, a link to /etc/shadow does not. */
#include "config/read.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "core/manifest.h"
#include "core/template.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX_BYTES = 256 * 1024 };
#define FOLD_INTO "manifest" /* the parameter that takes the file's place */

/* The node that a JSON pointer without escapes means, or the last one on the way. */
static const struct node *node_at(const struct node *n, const char *pointer)
{
    while (*pointer == '/') {
        const size_t len = strcspn(++pointer, "/");
        _cleanup_free_ char *key = xstrndup(pointer, len);
        const struct node *child = n->type == NODE_MAP ? node_get(n, key) : NULL;
        if (!child)
            return n;
        n = child;
        pointer += len;
    }
    return n;
}

static void check_one(struct loader *l, const struct node *n)
{
    _cleanup_json_ json_t *json = node_to_json(n);
    _cleanup_error_ struct error err = ERROR_NONE;
    const char *at = "";
    if (manifest_check(json, true, &at, &err) < 0)
        faults_add(l->faults, node_at(n, at), "%s", error_message(&err));
}

static bool is_first(struct loader *l, const struct node *value, const json_t *with)
{
    if (!json_object_get(with, FOLD_INTO))
        return true;
    faults_add(l->faults, value->key, "either \"file\" or \"manifest\", not both");
    return false;
}

void read_manifest(struct loader *l, const struct node *value, json_t *with)
{
    if (!is_first(l, value, with))
        return;
    json_object_set_new(with, FOLD_INTO, node_to_json(value));
    if (value->type == NODE_LIST && (value->n_children == 0 || value->n_children > MANIFESTS_MAX))
        faults_add(l->faults, value, "manifest: expected an object, or a list of 1 to %d", MANIFESTS_MAX);
    else if (value->type == NODE_LIST)
        for (size_t i = 0; i < value->n_children; i++)
            check_one(l, value->children[i]);
    else
        check_one(l, value);
}

/* ---- files ---- */

static bool is_within(const char *folder, const char *path)
{
    const size_t n = strlen(folder);
    return str_starts(path, folder) && (str_eq(folder, "/") || path[n] == '/');
}

/* NULL with a fault. The caller frees. */
static char *locate(struct loader *l, const struct node *value)
{
    const char *name = value->scalar, *slash = strrchr(value->file, '/');
    if (!*name || *name == '/' || str_starts(name, "../") || strstr(name, "/../") || str_ends(name, "/..")) {
        faults_add(l->faults, value, "file: expected a path in the playbook's folder, without \"..\"");
        return NULL;
    }
    _cleanup_free_ char *folder = slash ? xstrndup(value->file, (size_t)(slash - value->file)) : xstrdup(".");
    _cleanup_free_ char *path = xasprintf("%s/%s", folder, name);
    _cleanup_free_ char *real_folder = realpath(*folder ? folder : "/", NULL), *real = realpath(path, NULL);
    if (!real || !real_folder) {
        faults_add(l->faults, value, "file: %s: %s", path, strerror(errno));
        return NULL;
    }
    if (!is_within(real_folder, real)) {
        faults_add(l->faults, value, "file: %s leads out of the playbook's folder, to %s", path, real);
        return NULL;
    }
    return TAKE_PTR(path);
}

static void take_documents(struct loader *l, const struct node *value, struct node *const *documents, size_t n,
                           json_t *list)
{
    for (size_t i = 0; i < n; i++) {
        if (documents[i]->type == NODE_NULL) /* nothing but comments between two lines of --- */
            continue;
        check_with_templates(l, documents[i]);
        check_one(l, documents[i]);
        json_array_append_new(list, node_to_json(documents[i]));
    }
    if (json_array_size(list) == 0)
        faults_add(l->faults, value, "file: %s holds no object", value->scalar);
}

void read_manifest_file(struct loader *l, const struct node *value, json_t *with)
{
    if (!want_type(l, value, NODE_SCALAR) || !is_first(l, value, with))
        return;
    json_t *list = json_array();
    json_object_set_new(with, FOLD_INTO, list); /* in any case: one fault is enough */
    if (template_is(value->scalar)) {
        faults_add(l->faults, value, "file takes no templates: an alert must not choose which file is read");
        return;
    }
    _cleanup_free_ char *path = l->config ? locate(l, value) : NULL, *text = NULL; /* the journal keeps what it said */
    _cleanup_error_ struct error err = ERROR_NONE;
    struct node *documents[MANIFESTS_MAX];
    size_t len, n = 0;
    if (!path)
        return;
    if (file_read(path, FILE_MAX_BYTES, &text, &len, &err) < 0)
        faults_add(l->faults, value, "file: %s", error_message(&err));
    else if (node_load_documents(path, text, len, documents, MANIFESTS_MAX, &n, &err) < 0)
        faults_add(l->faults, NULL, "%s", error_message(&err));
    else
        take_documents(l, value, documents, n, list);
    for (size_t i = 0; i < n; i++)
        node_free(documents[i]);
}
