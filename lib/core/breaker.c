/* (being written) */
#include "core/internal.h"

bool breaker_holds(const struct core *c, const struct run *run, int64_t *ret_until_us, const char **ret_name)
{
    (void)c;
    (void)run;
    (void)ret_until_us;
    (void)ret_name;
    return false;
}

void breaker_begins(struct core *c, struct run *run)
{
    (void)c;
    (void)run;
}

void breaker_ended(struct core *c, struct run *run)
{
    (void)c;
    (void)run;
}

void breaker_answer(struct core *c, const char *cluster, const json_t *answer)
{
    (void)c;
    (void)cluster;
    (void)answer;
}

bool breaker_reset(struct core *c, const char *name)
{
    (void)c;
    (void)name;
    return false;
}

void breaker_tick(struct core *c)
{
    (void)c;
}

void breakers_free(struct core *c)
{
    (void)c;
}

json_t *breakers_doc_new(const struct core *c)
{
    (void)c;
    return json_object();
}

int breakers_restore(struct core *c, const json_t *doc, struct error *err)
{
    (void)c;
    (void)doc;
    (void)err;
    return 0;
}

json_t *breakers_status_new(const struct core *c)
{
    (void)c;
    return json_array();
}
