/* (being written) */
#include "core/internal.h"

bool maintenance_holds(const struct core *c, const struct run *run, int64_t *ret_until_us, const char **ret_window)
{
    (void)c;
    (void)run;
    (void)ret_until_us;
    (void)ret_window;
    return false;
}

bool maintenance_observes(const struct core *c, const struct run *run, const char **ret_window)
{
    (void)c;
    (void)run;
    (void)ret_window;
    return false;
}

void maintenance_tick(struct core *c)
{
    (void)c;
}

void maintenance_free(struct core *c)
{
    (void)c;
}

json_t *maintenance_doc_new(const struct core *c)
{
    (void)c;
    return json_object();
}

int maintenance_restore(struct core *c, const json_t *doc, struct error *err)
{
    (void)c;
    (void)doc;
    (void)err;
    return 0;
}

json_t *maintenance_status_new(const struct core *c)
{
    (void)c;
    return json_array();
}
