/* (being written) */
#include "core/internal.h"

void storm_target(struct core *c, struct run *run)
{
    (void)c;
    (void)run;
}

bool storm_holds(const struct core *c, const struct run *run, int64_t *ret_until_us, const char **ret_run)
{
    (void)c;
    (void)run;
    (void)ret_until_us;
    (void)ret_run;
    return false;
}

void storm_tick(struct core *c)
{
    (void)c;
}

void storm_ended(struct core *c, struct run *run)
{
    (void)c;
    (void)run;
}

void storms_free(struct core *c)
{
    (void)c;
}

json_t *storms_doc_new(const struct core *c)
{
    (void)c;
    return json_object();
}

int storms_restore(struct core *c, const json_t *doc, struct error *err)
{
    (void)c;
    (void)doc;
    (void)err;
    return 0;
}

json_t *storms_status_new(const struct core *c)
{
    (void)c;
    return json_array();
}

void episode_internal(struct core *c, json_t *labels, json_t *annotations, const char *starts, bool firing)
{
    (void)c;
    (void)labels;
    (void)annotations;
    (void)starts;
    (void)firing;
}
