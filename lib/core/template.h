/* Templates: text with {{ root.name | filter: argument }}. Roots: labels, annotations, target, vars, alert, run
 * (run.id). Filters: default (argument: a literal "…" or another root.name), lower, upper, replace: "a", "b", trim.
 * Label names may be written labels["odd name"] too. A template is a value, never a piece of JSON, URL or shell:
 * whoever uses it checks and encodes it. Results are bounded (TEMPLATE_MAX). */
#pragma once

#include "base/error.h"
#include "base/json.h"
#include "base/strbuf.h"

#include <stdbool.h>

enum { TEMPLATE_MAX = 65536 };

/* Every root is an object of texts (or numbers, written as text); NULL: not available here (an error at load). */
struct template_vars {
    const json_t *labels, *annotations, *target, *vars, *alert, *run;
};

/* Whether the text holds "{{" at all. */
bool template_is(const char *text);

enum {
    TEMPLATE_NO_LITERAL_DEFAULT =
        1 << 0,                  /* targets: `default` may name vars.x only, never a literal, never another label */
    TEMPLATE_NO_TARGET = 1 << 1, /* where the target is not known yet */
};
/* Load-time check: syntax, roots, filters; vars.x must be a key of `vars` (NULL: any). The error says the column and
 * did-you-mean. */
int template_check(const char *text, const json_t *vars, unsigned flags, struct error *err);
/* A missing label or annotation is empty text. -E2BIG over TEMPLATE_MAX. The caller frees *ret. */
int template_expand(const char *text, const struct template_vars *v, char **ret, struct error *err);
/* Whether what each expression of the text yields is `ok`, by itself: for texts with a syntax of their own (selectors),
 * which a value must not add to. The error names the value. */
int template_check_values(const char *text, const struct template_vars *v, bool (*ok)(const char *value),
                          struct error *err);
/* Expands a text with a syntax of its own (a URL, PromQL): `put` appends each expression's value to what was expanded
 * so far, encoded as its place wants it, or refuses it with words. `own`: it comes from `vars` alone, which the
 * operator wrote, and not from the alert. */
typedef int (*template_put)(struct strbuf *out, const char *value, bool own, struct error *err);
int template_expand_into(const char *text, const struct template_vars *v, template_put put, char **ret,
                         struct error *err);
/* A deep copy of `value` with every text expanded (keys are left alone). A text that is exactly one template stays
 * text. */
int template_expand_json(const json_t *value, const struct template_vars *v, json_t **ret, struct error *err);
/* Calls found(root, name) for every variable that the text uses (for "names the exporter" and for docs). */
void template_each_variable(const char *text, void (*found)(const char *root, const char *name, void *ud), void *ud);
