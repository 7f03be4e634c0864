/* The routes, and the server's life. */
#include "web_internal.h"

#include "base/alloc.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

const struct route web_routes[] = {
    {"POST", "/webhook", api_webhook, true},
    {"GET", "/actions", api_actions, false},
    {"GET", "/actions/{id}", api_action, false},
    {"GET", "/actions/{id}/report", api_report, false},
    {"GET", "/playbooks", api_playbooks, false},
    {"GET", "/status", api_status, false},
    {"GET", "/events", api_events, false},
    {"GET", "/metrics", api_metrics, false},
    {"GET", "/-/healthy", api_healthy, false},
    {"GET", "/-/ready", api_ready, false},
    {"POST", "/-/reload", api_reload, false},
    {"GET", "/openapi.json", api_openapi, false},
    {"GET", "/", api_page, false},
    {NULL, NULL, NULL, false},
};

int web_new(const struct web_options *options, struct web **ret, struct error *err)
{
    struct web *w = xnew0(struct web);
    w->event = sd_event_ref(options->event);
    w->engine = options->engine;
    w->max_body = options->max_body;
    w->reload = options->reload;
    int fd = -1;
    int r = web_listen(options->listen_address, &fd, &w->unix_path, &w->port, err);
    if (r >= 0)
        r = web_loop_start(w, fd, err);
    if (r < 0) {
        web_free(w);
        return r;
    }
    w->accepted_one = api_webhook_accepted_one_new();
    *ret = w;
    return 0;
}

struct web *web_free(struct web *w)
{
    if (!w)
        return NULL;
    w->stopping = true;
    while (w->suspended)
        reply_busy(w->suspended, 5, "stopping", "mendd is stopping; send it again");
    api_events_stop(w);
    web_loop_stop(w);
    if (w->accepted_one)
        MHD_destroy_response(w->accepted_one);
    if (w->unix_path)
        unlink(w->unix_path);
    free(w->unix_path);
    sd_event_unref(w->event);
    free(w);
    return NULL;
}

int web_port(const struct web *w)
{
    return w->port;
}
