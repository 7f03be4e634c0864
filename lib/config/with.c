/* `with:` against the parameters' table: names, required ones, literal values, templates. */
#include "config/read.h"

#include "base/alloc.h"
#include "base/text.h"
#include "core/params.h"
#include "core/template.h"

#include <string.h>

enum { MAX_PARAMS = 64 };

static size_t param_names(const struct param *params, const char *names[MAX_PARAMS + 1])
{
    size_t n = 0;
    for (; params && params->name && n < MAX_PARAMS; params++)
        names[n++] = params->name;
    names[n] = NULL;
    return n;
}

/* Checks every template inside a value; true if there was at least one. */
static bool check_templates(struct loader *l, const struct node *n)
{
    bool found = false;
    if (n->type == NODE_SCALAR && template_is(n->scalar)) {
        _cleanup_error_ struct error err = ERROR_NONE;
        if (template_check(n->scalar, l->vars, l->template_flags, &err) < 0)
            faults_add(l->faults, n, "%s", error_message(&err));
        return true;
    }
    for (size_t i = 0; i < n->n_children; i++)
        found = check_templates(l, n->children[i]) || found;
    return found;
}

/* What is text by its parameter's type keeps its spelling: 1.10 is no number there, and 30 no duration. */
static bool is_text_type(enum param_type type)
{
    switch (type) {
    case PARAM_BOOL:
    case PARAM_INT:
    case PARAM_NUMBER:
    case PARAM_INT_OR_TEXT:
    case PARAM_INTS:
    case PARAM_ANY:
        return false;
    default:
        return true;
    }
}

static json_t *text_json(const struct node *n)
{
    if (n->type == NODE_SCALAR)
        return json_text_new(n->scalar, strlen(n->scalar));
    if (n->type == NODE_NULL)
        return json_null();
    json_t *value = n->type == NODE_LIST ? json_array() : json_object();
    for (size_t i = 0; i < n->n_children; i++) {
        json_t *item = text_json(n->children[i]);
        if (n->type == NODE_LIST)
            json_array_append_new(value, item);
        else
            json_object_set_new(value, n->children[i]->key->scalar, item);
    }
    return value;
}

static json_t *param_json(const struct param *p, const struct node *n)
{
    /* a duration that the journal kept as milliseconds never occurs: `with` is kept as written */
    return is_text_type(p->type) ? text_json(n) : node_to_json(n);
}

/* What of it takes no templates is checked in any case, as it is written. */
static void check_on_host(struct loader *l, const struct param *p, const struct node *value, const json_t *written)
{
    _cleanup_json_ json_t *resolved = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    if (param_resolve(p, written, &resolved, &err) < 0)
        faults_add(l->faults, value, "%s", error_message(&err));
}

void check_with_templates(struct loader *l, const struct node *value)
{
    check_templates(l, value);
}

static void read_param(struct loader *l, const struct param *p, const struct node *value, json_t *with)
{
    if (p->type == PARAM_MANIFEST_FILE) {
        read_manifest_file(l, value, with);
        return;
    }
    _cleanup_json_ json_t *written = param_json(p, value);
    if (value->type == NODE_NULL) {
        faults_add(l->faults, value, "parameter \"%s\" must not be empty", p->name);
        return;
    }
    const bool templates = check_templates(l, value);
    if (p->type == PARAM_MANIFEST) {
        read_manifest(l, value, with);
        return;
    }
    if (templates && p->type == PARAM_FILES)
        faults_add(l->faults, value, "%s takes no templates: an alert must not choose which file is read", p->name);
    if (templates && p->type == PARAM_RECEIVERS)
        faults_add(l->faults, value, "%s takes no templates: an alert must not choose who is told", p->name);
    if (!templates && p->type == PARAM_RECEIVERS && l->config) { /* a run keeps the playbook that it began with */
        want_somebody(l, value);
        want_receivers(l, l->config, value);
    }
    if (p->type == PARAM_HOST_PATH || p->type == PARAM_COMMAND)
        check_on_host(l, p, value, written);
    else if (!templates) {
        _cleanup_json_ json_t *resolved = NULL;
        _cleanup_error_ struct error err = ERROR_NONE;
        if (param_resolve(p, written, &resolved, &err) < 0)
            faults_add(l->faults, value, "%s", error_message(&err));
    }
    json_object_set(with, p->name, written);
}

json_t *read_with(struct loader *l, const struct node *with, const struct node *owner, const char *what,
                  const struct param *params)
{
    const char *names[MAX_PARAMS + 1];
    json_t *ret = json_object();
    param_names(params, names);
    if (with && !want_type(l, with, NODE_MAP))
        return ret;
    for (size_t i = 0; with && i < with->n_children; i++) {
        const struct node *value = with->children[i];
        const char *name = value->key->scalar;
        const struct param *p = params ? param_find(params, name) : NULL;
        if (p)
            read_param(l, p, value, ret);
        else
            fault_suggest(l, value->key, name, names, "%s has no parameter \"%s\"", what, name);
    }
    for (const struct param *p = params; p && p->name; p++)
        if (p->type == PARAM_MANIFEST && !json_object_get(ret, p->name))
            faults_add(l->faults, with ? with : owner, "%s needs \"manifest\" or \"file\"", what);
        else if (p->required && !node_get(with, p->name))
            faults_add(l->faults, with ? with : owner, "%s needs the parameter \"%s\": %s", what, p->name,
                       p->doc ? p->doc : "it has no default");
    return ret;
}
