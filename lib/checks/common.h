/* What checks share: reading with a verdict when it cannot be read, and what the run's effects say. */
#pragma once

#include "base/strbuf.h"
#include "core/pods.h"
#include "core/registry.h"
#include "core/rights.h"
#include "core/workloads.h"

/* The verdict for what reading came to: -EAGAIN is handed on; -ENOENT fails (it is known not to be there); anything
 * else is unknown. For `return verdict_for(r, &err, ret)`. */
int verdict_for(int r, const struct error *err, struct check_result *ret);

/* The workloads that a check means, looked at; r as workloads_find(). */
int check_workloads(const struct check_in *in, const char *const kinds[], struct workloads *ret, struct error *err);

/* What it needs, of any kinds. */
void check_look_rights(const struct rights_in *in);

/* The generation that the run's effects made of this object, 0 if they did not change it. */
int64_t effect_generation(const struct check_in *in, const struct workload *w);
/* Whether the controller has seen the object as the effects left it; else `ret_why` (static) says what is missing. */
bool workload_is_observed(const struct check_in *in, const struct workload *w, const char **ret_why);
/* Whether an effect of the run changed the object's pod template (restart, undo, a patch): only new pods count then. */
bool effects_made_pods(const struct check_in *in, const struct workload *w);
/* Whether an effect deleted the pod of this uid. */
bool effects_deleted(const struct check_in *in, const char *uid);

/* Appends "; text" to a list of words. */
void words_add(struct strbuf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
