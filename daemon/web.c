/* The routes, and the server's life. */
#include "web_internal.h"

#include "base/alloc.h"
#include "options.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

const struct route web_routes[] = {
    {"POST", "/webhook", api_webhook, ACCESS_WEBHOOK, true, 0},
    {"GET", "/actions", api_actions, ACCESS_VIEWER, false, 0},
    {"GET", "/actions/{id}", api_action, ACCESS_VIEWER, false, 0},
    {"GET", "/actions/{id}/report", api_report, ACCESS_VIEWER, false, 0},
    {"GET", "/actions/{id}/approve", api_approve_page, ACCESS_OPEN, false, 0},
    {"POST", "/actions/{id}/approve", api_command, ACCESS_APPROVE, true, COMMAND_MAX},
    {"POST", "/actions/{id}/plan", api_plan_page, ACCESS_VIEWER, true, COMMAND_MAX},
    {"POST", "/actions/{id}/reject", api_command, ACCESS_APPROVE, true, COMMAND_MAX},
    {"POST", "/actions/{id}/acknowledge", api_command, ACCESS_APPROVE, true, COMMAND_MAX},
    {"POST", "/actions/{id}/cancel", api_command, ACCESS_OPERATOR, true, COMMAND_MAX},
    {"GET", "/playbooks", api_playbooks, ACCESS_VIEWER, false, 0},
    {"GET", "/status", api_status, ACCESS_VIEWER, false, 0},
    {"GET", "/clusters", api_clusters, ACCESS_VIEWER, false, 0},
    {"GET", "/events", api_events, ACCESS_VIEWER, false, 0},
    {"GET", "/metrics", api_metrics, ACCESS_VIEWER, false, 0},
    {"GET", "/-/healthy", api_healthy, ACCESS_OPEN, false, 0},
    {"GET", "/-/ready", api_ready, ACCESS_OPEN, false, 0},
    {"POST", "/-/reload", api_reload, ACCESS_OPERATOR, false, 0},
    {"POST", "/-/pause", api_command, ACCESS_OPERATOR, true, COMMAND_MAX},
    {"POST", "/-/resume", api_command, ACCESS_OPERATOR, true, COMMAND_MAX},
    {"POST", "/-/reset", api_command, ACCESS_OPERATOR, true, COMMAND_MAX},
    {"GET", "/openapi.json", api_openapi, ACCESS_OPEN, false, 0},
    {"GET", "/", api_page, ACCESS_VIEWER, false, 0},
    {NULL, NULL, NULL, ACCESS_OPERATOR, false, 0},
};

int web_new(const struct web_options *options, struct web **ret, struct error *err)
{
    struct web *w = xnew0(struct web);
    w->event = sd_event_ref(options->event);
    w->engine = options->engine;
    w->max_body = options->max_body;
    w->reload = options->reload;
    w->reload_userdata = options->reload_userdata;
    w->config_file = options->config_file;
    w->external_url = options->external_url;
    w->anonymous_ok = options->allow_anonymous || listen_address_is_local(options->listen_address);
    w->peers = peers_new();
    int fd = options->passed_fd;
    int r = web_doors_start(w, err);
    if (r >= 0 && fd > 0)
        w->port = web_port_of(fd);
    else if (r >= 0)
        r = web_listen(options->listen_address, &fd, &w->unix_path, &w->port, err);
    if (r >= 0)
        r = web_loop_start(w, fd, err);
    if (r < 0) {
        web_free(w);
        return r;
    }
    *ret = w;
    return 0;
}

struct web *web_free(struct web *w)
{
    if (!w)
        return NULL;
    w->stopping = true;
    w->passwords = passwords_free(w->passwords); /* who waits for it hears that mendd is stopping */
    while (w->suspended)
        reply_stopping(w->suspended);
    api_events_stop(w);
    web_loop_stop(w);
    if (w->accepted_one)
        MHD_destroy_response(w->accepted_one);
    web_tls_unref(w->tls);
    web_tls_unref(w->next_tls);
    peers_free(w->peers);
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
