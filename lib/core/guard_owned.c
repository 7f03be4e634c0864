/* (being written) */
#include "core/internal.h"

enum guard_answer guard_owned(struct core *c, struct run *run, struct askset *set, struct guard_result *ret)
{
    (void)c;
    (void)run;
    (void)set;
    (void)ret;
    return GUARD_PASS;
}
