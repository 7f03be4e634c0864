/* A world for pure actions and checks: prepared answers by path or address, and what was asked in how many rounds. */
#pragma once

#include "base/alloc.h"
#include "base/text.h"
#include "core/registry.h"
#include "rights_judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

struct world {
    json_t *answers; /* {path, url or address: answer} */
    json_t *asked;   /* array of texts, in order */
    json_t *read;    /* those of them that are paths of the API server, since the action or check began */
    struct asks asks;
    int rounds;
    struct now check_now;
    struct target target;
};

static inline json_t *J(const char *text)
{
    json_error_t e;
    char *copy = xstrdup(text);
    for (char *c = copy; *c; c++) /* fixtures are written with ' for " */
        *c = *c == '\'' ? '"' : *c;
    json_t *j = json_loads(copy, JSON_DECODE_ANY, &e);
    if (!j)
        fail_msg("%s in %s", e.text, copy);
    free(copy);
    return j;
}

static inline void world_init(struct world *w, const char *kind, const char *name, const char *selector)
{
    *w = (struct world){.answers = json_object(), .asked = json_array(), .read = json_array()};
    asks_init(&w->asks);
    w->target = (struct target){.cluster = xstrdup("prod"),
                                .kind = xstrdup(kind),
                                .namespace = xstrdup("shop"),
                                .name = xstrdup(name),
                                .selector = xstrdup(selector)};
    w->target.owners = xcalloc(1, sizeof(struct object_ref));
    w->target.n_owners = 1;
    w->target.owners[0] = (struct object_ref){.api_version = xstrdup("apps/v1"),
                                              .kind = xstrdup(kind),
                                              .namespace = xstrdup("shop"),
                                              .name = xstrdup(name),
                                              .uid = xstrdup("u1")};
}

static inline void world_clear(struct world *w)
{
    json_decref(w->answers);
    json_decref(w->asked);
    json_decref(w->read);
    asks_clear(&w->asks);
    target_clear(&w->target);
}

/* A further owner: the target is found by selector then, as one that names several workloads is. */
static inline void world_owner(struct world *w, const char *kind, const char *name)
{
    struct target *t = &w->target;
    t->owners = xreallocarray(t->owners, t->n_owners + 1, sizeof(*t->owners));
    t->owners[t->n_owners++] = (struct object_ref){.api_version = xstrdup("apps/v1"),
                                                   .kind = xstrdup(kind),
                                                   .namespace = xstrdup("shop"),
                                                   .name = xstrdup(name),
                                                   .uid = xstrdup("u2")};
}

/* Forgets the answers, for the next case. */
static inline void world_again(struct world *w)
{
    asks_clear(&w->asks);
    asks_init(&w->asks);
    w->rounds = 0;
    json_array_clear(w->asked);
}

static inline void world_answer(struct world *w, const char *what, const char *answer)
{
    json_object_set_new(w->answers, what, J(answer));
}

static inline void world_body(struct world *w, const char *path, const char *body)
{
    json_object_set_new(w->answers, path, json_pack("{s:i, s:o}", "status", 200, "body", J(body)));
}

/* One round: answers what is wanted; what nobody prepared is a 404. */
static inline void world_round(struct world *w)
{
    _cleanup_json_ json_t *wanted = json_deep_copy(w->asks.wanted);
    size_t i;
    json_t *q;
    w->rounds++;
    json_array_foreach (wanted, i, q) {
        const char *key = json_text(q, "path");
        key = key ? key : json_text(q, "url") ? json_text(q, "url") : json_text(q, "address");
        key = key ? key : json_text(q, "set");
        _cleanup_free_ char *exec = json_text(q, "pod") ? xasprintf("exec %s", json_text(q, "pod")) : NULL;
        key = key ? key : exec;
        json_array_append_new(w->asked, json_string(key));
        if (str_eq(json_text(q, "ask"), "kube"))
            json_array_append_new(w->read, json_string(key));
        if (exec)
            json_array_append_new(w->read, json_sprintf("/api/v1/namespaces/%s/pods/%s/exec", json_text(q, "namespace"),
                                                        json_text(q, "pod")));
        /* "1:/api/v2/alerts": what only that Alertmanager answers */
        _cleanup_free_ char *of_peer = xasprintf("%lld:%s", (long long)json_int_or(q, "peer", -1), key);
        json_t *answer = json_object_get(w->answers, of_peer);
        answer = answer ? answer : json_object_get(w->answers, key);
        asks_answer(&w->asks, q, answer ? json_deep_copy(answer) : J("{'status':404,'body':{'message':'not found'}}"));
    }
}

