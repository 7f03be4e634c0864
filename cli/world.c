#include "world.h"

#include "base/alloc.h"
#include "base/text.h"
#include "core/kinds.h"
#include "imagine.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

struct world {
    json_t *objects; /* array */
    bool imagines;
};

struct world *world_new(void)
{
    struct world *w = xnew0(struct world);
    w->objects = json_array();
    return w;
}

struct world *world_free(struct world *w)
{
    if (w) {
        json_decref(w->objects);
        free(w);
    }
    return NULL;
}

void world_imagine(struct world *w)
{
    w->imagines = true;
}

/* ---- fixtures ---- */

static int add_object(struct world *w, const struct node *n, struct error *err)
{
    _cleanup_json_ json_t *o = node_to_json(n);
    const json_t *items = json_object_get(o, "items");
    if (json_is_array(items)) {
        const struct node *list = node_get(n, "items");
        for (size_t i = 0; i < list->n_children; i++) {
            int r = add_object(w, list->children[i], err);
            if (r < 0)
                return r;
        }
        return 0;
    }
    if (!json_text(o, "kind") || !json_text(o, "apiVersion") || !json_path_text(o, "metadata", "name", NULL))
        return error_set(err, -EINVAL, "%s:%d:%d: not a Kubernetes object: it needs apiVersion, kind and metadata.name",
                         n->file, n->line, n->column);
    json_array_append(w->objects, o);
    return 0;
}

int world_add_file(struct world *w, const char *path, struct error *err)
{
    _cleanup_(node_freep) struct node *root = NULL;
    int r = node_load_file(path, &root, err);
    if (r == 0 && root->type != NODE_LIST)
        return add_object(w, root, err);
    for (size_t i = 0; r == 0 && i < root->n_children; i++)
        r = add_object(w, root->children[i], err);
    return r;
}

/* ---- paths ---- */

enum { MAX_PARTS = 8 };

struct request { /* the parts point into `text` */
    char *text;
    char group_version[160];
    const char *namespace, *plural, *name, *subresource;
    char *label_selector, *field_name;
};

static void request_clear(struct request *r)
{
    free(r->text);
    free(r->label_selector);
    free(r->field_name);
}

static void url_decode(char *s)
{
    char *out = s;
    for (; *s; s++) {
        if (*s == '%' && isxdigit((unsigned char)s[1]) && isxdigit((unsigned char)s[2])) {
            const char hex[] = {s[1], s[2], '\0'};
            *out++ = (char)strtoul(hex, NULL, 16);
            s += 2;
        } else {
            *out++ = *s;
        }
    }
    *out = '\0';
}

static void parse_query(struct request *r, char *query)
{
    char *save = NULL;
    for (char *pair = strtok_r(query, "&", &save); pair; pair = strtok_r(NULL, "&", &save)) {
        url_decode(pair);
        if (str_starts(pair, "labelSelector="))
            str_replace(&r->label_selector, pair + strlen("labelSelector="));
        else if (str_starts(pair, "fieldSelector=metadata.name="))
            str_replace(&r->field_name, pair + strlen("fieldSelector=metadata.name="));
    }
}

/* /api/v1/…, /apis/GROUP/VERSION/…: [namespaces/NS/]PLURAL[/NAME[/SUBRESOURCE]]; false if it is none. */
static bool parse_path(const char *path, struct request *r)
{
    char *parts[MAX_PARTS] = {0}, *save = NULL;
    size_t n = 0, i = 2;
    r->text = xstrdup(path);
    char *query = strchr(r->text, '?');
    if (query) {
        *query = '\0';
        parse_query(r, query + 1);
    }
    for (char *p = strtok_r(r->text, "/", &save); p && n < MAX_PARTS; p = strtok_r(NULL, "/", &save)) {
        url_decode(p);
        parts[n++] = p;
    }
    if (n < 2)
        return false;
    if (str_eq(parts[0], "api")) {
        snprintf(r->group_version, sizeof(r->group_version), "%s", parts[1]);
    } else if (str_eq(parts[0], "apis") && n >= 3) {
        snprintf(r->group_version, sizeof(r->group_version), "%s/%s", parts[1], parts[2]);
        i = 3;
    } else {
        return false;
    }
    if (str_eq(parts[i], "namespaces") && n > i + 2) {
        r->namespace = parts[i + 1];
        i += 2;
    }
    r->plural = i < n ? parts[i] : NULL;
    r->name = i + 1 < n ? parts[i + 1] : NULL;
    r->subresource = i + 2 < n ? parts[i + 2] : NULL;
    return true;
}

