/* kubesim: an in-memory Kubernetes API server, for tests of clients.
 *
 *   HTTP (http.c) -> faults (faults.c) -> routing (route.c) -> verbs (verbs.c, remove.c, sub.c) -> store (store.c)
 *                                                      controllers (deployment.c, workloads.c, pods.c …) -^
 *
 * One thread, one loop: requests are answered one at a time, and between them `controllers_tick` brings the world a
 * step nearer to what the objects ask for. Its worth is its likeness to a real API server (v1.20): tests/contract runs
 * the same requests against both and compares. Where the real server's text names Go's internals, ours only begins
 * alike. */
#pragma once

#include "answer.h"
#include "base/clock.h"
#include "base/json.h"
#include "kinds.h"
#include "store.h"

#include <stdint.h>
#include <stdio.h>

#define MAX_BODY (8u << 20)

struct sim_options {
    uint16_t port; /* 0: any free one */
    int64_t start_delay_us, stop_delay_us;
    int nodes;
    const char *token, *audit_path, *tls_cert, *tls_key, *load_path;
};

struct faults;

struct sim {
    struct sim_options options;
    struct store *store;
    struct faults *faults;
    FILE *audit;  /* NULL: none */
    json_t *rbac; /* rbac.c; NULL: everybody may do everything */
    struct now now;
    uint64_t seen_version;                                           /* the store's, when the controllers last ran */
    uint64_t seen_garbage, seen_nodes, seen_endpoints, seen_budgets; /* likewise, of what each of them depends on */
    int64_t wake_us; /* boot clock: when a controller wants to run although nothing changed; 0: never */
};

struct request { /* everything borrowed, valid while the request is served */
    const char *method, *path, *content_type;
    json_t *query; /* name -> value (the first one of each) */
    const char *body;
    size_t body_len;
    const struct kind *kind;
    const char *ns, *name, *sub; /* NULL where the path has none */
    bool dry_run;
    json_t *commands;   /* all values of `command`, in their order */
    bool upgrade;       /* to a WebSocket */
    const char *bearer; /* the token that came along, or NULL */
    json_t *owners;     /* metadata.managedFields after an apply; NULL: an ordinary write */
};

/* route.c: serves one request, authentication and faults aside. */
void route(struct sim *sim, struct request *req, struct answer *a);
const char *param(const struct request *req, const char *name);

/* rbac.c: false with the 403 answered. */
bool rbac_permits(const struct sim *sim, const struct request *req, struct answer *a);
bool rbac_permits_create(const struct sim *sim, const struct request *req, struct answer *a); /* by a PATCH */
/* A SelfSubjectAccessReview: true, answered. */
bool rbac_review(const struct sim *sim, const struct request *req, struct answer *a);
void serve_rbac(struct sim *sim, const struct request *req, const json_t *body, struct answer *a);

/* verbs.c */
void verb_get(struct sim *sim, struct request *req, struct answer *a);
void verb_list(struct sim *sim, struct request *req, struct answer *a);
void verb_create(struct sim *sim, struct request *req, struct answer *a);
void verb_update(struct sim *sim, struct request *req, struct answer *a); /* PUT */
void verb_patch(struct sim *sim, struct request *req, struct answer *a);
/* An object as the request's version shows it. New reference. */
json_t *object_view(const struct object *o, const struct kind *as);
/* Replaces the object after the server's own bookkeeping and checks: what PUT and PATCH end in. Takes `next`. */
void update_object(struct sim *sim, struct request *req, struct object *o, json_t *next, struct answer *a);
/* The body as an object of JSON; NULL and an answer otherwise. New reference. */
json_t *decode_body(const struct request *req, struct answer *a);

/* A new object from the body, after the server's own bookkeeping and checks; takes `body`. */
void create_object(struct sim *sim, struct request *req, json_t *body, struct answer *a);

/* apply.c */
void verb_apply(struct sim *sim, struct request *req, struct answer *a);
/* owners.c: metadata.managedFields of `next` after a create, PUT or PATCH; `o` NULL: a new object. */
void owners_after_write(const struct request *req, const struct object *o, json_t *next);
/* The same after an apply (a new list), and `next` without what this manager leaves out now. NULL and an answer: fields
 * of the patch belong to somebody else. */
json_t *owners_after_apply(const struct request *req, const struct object *o, const json_t *patch, json_t *next,
                           struct answer *a);

/* patching.c: the target after the request's patch; NULL and an answer if it cannot be applied. New reference. */
json_t *patch_body(struct request *req, const json_t *target, struct answer *a);
bool check_patch_type(const struct request *req, struct answer *a);

