/* A tiny world for golden cases: it answers questions and effects from a table and a handful of objects.
 *
 * Keys of the table: "GET /api/v1/…" (query left out; "east: GET …" for one cluster), "PATCH …", "tcp host:port",
 * "redis host:port", "GET http://…", "alertmanager 0 /api/v2/alerts", "post 0". A value is an answer (core/ask.h), or a
 * list of answers, the last of which stays. An answer with "apply": true is given after the effect was done all the
 * same (a reset behind the effect). What the table does not say the objects say: GET, PATCH (merge and JSON patch),
 * DELETE, POST of an eviction; lists of pods hold all pods of the namespace, or of all namespaces; discovery of v1
 * knows evictions; an unknown Namespace exists, everything else is 404. Addresses that are not named refuse. */
#pragma once

#include "base/json.h"

struct world {
    json_t *table;   /* key -> answer or list */
    json_t *objects; /* path -> object */
    json_t *sent;    /* "METHOD /path" of every effect that arrived */
    int reads, posts;
    json_t *firing;         /* label sets that the Alertmanagers hold */
    int alertmanager_fires; /* 0: they hold none, whatever came */
};

void world_init(struct world *w);
void world_clear(struct world *w);
void world_add_object(struct world *w, const json_t *object);
void world_alert(struct world *w, const json_t *labels, bool fires);
json_t *world_answer_ask(struct world *w, const json_t *question);
json_t *world_answer_send(struct world *w, const json_t *effect);
/* What the table says; NULL: nothing. */
json_t *world_answer_scripted(struct world *w, const char *key);
json_t *world_answer_post(struct world *w, const json_t *what);
