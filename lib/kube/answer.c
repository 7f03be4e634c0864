/* What came back, in the form of core/ask.h. A body that is not JSON where JSON was expected comes as text, cut short:
 * it is a proxy's page or another program's, and its first words are what helps. */
#include "kube/client_internal.h"

#include "base/clock.h"
#include "base/text.h"

#include <string.h>

json_t *kube_answer_error_new(const struct kube_call *call, const char *error, const char *message, bool sent)
{
    json_t *answer = json_object();
    json_set_text(answer, "error", error);
    json_set_text(answer, "message", message);
    if (call->class == KUBE_WRITE && !sent)
        json_object_set_new(answer, "sent", json_false()); /* certainly not: it may be tried again */
    return answer;
}

json_t *kube_answer_new(const struct kube_call *call, const struct http_result *r)
{
    if (r->error != HTTP_OK)
        return kube_answer_error_new(call, http_error_name(r->error), r->message, r->sent);
    json_t *answer = json_pack("{s:I}", "status", (json_int_t)r->status);
    if (call->text)
        json_object_set_new(answer, "latency_ms", json_integer(r->latency_us / USEC_PER_MSEC));
    const bool text_wanted = call->text && r->status >= 200 && r->status < 300;
    json_t *body = text_wanted ? NULL : json_parse(r->body, r->body_len, KUBE_ANSWER_MAX, false, NULL);
    if (body) {
        json_object_set_new(answer, "body", body);
        return answer;
    }
    size_t max = call->text ? (size_t)call->max_text : KUBE_FOREIGN_TEXT_MAX;
    json_object_set_new(answer, "text", json_text_new(r->body, r->body_len < max ? r->body_len : max));
    return answer;
}
