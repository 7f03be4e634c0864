/* Settling: the repair is verified, the alert has its window to clear.
 *
 * Happy path: the resolved alert is posted once to each Alertmanager (resolve: post), the alert is looked for in them
 * until it is gone, or its resolved webhook comes. Failure modes: a post that did not arrive is tried again; still
 * firing at the end is a miss, but only with positive evidence; nobody could be asked at the end is not "cleared". A
 * verified rung is never rolled back. */
#include "base/alloc.h"
#include "base/text.h"
#include "core/internal.h"

/* Its alert is over when mendd says so: a storm (storm.c), a cluster (cluster_watch.c). */
static bool ends_from_within(const struct run *run)
{
    return run->storm || run_is_of_watch(run);
}

static bool posts(const struct core *c, const struct run *run)
{
    enum resolve_mode m = run->playbook->resolve;
    if (run->healthy || ends_from_within(run))
        return false;
    return m == RESOLVE_POST || (m == RESOLVE_DEFAULT && !c->settings->has_prometheus);
}

void run_begin_settle(struct core *c, struct run *run, bool healthy)
{
    round_close(c, run);
    run->healthy = healthy;
    run->refired = false;
    run->settle_looks = 0;
    run->last_look = VERDICT_UNKNOWN;
    run->settle_deadline_us = c->now.boot_us + run->playbook->settle_ms * USEC_PER_MSEC;
    run->settle_next_us = c->now.boot_us + USEC_PER_SEC;
    if (run->settle_next_us > run->settle_deadline_us)
        run->settle_next_us = run->settle_deadline_us;
    if (!run->peers && c->settings->n_alertmanagers > 0) {
        run->n_peers = (size_t)c->settings->n_alertmanagers;
        run->peers = xcalloc(run->n_peers, sizeof(*run->peers));
    }
    run->phase = PHASE_SETTLE;
    run_state_to(c, run, RUN_SETTLING, "%s: waiting for the alert to clear",
                 healthy                         ? "already healthy"
                 : run->playbook->verify.present ? "verified"
                                                 : "the steps are done");
    storm_settles(c, run);
}

/* ---- posting ---- */

static json_t *post_new(struct core *c, const struct run *run, size_t peer)
{
    json_t *alert = json_object();
    json_object_set(alert, "labels", json_object_get(run->alert, "labels"));
    json_object_set(alert, "annotations", json_object_get(run->alert, "annotations"));
    int64_t starts_us = 0; /* an end before the start is refused: a start ahead of this clock is left out */
    const char *starts = json_text(run->alert, "startsAt");
    if (starts && time_parse(starts, &starts_us) == 0 && starts_us < c->now.wall_us)
        json_set_text(alert, "startsAt", starts);
    json_set_text(alert, "generatorURL", json_text(run->alert, "generatorURL"));
    record_set_time(alert, "endsAt", c->now.wall_us);
    json_t *copy = json_deep_copy(alert);
    json_decref(alert);
    return json_pack("{s:I, s:[o]}", "peer", (json_int_t)peer, "alerts", copy);
}

static void post(struct core *c, struct run *run)
{
    if (!posts(c, run))
        return;
    for (size_t i = 0; i < run->n_peers; i++) {
        struct peer *p = &run->peers[i];
        if (p->posted || p->in_flight)
            continue;
        if (c->now.boot_us < p->next_us) {
            run_wake_at(run, p->next_us);
            continue;
        }
        p->in_flight = true;
        p->tries++;
        core_out(c, run, OP_POST, NULL, post_new(c, run, i), 10 * USEC_PER_SEC, false);
        run->ops->peer = i; /* the newest op stands first */
    }
}

void settle_posted(struct core *c, struct run *run, size_t peer, const json_t *answer)
{
    if (peer >= run->n_peers)
        return;
    struct peer *p = &run->peers[peer];
    int status = answer_status(answer);
    p->in_flight = false;
    if (answer_ok(answer)) {
        p->posted = true;
        run->settle_next_us =
            c->now.boot_us + USEC_PER_SEC < run->settle_next_us ? c->now.boot_us + USEC_PER_SEC : run->settle_next_us;
        _cleanup_free_ char *event = xasprintf("the resolved alert was posted to Alertmanager %zu", peer + 1);
        record_event(c, run, event);
        return;
    }
    if (status >= 400 && status < 500 && status != 429)
        p->posted = true; /* it was understood and refused: saying it again changes nothing */
    int64_t pause = USEC_PER_SEC << (p->tries > 5 ? 5 : p->tries - 1);
    p->next_us = c->now.boot_us + (pause > 30 * USEC_PER_SEC ? 30 * USEC_PER_SEC : pause);
    _cleanup_error_ struct error err = ERROR_NONE;
    answer_error(answer, "POST /api/v2/alerts", &err);
    if (p->tries == 1)
        core_note(c, run, NOTE_WARN, REASON_NONE, "the resolved alert did not reach Alertmanager %zu: %s", peer + 1,
                  error_message(&err));
}

/* ---- the end ---- */

