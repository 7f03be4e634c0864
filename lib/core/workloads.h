/* The workloads that a step or a check means: those that its parameters name, else the target's owners; read where the
 * caller needs to look at them. For actions and checks.
 *
 * A workload's `object` is borrowed from the asks: it lives as long as they do. */
#pragma once

#include "base/error.h"
#include "core/ask.h"
#include "core/kinds.h"
#include "core/target.h"

#include <stdbool.h>
#include <stddef.h>

struct workload {
    struct kind kind;
    char *namespace, *name, *path, *label; /* label: "Deployment shop/api", for people */
    const json_t *object;                  /* NULL unless it was looked at */
};

struct workloads {
    struct workload *items; /* in name order */
    size_t n;
};

struct workloads_query {
    struct asks *asks;
    const char *cluster;
    const struct target *target;
    const json_t *with;       /* apiVersion, kind, namespace, name, selector: each optional */
    const char *const *kinds; /* those that are fine, NULL-terminated; NULL: any */
    bool look;                /* GET each one that is named; a selector is always listed */
};

void workloads_clear(struct workloads *w);
#define _cleanup_workloads_ _cleanup_(workloads_clear)

/* 0 with at least one; -EAGAIN; -ENOENT; -EINVAL for a kind that is none of `kinds` (or parameters that name nothing);
 * else as answer_error(). */
int workloads_find(const struct workloads_query *q, struct workloads *ret, struct error *err);

/* "GET deployments.apps "api" in shop": for answer_error(). The caller frees. */
char *kube_what(const char *verb, const struct kind *k, const char *namespace, const char *name);
/* The namespace in which a step acts: the target's (its first owner's). NULL: cluster-scoped. */
const char *target_namespace(const struct target *t);

/* One GET or LIST. 0 with the body; -EAGAIN; else as answer_error(). */
int read_kube(struct asks *asks, const char *cluster, const char *path, const char *what, const json_t **ret_body,
              struct error *err);
/* Lists a namespaced kind by a label selector (NULL: all). */
int list_kube(struct asks *asks, const char *cluster, const struct kind *k, const char *namespace, const char *selector,
              const json_t **ret_list, struct error *err);

/* The pods that a step means: `name`, `selector`, or the target's. A new array in name order. */
int pods_find(struct asks *asks, const char *cluster, const struct target *target, const json_t *with, json_t **ret,
              struct error *err);
