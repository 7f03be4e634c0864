/* alert.cleared: asks every Alertmanager. One that has the alert (suppressed counts) is proof that it fires; one that
 * has it not proves that it cleared only if it was already running when the alert came: a peer that cannot be reached,
 * or that started later, knows nothing. */
#include "core/alert.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"
#include "checks/common.h"

#include <errno.h>

enum peer_view { PEER_UNKNOWING, PEER_FIRES, PEER_CLEARED };

/* alertname="…" in matcher syntax, encoded for a query. */
static char *alerts_path_new(const struct check_in *in)
{
    const char *name = json_path_text(in->alert, "labels", "alertname", NULL);
    _cleanup_strbuf_ struct strbuf matcher = STRBUF_INIT, path = STRBUF_INIT;
    strbuf_puts(&path, "/api/v2/alerts?active=true&silenced=true&inhibited=true&unprocessed=true");
    strbuf_puts(&matcher, "alertname=\"");
    for (const char *c = name; c && *c; c++) {
        if (*c == '"' || *c == '\\')
            strbuf_putc(&matcher, '\\');
        strbuf_puts(&matcher, *c == '\n' ? "\\n" : (const char[]){*c, '\0'});
    }
    strbuf_putc(&matcher, '"');
    if (!str_empty(name)) {
        strbuf_puts(&path, "&filter=");
        url_encode(&path, strbuf_str(&matcher));
    }
    return strbuf_take(&path);
}

static bool lists_alert(const json_t *alerts, const char *fingerprint)
{
    size_t i;
    json_t *a;
    json_array_foreach (alerts, i, a) {
        char have[17];
        if (!json_is_object(json_object_get(a, "labels")))
            continue;
        alert_fingerprint(json_object_get(a, "labels"), have);
        if (str_eq(have, fingerprint))
            return true;
    }
    return false;
}

static bool was_running(const struct check_in *in, const json_t *status)
{
    const char *started = json_text(answer_body(status), "uptime"), *came = json_text(in->alert, "startsAt");
    int64_t started_us = 0, came_us = 0;
    return answer_ok(status) && started && came && time_parse(started, &started_us) == 0 &&
           time_parse(came, &came_us) == 0 && started_us < came_us;
}

static enum peer_view look(const struct check_in *in, int peer, const json_t *status, const json_t *alerts,
                           const char *fingerprint, struct strbuf *words)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    if (answer_error(alerts, "GET alerts", &err) < 0) {
        words_add(words, "Alertmanager %d: %s", peer, error_message(&err));
    } else if (!json_is_array(answer_body(alerts))) {
        words_add(words, "Alertmanager %d: the answer is no list of alerts", peer);
    } else if (lists_alert(answer_body(alerts), fingerprint)) {
        words_add(words, "Alertmanager %d: the alert fires", peer);
        return PEER_FIRES;
    } else if (!was_running(in, status)) {
        words_add(words, "Alertmanager %d was not running when the alert came, or does not say so", peer);
    } else {
        words_add(words, "Alertmanager %d: the alert is gone", peer);
        return PEER_CLEARED;
    }
    return PEER_UNKNOWING;
}

static int cleared_judge(const struct check_in *in, struct check_result *ret)
{
    _cleanup_free_ char *path = alerts_path_new(in);
    _cleanup_strbuf_ struct strbuf words = {.max = 1000};
    char fingerprint[17];
    bool again = false;
    int n[3] = {0};
    alert_fingerprint(json_object_get(in->alert, "labels"), fingerprint);
    for (int i = 0; i < in->n_alertmanagers; i++) {
        const json_t *status = ask_alertmanager(in->asks, i, "/api/v2/status");
        const json_t *alerts = ask_alertmanager(in->asks, i, path);
        if (status && alerts)
            n[look(in, i, status, alerts, fingerprint, &words)]++;
        else
            again = true;
    }
    if (again)
        return -EAGAIN;
    if (in->n_alertmanagers == 0)
        return check_say(ret, VERDICT_UNKNOWN, "no Alertmanager is configured to ask");
    return check_say(ret,
                     n[PEER_FIRES]     ? VERDICT_FAIL
                     : n[PEER_CLEARED] ? VERDICT_PASS
                                       : VERDICT_UNKNOWN,
                     "%s", strbuf_str(&words));
}

static const struct param cleared_params[] = {{0}};

const struct check check_alert_cleared = {
    .name = "alert.cleared",
    .params = cleared_params,
    .doc = "the alert no longer fires in Alertmanager",
    .judge = cleared_judge,
};
