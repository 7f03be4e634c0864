/* One playbook: its keys, and the rules that span them. */
#include "config/read.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/text.h"
#include "core/template.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

const char *const mode_choices[] = {"observe", "plan", "approve", "auto", NULL}; /* as enum playbook_mode */
static const char *const decision_choices[] = {"act", "ignore", NULL};
static const char *const resolve_choices[] = {"", "post", "wait", NULL}; /* as enum resolve_mode */
static const char *const still_firing_choices[] = {"escalate", "next_rung", NULL};
static const char *const protected_choices[] = {"refuse", "allow", NULL};
const char *const gitops_choices[] = {"refuse", "suspend", "allow", NULL}; /* as enum gitops_rule */
static const char *const maintenance_choices[] = {"hold", "only", NULL};
static const char *const budget_choices[] = {"counts", "exempt", NULL};
const char *const class_choices[] = {"routine", "security", "data", "infrastructure", NULL};

struct draft { /* what is no field of a playbook as it stands */
    struct playbook p;
    int decision, on_still_firing, protected, gitops, maintenance, budget, class;
    struct limits_draft limits;
};

static void read_matchers(struct loader *l, const struct node *value, void *field);
static void read_verify_checks(struct loader *l, const struct node *value, void *field);

#define FIELD(name) offsetof(struct draft, p.name)

static const struct key on_failure_keys[] = {
    {"rollback", FORM_BOOL, offsetof(struct playbook, rollback), .doc = "undo what can be undone, in reverse order"},
    {"escalate", FORM_BOOL, offsetof(struct playbook, escalate), .doc = "tell a person"},
    {0},
};

static const struct key approval_keys[] = {
    {"expires", FORM_DURATION, offsetof(struct playbook, approval_expires_ms), .doc = "default 30m"},
    {0},
};

const struct key verify_keys[] = {
    {"timeout", FORM_DURATION, offsetof(struct verify, timeout_ms), .doc = "default 2m"},
    {"interval", FORM_DURATION, offsetof(struct verify, interval_ms), .doc = "default 2s"},
    {"for", FORM_DURATION, offsetof(struct verify, for_ms), .doc = "healthy this long in a row; default 10s"},
    {"checks", FORM_LIST, .flags = KEY_REQUIRED, .sub = check_keys, .read = read_verify_checks, .doc = "the proof"},
    {0},
};

const struct key playbook_keys[] = {
    {"name", FORM_NAME, FIELD(name), KEY_REQUIRED, .doc = "its name in records, unique"},
    {"summary", FORM_TEXT, FIELD(summary), .doc = "what it does and does not do, for people"},
    {"runbook", FORM_TEXT, FIELD(runbook), .doc = "where the procedure is written down"},
    {"matchers", FORM_MATCHERS, FIELD(matchers), KEY_REQUIRED, .read = read_matchers,
     .doc = "Alertmanager's own syntax; all must match"},
    {"vars", FORM_VARS, FIELD(vars), .read = read_later, .doc = "defaults of {{ vars.x }}; the config's vars win"},
    {"decision", FORM_CHOICE, offsetof(struct draft, decision), .choices = decision_choices,
     .doc = "ignore: note the alert, do nothing"},
    {"reason", FORM_TEXT, FIELD(ignore_reason), .doc = "why the alert is ignored"},
    {"mode", FORM_CHOICE, FIELD(mode), .choices = mode_choices, .doc = "default plan"},
    {"target", FORM_MAP, FIELD(target), .sub = target_keys, .read = read_later, .doc = "what is to be repaired"},
    {"severity", FORM_TEXT, FIELD(severity), .doc = "default: the alert's label"},
    {"delay", FORM_DURATION, FIELD(delay_ms), .doc = "grace: skipped if the alert clears meanwhile"},
    {"limits", FORM_MAP, offsetof(struct draft, limits), .sub = limits_keys, .doc = "how often, how many"},
    {"diagnose", FORM_LIST, .sub = evidence_keys, .read = read_later, .doc = "evidence, kept before anything changes"},
    {"precheck", FORM_LIST, .sub = check_keys, .read = read_later, .doc = "if these pass, it is healthy already"},
    {"ladder", FORM_LIST, .sub = rung_keys, .read = read_later, .doc = "rungs, tried in order until one verifies"},
    {"steps", FORM_LIST, .sub = step_keys, .read = read_later, .doc = "a ladder of one rung"},
    {"verify", FORM_MAP, FIELD(verify), .sub = verify_keys, .doc = "how the repair is proven"},
    {"settle", FORM_DURATION, FIELD(settle_ms), .doc = "the alert may still fire this long; default 15m"},
    {"run_timeout", FORM_DURATION, FIELD(run_timeout_ms), .doc = "default 1h"},
    {"resolve", FORM_CHOICE, FIELD(resolve), .choices = resolve_choices,
     .doc = "post, or wait for the next evaluation"},
    {"on_failure", FORM_MAP, offsetof(struct draft, p), .sub = on_failure_keys, .doc = "after the last rung"},
    {"on_still_firing", FORM_CHOICE, offsetof(struct draft, on_still_firing), .choices = still_firing_choices,
     .doc = "when the alert outlives settle"},
    {"protected", FORM_CHOICE, offsetof(struct draft, protected), .choices = protected_choices,
     .doc = "allow: may act in protected namespaces"},
    {"approval", FORM_MAP, offsetof(struct draft, p), .sub = approval_keys, .doc = "mode approve: a person's yes"},
    {"gitops", FORM_CHOICE, offsetof(struct draft, gitops), .choices = gitops_choices,
     .doc = "what Flux or Argo CD owns: refuse (the default), suspend them meanwhile, or allow"},
    {"maintenance", FORM_CHOICE, offsetof(struct draft, maintenance), .choices = maintenance_choices,
     .doc = "only: runs inside a maintenance window, waits outside"},
    {"budget", FORM_CHOICE, offsetof(struct draft, budget), .choices = budget_choices,
     .doc = "exempt: an approved run may exceed it"},
    {"class", FORM_CHOICE, offsetof(struct draft, class), .choices = class_choices,
     .doc = "security, data and infrastructure need a person; default routine"},
    {"parallel", FORM_COUNT, FIELD(parallel),
     .doc = "a step's effects leave in waves of so many; the first that does not come back stops it"},
    {0},
};

