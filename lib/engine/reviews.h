/* Asks the API servers whether mendd may do what its playbooks need: one SelfSubjectAccessReview a right, a few at a
 * time (SelfSubjectRulesReview may be incomplete). It is a look: nothing waits for it, and nothing is refused because
 * of it; what is missing is said before an alert finds out. A cluster that cannot be asked is unknown, not missing. */
#pragma once

#include "core/rights.h"
#include "kube/client.h"

struct reviews;

struct reviews_in {
    const struct settings *settings; /* used during reviews_start() only */
    const char *const *clusters;     /* their names, NULL-terminated */
    /* NULL with words if it cannot be used. */
    struct kube_client *(*client)(const char *cluster, const char **ret_why, void *userdata);
    /* Once, maybe from within reviews_start(): {"asked": n, "missing": [{"cluster", "right": "delete pods in namespace
     * shop", "verb", "group", "resource", "namespace"?, "name"?, "for": ["playbook x, step y"]}], "unknown":
     * [{"cluster", "why"}], "faults": ["playbook x, …"]}. Borrowed. */
    void (*done)(const json_t *result, void *userdata);
    void *userdata;
};

/* The caller frees it, also after done() was called, but not within. */
struct reviews *reviews_start(const struct reviews_in *in);
/* done() is not called any more; the clients may be freed afterwards. */
struct reviews *reviews_free(struct reviews *r);
DEFINE_CLEANUP(struct reviews *, reviews_free);

/* One line a missing right and a cluster that could not be asked, for people: an array of texts. */
json_t *reviews_words_new(const json_t *result);
/* Who needs it, from an array of texts: the first few, and how many more. */
char *reviews_whys_new(const json_t *whys);
