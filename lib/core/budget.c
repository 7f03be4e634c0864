/* (being written) */
#include "core/internal.h"

bool budget_holds(const struct core *c, const struct run *run, int64_t *ret_until_us)
{
    (void)c;
    (void)run;
    (void)ret_until_us;
    return false;
}

enum guard_answer budget_guard(struct core *c, struct run *run, struct askset *set, struct guard_result *ret)
{
    (void)c;
    (void)run;
    (void)set;
    (void)ret;
    return GUARD_PASS;
}

void budget_spend(struct core *c, struct run *run, const json_t *effect)
{
    (void)c;
    (void)run;
    (void)effect;
}

bool budget_reset(struct core *c, const char *name)
{
    (void)c;
    (void)name;
    return false;
}

void budgets_prune(struct core *c)
{
    (void)c;
}

void budgets_shift(struct core *c, int64_t delta_us)
{
    (void)c;
    (void)delta_us;
}

void budgets_free(struct core *c)
{
    (void)c;
}

json_t *budgets_doc_new(const struct core *c)
{
    (void)c;
    return json_object();
}

int budgets_restore(struct core *c, const json_t *doc, struct error *err)
{
    (void)c;
    (void)doc;
    (void)err;
    return 0;
}

json_t *budgets_status_new(const struct core *c)
{
    (void)c;
    return json_array();
}
