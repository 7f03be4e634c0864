#include "core/ask.h"

#include "base/alloc.h"
#include "base/text.h"

#include <errno.h>
#include <string.h>

void asks_init(struct asks *a)
{
    *a = (struct asks){.answers = json_object(), .wanted = json_array()};
}

void asks_clear(struct asks *a)
{
    if (!a)
        return;
    json_decref(a->answers);
    json_decref(a->wanted);
    *a = (struct asks){0};
}

static size_t wanted_find(const struct asks *a, const json_t *question)
{
    size_t i;
    json_t *other;
    json_array_foreach (a->wanted, i, other)
        if (json_equal(other, question))
            break;
    return i;
}

const json_t *ask(struct asks *a, json_t *question_new)
{
    _cleanup_json_ json_t *question = question_new;
    _cleanup_free_ char *key = json_canonical(question);
    const json_t *answer = json_object_get(a->answers, key);
    if (!answer && wanted_find(a, question) == json_array_size(a->wanted))
        json_array_append(a->wanted, question);
    return answer;
}

void asks_answer(struct asks *a, const json_t *question, json_t *answer_new)
{
    _cleanup_free_ char *key = json_canonical(question);
    size_t i = wanted_find(a, question); /* before anything is released: `question` may be the one in `wanted` */
    json_object_set_new(a->answers, key, answer_new);
    if (i < json_array_size(a->wanted))
        json_array_remove(a->wanted, i);
}

const json_t *ask_kube(struct asks *a, const char *cluster, const char *path)
{
    return ask(a, json_pack("{s:s, s:s, s:s}", "ask", "kube", "cluster", cluster ? cluster : "", "path", path));
}

const json_t *ask_kube_text(struct asks *a, const char *cluster, const char *path, int max)
{
    return ask(a, json_pack("{s:s, s:s, s:s, s:b, s:i}", "ask", "kube", "cluster", cluster ? cluster : "", "path", path,
                            "text", 1, "max", max));
}

const json_t *ask_alertmanager(struct asks *a, int peer, const char *path)
{
    return ask(a, json_pack("{s:s, s:i, s:s}", "ask", "alertmanager", "peer", peer, "path", path));
}

int answer_status(const json_t *answer)
{
    const int64_t status = json_int_or(answer, "status", 0);
    return status > 0 && status < 1000 ? (int)status : 0;
}

const json_t *answer_body(const json_t *answer)
{
    return json_object_get(answer, "body");
}

/* A text on one line, short enough for a sentence; the rest of what a server says is in its own log. */
static char *one_line(const char *s)
{
    enum { MAX = 400 };
    char *line = xstrndup(s, MAX);
    for (char *p = line; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = ' ';
    size_t len = strlen(line);
    while (len > 0 && !utf8_valid(line, len))
        line[--len] = '\0';
    while (len > 0 && line[len - 1] == ' ')
        line[--len] = '\0';
    return line;
}

bool answer_ok(const json_t *answer)
{
    const json_t *status = json_object_get(answer, "status");
    if (!json_is_integer(status) || json_object_get(answer, "error") || json_object_get(answer, "redis_error"))
        return false;
    const json_int_t n = json_integer_value(status);
    return n == 0 || (n >= 200 && n < 300);
}

static const struct {
    const char *error, *words;
} faults[] = {
    {"dns", "the name of the server cannot be resolved"},
    {"refused", "the server cannot be reached"},
    {"timeout", "no answer came in time"},
    {"tls", "TLS failed"},
    {"reset", "the connection was lost before the answer came"},
    {"protocol", "the answer makes no sense"},
    {"too_large", "the answer is too large"},
    {"local", "it could not be asked"},
    {"cancelled", "it was cancelled"},
};

static int unreachable(const json_t *answer, const char *what, struct error *err)
{
    const char *error = json_text_or(answer, "error", "protocol"), *words = error;
    for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
        if (str_eq(faults[i].error, error))
            words = faults[i].words;
    _cleanup_free_ char *message = one_line(json_text_or(answer, "message", ""));
    return error_set(err, -EIO, "%s: %s%s%s", what, words, *message ? ": " : "", message);
}

static const struct {
    int status, code;
    const char *words;
} refusals[] = {
    {401, -EACCES, "unauthorized: the API server does not accept mendd's credentials"},
    {403, -EACCES, "forbidden"},
    {404, -ENOENT, "not found"},
    {409, -EBUSY, "conflict"},
    {429, -EBUSY, "too many requests"},
};

static int refused(const json_t *answer, int status, const char *what, struct error *err)
{
    int code = status >= 500 ? -EIO : -EINVAL;
    _cleanup_free_ char *other = xasprintf("HTTP status %d", status);
    const char *words = other;
    for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
        if (refusals[i].status != status)
            continue;
        code = refusals[i].code;
        words = refusals[i].words;
    }
    const char *said = json_text(answer_body(answer), "message");
    _cleanup_free_ char *message = one_line(said ? said : json_text_or(answer, "text", ""));
    return error_set(err, code, "%s: %s%s%s", what, words, *message ? ": " : "", message);
}

int answer_error(const json_t *answer, const char *what, struct error *err)
{
    if (answer_ok(answer))
        return 0;
    const char *redis = json_text(answer, "redis_error");
    if (redis) {
        _cleanup_free_ char *message = one_line(redis);
        return error_set(err, -EINVAL, "%s: %s", what, message);
    }
    const int status = answer_status(answer);
    return status == 0 || json_object_get(answer, "error") ? unreachable(answer, what, err)
                                                           : refused(answer, status, what, err);
}