/* What was asked of the API server, and what the effects would send to it. */
static inline void world_judge_rights(struct world *w, const struct action *a, const struct check *c,
                                      const json_t *with, const json_t *effects)
{
    _cleanup_rights_ struct rights have = {0};
    size_t i;
    json_t *item;
    const char *who = a ? a->name : c->name;
    rights_of_one(&w->target, a, c, with, &have);
    json_array_foreach (w->read, i, item)
        judge_request(&have, who, "GET", json_string_value(item));
    json_array_foreach (effects, i, item) {
        const char *method = json_text_or(item, "method", "");
        if (json_object_get(item, "request") || str_eq(method, "FILE"))
            continue;
        judge_request(&have, who, method, json_text_or(item, "path", ""));
        judge_request(&have, who, "GET", json_text_or(item, "read", ""));
        if (str_eq(json_path_text(item, "undo", "method", NULL), "DELETE"))
            judge_request(&have, who, "DELETE", json_text_or(item, "read", ""));
    }
}

/* Runs the action to its end. `with` NULL: none. */
static inline int world_plan(struct world *w, const struct action *a, const char *with, struct action_plan *plan,
                             struct error *err)
{
    _cleanup_json_ json_t *params = J(with ? with : "{}");
    const struct action_in in = {.target = &w->target,
                                 .with = params,
                                 .cluster = "prod",
                                 .key = "run/0/1",
                                 .now = {.wall_us = INT64_C(1767607200) * 1000000},
                                 .max_pods = 3,
                                 .n_alertmanagers = 2,
                                 .asks = &w->asks};
    int r;
    json_array_clear(w->read);
    while ((r = a->plan(&in, plan, err)) == -EAGAIN) {
        assert_true(w->rounds < 10);
        world_round(w);
    }
    world_judge_rights(w, a, NULL, params, r == 0 ? plan->effects : NULL);
    return r;
}

/* Plans; the note or the error must hold `words`. The caller clears the plan. */
static inline void world_expect(struct world *w, const struct action *a, const char *with, int code, const char *words,
                                struct action_plan *plan)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    world_again(w);
    const int r = world_plan(w, a, with, plan, &err);
    const char *said = r < 0 ? error_message(&err) : plan->note ? plan->note : "";
    if (r != code || !strstr(said, words))
        fail_msg("%s %s: %d \"%s\", expected %d with \"%s\"", a->name, with ? with : "", r, said, code, words);
    if (r < 0)
        assert_null(plan->effects);
}

/* The effect number i holds what `expected` says, key by key. */
static inline void assert_effect(const struct action_plan *plan, size_t i, const char *expected)
{
    _cleanup_json_ json_t *want = J(expected);
    const char *key;
    json_t *value;
    json_object_foreach (want, key, value) {
        _cleanup_free_ char *a = json_canonical(json_object_get(json_array_get(plan->effects, i), key));
        _cleanup_free_ char *b = json_canonical(value);
        assert_string_equal(a, b);
    }
}

/* It plans one effect, which holds what `want` says; the note holds `words`. */
static inline void world_sends(struct world *w, const struct action *a, const char *with, const char *words,
                               const char *want)
{
    struct action_plan plan = {0};
    world_expect(w, a, with, 0, words, &plan);
    assert_int_equal(json_array_size(plan.effects), 1);
    assert_effect(&plan, 0, want);
    action_plan_clear(&plan);
}

/* It plans nothing: code 0 with the note, or the error; either holds `words`. */
static inline void world_says(struct world *w, const struct action *a, const char *with, int code, const char *words)
{
    struct action_plan plan = {0};
    world_expect(w, a, with, code, words, &plan);
    assert_int_equal(json_array_size(plan.effects), 0);
    action_plan_clear(&plan);
}

static inline enum verdict world_judge(struct world *w, const struct check *c, const char *with, const char *effects,
                                       char **ret_seen)
{
    _cleanup_json_ json_t *params = J(with ? with : "{}"), *fx = J(effects ? effects : "[]");
    _cleanup_json_ json_t *alert =
        J("{'labels':{'alertname':'Down','x':'a'},'startsAt':'2026-01-05T10:00:00Z','fingerprint':'0'}");
    const struct check_in in = {.target = &w->target,
                                .with = params,
                                .cluster = "prod",
                                .effects = fx,
                                .alert = alert,
                                .n_alertmanagers = 2,
                                .now = w->check_now,
                                .asks = &w->asks};
    struct check_result result = {0};
    json_array_clear(w->read);
    while (c->judge(&in, &result) == -EAGAIN) {
        assert_true(w->rounds < 10);
        world_round(w);
    }
    const enum verdict v = result.verdict;
    world_judge_rights(w, NULL, c, params, NULL);
    if (ret_seen)
        *ret_seen = xstrdup(result.seen);
    check_result_clear(&result);
    return v;
}

static inline void world_verdict(struct world *w, const struct check *c, const char *with, const char *effects,
                                 enum verdict expected, const char *words)
{
    _cleanup_free_ char *seen = NULL;
    world_again(w);
    const enum verdict v = world_judge(w, c, with, effects, &seen);
    if (v != expected || !strstr(seen, words))
        fail_msg("%s %s: %s \"%s\", expected %s with \"%s\"", c->name, with ? with : "", verdict_name(v), seen,
                 verdict_name(expected), words);
}
