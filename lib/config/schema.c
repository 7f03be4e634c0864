#include "config/schema.h"

#include "config/read.h"

#include "base/text.h"

#include <string.h>

struct making {
    const struct registry *registry;
};

#define DRAFT "https://json-schema.org/draft/2020-12/schema"
#define DURATION "^(0|([0-9]+(y|w|d|h|m|s|ms))+)$"
#define RATES "^[0-9]+/[0-9a-z]+( *, *[0-9]+/[0-9a-z]+)*$"

static json_t *map_schema(struct making *m, const struct key *keys);

/* What stands in several places is written once, under $defs. */
static const struct {
    const char *name;
    const struct key *keys;
} shared[] = {{"check", check_keys}, {"step", step_keys}, {"evidence", evidence_keys}};

static json_t *sub_schema(struct making *m, const struct key *keys)
{
    for (size_t i = 0; i < ARRAY_SIZE(shared); i++)
        if (shared[i].keys == keys)
            return json_pack("{s:s+}", "$ref", "#/$defs/", shared[i].name);
    return map_schema(m, keys);
}

static json_t *type_new(const char *type)
{
    return json_pack("{s:s}", "type", type);
}

static json_t *list_of(json_t *items_taken)
{
    return json_pack("{s:s, s:o}", "type", "array", "items", items_taken);
}

static json_t *choice_new(const char *const *choices)
{
    json_t *list = json_array();
    for (; *choices; choices++)
        if (**choices)
            json_array_append_new(list, json_string(*choices));
    return json_pack("{s:o}", "enum", list);
}

static json_t *scalar_new(void)
{
    return json_pack("{s:[s,s,s]}", "type", "string", "number", "boolean");
}

static json_t *texts_map_new(void)
{
    return json_pack("{s:s, s:o}", "type", "object", "additionalProperties", scalar_new());
}

static json_t *duration_new(void)
{
    return json_pack("{s:s, s:s}", "type", "string", "pattern", DURATION);
}

static json_t *names_of(struct making *m, bool actions, bool evidence_only)
{
    json_t *list = json_array();
    const struct registry *r = m->registry;
    for (size_t i = 0; actions && r->actions[i]; i++)
        if (!evidence_only || r->actions[i]->class == ACTION_EVIDENCE)
            json_array_append_new(list, json_string(r->actions[i]->name));
    for (size_t i = 0; !actions && r->checks[i]; i++)
        json_array_append_new(list, json_string(r->checks[i]->name));
    return json_pack("{s:o}", "enum", list);
}

static json_t *form_schema(struct making *m, const struct key *k)
{
    switch (k->form) {
    case FORM_BOOL:
        return type_new("boolean");
    case FORM_COUNT:
        return json_pack("{s:s, s:i}", "type", "integer", "minimum", 1);
    case FORM_DURATION:
        return duration_new();
    case FORM_CHOICE:
        return choice_new(k->choices);
    case FORM_TEXTS:
    case FORM_MATCHERS:
        return list_of(k->choices ? choice_new(k->choices) : scalar_new());
    case FORM_URLS:
        return list_of(json_pack("{s:s, s:s}", "type", "string", "pattern", "^https?://"));
    case FORM_URL:
        return json_pack("{s:s, s:s}", "type", "string", "pattern", "^https?://");
    case FORM_RATES: {
        json_t *one = json_pack("{s:s, s:s}", "type", "string", "pattern", RATES);
        return json_pack("{s:[O, o]}", "anyOf", one, list_of(one));
    }
    case FORM_VARS:
        return texts_map_new();
    case FORM_SELECTOR:
        return json_pack("{s:[o, o]}", "anyOf", type_new("string"), texts_map_new());
    case FORM_MAP:
        return sub_schema(m, k->sub);
    case FORM_MAP_OF:
        return json_pack("{s:s, s:o}", "type", "object", "additionalProperties", sub_schema(m, k->sub));
    case FORM_LIST:
        return list_of(sub_schema(m, k->sub));
    case FORM_CHECK:
        return names_of(m, false, false);
    case FORM_WITH:
        return type_new("object");
    case FORM_NAME:
        return json_pack("{s:s, s:s, s:i}", "type", "string", "pattern", "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "maxLength",
                         63);
    default:
        return scalar_new();
    }
}

