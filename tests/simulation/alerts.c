/* Prometheus and a pair of Alertmanagers, as far as mendd can tell them from real ones: an alert fires a while after
 * its cause and for a while longer than it; a peer tells of it, now and again, sometimes both; a resolved alert that
 * was posted is gone until Prometheus sends it again; a webhook that is not taken comes again. */
#include "simulation.h"

#include "base/alloc.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

static int64_t true_wall_us(const struct sim *s)
{
    return s->start_wall_us + (s->now.boot_us - s->start_us);
}

/* ---- causes ---- */

static bool tier_is_sick(const struct sim *s, const struct alert_model *a)
{
    for (int i = 0; i < s->n_workloads; i++)
        if (str_eq(s->workloads[i].tier, a->tier) && str_eq(s->workloads[i].ns, s->workloads[a->workload].ns) &&
            workload_has_sick_pods(&s->workloads[i]))
            return true;
    return false;
}

static bool pod_is_sick(const struct workload_model *w, const char *name)
{
    for (int i = 0; i < w->n_pods; i++)
        if (str_eq(w->pods[i].name, name))
            return w->pods[i].sick && !pod_is_gone(&w->pods[i]);
    return false;
}

static bool is_true(const struct sim *s, const struct alert_model *a)
{
    const struct workload_model *w = a->workload >= 0 ? &s->workloads[a->workload] : NULL;
    if (a->noise_until_us > s->now.boot_us)
        return true;
    switch (a->cause) {
    case CAUSE_PODS:
        return workload_has_sick_pods(w);
    case CAUSE_LOAD:
        return w->disease == OVERLOADED;
    case CAUSE_ROLLOUT:
        return w->disease == BAD_ROLLOUT;
    case CAUSE_ONE_POD:
        return a->firing ? pod_is_sick(w, a->pod) : workload_has_sick_pods(w);
    case CAUSE_TIER:
        return tier_is_sick(s, a);
    default:
        return false;
    }
}

static void set_labels(struct sim *s, struct alert_model *a)
{
    const struct workload_model *w = a->workload >= 0 ? &s->workloads[a->workload] : NULL;
    json_decref(a->labels);
    a->labels = json_pack("{s:s, s:s, s:s}", "alertname", a->alertname, "namespace", w ? w->ns : "shop", "severity",
                          rng_chance(&s->rng, 300) ? "critical" : "warning");
    json_set_text(a->labels, "deployment", w ? w->name : "lost");
    json_set_text(a->labels, "tier", w ? w->tier : "none");
    snprintf(a->pod, sizeof(a->pod), "none");
    for (int i = 0; w && i < w->n_pods; i++)
        if (w->pods[i].sick && !pod_is_gone(&w->pods[i]))
            snprintf(a->pod, sizeof(a->pod), "%s", w->pods[i].name);
    if (a->cause == CAUSE_ONE_POD)
        json_set_text(a->labels, "pod", a->pod);
}

/* ---- telling ---- */

static json_t *payload_new(const struct sim *s, const struct alert_model *a, bool firing)
{
    char starts[TIME_TEXT_MAX], ends[TIME_TEXT_MAX];
    json_t *p = json_pack("{s:s, s:O, s:{s:s}, s:s}", "status", firing ? "firing" : "resolved", "labels", a->labels,
                          "annotations", "summary", "simulated", "startsAt", time_format(a->starts_wall_us, starts));
    if (!firing)
        json_set_text(p, "endsAt", time_format(true_wall_us(s), ends));
    return p;
}

static void tell(struct sim *s, int alert, int peer, bool firing)
{
    struct alert_model *a = &s->alerts[alert];
    json_t *payload = payload_new(s, a, firing);
    const int64_t in_us = rng_int(&s->rng, 0, 15000) * USEC_PER_MSEC;
    if (firing)
        a->notified_us[peer] = s->now.boot_us;
    sim_after(s, in_us, (struct item){.what = H_WEBHOOK, .a = alert, .b = peer, .doc = json_incref(payload)});
    if (rng_chance(&s->rng, 150)) /* the other peer did not hear of it in time */
        sim_after(s, in_us + rng_int(&s->rng, 0, 5000) * USEC_PER_MSEC,
                  (struct item){.what = H_WEBHOOK, .a = alert, .b = 1 - peer, .doc = json_incref(payload)});
    json_decref(payload);
}

