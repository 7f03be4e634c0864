/* What of the configuration spans runs: budgets, breaker, storm, windows, escalation. Drawn from the seed. */
#include "simulation.h"

void safety_draw(struct sim *s, struct settings *t)
{
    (void)s;
    (void)t;
}

void safety_clear(struct settings *t)
{
    (void)t;
}
