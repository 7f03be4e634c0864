/* networkpolicy.quarantine: a NetworkPolicy that lets nothing in and nothing out of the pods it selects. Policies only
 * ever add up what is allowed (kubernetes.io/docs, "Network Policies"): another one that allows something still does,
 * so the note names those that stand there. */
#include "actions/create.h"
#include "base/alloc.h"
#include "base/text.h"
#include "core/params.h"

#include <errno.h>
#include <string.h>

enum { NAMED_MAX = 5 };

/* ---- "a=b,c in (d,e),!f" as a LabelSelector ---- */

static char *word_new(const char **s)
{
    *s += strspn(*s, " ");
    const size_t n = strcspn(*s, " =!,()");
    char *word = xstrndup(*s, n);
    *s += n;
    *s += strspn(*s, " ");
    return word;
}

static void add_expression(json_t *list, const char *key, const char *operator, json_t * values_new)
{
    json_t *e = json_pack("{s:s, s:s}", "key", key, "operator", operator);
    if (values_new)
        json_object_set_new(e, "values", values_new);
    json_array_append_new(list, e);
}

static json_t *values_new(const char **s)
{
    json_t *values = json_array();
    while (**s == '(' || **s == ',') {
        (*s)++;
        _cleanup_free_ char *value = word_new(s);
        json_array_append_new(values, json_string(value));
    }
    *s += **s == ')';
    *s += strspn(*s, " ");
    return values;
}

static void add_requirement(const char **s, json_t *labels, json_t *expressions)
{
    *s += strspn(*s, " ");
    const bool absent = **s == '!';
    *s += absent;
    _cleanup_free_ char *key = word_new(s);
    if (absent || !**s || **s == ',') {
        add_expression(expressions, key, absent ? "DoesNotExist" : "Exists", NULL);
    } else if (**s == '=' || **s == '!') {
        const bool not = **s == '!';
        *s += strspn(*s, "!=");
        _cleanup_free_ char *value = word_new(s);
        if (not )
            add_expression(expressions, key, "NotIn", json_pack("[s]", value));
        else
            json_object_set_new(labels, key, json_string(value));
    } else {
        _cleanup_free_ char *operator= word_new(s);
        add_expression(expressions, key, str_eq(operator, "in") ? "In" : "NotIn", values_new(s));
    }
}

/* Of text that selector_check() has passed. */
static json_t *label_selector_new(const char *text)
{
    json_t *labels = json_object(), *expressions = json_array(), *selector = json_object();
    for (const char *s = text; *s; s += *s == ',')
        add_requirement(&s, labels, expressions);
    if (json_object_size(labels) > 0)
        json_object_set(selector, "matchLabels", labels);
    if (json_array_size(expressions) > 0)
        json_object_set(selector, "matchExpressions", expressions);
    json_decref(labels);
    json_decref(expressions);
    return selector;
}

/* ---- the plan ---- */

/* `selector`, else the target's, else that of its one owner. */
static int find_selector(const struct action_in *in, char **ret, struct error *err)
{
    const char *said = json_text(in->with, "selector");
    said = said ? said : in->target->selector;
    if (said) {
        *ret = xstrdup(said);
        return selector_check(said, err);
    }
    _cleanup_workloads_ struct workloads w = {0};
    const struct workloads_query q = {.asks = in->asks, .cluster = in->cluster, .target = in->target, .look = true};
    int r = workloads_find(&q, &w, err);
    if (r < 0)
        return r;
    *ret = w.n == 1 ? selector_text(json_path(w.items[0].object, "spec", "selector", NULL)) : NULL;
    if (!*ret)
        return error_set(err, -EINVAL, "which pods are meant is not said: give a selector");
    return selector_check(*ret, err);
}

/* Policies that may still allow something: all but those that are quarantines themselves. */
static int others(const struct action_in *in, const char *namespace, struct strbuf *names, struct error *err)
{
    const json_t *list = NULL;
    int r = list_kube(in->asks, in->cluster, kind_known("NetworkPolicy"), namespace, NULL, &list, err);
    if (r < 0)
        return r;
    _cleanup_json_ json_t *items = items_by_name_new(list);
    size_t i, n = 0;
    json_t *item;
    json_array_foreach (items, i, item) {
        const json_t *spec = json_object_get(item, "spec");
        if (json_array_size(json_object_get(spec, "ingress")) + json_array_size(json_object_get(spec, "egress")) == 0)
            continue;
        if (n++ < NAMED_MAX)
            strbuf_printf(names, "%s%s", names->len ? ", " : "", object_name(item));
    }
    if (n > NAMED_MAX)
        strbuf_printf(names, " and %zu more", n - NAMED_MAX);
    return 0;
}

static int quarantine_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    const char *namespace = step_namespace(in, err), *said = json_text(in->with, "name");
    _cleanup_free_ char *selector = NULL;
    _cleanup_strbuf_ struct strbuf names = {.max = 1000};
    if (!namespace)
        return -EINVAL;
    int r = find_selector(in, &selector, err); /* both in one round */
    int r2 = r == 0 || r == -EAGAIN ? others(in, namespace, &names, r == 0 ? err : NULL) : 0;
    if (r < 0 || r2 < 0)
        return r < 0 ? r : r2;
    _cleanup_free_ char *name = said ? xstrdup(said) : made_name_new(in);
    json_t *policy = json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:o, s:[s, s]}}", "apiVersion", "networking.k8s.io/v1",
                               "kind", "NetworkPolicy", "metadata", "name", name, "namespace", namespace, "spec",
                               "podSelector", label_selector_new(selector), "policyTypes", "Ingress", "Egress");
    json_t *effect = effect_create_new(in, kind_known("NetworkPolicy"), namespace, policy);
    effect_undo_by_delete(effect);
    ret->effects = json_array();
    plan_effect(ret, effect);
    plan_note(ret, "cut the pods %s in %s off: nothing in, nothing out", selector, namespace);
    if (names.len)
        plan_note(ret, "policies there that may still allow something: %s", strbuf_str(&names));
    return 0;
}

static const struct param quarantine_params[] = {
    {"name", PARAM_NAME, false, NULL, "of the NetworkPolicy; made from the run's id by default"},
    {"selector", PARAM_SELECTOR, false, NULL, "the pods to cut off; the target's by default"},
    {"namespace", PARAM_NAME, false, NULL, "the target's by default"},
    {0},
};

static void quarantine_rights(const struct rights_in *in)
{
    _cleanup_choices_ struct choices names = rights_param(in, "name");
    rights_list(in, "NetworkPolicy");
    rights_create(in, &(struct rights_what){.kind = "NetworkPolicy", .names = &names}, true);
}

const struct action action_networkpolicy_quarantine = {
    .name = "networkpolicy.quarantine",
    .class = ACTION_EFFECT,
    .reversible = true,
    .params = quarantine_params,
    .doc = "cuts pods off from the network, in and out",
    .plan = quarantine_plan,
    .rights = quarantine_rights,
};
