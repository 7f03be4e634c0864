/* Effects on systems other than Kubernetes: an HTTP request, a Redis command, a silence. Their `request` is a question
 * of core/ask.h, which the engine's prober sends; method, path and body of the effect are what people read. Nobody can
 * look up afterwards whether one took effect (recognise "never"): it is sent again only where its method (PUT, DELETE,
 * GET, HEAD; RFC 9110, 9.2.2) or the step says that this does no harm. request     the question idempotent  true: may
 * be sent again when its outcome is not known accept      array of HTTP statuses that mean success; by default 2xx */
#pragma once

#include "core/registry.h"

bool effect_is_foreign(const json_t *effect);
/* Whether its outcome not being known is no reason against sending it again. */
bool foreign_may_repeat(const json_t *effect);

enum foreign_end {
    FOREIGN_DONE,
    FOREIGN_REFUSED,   /* nothing happened, or not what was asked for, and asking again will not help */
    FOREIGN_FORBIDDEN, /* 401, 403, Redis' NOAUTH */
    FOREIGN_LATER,     /* certainly not taken: 429, Redis loading */
    FOREIGN_UNSURE,    /* no answer, or one that does not say (5xx, 408) */
};
/* The words say what was answered; the caller frees them. */
enum foreign_end foreign_judge(const json_t *effect, const json_t *answer, char **ret_words);

/* Whether a silence of the list (GET /api/v2/silences) bears the key in its comment and has not expired. */
bool silence_bears(const json_t *silences, const char *key);

/* What it answered, for the record: {"name": "POST https://…: 200", "text"}; NULL if there is nothing to keep. */
json_t *foreign_evidence_new(const json_t *effect, const json_t *answer);
