/* What is never touched: protected namespaces, mendd itself, and whoever opted out (semantics.md, "What mendd never
 * does"). What others own (GitOps, custom resources, autoscalers) is in guard_owned.c. */
#include "base/alloc.h"
#include "base/text.h"
#include "core/internal.h"
#include "core/kinds.h"
#include "core/pods.h"

#include <errno.h>
#include <string.h>

static bool name_matches(const char *pattern, const char *name)
{
    size_t n = strlen(pattern);
    if (n > 0 && pattern[n - 1] == '*')
        return strncmp(pattern, name, n - 1) == 0;
    return strcmp(pattern, name) == 0;
}

bool namespace_is_protected(const struct settings *s, const char *namespace)
{
    for (char **p = s->protected_namespaces; namespace && p && *p; p++)
        if (name_matches(*p, namespace))
            return true;
    return false;
}

static bool is_protected(const struct core *c, const char *namespace)
{
    return namespace_is_protected(c->settings, namespace);
}

/* ---- mendd itself ---- */

/* "mendd-6d4cf56db6-x2x7p" is of "mendd": a Deployment's pod has two parts behind the name, a StatefulSet's or
 * DaemonSet's one. Rather one too many than one too few. */
static bool pod_is_of(const char *pod, const char *name)
{
    size_t n = name ? strlen(name) : 0;
    if (n == 0 || strncmp(pod, name, n) != 0)
        return false;
    const char *rest = pod + n;
    int parts = 0;
    for (const char *p = rest; *p; p++)
        parts += *p == '-';
    return *rest == '\0' || (*rest == '-' && parts <= 2);
}

static bool is_self(const struct core *c, const char *cluster, const char *kind, const char *namespace,
                    const char *name)
{
    const struct self *self = &c->settings->self;
    if (!str_eq(cluster, self->cluster))
        return false;
    if (str_eq(kind, "Node"))
        return self->node && str_eq(name, self->node);
    if (!self->namespace || !str_eq(namespace, self->namespace))
        return false;
    return str_eq(kind, "Lease") || (self->pod && pod_is_of(self->pod, name));
}

static bool is_of_drain(const json_t *effect)
{
    return json_path_text(effect, "made", "drained", NULL) != NULL;
}

/* What the run is about to change: the effect that is next, and all of a drain, so that one which may not be finished
 * is not begun. */
static bool is_ahead(const struct run *run, const json_t *effect)
{
    return effect == run->current ||
           (run->current && !run->rolling && is_of_drain(effect) && str_eq(json_text(effect, "status"), "pending"));
}

static const char *cluster_of(const struct run *run, const json_t *effect)
{
    const char *cluster = json_text_or(effect, "cluster", "");
    return *cluster || !run->target.cluster ? cluster : run->target.cluster;
}

static bool changes_self(const struct core *c, const struct run *run)
{
    size_t i;
    json_t *e;
    json_array_foreach (run->effects, i, e) {
        const json_t *o = json_object_get(e, "object");
        if (o && is_ahead(run, e) &&
            is_self(c, cluster_of(run, e), json_text(o, "kind"), json_text(o, "namespace"), json_text(o, "name")))
            return true;
    }
    return false;
}

/* What effects change, and what the run works on. */
static bool touches_self(const struct core *c, const struct run *run)
{
    const struct target *t = &run->target;
    if (changes_self(c, run))
        return true;
    for (size_t i = 0; i < t->n_owners; i++)
        if (is_self(c, t->cluster, t->owners[i].kind, t->owners[i].namespace, t->owners[i].name))
            return true;
    return t->name && is_self(c, t->cluster, t->kind, t->namespace, t->name);
}

/* A drain evicts pods of any namespace. NULL: of no protected one. */
static const char *evicts_from_protected(const struct core *c, const struct run *run)
{
    size_t i;
    json_t *e;
    json_array_foreach (run->effects, i, e) {
        const char *namespace = json_path_text(e, "object", "namespace", NULL);
        if (is_ahead(run, e) && str_eq(json_path_text(e, "object", "kind", NULL), "Pod") && is_protected(c, namespace))
            return namespace;
    }
    return NULL;
}

enum guard_answer guard_protected(struct core *c, struct run *run, struct askset *set, struct guard_result *ret)
{
    (void)set;
    if (touches_self(c, run))
        return guard_final(ret, REASON_PROTECTED_NAMESPACE,
                           xstrdup("that is mendd itself, or its node: it never touches what it runs on"));
    if (run->playbook->protected_allowed)
        return GUARD_PASS;
    const char *found = is_protected(c, run->target.namespace) ? run->target.namespace : NULL;
    for (size_t i = 0; !found && i < run->target.n_owners; i++)
        if (is_protected(c, run->target.owners[i].namespace))
            found = run->target.owners[i].namespace;
    const char *changed = run->current ? json_path_text(run->current, "object", "namespace", NULL) : NULL;
    if (!found && is_protected(c, changed)) /* a step may name another object */
        found = changed;
    found = found ? found : evicts_from_protected(c, run);
    if (!found)
        return GUARD_PASS;
    return guard_final(ret, REASON_PROTECTED_NAMESPACE,
                       xasprintf("namespace %s is protected (protected_namespaces); mendd does not act there", found));
}

