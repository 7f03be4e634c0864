/* The words in which actions and checks say what they need, made into rights: for each cluster, kind, namespace and
 * name that the step's templates leave. */
#include "base/alloc.h"
#include "base/text.h"
#include "core/playbook.h"
#include "core/rights_internal.h"
#include "core/settings.h"

#include <stdarg.h>
#include <string.h>

void rights_fault(const struct rights_in *in, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    _cleanup_free_ char *words = xvasprintf(fmt, args);
    va_end(args);
    _cleanup_free_ char *text = xasprintf("%s: %s", in->why, words);
    right_fault(in->to, text);
}

bool rights_has(const struct rights_in *in, const char *param)
{
    return json_text(in->with, param) != NULL;
}

/* ---- one right for each choice ---- */

/* What each choice is written into, in turn; "any" leaves NULL. */
struct spread {
    const struct rights_in *in;
    struct right like;
};

static void put(struct spread *s, char **field, const struct choices *c, void (*next)(struct spread *, const void *),
                const void *arg)
{
    *field = NULL;
    if (c->any)
        next(s, arg);
    for (size_t i = 0; i < c->n; i++) {
        *field = c->texts[i];
        next(s, arg);
    }
    *field = NULL;
}

static void put_end(struct spread *s, const void *arg)
{
    (void)arg;
    right_add(s->in->to, &s->like, s->in->why);
}

static void put_name(struct spread *s, const void *arg)
{
    const struct choices *names = arg;
    put(s, &s->like.name, names, put_end, NULL);
}

/* A Namespace is in itself, as far as RBAC goes: a Role in it may allow to read it (apiserver, request/requestinfo.go).
 */
static void put_self(struct spread *s, const void *arg)
{
    (void)arg;
    s->like.name = s->like.namespace;
    put_end(s, NULL);
    s->like.name = NULL;
}

static struct choices clusters_of(const struct rights_in *in)
{
    const char *said = in->cluster ? in->cluster : in->playbook ? in->playbook->target.cluster : NULL;
    struct choices own = {0};
    if (said)
        return rights_choices(in, said);
    choices_add(&own, in->settings->default_cluster ? in->settings->default_cluster : "default");
    return own;
}

/* RBAC cannot tell names where the request bears none. */
static bool bears_name(const struct rights_what *w, const char *verb)
{
    if (str_eq(verb, "create"))
        return w->subresource || w->names_create;
    return !str_eq(verb, "list");
}

static void add_in_cluster(struct spread *s, const struct rights_what *w, const struct kind *k)
{
    _cleanup_choices_ struct choices own = {0};
    static const struct choices any = {.any = true};
    const struct choices *names = w->names && bears_name(w, s->like.verb) ? w->names : &any, *namespaces = &any;
    const bool self = str_eq(k->kind, "Namespace") && w->namespaces;
    if (k->namespaced || self) {
        own = w->namespaces ? (struct choices){0} : rights_namespaces(s->in);
        namespaces = w->namespaces ? w->namespaces : &own;
    }
    put(s, &s->like.namespace, namespaces, self ? put_self : put_name, names);
}

struct one_verb {
    const struct rights_what *what;
    const struct kind *kind;
};

static void put_verb(struct spread *s, const void *arg)
{
    const struct one_verb *v = arg;
    add_in_cluster(s, v->what, v->kind);
}

void rights_read(const struct rights_in *in, const struct rights_what *w, const char *verbs)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_choices_ struct choices clusters = clusters_of(in);
    struct kind k;
    bool guessed;
    if (kind_offline(w->api_version, w->kind, &k, &guessed, &err) < 0) {
        rights_fault(in, "%s", error_message(&err));
        return;
    }
    _cleanup_free_ char *resource = w->subresource ? xasprintf("%s/%s", k.plural, w->subresource) : xstrdup(k.plural);
    for (const char *at = verbs; *at;) {
        const size_t n = strcspn(at, " ");
        _cleanup_free_ char *verb = xstrndup(at, n);
        struct spread s = {.in = in,
                           .like = {.group = k.group,
                                    .resource = resource,
                                    .verb = verb,
                                    .namespaced = k.namespaced,
                                    .newer_only = w->newer_only,
                                    .guessed = guessed}};
        const struct one_verb one = {w, &k};
        put(&s, &s.like.cluster, &clusters, put_verb, &one);
        at += n + (at[n] == ' ');
    }
}

/* Of what is in no namespace Events are in "default" (core/cluster_event.h). */
void rights_tell(const struct rights_in *in, const char *api_version, const char *kind,
                 const struct choices *namespaces)
{
    _cleanup_choices_ struct choices own = {0};
    _cleanup_free_ char *why = xasprintf("playbook %s, its Events", in->playbook->name);
    struct rights_in events = *in;
    struct kind k;
    bool guessed;
    events.why = why;
    if (!in->settings->events || kind_offline(api_version, kind, &k, &guessed, NULL) < 0)
        return;
    if (!k.namespaced) {
        choices_add(&own, "default");
        namespaces = &own;
    }
    rights_read(&events, &(struct rights_what){.kind = "Event", .namespaces = namespaces}, "create patch");
}

void rights_change(const struct rights_in *in, const struct rights_what *what, const char *verbs)
{
    struct rights_what object = *what;
    if (in->plans_only)
        return;
    rights_tell(in, what->api_version, what->kind, what->namespaces);
    object.subresource = NULL;
    object.newer_only = false;
    rights_read(in, what, verbs);
    rights_read(in, &object, "get");
}

