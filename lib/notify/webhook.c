/* The generic webhook: the notice itself as JSON, with the version of its form and who sends it. */
#include "base/alloc.h"
#include "base/text.h"
#include "notify/message.h"

#include <errno.h>

int webhook_message(const struct receiver *r, const json_t *notice, struct message *ret, struct error *err)
{
    if (str_empty(r->url))
        return error_set(err, -EINVAL, "the receiver %s has no url", r->name);
    json_t *body = json_copy((json_t *)notice);
    json_object_set_new(body, "version", json_string("1"));
    json_object_set_new(body, "source", json_string("mendd"));
    message_set_json(ret, r->url, body);
    if (!str_empty(r->webhook.bearer_token)) {
        _cleanup_free_ char *value = xasprintf("Bearer %s", r->webhook.bearer_token);
        message_add_header(ret, "Authorization", value);
    }
    return 0;
}
