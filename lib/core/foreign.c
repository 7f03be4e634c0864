#include "core/foreign.h"

#include "base/alloc.h"
#include "base/text.h"
#include "core/internal.h"
#include "core/redact.h"

#include <string.h>

enum { EXCERPT_MAX = 200, TEXT_MAX = 16384 };

bool effect_is_foreign(const json_t *effect)
{
    return json_object_get(effect, "request") != NULL;
}

bool foreign_may_repeat(const json_t *effect)
{
    return json_bool_or(effect, "idempotent", false);
}

/* One line of it, without secrets. */
static char *excerpt_new(const char *text)
{
    _cleanup_free_ char *head = xstrndup(text, strnlen(text, (size_t)EXCERPT_MAX * 4));
    while (!utf8_valid(head, strlen(head)))
        head[strlen(head) - 1] = '\0';
    char *clean = redact_text_new(head);
    for (char *c = clean; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = ' ';
    if (strlen(clean) > EXCERPT_MAX)
        clean[EXCERPT_MAX] = '\0';
    while (!utf8_valid(clean, strlen(clean)))
        clean[strlen(clean) - 1] = '\0';
    return clean;
}

static bool accepted(const json_t *effect, int status)
{
    const json_t *accept = json_object_get(effect, "accept"), *item;
    size_t i;
    if (!accept)
        return status >= 200 && status < 300;
    json_array_foreach (accept, i, item) {
        if (json_integer_value(item) == status)
            return true;
    }
    return false;
}

static enum foreign_end judge_redis(const char *error, char **ret_words)
{
    static const char *const denied[] = {"NOAUTH", "WRONGPASS", "NOPERM", "ERR invalid password"};
    static const char *const not_now[] = {"LOADING", "BUSY ", "TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN"};
    *ret_words = xasprintf("redis answered an error: %.200s", error);
    for (size_t i = 0; i < ARRAY_SIZE(denied); i++)
        if (str_starts(error, denied[i]))
            return FOREIGN_FORBIDDEN;
    for (size_t i = 0; i < ARRAY_SIZE(not_now); i++)
        if (str_starts(error, not_now[i]))
            return FOREIGN_LATER;
    return FOREIGN_REFUSED;
}

enum foreign_end foreign_judge(const json_t *effect, const json_t *answer, char **ret_words)
{
    const int status = answer_status(answer);
    const char *redis_error = json_text(answer, "redis_error");
    const bool redis = str_eq(json_path_text(effect, "request", "ask", NULL), "redis");
    _cleanup_free_ char *what = effect_describe(effect);
    if (json_text(answer, "error")) {
        *ret_words =
            xasprintf("%s: %s (%s)", what, json_text_or(answer, "message", "no answer"), json_text(answer, "error"));
        return FOREIGN_UNSURE;
    }
    if (redis_error)
        return judge_redis(redis_error, ret_words);
    if (redis || accepted(effect, status))
        return FOREIGN_DONE;
    _cleanup_free_ char *said = excerpt_new(json_text_or(answer, "text", ""));
    const bool denied = status == 401 || status == 403;
    *ret_words = xasprintf("%s: HTTP %d%s%s%s", what, status, *said ? ": " : "", said,
                           denied ? "; the credentials of the step may not do this: a person must grant it" : "");
    if (denied)
        return FOREIGN_FORBIDDEN;
    if (status == 429)
        return FOREIGN_LATER;
    return status < 200 || status >= 500 || status == 408 ? FOREIGN_UNSURE : FOREIGN_REFUSED;
}

bool silence_bears(const json_t *silences, const char *key)
{
    size_t i;
    json_t *silence;
    json_array_foreach ((json_t *)silences, i, silence) {
        const char *comment = json_text_or(silence, "comment", ""), *at = strstr(comment, key);
        const size_t len = strlen(key);
        /* not another key that begins with this one: the key stands in brackets */
        if (len && at && at > comment && at[-1] == '[' && at[len] == ']' &&
            !str_eq(json_path_text(silence, "status", "state", NULL), "expired"))
            return true;
    }
    return false;
}

json_t *foreign_evidence_new(const json_t *effect, const json_t *answer)
{
    const char *text = json_text(answer, "text");
    const json_t *integer = json_object_get(answer, "integer");
    _cleanup_free_ char *number = json_is_integer(integer) ? json_compact(integer) : NULL;
    text = text ? text : number;
    if (str_empty(text) || json_text(answer, "error"))
        return NULL;
    _cleanup_free_ char *what = effect_describe(effect), *head = xstrndup(text, strnlen(text, TEXT_MAX));
    const int status = answer_status(answer);
    _cleanup_free_ char *name = status ? xasprintf("%s: %d", what, status) : xstrdup(what);
    json_t *item = json_object();
    json_set_text(item, "name", name);
    json_set_text(item, "text", head);
    return item;
}
