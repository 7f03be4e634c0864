/* Steps, rungs and checks of a playbook. */
#include "config/read.h"

#include "base/alloc.h"

#include <string.h>

enum { MAX_ENTRIES = 256 };

static const char *const on_error_choices[] = {"fail", "continue", NULL};

struct step_draft {
    struct step s;
    int on_error;
};

#define FIELD(name) offsetof(struct step_draft, s.name)

const struct key check_keys[] = {
    {"check", FORM_CHECK, 0, KEY_REQUIRED, .doc = "the check's name, such as pods.ready"},
    {"with", FORM_WITH, .doc = "its parameters"},
    {"cluster", FORM_TEMPLATE, offsetof(struct check_step, cluster), .read = read_cluster,
     .doc = "default: the target's"},
    {0},
};

const struct key step_keys[] = {
    {"name", FORM_TEXT, FIELD(name), .doc = "what the step is for, in words"},
    {"action", FORM_ACTION, 0, KEY_REQUIRED, .doc = "the action's name, such as rollout.restart"},
    {"with", FORM_WITH, .doc = "its parameters"},
    {"cluster", FORM_TEMPLATE, FIELD(cluster), .read = read_cluster, .doc = "default: the target's"},
    {"if", FORM_MAP, .sub = check_keys, .read = read_later, .doc = "a check: the step is skipped unless it passes"},
    {"unless", FORM_MAP, .sub = check_keys, .read = read_later, .doc = "a check: the step is skipped if it passes"},
    {"on_error", FORM_CHOICE, offsetof(struct step_draft, on_error), .choices = on_error_choices,
     .doc = "fail (the default) or continue with the next step"},
    {"timeout", FORM_DURATION, FIELD(timeout_ms), .doc = "default 60s"},
    {"idempotent", FORM_BOOL, FIELD(idempotent),
     .doc = "whether an effect that cannot be recognised may be sent twice"},
    {"verify", FORM_MAP, .sub = verify_keys, .read = read_later, .doc = "what must hold before the next step"},
    {0},
};

const struct key evidence_keys[] = {
    {"name", FORM_TEXT, FIELD(name), .doc = "what the step is for, in words"},
    {"action", FORM_ACTION, 0, KEY_REQUIRED, .doc = "an action that only looks, such as pod.logs"},
    {"with", FORM_WITH, .doc = "its parameters"},
    {"cluster", FORM_TEMPLATE, FIELD(cluster), .read = read_cluster, .doc = "default: the target's"},
    {"timeout", FORM_DURATION, FIELD(timeout_ms), .doc = "default 60s"},
    {0},
};

void read_later(struct loader *l, const struct node *value, void *field)
{
    (void)l, (void)value, (void)field; /* read by hand, once the rest of the map is known */
}

static const char *name_in(struct loader *l, const struct node *map, const char *key)
{
    const struct node *n = node_get(map, key);
    return n && want_type(l, n, NODE_SCALAR) ? n->scalar : NULL;
}

static const struct check *find_check(struct loader *l, const struct node *map)
{
    const char *names[MAX_ENTRIES + 1] = {0}, *name = name_in(l, map, "check");
    const struct check *found = name ? registry_check(l->registry, name) : NULL;
    if (found || !name)
        return found;
    for (size_t i = 0; l->registry->checks[i] && i < MAX_ENTRIES; i++)
        names[i] = l->registry->checks[i]->name;
    fault_suggest(l, node_get(map, "check"), name, names, "there is no check \"%s\"", name);
    return NULL;
}

static const struct action *find_action(struct loader *l, const struct node *map, bool evidence_only)
{
    const char *names[MAX_ENTRIES + 1] = {0}, *name = name_in(l, map, "action");
    const struct action *found = name ? registry_action(l->registry, name) : NULL;
    if (!name)
        return NULL;
    if (found && evidence_only && found->class != ACTION_EVIDENCE) {
        faults_add(l->faults, node_get(map, "action"), "diagnose only looks: %s changes something or waits", name);
        return NULL;
    }
    if (found && found->feature && l->config && !config_has_feature(l->config, found->feature))
        faults_add(l->faults, node_get(map, "action"),
                   "%s is off: mendd and mendctl have it only with --enable-feature=%s", name, found->feature);
    if (found)
        return found;
    for (size_t i = 0, n = 0; l->registry->actions[i] && n < MAX_ENTRIES; i++)
        if (!evidence_only || l->registry->actions[i]->class == ACTION_EVIDENCE)
            names[n++] = l->registry->actions[i]->name;
    fault_suggest(l, node_get(map, "action"), name, names, "there is no action \"%s\"", name);
    return NULL;
}

static void read_check(struct loader *l, const struct node *map, struct check_step *ret)
{
    read_map(l, map, "a check", check_keys, ret);
    ret->line = map->line;
    ret->check = find_check(l, map);
    if (ret->check)
        ret->with = read_with(l, node_get(map, "with"), map, ret->check->name, ret->check->params);
    else
        ret->with = json_object();
}

