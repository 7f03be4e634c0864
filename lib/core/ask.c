#include "core/ask.h"

#include "base/alloc.h"
#include "base/text.h"

#include <errno.h>
#include <string.h>

void asks_init(struct asks *a)
{
    a->answers = json_object();
    a->wanted = json_array();
}

void asks_clear(struct asks *a)
{
    json_decref(a->answers);
    json_decref(a->wanted);
    *a = (struct asks){0};
}

static bool is_wanted(const struct asks *a, const json_t *question)
{
    size_t i;
    json_t *q;
    json_array_foreach (a->wanted, i, q)
        if (json_equal(q, question))
            return true;
    return false;
}

const json_t *ask(struct asks *a, json_t *question_new)
{
    _cleanup_json_ json_t *question = question_new;
    _cleanup_free_ char *key = json_canonical(question);
    const json_t *answer = json_object_get(a->answers, key);
    if (!answer && !is_wanted(a, question))
        json_array_append(a->wanted, question);
    return answer;
}

void asks_answer(struct asks *a, const json_t *question, json_t *answer_new)
{
    _cleanup_free_ char *key = json_canonical(question);
    json_object_set_new(a->answers, key, answer_new);
    for (size_t i = json_array_size(a->wanted); i-- > 0;)
        if (json_equal(json_array_get(a->wanted, i), question))
            json_array_remove(a->wanted, i);
}

const json_t *ask_kube(struct asks *a, const char *cluster, const char *path)
{
    return ask(a, json_pack("{s:s, s:s, s:s}", "ask", "kube", "cluster", cluster ? cluster : "", "path", path));
}

const json_t *ask_kube_text(struct asks *a, const char *cluster, const char *path, int max, int64_t timeout_ms)
{
    json_t *question = json_pack("{s:s, s:s, s:s, s:b, s:i}", "ask", "kube", "cluster", cluster ? cluster : "", "path",
                                 path, "text", 1, "max", max);
    if (timeout_ms > 0)
        json_object_set_new(question, "timeout_ms", json_integer(timeout_ms));
    return ask(a, question);
}

const json_t *ask_alertmanager(struct asks *a, int peer, const char *path)
{
    return ask(a, json_pack("{s:s, s:i, s:s}", "ask", "alertmanager", "peer", peer, "path", path));
}

int answer_status(const json_t *answer)
{
    return (int)json_int_or(answer, "status", 0);
}

const json_t *answer_body(const json_t *answer)
{
    return json_object_get(answer, "body");
}

bool answer_ok(const json_t *answer)
{
    if (!answer || json_object_get(answer, "error") || json_object_get(answer, "redis_error"))
        return false;
    const int status = answer_status(answer);
    return status == 0 || (status >= 200 && status < 300);
}

static int status_errno(int status)
{
    switch (status) {
    case 401:
    case 403:
        return -EACCES;
    case 404:
        return -ENOENT;
    case 409:
    case 429:
        return -EBUSY;
    default:
        return status >= 500 ? -EIO : -EINVAL;
    }
}

/* An eviction that is refused says which PodDisruptionBudget forbids it among the causes only; NULL: none. */
static const char *forbidding_budget(const json_t *status)
{
    size_t i;
    json_t *cause;
    json_array_foreach (json_path(status, "details", "causes", NULL), i, cause) {
        if (str_eq(json_text(cause, "reason"), "DisruptionBudget"))
            return json_text(cause, "message");
    }
    return NULL;
}

int answer_error(const json_t *answer, const char *what, struct error *err)
{
    const char *error = json_text(answer, "error");
    if (!answer)
        return error_set(err, -EIO, "%s: there is no answer", what);
    if (error)
        return error_set(err, -EIO, "%s: %s (%s)", what, json_text_or(answer, "message", "nothing could be reached"),
                         error);
    if (answer_ok(answer))
        return 0;
    const int status = answer_status(answer);
    const char *message = json_text(answer_body(answer), "message");
    if (!message)
        message = json_text_or(answer, "redis_error", json_text_or(answer, "text", "no further words"));
    if (status == 401)
        return error_set(err, -EACCES, "%s: unauthorized: the API server does not accept mendd's credentials (401): %s",
                         what, message);
    if (status == 403)
        return error_set(err, -EACCES, "%s: forbidden (403): %s", what, message);
    const char *budget = forbidding_budget(answer_body(answer));
    return error_set(err, status_errno(status), "%s: HTTP %d: %s%s%s", what, status, message, budget ? " " : "",
                     budget ? budget : "");
}