/* ---- `with`, by the action's or check's name ---- */

static json_t *param_schema(const struct param *p)
{
    json_t *s = json_object();
    if (p->type == PARAM_CHOICE) {
        json_decref(s);
        s = choice_new(p->choices);
    } else if (p->type == PARAM_TEXTS || p->type == PARAM_COMMAND || p->type == PARAM_RECEIVERS) {
        json_set_text(s, "type", "array");
    } else if (p->type == PARAM_TEXT_MAP || p->type == PARAM_FILES) {
        json_set_text(s, "type", "object");
    }
    json_set_text(s, "description", p->doc);
    return s;
}

static json_t *with_schema(const char *name_key, const char *name, const struct param *params)
{
    json_t *properties = json_object(), *required = json_array(), *then;
    for (; params && params->name; params++) {
        json_object_set_new(properties, params->name, param_schema(params));
        if (params->required)
            json_array_append_new(required, json_string(params->name));
    }
    const bool needs = json_array_size(required) > 0;
    json_t *with = json_pack("{s:s, s:o, s:o, s:b}", "type", "object", "properties", properties, "required", required,
                             "additionalProperties", 0);
    then = json_pack("{s:{s:o}}", "properties", "with", with);
    if (needs)
        json_object_set_new(then, "required", json_pack("[s]", "with"));
    return json_pack("{s:{s:{s:{s:s}}}, s:o}", "if", "properties", name_key, "const", name, "then", then);
}

static void add_with_rules(struct making *m, const struct key *keys, json_t *schema)
{
    json_t *all = json_array();
    for (; m->registry && keys->name; keys++) {
        for (size_t i = 0; keys->form == FORM_CHECK && m->registry->checks[i]; i++)
            json_array_append_new(all,
                                  with_schema("check", m->registry->checks[i]->name, m->registry->checks[i]->params));
        for (size_t i = 0; keys->form == FORM_ACTION && m->registry->actions[i]; i++)
            json_array_append_new(
                all, with_schema("action", m->registry->actions[i]->name, m->registry->actions[i]->params));
    }
    if (json_array_size(all) > 0)
        json_object_set(schema, "allOf", all);
    json_decref(all);
}

static json_t *map_schema(struct making *m, const struct key *keys)
{
    json_t *properties = json_object(), *required = json_array();
    for (const struct key *k = keys; k->name; k++) {
        if (k->form == FORM_ABSENT)
            continue;
        json_t *s = k->form == FORM_ACTION ? names_of(m, true, keys == evidence_keys) : form_schema(m, k);
        json_set_text(s, "description", k->doc);
        json_object_set_new(properties, k->name, s);
        if (k->flags & KEY_REQUIRED)
            json_array_append_new(required, json_string(k->name));
    }
    json_t *schema = json_pack("{s:s, s:o, s:o, s:b}", "type", "object", "properties", properties, "required", required,
                               "additionalProperties", 0);
    add_with_rules(m, keys, schema);
    return schema;
}

static json_t *document(struct making *m, const struct key *keys, const char *title)
{
    json_t *schema = json_pack("{s:s, s:s}", "$schema", DRAFT, "title", title);
    json_t *map = map_schema(m, keys);
    json_object_update(schema, map);
    json_decref(map);
    json_t *defs = json_object();
    for (size_t i = 0; m->registry && i < ARRAY_SIZE(shared); i++)
        json_object_set_new(defs, shared[i].name, map_schema(m, shared[i].keys));
    if (json_object_size(defs) > 0)
        json_object_set(schema, "$defs", defs);
    json_decref(defs);
    return schema;
}

json_t *schema_playbook_new(const struct registry *registry)
{
    struct making m = {.registry = registry};
    return document(&m, playbook_file_keys, "mendd playbooks");
}

json_t *schema_config_new(void)
{
    struct making m = {0};
    return document(&m, config_keys, "mendd configuration");
}