/* ---- opted_out ---- */

static bool object_opts_out(const struct core *c, const json_t *object)
{
    const char *key = c->settings->ignore_annotation;
    return key && str_eq(json_path_text(object, "metadata", "annotations", key, NULL), "true");
}

/* 0 with the object; -EAGAIN; else as answer_error(), with words. */
int guard_read(struct askset *set, const char *cluster, const char *api_version, const char *kind,
               const char *namespace, const char *name, const json_t **ret_object, struct error *err)
{
    struct kind k;
    int r = kind_find(&set->asks, cluster, api_version, kind, &k, err);
    if (r < 0)
        return r;
    _cleanup_free_ char *path = kube_path(&k, k.namespaced ? namespace : NULL, name, NULL);
    const json_t *answer = ask_kube(&set->asks, cluster, path);
    if (!answer)
        return -EAGAIN;
    _cleanup_free_ char *what = xasprintf("GET %s%s%s \"%s\"%s%s", k.plural, *k.group ? "." : "", k.group, name,
                                          namespace ? " in " : "", namespace ? namespace : "");
    *ret_object = answer_body(answer);
    return answer_error(answer, what, err);
}

/* One object's annotation. Who may not be asked may have opted out: refused. */
static enum guard_answer look_in(struct core *c, struct run *run, struct askset *set, const char *cluster,
                                 const char *api_version, const char *kind, const char *namespace, const char *name,
                                 struct guard_result *ret)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    const json_t *object = NULL;
    bool is_namespace = str_eq(kind, "Namespace");
    int r = guard_read(set, cluster, api_version, kind, namespace, name, &object, &err);
    if (r == -EAGAIN)
        return GUARD_ASKING;
    if (r == 0 && object_opts_out(c, object))
        return guard_final(
            ret, REASON_OPTED_OUT,
            xasprintf("%s %s is annotated %s=true: mendd leaves it alone", kind, name, c->settings->ignore_annotation));
    if (r == 0)
        return GUARD_PASS;
    if (is_namespace && r == -ENOENT) {
        if (!run->namespace_noted)
            core_note(c, run, NOTE_WARN, REASON_NONE, "%s; taken as not annotated with %s", error_message(&err),
                      c->settings->ignore_annotation);
        run->namespace_noted = true;
        return GUARD_PASS;
    }
    if (r == -EACCES || r == -ENOENT)
        return guard_final(ret, r == -EACCES ? REASON_FORBIDDEN : REASON_NO_TARGET, xstrdup(error_message(&err)));
    return guard_final(ret, REASON_ACTION_FAILED, xstrdup(error_message(&err)));
}

static enum guard_answer look_at(struct core *c, struct run *run, struct askset *set, const char *api_version,
                                 const char *kind, const char *namespace, const char *name, struct guard_result *ret)
{
    return look_in(c, run, set, run->target.cluster, api_version, kind, namespace, name, ret);
}

static bool is_owner(const struct run *run, const char *kind, const char *namespace, const char *name,
                     const char *cluster)
{
    for (size_t i = 0; i < run->target.n_owners; i++) {
        const struct object_ref *o = &run->target.owners[i];
        if (str_eq(o->kind, kind) && str_eq(o->name, name) && str_eq(o->namespace, namespace) &&
            str_eq(cluster, run->target.cluster))
            return true;
    }
    return false;
}

/* A step may change something else than the owners: a pod of theirs, an object that it names. Gone is no matter here:
 * the effect finds out. */
static enum guard_answer look_at_changed(struct core *c, struct run *run, struct askset *set, const json_t *effect,
                                         struct guard_result *ret)
{
    const json_t *o = json_object_get(effect, "object");
    const char *kind = json_text(o, "kind"), *name = json_text(o, "name"), *cluster = cluster_of(run, effect);
    if (!kind || !name || is_owner(run, kind, json_text(o, "namespace"), name, cluster))
        return GUARD_PASS;
    enum guard_answer a =
        look_in(c, run, set, cluster, json_text(o, "apiVersion"), kind, json_text(o, "namespace"), name, ret);
    if (a != GUARD_FINAL || ret->reason != REASON_NO_TARGET)
        return a;
    guard_result_clear(ret);
    return GUARD_PASS;
}

