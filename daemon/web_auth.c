/* Tokens, users, certificates; scopes; the checks of Origin and Host; the audit log.
 *
 * Failed logins are counted for each peer, of passwords for each user there: beyond peer_failures it hears 429, and no
 * password is worked on. Who shows a token that is known, or a password that was right before, is let in all the same.
 * So nobody locks somebody else out who sits behind the same address; but for a user's first login there while somebody
 * guesses at very many names (peer_passwords). */
#include "web_internal.h"

#include "base/alloc.h"
#include "base/base64.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { HASH_HEX = 64, BASIC_MAX = 1024 };

static const struct rate_limit told_limit = {.burst = 50, .interval_us = USEC_PER_SEC / 5};

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

bool auth_basic(const char *authorization, char **ret_user, char **ret_password)
{
    static const char scheme[] = "Basic ";
    if (!authorization || strncasecmp(authorization, scheme, sizeof(scheme) - 1) != 0 ||
        strlen(authorization) > BASIC_MAX)
        return false;
    size_t len = 0;
    const char *encoded = authorization + sizeof(scheme) - 1;
    char *text = base64_decode_new(encoded + strspn(encoded, " "), &len);
    char *colon = text && strlen(text) == len ? strchr(text, ':') : NULL;
    const bool ok = colon && colon > text && strlen(colon + 1) <= PASSWORD_MAX;
    if (ok) {
        *ret_user = xstrndup(text, (size_t)(colon - text));
        *ret_password = xstrdup(colon + 1);
    }
    if (text)
        explicit_bzero(text, len);
    free(text);
    return ok;
}

/* ---- other sites ---- */

/* The host of "host:port", "[v6]:port" or a URL's authority; false if it is too long to be one. */
static bool host_of(const char *authority, char ret[256])
{
    const bool bracket = *authority == '[';
    const size_t len = strcspn(authority + bracket, bracket ? "]" : ":/");
    if (len >= 256)
        return false;
    memcpy(ret, authority + bracket, len);
    ret[len] = '\0';
    return true;
}

bool auth_host_ok(const char *host, const char *external_url)
{
    unsigned char address[sizeof(struct in6_addr)];
    const char *external = external_url ? strstr(external_url, "://") : NULL;
    char name[256], ours[256];
    if (!host || !host_of(host, name))
        return false;
    return inet_pton(*host == '[' ? AF_INET6 : AF_INET, name, address) == 1 || strcasecmp(name, "localhost") == 0 ||
           (external && host_of(external + 3, ours) && strcasecmp(name, ours) == 0);
}

bool auth_origin_ok(const char *origin, const char *host)
{
    const char *authority = origin ? strstr(origin, "://") : NULL;
    return !origin || (authority && host && strcasecmp(authority + 3, host) == 0);
}

static bool needs_login(const struct request *req)
{
    return web_needs_login(req->web, engine_config(req->web->engine));
}

/* What programs ask for by whatever name they know: a browser would say Origin with the one that changes anything. */
static bool is_for_programs(const struct request *req)
{
    const struct route *r = req->route;
    return r &&
           (r->handle == api_webhook || r->handle == api_metrics || r->handle == api_healthy || r->handle == api_ready);
}

const char *web_foreign_site(struct request *req, const char *method)
{
    const char *origin = request_header(req, "Origin"), *host = request_header(req, "Host");
    const char *fetch = request_header(req, "Sec-Fetch-Site");
    if (str_eq(method, "POST") &&
        (!auth_origin_ok(origin, host) || (fetch && !str_eq(fetch, "same-origin") && !str_eq(fetch, "none"))))
        return "requests from pages of other sites are refused";
    if (needs_login(req) || !host || !req->from->peer || (is_for_programs(req) && !origin && !fetch))
        return NULL; /* with a login a foreign page has nothing to show; a unix socket has no name */
    return auth_host_ok(host, req->web->external_url)
               ? NULL
               : "this mendd is not known by that name (Host): use its address or localhost, or start it with "
                 "--web.external-url";
}

/* ---- who it is ---- */

void web_name_anonymous(struct request *req)
{
    char from[PEER_NAME_MAX];
    peer_name((const struct sockaddr *)&req->from->address, from);
    snprintf(req->caller, sizeof(req->caller), "anonymous %s%s", *from ? "from " : "on the unix socket", from);
}

static enum admission answered(struct request *req, unsigned status, const char *words)
{
    web_audit_refused(req, status, words);
    web_count_refusal(req->web, status == 403 ? REFUSED_SCOPE : REFUSED_LOGIN);
    if (html_wanted(req))
        html_message(req, status, words);
    else if (status == 401)
        reply_unauthorized(req, words);
    else
        reply_error(req, status, "forbidden", "%s", words);
    return ADMISSION_NO;
}

