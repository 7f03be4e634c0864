/* Happy path: the body becomes argv and a small environment, process_start() runs it, its end becomes the answer.
 *
 * Failure modes: a program that is not there or may not be run answers at once that it was not started; one that is
 * over its time or its output was killed and may have done its work or half of it; freeing kills what is left. */
#include "engine/host_command.h"

#include "base/alloc.h"
#include "base/text.h"
#include "io/process.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { RUNNING_MAX = 4, OUTPUT_KEPT = 64 << 10 };
#define PATH_DEFAULT "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct running {
    struct host_commands *of;
    struct running *prev, *next;
    struct process *process;
    int timeout_ms;
    host_command_done_cb done;
    void *userdata;
};

struct host_commands {
    sd_event *event;
    struct running *first;
    unsigned n;
};

/* ---- what it is given ---- */

static void texts_add(char ***list, size_t *n, char *taken)
{
    *list = xreallocarray(*list, *n + 2, sizeof(char *));
    (*list)[(*n)++] = taken;
    (*list)[*n] = NULL;
}

static char **argv_new(const json_t *command)
{
    char **argv = NULL;
    size_t i, n = 0;
    json_t *arg;
    json_array_foreach ((json_t *)command, i, arg)
        texts_add(&argv, &n, xstrdup(json_string_value(arg)));
    return argv;
}

/* Not mendd's own: that may hold what is nobody else's business. */
static char **env_new(const json_t *body)
{
    char **env = NULL;
    size_t i, n = 0;
    const char *name;
    json_t *item;
    texts_add(&env, &n, xstrdup(PATH_DEFAULT));
    texts_add(&env, &n, xstrdup("LANG=C.UTF-8"));
    json_array_foreach (json_object_get(body, "pass_env"), i, item) {
        const char *value = getenv(json_string_value(item));
        if (value)
            texts_add(&env, &n, xasprintf("%s=%s", json_string_value(item), value));
    }
    json_object_foreach (json_object_get(body, "env"), name, item)
        texts_add(&env, &n, xasprintf("%s=%s", name, json_string_value(item)));
    return env;
}

/* ---- what came of it ---- */

static void set_output(json_t *answer, const char *key, const char *bytes, size_t len)
{
    _cleanup_free_ char *text = xcalloc(len + 1, 1);
    for (size_t i = 0; i < len; i++)
        text[i] = bytes[i] ? bytes[i] : '?';
    json_object_set_new(answer, key, json_text_new(text, len));
}

static json_t *not_run_new(const char *message)
{
    json_t *answer = json_pack("{s:i, s:{}}", "status", 422, "body");
    json_set_text(json_object_get(answer, "body"), "message", message);
    return answer;
}

static json_t *killed_new(const char *error, const char *message)
{
    json_t *answer = json_object();
    json_set_text(answer, "error", error);
    json_set_text(answer, "message", message);
    return answer;
}

static json_t *answer_new(const struct process_result *r, int timeout_ms)
{
    _cleanup_free_ char *words = process_end_text(r, timeout_ms);
    switch (r->end) {
    case PROCESS_EXITED:
        return json_pack("{s:i, s:i}", "status", 101, "exit_code", r->code);
    case PROCESS_SIGNALED:
        return not_run_new(words);
    case PROCESS_TIMEOUT:
        return killed_new("timeout", words);
    case PROCESS_FLOOD:
        return killed_new("too_large", words);
    case PROCESS_CANCELLED:
        break;
    }
    return killed_new("cancelled", words);
}

static void on_end(const struct process_result *r, void *userdata)
{
    struct running *run = userdata;
    struct host_commands *h = run->of;
    json_t *answer = answer_new(r, run->timeout_ms);
    set_output(answer, "stdout", r->out, r->out_len);
    set_output(answer, "stderr", r->err, r->err_len);
    *(run->prev ? &run->prev->next : &h->first) = run->next;
    if (run->next)
        run->next->prev = run->prev;
    h->n--;
    const host_command_done_cb done = run->done;
    void *ud = run->userdata;
    free(run);
    done(answer, ud);
}

json_t *host_command_start(struct host_commands *h, const json_t *body, int timeout_ms, host_command_done_cb done,
                           void *userdata)
{
    if (h->n >= RUNNING_MAX)
        return killed_new("local", "too many programs run on this host already");
    _cleanup_error_ struct error err = ERROR_NONE;
    char **argv = argv_new(json_object_get(body, "command")), **env = env_new(body);
    struct running *run = xnew0(struct running);
    *run = (struct running){.of = h, .timeout_ms = timeout_ms, .done = done, .userdata = userdata};
    const struct process_request req = {.argv = (const char *const *)argv,
                                        .env = (const char *const *)env,
                                        .directory = json_text_or(body, "directory", "/"),
                                        .timeout_ms = timeout_ms,
                                        .max_out = OUTPUT_KEPT};
    int r = process_start(h->event, &req, on_end, run, &run->process, &err);
    texts_free(argv);
    texts_free(env);
    if (r < 0) {
        free(run);
        return not_run_new(error_message(&err));
    }
    run->next = h->first;
    if (run->next)
        run->next->prev = run;
    h->first = run;
    h->n++;
    return NULL;
}

struct host_commands *host_commands_new(sd_event *event)
{
    struct host_commands *h = xnew0(struct host_commands);
    h->event = sd_event_ref(event);
    return h;
}

struct host_commands *host_commands_free(struct host_commands *h)
{
    if (!h)
        return NULL;
    while (h->first)
        process_cancel(h->first->process);
    sd_event_unref(h->event);
    free(h);
    return NULL;
}
