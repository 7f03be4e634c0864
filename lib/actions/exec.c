/* exec: runs a command in a container; what it did nobody can look up afterwards, so it is never sent twice (unless the
 * step says `idempotent: true`). exec.read: the same for a command that only looks; what it prints is evidence. */
#include "core/exec.h"

#include "actions/common.h"
#include "base/alloc.h"
#include "base/text.h"

#include <errno.h>

/* ---- exec ---- */

static int exec_effect_new(const struct action_in *in, const json_t *pod, json_t **ret, struct error *err)
{
    const char *namespace = target_namespace(in->target), *uid = object_uid(pod);
    _cleanup_json_ json_t *body = NULL;
    int r = exec_what_new(in->with, pod, EXEC_TIMEOUT_MS, &body, err);
    if (r < 0)
        return r;
    _cleanup_free_ char *name = xstrdup(object_name(pod)), *place = xstrdup(namespace);
    const struct workload w = {.kind = kind_pod, .namespace = place, .name = name, .object = pod};
    json_object_set_new(body, "expect_exit", json_integer(json_int_or(in->with, "expect_exit", 0)));
    *ret = effect_on(in, &w, "exec", uid, "EXEC", NULL, TAKE_PTR(body), RECOGNISE_NEVER);
    effect_irreversible(*ret, "what a command did in a container cannot be undone");
    return 0;
}

static int plan_effects(const struct action_in *in, const json_t *pods, struct action_plan *plan, struct error *err)
{
    size_t i;
    json_t *pod;
    json_array_foreach ((json_t *)pods, i, pod) {
        json_t *effect = NULL;
        int r = exec_effect_new(in, pod, &effect, err);
        if (r < 0)
            return r;
        plan_effect(plan, effect);
        plan_note(plan, "%s in %s", json_string_value(json_array_get(json_object_get(in->with, "command"), 0)),
                  object_name(pod));
    }
    return 0;
}

static int exec_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    _cleanup_json_ json_t *pods = NULL, *chosen = NULL;
    int r = exec_pods(in->asks, in->cluster, in->target, in->with, &pods, err);
    if (r >= 0)
        r = exec_choose(pods, json_bool_or(in->with, "all", false), &chosen, err);
    if (r < 0)
        return r;
    if (json_array_size(chosen) > (size_t)(in->max_pods > 0 ? in->max_pods : 0))
        return error_set(err, -E2BIG, "the command would run in %zu pods, limits.pods allows %d: it runs in none",
                         json_array_size(chosen), in->max_pods);
    struct action_plan plan = {.effects = json_array()};
    r = plan_effects(in, chosen, &plan, err);
    if (r < 0) {
        action_plan_clear(&plan);
        return r;
    }
    *ret = plan;
    return 0;
}

static const struct param exec_params[] = {
    EXEC_PARAMS,
    {"all", PARAM_BOOL, false, NULL, "in every Ready pod, one after the other (false)"},
    {"expect_exit", PARAM_INT, false, NULL, "the exit code that means success (0)"},
    {"timeout", PARAM_DURATION, false, NULL, "how long it may take (30s), within the step's own timeout"},
    {0},
};

/* Where a command is run is also asked whether it opted out. */
static void exec_rights(const struct rights_in *in)
{
    _cleanup_choices_ struct choices names = rights_param(in, "pod");
    rights_pods(in, "pod", NULL);
    if (in->plans_only)
        return;
    rights_exec(in);
    rights_change(in, &(struct rights_what){.kind = "Pod", .subresource = "exec", .names = &names}, "get");
}

const struct action action_exec = {
    .name = "exec",
    .class = ACTION_EFFECT,
    .reversible = false,
    .params = exec_params,
    .doc = "runs a command in a container of the target's pods",
    .plan = exec_plan,
    .rights = exec_rights,
};

/* ---- exec.read ---- */

static void add_words(struct action_plan *plan, const char *name, const char *words)
{
    json_t *item = json_object();
    _cleanup_free_ char *text = xasprintf("could not be asked: %s", words);
    json_set_text(item, "name", name);
    json_set_text(item, "text", text);
    json_array_append_new(plan->evidence, item);
}

/* 0 or -EAGAIN. */
static int look_into(const struct action_in *in, const json_t *pod, struct action_plan *plan)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_json_ json_t *what = NULL;
    const char *name = object_name(pod);
    _cleanup_free_ char *title = xasprintf("exec in %s", name);
    if (exec_what_new(in->with, pod, EXEC_LOOK_MS, &what, &err) < 0) {
        add_words(plan, title, error_message(&err));
        return 0;
    }
    const json_t *answer = ask_exec(in->asks, in->cluster, target_namespace(in->target), name, what);
    if (!answer)
        return -EAGAIN;
    json_t *item = exec_evidence_new(name, what, answer);
    if (item)
        json_array_append_new(plan->evidence, item);
    if (exec_answer_error(answer, name, &err) < 0)
        add_words(plan, title, error_message(&err));
    return 0;
}

static int read_plan(const struct action_in *in, struct action_plan *ret, struct error *err _unused_)
{
    _cleanup_error_ struct error why = ERROR_NONE;
    _cleanup_json_ json_t *pods = NULL, *chosen = NULL;
    int r = exec_pods(in->asks, in->cluster, in->target, in->with, &pods, &why);
    if (r == -EAGAIN)
        return r;
    if (r >= 0)
        r = exec_choose(pods, json_bool_or(in->with, "all", false), &chosen, &why);
    struct action_plan plan = {.effects = json_array(), .evidence = json_array()};
    if (r < 0)
        add_words(&plan, "exec", error_message(&why));
    bool again = false;
    size_t i;
    json_t *pod;
    json_array_foreach (chosen, i, pod)
        if (i < (size_t)(in->max_pods > 0 ? in->max_pods : 0))
            again = look_into(in, pod, &plan) == -EAGAIN || again;
    if (again) {
        action_plan_clear(&plan);
        return -EAGAIN;
    }
    *ret = plan;
    return 0;
}

static const struct param read_params[] = {
    EXEC_PARAMS,
    {"all", PARAM_BOOL, false, NULL, "in every Ready pod, as many as limits.pods allows (false)"},
    {"timeout", PARAM_DURATION, false, NULL, "how long it may take (10s)"},
    {0},
};

const struct action action_exec_read = {
    .name = "exec.read",
    .class = ACTION_EVIDENCE,
    .params = read_params,
    .doc = "keeps what a command prints that only looks",
    .plan = read_plan,
    .rights = rights_exec,
};