/* A drain evicts pods that are not the target's: who speaks for those are their controllers and their namespace. */
static enum guard_answer look_above(struct core *c, struct run *run, struct askset *set, const json_t *effect,
                                    struct guard_result *ret)
{
    enum { MAX_DEPTH = 4 };
    _cleanup_error_ struct error err = ERROR_NONE;
    const json_t *ref = json_object_get(effect, "object"), *object = NULL;
    const char *namespace = json_text(ref, "namespace"), *cluster = cluster_of(run, effect);
    if (!is_of_drain(effect) || !namespace)
        return GUARD_PASS;
    enum guard_answer sum = look_in(c, run, set, cluster, "v1", "Namespace", NULL, namespace, ret);
    for (int depth = 0; sum != GUARD_FINAL && depth < MAX_DEPTH; depth++) {
        const char *kind = json_text(ref, "kind"), *name = json_text(ref, "name");
        if (!kind || !kind_known(kind) || !name || is_owner(run, kind, namespace, name, cluster))
            break;
        enum guard_answer a = look_in(c, run, set, cluster, NULL, kind, namespace, name, ret);
        if (a == GUARD_FINAL && ret->reason == REASON_NO_TARGET) { /* gone: nobody speaks for it */
            guard_result_clear(ret);
            break;
        }
        if (a != GUARD_PASS)
            return a;
        if (guard_read(set, cluster, NULL, kind, namespace, name, &object, &err) < 0)
            break;
        ref = object_controller(object);
    }
    return sum;
}

/* The objects of the effects ahead. */
static enum guard_answer look_ahead(struct core *c, struct run *run, struct askset *set, struct guard_result *ret)
{
    enum guard_answer sum = GUARD_PASS;
    size_t i;
    json_t *e;
    json_array_foreach (run->effects, i, e) {
        if (!is_ahead(run, e))
            continue;
        enum guard_answer a = look_at_changed(c, run, set, e, ret);
        enum guard_answer b = a == GUARD_FINAL ? a : look_above(c, run, set, e, ret);
        if (b == GUARD_FINAL)
            return b;
        sum = a == GUARD_ASKING || b == GUARD_ASKING ? GUARD_ASKING : sum;
    }
    return sum;
}

static bool named_is_owner(const struct target *t)
{
    for (size_t i = 0; i < t->n_owners; i++)
        if (str_eq(t->owners[i].kind, t->kind) && str_eq(t->owners[i].name, t->name))
            return true;
    return false;
}

/* Whether this run has deleted the object itself, to make it again. */
static bool deleted_by_run(const struct run *run, const struct object_ref *o)
{
    size_t i;
    json_t *e;
    json_array_foreach (run->effects, i, e) {
        const json_t *ref = json_object_get(e, "object");
        if (str_eq(json_text(e, "method"), "DELETE") && str_eq(json_text(e, "status"), "done") &&
            str_eq(json_text(ref, "kind"), o->kind) && str_eq(json_text(ref, "name"), o->name) &&
            str_eq(json_text(ref, "namespace"), o->namespace) && str_eq(cluster_of(run, e), run->target.cluster))
            return true;
    }
    return false;
}

/* All questions are put before the answers are awaited, so that they travel together. */
enum guard_answer guard_opted_out(struct core *c, struct run *run, struct askset *set, struct guard_result *ret)
{
    const struct target *t = &run->target;
    if (!c->settings->ignore_annotation)
        return GUARD_PASS;
    enum guard_answer sum = look_ahead(c, run, set, ret);
    if (sum == GUARD_FINAL || t->n_owners == 0)
        return sum;
    for (size_t i = 0; i < t->n_owners; i++) {
        const struct object_ref *o = &t->owners[i];
        enum guard_answer a = look_at(c, run, set, o->api_version, o->kind, o->namespace, o->name, ret);
        if (a == GUARD_FINAL && ret->reason == REASON_NO_TARGET && deleted_by_run(run, o)) {
            guard_result_clear(ret);
            a = GUARD_PASS;
        }
        if (a == GUARD_FINAL)
            return a;
        sum = a == GUARD_ASKING ? a : sum;
    }
    /* A named pod may be gone by the second rung: only its owner must still be there. */
    if (t->name && !run->acted && !named_is_owner(t)) {
        enum guard_answer a = look_at(c, run, set, NULL, t->kind, t->namespace, t->name, ret);
        if (a == GUARD_FINAL)
            return a;
        sum = a == GUARD_ASKING ? a : sum;
    }
    if (t->namespace && run->playbook->mode != MODE_OBSERVE) {
        enum guard_answer a = look_at(c, run, set, "v1", "Namespace", NULL, t->namespace, ret);
        if (a != GUARD_PASS)
            return a;
    }
    return sum;
}
