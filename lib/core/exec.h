/* Commands in a pod's container, as questions (core/ask.h, "exec") and as effects (method EXEC): which pod, which
 * container, what came of it in words. For the actions exec and exec.read, the check exec, and the run that sends one.
 *
 * A command is a list of arguments and never a shell's line: a template's value is one argument, whatever it holds.
 * All output that leaves this file as words is redacted (core/redact.h) and bounded. */
#pragma once

#include "core/pods.h"
#include "core/registry.h"

enum {
    EXEC_TIMEOUT_MS = 30000, /* of an effect, if the step says nothing */
    EXEC_LOOK_MS = 10000,    /* of what only looks: evidence, checks */
    EXEC_KEPT_MAX = 64 << 10 /* bytes of each stream */
};

/* pod, selector, container, command of `with`, in every table of parameters that has to do with exec. */
#define EXEC_PARAMS                                                                                                    \
    {"command", PARAM_TEXTS, true, NULL, "program and arguments, a list; never a shell's line"},                       \
        {"pod", PARAM_NAME, false, NULL, "in this pod; by default in the first Ready one of the target's"},            \
        {"selector", PARAM_SELECTOR, false, NULL, "in the first Ready pod with these labels in its namespace"},        \
    {                                                                                                                  \
        "container", PARAM_NAME, false, NULL, "the container; the pod's default, else its first, by default"           \
    }

/* The pods that `with` means (pod, selector, else the target's), Ready or not, without those that end or have ended; in
 * name order. A new array. 0, -EAGAIN, -EINVAL for a command without a program, else as pods_find(). */
int exec_pods(struct asks *asks, const char *cluster, const struct target *target, const json_t *with, json_t **ret,
              struct error *err);
/* The first Ready one, or all Ready ones. -ENOENT if there is none, with the reason of the first that is not. */
int exec_choose(const json_t *pods, bool all, json_t **ret, struct error *err);

/* {"container", "command", "timeout_ms", "max"}: what an effect's body and a question hold. -EINVAL if the pod has no
 * such container. */
int exec_what_new(const json_t *with, const json_t *pod, int64_t default_ms, json_t **ret, struct error *err);
/* Asks it. NULL: not answered yet. */
const json_t *ask_exec(struct asks *a, const char *cluster, const char *namespace, const char *pod, const json_t *what);

/* 0 if the command has ended and its exit code is known, -EAGAIN without an answer; else words and an errno as
 * answer_error(). */
int exec_answer_error(const json_t *answer, const char *pod, struct error *err);
/* "exited with 3, 0 was expected: FATAL: no such database". The caller frees. */
char *exec_exit_words(const json_t *answer, int64_t expected);
/* The first words of what it said (of stdout, else of stderr): one line, redacted. The caller frees. */
char *exec_excerpt(const json_t *answer);
/* One item of evidence: {"name": "exec in redis-0: redis-cli PING (exit 0)", "text"}, NULL if nothing was run. */
json_t *exec_evidence_new(const char *pod, const json_t *what, const json_t *answer);

/* ---- effects ---- */

bool effect_is_exec(const json_t *effect); /* or a program on the host, whose answer has the same form */
/* Whether the command of this effect ended as it was expected to; else the words. The caller frees them. */
bool exec_effect_ok(const json_t *effect, const json_t *answer, char **ret_words);
