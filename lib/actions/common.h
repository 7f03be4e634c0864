/* What the families of actions share: effects that bear their mark, and the refusals that hold for all of them.
 *
 * An effect's key ends in the object that it changes: "<run id>/<rung>/<step>/Deployment.api". */
#pragma once

#include "core/pods.h"
#include "core/registry.h"
#include "core/rights.h"
#include "core/workloads.h"

#define CONTENT_MERGE "application/merge-patch+json"
#define CONTENT_JSON_PATCH "application/json-patch+json"
#define CONTENT_STRATEGIC "application/strategic-merge-patch+json"

/* An effect on a workload that was looked at (w->object) or whose uid is given, with object, cluster, read and path
 * set. subresource NULL: the object itself. Takes body_new. */
json_t *effect_on(const struct action_in *in, const struct workload *w, const char *subresource, const char *uid,
                  const char *method, const char *content_type, json_t *body_new, enum recognition how);
/* Its key. The caller frees. */
char *effect_key(const struct action_in *in, const char *kind, const char *name);
/* {uid, annotations: {mark}} for a merge or strategic patch: guard and mark in one. */
json_t *marked_metadata_new(const char *uid, const char *key);
/* One entry of `changes`; before NULL: the field was not there; after_new NULL: taken from the answer. */
void effect_change(json_t *effect, const char *pointer, const json_t *before, json_t *after_new);
void effect_irreversible(json_t *effect, const char *why);

/* One marked merge patch of an object that was looked at, undone from what stood there; nothing is planned if it is so
 * already. `what`: "pause", for the note: "pause Deployment shop/api". */
void plan_merge(const struct action_in *in, const struct workload *w, const json_t *patch, const char *what,
                struct action_plan *plan);
void plan_effect(struct action_plan *plan, json_t *effect_new_taken);
void plan_note(struct action_plan *plan, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* -EPERM: its controller would revert the change. */
int refuse_if_owned(const struct workload *w, struct error *err);
/* -EPERM: an autoscaler owns its replicas. -EAGAIN, or what reading the autoscalers came to. */
/* "Never scale below 1" by whatever action: `changes` of the object would leave it no replicas, and nobody approved it.
 * -EPERM with words. */
int refuse_to_nothing(const struct action_in *in, const struct workload *w, const json_t *changes, struct error *err);
int refuse_if_autoscaled(const struct action_in *in, const struct workload *w, struct error *err);

/* The plan of a step that does the same to each workload: `look` and the kinds as in workloads_query. The plan is only
 * handed over when every one could be planned. */
struct each_workload {
    const char *const *kinds;
    bool look;
    int (*one)(const struct action_in *in, const struct workload *w, struct action_plan *plan, struct error *err);
};
int plan_each(const struct action_in *in, const struct each_workload *each, struct action_plan *ret, struct error *err);

extern const char *const rollout_kinds[]; /* Deployment, StatefulSet, DaemonSet */
