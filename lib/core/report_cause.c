/* The cause, as far as the evidence points at one: states of containers, exit codes, conditions, Warning events, the
 * last words of a log. It reads the texts that lib/actions/describe.c writes, line by line, and guesses nothing: what
 * it finds are pointers for a person, and where there are none it says so. */
#include "base/alloc.h"
#include "base/text.h"
#include "core/report_internal.h"

#include <ctype.h>
#include <string.h>

enum { FINDINGS_MAX = 12, LOG_LINES = 3, LINE_MAX = 300 };

struct cause {
    json_t *findings; /* [{what, from}] */
    bool known;
};

static void found(struct cause *c, const char *what, const char *from, bool points)
{
    size_t i;
    json_t *f;
    json_array_foreach (c->findings, i, f)
        if (str_eq(json_text(f, "what"), what))
            return;
    if (i == FINDINGS_MAX)
        return;
    f = json_object();
    json_object_set_new(f, "what", report_text_new(what, LINE_MAX));
    json_object_set_new(f, "from", report_text_new(from, LINE_MAX));
    json_array_append_new(c->findings, f);
    c->known = c->known || points;
}

/* ---- pod.describe ---- */

/* "    last state: terminated, OOMKilled, exit code 137, since …, ended …: message" */
static void look_at_state(struct cause *c, const char *line, const char *container, const char *from)
{
    static const char *const normal[] = {"Completed", "ContainerCreating", "PodInitializing", NULL};
    const bool last = str_starts(line, "    last state: ");
    const char *state = line + strlen(last ? "    last state: " : "    state: ");
    const char *how = last ? "ended before" : "is now";
    if (!str_starts(state, "waiting, ") && !str_starts(state, "terminated, "))
        return;
    const char *reason = strchr(state, ' ') + 1;
    _cleanup_free_ char *word = xstrndup(reason, strcspn(reason, ",:"));
    const bool success = strstr(reason, "exit code 0") != NULL;
    if (success || str_in(word, normal))
        return;
    _cleanup_free_ char *what = xasprintf("container %s %s: %s", container, how, state);
    found(c, what, from, true);
}

static void look_at_line(struct cause *c, const char *line, char **container, const char *from)
{
    if (str_starts(line, "    state: ") || str_starts(line, "    last state: ")) {
        look_at_state(c, line, *container ? *container : "?", from);
    } else if (str_starts(line, "  ") && isalnum((unsigned char)line[2])) {
        if (strstr(line, "=False (Unschedulable)") || strstr(line, "=True (DisruptionTarget)"))
            found(c, line + 2, from, true);
        else if (!strchr(line, '='))
            str_replace(container, line + 2);
    } else if (str_starts(line, "condition: ") && !str_eq(line, "condition: ready")) {
        found(c, line + strlen("condition: "), from, true);
    }
}

/* "2026-01-05T10:00:00Z Warning BackOff Pod/api-1 (x5): message": one of each reason and object is enough */
static bool look_at_event(struct cause *c, const char *line, const char *from)
{
    const char *type = strchr(line, ' ');
    if (!isdigit((unsigned char)*line) || !type || strncmp(type, " Warning ", 9) != 0)
        return false;
    _cleanup_free_ char *what = xasprintf("event %s", type + 9);
    found(c, what, from, true);
    return true;
}

/* ---- logs ---- */

static bool speaks_of_trouble(const char *line)
{
    static const char *const words[] = {"error",         "fatal",     "panic",    "exception", "refused",
                                        "denied",        "killed",    "cannot",   "failed",    "no space",
                                        "out of memory", "traceback", "segfault", NULL};
    for (const char *const *w = words; *w; w++)
        if (strcasestr(line, *w))
            return true;
    return false;
}

/* The last lines, of a log before a restart whatever they say: they are its last words. */
static void look_at_log(struct cause *c, const char *text, const char *name)
{
    const bool previous = strstr(name, "(before its restart)") != NULL;
    const char *end = text + strlen(text);
    int taken = 0;
    if (str_starts(text, "could not be read:"))
        return;
    while (end > text && taken < LOG_LINES) {
        const char *start = end;
        while (start > text && start[-1] != '\n')
            start--;
        _cleanup_free_ char *line =
            xstrndup(start, (size_t)(end - start) < LINE_MAX ? (size_t)(end - start) : LINE_MAX);
        end = start > text ? start - 1 : text;
        if (strspn(line, " \t\r") == strlen(line))
            continue;
        taken++;
        _cleanup_free_ char *what = xasprintf("%s: %s", taken == 1 ? "last line" : "before that", line);
        if (previous || speaks_of_trouble(line))
            found(c, what, name, speaks_of_trouble(line));
    }
}

static void look_at_text(struct cause *c, const char *action, const char *name, const char *text)
{
    _cleanup_free_ char *container = NULL;
    if (str_eq(action, "pod.logs")) {
        look_at_log(c, text, name);
        return;
    }
    for (const char *p = text; *p;) {
        const size_t len = strcspn(p, "\n");
        _cleanup_free_ char *line = xstrndup(p, len < 2 * LINE_MAX ? len : 2 * LINE_MAX);
        if (!look_at_event(c, line, name) && str_eq(action, "pod.describe"))
            look_at_line(c, line, &container, name);
        p += len;
        p += *p == '\n';
    }
}

static const char *words_of(const struct cause *c, size_t n_evidence)
{
    if (c->known)
        return "The evidence points at the following; whether it is the root cause is for a person to judge.";
    if (n_evidence == 0)
        return "Not known: no evidence was kept (a playbook's diagnose: steps keep some).";
    return json_array_size(c->findings) > 0
               ? "Not known: nothing in the evidence names a cause. The last words of what was restarted:"
               : "Not known: nothing in the evidence points at a cause.";
}

json_t *report_cause_new(const json_t *record)
{
    struct cause c = {.findings = json_array()};
    const json_t *evidence = json_object_get(record, "evidence");
    size_t i;
    json_t *e;
    for (int logs = 0; logs < 2; logs++) { /* states and events say more than logs */
        json_array_foreach (evidence, i, e) {
            const char *action = json_text_or(e, "action", ""), *text = json_text(e, "text");
            if (text && str_eq(action, "pod.logs") == (logs == 1))
                look_at_text(&c, action, json_text_or(e, "name", ""), text);
        }
    }
    json_t *cause = json_object();
    json_object_set_new(cause, "known", json_boolean(c.known));
    json_set_text(cause, "words", words_of(&c, json_array_size(evidence)));
    json_object_set_new(cause, "findings", c.findings);
    return cause;
}
