/* What a command came to. The Status on channel 3 is the only witness: Success, or Failure with reason NonZeroExitCode
 * and a cause ExitCode that holds the number, or another Failure in the words of the kubelet or the container runtime.
 */
#include "kube/exec_internal.h"

#include "base/alloc.h"
#include "base/text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* The beginning, and a note of what was cut. */
static json_t *stream_text(const struct kube_stream *s)
{
    size_t len = s->kept.len;
    if (s->total <= s->kept.len)
        return json_text_new(strbuf_str(&s->kept), len);
    for (size_t back = 0; back < 3 && len > 0 && ((unsigned char)s->kept.data[len - 1] & 0xc0) == 0x80; back++)
        len--; /* not within a character */
    if (len > 0 && (unsigned char)s->kept.data[len - 1] >= 0xc0)
        len--;
    _cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
    strbuf_add(&b, strbuf_str(&s->kept), len);
    strbuf_printf(&b, "\n[%llu more bytes were cut off]\n", (unsigned long long)(s->total - len));
    return json_text_new(strbuf_str(&b), b.len);
}

static void add_output(json_t *answer, const struct kube_exec *x)
{
    json_object_set_new(answer, "stdout", stream_text(&x->out));
    json_object_set_new(answer, "stderr", stream_text(&x->err));
    json_object_set_new(answer, "truncated",
                        json_boolean(x->out.total > x->out.kept.len || x->err.total > x->err.kept.len));
}

json_t *kube_exec_error_new(const struct kube_exec *x, const char *error, const char *message, bool sent)
{
    json_t *answer = json_object();
    json_set_text(answer, "error", error);
    json_set_text(answer, "message", message);
    if (x->opened)
        add_output(answer, x);
    if (x->class == KUBE_WRITE && !sent)
        json_object_set_new(answer, "sent", json_false());
    return answer;
}

json_t *kube_exec_status_new(const struct kube_exec *x)
{
    if (x->status.len == 0 || x->status.truncated)
        return NULL;
    json_t *status = json_parse(x->status.data, x->status.len, KUBE_EXEC_STATUS_MAX, false, NULL);
    if (status && json_text(status, "status"))
        return status;
    json_decref(status);
    return NULL;
}

/* -1: it says none. */
static int exit_code_of(const json_t *status)
{
    size_t i;
    json_t *cause;
    if (str_eq(json_text(status, "status"), "Success"))
        return 0;
    if (!str_eq(json_text(status, "reason"), "NonZeroExitCode"))
        return -1;
    json_array_foreach (json_path(status, "details", "causes", NULL), i, cause) {
        const char *number = json_text_or(cause, "message", "");
        if (str_eq(json_text(cause, "reason"), "ExitCode") && isdigit((unsigned char)*number) && strlen(number) < 10)
            return (int)strtol(number, NULL, 10);
    }
    return -1;
}

/* The runtime's words for a command that it could not even start (no such program, no such folder): nothing was done,
 * which no other failure of the runtime says. */
static bool never_started(const char *message)
{
    return strstr(message, "OCI runtime exec failed") || strstr(message, "executable file not found");
}

static json_t *ended_new(const struct kube_exec *x, json_t *status)
{
    const int code = exit_code_of(status);
    const char *message = json_text_or(status, "message", "");
    json_t *answer = json_object();
    if (code < 0) {
        json_object_set_new(answer, "status", json_integer(never_started(message) ? 422 : 500));
        json_object_set(answer, "body", status);
        return answer;
    }
    json_object_set_new(answer, "status", json_integer(101));
    json_object_set_new(answer, "exit_code", json_integer(code));
    add_output(answer, x);
    return answer;
}

static json_t *refusal_new(const struct websocket_end *end)
{
    json_t *answer = json_pack("{s:I}", "status", (json_int_t)end->status);
    json_t *body = json_parse(end->body, end->body_len, KUBE_ANSWER_MAX, false, NULL);
    if (body) {
        json_object_set_new(answer, "body", body);
        return answer;
    }
    const size_t max = KUBE_FOREIGN_TEXT_MAX;
    json_object_set_new(answer, "text", json_text_new(end->body, end->body_len < max ? end->body_len : max));
    return answer;
}

json_t *kube_exec_answer_new(const struct kube_exec *x, const struct websocket_end *end)
{
    _cleanup_free_ char *message = NULL;
    if (x->opened) {
        _cleanup_json_ json_t *status = kube_exec_status_new(x);
        if (status)
            return ended_new(x, status);
    } else if (end->error == HTTP_OK && end->status >= 200) {
        return refusal_new(end);
    }
    if (end->error != HTTP_OK) {
        message = xasprintf("%s: %s", x->label, end->message);
        return kube_exec_error_new(x, http_error_name(end->error), message, end->sent);
    }
    message = xasprintf("%s: the connection closed without a status: how the command ended, or whether it has, is not "
                        "known",
                        x->label);
    return kube_exec_error_new(x, "protocol", message, true);
}
