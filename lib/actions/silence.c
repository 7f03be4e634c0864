/* silence.create: a silence in every Alertmanager, for a while.
 *
 * Alertmanager makes a new one of each POST: one is recognised by the effect's key in its comment, which is looked for
 * before anything is sent and after a lost answer. Only labels that are equal are silenced: no pattern can come from an
 * alert. It ends by itself. */
#include "core/foreign.h"

#include "actions/common.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"

#include <errno.h>

#define SILENCES "/api/v2/silences"
enum { DURATION_MS = 3600000, DURATION_MAX_MS = 7 * 86400000, TIMEOUT_MS = 10000 };

static int matchers_new(const json_t *labels, json_t **ret, struct error *err)
{
    _cleanup_json_ json_t *list = json_array();
    const char *name;
    json_t *value;
    json_object_foreach ((json_t *)labels, name, value) {
        if (str_empty(json_string_value(value)))
            return error_set(err, -EINVAL,
                             "matchers: the value of %.64s is empty: it would silence what has no such label", name);
        json_array_append_new(
            list, json_pack("{s:s, s:O, s:b, s:b}", "name", name, "value", value, "isRegex", 0, "isEqual", 1));
    }
    if (json_array_size(list) == 0)
        return error_set(err, -EINVAL, "matchers: without one everything would be silenced");
    *ret = TAKE_PTR(list);
    return 0;
}

static json_t *silence_new(const struct action_in *in, const json_t *matchers, const char *key)
{
    char from[TIME_TEXT_MAX], until[TIME_TEXT_MAX];
    const int64_t ms = json_int_or(in->with, "duration", DURATION_MS);
    const char *said = json_text_or(in->with, "comment", "mendd works on it");
    _cleanup_free_ char *comment = xasprintf("%s [%s]", said, key);
    time_format(in->now.wall_us, from);
    time_format(in->now.wall_us + ms * USEC_PER_MSEC, until);
    json_t *s = json_pack("{s:O, s:s, s:s, s:s}", "matchers", matchers, "startsAt", from, "endsAt", until, "createdBy",
                          "mendd");
    json_set_text(s, "comment", comment);
    return s;
}

static void plan_peer(const struct action_in *in, int peer, const json_t *matchers, const char *key,
                      struct action_plan *plan)
{
    _cleanup_free_ char *path = xasprintf("alertmanager %d " SILENCES, peer);
    json_t *body = silence_new(in, matchers, key);
    json_t *effect = effect_new(key, "POST", path, NULL, json_incref(body), RECOGNISE_COMMENT);
    json_set_text(effect, "cluster", in->cluster ? in->cluster : "");
    json_set_text(effect, "read", SILENCES);
    json_object_set_new(effect, "request",
                        json_pack("{s:s, s:i, s:s, s:o, s:i}", "ask", "alertmanager", "peer", peer, "path", SILENCES,
                                  "body", body, "timeout_ms", TIMEOUT_MS));
    effect_irreversible(effect, "a silence ends by itself");
    plan_effect(plan, effect);
    plan_note(plan, "silence in Alertmanager %d", peer);
}

/* 1: planned, or there already; 0: it cannot be asked; -EAGAIN. */
static int look_at_peer(const struct action_in *in, int peer, const json_t *matchers, struct action_plan *plan,
                        struct error *err)
{
    const json_t *answer = ask_alertmanager(in->asks, peer, SILENCES);
    _cleanup_free_ char *key = xasprintf("%s/silence.%d", in->key, peer);
    if (!answer)
        return -EAGAIN;
    if (answer_error(answer, "GET silences", err) < 0) {
        plan_note(plan, "Alertmanager %d: %s", peer, error_message(err));
        return 0;
    }
    if (silence_bears(answer_body(answer), key))
        plan_note(plan, "Alertmanager %d has it already", peer);
    else
        plan_peer(in, peer, matchers, key, plan);
    return 1;
}

static int silence_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    _cleanup_json_ json_t *matchers = NULL;
    const int64_t ms = json_int_or(in->with, "duration", DURATION_MS);
    struct action_plan plan = {.effects = json_array()};
    int n = 0, r = matchers_new(json_object_get(in->with, "matchers"), &matchers, err);
    bool again = false;
    if (r == 0 && (ms < 1000 || ms > DURATION_MAX_MS))
        r = error_set(err, -EINVAL, "duration: a silence lasts between 1s and 7d");
    if (r == 0 && in->n_alertmanagers == 0)
        r = error_set(err, -EINVAL, "no Alertmanager is configured");
    for (int i = 0; r == 0 && i < in->n_alertmanagers; i++) {
        const int k = look_at_peer(in, i, matchers, &plan, err);
        again = again || k == -EAGAIN;
        n += k == 1;
    }
    if (r == 0 && again)
        r = -EAGAIN;
    else if (r == 0 && n == 0)
        r = error_set(err, -EIO, "no Alertmanager can be asked: %s", plan.note ? plan.note : "");
    if (r < 0) {
        action_plan_clear(&plan);
        return r;
    }
    *ret = plan;
    return 0;
}

static const struct param silence_params[] = {
    {"matchers", PARAM_TEXT_MAP, true, NULL, "labels that alerts must have, exactly: {alertname: …, namespace: …}"},
    {"duration", PARAM_DURATION, false, NULL, "how long (1h; 7d at most)"},
    {"comment", PARAM_TEXT, false, NULL, "why, for whoever reads it in Alertmanager"},
    {0},
};

const struct action action_silence_create = {
    .name = "silence.create",
    .class = ACTION_EFFECT,
    .reversible = false,
    .params = silence_params,
    .doc = "silences alerts with these labels in every Alertmanager, for a while",
    .plan = silence_plan,
};