static bool resolved(struct core *c, struct run *run, const char *how)
{
    record_time(c, run, "resolved");
    if (run->healthy)
        run_end(c, run, OUTCOME_RESOLVED, REASON_ALREADY_HEALTHY, false, "it was healthy already, and %s", how);
    else
        run_end(c, run, OUTCOME_RESOLVED, REASON_REPAIRED, false, "repaired: %s", how);
    return true;
}

/* A settling run gave up its place among `concurrent`: it goes on settling until there is one for its next rung, for as
 * long as any run may wait. */
static bool wait_for_slot(struct core *c, struct run *run)
{
    const struct limits *l = &run->playbook->limits;
    if (l->concurrent <= 0 || limits_active(c, run) < l->concurrent)
        return false;
    if (run->slot_until_us == 0)
        run->slot_until_us = c->now.boot_us + l->expires_ms * USEC_PER_MSEC;
    if (c->now.boot_us >= run->slot_until_us) {
        run_end(c, run, OUTCOME_FAILED, REASON_STILL_FIRING, true,
                "verified, but the alert still fires, and other runs of the playbook left no room for the next rung");
        return true;
    }
    const struct guard_result held = {.reason = REASON_CONCURRENT, .until_us = INT64_MAX};
    record_held(c, run, &held);
    run->settle_deadline_us = run->settle_next_us = c->now.boot_us + 15 * USEC_PER_SEC;
    return true;
}

static bool still_firing(struct core *c, struct run *run)
{
    char text[TIME_TEXT_MAX];
    const struct playbook *p = run->playbook;
    duration_format(p->settle_ms, text);
    _cleanup_free_ char *message = xasprintf("verified, but the alert still fires after %s", text);
    if (p->still_firing_next_rung && run->rung + 1 < p->n_rungs) {
        if (wait_for_slot(c, run))
            return true;
        run_keep_failure(run, REASON_STILL_FIRING, message);
        record_event(c, run, "still firing: the next rung is tried");
        run->approved = false;
        run_begin_rung(c, run, run->rung + 1);
        return true;
    }
    run_end(c, run, OUTCOME_FAILED, REASON_STILL_FIRING, true, "%s", message);
    return true;
}

static bool settle_over(struct core *c, struct run *run)
{
    bool fires = run->last_look == VERDICT_FAIL || run->refired || ends_from_within(run);
    char text[TIME_TEXT_MAX];
    duration_format(run->playbook->settle_ms, text);
    if (run->healthy && (fires || c->settings->n_alertmanagers > 0)) {
        run_end(c, run, OUTCOME_SKIPPED, REASON_ALREADY_HEALTHY, true,
                fires ? "the checks say that all is well, but the alert still fires after %s"
                      : "the checks say that all is well, but nobody could say within %s whether the alert cleared",
                text);
        return true;
    }
    if (fires)
        return still_firing(c, run);
    if (c->settings->n_alertmanagers == 0 || !c->cleared_check.check)
        return resolved(c, run, "the alert was not seen again, though no Alertmanager could be asked");
    run_end(c, run, OUTCOME_FAILED, REASON_VERIFY_UNKNOWN, true,
            "verified, but no Alertmanager could say within %s whether the alert cleared", text);
    return true;
}

static bool looked(struct core *c, struct run *run)
{
    const bool last = run->round_began_us >= run->settle_deadline_us;
    struct probe *p = &run->round.probes[0];
    record_check(c, run, p);
    run->last_look = p->result.verdict;
    round_close(c, run);
    if (run->last_look == VERDICT_PASS)
        return resolved(c, run, "Alertmanager no longer has the alert");
    if (last)
        return settle_over(c, run);
    int64_t pause = run->settle_looks == 0 ? 5 : run->settle_looks == 1 ? 10 : 15;
    run->settle_looks++;
    run->settle_next_us = run->round_began_us + pause * USEC_PER_SEC;
    if (run->settle_next_us > run->settle_deadline_us)
        run->settle_next_us = run->settle_deadline_us;
    return true;
}

static bool post_in_flight(const struct run *run)
{
    for (size_t i = 0; i < run->n_peers; i++)
        if (run->peers[i].in_flight)
            return true;
    return false;
}

bool phase_settle(struct core *c, struct run *run)
{
    if (run->cleared)
        return resolved(c, run,
                        run->storm             ? "the storm is over"
                        : run_is_of_watch(run) ? "mendd sees that it is over"
                                               : "Alertmanager reports the alert resolved");
    post(c, run);
    if (run->round.active)
        return round_done(c, run) && looked(c, run);
    bool can_look = c->cleared_check.check && c->settings->n_alertmanagers > 0 && !ends_from_within(run);
    if (!can_look && c->now.boot_us >= run->settle_deadline_us)
        return settle_over(c, run);
    int64_t next = can_look ? run->settle_next_us : run->settle_deadline_us;
    if (c->now.boot_us < next) {
        run_wake_at(run, next);
        return false;
    }
    /* The last look must not overtake the post that it judges (settle: 0s). */
    if (c->now.boot_us >= run->settle_deadline_us && post_in_flight(run))
        return false;
    run->round_began_us = c->now.boot_us;
    round_open(c, run, &c->cleared_check, 1, c->now.boot_us + 10 * USEC_PER_SEC);
    return true;
}
