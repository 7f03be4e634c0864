/* What whole playbooks need: what the core reads for each (the target and its owners, who opted out, the shares of
 * budgets), then its steps and checks by their own words; and what mendd's watch of clusters reads.
 *
 * Nothing is counted that the mode does not do: `observe` looks at the target alone, `plan` only plans its first rung.
 */
#include "base/alloc.h"
#include "base/text.h"
#include "core/internal.h"
#include "core/rights_internal.h"

#include <string.h>

struct walk {
    const struct settings *settings;
    const struct playbook *playbook;
    struct rights found; /* of this playbook */
};

static struct rights_in begin(struct walk *w, const json_t *with, const char *cluster, const char *why)
{
    return (struct rights_in){.playbook = w->playbook,
                              .settings = w->settings,
                              .with = with,
                              .cluster = cluster,
                              .why = why,
                              .to = &w->found};
}

/* ---- the core's own ---- */

static void read_target_kind(const struct rights_in *in, const char *kind)
{
    const struct target_spec *t = &in->playbook->target;
    _cleanup_choices_ struct choices names = rights_choices(in, t->name);
    _cleanup_free_ const char **above = rights_owner_kinds(kind);
    for (size_t i = 0; above[i]; i++) {
        const struct rights_what what = {
            .api_version = i == 0 ? t->api_version : NULL, .kind = above[i], .names = i == 0 ? &names : NULL};
        rights_read(in, &what, i == 0 && !t->name ? "get list" : "get");
        if (in->playbook->mode >= MODE_APPROVE)
            rights_tell(in, what.api_version, what.kind, NULL);
    }
}

static void read_target(const struct rights_in *in)
{
    const struct target_spec *t = &in->playbook->target;
    _cleanup_choices_ struct choices kinds = rights_choices(in, t->kind), namespaces = rights_choices(in, t->namespace);
    if (!in->playbook->has_target)
        return;
    if (kinds.any)
        rights_fault(in, "its kind comes from the alert (%s): its rights cannot be told", t->kind ? t->kind : "");
    for (size_t i = 0; i < kinds.n; i++)
        read_target_kind(in, kinds.texts[i]);
    if (t->namespace && in->settings->ignore_annotation && in->playbook->mode != MODE_OBSERVE)
        rights_read(in, &(struct rights_what){.kind = "Namespace", .namespaces = &namespaces}, "get");
}

/* ---- budgets ---- */

static void count_workloads(const struct rights_in *in, const struct choices *namespaces)
{
    static const char *const kinds[] = {"Deployment", "StatefulSet", "DaemonSet", NULL};
    for (const char *const *k = kinds; *k; k++)
        rights_read(in, &(struct rights_what){.kind = *k, .namespaces = namespaces}, "list");
}

static void read_shares(const struct rights_in *in, bool nodes)
{
    const struct budget_settings *b = &in->settings->budgets;
    static const struct choices everywhere = {.any = true};
    _cleanup_choices_ struct choices here = rights_namespaces(in);
    if (nodes && (b->global.nodes_percent || b->cluster.nodes_percent))
        rights_list(in, "Node");
    if (nodes)
        return;
    if (b->global.workloads_percent || b->cluster.workloads_percent)
        count_workloads(in, &everywhere);
    if (b->namespace.workloads_percent)
        count_workloads(in, &here);
}

static void read_budgets(struct walk *w)
{
    const struct playbook *p = w->playbook;
    _cleanup_json_ json_t *nothing = json_object();
    _cleanup_free_ char *why = xasprintf("playbook %s, the budget's share", p->name);
    struct rights_in in = begin(w, nothing, NULL, why);
    if (!w->settings->budgets.enabled || (p->budget_exempt && p->mode == MODE_APPROVE))
        return;
    if (p->has_target)
        read_shares(&in, rights_target_is(&in, "Node"));
    for (size_t r = 0; r < p->n_rungs && p->mode > MODE_PLAN; r++) {
        for (size_t i = 0; i < p->ladder[r].n_steps; i++) {
            const struct step *s = &p->ladder[r].steps[i];
            in = begin(w, s->with, s->cluster, why);
            if (s->action->class == ACTION_EFFECT && (s->cluster || rights_has(&in, "namespace")))
                read_shares(&in, false);
            if (str_starts(s->action->name, "node."))
                read_shares(&in, true);
        }
    }
}

