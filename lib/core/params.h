/* Parameters of actions and checks (`with:`) against their table (core/registry.h): names, required ones, and the form
 * that the pure functions see (durations as milliseconds, selectors as text, status lists as lists).
 *
 * Used twice: at load for what holds no template, and again at run time after the templates were expanded, since what a
 * template yields comes from outside. Resolving what was resolved before changes nothing. Errors name the parameter. */
#pragma once

#include "core/registry.h"

/* One value. -EINVAL with words; *ret is new. */
int param_resolve(const struct param *param, const json_t *value, json_t **ret, struct error *err);

/* The whole object (NULL counts as empty): unknown names (did you mean …), missing required ones, and every value.
 * null stands for "not given". */
int params_resolve(const struct param *params, const json_t *with_expanded, json_t **ret, struct error *err);

/* Kubernetes' label selector syntax: "a=b,c!=d,e in (f,g),!h,i". A value that is empty is refused: it mostly comes from
 * a label that was not there. */
int selector_check(const char *text, struct error *err);
/* A label's value that a selector may name: not empty, and nothing that would add to the selector. */
bool selector_value_ok(const char *value);
