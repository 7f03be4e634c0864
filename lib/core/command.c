/* An operator's commands (core.h): each is understood whole or refused, does its work now, and gets one reply. */
#include "base/alloc.h"
#include "base/text.h"
#include "core/internal.h"

#include <stdarg.h>

void command_reply(struct core *c, uint64_t ticket, int status, const char *code, json_t *body_new, const char *fmt,
                   ...)
{
    va_list args;
    va_start(args, fmt);
    core_reply(c, ticket, status, code, xvasprintf(fmt, args), body_new);
    va_end(args);
}

static void no_such_run(struct core *c, uint64_t ticket, const char *id)
{
    command_reply(c, ticket, 404, "not_found", NULL,
                  "no run %s is under way; what is over cannot be changed (mendctl actions show %s)", id ? id : "",
                  id ? id : "");
}

static void not_waiting(struct core *c, const struct run *run, uint64_t ticket)
{
    command_reply(c, ticket, 409, "not_waiting", NULL, "run %s does not wait for an approval: it is %s", run->id,
                  run_state_name(run->state));
}

static void command_approve(struct core *c, const struct event *event, struct run *run)
{
    const json_t *what = event->command.what;
    const char *hash = json_text(what, "hash");
    const char *stands = json_path_text(run->record, "approval", "hash", NULL);
    if (run->phase != PHASE_APPROVAL) {
        not_waiting(c, run, event->command.ticket);
        return;
    }
    if (hash && !str_eq(hash, stands)) {
        command_reply(c, event->command.ticket, 409, "plan_changed", NULL,
                      "the plan is another one by now (%s): look at it again before you approve", stands);
        return;
    }
    run_approve(c, run, json_text_or(what, "by", "somebody"));
    escalation_acknowledge(c, run->id, json_text_or(what, "by", "somebody"));
    command_reply(c, event->command.ticket, 200, NULL, NULL, "approved: run %s goes on", run->id);
    run_advance(c, run);
}

static void command_reject(struct core *c, const struct event *event, struct run *run)
{
    const json_t *what = event->command.what;
    if (run->phase != PHASE_APPROVAL) {
        not_waiting(c, run, event->command.ticket);
        return;
    }
    command_reply(c, event->command.ticket, 200, NULL, NULL, "rejected: run %s does not go on", run->id);
    run_reject(c, run, json_text_or(what, "by", "somebody"), json_text(what, "reason"));
    escalation_acknowledge(c, run->id, json_text_or(what, "by", "somebody"));
    run_advance(c, run);
}

static void command_cancel(struct core *c, const struct event *event, struct run *run)
{
    const json_t *what = event->command.what;
    /* Asked for once, the rollback is not taken back by somebody who only wants the run to end. */
    bool rollback = json_bool_or(what, "rollback", false) || run->cancel == CANCEL_ROLLBACK;
    const char *by = json_text_or(what, "by", "somebody");
    if (run->rolling) {
        command_reply(c, event->command.ticket, 409, "rolling_back", NULL,
                      "run %s is putting back what it changed; let it finish", run->id);
        return;
    }
    run->cancel = rollback ? CANCEL_ROLLBACK : CANCEL_STOP;
    json_object_set_new(run->record, "cancelled_by", json_string(by));
    _cleanup_free_ char *words =
        xasprintf("%s cancelled the run%s", by, rollback ? " and wants its changes undone" : "");
    record_event(c, run, words);
    escalation_acknowledge(c, run->id, by);
    command_reply(c, event->command.ticket, 200, NULL, NULL, "run %s ends after the step in flight; %s", run->id,
                  rollback ? "what it changed is put back" : "what it changed stays");
    run_advance(c, run);
}

static void command_acknowledge(struct core *c, const struct event *event, const char *id)
{
    const char *by = json_text_or(event->command.what, "by", "somebody");
    if (id && escalation_acknowledge(c, id, by))
        command_reply(c, event->command.ticket, 200, NULL, NULL, "acknowledged by %s", by);
    else
        command_reply(c, event->command.ticket, 404, "not_found", NULL, "no escalation of run %s is open",
                      id ? id : "");
}

static void command_reset(struct core *c, const struct event *event)
{
    const json_t *what = event->command.what;
    const char *kind = json_text(what, "what"), *name = json_text(what, "name");
    bool budget = str_eq(kind, "budget");
    if (!budget && !str_eq(kind, "breaker")) {
        command_reply(c, event->command.ticket, 400, "bad_request", NULL, "reset what: budget or breaker");
        return;
    }
    if (!(budget ? budget_reset(c, name) : breaker_reset(c, name))) {
        command_reply(c, event->command.ticket, 404, "not_found", NULL, "no %s %s%sstands to be reset", kind,
                      name ? name : "", name ? " " : "");
        return;
    }
    c->recheck = true;
    core_keep(c, budget ? KEPT_BUDGETS : KEPT_BREAKERS);
    core_note(c, NULL, NOTE_WARN, REASON_NONE, "%s %s reset by %s", kind, name ? name : "(all)",
              json_text_or(what, "by", "somebody"));
    command_reply(c, event->command.ticket, 200, NULL, NULL, "%s %s reset", kind, name ? name : "(all)");
}

void command_handle(struct core *c, const struct event *event)
{
    static const struct {
        const char *word;
        void (*handle)(struct core *c, const struct event *event, struct run *run);
    } of_run[] = {{"approve", command_approve}, {"reject", command_reject}, {"cancel", command_cancel}};
    const char *word = json_text_or(event->command.what, "do", ""), *id = json_text(event->command.what, "run");
    if (str_eq(word, "pause") || str_eq(word, "resume")) {
        pause_command(c, event, str_eq(word, "pause"));
        return;
    }
    if (str_eq(word, "acknowledge") || str_eq(word, "reset")) {
        if (str_eq(word, "reset"))
            command_reset(c, event);
        else
            command_acknowledge(c, event, id);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(of_run); i++) {
        if (!str_eq(of_run[i].word, word))
            continue;
        struct run *run = core_find_run(c, id);
        if (!run || run->phase == PHASE_DONE)
            no_such_run(c, event->command.ticket, id);
        else
            of_run[i].handle(c, event, run);
        return;
    }
    command_reply(c, event->command.ticket, 400, "bad_request", NULL, "unknown command \"%s\"", word);
}
