/* (being written) */
#include "core/internal.h"

void escalation_begin(struct core *c, struct run *run, enum reason reason, const char *message)
{
    (void)c;
    (void)run;
    (void)reason;
    (void)message;
}

void escalation_approval(struct core *c, struct run *run)
{
    (void)c;
    (void)run;
}

void escalation_approval_over(struct core *c, struct run *run)
{
    (void)c;
    (void)run;
}

void escalation_cleared(struct core *c, const char *run)
{
    (void)c;
    (void)run;
}

void escalation_repaired(struct core *c, const struct run *run)
{
    (void)c;
    (void)run;
}

void escalation_notice(struct core *c, char **receivers, json_t *notice_new)
{
    (void)c;
    (void)receivers;
    (void)notice_new;
}

bool escalation_acknowledge(struct core *c, const char *run, const char *by)
{
    (void)c;
    (void)run;
    (void)by;
    return false;
}

void escalation_answer(struct core *c, uint64_t delivery, const json_t *answer)
{
    (void)c;
    (void)delivery;
    (void)answer;
}

void escalation_tick(struct core *c)
{
    (void)c;
}

void escalations_resume(struct core *c)
{
    (void)c;
}

void escalations_free(struct core *c)
{
    (void)c;
}

json_t *escalations_doc_new(const struct core *c)
{
    (void)c;
    return json_object();
}

int escalations_restore(struct core *c, const char *key, const json_t *doc, struct error *err)
{
    (void)c;
    (void)key;
    (void)doc;
    (void)err;
    return 0;
}

json_t *escalations_status_new(const struct core *c)
{
    (void)c;
    return json_array();
}