static void read_matchers(struct loader *l, const struct node *value, void *field)
{
    struct playbook *p = (struct playbook *)((char *)field - offsetof(struct playbook, matchers));
    if (!want_type(l, value, NODE_LIST))
        return;
    if (value->n_children == 0)
        faults_add(l->faults, value, "\"matchers\" must not be empty: it would match every alert");
    p->matchers = xcalloc(value->n_children + 1, sizeof(struct matcher *));
    for (size_t i = 0; i < value->n_children; i++) {
        const struct node *item = value->children[i];
        _cleanup_error_ struct error err = ERROR_NONE;
        if (!want_type(l, item, NODE_SCALAR))
            continue;
        if (matcher_parse(item->scalar, &p->matchers[p->n_matchers], &err) < 0)
            faults_add(l->faults, item, "%s", error_message(&err));
        else
            p->n_matchers++;
    }
}

static void read_verify_checks(struct loader *l, const struct node *value, void *field)
{
    struct verify *v = field;
    read_checks(l, value, &v->checks, &v->n_checks);
    if (value->type == NODE_LIST && value->n_children == 0)
        faults_add(l->faults, value, "\"checks\" must not be empty: nothing would be proven");
}

static bool is_var_name(const char *s)
{
    if (!isalpha((unsigned char)*s) && *s != '_')
        return false;
    while (isalnum((unsigned char)*s) || *s == '_')
        s++;
    return !*s;
}

bool vars_read(struct loader *l, const struct node *value, json_t **field)
{
    if (!want_type(l, value, NODE_MAP))
        return false;
    if (!*field)
        *field = json_object();
    for (size_t i = 0; i < value->n_children; i++) {
        const struct node *item = value->children[i];
        if (!is_var_name(item->key->scalar))
            faults_add(l->faults, item->key, "\"%s\" is not a name for a var: letters, digits and _",
                       item->key->scalar);
        else if (item->type != NODE_SCALAR)
            faults_add(l->faults, item, "the var \"%s\" must be text", item->key->scalar);
        else if (template_is(item->scalar))
            faults_add(l->faults, item, "the var \"%s\" holds a template: vars are values", item->key->scalar);
        else
            json_set_text(*field, item->key->scalar, item->scalar);
    }
    return true;
}

/* The playbook's own vars are defaults: the config's win. */
static void merge_vars(struct loader *l, const struct node *map, struct playbook *p)
{
    const struct node *own = node_get(map, "vars");
    p->vars = json_object();
    if (own)
        vars_read(l, own, &p->vars);
    if (l->config && l->config->vars)
        json_object_update(p->vars, l->config->vars);
}

struct verify verify_default(const struct config *c)
{
    const struct playbook_defaults *from = c ? &c->defaults : &builtin_defaults;
    return (struct verify){
        .timeout_ms = from->verify.timeout_ms, .interval_ms = from->verify.interval_ms, .for_ms = from->verify.for_ms};
}

