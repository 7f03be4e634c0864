/* mendd: holds the options, the signals, systemd's notifications and the wiring; everything else is in lib/ and beside
 * this file.
 *
 * Order at the start: signals are blocked before any thread exists, the file limit is raised, the configuration is
 * loaded, the journal opened, unfinished runs resumed, then the door opens and READY=1 is said. At the end the reverse:
 * the door closes first. */
#include "actions/registry.h"
#include "activation.h"
#include "base/alloc.h"
#include "base/log.h"
#include "checks/registry.h"
#include "engine/engine.h"
#include "options.h"
#include "watchdog.h"
#include "web.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

struct daemon {
    sd_event *event;
    struct engine *engine;
    struct web *web;
    bool misconfigured; /* why it could not start: trying again brings nothing */
};

enum { EXIT_STOPPED = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 }; /* the unit's RestartPreventExitStatus= knows them */

static const struct registry registry = {.actions = all_actions, .checks = all_checks};

static void report(const struct faults *faults)
{
    for (size_t i = 0; i < faults->n_warnings; i++)
        log_event(LOG_LEVEL_WARN, faults->warnings[i], NULL);
    for (size_t i = 0; i < faults->n; i++)
        log_event(LOG_LEVEL_ERROR, faults->texts[i], NULL);
}

static void notify_ready(struct engine *e)
{
    sd_notifyf(0, "READY=1\nSTATUS=%zu playbooks, %zu clusters", engine_playbooks(e)->n, engine_config(e)->n_clusters);
}

/* The door has a say in what is loaded. At the start it is not there yet, and decides for itself when it opens. */
static int vet(const struct config *config, struct faults *faults, void *userdata)
{
    const struct daemon *d = userdata;
    return d->web ? web_vet(d->web, config, faults) : 0;
}

/* Also POST /-/reload's work: validated whole, swapped at once, the old one kept on error. */
static int reload(void *userdata, struct faults *faults, struct error *err)
{
    struct daemon *d = userdata;
    struct engine *e = d->engine;
    const int64_t boot_us = now_read().boot_us;
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, boot_us);
    int r = engine_reload(e, faults, err);
    web_vetted(d->web, r >= 0);
    report(faults);
    if (r < 0)
        log_event(LOG_LEVEL_ERROR, "reload failed; the old configuration stays", "error", error_message(err), NULL);
    else
        log_event(LOG_LEVEL_INFO, "configuration and playbooks reloaded", NULL);
    notify_ready(e);
    return r;
}

static int on_hangup(sd_event_source *source _unused_, const struct signalfd_siginfo *si _unused_, void *userdata)
{
    struct daemon *d = userdata;
    struct faults faults = {0};
    _cleanup_error_ struct error err = ERROR_NONE;
    reload(d, &faults, &err);
    faults_clear(&faults);
    return 0;
}

static int on_stop(sd_event_source *source _unused_, const struct signalfd_siginfo *si, void *userdata)
{
    struct daemon *d = userdata;
    sd_notify(0, "STOPPING=1\nSTATUS=bringing the journal to rest");
    log_event(LOG_LEVEL_INFO, "stopping; unfinished runs go on at the next start", "signal",
              si->ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT", NULL);
    return sd_event_exit(d->event, 0);
}

/* Before any thread: threads inherit the mask, and signals must reach the loop alone. */
static void block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD); /* children are watched through the loop */
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        log_event(LOG_LEVEL_WARN, "cannot raise the limit of open files", "error", strerror(errno), NULL);
}

static int add_signals(struct daemon *d)
{
    int r = sd_event_add_signal(d->event, NULL, SIGTERM, on_stop, d);
    if (r >= 0)
        r = sd_event_add_signal(d->event, NULL, SIGINT, on_stop, d);
    if (r >= 0)
        r = sd_event_add_signal(d->event, NULL, SIGHUP, on_hangup, d);
    return r < 0 ? r : 0;
}

