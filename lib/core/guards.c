/* Guards, in the order of semantics.md: the first that does not pass decides. They run before the first step and again
 * right before every effect. */
#include "base/alloc.h"
#include "base/text.h"
#include "core/internal.h"
#include "core/kinds.h"

#include <errno.h>
#include <string.h>

typedef enum guard_answer (*guard_fn)(struct core *c, struct run *run, struct askset *set, struct guard_result *ret);

void guard_result_clear(struct guard_result *r)
{
    free(r->message);
    *r = (struct guard_result){.until_us = INT64_MAX};
}

static enum guard_answer final(struct guard_result *ret, enum reason reason, char *message_new)
{
    ret->reason = reason;
    ret->message = message_new;
    return GUARD_FINAL;
}

static enum guard_answer hold(struct guard_result *ret, enum reason reason, const char *run, int64_t until_us,
                              char *message_new)
{
    *ret = (struct guard_result){.reason = reason, .message = message_new, .run = run, .until_us = until_us};
    return GUARD_WAIT;
}

static bool name_matches(const char *pattern, const char *name)
{
    size_t n = strlen(pattern);
    if (n > 0 && pattern[n - 1] == '*')
        return strncmp(pattern, name, n - 1) == 0;
    return strcmp(pattern, name) == 0;
}

static bool is_protected(const struct core *c, const char *namespace)
{
    for (char **p = c->settings->protected_namespaces; namespace && p && *p; p++)
        if (name_matches(*p, namespace))
            return true;
    return false;
}

static enum guard_answer protected_namespace(struct core *c, struct run *run, struct askset *set,
                                             struct guard_result *ret)
{
    (void)set;
    if (run->playbook->protected_allowed)
        return GUARD_PASS;
    const char *found = is_protected(c, run->target.namespace) ? run->target.namespace : NULL;
    for (size_t i = 0; !found && i < run->target.n_owners; i++)
        if (is_protected(c, run->target.owners[i].namespace))
            found = run->target.owners[i].namespace;
    if (!found)
        return GUARD_PASS;
    return final(ret, REASON_PROTECTED_NAMESPACE,
                 xasprintf("namespace %s is protected (protected_namespaces); mendd does not act there", found));
}

/* ---- opted_out ---- */

static bool object_opts_out(const struct core *c, const json_t *object)
{
    const char *key = c->settings->ignore_annotation;
    return key && str_eq(json_path_text(object, "metadata", "annotations", key, NULL), "true");
}

/* One object's annotation. Only the namespace may be unreadable: then it is taken as not annotated. */
static enum guard_answer look_in(struct core *c, struct run *run, struct askset *set, const char *cluster,
                                 const char *api_version, const char *kind, const char *namespace, const char *name,
                                 struct guard_result *ret)
{
    struct kind k;
    _cleanup_error_ struct error err = ERROR_NONE;
    bool is_namespace = str_eq(kind, "Namespace");
    int r = kind_find(&set->asks, cluster, api_version, kind, &k, &err);
    if (r == -EAGAIN)
        return GUARD_ASKING;
    if (r < 0)
        return final(ret, r == -EACCES ? REASON_FORBIDDEN : REASON_NO_TARGET, xstrdup(error_message(&err)));
    _cleanup_free_ char *path = kube_path(&k, k.namespaced ? namespace : NULL, name, NULL);
    const json_t *answer = ask_kube(&set->asks, cluster, path);
    if (!answer)
        return GUARD_ASKING;
    _cleanup_free_ char *what = xasprintf("GET %s%s%s \"%s\"%s%s", k.plural, *k.group ? "." : "", k.group, name,
                                          namespace ? " in " : "", namespace ? namespace : "");
    r = answer_error(answer, what, &err);
    if (r == 0 && object_opts_out(c, answer_body(answer)))
        return final(
            ret, REASON_OPTED_OUT,
            xasprintf("%s %s is annotated %s=true: mendd leaves it alone", kind, name, c->settings->ignore_annotation));
    if (r == 0)
        return GUARD_PASS;
    if (is_namespace && (r == -EACCES || r == -ENOENT)) {
        if (!run->namespace_noted)
            core_note(c, run, NOTE_WARN, REASON_NONE, "%s; taken as not annotated with %s", error_message(&err),
                      c->settings->ignore_annotation);
        run->namespace_noted = true;
        return GUARD_PASS;
    }
    if (r == -EACCES || r == -ENOENT)
        return final(ret, r == -EACCES ? REASON_FORBIDDEN : REASON_NO_TARGET, xstrdup(error_message(&err)));
    return final(ret, REASON_ACTION_FAILED, xstrdup(error_message(&err)));
}

