/* Questions of pure functions on their way out and their answers on the way back.
 *
 * Happy path: a function returns -EAGAIN, askset_send() lets every wanted question leave as OUT_ASK; when the last of
 * them is answered the run advances and the function runs again. Failure: at the set's deadline, or when a function
 * asks more than ASK_ROUNDS_MAX times, what is missing is answered with an error here, so that the function itself says
 * what that means. */
#include "base/alloc.h"
#include "core/internal.h"
#include "core/template.h"

#include <errno.h>
#include <string.h>

void askset_open(struct core *c, struct askset *set, int64_t deadline_us, bool check)
{
    *set = (struct askset){.open = true, .check = check, .started_us = c->now.boot_us, .deadline_us = deadline_us};
    set->epoch = c->epoch;
    asks_init(&set->asks);
}

static void forget_ops(struct core *c, struct run *run, const struct askset *set)
{
    for (struct op *op = run->ops, *next; op; op = next) {
        next = op->next;
        if (op->set == set)
            op_free(c, op);
    }
}

/* An API server that does not answer in time is at fault, whoever notices first. */
static void blame_silence(struct core *c, const struct run *run, const struct askset *set)
{
    _cleanup_json_ json_t *silence = json_pack("{s:s}", "error", "timeout");
    for (const struct op *op = run->ops; op; op = op->next)
        if (op->set == set)
            breaker_answer(c, op->question, silence);
}

void askset_close(struct core *c, struct run *run, struct askset *set)
{
    if (!set->open)
        return;
    if (set->in_flight > 0)
        forget_ops(c, run, set);
    asks_clear(&set->asks);
    *set = (struct askset){0};
}

static void answer_missing(struct askset *set, const char *error, const char *message)
{
    _cleanup_json_ json_t *wanted = json_copy(set->asks.wanted);
    size_t i;
    json_t *question;
    json_array_foreach (wanted, i, question)
        asks_answer(&set->asks, question, json_pack("{s:s, s:s}", "error", error, "message", message));
}

bool askset_ready(struct core *c, struct run *run, struct askset *set)
{
    if (set->in_flight == 0)
        return true;
    if (c->now.boot_us >= set->deadline_us) {
        blame_silence(c, run, set);
        forget_ops(c, run, set);
        set->in_flight = 0;
        answer_missing(set, "timeout", "no answer in time");
        return true;
    }
    run_wake_at(run, set->deadline_us);
    return false;
}

void askset_send(struct core *c, struct run *run, struct askset *set)
{
    if (++set->rounds > ASK_ROUNDS_MAX || c->now.boot_us >= set->deadline_us) {
        answer_missing(set, set->rounds > ASK_ROUNDS_MAX ? "local" : "timeout", "no more time to ask");
        return;
    }
    size_t i;
    json_t *question;
    json_array_foreach (set->asks.wanted, i, question) {
        core_out(c, run, OP_ASK, set, json_deep_copy(question), set->deadline_us - c->now.boot_us, set->check);
        set->in_flight++;
    }
    run_wake_at(run, set->deadline_us);
}

bool askset_usable(const struct core *c, const struct askset *set, int64_t max_age_us)
{
    return set->open && set->epoch == c->epoch && c->now.boot_us - set->started_us <= max_age_us;
}

/* ---- rounds of checks ---- */

void round_close(struct core *c, struct run *run)
{
    for (size_t i = 0; i < run->round.n; i++) {
        struct probe *p = &run->round.probes[i];
        askset_close(c, run, &p->set);
        check_result_clear(&p->result);
        json_decref(p->with);
        free(p->cluster);
    }
    free(run->round.probes);
    run->round = (struct round){0};
}

void round_open(struct core *c, struct run *run, const struct check_step *specs, size_t n, int64_t deadline_us)
{
    round_close(c, run);
    run->round = (struct round){.probes = xcalloc(n ? n : 1, sizeof(struct probe)), .n = n, .active = true};
    for (size_t i = 0; i < n; i++) {
        struct probe *p = &run->round.probes[i];
        _cleanup_error_ struct error err = ERROR_NONE;
        p->spec = &specs[i];
        askset_open(c, &p->set, deadline_us, true);
        if (!run_expand(run, specs[i].check->params, specs[i].with, specs[i].cluster, &p->with, &p->cluster, &err)) {
            check_say(&p->result, VERDICT_UNKNOWN, "%s", error_message(&err));
            p->judged = true;
        }
    }
}

static bool judge(struct core *c, struct run *run, struct probe *p)
{
    if (!askset_ready(c, run, &p->set))
        return false;
    _cleanup_json_ json_t *effects = run_effects_of_rung(run, run->rung);
    const struct check_in in = {.target = &run->target,
                                .with = p->with,
                                .cluster = p->cluster,
                                .effects = effects,
                                .alert = run->alert,
                                .n_alertmanagers = c->settings->n_alertmanagers,
                                .now = c->now,
                                .asks = &p->set.asks};
    for (int tries = 0; tries <= ASK_ROUNDS_MAX + 1; tries++) {
        if (p->spec->check->judge(&in, &p->result) != -EAGAIN)
            return true;
        askset_send(c, run, &p->set);
        if (p->set.in_flight > 0)
            return false;
    }
    check_say(&p->result, VERDICT_UNKNOWN, "the check asks without end");
    return true;
}

bool round_done(struct core *c, struct run *run)
{
    bool done = true;
    for (size_t i = 0; i < run->round.n; i++) {
        struct probe *p = &run->round.probes[i];
        if (!p->judged)
            p->judged = judge(c, run, p);
        done &= p->judged;
    }
    return done;
}
