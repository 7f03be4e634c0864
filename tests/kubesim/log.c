/* pods/log: what annotation sim/log says, else one line that names the pod. */
#include "sim.h"

#include "base/alloc.h"
#include "base/text.h"

#include <string.h>

/* A number of the query. -1: absent; false: refused. */
static bool number(const struct request *req, const struct object *pod, const char *name, long long *ret,
                   struct answer *a)
{
    const char *s = param(req, name);
    char *end;
    *ret = -1;
    if (str_empty(s))
        return true;
    *ret = strtoll(s, &end, 10);
    if (*end) {
        fail_bad_request(a, "strconv.ParseInt: parsing \"%s\": invalid syntax", s);
        return false;
    }
    if (*ret < 0) {
        static const struct kind options = {.group = "", .kind = "PodLogOptions"};
        fail_invalid(a, &options, pod->name, name, "FieldValueInvalid",
                     "Invalid value: %lld: must be greater than or equal to 0", *ret);
        return false;
    }
    return true;
}

static bool check_container(const struct request *req, const struct object *pod, struct answer *a)
{
    const json_t *containers = json_path(pod->json, "spec", "containers", NULL);
    const char *wanted = param(req, "container");
    _cleanup_strbuf_ struct strbuf names = STRBUF_INIT;
    size_t i;
    json_t *c;
    json_array_foreach (containers, i, c) {
        const char *name = json_text_or(c, "name", "");
        if (str_eq(name, wanted))
            return true;
        strbuf_printf(&names, "%s%s", i ? " " : "", name);
    }
    if (!str_empty(wanted))
        fail_bad_request(a, "container %s is not valid for pod %s", wanted, pod->name);
    else if (json_array_size(containers) > 1)
        fail_bad_request(a, "a container name must be specified for pod %s, choose one of: [%s]", pod->name,
                         strbuf_str(&names));
    return !answered(a);
}

static const char *last_lines(const char *text, long long lines)
{
    const char *p = text + strlen(text);
    if (p > text && p[-1] == '\n')
        p--;
    if (lines == 0)
        return text + strlen(text);
    while (p > text && (p[-1] != '\n' || --lines > 0))
        p--;
    return p;
}

/* `echo TEXT` says TEXT; everything else names the pod. */
static char *own_words(const struct object *pod)
{
    const json_t *command =
        json_object_get(json_array_get(json_path(pod->json, "spec", "containers", NULL), 0), "command");
    if (!str_eq(json_string_value(json_array_get(command, 0)), "echo"))
        return xasprintf("log of %s\n", pod->name);
    struct strbuf b = STRBUF_INIT;
    for (size_t i = 1; i < json_array_size(command); i++)
        strbuf_printf(&b, "%s%s", i > 1 ? " " : "", json_string_value(json_array_get(command, i)));
    strbuf_putc(&b, '\n');
    return strbuf_take(&b);
}

void serve_log(struct sim *sim, struct request *req, struct object *pod, struct answer *a)
{
    (void)sim;
    long long tail, limit, since;
    if (!str_eq(req->method, "GET")) {
        fail_method(a);
        return;
    }
    if (!number(req, pod, "tailLines", &tail, a) || !number(req, pod, "limitBytes", &limit, a) ||
        !number(req, pod, "sinceSeconds", &since, a) || !check_container(req, pod, a))
        return;
    if (str_empty(json_path_text(pod->json, "spec", "nodeName", NULL))) {
        answer_text(a, 200, "text/plain", xstrdup(""));
        return;
    }
    const json_t *notes = json_path(pod->json, "metadata", "annotations", NULL);
    if (str_eq(param(req, "previous"), "true") && !json_text(notes, "sim/waiting") && !json_text(notes, "sim/oom")) {
        fail_bad_request(a, "previous terminated container in pod \"%s\" not found\n", pod->name);
        return;
    }
    _cleanup_free_ char *text = json_text(notes, "sim/log") ? xstrdup(json_text(notes, "sim/log")) : own_words(pod);
    char *shown = xstrdup(tail >= 0 ? last_lines(text, tail) : text);
    if (limit >= 0 && (size_t)limit < strlen(shown))
        shown[limit] = '\0';
    answer_text(a, 200, "text/plain", shown);
}