static char *plural_new(const char *kind)
{
    const struct kind *known = kind_known(kind);
    if (known)
        return xstrdup(known->plural);
    size_t n = strlen(kind);
    char *s = str_ends(kind, "s")   ? xasprintf("%ses", kind)
              : str_ends(kind, "y") ? xasprintf("%.*sies", (int)n - 1, kind)
                                    : xasprintf("%ss", kind);
    for (char *p = s; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return s;
}

/* ---- selectors: a=b, a==b, a!=b, a, !a, a in (b,c), a notin (b,c) ---- */

static bool in_set(const char *set, size_t len, const char *value)
{
    _cleanup_free_ char *text = xstrndup(set, len);
    char *save = NULL;
    for (char *v = strtok_r(text, ", ", &save); v; v = strtok_r(NULL, ", ", &save))
        if (str_eq(v, value))
            return true;
    return false;
}

static bool requirement_holds(const char *s, const json_t *labels)
{
    while (*s == ' ')
        s++;
    const bool absent = *s == '!';
    s += absent;
    size_t n = strcspn(s, " =!(");
    _cleanup_free_ char *key = xstrndup(s, n);
    const char *value = json_text(labels, key), *op = s + n + strspn(s + n, " ");
    if (!*op)
        return absent ? !value : value != NULL;
    const char *open = strchr(op, '(');
    if (open) {
        const bool in = value && in_set(open + 1, strcspn(open + 1, ")"), value);
        return str_starts(op, "notin") ? !in : in;
    }
    const char *wanted = op + strspn(op, "=! ");
    _cleanup_free_ char *text = xstrndup(wanted, strcspn(wanted, " "));
    return str_starts(op, "!=") ? !str_eq(value, text) : str_eq(value, text);
}

static bool selected(const char *selector, const json_t *labels)
{
    int depth = 0;
    for (const char *start = selector, *p = selector; selector && *start; p++) {
        depth += (*p == '(') - (*p == ')');
        if (*p && (*p != ',' || depth > 0))
            continue;
        _cleanup_free_ char *one = xstrndup(start, (size_t)(p - start));
        if (!requirement_holds(one, labels))
            return false;
        if (!*p)
            break;
        start = p + 1;
    }
    return true;
}

/* ---- answers ---- */

static bool matches(const json_t *o, const struct request *r)
{
    const char *namespace = json_path_text(o, "metadata", "namespace", NULL);
    const char *name = json_path_text(o, "metadata", "name", NULL);
    _cleanup_free_ char *plural = plural_new(json_text(o, "kind"));
    return str_eq(json_text(o, "apiVersion"), r->group_version) && str_eq(plural, r->plural) &&
           (!r->namespace || str_eq(namespace, r->namespace)) && (!r->name || str_eq(name, r->name)) &&
           (!r->field_name || str_eq(name, r->field_name)) &&
           selected(r->label_selector, json_path(o, "metadata", "labels", NULL));
}

static json_t *answer(int status, json_t *body_taken)
{
    return json_pack("{s:i, s:o}", "status", status, "body", body_taken);
}

static json_t *not_found(const struct request *r)
{
    json_t *status =
        json_pack("{s:s, s:s, s:s, s:i}", "kind", "Status", "status", "Failure", "reason", "NotFound", "code", 404);
    _cleanup_free_ char *message =
        xasprintf("%s \"%s\" not found in the fixtures", r->plural ? r->plural : "path", r->name ? r->name : "");
    json_set_text(status, "message", message);
    return answer(404, status);
}

static json_t *discovery(const struct world *w, const struct request *r)
{
    json_t *resources = json_array();
    size_t i;
    json_t *o;
    json_array_foreach (w->objects, i, o) {
        if (!str_eq(json_text(o, "apiVersion"), r->group_version))
            continue;
        _cleanup_free_ char *plural = plural_new(json_text(o, "kind"));
        json_array_append_new(resources,
                              json_pack("{s:s, s:s, s:b}", "name", plural, "kind", json_text(o, "kind"), "namespaced",
                                        json_path_text(o, "metadata", "namespace", NULL) != NULL));
    }
    if (str_eq(r->group_version, "v1")) /* every server knows evictions; which version, it says here */
        json_array_append_new(resources, json_pack("{s:s, s:s, s:b, s:s, s:s}", "name", "pods/eviction", "kind",
                                                   "Eviction", "namespaced", 1, "group", "policy", "version", "v1"));
    if (json_array_size(resources) > 0)
        return answer(200, json_pack("{s:s, s:s, s:o}", "kind", "APIResourceList", "groupVersion", r->group_version,
                                     "resources", resources));
    json_decref(resources);
    return not_found(r);
}

static json_t *answer_kube(const struct world *w, const json_t *question)
{
    _cleanup_(request_clear) struct request r = {0};
    if (!parse_path(json_text_or(question, "path", ""), &r))
        return not_found(&r);
    if (json_bool_or(question, "text", false))
        return json_pack("{s:i, s:s}", "status", 200, "text", "");
    if (!r.plural)
        return discovery(w, &r);
    json_t *items = json_array(), *o;
    size_t i;
    json_array_foreach (w->objects, i, o)
        if (matches(o, &r))
            json_array_append(items, o);
    if (w->imagines && json_array_size(items) == 0) {
        o = r.name ? imagine_object_new(r.plural, r.namespace, r.name) : NULL;
        if (o)
            json_array_append_new(items, o);
        if (!r.name) {
            json_decref(items);
            items = imagine_items_new(r.plural, r.namespace, r.label_selector);
        }
    }
    if (!r.name)
        return answer(200, json_pack("{s:s, s:s, s:{s:s}, s:o}", "kind", "List", "apiVersion", r.group_version,
                                     "metadata", "resourceVersion", "1", "items", items));
    json_t *found = json_incref(json_array_get(items, 0));
    json_decref(items);
    return found ? answer(200, found) : not_found(&r);
}

json_t *world_answer_new(const struct world *w, const json_t *question)
{
    if (str_eq(json_text(question, "ask"), "kube"))
        return answer_kube(w, question);
    if (str_eq(json_text(question, "ask"), "secret")) /* another value than any that stands in a fixture */
        return json_pack("{s:i, s:s, s:i}", "status", 0, "sha256", "not read here", "bytes", 1);
    return json_pack("{s:s, s:s}", "error", "local", "message", "not asked: only fixtures are looked at");
}
