#include "core/cluster_set_ask.h"

#include "base/text.h"

#include <errno.h>

int ask_cluster_set(struct asks *a, const char *set, const json_t **ret, struct error *err)
{
    const json_t *answer = ask(a, json_pack("{s:s, s:s}", "ask", "set", "set", set));
    if (!answer)
        return -EAGAIN;
    if (answer_status(answer) == 404)
        return error_set(err, -ENOENT, "the configuration names no cluster set \"%.80s\"", set);
    if (!answer_ok(answer))
        return error_set(err, -EIO, "the cluster set \"%.80s\": %s", set, json_text_or(answer, "message", "not asked"));
    *ret = answer_body(answer);
    return 0;
}

json_t *cluster_set_answer_new(const json_t *sets, const json_t *question)
{
    size_t i;
    json_t *set;
    json_array_foreach (sets, i, set) {
        if (str_eq(json_text(set, "name"), json_text(question, "set")))
            return json_pack("{s:i, s:O}", "status", 200, "body", set);
    }
    return json_pack("{s:i}", "status", 404);
}