static enum admission limited(struct request *req, int64_t wait_us)
{
    static const char words[] = "too many failed logins from this address";
    web_audit_refused(req, 429, words);
    web_count_refusal(req->web, REFUSED_LOGIN);
    reply_limited(req, wait_us, words);
    return ADMISSION_NO;
}

/* A login that failed; `counted`: against its peer already. */
static enum admission failed(struct request *req, const char *words, bool counted)
{
    struct peer *peer = req->from->peer;
    const int64_t wait_us = peer && !counted ? bucket_take(&peer->failures, &peer_failures, web_now_us(req->web)) : 0;
    return wait_us > 0 ? limited(req, wait_us) : answered(req, 401, words);
}

static enum admission judge(struct request *req, unsigned scopes, const char *what, const char *name)
{
    snprintf(req->caller, sizeof(req->caller), "%s%s%s", str_eq(what, "token") ? "" : what,
             str_eq(what, "token") ? "" : " ", name);
    req->known = true;
    req->scopes = scopes;
    req->admitted = auth_allows(scopes, req->route->access);
    if (req->admitted)
        return ADMISSION_YES;
    _cleanup_free_ char *words =
        xasprintf("the %s \"%s\" lacks the scope \"%s\"", what, name, auth_scope(req->route->access));
    return answered(req, 403, words);
}

static enum admission by_token(struct request *req, const char *secret)
{
    const struct config *config = engine_config(req->web->engine);
    const struct token *token = config ? auth_find(config, secret) : NULL;
    return token ? judge(req, token->scopes, "token", token->name) : failed(req, "this token is not known here", false);
}

/* Without a list whoever is let in may look and send alerts; with one, what it says. */
static unsigned scopes_of(const struct config *config, const char *name, bool certificate)
{
    if (!config || config->n_users == 0)
        return SCOPE_WEBHOOK | SCOPE_VIEWER;
    for (size_t i = 0; i < config->n_users; i++)
        if (str_eq(certificate ? config->users[i].certificate : config->users[i].name, name))
            return config->users[i].scopes;
    return 0;
}

static enum admission judge_user(struct request *req)
{
    return judge(req, scopes_of(engine_config(req->web->engine), req->user, false), "user", req->user);
}

/* ---- passwords ---- */

static void on_password(enum password_answer answer, void *userdata)
{
    struct request *req = userdata;
    req->asks_password = false;
    req->password = answer;
    if (req->connection && !req->response) {
        req->begun = false; /* its head is judged on from here */
        request_wake(req);
    }
    request_unref(req);
}

static enum admission busy(struct request *req, const char *words)
{
    web_audit_refused(req, 503, words);
    reply_busy(req, 1, "busy", words);
    return ADMISSION_NO;
}

static enum admission start_password(struct request *req, const char *password)
{
    struct web *w = req->web;
    struct peer *peer = req->from->peer;
    const int64_t wait_us = peer ? peer_password_take(peer, req->user, web_now_us(w)) : 0;
    if (wait_us > 0)
        return limited(req, wait_us);
    if (passwords_check(w->passwords, web_config_of(w), (uintptr_t)peer, req->user, password, on_password,
                        request_ref(req)) < 0) {
        request_unref(req);
        if (peer) /* it was not looked at */
            peer_password_put_back(peer, req->user);
        return busy(req, "too many passwords wait to be checked; come again");
    }
    req->asks_password = true;
    request_suspend(req);
    return ADMISSION_LATER;
}

static enum admission by_password(struct request *req, const char *authorization)
{
    struct web *w = req->web;
    const struct web_config *config = web_config_of(w);
    _cleanup_free_ char *user = NULL, *password = NULL;
    if (!config || config->n_users == 0 || !auth_basic(authorization, &user, &password) ||
        strlen(user) >= sizeof(req->user))
        return failed(req, "this user and password are not known here", false);
    strcpy(req->user, user);
    const enum admission r =
        passwords_known(w->passwords, config, user, password) ? judge_user(req) : start_password(req, password);
    explicit_bzero(password, strlen(password));
    return r;
}

static enum admission after_password(struct request *req)
{
    struct peer *peer = req->from->peer;
    const enum password_answer answer = req->password;
    req->password = PASSWORD_NONE;
    if (answer == PASSWORD_WRONG)
        return failed(req, "this user and password are not known here", true);
    if (peer) /* it was right, or nobody knows */
        peer_password_put_back(peer, req->user);
    if (answer == PASSWORD_RIGHT)
        return judge_user(req);
    return busy(req, "the password could not be checked; come again");
}

