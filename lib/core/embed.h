/* How a template's value is put into a text that has a syntax of its own, so that what an alert's label says can never
 * become syntax. For template_expand_into(). What comes from `vars` alone is the operator's own text and is put as it
 * is; everything else:
 *
 * PromQL  in a quoted string: nothing that ends the string or escapes (quotes, \\, line breaks, braces); where the
 *         string is the regular expression of =~ or !~ nothing that means something there, but the dot. Outside of
 *         strings: one word of [A-Za-z0-9_:.].
 * URL     before the path: [A-Za-z0-9.-] only, a host's name or a part of one. In the path: percent-encoded, not empty,
 *         no ".." or "." as a segment. In the query: percent-encoded.
 * Plain   letters, digits, blanks and "_-.:/@,", so nothing that means something in JSON, XML or a form.
 */
#pragma once

#include "core/registry.h"
#include "core/template.h"

int embed_promql(struct strbuf *out, const char *value, bool own, struct error *err);
int embed_plain(struct strbuf *out, const char *value, bool own, struct error *err);
int embed_url(struct strbuf *out, const char *value, bool own, struct error *err);

/* Expands those parameters of `with` that are such texts into `expanded`, in place of what stands there. False:
 * refused, with words. */
bool embed_params(const struct param *params, const json_t *with, const struct template_vars *v, json_t *expanded,
                  struct error *err);