void check_verify_times(struct loader *l, const struct node *at, const struct verify *v)
{
    if (v->timeout_ms < MSEC_PER_SEC)
        faults_add(l->faults, at, "verify.timeout must be at least 1s");
    if (v->interval_ms < 100)
        faults_add(l->faults, at, "verify.interval must be at least 100ms");
    if (v->for_ms >= v->timeout_ms)
        faults_add(l->faults, at, "verify.for must be shorter than verify.timeout: it could never pass");
}

static void check_verify(struct loader *l, const struct node *map, const struct playbook *p)
{
    const struct node *at = node_get(map, "verify");
    if (!at) {
        if (p->mode == MODE_AUTO)
            faults_add(l->faults, map, "mode auto needs \"verify\": a repair without proof is no repair");
        return;
    }
    check_verify_times(l, at, &p->verify);
}

/* What needs a person by its nature never runs by itself. */
static void check_class(struct loader *l, const struct node *map, const struct playbook *p)
{
    const struct node *at = node_get(map, "class"), *exempt = node_get(map, "budget"),
                      *only = node_get(map, "maintenance");
    if (at && p->class != CLASS_ROUTINE && p->mode == MODE_AUTO)
        faults_add(l->faults, at, "class %s needs a person: mode approve, plan or observe, not auto",
                   class_choices[p->class]);
    if (at && p->class == CLASS_SECURITY && p->n_diagnose == 0)
        faults_add(l->faults, at, "class security needs \"diagnose\": evidence is kept before anything is touched");
    if (exempt && p->budget_exempt && p->mode != MODE_APPROVE)
        faults_add(l->faults, exempt, "budget: exempt needs mode approve: only a person may exceed the budget");
    if (only && p->maintenance_only && l->config && l->config->n_windows == 0)
        faults_warn(l->faults, only, "playbook \"%s\" never runs: the config has no maintenance windows", p->name);
}

/* A config without `escalation` tells nobody anyway. */
static void check_severity(struct loader *l, const struct node *map, const struct playbook *p)
{
    const struct node *at = node_get(map, "severity");
    if (!at || !p->severity || !l->config || l->config->escalation.n_policies == 0)
        return;
    if (!escalation_policy_of(&l->config->escalation, p->severity))
        faults_warn(l->faults, at, "nobody is told: escalation has neither \"%s\" nor \"default\"", p->severity);
}

static bool asks_a_person(const struct playbook *p)
{
    for (size_t i = 0; i < p->n_rungs; i++)
        if (p->ladder[i].mode == MODE_APPROVE)
            return true;
    return false;
}

/* Times and rungs that contradict each other. Not of a playbook from the journal: a run keeps what it began with. */
static void check_sense(struct loader *l, const struct node *map, const struct playbook *p)
{
    const struct node *approval = node_get(map, "approval"), *timeout = node_get(map, "run_timeout"),
                      *next = node_get(map, "on_still_firing");
    if (!l->config)
        return;
    if (approval && p->approval_expires_ms <= 0)
        faults_add(l->faults, approval, "approval.expires must be longer than nothing: nobody could approve in time");
    else if (approval && !asks_a_person(p))
        faults_warn(l->faults, approval, "nobody is asked: neither the playbook nor a rung has mode approve");
    if (timeout && p->run_timeout_ms <= 0)
        faults_add(l->faults, timeout, "run_timeout must be longer than nothing");
    else if (timeout && p->verify.present && p->run_timeout_ms <= p->verify.timeout_ms)
        faults_warn(l->faults, timeout, "run_timeout is not longer than verify.timeout: the proof may be cut short");
    check_severity(l, map, p);
    if (next && p->still_firing_next_rung && p->n_rungs < 2)
        faults_warn(l->faults, next, "on_still_firing: next_rung, but there is no second rung");
}

static void refuse_with_ignore(struct loader *l, const struct node *map)
{
    static const char *const acting[] = {"target", "diagnose", "precheck", "ladder", "steps", "verify", NULL};
    for (size_t i = 0; acting[i]; i++)
        if (node_get(map, acting[i]))
            faults_add(l->faults, node_get(map, acting[i])->key, "decision ignore does nothing: it has no \"%s\"",
                       acting[i]);
    if (!node_get(map, "reason"))
        faults_add(l->faults, map, "decision ignore needs \"reason\": why the alert is ignored");
}