void alert_webhook(struct sim *s, const struct item *item)
{
    if (!shell_webhook(s, item->doc, (int)item->a))
        sim_after(s, rng_int(&s->rng, 2, 20) * USEC_PER_SEC,
                  (struct item){.what = H_WEBHOOK, .a = item->a, .b = item->b, .doc = json_incref(item->doc)});
}

static bool peer_is_up(const struct sim *s, int peer)
{
    return s->peers[peer].down_until_us <= s->now.boot_us;
}

/* ---- evaluating ---- */

static void peers_hear(struct sim *s, int alert)
{
    struct alert_model *a = &s->alerts[alert];
    bool news = false;
    int teller = -1;
    for (int i = 0; i < PEERS; i++) {
        if (!peer_is_up(s, i))
            continue;
        news |= !a->active[i];
        a->active[i] = true;
        teller = teller < 0 ? i : teller;
    }
    if (teller < 0)
        return;
    int64_t last = a->notified_us[0] > a->notified_us[1] ? a->notified_us[0] : a->notified_us[1];
    if ((news && s->now.boot_us - last > 30 * USEC_PER_SEC) || s->now.boot_us - last >= a->repeat_us)
        tell(s, alert, teller, true);
}

static void stops(struct sim *s, int alert)
{
    struct alert_model *a = &s->alerts[alert];
    a->firing = false;
    a->false_since_us = a->true_since_us = 0;
    for (int i = 0; i < PEERS; i++)
        a->active[i] = false;
    if (a->notified_us[0] || a->notified_us[1])
        tell(s, alert, peer_is_up(s, 0) ? 0 : 1, false);
    a->notified_us[0] = a->notified_us[1] = 0;
}

static void evaluate(struct sim *s, int alert)
{
    struct alert_model *a = &s->alerts[alert];
    const int64_t now = s->now.boot_us;
    if (a->flap_us > 0 && a->noise_until_us <= now && rng_chance(&s->rng, 500) && !s->calm)
        a->noise_until_us = now + rng_int(&s->rng, 1, a->flap_us / USEC_PER_SEC) * USEC_PER_SEC;
    if (is_true(s, a)) {
        a->false_since_us = 0;
        a->true_since_us = a->true_since_us ? a->true_since_us : now;
        if (!a->firing && now - a->true_since_us >= a->for_us) {
            set_labels(s, a);
            a->firing = true;
            a->starts_wall_us = true_wall_us(s);
        }
    } else {
        a->true_since_us = 0;
        a->false_since_us = a->false_since_us ? a->false_since_us : now;
    }
    if (a->firing && a->false_since_us && now - a->false_since_us >= a->window_us)
        stops(s, alert);
    else if (a->firing)
        peers_hear(s, alert);
}

void alert_evaluate(struct sim *s, int alert)
{
    if (s->calm)
        return;
    evaluate(s, alert);
    sim_after(s, 15 * USEC_PER_SEC + rng_int(&s->rng, 0, 3000) * USEC_PER_MSEC,
              (struct item){.what = H_EVALUATE, .a = alert});
}

/* ---- the API ---- */

json_t *alertmanager_answer(struct sim *s, int peer, const char *path)
{
    char text[TIME_TEXT_MAX];
    if (!peer_is_up(s, peer))
        return rng_chance(&s->rng, 800) ? json_pack("{s:s, s:s}", "error", "refused", "message", "refused") : NULL;
    if (str_starts(path, "/api/v2/status"))
        return json_pack("{s:i, s:{s:s}}", "status", 200, "body", "uptime",
                         time_format(s->peers[peer].started_wall_us, text));
    json_t *list = json_array();
    for (int i = 0; i < s->n_alerts; i++) {
        const struct alert_model *a = &s->alerts[i];
        if (a->active[peer] && a->firing && strstr(path, a->alertname))
            json_array_append_new(list, json_pack("{s:O, s:{s:s}}", "labels", a->labels, "status", "state", "active"));
    }
    return json_pack("{s:i, s:o}", "status", 200, "body", list);
}

