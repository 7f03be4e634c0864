/* promql.query: what Prometheus says is kept. It only looks; what cannot be asked is evidence too. */
#include "core/promql.h"

#include "actions/common.h"
#include "base/alloc.h"
#include "base/text.h"

#include <errno.h>

enum { LINES_MAX = 100, TEXT_MAX = 65536 };

static int query_plan(const struct action_in *in, struct action_plan *ret, struct error *err _unused_)
{
    _cleanup_error_ struct error why = ERROR_NONE;
    _cleanup_strbuf_ struct strbuf text = {.max = TEXT_MAX};
    const char *query = json_text_or(in->with, "query", "");
    struct samples s = {0};
    int r = ask_promql(in->asks, query, &s, &why);
    if (r == -EAGAIN)
        return r;
    for (size_t i = 0; i < s.n && i < LINES_MAX; i++)
        strbuf_printf(&text, "%s%s%.10g\n", s.items[i].labels, *s.items[i].labels ? " " : "", s.items[i].value);
    if (s.n > LINES_MAX)
        strbuf_printf(&text, "and %zu more\n", s.n - LINES_MAX);
    if (r < 0)
        strbuf_printf(&text, "could not be asked: %s", error_message(&why));
    else if (s.n == 0)
        strbuf_puts(&text, "no sample");
    json_t *item = json_object();
    json_set_text(item, "name", query);
    json_set_text(item, "text", strbuf_str(&text));
    if (r < 0)
        json_object_set_new(item, "missing", json_true());
    *ret = (struct action_plan){.effects = json_array(), .evidence = json_pack("[o]", item)};
    samples_clear(&s);
    return 0;
}

static const struct param query_params[] = {
    {"query", PARAM_PROMQL, true, NULL, "an instant vector or a scalar; labels of the alert belong in quotes"},
    {0},
};

const struct action action_promql_query = {
    .name = "promql.query",
    .class = ACTION_EVIDENCE,
    .params = query_params,
    .doc = "keeps the answer of Prometheus to a query",
    .plan = query_plan,
};
