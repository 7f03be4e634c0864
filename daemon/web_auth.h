/* Who may do what: bearer tokens of the configuration (`tokens`) against what a route wants.
 *
 * Without tokens everything is open to whoever reaches the address, which is this host alone by default. With tokens a
 * request says `Authorization: Bearer SECRET`; a form may carry it as its field "token". No cookie exists, so another
 * site's page has nothing that a browser would send along: the Origin header is looked at all the same.
 * The tokens are looked up in the configuration of the moment: a reload is a rotation. */
#pragma once

#include "config/config.h"

#include <stdbool.h>

/* What a route wants; what says nothing wants most. */
enum access {
    ACCESS_OPERATOR, /* scope operator */
    ACCESS_APPROVE,  /* approve, operator */
    ACCESS_VIEWER,   /* viewer, approve, operator */
    ACCESS_WEBHOOK,  /* webhook, operator */
    ACCESS_OPEN,     /* anybody */
};

bool auth_allows(unsigned scopes, enum access access);
/* The least scope that would do: "viewer". */
const char *auth_scope(enum access access);
/* The token that this is a secret of, or NULL. Takes as long for a wrong secret as for a right one: hashes are compared
 * whole, all of them, always. */
const struct token *auth_find(const struct config *config, const char *secret);
/* The secret of an Authorization header, or NULL; borrowed. */
const char *auth_bearer(const char *authorization);
/* Whether a browser's Origin is this server as the request's Host calls it. Without tokens only a Host that is an
 * address or localhost will do: a name could be another site's that points here. */
bool auth_origin_ok(const char *origin, const char *host, bool has_tokens);