static void read_body(struct loader *l, const struct node *map, struct playbook *p)
{
    const struct node *target = node_get(map, "target"), *diagnose = node_get(map, "diagnose"),
                      *precheck = node_get(map, "precheck"), *ladder = node_get(map, "ladder"),
                      *steps = node_get(map, "steps");
    if (target) {
        p->has_target = true;
        read_target(l, target, &p->target);
    } else {
        faults_add(l->faults, map, "a playbook needs \"target\": what is to be repaired");
    }
    if (diagnose)
        read_steps(l, diagnose, &p->diagnose, &p->n_diagnose, true);
    if (precheck)
        read_checks(l, precheck, &p->precheck, &p->n_precheck);
    if (ladder && steps)
        faults_add(l->faults, steps->key, "a playbook has either \"ladder\" or \"steps\", not both");
    else if (!ladder && !steps)
        faults_add(l->faults, map, "a playbook needs \"ladder\" or \"steps\": what to do");
    if (ladder) {
        read_ladder(l, ladder, p);
    } else if (steps) {
        p->ladder = xcalloc(1, sizeof(struct rung));
        p->n_rungs = 1;
        p->ladder[0] = (struct rung){.name = xstrdup("rung 1"), .mode = p->mode};
        read_rung_steps(l, steps, &p->ladder[0]);
    }
    add_gitops_step(l, p);
    p->verify.present = node_get(map, "verify");
    check_verify(l, map, p);
    check_class(l, map, p);
    check_sense(l, map, p);
}

static void fill_defaults(const struct config *c, struct draft *d)
{
    const struct playbook_defaults *from = c ? &c->defaults : &builtin_defaults;
    struct limits limits = {0};
    limits_default(&limits);
    d->limits = limits_to_draft(c ? &c->limits : &limits);
    free(limits.attempts);
    d->p = (struct playbook){.refs = 1,
                             .mode = (enum playbook_mode)from->mode,
                             .resolve = (enum resolve_mode)from->resolve,
                             .settle_ms = from->settle_ms,
                             .run_timeout_ms = from->run_timeout_ms,
                             .verify = verify_default(c),
                             .rollback = true,
                             .escalate = true,
                             .approval_expires_ms = 30 * 60 * MSEC_PER_SEC};
}

static void set_source(struct playbook *p)
{
    p->source = playbook_to_json(p);
    _cleanup_free_ char *text = json_canonical(p->source);
    p->hash = xasprintf("%016" PRIx64, fnv1a64(FNV1A64_INIT, text, strlen(text)));
}

struct playbook *read_playbook(struct loader *l, const struct node *map)
{
    const size_t faults_before = l->faults->n;
    struct draft d = {0};
    if (!want_type(l, map, NODE_MAP))
        return NULL;
    fill_defaults(l->config, &d);
    merge_vars(l, map, &d.p);
    l->vars = d.p.vars;
    read_map(l, map, "a playbook", playbook_keys, &d);
    d.p.file = xstrdup(map->file);
    d.p.line = map->line;
    d.p.ignore = d.decision == 1;
    d.p.still_firing_next_rung = d.on_still_firing == 1;
    d.p.protected_allowed = d.protected == 1;
    d.p.maintenance_only = d.maintenance == 1;
    d.p.budget_exempt = d.budget == 1;
    d.p.gitops = (enum gitops_rule)d.gitops;
    d.p.class = (enum playbook_class)d.class;
    limits_from_draft(&d.limits, &d.p.limits);
    if (d.p.ignore)
        refuse_with_ignore(l, map);
    else
        read_body(l, map, &d.p);
    if (!d.p.ignore && d.p.ignore_reason)
        faults_add(l->faults, node_get(map, "reason")->key, "\"reason\" belongs to decision: ignore");
    l->vars = NULL;
    _cleanup_(playbook_unrefp) struct playbook *p = xnew0(struct playbook);
    *p = d.p;
    if (l->faults->n > faults_before)
        return NULL;
    set_source(p);
    return TAKE_PTR(p);
}

int playbook_from_json(const json_t *source, const struct config *config, const struct registry *registry,
                       struct playbook **ret, struct error *err)
{
    (void)config; /* the source is complete: a run keeps the playbook that it began with, whatever was reloaded since */
    _cleanup_(faults_clear) struct faults faults = {0};
    _cleanup_(node_freep) struct node *map = node_from_json("journal", source);
    struct loader l = {.faults = &faults, .registry = registry};
    struct playbook *p = read_playbook(&l, map);
    if (!p)
        return error_set(err, -EINVAL, "a kept playbook cannot be read: %s", faults.n ? faults.texts[0] : "no reason");
    *ret = p;
    return 0;
}
