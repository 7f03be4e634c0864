/* YAML documents as a tree that remembers where everything stood, so that each fault has its file:line:column.
 * Anchors, aliases, merge keys, tags and several documents are refused; duplicate keys too. Bounded in size and depth.
 */
#pragma once

#include "base/error.h"
#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>

enum node_type { NODE_NULL, NODE_SCALAR, NODE_LIST, NODE_MAP };

struct node {
    enum node_type type;
    const char *file; /* shared by all nodes of a document; owned by the root */
    int line, column; /* from 1; 0: made from JSON */
    char *scalar;
    bool quoted;      /* a quoted scalar is always text; a plain one may be a number, a bool or null */
    struct node *key; /* in a map: its children's names (a scalar node) */
    struct node **children;
    size_t n_children;
};

struct node *node_free(struct node *n);
DEFINE_CLEANUP(struct node *, node_free);

int node_load_file(const char *path, struct node **ret, struct error *err);
int node_load_text(const char *name, const char *text, size_t len, struct node **ret, struct error *err);
/* Each document of the text, at most `max`. Every one is the caller's. */
int node_load_documents(const char *name, const char *text, size_t len, struct node **ret, size_t max, size_t *ret_n,
                        struct error *err);
struct node *node_from_json(const char *name, const json_t *value);
/* Plain scalars get their JSON type (YAML 1.2 core: true/false, integers, floats, null), quoted ones are text. */
json_t *node_to_json(const struct node *n);

struct node *node_get(const struct node *map, const char *key);

/* A list of faults, each "file:line:column: what is wrong (did you mean …)"; loading goes on after a fault to report
 * them all. */
struct faults {
    char **texts;
    size_t n;
    char **warnings;
    size_t n_warnings;
};
void faults_add(struct faults *f, const struct node *at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void faults_warn(struct faults *f, const struct node *at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void faults_clear(struct faults *f);
/* Brings those from number `from` on into the order of their places. */
void faults_sort(struct faults *f, size_t from);
