/* The plan of the first rung for the record: modes plan and approve, and --dry-run. Nothing is sent but questions. */
#include "base/alloc.h"
#include "base/text.h"
#include "core/internal.h"
#include "core/redact.h"

#include <errno.h>

static const char SKIPPED[] = "skipped by its condition";

static json_t *plan_of(struct run *run)
{
    json_t *plan = json_object_get(run->record, "plan");
    if (json_is_object(plan))
        return plan;
    plan = json_pack("{s:s, s:[], s:[], s:[]}", "rung", run->playbook->ladder[run->rung].name, "requests", "checks",
                     "notes");
    json_object_set_new(run->record, "plan", plan);
    return plan;
}

/* fails: the step could not be planned, and as things stand would fail. */
static void plan_note(struct run *run, const struct step *step, const char *note, bool fails)
{
    json_t *entry = json_object();
    json_set_text(entry, "action", step->action->name);
    json_set_text(entry, "note", note);
    if (fails)
        json_object_set_new(entry, "fails", json_true());
    json_array_append_new(json_object_get(plan_of(run), "notes"), entry);
}

static void plan_checks(struct run *run, const struct verify *v)
{
    json_t *list = json_object_get(plan_of(run), "checks");
    for (size_t i = 0; v && i < v->n_checks; i++) {
        _cleanup_error_ struct error err = ERROR_NONE;
        _cleanup_json_ json_t *with = NULL;
        _cleanup_free_ char *cluster = NULL;
        json_t *entry = json_pack("{s:s}", "check", v->checks[i].check->name);
        if (run_expand(run, v->checks[i].check->params, v->checks[i].with, v->checks[i].cluster, &with, &cluster, &err))
            json_object_set(entry, "with", with);
        else
            json_set_text(entry, "error", error_message(&err));
        json_array_append_new(list, entry);
    }
}

static void planned(struct run *run, const struct step *step, const struct action_plan *plan, const char *cluster)
{
    size_t i;
    json_t *e, *requests = json_object_get(plan_of(run), "requests");
    json_array_foreach (plan->effects, i, e) {
        json_t *entry = record_projection(e);
        static const char *const unsent[] = {"status", "code", "attempts", "sent", "answered", "error"};
        for (size_t k = 0; k < ARRAY_SIZE(unsent); k++)
            json_object_del(entry, unsent[k]);
        json_set_text(entry, "action", step->action->name);
        json_set_text(entry, "cluster", cluster);
        json_array_append_new(requests, entry);
    }
    if (plan->note)
        plan_note(run, step, plan->note, false);
}

/* The condition's verdict: 1 the step goes on, 0 it is skipped, -EAGAIN. */
static int condition(struct core *c, struct run *run, const struct step *step)
{
    if (!step->condition)
        return 1;
    if (!run->round.active)
        round_open(c, run, step->condition, 1, run->step_deadline_us);
    if (!round_done(c, run))
        return -EAGAIN;
    enum verdict v = run->round.probes[0].result.verdict;
    return v == VERDICT_UNKNOWN || (v == VERDICT_PASS) != step->negate;
}

/* Only what people read; the approval's hash is taken of the plan as it is. */
void run_redact_plan(struct run *run)
{
    json_object_set_new(run->record, "plan", redact_json_new(json_object_get(run->record, "plan")));
}

static bool all_skipped(const struct run *run)
{
    size_t i, skipped = 0;
    json_t *note;
    json_array_foreach (json_path(run->record, "plan", "notes", NULL), i, note) {
        if (str_eq(json_text(note, "note"), SKIPPED))
            skipped++;
    }
    return skipped == run->playbook->ladder[run->rung].n_steps;
}

/* Of a later rung there may be nothing at all to approve. */
static void approval_or_none(struct core *c, struct run *run)
{
    if (run->rung == 0 || !run->began || run->cleared || !all_skipped(run)) {
        run_begin_approval(c, run);
        return;
    }
    run->reason = REASON_NONE;
    json_object_set_new(run->record, "plan", json_null());
    rung_passed_over(c, run);
}

/* It would be passed over: the next one is what is planned. */
static bool plan_next_rung(struct run *run)
{
    if (run->rung + 1 >= run->playbook->n_rungs || !all_skipped(run))
        return false;
    run->rung++;
    run->index = 0;
    json_object_set_new(run->record, "rung", json_integer((json_int_t)run->rung));
    json_object_set_new(run->record, "plan", json_null());
    return true;
}

static bool finish(struct core *c, struct run *run)
{
    enum reason reason = run->reason;
    const struct rung *rung = &run->playbook->ladder[run->rung];
    if (reason != REASON_AWAITING_APPROVAL && plan_next_rung(run))
        return true;
    for (size_t i = 0; i < rung->n_steps; i++)
        plan_checks(run, rung->steps[i].verify);
    plan_checks(run, run->playbook->verify.present ? &run->playbook->verify : NULL);
    run_dirty(c, run);
    size_t n = json_array_size(json_object_get(plan_of(run), "requests"));
    if (reason == REASON_AWAITING_APPROVAL) {
        approval_or_none(c, run);
        return true;
    }
    run_redact_plan(run);
    run_end(c, run, OUTCOME_SKIPPED, reason, false, "%s: rung \"%s\" would send %zu request%s",
            reason == REASON_DRY_RUN ? "--dry-run" : "the playbook only plans (mode: plan)",
            run->playbook->ladder[run->rung].name, n, n == 1 ? "" : "s");
    return true;
}

bool phase_plan(struct core *c, struct run *run)
{
    const struct rung *rung = &run->playbook->ladder[run->rung];
    struct action_plan plan = {0};
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_json_ json_t *with = NULL;
    _cleanup_free_ char *cluster = NULL;
    if (run->index >= rung->n_steps)
        return finish(c, run);
    const struct step *step = &rung->steps[run->index];
    int go = condition(c, run, step);
    if (go == -EAGAIN || !askset_ready(c, run, &run->set))
        return false;
    int r = go == 0 ? 0 : -EINVAL;
    if (go == 0)
        plan_note(run, step, SKIPPED, false);
    else if (run_expand(run, step->action->params, step->with, step->cluster, &with, &cluster, &err)) {
        _cleanup_free_ char *key = xasprintf("%s/%zu/%zu", run->id, run->rung, run->index);
        struct action_in in = run_action_in(c, run, with, cluster, key, &run->set.asks);
        in.now = run->plan_now;
        in.approved = run->approved || run->reason == REASON_AWAITING_APPROVAL || rung->mode == MODE_APPROVE;
        r = step->action->plan(&in, &plan, &err);
    }
    if (r == -EAGAIN) {
        askset_send(c, run, &run->set);
        return run->set.in_flight == 0;
    }
    if (r < 0)
        plan_note(run, step, error_message(&err), true);
    else
        planned(run, step, &plan, cluster);
    action_plan_clear(&plan);
    round_close(c, run);
    run->set.rounds = 0;
    run->index++;
    return true;
}
