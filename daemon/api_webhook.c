/* POST /webhook: the body goes to the engine as it came; the answer waits for the journal. */
#include "web_internal.h"

#include <stdio.h>
#include <string.h>

static const char accepted_one[] = "{\"accepted\":1}\n";

struct MHD_Response *api_webhook_accepted_one_new(const struct web *w)
{
    return response_finish(
        w, MHD_create_response_from_buffer(sizeof(accepted_one) - 1, (void *)accepted_one, MHD_RESPMEM_PERSISTENT),
        "application/json; charset=utf-8");
}

/* Who sent them: a line for each connection, not for each webhook. What was in them stands in the journal. */
static void note_accepted(struct request *req)
{
    struct connection *c = req->from;
    if (c->webhooks++ == 0)
        snprintf(c->webhooks_by, sizeof(c->webhooks_by), "%s", req->caller);
}

static void on_ingested(const struct ingest_result *result, void *userdata)
{
    struct request *req = userdata;
    if (!req->connection) {
        request_unref(req); /* the sender went away, and the server maybe too */
        return;
    }
    if (result->status == 200)
        note_accepted(req);
    if (result->status == 200 && result->accepted == 1 && result->malformed == 0) {
        reply_accepted_one(req);
    } else if (result->status == 200) {
        json_t *o = json_pack("{s:I}", "accepted", (json_int_t)result->accepted);
        if (result->malformed)
            json_object_set_new(o, "malformed", json_integer((json_int_t)result->malformed));
        reply_json(req, 200, o);
    } else if (result->status == 503) {
        reply_busy(req, result->retry_after_s, result->code, result->message);
    } else {
        reply_error(req, (unsigned)result->status, result->code, "%s", result->message);
    }
    request_unref(req);
}

void api_webhook(struct request *req)
{
    size_t len = 0;
    char *body = request_take_body(req, &len);
    engine_ingest(req->web->engine, body, len, on_ingested, request_ref(req));
}

void api_webhook_oversized(struct web *w, uint64_t len)
{
    engine_note_oversized(w->engine, len);
}