/* ---- steps and checks ---- */

static void add_checks(struct walk *w, const struct check_step *checks, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        _cleanup_free_ char *why = xasprintf("playbook %s, check %s", w->playbook->name, checks[i].check->name);
        const struct rights_in in = begin(w, checks[i].with, checks[i].cluster, why);
        if (checks[i].check->rights)
            checks[i].check->rights(&in);
    }
}

static void add_steps(struct walk *w, const struct step *steps, size_t n, enum playbook_mode mode)
{
    for (size_t i = 0; i < n; i++) {
        const struct step *s = &steps[i];
        _cleanup_free_ char *why = xasprintf("playbook %s, step %s", w->playbook->name, s->action->name);
        struct rights_in in = begin(w, s->with, s->cluster, why);
        in.plans_only = mode <= MODE_PLAN;
        in.approved = mode == MODE_APPROVE;
        if (s->action->rights)
            s->action->rights(&in);
        if (s->condition)
            add_checks(w, s->condition, 1);
        if (s->verify && mode > MODE_PLAN)
            add_checks(w, s->verify->checks, s->verify->n_checks);
    }
}

static void add_work(struct walk *w)
{
    const struct playbook *p = w->playbook;
    if (p->mode > MODE_PLAN) {
        add_steps(w, p->diagnose, p->n_diagnose, p->mode);
        add_checks(w, p->precheck, p->n_precheck);
        add_checks(w, p->verify.checks, p->verify.n_checks);
    }
    for (size_t i = 0; i < p->n_rungs && (i == 0 || p->mode > MODE_PLAN); i++) {
        const enum playbook_mode mode = p->ladder[i].mode < p->mode ? p->ladder[i].mode : p->mode;
        if (mode != MODE_OBSERVE)
            add_steps(w, p->ladder[i].steps, p->ladder[i].n_steps, mode);
    }
}

/* What is protected is looked at, but nothing there is ever changed. */
static bool is_never_used(const struct walk *w, const struct right *r)
{
    return !w->playbook->protected_allowed && !str_eq(r->verb, "get") && !str_eq(r->verb, "list") &&
           namespace_is_protected(w->settings, r->namespace);
}

static void add_playbook(const struct settings *s, const struct playbook *p, struct rights *to)
{
    struct walk w = {.settings = s, .playbook = p};
    _cleanup_json_ json_t *nothing = json_object();
    _cleanup_free_ char *why = xasprintf("playbook %s, its target", p->name);
    const struct rights_in in = begin(&w, nothing, NULL, why);
    read_target(&in);
    read_budgets(&w);
    add_work(&w);
    for (size_t i = 0; i < w.found.n; i++)
        for (size_t k = 0; k < w.found.items[i].n_whys && !is_never_used(&w, &w.found.items[i]); k++)
            right_add(to, &w.found.items[i], w.found.items[i].whys[k]);
    for (size_t i = 0; i < w.found.n_faults; i++)
        right_fault(to, w.found.faults[i]);
    rights_clear(&w.found);
}

/* ---- the watch ---- */

static void add_watch(const struct settings *s, const char *cluster, struct rights *to)
{
    static const struct choices everywhere = {.any = true};
    struct playbook none = {0};
    _cleanup_json_ json_t *nothing = json_object();
    _cleanup_free_ char *why = xasprintf("the watch of cluster %s", cluster);
    const struct rights_in in = {
        .playbook = &none, .settings = s, .with = nothing, .cluster = cluster, .why = why, .to = to};
    rights_list(&in, "Node");
    rights_read(&in, &(struct rights_what){.kind = "Pod", .namespaces = &everywhere}, "list");
    rights_read(&in, &(struct rights_what){.api_version = "metrics.k8s.io/v1beta1", .kind = "NodeMetrics"}, "list");
}

void rights_of_table(const struct settings *s, struct rights *ret)
{
    *ret = (struct rights){0};
    for (size_t i = 0; i < s->table->n; i++)
        if (!s->table->playbooks[i]->ignore)
            add_playbook(s, s->table->playbooks[i], ret);
    for (size_t i = 0; i < s->n_watched; i++)
        add_watch(s, s->watched[i].name, ret);
    rights_finish(ret);
}
