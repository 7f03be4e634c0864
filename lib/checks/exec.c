/* exec: a command in a container exits as expected and says what is expected.
 *
 * After an effect that made new pods (a change of a workload's template) the newest pod of the target's is asked, once
 * it is Ready: by the API server's own clock, so that no two clocks are compared. A pod that an effect deleted is never
 * asked. */
#include "core/exec.h"

#include "base/alloc.h"
#include "base/text.h"
#include "checks/common.h"

#include <errno.h>
#include <string.h>

static bool template_was_changed(const struct check_in *in)
{
    size_t i;
    json_t *effect;
    json_array_foreach (in->effects, i, effect) {
        const char *pointer;
        json_t *change;
        json_object_foreach (json_object_get(effect, "changes"), pointer, change)
            if (str_starts(pointer, "/spec/template"))
                return true;
    }
    return false;
}

static const char *born(const json_t *pod)
{
    const char *time = json_path_text(pod, "metadata", "creationTimestamp", NULL);
    return time ? time : "";
}

/* Those of the pods that may be asked: a new array. */
static json_t *askable_new(const struct check_in *in, const json_t *pods)
{
    json_t *left = json_array(), *pod;
    const bool changed = template_was_changed(in) && !json_text(in->with, "pod");
    const char *newest = "";
    size_t i;
    json_array_foreach ((json_t *)pods, i, pod)
        newest = strcmp(born(pod), newest) > 0 ? born(pod) : newest; /* RFC 3339 in UTC: byte order is time's */
    json_array_foreach ((json_t *)pods, i, pod)
        if (!effects_deleted(in, object_uid(pod)) && (!changed || str_eq(born(pod), newest)))
            json_array_append(left, pod);
    return left;
}

static int judge_answer(const struct check_in *in, const char *pod, const json_t *answer, struct check_result *ret)
{
    const int64_t expected = json_int_or(in->with, "exit_code", 0);
    const char *expect = json_text(in->with, "expect");
    if (json_int_or(answer, "exit_code", -1) != expected) {
        _cleanup_free_ char *words = exec_exit_words(answer, expected);
        return check_say(ret, VERDICT_FAIL, "%s: %s", pod, words);
    }
    _cleanup_free_ char *said = exec_excerpt(answer);
    if (expect && !strstr(json_text_or(answer, "stdout", ""), expect))
        return check_say(ret, VERDICT_FAIL, "%s: \"%s\" is not in what it printed: %s", pod, expect,
                         *said ? said : "nothing");
    return check_say(ret, VERDICT_PASS, "%s: exit %lld%s%s", pod, (long long)expected, *said ? ": " : "", said);
}

static int exec_judge(const struct check_in *in, struct check_result *ret)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_json_ json_t *pods = NULL, *left = NULL, *chosen = NULL, *what = NULL;
    int r = exec_pods(in->asks, in->cluster, in->target, in->with, &pods, &err);
    if (r < 0)
        return verdict_for(r, &err, ret);
    left = askable_new(in, pods);
    r = exec_choose(left, false, &chosen, &err);
    const json_t *pod = json_array_get(chosen, 0);
    if (r >= 0)
        r = exec_what_new(in->with, pod, EXEC_LOOK_MS, &what, &err);
    if (r < 0)
        return verdict_for(r, &err, ret);
    const char *name = object_name(pod);
    const json_t *answer = ask_exec(in->asks, in->cluster, target_namespace(in->target), name, what);
    r = exec_answer_error(answer, name, &err);
    if (r == -EAGAIN)
        return r;
    if (r < 0) /* a pod that has gone meanwhile (404) says nothing of the others */
        return check_say(ret, VERDICT_UNKNOWN, "%s", error_message(&err));
    return judge_answer(in, name, answer, ret);
}

static const struct param exec_params[] = {
    EXEC_PARAMS,
    {"expect", PARAM_TEXT, false, NULL, "what it must print somewhere on stdout"},
    {"exit_code", PARAM_INT, false, NULL, "the exit code that means success (0)"},
    {"timeout", PARAM_DURATION, false, NULL, "how long it may take (10s)"},
    {0},
};

const struct check check_exec = {
    .name = "exec",
    .params = exec_params,
    .doc = "a command in a container of the target's pods ends as it should",
    .judge = exec_judge,
    .rights = rights_exec,
};
