/* Who manages which field: metadata.managedFields, as server-side apply needs it. A manager is a name and an operation
 * (Apply or Update): what `mendd` applied and what `mendd` patched are two. Lists are taken as one field, where the
 * real server knows their elements by key. */
#include "sim.h"

#include "base/alloc.h"
#include "base/text.h"

#include <string.h>

typedef void leaf_fn(const char *pointer, const json_t *value, void *userdata);

/* Of all that a manager can own: not what names the object, and not its status. */
static bool is_tracked(const char *pointer)
{
    static const char *const outside[] = {"/apiVersion", "/kind", "/status", NULL};
    if (str_in(pointer, outside))
        return false;
    if (!str_starts(pointer, "/metadata/"))
        return true;
    return str_starts(pointer, "/metadata/labels") || str_starts(pointer, "/metadata/annotations");
}

static void each_leaf(const json_t *value, const char *pointer, leaf_fn *fn, void *userdata)
{
    const char *key;
    json_t *member;
    if (*pointer && !is_tracked(pointer) && !str_eq(pointer, "/metadata"))
        return;
    if (!json_is_object(value) || (json_object_size(value) == 0 && *pointer)) {
        if (!str_eq(pointer, "/metadata"))
            fn(pointer, value, userdata);
        return;
    }
    json_object_foreach ((json_t *)value, key, member) {
        _cleanup_free_ char *at = json_pointer_join(pointer, key);
        each_leaf(member, at, fn, userdata);
    }
}

/* ---- {"f:spec": {"f:replicas": {}}} ---- */

static char *step(const char **pointer)
{
    const size_t n = strcspn(++*pointer, "/");
    struct strbuf b = STRBUF_INIT;
    strbuf_puts(&b, "f:");
    for (size_t i = 0; i < n; i++) {
        const bool escaped = (*pointer)[i] == '~' && i + 1 < n;
        strbuf_putc(&b, !escaped ? (*pointer)[i] : (*pointer)[i + 1] == '1' ? '/' : '~');
        i += escaped;
    }
    *pointer += n;
    return strbuf_take(&b);
}

static void tree_add(json_t *tree, const char *pointer)
{
    while (*pointer) {
        _cleanup_free_ char *key = step(&pointer);
        if (!json_object_get(tree, key))
            json_object_set_new(tree, key, json_object());
        tree = json_object_get(tree, key);
    }
}

static void tree_drop(json_t *tree, const char *pointer)
{
    _cleanup_free_ char *key = step(&pointer);
    json_t *below = json_object_get(tree, key);
    if (below && *pointer)
        tree_drop(below, pointer);
    if (below && json_object_size(below) == 0)
        json_object_del(tree, key);
}

static bool tree_has(const json_t *tree, const char *pointer)
{
    while (tree && *pointer) {
        _cleanup_free_ char *key = step(&pointer);
        tree = json_object_get(tree, key);
    }
    return tree != NULL;
}

/* ---- managers ---- */

static const char *manager_of(const struct request *req)
{
    const char *name = param(req, "fieldManager");
    return str_empty(name) ? "unknown" : name;
}

static bool is_entry(const json_t *entry, const char *manager, const char *operation)
{
    return str_eq(json_text(entry, "manager"), manager) && str_eq(json_text(entry, "operation"), operation);
}

static json_t *fields_of(json_t *owners, const struct request *req, const char *operation)
{
    size_t i;
    json_t *entry;
    json_array_foreach (owners, i, entry)
        if (is_entry(entry, manager_of(req), operation))
            return json_object_get(entry, "fieldsV1");
    _cleanup_free_ char *version = kind_api_version(req->kind);
    entry = json_pack("{s:s, s:s, s:s, s:s, s:{}}", "manager", manager_of(req), "operation", operation, "apiVersion",
                      version, "fieldsType", "FieldsV1", "fieldsV1");
    json_array_append_new(owners, entry);
    return json_object_get(entry, "fieldsV1");
}

static void drop_empty(json_t *owners)
{
    for (size_t i = json_array_size(owners); i-- > 0;)
        if (json_object_size(json_object_get(json_array_get(owners, i), "fieldsV1")) == 0)
            json_array_remove(owners, i);
}

struct change {
    const struct request *req;
    const json_t *old;
    json_t *owners;
    struct answer *answer;
    json_t *causes, *next;
};

static json_t *owners_copy(const struct object *o)
{
    json_t *have = o ? json_path(o->json, "metadata", "managedFields", NULL) : NULL;
    return json_is_array(have) ? json_deep_copy(have) : json_array();
}

static void own_if_changed(const char *pointer, const json_t *value, void *userdata)
{
    struct change *c = userdata;
    const json_t *was = json_pointer(c->old, pointer);
    if (was && json_equal(was, value))
        return;
    size_t i;
    json_t *entry;
    json_array_foreach (c->owners, i, entry)
        tree_drop(json_object_get(entry, "fieldsV1"), pointer);
    tree_add(fields_of(c->owners, c->req, "Update"), pointer);
}