static enum guard_answer look_at(struct core *c, struct run *run, struct askset *set, const char *api_version,
                                 const char *kind, const char *namespace, const char *name, struct guard_result *ret)
{
    return look_in(c, run, set, run->target.cluster, api_version, kind, namespace, name, ret);
}

static bool is_owner(const struct run *run, const json_t *object, const char *cluster)
{
    for (size_t i = 0; i < run->target.n_owners; i++) {
        const struct object_ref *o = &run->target.owners[i];
        if (str_eq(o->kind, json_text(object, "kind")) && str_eq(o->name, json_text(object, "name")) &&
            str_eq(o->namespace, json_text(object, "namespace")) && str_eq(cluster, run->target.cluster))
            return true;
    }
    return false;
}

/* A step may change something else than the owners: a pod of theirs, an object that it names. Gone is no matter here:
 * the effect finds out. */
static enum guard_answer look_at_changed(struct core *c, struct run *run, struct askset *set, struct guard_result *ret)
{
    const json_t *o = json_object_get(run->current, "object");
    const char *kind = json_text(o, "kind"), *name = json_text(o, "name");
    const char *cluster = json_text_or(run->current, "cluster", "");
    cluster = *cluster || !run->target.cluster ? cluster : run->target.cluster;
    if (!kind || !name || is_owner(run, o, cluster))
        return GUARD_PASS;
    enum guard_answer a =
        look_in(c, run, set, cluster, json_text(o, "apiVersion"), kind, json_text(o, "namespace"), name, ret);
    if (a != GUARD_FINAL || ret->reason != REASON_NO_TARGET)
        return a;
    guard_result_clear(ret);
    return GUARD_PASS;
}

static bool named_is_owner(const struct target *t)
{
    for (size_t i = 0; i < t->n_owners; i++)
        if (str_eq(t->owners[i].kind, t->kind) && str_eq(t->owners[i].name, t->name))
            return true;
    return false;
}

