/* Kubernetes Events out of a run's life (core/cluster_event.h). */
#include "core/cluster_event.h"

#include "base/alloc.h"
#include "base/text.h"
#include "core/redact.h"

/* What has changed something may say so whatever the mode of its next rung is. */
static bool may_speak(const struct core *c, const struct run *run)
{
    if (!c->out || !c->settings->events || c->settings->dry_run || !run->playbook)
        return false;
    return run->acted || guard_mode(c, run) >= MODE_APPROVE;
}

static void add(struct core *c, const struct run *run, const char *cluster, const char *type, const char *reason,
                json_t *object_new, const char *message)
{
    _cleanup_free_ char *plain = redact_text_new(message);
    json_t *what = json_object();
    json_set_text(what, "cluster", str_empty(cluster) ? run->target.cluster : cluster);
    json_set_text(what, "type", type);
    json_set_text(what, "reason", reason);
    json_set_text(what, "message", plain);
    json_set_text(what, "run", run->id);
    json_set_text(what, "playbook", run->playbook->name);
    json_object_set_new(what, "object", object_new);
    core_cluster_event(c, run, what);
}

/* NULL where something that an Event must name is not there. */
static json_t *object_new(const char *api_version, const char *kind, const char *namespace, const char *name,
                          const char *uid)
{
    if (!api_version || !kind || !name)
        return NULL;
    json_t *object = json_object();
    json_set_text(object, "apiVersion", api_version);
    json_set_text(object, "kind", kind);
    json_set_text(object, "namespace", namespace);
    json_set_text(object, "name", name);
    json_set_text(object, "uid", uid);
    return object;
}

static bool same(const json_t *a, const json_t *b)
{
    static const char *const keys[] = {"kind", "namespace", "name"};
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (!str_eq(json_text(a, keys[i]), json_text(b, keys[i])))
            return false;
    return true;
}

/* On the target's owners, but for `but` (NULL: nobody), who was told already. */
static void tell_owners(struct core *c, const struct run *run, const json_t *but, const char *type, const char *reason,
                        const char *message)
{
    for (size_t i = 0; i < run->target.n_owners && i < CLUSTER_EVENT_OWNERS; i++) {
        const struct object_ref *o = &run->target.owners[i];
        json_t *owner = object_new(o->api_version, o->kind, o->namespace, o->name, o->uid);
        if (owner && !(but && same(owner, but)))
            add(c, run, run->target.cluster, type, reason, owner, message);
        else
            json_decref(owner);
    }
}

/* What an effect changes; NULL: nothing in a cluster (another system, mendd's host). */
static json_t *changed_new(const json_t *effect)
{
    const json_t *o = json_object_get(effect, "object");
    return object_new(json_text(o, "apiVersion"), json_text(o, "kind"), json_text(o, "namespace"), json_text(o, "name"),
                      json_text(o, "uid"));
}

void cluster_event_acting(struct core *c, const struct run *run, const json_t *effect)
{
    if (!may_speak(c, run))
        return;
    _cleanup_free_ char *what = effect_describe(effect);
    _cleanup_free_ char *message = xasprintf("%s: %s", run_step_now(run)->action->name, what);
    _cleanup_json_ json_t *object = changed_new(effect);
    if (object)
        add(c, run, json_text(effect, "cluster"), "Normal", "Remediating", json_incref(object), message);
    tell_owners(c, run, object, "Normal", "Remediating", message);
}

void cluster_event_undone(struct core *c, const struct run *run, const json_t *effect, const char *how,
                          const char *message)
{
    json_t *object = may_speak(c, run) ? changed_new(effect) : NULL;
    const bool done = str_eq(how, "done");
    if (!object)
        return;
    _cleanup_free_ char *what = effect_describe(effect);
    _cleanup_free_ char *words = done ? xasprintf("put back what mendd had changed (%s)", what)
                                      : xasprintf("not put back (%s): %s", what, message ? message : how);
    add(c, run, json_text(effect, "cluster"), done ? "Normal" : "Warning", done ? "RolledBack" : "RollbackFailed",
        object, words);
}

void cluster_event_ended(struct core *c, const struct run *run, bool escalated, const char *message)
{
    if (!may_speak(c, run))
        return;
    if (run->outcome == OUTCOME_RESOLVED && run->reason == REASON_REPAIRED)
        tell_owners(c, run, NULL, "Normal", "Repaired", message);
    else if (run->outcome == OUTCOME_FAILED)
        tell_owners(c, run, NULL, "Warning", "RepairFailed", message);
    else if (run->outcome == OUTCOME_CANCELLED && run->acted)
        tell_owners(c, run, NULL, "Normal", "Cancelled", message);
    else if (run->outcome == OUTCOME_SKIPPED && escalated)
        tell_owners(c, run, NULL, "Warning", "Refused", message);
}

void cluster_event_held(struct core *c, const struct run *run, const char *message)
{
    if (may_speak(c, run))
        tell_owners(c, run, NULL, "Warning", "Held", message);
}

void cluster_event_approval(struct core *c, const struct run *run, const char *message)
{
    if (may_speak(c, run))
        tell_owners(c, run, NULL, "Normal", "AwaitingApproval", message);
}
