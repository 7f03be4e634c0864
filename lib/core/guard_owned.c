/* What others own and would put back: workloads that Flux or Argo CD applies (a restart annotation counts:
 * fluxcd/flux2#2526), and what a custom resource's operator made. Only changes of a workload's spec concern them;
 * deleting a pod does not. The playbook's `gitops` rule decides: refuse, suspend (the steps begin with gitops.suspend),
 * allow. Autoscalers are looked at by the actions themselves, which know the field. */
#include "base/alloc.h"
#include "base/text.h"
#include "core/internal.h"

#include <errno.h>

/* The marks that the owners leave on what they apply (Flux: kustomize-controller and helm-controller set labels; Argo
 * CD: its tracking annotation, or the label that it can be told to use). */
static const struct mark {
    const char *where, *key, *who;
} marks[] = {
    {"labels", "kustomize.toolkit.fluxcd.io/name", "Flux Kustomization"},
    {"labels", "helm.toolkit.fluxcd.io/name", "Flux HelmRelease"},
    {"annotations", "argocd.argoproj.io/tracking-id", "Argo CD application"},
    {"labels", "argocd.argoproj.io/instance", "Argo CD application"},
};

static bool rung_changes_spec(const struct run *run)
{
    const struct playbook *p = run->playbook;
    for (size_t i = 0; run->rung < p->n_rungs && i < p->ladder[run->rung].n_steps; i++)
        if (p->ladder[run->rung].steps[i].action->changes_spec)
            return true;
    return false;
}

/* NULL: nobody's. */
static char *owner_words_new(const json_t *object)
{
    for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
        const char *name = json_path_text(object, "metadata", marks[i].where, marks[i].key, NULL);
        if (!str_empty(name))
            return xasprintf("%s %s", marks[i].who, name);
    }
    return NULL;
}

static enum guard_answer refuse(struct guard_result *ret, const char *kind, const char *name, const char *owner)
{
    return guard_final(ret, REASON_GITOPS,
                       xasprintf("%s %s belongs to %s, which would revert the change; change it there, or say gitops: "
                                 "suspend or allow in the playbook",
                                 kind, name, owner));
}

static enum guard_answer look_at(struct run *run, struct askset *set, const char *cluster, const struct object_ref *o,
                                 struct guard_result *ret)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    const json_t *object = NULL;
    int r = guard_read(set, cluster, o->api_version, o->kind, o->namespace, o->name, &object, &err);
    if (r == -EAGAIN)
        return GUARD_ASKING;
    if (r < 0) /* who may not be read has been refused by opted_out, what is gone the effect finds out */
        return GUARD_PASS;
    _cleanup_free_ char *owner = owner_words_new(object);
    if (!owner || run->playbook->gitops == GITOPS_SUSPEND)
        return GUARD_PASS;
    return refuse(ret, o->kind, o->name, owner);
}

static enum guard_answer look_at_owners(struct run *run, struct askset *set, struct guard_result *ret)
{
    enum guard_answer sum = GUARD_PASS;
    for (size_t i = 0; i < run->target.n_owners; i++) {
        enum guard_answer a = look_at(run, set, run->target.cluster, &run->target.owners[i], ret);
        if (a == GUARD_FINAL)
            return a;
        sum = a == GUARD_ASKING ? a : sum;
    }
    return sum;
}

/* An effect may change another object than the target: one that the step names. */
static enum guard_answer look_at_current(struct run *run, struct askset *set, struct guard_result *ret)
{
    const json_t *o = json_object_get(run->current, "object");
    const char *kind = json_text(o, "kind"), *name = json_text(o, "name");
    const char *cluster = json_text_or(run->current, "cluster", "");
    if (!kind || !name || !str_eq(json_text(run->current, "method"), "PATCH"))
        return GUARD_PASS;
    const struct object_ref ref = {.api_version = (char *)json_text(o, "apiVersion"),
                                   .kind = (char *)kind,
                                   .namespace = (char *)json_text(o, "namespace"),
                                   .name = (char *)name};
    return look_at(run, set, *cluster ? cluster : run->target.cluster, &ref, ret);
}

enum guard_answer guard_owned(struct core *c, struct run *run, struct askset *set, struct guard_result *ret)
{
    (void)c;
    if (run->playbook->gitops == GITOPS_ALLOW)
        return GUARD_PASS;
    const bool spec = run->current ? run_step_now(run)->action->changes_spec : rung_changes_spec(run);
    if (!spec)
        return GUARD_PASS;
    if (run->target.custom_owner) /* its operator cannot be suspended by mendd */
        return refuse(ret, run->target.kind ? run->target.kind : "the target",
                      run->target.n_owners ? run->target.owners[0].name : "", run->target.custom_owner);
    enum guard_answer a = run->current ? look_at_current(run, set, ret) : GUARD_PASS;
    return a == GUARD_PASS ? look_at_owners(run, set, ret) : a;
}