void owners_after_write(const struct request *req, const struct object *o, json_t *next)
{
    struct change c = {.req = req, .old = o ? o->json : NULL, .owners = owners_copy(o)};
    each_leaf(next, "", own_if_changed, &c);
    drop_empty(c.owners);
    json_object_set_new(json_object_get(next, "metadata"), "managedFields", c.owners);
}

/* ---- apply ---- */

/* Kubernetes' way of naming a field: .spec.replicas */
static char *dotted(const char *pointer)
{
    char *s = xstrdup(pointer);
    for (char *c = s; *c; c++)
        *c = *c == '/' ? '.' : *c;
    return s;
}

static void note_conflict(const char *pointer, const json_t *value, void *userdata)
{
    struct change *c = userdata;
    const json_t *was = json_pointer(c->old, pointer);
    size_t i;
    json_t *entry;
    if (was && json_equal(was, value))
        return;
    json_array_foreach (c->owners, i, entry) {
        if (is_entry(entry, manager_of(c->req), "Apply") || !tree_has(json_object_get(entry, "fieldsV1"), pointer))
            continue;
        const bool applied = str_eq(json_text(entry, "operation"), "Apply");
        _cleanup_free_ char *field = dotted(pointer);
        _cleanup_free_ char *message =
            xasprintf("conflict with \"%s\"%s%s", json_text_or(entry, "manager", ""), applied ? "" : " using ",
                      applied ? "" : json_text_or(entry, "apiVersion", ""));
        json_array_append_new(c->causes, json_pack("{s:s, s:s, s:s}", "reason", "FieldManagerConflict", "message",
                                                   message, "field", field));
    }
}

static void take(const char *pointer, const json_t *value, void *userdata)
{
    struct change *c = userdata;
    const json_t *was = json_pointer(c->old, pointer);
    size_t i;
    json_t *entry;
    json_array_foreach (c->owners, i, entry)
        if (!(was && json_equal(was, value)))
            tree_drop(json_object_get(entry, "fieldsV1"), pointer);
    tree_add(fields_of(c->owners, c->req, "Apply"), pointer);
}

static void fail_conflicts(struct answer *a, json_t *causes)
{
    const size_t n = json_array_size(causes);
    _cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
    const json_t *first = json_array_get(causes, 0);
    size_t i;
    json_t *cause;
    if (n == 1)
        strbuf_printf(&b, ": %s: %s", json_text_or(first, "message", ""), json_text_or(first, "field", ""));
    else
        strbuf_printf(&b, "s: conflicts%s:", json_text_or(first, "message", "") + strlen("conflict"));
    json_array_foreach (causes, i, cause)
        if (n > 1)
            strbuf_printf(&b, "\n- %s", json_text_or(cause, "field", ""));
    answer_fail(a, 409, "Conflict", json_pack("{s:O}", "causes", causes), "Apply failed with %zu conflict%s", n,
                strbuf_str(&b));
}

/* What this manager applied before and leaves out now goes, unless somebody else has it too. */
static void remove_left_out(const char *pointer, const json_t *value, void *userdata)
{
    struct change *c = userdata;
    (void)value;
    size_t i;
    json_t *entry, *mine = NULL;
    bool shared = false;
    json_array_foreach (c->owners, i, entry) {
        json_t *fields = json_object_get(entry, "fieldsV1");
        if (is_entry(entry, manager_of(c->req), "Apply"))
            mine = fields;
        else
            shared = shared || tree_has(fields, pointer);
    }
    if (!mine || !tree_has(mine, pointer) || json_pointer(c->old, pointer))
        return;
    tree_drop(mine, pointer);
    _cleanup_free_ char *parent = xstrndup(pointer, (size_t)(strrchr(pointer, '/') - pointer));
    const char *last = strrchr(pointer, '/');
    _cleanup_free_ char *key = step(&last);
    if (!shared)
        json_object_del(json_pointer(c->next, parent), key + 2);
}

json_t *owners_after_apply(const struct request *req, const struct object *o, const json_t *patch, json_t *next,
                           struct answer *a)
{
    _cleanup_json_ json_t *causes = json_array();
    struct change c = {.req = req, .old = o ? o->json : NULL, .owners = owners_copy(o), .causes = causes};
    each_leaf(patch, "", note_conflict, &c);
    if (json_array_size(causes) > 0 && !str_eq(param(req, "force"), "true")) {
        fail_conflicts(a, causes);
        json_decref(c.owners);
        return NULL;
    }
    each_leaf(patch, "", take, &c);
    if (o) {
        struct change gone = {.req = req, .old = patch, .owners = c.owners, .next = next};
        each_leaf(o->json, "", remove_left_out, &gone);
    }
    drop_empty(c.owners);
    return c.owners;
}
