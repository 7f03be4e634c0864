/* Receivers of notices: they take them, or not. A receiver that took a notice may be unlucky with its answer: then it
 * is told again, which is no fault of mendd's. */
#include "simulation.h"

#include "base/text.h"

json_t *notice_arrives(struct sim *s, const struct sent *sent)
{
    const bool refuses = rng_chance(&s->rng, 150), breaks = rng_chance(&s->rng, 100);
    s->counts->notices++;
    trace(s, "world: %s is told: %s, level %lld, of %s", json_text_or(sent->what, "receiver", "?"),
          json_text_or(sent->what, "event", "?"), (long long)json_int_or(sent->what, "level", 0),
          json_text_or(sent->what, "key", "?"));
    watch_notice(s, sent, !refuses && !breaks && !sent->answer);
    if (refuses)
        return json_pack("{s:s, s:s}", "error", "refused", "message", "refused");
    return json_pack("{s:i}", "status", breaks ? 500 : 200);
}
