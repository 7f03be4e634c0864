/* --web.config.file while mendd runs: loaded at the start, with each reload, and when one of its files has changed
 * (certificates are rotated under a running daemon, by cert-manager or certbot). A connection keeps what it began with,
 * but its client certificate is judged by the rules of now (web_connection.c); users count at once. What cannot be used
 * is told once and leaves the old one in place. */
#include "web_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "options.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

const struct web_config *web_config_of(const struct web *w)
{
    return w->tls ? web_tls_config(w->tls) : NULL;
}

static bool needs_login(const struct config *config, const struct web_config *web)
{
    return (config && config->n_tokens > 0) || (web && web->n_users > 0) || web_config_verifies(web);
}

bool web_needs_login(const struct web *w, const struct config *config)
{
    return needs_login(config, web_config_of(w));
}

/* ---- loading ---- */

static uint64_t add_file(uint64_t hash, const char *path)
{
    struct stat st;
    if (!path || stat(path, &st) < 0)
        return hash;
    const int64_t seen[] = {(int64_t)st.st_dev, (int64_t)st.st_ino, (int64_t)st.st_size, st.st_mtim.tv_sec,
                            st.st_mtim.tv_nsec};
    return fnv1a64(hash, seen, sizeof(seen));
}

/* A mark of what the files are now; another one says that one of them has changed. */
static uint64_t files_mark(const struct web *w, const struct web_config *c)
{
    uint64_t hash = add_file(FNV1A64_INIT, w->config_file);
    hash = add_file(hash, c ? c->cert_file : NULL);
    hash = add_file(hash, c ? c->key_file : NULL);
    return add_file(hash, c ? c->client_ca_file : NULL);
}

/* A certificate out of its time does not take the place of another one; at the start it is better than not to start:
 * what runs has to go on without an answer to anybody. */
static int check_times(const struct web *w, const struct web_tls *tls, struct error *err)
{
    int r = web_tls_check_times(tls, err);
    if (r < 0 && !w->mhd) {
        log_event(LOG_LEVEL_ERROR, "clients will not accept the certificate", "error", error_message(err), NULL);
        r = 0;
    }
    return r;
}

static int load(const struct web *w, struct web_tls **ret, struct faults *faults)
{
    struct web_config *config = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    int r = web_config_load(w->config_file, &config, faults);
    if (r < 0)
        return r;
    if (w->mhd && web_config_of(w)->tls != config->tls) {
        faults_add(faults, NULL, "%s: tls_server_config %s: that takes a restart", w->config_file,
                   config->tls ? "came" : "went");
        web_config_free(config);
        return -EINVAL;
    }
    _cleanup_(web_tls_unrefp) struct web_tls *tls = NULL;
    r = web_tls_new(config, &tls, &err);
    if (r >= 0)
        r = check_times(w, tls, &err);
    if (r < 0)
        faults_add(faults, NULL, "%s: %s", w->config_file, error_message(&err));
    else
        *ret = TAKE_PTR(tls);
    return r;
}

static void use(struct web *w, struct web_tls *taken, uint64_t mark)
{
    web_tls_unref(w->tls);
    w->tls = taken;
    w->files_seen = mark;
    w->files_bad = 0;
    if (w->accepted_one)
        MHD_destroy_response(w->accepted_one);
    w->accepted_one = api_webhook_accepted_one_new(w); /* its headers may be others now */
}

void web_doors_refresh(struct web *w)
{
    const int64_t now_us = web_now_us(w);
    if (!w->config_file || now_us - w->files_looked_us < USEC_PER_SEC)
        return;
    w->files_looked_us = now_us;
    const uint64_t mark = files_mark(w, web_config_of(w));
    if (mark == w->files_seen || mark == w->files_bad)
        return;
    struct web_tls *tls = NULL;
    _cleanup_(faults_clear) struct faults faults = {0};
    if (load(w, &tls, &faults) >= 0 && !w->anonymous_ok &&
        !needs_login(engine_config(w->engine), web_tls_config(tls))) {
        faults_add(&faults, NULL, "%s: nobody would have to log in", w->config_file);
        tls = web_tls_unref(tls);
    }
    if (tls) {
        use(w, tls, files_mark(w, web_tls_config(tls)));
        log_event(LOG_LEVEL_INFO, "TLS and users were read again", "file", w->config_file, NULL);
        api_events_stop(w);
        return;
    }
    w->files_bad = mark;
    for (size_t i = 0; i < faults.n; i++)
        log_event(LOG_LEVEL_ERROR, "TLS and users stay as they were", "error", faults.texts[i], NULL);
}

int web_doors_start(struct web *w, struct error *err)
{
    _cleanup_(faults_clear) struct faults faults = {0};
    struct web_tls *tls = NULL;
    int r = w->config_file ? load(w, &tls, &faults) : 0;
    if (r < 0) /* a certificate that is not there yet (ACME) is worth another try */
        return error_set(err, r == -ENOENT ? -ENOENT : -EINVAL, "%s", faults.texts[0]);
    use(w, tls, tls ? files_mark(w, web_tls_config(tls)) : 0);
    if (!w->anonymous_ok && !web_needs_login(w, engine_config(w->engine)))
        return error_set(err, -EACCES,
                         "others can reach --web.listen-address, and nobody would have to log in: configure tokens, or "
                         "users or client certificates in --web.config.file; if a proxy or a network policy decides "
                         "who may, say --web.allow-anonymous");
    if (!w->anonymous_ok && !(tls && web_tls_config(tls)->tls))
        log_event(LOG_LEVEL_WARN,
                  "tokens and passwords cross the network readable by all: configure tls_server_config, or put TLS in "
                  "front and listen on this host alone",
                  NULL);
    return passwords_new(w->event, &w->passwords, err);
}

/* ---- a reload ---- */

int web_vet(struct web *w, const struct config *config, struct faults *faults)
{
    int r = w->config_file ? load(w, &w->next_tls, faults) : 0;
    if (r < 0)
        return r;
    if (w->anonymous_ok || needs_login(config, w->next_tls ? web_tls_config(w->next_tls) : NULL))
        return 0;
    w->next_tls = web_tls_unref(w->next_tls);
    faults_add(
        faults, NULL,
        "nobody would have to log in any more, and others can reach this address: keep tokens or users, or start "
        "with --web.allow-anonymous");
    return -EACCES;
}

void web_vetted(struct web *w, bool used)
{
    struct web_tls *tls = TAKE_PTR(w->next_tls);
    if (used && tls)
        use(w, tls, files_mark(w, web_tls_config(tls)));
    else
        web_tls_unref(tls);
    if (used) /* tokens, users, certificates: any of them may be gone */
        api_events_stop(w);
}
