/* The HTTP server: libmicrohttpd inside the daemon's sd-event loop, and the API's handlers on it (docs/http-api.md).
 *
 * Nothing here blocks and nothing is locked; a webhook's connection is suspended until its alerts are in the journal.
 * Bounds: body size, header size, connections in all and for one address, idle time, listeners of /events, bytes of
 * large bodies in memory. Errors are {"error": {"code", "message"}}. */
#pragma once

#include "base/error.h"
#include "base/macro.h"
#include "engine/engine.h"

#include <stdbool.h>
#include <systemd/sd-event.h>

struct web;

struct web_options {
    sd_event *event;
    struct engine *engine;
    const char *listen_address; /* host:port, [v6]:port, :port (every address), unix:PATH; port 0: any free one */
    int passed_fd;              /* listens there already, taken (activation.h); 0: none, it binds itself */
    size_t max_body;            /* bytes of a webhook's body */
    const char *config_file;    /* --web.config.file, or NULL */
    const char *external_url;   /* where people reach it, or NULL */
    bool allow_anonymous;       /* others may reach it without a login */
    int (*reload)(void *userdata, struct faults *faults, struct error *err); /* POST /-/reload */
    void *reload_userdata;
};

/* Listens from here on. The engine and the options' texts must live until after web_free(). -EACCES: others could reach
 * it, and nobody would have to log in. */
int web_new(const struct web_options *options, struct web **ret, struct error *err);
/* Closes the door: requests that still wait get 503. */
struct web *web_free(struct web *w);
DEFINE_CLEANUP(struct web *, web_free);
/* A reload: whether this configuration may be used, together with --web.config.file as it is now. Faults are added. */
int web_vet(struct web *w, const struct config *config, struct faults *faults);
/* Then: it is used from now on, or the reload failed elsewhere and it is not. */
void web_vetted(struct web *w, bool used);
/* The TCP port that is listened on, 0 for a unix socket. */
int web_port(const struct web *w);
