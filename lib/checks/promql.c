/* promql: an instant query, and bounds that every sample of its answer must keep. No sample says nothing (a typing
 * error, a target that is not scraped), unless the check says what it means; nor does NaN. */
#include "core/promql.h"

#include "base/alloc.h"
#include "base/text.h"
#include "checks/common.h"

#include <errno.h>
#include <math.h>

enum { NAMED_MAX = 3 };

struct bounds {
    const json_t *least, *most, *equals;
};

static bool equal(double a, double b)
{
    return a >= b && a <= b;
}

static bool holds(const struct bounds *b, double v)
{
    return (!b->least || v >= json_number_value(b->least)) && (!b->most || v <= json_number_value(b->most)) &&
           (!b->equals || equal(v, json_number_value(b->equals)));
}

static void say_bounds(struct strbuf *words, const struct bounds *b)
{
    const struct {
        const json_t *value;
        const char *words;
    } all[] = {{b->least, "at least"}, {b->most, "at most"}, {b->equals, "exactly"}};
    const char *sep = "";
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        if (!all[i].value)
            continue;
        strbuf_printf(words, "%s%s %g", sep, all[i].words, json_number_value(all[i].value));
        sep = " and ";
    }
}

static int judge_samples(const struct samples *s, const struct bounds *b, struct check_result *ret)
{
    _cleanup_strbuf_ struct strbuf bad = {.max = 700}, wanted = {.max = 200};
    size_t n_bad = 0, n_nan = 0;
    for (size_t i = 0; i < s->n; i++) {
        const struct sample *x = &s->items[i];
        n_nan += isnan(x->value) != 0;
        if (isnan(x->value) || holds(b, x->value))
            continue;
        if (n_bad++ < NAMED_MAX)
            words_add(&bad, "%g%s%s", x->value, *x->labels ? " " : "", x->labels);
    }
    say_bounds(&wanted, b);
    if (n_bad)
        return check_say(ret, VERDICT_FAIL, "%zu of %zu samples are not %s: %s%s", n_bad, s->n, strbuf_str(&wanted),
                         strbuf_str(&bad), n_bad > NAMED_MAX ? "; and more" : "");
    if (n_nan)
        return check_say(ret, VERDICT_UNKNOWN, "%zu of %zu samples are not a number (NaN), which says nothing", n_nan,
                         s->n);
    if (s->n == 1)
        return check_say(ret, VERDICT_PASS, "%g, %s is fine", s->items[0].value, strbuf_str(&wanted));
    return check_say(ret, VERDICT_PASS, "all %zu samples are %s", s->n, strbuf_str(&wanted));
}

static int promql_judge(const struct check_in *in, struct check_result *ret)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    const struct bounds b = {json_object_get(in->with, "at_least"), json_object_get(in->with, "at_most"),
                             json_object_get(in->with, "equals")};
    const char *empty = json_text_or(in->with, "empty", "unknown");
    struct samples s = {0};
    if (!b.least && !b.most && !b.equals)
        return check_say(ret, VERDICT_UNKNOWN, "promql needs at_least, at_most or equals to judge by");
    int r = ask_promql(in->asks, json_text_or(in->with, "query", ""), &s, &err);
    if (r == -EAGAIN)
        return r;
    if (r < 0)
        return check_say(ret, VERDICT_UNKNOWN, "%s", error_message(&err));
    if (s.n == 0)
        return check_say(ret,
                         str_eq(empty, "pass")   ? VERDICT_PASS
                         : str_eq(empty, "fail") ? VERDICT_FAIL
                                                 : VERDICT_UNKNOWN,
                         "the query yields no sample: nothing has these labels, or nothing is scraped");
    r = judge_samples(&s, &b, ret);
    samples_clear(&s);
    return r;
}

static const char *const empty_choices[] = {"unknown", "pass", "fail", NULL};

static const struct param promql_params[] = {
    {"query", PARAM_PROMQL, true, NULL, "an instant vector or a scalar; labels of the alert belong in quotes"},
    {"at_least", PARAM_NUMBER, false, NULL, "every sample is this or more"},
    {"at_most", PARAM_NUMBER, false, NULL, "every sample is this or less"},
    {"equals", PARAM_NUMBER, false, NULL, "every sample is exactly this"},
    {"empty", PARAM_CHOICE, false, empty_choices, "what no sample at all means: unknown (default), pass or fail"},
    {0},
};

const struct check check_promql = {
    .name = "promql",
    .params = promql_params,
    .doc = "a query to Prometheus yields what it should",
    .judge = promql_judge,
};