void rights_list(const struct rights_in *in, const char *kind)
{
    rights_read(in, &(struct rights_what){.kind = kind}, "list");
}

void rights_create(const struct rights_in *in, const struct rights_what *what, bool undo)
{
    rights_change(in, what, undo && in->playbook->rollback ? "create delete" : "create");
}

/* ---- the objects of a step ---- */

const char **rights_owner_kinds(const char *kind)
{
    static const char *const of_pod[] = {"Pod",       "ReplicaSet", "Deployment", "StatefulSet",
                                         "DaemonSet", "Job",        "CronJob",    "ReplicationController"};
    static const char *const of_replicaset[] = {"ReplicaSet", "Deployment"}, *const of_job[] = {"Job", "CronJob"};
    const char **kinds = xcalloc(ARRAY_SIZE(of_pod) + 1, sizeof(*kinds));
    if (str_eq(kind, "Pod"))
        memcpy(kinds, of_pod, sizeof(of_pod));
    else if (str_eq(kind, "ReplicaSet"))
        memcpy(kinds, of_replicaset, sizeof(of_replicaset));
    else if (str_eq(kind, "Job"))
        memcpy(kinds, of_job, sizeof(of_job));
    else
        kinds[0] = kind;
    return kinds;
}

typedef void (*found_fn)(const struct rights_in *, const struct rights_what *);

static void found_kind(const struct rights_in *in, const char *const *kinds, const struct rights_what *what,
                       found_fn found)
{
    if (!kinds || str_in(what->kind, kinds))
        found(in, what);
}

/* The step names no kind: the target's own, and of a pod or another thing that is made, whoever may stand above it. */
static void of_target(const struct rights_in *in, const char *const *kinds, const struct choices *names, found_fn found)
{
    const struct target_spec *t = &in->playbook->target;
    _cleanup_choices_ struct choices own = rights_choices(in, t->kind), own_name = rights_choices(in, t->name);
    const bool named = rights_has(in, "name") || rights_has(in, "selector");
    if (t->kind && own.any)
        rights_fault(in, "the target's kind comes from the alert (%s): its rights cannot be told", t->kind);
    for (size_t i = 0; i < own.n; i++) {
        _cleanup_free_ const char **above = rights_owner_kinds(own.texts[i]);
        for (size_t k = 0; above[k]; k++) {
            const struct rights_what what = {.api_version = k == 0 ? t->api_version : NULL,
                                             .kind = above[k],
                                             .names = named    ? names
                                                      : k == 0 ? &own_name
                                                               : NULL};
            found_kind(in, kinds, &what, found);
        }
    }
}

void rights_each_kind(const struct rights_in *in, const char *const *kinds, found_fn found)
{
    const char *said = json_text(in->with, "kind");
    _cleanup_choices_ struct choices names = rights_param(in, "name");
    if (!said) {
        of_target(in, kinds, &names, found);
        return;
    }
    _cleanup_choices_ struct choices list = rights_choices(in, said), own = {.any = true};
    if (list.any)
        rights_fault(in, "kind comes from the alert (%s): its rights cannot be told", said);
    for (size_t i = 0; i < list.n; i++) {
        const bool named = rights_has(in, "name") || rights_has(in, "selector");
        choices_clear(&own);
        own = rights_target_name(in, list.texts[i]);
        const struct rights_what what = {
            .api_version = json_text(in->with, "apiVersion"), .kind = list.texts[i], .names = named ? &names : &own};
        found_kind(in, kinds, &what, found);
    }
}

static void look_at(const struct rights_in *in, const struct rights_what *what)
{
    rights_read(in, what, rights_has(in, "selector") && !rights_has(in, "name") ? "list" : "get");
}

static void patch_it(const struct rights_in *in, const struct rights_what *what)
{
    look_at(in, what);
    rights_change(in, what, "patch");
}

void rights_look_at_objects(const struct rights_in *in, const char *const *kinds)
{
    rights_each_kind(in, kinds, look_at);
}

void rights_patch_objects(const struct rights_in *in, const char *const *kinds)
{
    rights_each_kind(in, kinds, patch_it);
}

/* ---- pods ---- */

bool rights_makes_pods(const struct rights_in *in)
{
    const struct playbook *p = in->playbook;
    for (size_t r = 0; r < p->n_rungs; r++)
        for (size_t i = 0; i < p->ladder[r].n_steps; i++)
            if (p->ladder[r].steps[i].action->makes_pods)
                return true;
    return false;
}

void rights_pods(const struct rights_in *in, const char *name, struct choices *ret_names)
{
    _cleanup_choices_ struct choices names = rights_param(in, name), bare = rights_target_name(in, "Pod");
    const struct rights_what pod = {.kind = "Pod", .names = &names};
    if (rights_has(in, name)) {
        rights_read(in, &pod, "get");
    } else {
        rights_read(in, &pod, "list");
        if (rights_target_is(in, "Pod") && !rights_has(in, "selector")) /* one without a controller */
            rights_read(in, &(struct rights_what){.kind = "Pod", .names = &bare}, "get");
    }
    if (!ret_names)
        return;
    *ret_names = names;
    names = (struct choices){0};
}

/* The command goes over a WebSocket, which is a GET; API servers from 1.35 on ask for `create` as well. */
void rights_exec(const struct rights_in *in)
{
    _cleanup_choices_ struct choices names = {0};
    rights_pods(in, "pod", &names);
    struct rights_what what = {.kind = "Pod", .subresource = "exec", .names = &names};
    rights_read(in, &what, "get");
    what.newer_only = true;
    rights_read(in, &what, "create");
}
