/* Who may do what: tokens of the configuration, users and client certificates of --web.config.file, against what a
 * route wants.
 *
 * Without any of these everything is open to whoever reaches the address, which is this host alone by default. Else a
 * request says `Authorization: Bearer SECRET` (a form may carry it as its field "token") or `Basic …`, or its
 * connection has a verified client certificate that the configuration's `users` name (or that is the only door there
 * is). No cookie exists; what a browser sends by itself (Basic, certificates) is why another site's pages are refused.
 * Looked up in the configuration of the moment: a reload is a rotation. */
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
/* "user:password" of a Basic Authorization header, decoded into new texts; false if it is none, or holds a NUL or too
 * much. The caller wipes the password. */
bool auth_basic(const char *authorization, char **ret_user, char **ret_password);
/* Whether a browser's Origin is this server as the request's Host calls it. */
bool auth_origin_ok(const char *origin, const char *host);
/* Whether Host is a name that no other site's name server can point here: an address, localhost, or the host of
 * `external_url` (NULL: none). */
bool auth_host_ok(const char *host, const char *external_url);
