/* Before anything changes: evidence (diagnose) and, if the playbook asks for it, whether all is well already. */
#include "base/alloc.h"
#include "core/internal.h"

#include <errno.h>

#define DIAGNOSE_US (15 * USEC_PER_SEC) /* evidence must not hold up the repair */
#define PRECHECK_US (10 * USEC_PER_SEC)

void run_begin_work(struct core *c, struct run *run)
{
    limits_lock(c, run);
    breaker_begins(c, run);
    record_held(c, run, NULL);
    run->index = 0;
    run_state_to(c, run, RUN_REMEDIATING, "all guards passed");
    run->phase = PHASE_DIAGNOSE;
}

static bool next_evidence(struct core *c, struct run *run)
{
    askset_close(c, run, &run->guards);
    run->index++;
    run_dirty(c, run);
    return true;
}

/* A security incident: what is touched now could be what the evidence was in. */
static void stop_without_evidence(struct core *c, struct run *run, const struct step *step, const char *why)
{
    run_end(c, run, OUTCOME_FAILED, REASON_ACTION_FAILED, true,
            "%s: the evidence could not be kept, so nothing was touched: %s", step->action->name, why);
}

static bool no_evidence(struct core *c, struct run *run, const struct step *step, const char *why)
{
    _cleanup_json_ json_t *items = json_array();
    json_t *item = json_pack("{s:s}", "name", "not collected");
    json_set_text(item, "text", why);
    json_array_append_new(items, item);
    record_evidence(c, run, step->action->name, items);
    if (run->playbook->class != CLASS_SECURITY)
        return next_evidence(c, run);
    stop_without_evidence(c, run, step, why);
    return true;
}

/* What could not be read, NULL: nothing is missing. */
static const char *missing(const json_t *evidence)
{
    size_t i;
    json_t *item;
    json_array_foreach (evidence, i, item) {
        if (json_bool_or(item, "missing", false))
            return json_text_or(item, "text", "it could not be read");
    }
    return NULL;
}

bool phase_diagnose(struct core *c, struct run *run)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_json_ json_t *with = NULL;
    _cleanup_free_ char *cluster = NULL;
    if (run->index >= run->playbook->n_diagnose) {
        run->phase = PHASE_PRECHECK;
        return true;
    }
    const struct step *step = &run->playbook->diagnose[run->index];
    int64_t timeout = step->timeout_ms ? step->timeout_ms * USEC_PER_MSEC : DIAGNOSE_US;
    if (!run->guards.open)
        askset_open(c, &run->guards, c->now.boot_us + timeout, false);
    if (!askset_ready(c, run, &run->guards))
        return false;
    if (!run_expand(run, step->action->params, step->with, step->cluster, &with, &cluster, &err))
        return no_evidence(c, run, step, error_message(&err));
    struct action_plan plan = {0};
    _cleanup_free_ char *key = xasprintf("%s/diagnose/%zu", run->id, run->index);
    const struct action_in in = run_action_in(c, run, with, cluster, key, &run->guards.asks);
    int r = step->action->plan(&in, &plan, &err);
    if (r == -EAGAIN) {
        askset_send(c, run, &run->guards);
        return run->guards.in_flight == 0;
    }
    if (r < 0)
        return no_evidence(c, run, step, error_message(&err));
    record_evidence(c, run, step->action->name, plan.evidence);
    const char *gap = run->playbook->class == CLASS_SECURITY ? missing(plan.evidence) : NULL;
    if (gap)
        stop_without_evidence(c, run, step, gap);
    else
        next_evidence(c, run);
    action_plan_clear(&plan);
    return true;
}

/* Evidence and the precheck may have taken long: what a person approved is compared once more with what would be done
 * now (run_approve.c). Right after the comparison the same answers still serve the first step. */
static void begin_first_rung(struct core *c, struct run *run)
{
    if (!run->approved || askset_usable(c, &run->set, REUSE_US)) {
        run_begin_rung(c, run, 0);
        return;
    }
    run->began = true;
    run_ask_approval(c, run);
}

bool phase_precheck(struct core *c, struct run *run)
{
    const struct playbook *p = run->playbook;
    if (p->n_precheck == 0) {
        begin_first_rung(c, run);
        return true;
    }
    if (!run->round.active)
        round_open(c, run, p->precheck, p->n_precheck, c->now.boot_us + PRECHECK_US);
    if (!round_done(c, run))
        return false;
    bool healthy = true;
    for (size_t i = 0; i < run->round.n; i++) {
        record_check(c, run, &run->round.probes[i]);
        healthy &= run->round.probes[i].result.verdict == VERDICT_PASS;
    }
    round_close(c, run);
    if (healthy)
        run_begin_settle(c, run, true);
    else
        begin_first_rung(c, run);
    return true;
}
