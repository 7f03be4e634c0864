/* Alerts between the journal and their decision.
 *
 * Happy path: an ingest batch is committed -> its alerts are pushed -> the deciding source takes them, a slice a turn,
 * so that webhooks and answers are never kept waiting -> each becomes one core event. When more arrive than the queue
 * may hold, the rest stays in the inbox table only (`spilled`) and is read again, in order, when the queue is empty:
 * memory stays bounded, nothing is lost. While webhooks come by the thousand a second, decisions get a fifth of the
 * loop's time (a short slice, then a rest), in a flood a hundredth; otherwise they run at once. */
#include "base/alloc.h"
#include "base/log.h"
#include "engine/internal.h"

#include <inttypes.h>
#include <string.h>

enum { QUEUE_MAX = 20000, SPILL_READ = 2000, RAW_MAX = 4096 };
enum { QUEUE_MAX_BYTES = 32 << 20, SPILL_READ_BYTES = 2 << 20, SPILL_RETRY_US = 1000000 };
enum { UNSAVED_MAX = 4096 }; /* records on their way to the journal; beyond it decisions wait for its commits */
/* Of webhooks: in one window, in two, and how long a flood is believed in after such a window. */
enum { FLOOD_WINDOW_US = 10000, FLOOD_WEBHOOKS = 60, BUSY_WEBHOOKS = 40, FLOOD_LASTS_US = 50000 };

struct share {
    int64_t slice_us, rest_us; /* decisions' time, then the webhooks' */
};

void waiting_free(struct waiting *w)
{
    if (!w)
        return;
    alert_free(w->alert);
    free(w->text);
    free(w->why);
    json_decref(w->raw);
    free(w);
}

struct waiting *waiting_malformed(int64_t seq, const char *why, const json_t *raw)
{
    struct waiting *w = xnew0(struct waiting);
    w->seq = seq;
    w->why = xstrdup(why);
    _cleanup_free_ char *text = raw ? json_compact(raw) : NULL;
    if (text && strlen(text) > RAW_MAX)
        w->raw = json_text_new(text, RAW_MAX);
    else if (text)
        w->raw = json_deep_copy(raw);
    return w;
}

/* jansson lets \u0000 through (it must not cost the other alerts of the payload); no text of ours may hold one. */
static bool holds_nul(const json_t *value)
{
    const char *key;
    json_t *member;
    size_t i;
    if (json_is_string(value))
        return strlen(json_string_value(value)) != json_string_length(value);
    json_object_foreach ((json_t *)value, key, member)
        if (holds_nul(member))
            return true;
    json_array_foreach (value, i, member)
        if (holds_nul(member))
            return true;
    return false;
}

struct waiting *waiting_from_alert(int64_t seq, const json_t *element, const char *payload_status, struct now now)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    if (holds_nul(element))
        return waiting_malformed(seq, "a text holds a NUL character", NULL);
    struct alert *alert = alert_from_json(element, payload_status, now, &err);
    if (!alert)
        return waiting_malformed(seq, error_message(&err), element);
    struct waiting *w = xnew0(struct waiting);
    w->seq = seq;
    w->alert = alert;
    return w;
}

static struct waiting *read_alert(int64_t seq, const json_t *document, struct now now)
{
    const char *why = json_text(document, "malformed");
    if (!why)
        return waiting_from_alert(seq, json_object_get(document, "alert"), json_text(document, "status"), now);
    struct waiting *w = waiting_malformed(seq, why, json_object_get(document, "alert"));
    w->refetch = json_bool_or(document, "refetch", false);
    return w;
}

static struct waiting *read_payload(int64_t seq, const json_t *document, struct now now)
{
    struct payload payload;
    _cleanup_error_ struct error err = ERROR_NONE;
    if (payload_from_json(document, &payload, &err) < 0)
        return waiting_malformed(seq, error_message(&err), NULL);
    return waiting_from_alert(seq, json_array_get(payload.alerts, 0), payload.status, now);
}

struct waiting *waiting_from_row(int64_t seq, enum inbox_form form, int64_t wall_us, const char *bytes, size_t len)
{
    const struct now now = {.wall_us = wall_us};
    _cleanup_json_ json_t *document = json_loadb(bytes, len, JSON_ALLOW_NUL, NULL);
    struct waiting *w = form == INBOX_ALERT ? read_alert(seq, document, now) : read_payload(seq, document, now);
    w->bytes = len;
    return w;
}

static void append(struct engine *e, struct waiting *taken)
{
    taken->next = NULL;
    *e->queue_tail = taken;
    e->queue_tail = &taken->next;
    e->queue_len++;
    e->queue_bytes += taken->bytes;
    e->last_queued_seq = taken->seq;
}

void queue_push(struct engine *e, struct waiting *taken)
{
    if (taken->seq && taken->seq <= e->last_queued_seq) { /* read from the table before its commit was told */
        waiting_free(taken);
        return;
    }
    if (e->spilled || e->queue_len >= QUEUE_MAX || e->queue_bytes + taken->bytes > QUEUE_MAX_BYTES) {
        e->spilled = true;
        waiting_free(taken);
        return;
    }
    append(e, taken);
}

