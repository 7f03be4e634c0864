#include "core/exec.h"

#include "core/host_command.h"

#include "base/alloc.h"
#include "base/text.h"
#include "core/redact.h"
#include "core/workloads.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

enum { EXCERPT_MAX = 200, COMMAND_SHOWN_MAX = 200 };

/* ---- where ---- */

int exec_pods(struct asks *asks, const char *cluster, const struct target *target, const json_t *with, json_t **ret,
              struct error *err)
{
    const char *program = json_string_value(json_array_get(json_object_get(with, "command"), 0));
    if (str_empty(program))
        return error_set(err, -EINVAL, "the command names no program");
    _cleanup_json_ json_t *which = json_object(), *found = NULL, *alive = json_array();
    json_set_text(which, "name", json_text(with, "pod"));
    json_set_text(which, "selector", json_text(with, "selector"));
    int r = pods_find(asks, cluster, target, which, &found, err);
    if (r < 0)
        return r;
    size_t i;
    json_t *pod;
    json_array_foreach (found, i, pod)
        if (!object_is_terminating(pod) && !pod_is_finished(pod) && !pod_has_failed(pod))
            json_array_append(alive, pod);
    *ret = TAKE_PTR(alive);
    return 0;
}

int exec_choose(const json_t *pods, bool all, json_t **ret, struct error *err)
{
    _cleanup_json_ json_t *chosen = json_array();
    size_t i;
    json_t *pod;
    json_array_foreach ((json_t *)pods, i, pod)
        if (pod_is_ready(pod) && (all || json_array_size(chosen) == 0))
            json_array_append(chosen, pod);
    if (json_array_size(chosen) == 0) {
        const json_t *first = json_array_get(pods, 0);
        _cleanup_free_ char *why = first ? pod_why_not_ready(first) : NULL;
        return error_set(err, -ENOENT, "there is no Ready pod to run the command in%s%s%s%s%s", first ? " (" : "",
                         first ? object_name(first) : "", first ? ": " : "", first ? why : "", first ? ")" : "");
    }
    *ret = TAKE_PTR(chosen);
    return 0;
}

/* ---- what ---- */

static bool has_container(const json_t *pod, const char *name)
{
    size_t i;
    json_t *c;
    json_array_foreach (json_path(pod, "spec", "containers", NULL), i, c)
        if (str_eq(json_text(c, "name"), name))
            return true;
    return false;
}

static const char *default_container(const json_t *pod)
{
    const char *name = json_path_text(pod, "metadata", "annotations", "kubectl.kubernetes.io/default-container", NULL);
    if (name && has_container(pod, name))
        return name;
    return json_text(json_array_get(json_path(pod, "spec", "containers", NULL), 0), "name");
}

int exec_what_new(const json_t *with, const json_t *pod, int64_t default_ms, json_t **ret, struct error *err)
{
    const char *container = json_text(with, "container");
    if (container && !has_container(pod, container))
        return error_set(err, -EINVAL, "pod %s has no container %s", object_name(pod), container);
    json_t *what = json_object();
    json_set_text(what, "container", container ? container : default_container(pod));
    json_object_set_new(what, "command", json_deep_copy(json_object_get(with, "command")));
    json_object_set_new(what, "timeout_ms", json_integer(json_int_or(with, "timeout", default_ms)));
    json_object_set_new(what, "max", json_integer(EXEC_KEPT_MAX));
    *ret = what;
    return 0;
}

const json_t *ask_exec(struct asks *a, const char *cluster, const char *namespace, const char *pod, const json_t *what)
{
    json_t *question = json_deep_copy(what);
    json_set_text(question, "ask", "exec");
    json_set_text(question, "cluster", cluster ? cluster : "");
    json_set_text(question, "namespace", namespace);
    json_set_text(question, "pod", pod);
    return ask(a, question);
}

/* ---- what came of it ---- */

static bool has_ended(const json_t *answer)
{
    return answer_status(answer) == 101 && json_is_integer(json_object_get(answer, "exit_code"));
}

