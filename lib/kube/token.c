/* The bearer token: given, or in a file that is rotated behind our back. A file that cannot be read keeps the old token
 * and is logged once. The token itself appears in no message. */
#include "kube/client_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"

#include <string.h>

/* A header's value: printable, so that a wrong file cannot add headers of its own. */
static bool is_token(const char *s)
{
    if (!*s)
        return false;
    for (; *s; s++)
        if (*s <= 0x20 || *s == 0x7f)
            return false;
    return true;
}

static void wipe(char *s)
{
    if (s)
        explicit_bzero(s, strlen(s));
    free(s);
}

static void complain(struct kube_client *c, const char *why)
{
    if (!c->token_failed)
        log_event(LOG_LEVEL_WARN, "cannot read the token of a cluster again, the old one stays in use", "cluster",
                  c->config->name, "error", why, NULL);
    c->token_failed = true;
}

bool kube_token_refresh(struct kube_client *c, bool force)
{
    if (!c->config->token_file)
        return false;
    const int64_t now_us = kube_monotonic_us();
    if (!force && c->token && now_us - c->token_read_us < KUBE_TOKEN_AGE_S * USEC_PER_SEC)
        return false;
    c->token_read_us = now_us;
    _cleanup_error_ struct error err = ERROR_NONE;
    char *token = NULL;
    if (secret_read(c->config->token_file, &token, &err) < 0) {
        complain(c, error_message(&err));
        return false;
    }
    if (!is_token(token)) {
        complain(c, "the file is empty or holds characters that a token cannot have");
        wipe(token);
        return false;
    }
    c->token_failed = false;
    const bool changed = !str_eq(token, c->token);
    wipe(c->token);
    c->token = token;
    return changed;
}