static int start_engine(struct daemon *d, const struct options *o, struct error *err)
{
    const struct engine_options options = {.event = d->event,
                                           .config_file = o->config_file,
                                           .playbooks = o->playbooks,
                                           .storage_path = o->storage_path,
                                           .max_body = o->max_body,
                                           .external_url = o->external_url,
                                           .dry_run = o->dry_run,
                                           .feature_command = o->feature_command,
                                           .registry = &registry,
                                           .vet = vet,
                                           .vet_userdata = d};
    struct faults faults = {0};
    int r = engine_new(&options, &d->engine, &faults, err);
    report(&faults);
    d->misconfigured = r < 0 && faults.n > 0;
    faults_clear(&faults);
    return r;
}

static int start(struct daemon *d, const struct options *o, struct error *err)
{
    int r = sd_event_new(&d->event);
    if (r >= 0)
        r = add_signals(d);
    if (r < 0)
        return error_set(err, r, "cannot start the event loop: %s", strerror(-r));
    r = start_engine(d, o, err);
    if (r >= 0)
        r = watchdog_start(d->event, engine_store(d->engine), err);
    if (r < 0)
        return r;
    const struct web_options web = {.event = d->event,
                                    .engine = d->engine,
                                    .listen_address = o->listen_address,
                                    .passed_fd = o->passed_fd,
                                    .max_body = o->max_body,
                                    .config_file = o->web_config_file,
                                    .external_url = o->external_url,
                                    .allow_anonymous = o->allow_anonymous,
                                    .reload = reload,
                                    .reload_userdata = d};
    r = web_new(&web, &d->web, err);
    d->misconfigured = r == -EINVAL || r == -EACCES; /* no such address, faults in --web.config.file, no login */
    return r;
}

/* What systemd listens on already wins over --web.listen-address. */
static int take_socket(struct options *o)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    const int r = activation_take(&o->passed_fd, &o->passed_address, &err);
    if (r < 0)
        fprintf(stderr, "mendd: %s\n", error_message(&err));
    if (r <= 0)
        return r;
    log_event(LOG_LEVEL_INFO, "taking the socket that was passed, instead of --web.listen-address", "listen",
              o->passed_address, NULL);
    o->listen_address = o->passed_address;
    return 0;
}

static int run(const struct options *o)
{
    struct daemon d = {0};
    _cleanup_error_ struct error err = ERROR_NONE;
    int r = start(&d, o, &err);
    if (r >= 0) {
        log_event(LOG_LEVEL_INFO, "mendd is ready", "version", MENDD_VERSION, "listen", o->listen_address, "storage",
                  o->storage_path, "dry_run", o->dry_run ? "true" : NULL, NULL);
        if (!o->playbooks)
            log_event(LOG_LEVEL_WARN,
                      "no playbooks are loaded (--playbooks): every alert will be escalated as no_playbook", NULL);
        notify_ready(d.engine);
        r = sd_event_loop(d.event);
        if (r < 0)
            error_set(&err, r, "the event loop failed: %s", strerror(-r));
    }
    if (r < 0)
        log_event(LOG_LEVEL_ERROR, "mendd cannot go on", "error", error_message(&err), NULL);
    web_free(d.web);
    engine_free(d.engine);
    sd_event_unref(d.event);
    return r >= 0 ? EXIT_STOPPED : d.misconfigured ? EXIT_USAGE : EXIT_FAILED;
}

int main(int argc, char *argv[])
{
    struct options o;
    int r = options_parse(argc, argv, &o);
    if (r > 0) {
        log_open(o.log_level, o.log_format);
        block_signals();
        raise_file_limit();
        json_object_seed(0);
        r = take_socket(&o);
        if (r >= 0)
            r = run(&o);
    } else {
        r = r < 0 ? EXIT_USAGE : EXIT_STOPPED;
    }
    options_clear(&o);
    return r < 0 ? EXIT_USAGE : r;
}
