/* Receivers of notices: they take them, or not. */
#include "simulation.h"

json_t *notice_arrives(struct sim *s, const struct sent *sent)
{
    watch_notice(s, sent);
    s->counts->notices++;
    if (rng_chance(&s->rng, 150))
        return json_pack("{s:s, s:s}", "error", "refused", "message", "refused");
    return json_pack("{s:i}", "status", rng_chance(&s->rng, 100) ? 500 : 200);
}
