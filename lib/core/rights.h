/* What a playbook may ask of the Kubernetes API: verbs on resources, told from the playbook alone, before any alert.
 *
 * Each action and check says its own needs in one function of its file (`rights` of struct action and struct check),
 * in the words of what it does: it looks at the objects that the step names, it lists pods, it changes something. What
 * the core itself reads (the target, its owners, the guards, budgets) is in rights_playbook.c. Templates are not
 * expanded yet: a value that the matchers, the vars or the target leave only a few texts is each of them (choices), any
 * other is "any", and the right then holds for all namespaces or names. A test takes every single right away and sees
 * the run fail (tests/real/test_rights.py); another sees that nothing else is asked for (tests/unit/world.h).
 *
 * Verbs are those of RBAC, several with blanks between them: "get list". */
#pragma once

#include "core/kinds.h"
#include "core/registry.h"

#include <stdbool.h>
#include <stddef.h>

struct playbook;
struct settings;

/* ---- the set ---- */

struct right {
    char *cluster;                 /* NULL: any of them */
    char *group, *resource, *verb; /* resource: "pods", "pods/log" */
    char *namespace;               /* NULL: all of them, or a resource that is in none */
    char *name;                    /* NULL: any */
    bool namespaced;               /* the resource is in a namespace */
    bool newer_only;               /* only newer API servers ask for it (pods/exec: create) */
    bool guessed; /* the resource's name follows from the kind by Kubernetes' rule; nobody has asked a server */
    char **whys;  /* who needs it: "playbook redis-pod-failure, step pods.delete"; sorted, each once */
    size_t n_whys;
};

struct rights {
    struct right *items; /* once rights_finish() ran: in a fixed order, none within another */
    size_t n;
    char **faults; /* what cannot be told, with its place: "playbook x, step y: …" */
    size_t n_faults;
};

void rights_clear(struct rights *r);
#define _cleanup_rights_ _cleanup_(rights_clear)
/* Merges what is the same, drops what another right covers (its reasons move there) and sorts. Nothing gets wider. */
void rights_finish(struct rights *r);
/* What of it holds in one cluster: `cluster` of each is NULL then. Finished. */
void rights_of_cluster(const struct rights *all, const char *cluster, struct rights *ret);
/* Whether `a` allows all that `b` asks for, in the same cluster. */
bool right_covers(const struct right *a, const struct right *b);

/* For people: "delete pods in namespace shop", "get deployments.apps \"api\" in all namespaces". The caller frees. */
char *right_words_new(const struct right *r);

/* Everything that the playbooks of the settings' table need, and mendd's watch; finished. */
void rights_of_table(const struct settings *settings, struct rights *ret);

/* ---- choices: what a template may come to ---- */

struct choices {
    char **texts; /* distinct, none empty */
    size_t n;
    bool any; /* whatever an alert says; texts is empty then */
};

void choices_clear(struct choices *c);
#define _cleanup_choices_ _cleanup_(choices_clear)
bool choices_add(struct choices *c, const char *text); /* false: it was there */

/* ---- for actions and checks ---- */

/* A step or a check as it is written. */
struct rights_in {
    const struct playbook *playbook;
    const struct settings *settings;
    const json_t *with;  /* templates unexpanded; never NULL */
    const char *cluster; /* template or NULL: the target's */
    const char *why;
    bool plans_only; /* what it plans is never sent (modes observe and plan) */
    bool approved;   /* a person approves what it plans (mode approve) */
    struct rights *to;
};

struct choices rights_choices(const struct rights_in *in, const char *template); /* NULL: any */
/* A parameter of the step, any if it is not given. */
struct choices rights_param(const struct rights_in *in, const char *param);
/* The step's parameter `namespace`, else the target's. */
struct choices rights_namespaces(const struct rights_in *in);
bool rights_has(const struct rights_in *in, const char *param);
/* Whether the target may be of this kind. */
bool rights_target_is(const struct rights_in *in, const char *kind);
/* A parameter that names an object, else the target's name, of whatever kind it is. */
struct choices rights_param_or_target(const struct rights_in *in, const char *param);
bool rights_target_is_named(const struct rights_in *in); /* and not found by a selector */
/* The target's name, where it is of this kind; else any. */
struct choices rights_target_name(const struct rights_in *in, const char *kind);

struct rights_what {
    const char *api_version, *kind; /* api_version NULL: a kind that mendd knows */
    const char *subresource;
    const struct choices *namespaces; /* NULL: rights_namespaces(); any: all of them */
    const struct choices *names;      /* NULL: any */
    bool names_create;                /* `create` bears the name too: server-side apply */
    bool newer_only;
};

/* Reads. */
void rights_read(const struct rights_in *in, const struct rights_what *what, const char *verbs);
/* An effect: what is changed is also read, for who opted out, for what came of it and for the rollback. Nothing where
 * nothing is sent. */
void rights_change(const struct rights_in *in, const struct rights_what *what, const char *verbs);
/* Of a kind in the step's namespace, any name. */
void rights_list(const struct rights_in *in, const char *kind);
/* A new object, read before and after; `undo`: deleted again by a rollback. */
void rights_create(const struct rights_in *in, const struct rights_what *what, bool undo);

/* The objects that workloads_find() means: kind, name, selector of the step, else the target's owners; `kinds` as
 * there. found() is called with each kind that it may be. */
void rights_each_kind(const struct rights_in *in, const char *const *kinds,
                      void (*found)(const struct rights_in *in, const struct rights_what *what));
/* Each is read. */
void rights_look_at_objects(const struct rights_in *in, const char *const *kinds);
/* Each is read and gets a marked patch: what plan_each() with plan_merge() does. */
void rights_patch_objects(const struct rights_in *in, const char *const *kinds);

/* Whether a step of the playbook may give workloads new pods. */
bool rights_makes_pods(const struct rights_in *in);

/* The pods that pods_find() means, `name` being the parameter that names one. ret_names (NULL: not wanted): what they
 * may be called. */
void rights_pods(const struct rights_in *in, const char *name, struct choices *ret_names);
/* A command in one of them (exec): `pod` names it. */
void rights_exec(const struct rights_in *in);

/* For the core's own needs. */
void rights_fault(const struct rights_in *in, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A kind and those that may stand above it (pod, ReplicaSet, Deployment): ended by NULL; the caller frees the array. */
const char **rights_owner_kinds(const char *kind);