/* ---- certificates ---- */

/* The certificate is who it is: `users` names it, or there is no other way to log in. */
static const char *certificate_of(const struct request *req, unsigned *ret_scopes)
{
    const struct config *config = engine_config(req->web->engine);
    const struct web_config *web = web_config_of(req->web);
    const struct tls_peer *client = req->from->client;
    const bool alone = (!config || config->n_tokens == 0) && (!web || web->n_users == 0);
    *ret_scopes = 0;
    for (int i = 0; client && config && config->n_users > 0 && i < client->n_names; i++) {
        *ret_scopes = scopes_of(config, client->names[i], true);
        if (*ret_scopes)
            return client->names[i];
    }
    if (!client || !alone)
        return NULL;
    *ret_scopes = config && config->n_users > 0 ? 0 : SCOPE_WEBHOOK | SCOPE_VIEWER;
    return client->n_names > 0 ? client->names[0] : "without a name";
}

/* ---- the routes' door ---- */

/* The page behind a notice's link is open where a form can ask for a token; a browser has to be asked for a password.
 * Whoever shows something is judged there as everywhere, and his guesses are counted. */
static bool is_open(struct request *req)
{
    const struct config *config = engine_config(req->web->engine);
    const struct web_config *web = web_config_of(req->web);
    if (req->route->handle != api_approve_page)
        return req->route->access == ACCESS_OPEN;
    return !request_header(req, "Authorization") && (!web || web->n_users == 0 || (config && config->n_tokens > 0));
}

static enum admission without_login(struct request *req)
{
    const struct web_config *web = web_config_of(req->web);
    _cleanup_free_ char *words =
        xasprintf("%s with the scope \"%s\" is needed: Authorization: %s …",
                  web && web->n_users > 0 ? "a user or token" : "a token", auth_scope(req->route->access),
                  web && web->n_users > 0 ? "Basic … or Bearer" : "Bearer");
    return answered(req, 401, words);
}

enum admission web_admit(struct request *req)
{
    const char *authorization = request_header(req, "Authorization"), *secret = auth_bearer(authorization);
    const bool by_form = req->route->handle == api_command || req->route->handle == api_plan_page;
    if (req->password != PASSWORD_NONE)
        return after_password(req);
    if (!needs_login(req) || is_open(req)) {
        req->admitted = true;
        return ADMISSION_YES;
    }
    if (authorization)
        return secret ? by_token(req, secret) : by_password(req, authorization);
    unsigned scopes;
    const char *certificate = certificate_of(req, &scopes);
    if (certificate && (!by_form || !web_is_form(req) || auth_allows(scopes, req->route->access)))
        return judge(req, scopes, "certificate", certificate);
    return by_form && web_is_form(req) ? ADMISSION_YES /* not admitted yet: its handler asks with the form's token */
                                       : without_login(req);
}

bool web_admit_secret(struct request *req, const char *secret)
{
    return (secret ? by_token(req, secret) : without_login(req)) == ADMISSION_YES;
}

bool web_may_look(struct request *req)
{
    unsigned scopes;
    if (!needs_login(req) || !is_open(req))
        return !needs_login(req) || auth_allows(req->scopes, ACCESS_VIEWER);
    return certificate_of(req, &scopes) && auth_allows(scopes, ACCESS_VIEWER);
}

/* ---- the audit log ---- */

/* What was done is always told, and what somebody did who is known; of strangers' refused calls no more than a person
 * reads, and how many were left out. So nobody hides a known caller's line behind a flood of his own. */
void web_audit(const struct request *req, const char *did, const char *by, unsigned status, const char *result)
{
    struct web *w = req->web;
    char code[16], untold[24], from[PEER_NAME_MAX] = "";
    if (status >= 400 && !req->known && bucket_take(&w->refusals_told, &told_limit, web_now_us(w)) > 0) {
        w->refusals_untold++;
        return;
    }
    snprintf(code, sizeof(code), "%u", status);
    snprintf(untold, sizeof(untold), "%" PRIu64, w->refusals_untold);
    if (req->connection)
        peer_name((const struct sockaddr *)&req->from->address, from);
    log_event(status < 300 ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, "operator", "did", did, "by", by, "run",
              *req->param ? req->param : NULL, "status", code, "result", result, "from", *from ? from : NULL,
              "left_out", w->refusals_untold ? untold : NULL, NULL);
    w->refusals_untold = 0;
}

void web_audit_refused(const struct request *req, unsigned status, const char *why)
{
    if (req->route && str_eq(req->route->method, "POST"))
        web_audit(req, req->route->path, req->caller, status, why);
}