void queue_clear(struct engine *e)
{
    while (e->queue_head) {
        struct waiting *w = e->queue_head;
        e->queue_head = w->next;
        waiting_free(w);
    }
    e->queue_tail = &e->queue_head;
    e->queue_len = e->queue_bytes = 0;
}

static int read_row(int64_t seq, enum inbox_form form, int64_t wall_us, const char *bytes, size_t len, void *userdata)
{
    struct engine *e = userdata;
    append(e, waiting_from_row(seq, form, wall_us, bytes, len));
    return e->queue_bytes >= SPILL_READ_BYTES; /* the next read goes on from here */
}

static void read_spilled(struct engine *e)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    e->spill_unread = store_each_inbox(e->store, e->last_queued_seq, SPILL_READ, read_row, e, &err) < 0;
    if (e->spill_unread)
        log_event(LOG_LEVEL_ERROR, "cannot read waiting alerts from the journal, trying again", "error",
                  error_message(&err), NULL);
    else if (e->queue_len == 0)
        e->spilled = false;
}

static struct waiting *take_first(struct engine *e)
{
    struct waiting *w = e->queue_head;
    e->queue_head = w->next;
    if (!e->queue_head)
        e->queue_tail = &e->queue_head;
    e->queue_len--;
    e->queue_bytes -= w->bytes;
    if (!w->text)
        return w;
    struct waiting *read = waiting_from_row(w->seq, INBOX_PAYLOAD, w->wall_us, w->text, w->bytes);
    waiting_free(w);
    return read;
}

static void decide_one(struct engine *e, struct waiting *w)
{
    struct event event = {.inbox_seq = w->seq};
    if (w->alert) {
        event.type = EVENT_ALERT;
        event.alert = w->alert;
    } else {
        event.type = EVENT_MALFORMED;
        event.malformed.why = w->why;
        event.malformed.raw = w->raw;
        e->stats.malformed++;
    }
    turn_handle(e, &event);
    if (w->refetch)
        refetch_alerts(e);
}

/* The writer is slower than the decisions: what they make must not pile up in memory. A commit wakes the source. */
static bool journal_is_behind(const struct engine *e)
{
    return e->saves_in_flight >= UNSAVED_MAX;
}

void queue_note_webhook(struct engine *e, struct now now)
{
    const int64_t window = now.boot_us / FLOOD_WINDOW_US;
    if (window != e->flood_window) {
        e->flood_before = window == e->flood_window + 1 ? e->flood_now : 0;
        e->flood_window = window;
        e->flood_now = 0;
    }
    if (++e->flood_now >= FLOOD_WEBHOOKS)
        e->flood_until_us = now.boot_us + FLOOD_LASTS_US;
}

/* How decisions and webhooks share the loop. Sixteen senders that each wait for a long slice never look like a flood,
 * so decisions step back before it is one. */
static struct share share_now(const struct engine *e)
{
    const int64_t now_us = now_read().boot_us, age = now_us / FLOOD_WINDOW_US - e->flood_window;
    const unsigned lately = age == 0 ? e->flood_now + e->flood_before : age == 1 ? e->flood_now : 0;
    if (now_us < e->flood_until_us)
        return (struct share){.slice_us = 200, .rest_us = 19800};
    if (lately >= BUSY_WEBHOOKS)
        return (struct share){.slice_us = 300, .rest_us = 1200};
    return (struct share){.slice_us = 2000};
}

static void decide_slice(struct engine *e)
{
    const int64_t until = now_read().boot_us + share_now(e).slice_us;
    if (e->queue_len == 0 && e->spilled)
        read_spilled(e);
    while (e->queue_head && !e->broken && now_read().boot_us < until) {
        struct waiting *w = take_first(e);
        decide_one(e, w);
        waiting_free(w);
    }
}

static int on_decide(sd_event_source *source, uint64_t usec _unused_, void *userdata)
{
    struct engine *e = userdata;
    decide_slice(e);
    if (e->broken || journal_is_behind(e) || !(e->queue_head || e->spilled))
        return sd_event_source_set_enabled(source, SD_EVENT_OFF);
    const bool wait = !e->queue_head && e->spill_unread;
    sd_event_source_set_time_relative(source, wait ? SPILL_RETRY_US : (uint64_t)share_now(e).rest_us);
    return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

void queue_kick(struct engine *e)
{
    int enabled = SD_EVENT_OFF;
    if (e->broken || e->stopping || journal_is_behind(e) || !(e->queue_head || e->spilled))
        return;
    sd_event_source_get_enabled(e->decide_source, &enabled);
    if (enabled != SD_EVENT_OFF)
        return;
    sd_event_source_set_time_relative(e->decide_source, 0);
    sd_event_source_set_enabled(e->decide_source, SD_EVENT_ONESHOT);
}

int queue_start(struct engine *e, struct error *err)
{
    e->queue_tail = &e->queue_head;
    int r = sd_event_add_time(e->event, &e->decide_source, CLOCK_BOOTTIME, 0, 1, on_decide, e);
    if (r < 0)
        return error_set(err, r, "cannot start the deciding source: %s", strerror(-r));
    sd_event_source_set_description(e->decide_source, "decide");
    return sd_event_source_set_enabled(e->decide_source, SD_EVENT_OFF);
}
