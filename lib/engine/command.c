/* An operator's commands on their way through the core and the journal.
 *
 * Happy path: the command goes into the core, its reply waits for the commit of what it changed, then the caller hears.
 * Failure: the commit fails or mendd stops: 503, and after the restart of the core the command may or may not have been
 * done: asking again is safe, each command tells what stands. */
#include "base/alloc.h"
#include "engine/internal.h"

struct ticket {
    uint64_t number;
    engine_command_cb done;
    void *userdata;
    struct ticket *next;
};

static void tell(struct ticket *t, const struct engine_reply *reply)
{
    t->done(reply, t->userdata);
    free(t);
}

void command_answer(struct engine *e, const struct reply *reply)
{
    for (struct ticket **at = &e->tickets; *at; at = &(*at)->next) {
        struct ticket *t = *at;
        if (t->number != reply->ticket)
            continue;
        *at = t->next;
        tell(t, &(struct engine_reply){reply->status, reply->code, reply->message, reply->body});
        return;
    }
}

void command_fail_all(struct engine *e, const char *why)
{
    while (e->tickets) {
        struct ticket *t = e->tickets;
        e->tickets = t->next;
        tell(t, &(struct engine_reply){503, "unavailable", why, NULL});
    }
}

void engine_command(struct engine *e, json_t *what_taken, engine_command_cb done, void *userdata)
{
    _cleanup_json_ json_t *what = what_taken;
    const char *why = NULL;
    if (!engine_is_ready(e, &why)) {
        done(&(struct engine_reply){503, "unavailable", why, NULL}, userdata);
        return;
    }
    struct ticket *t = xnew0(struct ticket);
    *t = (struct ticket){.number = ++e->next_ticket, .done = done, .userdata = userdata, .next = e->tickets};
    e->tickets = t;
    turn_handle(e, &(struct event){.type = EVENT_COMMAND, .command = {.what = what, .ticket = t->number}});
}
