/* Webhooks: 200 only after every alert of the group stands in the journal.
 *
 * Happy path: body -> parsed (here, or on the helper thread if it is large) -> one inbox row an alert, one batch ->
 * commit -> 200, and the alerts are queued for their decision. Failure modes: no JSON, no payload, not one valid alert
 * -> 400 and nothing kept; too much in it -> 413, escalated, the active alerts are read from Alertmanager; the journal
 * fails, or too much waits -> 503 with Retry-After, nothing kept: Alertmanager sends it again. */
#include "base/alloc.h"
#include "base/log.h"
#include "engine/internal.h"
#include "engine/parser.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Webhooks between receipt and commit: beyond this the journal does not keep up, and the sender should come again. */
enum { MAX_WAITING = 4096, MAX_WAITING_BYTES = 64 << 20 };

struct ingest {
    struct engine *engine;
    struct parsed *parsed;
    size_t len;
    ingest_done_cb done;
    void *userdata;
};

static void finish(struct ingest *in, const struct ingest_result *result)
{
    in->engine->ingest_waiting--;
    in->engine->ingest_bytes -= in->len;
    if (result->status != 200)
        in->engine->stats.rejected++;
    in->done(result, in->userdata);
    parsed_free(in->parsed);
    free(in);
}

static void refuse(struct ingest *in, int status, const char *code, const char *message)
{
    finish(in, &(struct ingest_result){
                   .status = status, .code = code, .message = message, .retry_after_s = status == 503 ? 5 : 0});
}

static void on_journalled(int result, const struct error *err, void *userdata)
{
    struct ingest *in = userdata;
    struct engine *e = in->engine;
    if (result < 0) {
        log_event(LOG_LEVEL_ERROR, "a webhook could not be journalled", "error", error_message(err), NULL);
        refuse(in, 503, "journal_failed",
               "the journal could not be written; nothing of this group was kept, send it again");
        restore_schedule(e);
        return;
    }
    struct parsed *p = in->parsed;
    e->stats.alerts += p->n;
    const int64_t truncated = p->truncated;
    for (size_t i = 0; i < p->n; i++) {
        if (e->broken) { /* decided after the journal was read again */
            continue;
        }
        queue_push(e, TAKE_PTR(p->alerts[i].waiting));
    }
    finish(in, &(struct ingest_result){.status = 200, .accepted = p->n - p->n_malformed, .malformed = p->n_malformed});
    if (truncated > 0)
        ingest_truncated(e, truncated);
    queue_kick(e);
}

static void journal(struct ingest *in)
{
    struct parsed *p = in->parsed;
    struct engine *e = in->engine;
    struct store_batch *b = store_batch_new();
    const int64_t now_us = now_read().wall_us;
    for (size_t i = 0; i < p->n; i++) {
        struct parsed_alert *a = &p->alerts[i];
        if (a->row)
            a->waiting->seq = store_batch_inbox(e->store, b, INBOX_ALERT, TAKE_PTR(a->row), a->row_len, now_us);
        else
            a->waiting->seq = store_batch_inbox(e->store, b, INBOX_PAYLOAD, TAKE_PTR(p->body), p->len, now_us);
    }
    store_submit(e->store, b, on_journalled, in);
}

static void on_parsed(struct parsed *taken, void *userdata)
{
    struct ingest *in = userdata;
    in->parsed = taken;
    if (in->engine->broken || in->engine->stopping)
        refuse(in, 503, "not_ready", "mendd is not ready; send it again");
    else if (taken->status == 413) {
        engine_note_oversized(in->engine, taken->len);
        refuse(in, 413, "too_large", error_message(&taken->err));
    } else if (taken->status != 200)
        refuse(in, 400, "bad_payload", error_message(&taken->err));
    else
        journal(in);
}

void engine_ingest(struct engine *e, char *body_taken, size_t len, ingest_done_cb done, void *userdata)
{
    struct ingest *in = xnew0(struct ingest);
    *in = (struct ingest){.engine = e, .len = len, .done = done, .userdata = userdata};
    const char *why = NULL;
    const bool full = e->ingest_waiting >= MAX_WAITING || e->ingest_bytes + len > MAX_WAITING_BYTES;
    e->ingest_waiting++;
    e->ingest_bytes += len;
    e->stats.webhooks++;
    if (!engine_is_ready(e, &why) || full) {
        free(body_taken);
        refuse(in, 503, full ? "busy" : "not_ready",
               full ? "too many webhooks wait for the journal; send it again" : why);
        return;
    }
    if (len <= PARSER_INLINE)
        on_parsed(parse_body(body_taken, len, now_read()), in);
    else if (parser_submit(e->parser, body_taken, len, on_parsed, in) < 0)
        refuse(in, 503, "busy", "too many large webhooks are being read; send it again");
}

/* Something of a group did not come: a person is told, and what fires is read from Alertmanager itself. The note goes
 * through the inbox as any alert does, so that it survives a crash. */
static void note_missing(struct engine *e, const char *why, const char *key, int64_t value)
{
    _cleanup_json_ json_t *row = json_pack("{s:s, s:{s:I}}", "malformed", why, "alert", key, (json_int_t)value);
    char *text = json_compact(row);
    struct ingest *in = xnew0(struct ingest);
    struct parsed *p = xnew0(struct parsed);
    *in = (struct ingest){.engine = e, .parsed = p};
    p->status = 200;
    p->n = p->n_malformed = 1;
    p->alerts = xnew0(struct parsed_alert);
    p->alerts[0] = (struct parsed_alert){
        .waiting = waiting_malformed(0, why, json_object_get(row, "alert")), .row = text, .row_len = strlen(text)};
    in->done = ingest_nobody;
    e->ingest_waiting++;
    journal(in);
    refetch_alerts(e);
}

void ingest_nobody(const struct ingest_result *result _unused_, void *userdata _unused_)
{
}

void ingest_truncated(struct engine *e, int64_t missing)
{
    char why[160];
    snprintf(why, sizeof(why),
             "Alertmanager left %" PRId64
             " alerts out of a webhook (max_alerts); the active ones are read from its API",
             missing);
    note_missing(e, why, "truncatedAlerts", missing);
}

void engine_note_oversized(struct engine *e, uint64_t content_length)
{
    if (e->broken || e->stopping)
        return;
    note_missing(
        e, "a webhook was too large to be read (--web.max-body); the active alerts are read from Alertmanager's API",
        "bytes", (int64_t)content_length);
}