json_t *alertmanager_post(struct sim *s, const struct sent *sent)
{
    const int peer = (int)json_int_or(sent->what, "peer", 0);
    const json_t *posted = json_array_get(json_object_get(sent->what, "alerts"), 0);
    const bool ok = peer_is_up(s, peer) && rng_chance(&s->rng, 950);
    watch_posted(s, sent, ok);
    if (!ok)
        return peer_is_up(s, peer) ? json_pack("{s:i}", "status", 500)
                                   : json_pack("{s:s, s:s}", "error", "refused", "message", "refused");
    s->counts->posts++;
    for (int i = 0; i < s->n_alerts; i++) {
        struct alert_model *a = &s->alerts[i];
        if (!a->active[peer] || !json_equal(a->labels, json_object_get(posted, "labels")))
            continue;
        a->active[peer] = false;
        if (rng_chance(&s->rng, 700))
            tell(s, i, peer, false);
    }
    return json_pack("{s:i}", "status", 200);
}

/* ---- the beginning and the end ---- */

static void add(struct sim *s, const char *alertname, enum cause cause, int workload)
{
    static const int windows_s[] = {0, 0, 0, 60, 300, 900};
    if (s->n_alerts == ALERTS_MAX)
        return;
    struct alert_model *a = &s->alerts[s->n_alerts];
    *a = (struct alert_model){.alertname = alertname, .cause = cause, .workload = workload};
    if (workload >= 0)
        memcpy(a->tier, s->workloads[workload].tier, sizeof(a->tier));
    a->for_us = rng_chance(&s->rng, 500) ? 0 : 30 * USEC_PER_SEC;
    a->window_us = PICK(&s->rng, windows_s) * USEC_PER_SEC;
    a->repeat_us = rng_int(&s->rng, 2, 30) * MINUTE_US;
    sim_after(s, rng_int(&s->rng, 0, 15000) * USEC_PER_MSEC, (struct item){.what = H_EVALUATE, .a = s->n_alerts});
    s->n_alerts++;
}

void alerts_draw(struct sim *s)
{
    for (int i = 0; i < s->n_workloads; i++) {
        add(s, "Down", CAUSE_PODS, i);
        if (rng_chance(&s->rng, 400))
            add(s, "Slow", CAUSE_LOAD, i);
        if (rng_chance(&s->rng, 400))
            add(s, "BadRollout", CAUSE_ROLLOUT, i);
        if (rng_chance(&s->rng, 300))
            add(s, "PodDown", CAUSE_ONE_POD, i);
        if (rng_chance(&s->rng, 200))
            add(s, "TierDown", CAUSE_TIER, i);
        if (rng_chance(&s->rng, 400))
            add(s, rng_chance(&s->rng, 500) ? "Noise" : "Other", CAUSE_NOISE, i);
    }
    add(s, "Unknown", CAUSE_NOISE, 0);
    add(s, "Ignored", CAUSE_NOISE, 0);
    add(s, "Down", CAUSE_NOISE, -1);
    for (int i = 0; i < PEERS; i++)
        s->peers[i].started_wall_us = s->start_wall_us - 24 * HOUR_US;
}

/* Alertmanager says of everything that ever fired that it is over. */
void alerts_resolve_all(struct sim *s)
{
    const char *fingerprint;
    json_t *labels;
    char text[TIME_TEXT_MAX];
    json_object_foreach (s->label_sets, fingerprint, labels) {
        json_t *payload = json_pack("{s:s, s:O, s:{}, s:s, s:s}", "status", "resolved", "labels", labels, "annotations",
                                    "startsAt", "2026-01-05T09:00:00Z", "endsAt", time_format(true_wall_us(s), text));
        shell_webhook(s, payload, -1);
        json_decref(payload);
    }
}

void alerts_clear(struct sim *s)
{
    for (int i = 0; i < s->n_alerts; i++)
        json_decref(s->alerts[i].labels);
    s->n_alerts = 0;
}
