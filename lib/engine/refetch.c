/* The active alerts, from every Alertmanager's /api/v2/alerts: when a webhook was truncated or too large, what it left
 * out is found there.
 *
 * Happy path: all peers are asked, each list takes the same way as a webhook: parsed on the helper thread if it is
 * large, journalled, then decided; alerts that are known already only raise `seen`. Failure modes: a peer does not
 * answer, or its list cannot be taken now -> logged, and if it was so with all of them, all are asked again, after 5 s,
 * then after twice as long, up to 5 minutes. A burst of truncated webhooks asks at most once a second. */
#include "base/alloc.h"
#include "base/log.h"
#include "engine/internal.h"

#include <string.h>

enum { TIMEOUT_MS = 10000, RETRY_MIN_S = 5, RETRY_MAX_S = 300, AGAIN_S = 1 };

static void ask_all(struct engine *e);

static int on_timer(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
    ask_all(userdata);
    return 0;
}

static bool timer_armed(const struct engine *e)
{
    int enabled = SD_EVENT_OFF;
    return e->refetch.timer && sd_event_source_get_enabled(e->refetch.timer, &enabled) >= 0 && enabled != SD_EVENT_OFF;
}

static void arm(struct engine *e, int64_t in_s)
{
    int r = 0;
    if (!e->refetch.timer)
        r = sd_event_add_time_relative(e->event, &e->refetch.timer, CLOCK_BOOTTIME, 0, USEC_PER_SEC / 10, on_timer, e);
    if (r >= 0)
        r = sd_event_source_set_time_relative(e->refetch.timer, (uint64_t)(in_s * USEC_PER_SEC));
    if (r >= 0)
        r = sd_event_source_set_enabled(e->refetch.timer, SD_EVENT_ONESHOT);
    if (r < 0)
        log_event(LOG_LEVEL_ERROR, "the active alerts will not be read again", "error", strerror(-r), NULL);
}

static void peer_done(struct engine *e, const char *failure)
{
    if (failure && !e->stopping)
        log_event(LOG_LEVEL_ERROR, "the active alerts could not be read from an Alertmanager; alerts may be missing",
                  "error", failure, NULL);
    e->refetch.failed += failure != NULL;
    if (--e->refetch.in_flight > 0 || e->stopping)
        return;
    if (e->refetch.failed == e->refetch.asked) {
        int64_t delay_s = RETRY_MIN_S;
        for (unsigned i = 0; i < e->refetch.tries && delay_s < RETRY_MAX_S; i++)
            delay_s *= 2;
        e->refetch.tries++;
        arm(e, delay_s < RETRY_MAX_S ? delay_s : RETRY_MAX_S);
    } else {
        e->refetch.tries = 0;
        if (e->refetch.again)
            arm(e, AGAIN_S);
    }
}

static void on_taken(const struct ingest_result *result, void *userdata)
{
    peer_done(userdata, result->status == 200 ? NULL : result->message);
}

static void on_alerts(const struct http_result *r, void *userdata)
{
    struct engine *e = userdata;
    if (e->stopping || r->error != HTTP_OK || r->status != 200) {
        peer_done(e, r->error != HTTP_OK ? r->message : "it did not answer with 200");
        return;
    }
    char *body = xmalloc(r->body_len + 1);
    memcpy(body, r->body, r->body_len);
    body[r->body_len] = '\0';
    ingest_active(e, body, r->body_len, on_taken, e);
}

static void ask_all(struct engine *e)
{
    const size_t n = endpoint_n(clusters_alertmanager(e->clusters));
    e->refetch.again = false;
    e->refetch.failed = 0;
    e->refetch.asked = e->refetch.in_flight = n;
    for (size_t i = 0; i < n; i++)
        endpoint_get(clusters_alertmanager(e->clusters), (int)i,
                     "/api/v2/alerts?active=true&silenced=false&inhibited=false", TIMEOUT_MS, on_alerts, e);
}

void refetch_alerts(struct engine *e)
{
    if (e->refetch.in_flight > 0)
        e->refetch.again = true;
    else if (!timer_armed(e))
        ask_all(e);
}

void refetch_stop(struct engine *e)
{
    e->refetch.timer = sd_event_source_disable_unref(e->refetch.timer);
}