void read_checks(struct loader *l, const struct node *list, struct check_step **checks, size_t *n)
{
    if (!want_type(l, list, NODE_LIST))
        return;
    *checks = xcalloc(list->n_children + 1, sizeof(struct check_step));
    *n = list->n_children;
    for (size_t i = 0; i < list->n_children; i++)
        read_check(l, list->children[i], &(*checks)[i]);
}

static void read_condition(struct loader *l, const struct node *map, struct step *s)
{
    const struct node *when = node_get(map, "if"), *unless = node_get(map, "unless");
    if (when && unless)
        faults_add(l->faults, unless->key, "a step has either \"if\" or \"unless\", not both");
    if (!when && !unless)
        return;
    s->condition = xnew0(struct check_step);
    s->negate = !when;
    read_check(l, when ? when : unless, s->condition);
}

static void read_step_verify(struct loader *l, const struct node *map, struct step *s)
{
    const struct node *at = node_get(map, "verify");
    if (!at)
        return;
    s->verify = xnew0(struct verify);
    *s->verify = verify_default(l->config);
    s->verify->present = true;
    if (!want_type(l, at, NODE_MAP))
        return;
    read_map(l, at, "\"verify\"", verify_keys, s->verify);
    check_verify_times(l, at, s->verify);
}

static void read_step(struct loader *l, const struct node *map, struct step *ret, bool evidence_only)
{
    struct step_draft draft = {0};
    if (evidence_only)
        read_map(l, map, "a step of diagnose", evidence_keys, &draft);
    else
        read_map(l, map, "a step", step_keys, &draft);
    struct step *s = &draft.s;
    s->line = map->line;
    s->on_error_continue = draft.on_error == 1;
    s->action = find_action(l, map, evidence_only);
    if (s->action)
        s->with = read_with(l, node_get(map, "with"), map, s->action->name, s->action->params);
    else
        s->with = json_object();
    if (!evidence_only) {
        read_condition(l, map, s);
        read_step_verify(l, map, s);
    }
    *ret = draft.s;
}

void read_steps(struct loader *l, const struct node *list, struct step **steps, size_t *n, bool evidence_only)
{
    if (!want_type(l, list, NODE_LIST))
        return;
    *steps = xcalloc(list->n_children + 1, sizeof(struct step));
    *n = list->n_children;
    for (size_t i = 0; i < list->n_children; i++)
        read_step(l, list->children[i], &(*steps)[i], evidence_only);
}

/* ---- the ladder ---- */

const struct key rung_keys[] = {
    {"name", FORM_TEXT, offsetof(struct rung, name), .doc = "what the rung tries, in words"},
    {"mode", FORM_CHOICE, offsetof(struct rung, mode), .choices = mode_choices, .doc = "stricter than the playbook's"},
    {"steps", FORM_LIST, .flags = KEY_REQUIRED, .sub = step_keys, .read = read_later, .doc = "what to do"},
    {0},
};

void read_rung_steps(struct loader *l, const struct node *steps, struct rung *ret)
{
    read_steps(l, steps, &ret->steps, &ret->n_steps, false);
    if (steps->type == NODE_LIST && steps->n_children == 0)
        faults_add(l->faults, steps, "a list of steps must not be empty");
}

static void read_rung(struct loader *l, const struct node *map, enum playbook_mode mode, size_t i, struct rung *ret)
{
    ret->mode = mode;
    read_map(l, map, "a rung", rung_keys, ret);
    if (!ret->name)
        ret->name = xasprintf("rung %zu", i + 1);
    if (ret->mode > mode)
        faults_add(l->faults, node_get(map, "mode"),
                   "a rung's mode may only be stricter than the playbook's (%s), not looser", mode_choices[mode]);
    if (node_get(map, "steps"))
        read_rung_steps(l, node_get(map, "steps"), ret);
}

/* gitops: suspend is a step before the rung's own: planned, journalled and shown like any other. A playbook that comes
 * back from the journal has it already. */
void add_gitops_step(struct loader *l, struct playbook *p)
{
    const struct action *suspend = registry_action(l->registry, "gitops.suspend");
    for (size_t i = 0; suspend && p->gitops == GITOPS_SUSPEND && i < p->n_rungs; i++) {
        struct rung *r = &p->ladder[i];
        if (r->n_steps == 0 || r->steps[0].action == suspend)
            continue;
        r->steps = xreallocarray(r->steps, r->n_steps + 1, sizeof(*r->steps));
        memmove(&r->steps[1], &r->steps[0], r->n_steps * sizeof(*r->steps));
        r->n_steps++;
        r->steps[0] = (struct step){.action = suspend, .with = json_object(), .line = p->line};
    }
}

void read_ladder(struct loader *l, const struct node *list, struct playbook *p)
{
    if (!want_type(l, list, NODE_LIST))
        return;
    if (list->n_children == 0)
        faults_add(l->faults, list, "a ladder must not be empty");
    p->ladder = xcalloc(list->n_children + 1, sizeof(struct rung));
    p->n_rungs = list->n_children;
    for (size_t i = 0; i < list->n_children; i++)
        read_rung(l, list->children[i], p->mode, i, &p->ladder[i]);
}
