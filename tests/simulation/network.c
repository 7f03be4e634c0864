/* Between mendd and the world: questions, effects and posts under way, and all that may become of them.
 *
 * A question is answered with what stands there when it leaves. An effect arrives at one moment and is answered at a
 * later one; either may not happen. Whoever cut the connection, mendd hears of something in the end, unless it is dead
 * by then. */
#include "simulation.h"

#include "base/alloc.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

/* A request that left is there within this or never: one that is stuck somewhere for longer could arrive after mendd
 * had looked for what became of it, and nothing but a version in every request would tell the two apart. */
#define ARRIVES_US (40 * USEC_PER_MSEC)

static json_t *failure(const char *error)
{
    return json_pack("{s:s, s:s}", "error", error, "message", error);
}

static json_t *status_new(int status)
{
    return json_pack("{s:i, s:{s:s, s:s}}", "status", status, "body", "kind", "Status", "message",
                     status == 403 ? "forbidden" : "simulated");
}

void weather_draw(struct sim *s)
{
    struct weather *w = &s->weather;
    *w = (struct weather){0};
    if (s->calm || rng_chance(&s->rng, 450))
        return;
    switch (rng_int(&s->rng, 0, 8)) {
    case 0:
        w->refused = 1000;
        break;
    case 1:
        w->lost_before = w->lost_after = 250;
        break;
    case 2:
        w->failed = w->failed_after = 250;
        break;
    case 3:
        w->conflict = 400;
        break;
    case 4:
        w->busy = 400;
        break;
    case 5:
        w->forbidden = true;
        break;
    case 6:
        w->slow = true;
        break;
    case 7:
        w->lost_after = w->failed_after = 400;
        break;
    default:
        w->refused = w->lost_before = w->lost_after = w->failed = w->failed_after = w->busy = w->conflict = 60;
        break;
    }
    trace(s, "world: the weather changes");
}

static int64_t latency(struct sim *s)
{
    return s->weather.slow ? rng_int(&s->rng, 100, 25000) * USEC_PER_MSEC : rng_int(&s->rng, 1000, 40000);
}

/* ---- questions ---- */

static json_t *answer_new(struct sim *s, const struct out *out)
{
    const struct weather *w = &s->weather;
    const char *what = json_text_or(out->what, "ask", ""), *path = json_text_or(out->what, "path", "");
    if (str_eq(what, "alertmanager"))
        return alertmanager_answer(s, (int)json_int_or(out->what, "peer", 0), path);
    if (!str_eq(what, "kube") || rng_chance(&s->rng, w->refused))
        return failure("refused");
    if (rng_chance(&s->rng, w->lost_before))
        return NULL;
    if (rng_chance(&s->rng, w->failed))
        return status_new(503);
    if (rng_chance(&s->rng, w->busy))
        return status_new(429);
    return cluster_answer(s, path);
}

static void ask_world(struct sim *s, const struct out *out)
{
    json_t *answer = answer_new(s, out);
    int64_t takes = latency(s), most = (int64_t)out->timeout_ms * USEC_PER_MSEC;
    if (!answer || takes > most) {
        json_decref(answer);
        answer = failure("timeout");
        takes = most;
    }
    sim_after(
        s, takes,
        (struct item){.what = H_ANSWER, .a = (int64_t)out->op, .doc = answer, .generation = s->process.generation});
}

/* ---- effects and posts ---- */

static void set_fate(struct sim *s, struct sent *sent)
{
    const struct weather *w = &s->weather;
    sent->arrives = true;
    if (sent->type != OUT_SEND) /* its peer, or the receiver, says */
        return;
    s->counts->faults++;
    if (rng_chance(&s->rng, w->refused)) {
        sent->arrives = false;
        sent->answer = failure("refused");
    } else if (rng_chance(&s->rng, w->lost_before)) {
        sent->arrives = false;
        sent->answer = failure(rng_chance(&s->rng, 500) ? "timeout" : "reset");
    } else if (rng_chance(&s->rng, w->lost_after)) {
        sent->answer = failure(rng_chance(&s->rng, 500) ? "timeout" : "reset");
    } else if (rng_chance(&s->rng, w->failed) || rng_chance(&s->rng, w->busy)) {
        sent->arrives = false;
        sent->answer = status_new(rng_chance(&s->rng, w->busy) ? 429 : 500);
    } else if (rng_chance(&s->rng, w->failed_after)) {
        sent->answer = status_new(504);
    } else if (rng_chance(&s->rng, w->conflict) || w->forbidden) {
        sent->arrives = false;
        sent->answer = status_new(w->forbidden ? 403 : 409);
    } else {
        s->counts->faults--;
    }
}

