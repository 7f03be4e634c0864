#include "checks/common.h"

#include "base/alloc.h"
#include "base/text.h"

#include <errno.h>

int verdict_for(int r, const struct error *err, struct check_result *ret)
{
    if (r == -EAGAIN)
        return r;
    return check_say(ret, r == -ENOENT ? VERDICT_FAIL : VERDICT_UNKNOWN, "%s", error_message(err));
}

int check_workloads(const struct check_in *in, const char *const kinds[], struct workloads *ret, struct error *err)
{
    const struct workloads_query q = {
        .asks = in->asks, .cluster = in->cluster, .target = in->target, .with = in->with, .kinds = kinds, .look = true};
    return workloads_find(&q, ret, err);
}

void check_look_rights(const struct rights_in *in)
{
    rights_look_at_objects(in, NULL);
}

static bool is_about(const json_t *effect, const struct workload *w)
{
    const json_t *object = json_object_get(effect, "object");
    const char *namespace = json_text(object, "namespace");
    return str_eq(json_text(object, "kind"), w->kind.kind) && str_eq(json_text(object, "name"), w->name) &&
           str_eq(namespace, w->namespace);
}

int64_t effect_generation(const struct check_in *in, const struct workload *w)
{
    int64_t newest = 0;
    size_t i;
    json_t *effect;
    json_array_foreach (in->effects, i, effect) {
        const int64_t g = json_int_or(json_path(effect, "answer", "metadata", NULL), "generation", 0);
        if (is_about(effect, w) && g > newest)
            newest = g;
    }
    return newest;
}

bool workload_is_observed(const struct check_in *in, const struct workload *w, const char **ret_why)
{
    const int64_t made = effect_generation(in, w);
    const int64_t generation = json_int_or(json_path(w->object, "metadata", NULL), "generation", 0);
    const int64_t observed = json_int_or(json_path(w->object, "status", NULL), "observedGeneration", 0);
    if (generation < made)
        *ret_why = "the change is not visible yet";
    else if (observed < generation)
        *ret_why = "its controller has not seen the change yet";
    else
        return true;
    return false;
}

bool effects_made_pods(const struct check_in *in, const struct workload *w)
{
    size_t i;
    json_t *effect;
    json_array_foreach (in->effects, i, effect) {
        const char *pointer;
        json_t *change;
        if (!is_about(effect, w))
            continue;
        json_object_foreach (json_object_get(effect, "changes"), pointer, change) {
            if (str_starts(pointer, "/spec/template"))
                return true;
        }
    }
    return false;
}

bool effects_deleted(const struct check_in *in, const char *uid)
{
    size_t i;
    json_t *effect;
    json_array_foreach (in->effects, i, effect) {
        size_t k;
        json_t *deleted;
        json_array_foreach (json_path(effect, "made", "deleted", NULL), k, deleted) {
            if (str_eq(json_string_value(deleted), uid))
                return true;
        }
    }
    return false;
}

void words_add(struct strbuf *b, const char *fmt, ...)
{
    va_list args;
    if (b->len)
        strbuf_puts(b, "; ");
    va_start(args, fmt);
    strbuf_vprintf(b, fmt, args);
    va_end(args);
}