/* All questions are put before the answers are awaited, so that they travel together. */
static enum guard_answer opted_out(struct core *c, struct run *run, struct askset *set, struct guard_result *ret)
{
    const struct target *t = &run->target;
    enum guard_answer sum = GUARD_PASS;
    if (!c->settings->ignore_annotation)
        return GUARD_PASS;
    if (run->current)
        sum = look_at_changed(c, run, set, ret);
    if (sum == GUARD_FINAL || t->n_owners == 0)
        return sum;
    for (size_t i = 0; i < t->n_owners; i++) {
        const struct object_ref *o = &t->owners[i];
        enum guard_answer a = look_at(c, run, set, o->api_version, o->kind, o->namespace, o->name, ret);
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

/* ---- limits ---- */

static enum guard_answer duplicate(struct core *c, struct run *run, struct askset *set, struct guard_result *ret)
{
    (void)set;
    const struct run *other = limits_lock_blocker(c, run);
    if (!other)
        return GUARD_PASS;
    return hold(ret, REASON_DUPLICATE, other->id, INT64_MAX,
                xasprintf("run %s works on the same target; decided again when it ends", other->id));
}

static enum guard_answer cooldown(struct core *c, struct run *run, struct askset *set, struct guard_result *ret)
{
    (void)set;
    const char *last = NULL;
    char text[TIME_TEXT_MAX];
    int64_t until = limits_cooldown_until(c, run, &last);
    if (until == 0)
        return GUARD_PASS;
    return hold(ret, REASON_COOLDOWN, last, c->now.boot_us + (until - c->now.wall_us),
                xasprintf("run %s ended a short while ago on this target; it rests until %s", last,
                          time_format_seconds(until, text)));
}

static enum guard_answer attempts(struct core *c, struct run *run, struct askset *set, struct guard_result *ret)
{
    (void)set;
    char window[TIME_TEXT_MAX];
    size_t n = 0;
    const struct limits *l = &run->playbook->limits;
    const struct rate *rate = limits_exhausted(c, run, l->attempts, l->n_attempts, run->playbook->name);
    if (rate)
        return final(ret, REASON_ATTEMPTS_EXHAUSTED,
                     xasprintf("playbook %s already tried %d times within %s on this target and it fires again",
                               run->playbook->name, rate->count, duration_format(rate->window_ms, window)));
    const struct rate *across = c->settings->target_attempts;
    while (across && across[n].count > 0)
        n++;
    rate = limits_exhausted(c, run, across, n, NULL);
    if (rate)
        return final(ret, REASON_ATTEMPTS_EXHAUSTED,
                     xasprintf("%d repairs within %s on this target, of all playbooks together (target_attempts)",
                               rate->count, duration_format(rate->window_ms, window)));
    return GUARD_PASS;
}

static enum guard_answer concurrent(struct core *c, struct run *run, struct askset *set, struct guard_result *ret)
{
    (void)set;
    int active = limits_active(c, run);
    if (run->active) /* it has its place; two that are at work must not wait for each other */
        return GUARD_PASS;
    if (run->playbook->limits.concurrent <= 0 || active < run->playbook->limits.concurrent)
        return GUARD_PASS;
    return hold(ret, REASON_CONCURRENT, NULL, INT64_MAX,
                xasprintf("%d of %d runs of playbook %s are at work", active, run->playbook->limits.concurrent,
                          run->playbook->name));
}

enum playbook_mode guard_mode(const struct core *c, const struct run *run)
{
    enum playbook_mode m = run->playbook->mode;
    if (m == MODE_AUTO && run->playbook->n_rungs > run->rung)
        m = run->playbook->ladder[run->rung].mode;
    return c->settings->dry_run && m > MODE_PLAN ? MODE_PLAN : m;
}

static enum guard_answer mode(struct core *c, struct run *run, struct askset *set, struct guard_result *ret)
{
    (void)set;
    enum playbook_mode m = guard_mode(c, run);
    if (c->settings->dry_run) {
        ret->plan_only = true;
        return final(ret, REASON_DRY_RUN, xstrdup("--dry-run: nothing was changed; the plan says what would be"));
    }
    if (m == MODE_OBSERVE)
        return final(ret, REASON_OBSERVE_MODE, xstrdup("the playbook only observes (mode: observe)"));
    ret->plan_only = m != MODE_AUTO;
    if (m == MODE_PLAN)
        return final(ret, REASON_PLAN_MODE,
                     xstrdup("the playbook only plans (mode: plan); the plan says what it would do"));
    if (m == MODE_APPROVE)
        return final(ret, REASON_AWAITING_APPROVAL, xstrdup("the plan waits for a person to approve it"));
    return GUARD_PASS;
}

/* The order of semantics.md. `paused` and `maintenance` belong before protected_namespace; `breaker`, `storm` and
 * `budget`, in this order, between concurrent and mode. */
static const guard_fn guards[] = {protected_namespace, opted_out, duplicate, cooldown, attempts, concurrent, mode};

enum guard_answer guards_run(struct core *c, struct run *run, struct askset *set, struct guard_result *ret)
{
    *ret = (struct guard_result){.until_us = INT64_MAX};
    for (size_t i = 0; i < ARRAY_SIZE(guards); i++) {
        enum guard_answer a = guards[i](c, run, set, ret);
        if (a != GUARD_PASS)
            return a;
    }
    return GUARD_PASS;
}

enum guard_answer guards_undo(struct core *c, struct run *run, struct askset *set, struct guard_result *ret)
{
    *ret = (struct guard_result){.until_us = INT64_MAX};
    return opted_out(c, run, set, ret);
}

enum guard_answer guards_waiting(struct core *c, struct run *run, struct guard_result *ret)
{
    static const guard_fn waiting[] = {duplicate, cooldown, concurrent};
    *ret = (struct guard_result){.until_us = INT64_MAX};
    for (size_t i = 0; i < ARRAY_SIZE(waiting); i++) {
        enum guard_answer a = waiting[i](c, run, NULL, ret);
        if (a != GUARD_PASS)
            return a;
    }
    return GUARD_PASS;
}

bool guards_still_held(const struct core *c, const struct run *run)
{
    switch (run->held) {
    case REASON_DUPLICATE: /* only the next in line is told who holds it up when that changes */
        return !limits_is_next(c, run) && limits_lock_blocker(c, run);
    case REASON_COOLDOWN:
        return c->now.boot_us < run->held_until_us;
    case REASON_CONCURRENT:
        return limits_active(c, run) >= run->playbook->limits.concurrent;
    default:
        return false;
    }
}