/* remove.c */
void verb_delete(struct sim *sim, struct request *req, struct answer *a);
void verb_delete_collection(struct sim *sim, struct request *req, struct answer *a);
/* Deletes as a client with grace period `grace_s` would (-1: the pod's own). */
void delete_object(struct sim *sim, struct object *o, int64_t grace_s);
/* Removes an object that waits for nothing any more (no finalizers, grace over). */
void finish_removal(struct sim *sim, struct object *o);
void collect_garbage(struct sim *sim);

/* sub.c: status, scale, eviction, log, binding */
void serve_sub(struct sim *sim, struct request *req, struct answer *a);
/* eviction.c */
void serve_eviction(struct sim *sim, struct request *req, struct object *pod, struct answer *a);
void disruption_tick(struct sim *sim);
/* exec.c: 101 with the rule for what the command does, or a refusal */
void serve_exec(struct sim *sim, struct request *req, struct object *pod, struct answer *a);
/* log.c */
void serve_log(struct sim *sim, struct request *req, struct object *pod, struct answer *a);

/* apply_patch (patch.c): RFC 6902, RFC 7386. The result is new; NULL and an answer otherwise. */
json_t *merge_patch(const json_t *target, const json_t *patch);
json_t *json_patch(const json_t *target, const json_t *patch, struct answer *a);
/* strategic.c */
json_t *strategic_patch(const struct kind *kind, const json_t *target, const json_t *patch, struct answer *a);

/* types.c: the pointer of the first member whose type a typed server would not decode, or NULL. */
const char *wrong_type(const json_t *object);
/* data.c: ConfigMaps and Secrets; NULL or the member that is no base64 */
const char *wrong_data(const struct kind *kind, const json_t *object);
void default_data(const struct kind *kind, json_t *object);
void validate_data(const struct kind *kind, const json_t *object, const json_t *old, struct answer *a);

/* defaults.c, validate.c */
void set_defaults(const struct sim *sim, const struct kind *kind, json_t *object);
void default_pod_template(json_t *spec);
bool validate(const struct kind *kind, const json_t *object, const json_t *old, struct answer *a);
/* claims.c: what admission refuses of an update that is valid by itself: a claim whose class does not grow. */
bool admit(struct sim *sim, const struct kind *kind, const json_t *object, const json_t *old, struct answer *a);
bool check_claim_update(const json_t *next, const json_t *old, struct answer *a);
/* A Kubernetes quantity; 0 for what is none. */
double quantity(const char *s);

/* selectors.c */
struct selector;
/* Label ("a=b,c in (d,e),!f") and field ("metadata.name=x") selectors of a list. -EINVAL and an answer otherwise. */
int selector_parse(const struct request *req, struct selector **ret, struct answer *a);
bool selector_matches(const struct selector *s, const struct object *o);
void selector_free(struct selector *s);
/* metav1.LabelSelector of an object. An empty one matches everything, a missing one nothing. */
bool label_selector_matches(const json_t *selector, const json_t *labels);

/* controllers: controllers.c runs them all; each is one pass over what it owns */
void controllers_tick(struct sim *sim);
/* Whether an object, or one that it controls, changed since object_begin(), or its time has come. */
bool object_due(const struct sim *sim, const struct object *o);
void object_begin(const struct sim *sim, struct object *o);
void wake_at(struct object *o, int64_t boot_us);
void deployments_tick(struct sim *sim);
void replicasets_tick(struct sim *sim);
void statefulsets_tick(struct sim *sim);
void daemonsets_tick(struct sim *sim);
void jobs_tick(struct sim *sim);
void pods_tick(struct sim *sim);
void endpoints_tick(struct sim *sim);
void claims_tick(struct sim *sim);
void seed_world(struct sim *sim);

/* helpers of the controllers (controllers.c) */
void patch_status(struct sim *sim, struct object *o, json_t *status); /* takes status */
bool pod_is_ready(const struct object *pod);
bool pod_is_active(const struct object *pod);
json_t *owner_reference(const struct object *owner);
/* A pod from a template; `name` fixed, or NULL: generated from `prefix`. Takes nothing. */
struct object *create_pod(struct sim *sim, const struct object *owner, const json_t *template, const char *name,
                          const char *prefix);
int64_t int_or_percent(const json_t *value, int64_t total, bool round_up, int64_t otherwise);
/* Ten characters that stand for a pod template, as pod-template-hash does. */
void template_hash(const json_t *template, char buf[11]);
char *random_suffix(char buf[6]);
void emit_event(struct sim *sim, const struct object *about, const char *type, const char *reason, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/* admin.c: POST /_sim/faults, /_sim/load */
void serve_admin(struct sim *sim, struct request *req, struct answer *a);
/* Creates or replaces; returns NULL or what is wrong (the caller frees). */
char *load_object(struct sim *sim, const json_t *object);
char *load_any(struct sim *sim, const json_t *value);