/* The connection was refused, or the server said that it did nothing: that was no sending. */
static void not_sent(struct sim *s, const struct sent *sent)
{
    const char *key = json_text_or(sent->what, "key", "");
    if (str_eq(json_text(sent->answer, "error"), "refused") || json_int_or(sent->answer, "status", 0) == 429)
        json_object_set_new(s->sent_times, key, json_integer(json_int_or(s->sent_times, key, 0) - 1));
}

/* A crash at any moment seldom hits the few milliseconds that count: some are aimed. */
static void aim_crash(struct sim *s)
{
    if (!s->calm && s->crash_again_us == 0 && rng_chance(&s->rng, 40))
        s->crash_again_us = s->now.boot_us + rng_int(&s->rng, 0, 2 * ARRIVES_US);
}

static void send_out(struct sim *s, const struct out *out, int64_t decided_us)
{
    struct sent *sent = xnew0(struct sent);
    int64_t takes = latency(s), most = (int64_t)out->timeout_ms * USEC_PER_MSEC;
    *sent = (struct sent){.serial = ++s->next_serial, .op = out->op, .type = out->type, .left_us = decided_us};
    memcpy(sent->run, out->run, sizeof(sent->run));
    sent->what = json_incref(out->what);
    sent->generation = s->process.generation;
    set_fate(s, sent);
    not_sent(s, sent);
    aim_crash(s);
    if (takes > most) {
        takes = most;
        json_decref(sent->answer);
        sent->answer = failure("timeout");
    }
    if (sent->answer && str_eq(json_text(sent->answer, "error"), "timeout"))
        takes = most;
    HASH_ADD(hh, s->sent, serial, sizeof(sent->serial), sent);
    sent->answer_us = s->now.boot_us + takes;
    sim_after(s, takes / 2 < ARRIVES_US ? takes / 2 : ARRIVES_US,
              (struct item){.what = H_ARRIVE, .a = (int64_t)sent->serial});
}

void network_out(struct sim *s, const struct out *out, int64_t decided_us)
{
    if (out->type == OUT_ASK)
        ask_world(s, out);
    else
        send_out(s, out, decided_us);
}

static void sent_free(struct sim *s, struct sent *sent)
{
    HASH_DEL(s->sent, sent);
    json_decref(sent->what);
    json_decref(sent->answer);
    free(sent);
}

/* The other side has it: what it does now is done, whether its answer arrives or not. */
void network_arrive(struct sim *s, const struct item *item)
{
    struct sent *sent = NULL;
    uint64_t serial = (uint64_t)item->a;
    HASH_FIND(hh, s->sent, &serial, sizeof(serial), sent);
    if (!sent)
        return;
    if (sent->arrives) {
        json_t *done = sent->type == OUT_SEND   ? cluster_apply(s, sent)
                       : sent->type == OUT_POST ? alertmanager_post(s, sent)
                                                : notice_arrives(s, sent);
        trace(s, "world: %s %s of run %s%s", json_text_or(sent->what, "method", "POST"),
              json_text_or(sent->what, "path", "an alert or a notice"), sent->run,
              sent->answer ? " (its answer is lost)" : "");
        if (sent->answer)
            json_decref(done);
        else
            sent->answer = done;
    }
    if (sent->generation == s->process.generation)
        sim_after(s, sent->answer_us - s->now.boot_us,
                  (struct item){.what = H_ANSWER,
                                .a = (int64_t)sent->op,
                                .doc = json_incref(sent->answer),
                                .generation = sent->generation});
    sent_free(s, sent);
}

void network_answer(struct sim *s, const struct item *item)
{
    const struct event event = {.type = EVENT_ANSWER,
                                .answer = {.op = (uint64_t)item->a, .answer_new = json_incref(item->doc)}};
    shell_feed(s, &event);
}

/* Killed: what is in the kernel's hands may still get there. */
void network_cut(struct sim *s)
{
    struct sent *sent, *next;
    HASH_ITER (hh, s->sent, sent, next)
        if (sent->generation == s->process.generation && rng_chance(&s->rng, 500))
            sent_free(s, sent);
}

void network_clear(struct sim *s)
{
    struct sent *sent, *next;
    HASH_ITER (hh, s->sent, sent, next)
        sent_free(s, sent);
}
