#include "core/promql.h"

#include "base/alloc.h"
#include "base/text.h"

#include <errno.h>
#include <stdlib.h>

enum { LABELS_MAX = 300 };

void samples_clear(struct samples *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->items[i].labels);
    free(s->items);
    *s = (struct samples){0};
}

static char *labels_new(const json_t *metric)
{
    struct strbuf b = {.max = LABELS_MAX};
    const char *name;
    json_t *value;
    json_object_foreach ((json_t *)metric, name, value) {
        if (str_eq(name, "__name__") || !json_is_string(value))
            continue;
        strbuf_printf(&b, "%s%s=\"%s\"", b.len ? ", " : "{", name, json_string_value(value));
    }
    if (b.len)
        strbuf_putc(&b, '}');
    while (b.len && !utf8_valid(b.data, b.len)) /* cut within a character */
        b.data[--b.len] = '\0';
    return strbuf_take(&b);
}

/* [time, "value"] */
static int add_sample(struct samples *s, const json_t *pair, const json_t *metric, struct error *err)
{
    const char *text = json_string_value(json_array_get(pair, 1));
    char *end = NULL;
    const double value = text ? strtod(text, &end) : 0;
    if (str_empty(text) || *end)
        return error_set(err, -EINVAL, "Prometheus answered a sample without a value");
    s->items = xreallocarray(s->items, s->n + 1, sizeof(*s->items));
    s->items[s->n++] = (struct sample){value, labels_new(metric)};
    return 0;
}

static int read_result(const json_t *data, struct samples *s, struct error *err)
{
    const char *type = json_text_or(data, "resultType", "");
    const json_t *result = json_object_get(data, "result");
    json_t *item;
    size_t i;
    int r = 0;
    if (str_eq(type, "scalar"))
        return add_sample(s, result, NULL, err);
    if (!str_eq(type, "vector") || !json_is_array(result))
        return error_set(err, -EINVAL, "the query yields a %s; an instant vector or a scalar is needed",
                         *type ? type : "result without a type");
    if (json_array_size(result) > SAMPLES_MAX)
        return error_set(err, -EINVAL, "the query yields %zu samples, at most %d are looked at: aggregate them",
                         json_array_size(result), SAMPLES_MAX);
    json_array_foreach ((json_t *)result, i, item) {
        if (json_object_get(item, "histogram") && !json_object_get(item, "value"))
            return error_set(err, -EINVAL, "the query yields histograms: use histogram_quantile()");
        if ((r = add_sample(s, json_object_get(item, "value"), json_object_get(item, "metric"), err)) < 0)
            return r;
    }
    return 0;
}

int ask_promql(struct asks *asks, const char *query, struct samples *ret, struct error *err)
{
    _cleanup_strbuf_ struct strbuf path = STRBUF_INIT;
    strbuf_puts(&path, "/api/v1/query?query=");
    url_encode(&path, query);
    const json_t *answer = ask(asks, json_pack("{s:s, s:s}", "ask", "prometheus", "path", strbuf_str(&path)));
    if (!answer)
        return -EAGAIN;
    const json_t *body = answer_body(answer);
    const char *why = json_text(body, "error");
    if (why && answer_status(answer) > 0) /* 400 bad_data, 422 execution, 503 timeout: Prometheus' own words */
        return error_set(err, answer_status(answer) >= 500 ? -EIO : -EINVAL, "Prometheus refused the query: %.300s",
                         why);
    int r = answer_error(answer, "GET /api/v1/query of Prometheus", err);
    if (r < 0)
        return r;
    if (!str_eq(json_text(body, "status"), "success"))
        return error_set(err, -EIO, "the answer is none of Prometheus");
    struct samples s = {0};
    r = read_result(json_object_get(body, "data"), &s, err);
    if (r < 0)
        samples_clear(&s);
    else
        *ret = s;
    return r;
}
