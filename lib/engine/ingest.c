/* Webhooks: 200 only after every alert of the group stands in the journal.
 *
 * Happy path: body -> looked at or parsed (here, or on the helper thread if it is large) -> one inbox row an alert, one
 * batch -> commit -> 200, and the alerts are queued for their decision. Failure modes: no JSON, no payload, not one
 * valid alert
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
    struct waiting *note; /* that something is missing: journalled with the rest */
    size_t len;
    bool active; /* Alertmanager's own list, not a webhook */
    uint64_t generation;
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
    waiting_free(in->note);
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
        if (!e->stopping)
            log_event(LOG_LEVEL_ERROR, "a webhook could not be journalled", "error", error_message(err), NULL);
        if (in->generation == e->core_generation) /* else it has been opened again since */
            restore_schedule(e);
        refuse(in, 503, "journal_failed",
               "the journal could not be written; nothing of this group was kept, send it again");
        return;
    }
    struct parsed *p = in->parsed;
    e->recover_us = 0;
    e->stats.alerts += p->n;
    if (p->unread)
        p->alerts[0].waiting->text = TAKE_PTR(p->body);
    if (!e->broken) { /* else decided after the journal was read again */
        for (size_t i = 0; i < p->n; i++)
            queue_push(e, TAKE_PTR(p->alerts[i].waiting));
        if (in->note)
            queue_push(e, TAKE_PTR(in->note));
    }
    finish(in, &(struct ingest_result){.status = 200, .accepted = p->n - p->n_malformed, .malformed = p->n_malformed});
    queue_kick(e);
}

/* Something of a group did not come: a person is told, and what fires is read from Alertmanager itself once this is
 * decided. The note is a row of the inbox as any alert, so that it survives a crash. */
static void add_note(struct ingest *in, struct store_batch *b, int64_t now_us, const char *why, const char *key,
                     int64_t value)
{
    _cleanup_json_ json_t *row =
        json_pack("{s:s, s:{s:I}, s:b}", "malformed", why, "alert", key, (json_int_t)value, "refetch", 1);
    char *text = json_compact(row);
    const size_t len = strlen(text);
    const int64_t seq = store_batch_inbox(in->engine->store, b, INBOX_ALERT, text, len, now_us);
    in->note = waiting_malformed(seq, why, json_object_get(row, "alert"));
    in->note->refetch = true;
    in->note->bytes = len;
}

static void note_truncated(struct ingest *in, struct store_batch *b, int64_t now_us)
{
    char why[160];
    snprintf(why, sizeof(why),
             "Alertmanager left %" PRId64
             " alerts out of a webhook (max_alerts); the active ones are read from its API",
             in->parsed->truncated);
    add_note(in, b, now_us, why, "truncatedAlerts", in->parsed->truncated);
}

static void journal(struct ingest *in)
{
    struct parsed *p = in->parsed;
    struct engine *e = in->engine;
    struct store_batch *b = store_batch_new();
    const int64_t now_us = now_read().wall_us;
    for (size_t i = 0; i < p->n; i++) {
        struct parsed_alert *a = &p->alerts[i];
        a->waiting->wall_us = now_us;
        if (a->row)
            a->waiting->seq = store_batch_inbox(e->store, b, INBOX_ALERT, TAKE_PTR(a->row), a->row_len, now_us);
        else
            a->waiting->seq = store_batch_inbox_lent(e->store, b, INBOX_PAYLOAD, p->body, p->len, now_us);
    }
    if (p->truncated > 0)
        note_truncated(in, b, now_us);
    in->generation = e->core_generation;
    store_submit(e->store, b, on_journalled, in);
}

static void on_parsed(struct parsed *taken, void *userdata)
{
    struct ingest *in = userdata;
    in->parsed = taken;
    if (in->engine->broken || in->engine->stopping) {
        refuse(in, 503, "not_ready", "mendd is not ready; send it again");
    } else if (taken->status == 413) {
        if (!in->active)
            engine_note_oversized(in->engine, taken->len);
        refuse(in, 413, "too_large", error_message(&taken->err));
    } else if (taken->status != 200) {
        refuse(in, 400, "bad_payload", error_message(&taken->err));
    } else {
        journal(in);
    }
}

static void ingest(struct engine *e, bool active, char *body_taken, size_t len, ingest_done_cb done, void *userdata)
{
    struct ingest *in = xnew0(struct ingest);
    *in = (struct ingest){.engine = e, .active = active, .len = len, .done = done, .userdata = userdata};
    const parse_fn parse = active ? parse_active : parse_body;
    const char *why = NULL;
    const bool full = e->ingest_waiting >= MAX_WAITING || e->ingest_bytes + len > MAX_WAITING_BYTES;
    e->ingest_waiting++;
    e->ingest_bytes += len;
    trim_note(e, len);
    if (!engine_is_ready(e, &why) || full) {
        free(body_taken);
        refuse(in, 503, why ? "not_ready" : "busy",
               why ? why : "too many webhooks wait for the journal; send it again");
    } else if (len <= PARSER_INLINE) {
        on_parsed(parse(body_taken, len, now_read()), in);
    } else if (parser_submit(e->parser, parse, body_taken, len, on_parsed, in) < 0) {
        refuse(in, 503, "busy", "too many large webhooks are being read; send it again");
    }
}

void engine_ingest(struct engine *e, char *body_taken, size_t len, ingest_done_cb done, void *userdata)
{
    e->stats.webhooks++;
    queue_note_webhook(e, now_read());
    ingest(e, false, body_taken, len, done, userdata);
}

void ingest_active(struct engine *e, char *body_taken, size_t len, ingest_done_cb done, void *userdata)
{
    ingest(e, true, body_taken, len, done, userdata);
}

static void nobody(const struct ingest_result *result _unused_, void *userdata _unused_)
{
}

/* Whoever may post could make a record, and wake a person, with each of them: a few say the same as a thousand. What
 * was lost is looked up either way. */
static bool is_told_already(struct engine *e)
{
    static const struct rate_limit told = {.burst = 3, .interval_us = 5 * 60 * USEC_PER_SEC};
    e->stats.oversized++;
    if (bucket_take(&e->oversized_told, &told, now_read().boot_us) == 0)
        return false;
    refetch_alerts(e);
    return true;
}

void engine_note_oversized(struct engine *e, uint64_t content_length)
{
    if (e->broken || e->stopping || e->ingest_waiting >= MAX_WAITING) {
        log_event(LOG_LEVEL_ERROR, "a webhook was too large to be read, and that could not be noted in the journal",
                  NULL);
        return;
    }
    if (is_told_already(e))
        return;
    struct ingest *in = xnew0(struct ingest);
    struct store_batch *b = store_batch_new();
    *in =
        (struct ingest){.engine = e, .parsed = xnew0(struct parsed), .done = nobody, .generation = e->core_generation};
    e->ingest_waiting++;
    add_note(in, b, now_read().wall_us,
             "a webhook was too large to be read (--web.max-body); the active alerts are read from Alertmanager's API",
             "bytes", content_length > INT64_MAX ? INT64_MAX : (int64_t)content_length);
    store_submit(e->store, b, on_journalled, in);
}
