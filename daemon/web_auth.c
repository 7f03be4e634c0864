/* Bearer tokens, scopes, the Origin check, the audit log. */
#include "web_internal.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <string.h>

enum { HASH_HEX = 64 };

static const struct {
    unsigned scopes;
    const char *least;
} wanted[] = {
    [ACCESS_OPERATOR] = {SCOPE_OPERATOR, "operator"},
    [ACCESS_APPROVE] = {SCOPE_APPROVE | SCOPE_OPERATOR, "approve"},
    [ACCESS_VIEWER] = {SCOPE_VIEWER | SCOPE_APPROVE | SCOPE_OPERATOR, "viewer"},
    [ACCESS_WEBHOOK] = {SCOPE_WEBHOOK | SCOPE_OPERATOR, "webhook"},
    [ACCESS_OPEN] = {~0U, "none"},
};

bool auth_allows(unsigned scopes, enum access access)
{
    return access == ACCESS_OPEN || (scopes & wanted[access].scopes) != 0;
}

const char *auth_scope(enum access access)
{
    return wanted[access].least;
}

const struct token *auth_find(const struct config *config, const char *secret)
{
    const struct token *found = NULL;
    _cleanup_free_ char *hash = sha256_hex_new(secret, strlen(secret));
    for (size_t i = 0; i < config->n_tokens; i++)
        for (size_t k = 0; k < config->tokens[i].n_hashes; k++)
            if (gnutls_memcmp(config->tokens[i].hashes[k], hash, HASH_HEX) == 0)
                found = &config->tokens[i];
    return found;
}

const char *auth_bearer(const char *authorization)
{
    static const char scheme[] = "Bearer ";
    if (!authorization || strncasecmp(authorization, scheme, sizeof(scheme) - 1) != 0)
        return NULL;
    const char *secret = authorization + sizeof(scheme) - 1;
    secret += strspn(secret, " ");
    return *secret ? secret : NULL;
}

/* "127.0.0.1:9490", "[::1]:9490", "localhost": what no foreign name server can point here. */
static bool is_address(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    char name[64];
    const bool bracket = *host == '[';
    const size_t len = strcspn(host + bracket, bracket ? "]" : ":");
    if (len >= sizeof(name))
        return false;
    memcpy(name, host + bracket, len);
    name[len] = '\0';
    return inet_pton(bracket ? AF_INET6 : AF_INET, name, address) == 1 || strcasecmp(name, "localhost") == 0;
}

bool auth_origin_ok(const char *origin, const char *host, bool has_tokens)
{
    const char *authority = origin ? strstr(origin, "://") : NULL;
    if (!origin)
        return true;
    return authority && host && strcasecmp(authority + 3, host) == 0 && (has_tokens || is_address(host));
}

/* ---- of a request ---- */

static const struct config *tokens_of(const struct request *req)
{
    const struct config *c = engine_config(req->web->engine);
    return c && c->n_tokens > 0 ? c : NULL;
}

bool web_is_cross_origin(struct request *req)
{
    return !auth_origin_ok(request_header(req, "Origin"), request_header(req, "Host"), tokens_of(req) != NULL);
}

static void name_anonymous(struct request *req)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(req->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *a = info ? info->client_addr : NULL;
    char text[INET6_ADDRSTRLEN] = "";
    if (a && a->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)a)->sin_addr, text, sizeof(text));
    else if (a && a->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr, text, sizeof(text));
    snprintf(req->caller, sizeof(req->caller), "anonymous %s%s", *text ? "from " : "on the unix socket", text);
}

static bool refuse(struct request *req, unsigned status, const char *words)
{
    if (str_eq(req->route->method, "POST"))
        web_audit(req, req->route->path, req->caller, status, words);
    if (html_wanted(req))
        html_message(req, status, words);
    else if (status == 401)
        reply_unauthorized(req, words);
    else
        reply_error(req, status, "forbidden", "%s", words);
    return false;
}

static bool judge(struct request *req, const struct token *token)
{
    name_anonymous(req);
    if (!token)
        return refuse(req, 401, "this token is not known here");
    snprintf(req->caller, sizeof(req->caller), "%s", token->name);
    req->admitted = auth_allows(token->scopes, req->route->access);
    if (req->admitted)
        return true;
    _cleanup_free_ char *words =
        xasprintf("the token \"%s\" lacks the scope \"%s\"", token->name, auth_scope(req->route->access));
    return refuse(req, 403, words);
}

bool web_admit_secret(struct request *req, const char *secret)
{
    const struct config *config = tokens_of(req);
    name_anonymous(req);
    if (!config || req->route->access == ACCESS_OPEN) {
        req->admitted = true;
        return true;
    }
    if (secret)
        return judge(req, auth_find(config, secret));
    _cleanup_free_ char *words =
        xasprintf("a token with the scope \"%s\" is needed: Authorization: Bearer …", auth_scope(req->route->access));
    return refuse(req, 401, words);
}

bool web_admit(struct request *req)
{
    const char *authorization = request_header(req, "Authorization");
    const bool by_form = req->route->handle == api_command || req->route->handle == api_plan_page;
    if (!authorization && by_form && web_is_form(req))
        return true; /* not admitted yet: its handler asks again with the form's token */
    return web_admit_secret(req, auth_bearer(authorization));
}

bool web_may_look(struct request *req)
{
    const struct config *config = tokens_of(req);
    const char *secret = auth_bearer(request_header(req, "Authorization"));
    const struct token *token = config && secret ? auth_find(config, secret) : NULL;
    return !config || (token && auth_allows(token->scopes, ACCESS_VIEWER));
}

void web_audit(const struct request *req, const char *did, const char *by, unsigned status, const char *result)
{
    char code[16];
    snprintf(code, sizeof(code), "%u", status);
    log_event(status < 300 ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, "operator", "did", did, "by", by, "run",
              *req->param ? req->param : NULL, "status", code, "result", result, NULL);
}
