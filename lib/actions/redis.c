/* redis.read: what one command that changes nothing answers, as evidence.
 *
 * redis.command: one command that writes, an effect. Redis does not tell afterwards whether it took one: it is never
 * sent twice, unless the step says that this does no harm. */
#include "core/redis_ask.h"

#include "actions/common.h"
#include "base/alloc.h"
#include "base/text.h"

#include <errno.h>
#include <strings.h>

enum { TIMEOUT_MS = 10000, READ_TIMEOUT_MS = 5000, TEXT_MAX = 16384 };

static bool is_word(const json_t *command, size_t i, const char *word)
{
    const char *have = json_string_value(json_array_get(command, i));
    return have && strcasecmp(have, word) == 0;
}

/* A command stands in the journal, so no password may be in it; and one connection takes one command. */
static int refuse(const json_t *command, struct error *err)
{
    static const char *const secrets[] = {"requirepass", "masterauth", "masteruser", "tls-key-file-pass", NULL};
    static const char *const sessions[] = {"SUBSCRIBE", "PSUBSCRIBE", "MONITOR", "SYNC", "PSYNC", "MULTI",
                                           "EXEC",      "WATCH",      "SELECT",  "QUIT", NULL};
    const char *word = json_string_value(json_array_get(command, 0));
    if (str_empty(word))
        return error_set(err, -EINVAL, "the command is empty");
    if (redis_is_reading(command))
        return error_set(err, -EINVAL, "%.40s only reads: ask it with the check redis", word);
    if (is_word(command, 0, "AUTH") || is_word(command, 0, "HELLO") || is_word(command, 0, "ACL"))
        return error_set(err, -EINVAL, "%.40s would put a password into the journal: use password_file", word);
    for (size_t i = 0; is_word(command, 0, "CONFIG") && secrets[i]; i++)
        for (size_t k = 2; k < json_array_size(command); k++)
            if (is_word(command, k, secrets[i]))
                return error_set(err, -EINVAL, "CONFIG SET %s would put a password into the journal", secrets[i]);
    for (size_t i = 0; sessions[i]; i++)
        if (is_word(command, 0, sessions[i]))
            return error_set(err, -EINVAL, "%s means nothing on a connection of one command", sessions[i]);
    return 0;
}

static int command_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    const char *address = json_text_or(in->with, "address", "");
    json_t *command = json_object_get(in->with, "command");
    if (!address_is_valid(address))
        return error_set(err, -EINVAL, "\"%.100s\" is no address (host:port)", address);
    int r = refuse(command, err);
    if (r < 0)
        return r;
    const char *word = json_string_value(json_array_get(command, 0));
    _cleanup_free_ char *key = xasprintf("%s/redis", in->key), *path = xasprintf("%s %s", address, word);
    json_t *effect = effect_new(key, "REDIS", path, NULL, json_deep_copy(command), RECOGNISE_NEVER);
    json_t *q = json_pack("{s:s, s:s, s:O, s:I}", "ask", "redis", "address", address, "command", command, "timeout_ms",
                          (json_int_t)json_int_or(in->with, "timeout", TIMEOUT_MS));
    json_set_text(q, "password_file", json_text(in->with, "password_file"));
    json_set_text(effect, "cluster", in->cluster ? in->cluster : "");
    json_object_set_new(effect, "request", q);
    if (json_bool_or(in->with, "idempotent", false))
        json_object_set_new(effect, "idempotent", json_true());
    effect_irreversible(effect, "what a command did in Redis cannot be undone");
    plan_effect(ret, effect);
    plan_note(ret, "%s on %s", word, address);
    return 0;
}

static const struct param command_params[] = {
    {"address", PARAM_TEXT, true, NULL, "host:port"},
    {"command", PARAM_TEXTS, true, NULL, "a command that writes, a list: [DEL, lock]; templates are values"},
    {"password_file", PARAM_TEXT, false, NULL, "a file on mendd's host that holds the password"},
    {"idempotent", PARAM_BOOL, false, NULL, "sending it twice does no harm (false)"},
    {"timeout", PARAM_DURATION, false, NULL, "how long it may take (10s)"},
    {0},
};

const struct action action_redis_command = {
    .name = "redis.command",
    .class = ACTION_EFFECT,
    .reversible = false,
    .params = command_params,
    .doc = "sends a command that writes to Redis",
    .plan = command_plan,
};

/* ---- redis.read ---- */

static json_t *read_evidence_new(const char *name, const json_t *answer)
{
    json_t *item = json_object();
    const json_t *integer = json_object_get(answer, "integer");
    const char *error = json_text(answer, "redis_error"), *text = json_text_or(answer, "text", "");
    _cleanup_free_ char *words = NULL;
    _cleanup_error_ struct error why = ERROR_NONE;
    if (json_text(answer, "error") || error) {
        if (!error)
            answer_error(answer, name, &why);
        words = xasprintf("could not be asked: %.300s", error ? error : error_message(&why));
        json_object_set_new(item, "missing", json_true());
    } else {
        words = integer ? json_compact(integer) : xstrndup(text, utf8_prefix(text, TEXT_MAX));
    }
    json_set_text(item, "name", name);
    json_set_text(item, "text", words);
    return item;
}

static int read_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    const char *address = json_text_or(in->with, "address", "");
    json_t *command = json_object_get(in->with, "command");
    if (!address_is_valid(address))
        return error_set(err, -EINVAL, "\"%.100s\" is no address (host:port)", address);
    if (!redis_is_reading(command))
        return error_set(err, -EINVAL, "only what changes nothing is asked here (INFO, XLEN, LLEN, …)");
    json_t *q = json_pack("{s:s, s:s, s:O, s:I}", "ask", "redis", "address", address, "command", command, "timeout_ms",
                          (json_int_t)json_int_or(in->with, "timeout", READ_TIMEOUT_MS));
    json_set_text(q, "password_file", json_text(in->with, "password_file"));
    const json_t *answer = ask(in->asks, q);
    if (!answer)
        return -EAGAIN;
    _cleanup_free_ char *name = xasprintf("%.60s on %.200s", json_string_value(json_array_get(command, 0)), address);
    *ret = (struct action_plan){.effects = json_array(), .evidence = json_pack("[o]", read_evidence_new(name, answer))};
    return 0;
}

static const struct param read_params[] = {
    {"address", PARAM_TEXT, true, NULL, "host:port"},
    {"command", PARAM_TEXTS, true, NULL, "a command that only reads, a list: [XLEN, jobs]; templates are values"},
    {"password_file", PARAM_TEXT, false, NULL, "a file on mendd's host that holds the password"},
    {"timeout", PARAM_DURATION, false, NULL, "how long the answer may take (5s)"},
    {0},
};

const struct action action_redis_read = {
    .name = "redis.read",
    .class = ACTION_EVIDENCE,
    .params = read_params,
    .doc = "keeps what Redis answers to a command that only reads",
    .plan = read_plan,
};