int exec_answer_error(const json_t *answer, const char *pod, struct error *err)
{
    if (!answer)
        return -EAGAIN;
    if (has_ended(answer))
        return 0;
    _cleanup_free_ char *what = xasprintf("exec in pod %s", pod);
    if (answer_status(answer) == 101 && !json_text(answer, "error"))
        return error_set(err, -EIO, "%s: the answer holds no exit code", what);
    const int r = answer_error(answer, what, err);
    return r < 0 ? r : error_set(err, -EIO, "%s: the answer is none to a command", what);
}

/* One line: what is printable, runs of the rest as one blank. */
static char *one_line(const char *text, size_t max)
{
    struct strbuf b = {.max = max};
    for (const char *p = text; *p && b.len + 1 < max; p++) {
        const bool blank = (unsigned char)*p <= ' ' || *p == 0x7f;
        if (!blank)
            strbuf_putc(&b, *p);
        else if (b.len && b.data[b.len - 1] != ' ')
            strbuf_putc(&b, ' ');
    }
    while (b.len && (b.data[b.len - 1] == ' '))
        b.data[--b.len] = '\0';
    while (b.len && !utf8_valid(b.data, b.len)) /* cut within a character */
        b.data[--b.len] = '\0';
    return strbuf_take(&b);
}

static char *excerpt_of(const json_t *answer, const char *first, const char *second)
{
    const char *text = json_text_or(answer, first, "");
    text = text[strspn(text, " \t\r\n")] ? text : json_text_or(answer, second, "");
    _cleanup_free_ char *head = xstrndup(text, strnlen(text, (size_t)EXCERPT_MAX * 4));
    while (!utf8_valid(head, strlen(head)))
        head[strlen(head) - 1] = '\0';
    _cleanup_free_ char *clean = redact_text_new(head);
    return one_line(clean, EXCERPT_MAX);
}

char *exec_excerpt(const json_t *answer)
{
    return excerpt_of(answer, "stdout", "stderr");
}

char *exec_exit_words(const json_t *answer, int64_t expected)
{
    _cleanup_free_ char *said = excerpt_of(answer, "stderr", "stdout");
    return xasprintf("exited with %lld, %lld was expected%s%s", (long long)json_int_or(answer, "exit_code", -1),
                     (long long)expected, *said ? ": " : "", said);
}

/* The command as a person reads it; arguments with blanks in quotes. Redacted as one text: "-p secret" is two of them.
 */
static char *command_text(const json_t *what)
{
    _cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
    size_t i;
    json_t *word;
    json_array_foreach (json_object_get(what, "command"), i, word) {
        const char *text = json_string_value(word) ? json_string_value(word) : "";
        const bool plain = *text && !strpbrk(text, " \t\r\n\"'");
        strbuf_printf(&b, plain ? "%s%s" : "%s'%s'", i ? " " : "", text);
    }
    _cleanup_free_ char *clean = redact_text_new(strbuf_str(&b));
    return one_line(clean, COMMAND_SHOWN_MAX);
}

json_t *exec_evidence_new(const char *pod, const json_t *what, const json_t *answer)
{
    const char *out = json_text(answer, "stdout"), *err = json_text_or(answer, "stderr", "");
    if (!out)
        return NULL;
    _cleanup_free_ char *command = command_text(what);
    _cleanup_free_ char *end = has_ended(answer)
                                   ? xasprintf("exit %lld", (long long)json_int_or(answer, "exit_code", -1))
                                   : xstrdup("how it ended is not known");
    _cleanup_free_ char *name = xasprintf("exec in %s: %s (%s)", pod, command, end);
    _cleanup_free_ char *text = *err ? xasprintf("%s%sstderr:\n%s", out, *out ? "\n" : "", err) : xstrdup(out);
    json_t *item = json_object();
    json_set_text(item, "name", name);
    json_set_text(item, "text", text);
    return item;
}

/* ---- effects ---- */

bool effect_is_exec(const json_t *effect)
{
    return str_eq(json_text(effect, "method"), "EXEC") || effect_is_host_command(effect);
}

bool exec_effect_ok(const json_t *effect, const json_t *answer, char **ret_words)
{
    const int64_t expected = json_int_or(json_object_get(effect, "body"), "expect_exit", 0);
    if (json_int_or(answer, "exit_code", -1) == expected)
        return true;
    *ret_words = exec_exit_words(answer, expected);
    return false;
}
