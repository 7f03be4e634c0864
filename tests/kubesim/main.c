/* Options, signals and the loop. */
#include "http.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "faults.h"

#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TICK_US (5 * USEC_PER_MSEC) /* controllers run at most this often */

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

static void usage(FILE *to)
{
    fputs("kubesim: an in-memory Kubernetes API server for tests, on 127.0.0.1\n"
          "  --port N           listen there (default 0: any free port, printed)\n"
          "  --start-delay S    seconds until a pod is Ready (default 0.5)\n"
          "  --stop-delay S     seconds until a deleted pod is gone (default 0.2)\n"
          "  --nodes N          how many nodes (default 3)\n"
          "  --token T          ask for this bearer token (default: everybody may do everything)\n"
          "  --tls-cert FILE --tls-key FILE\n"
          "  --load FILE        JSON objects to begin with (a list, or a kind: List)\n"
          "  --audit FILE       one JSON line for every mutating request\n"
          "Prints `ready http://127.0.0.1:PORT` when it listens. POST /_sim/load and /_sim/faults: see admin.c, "
          "faults.h\n",
          to);
}

enum { OPT_PORT = 256, OPT_START, OPT_STOP, OPT_NODES, OPT_TOKEN, OPT_CERT, OPT_KEY, OPT_LOAD, OPT_AUDIT, OPT_HELP };

static int64_t seconds(const char *s)
{
    return (int64_t)(strtod(s, NULL) * (double)USEC_PER_SEC);
}

static int parse_options(int argc, char **argv, struct sim_options *o)
{
    static const struct option longs[] = {{"port", 1, NULL, OPT_PORT},
                                          {"start-delay", 1, NULL, OPT_START},
                                          {"stop-delay", 1, NULL, OPT_STOP},
                                          {"nodes", 1, NULL, OPT_NODES},
                                          {"token", 1, NULL, OPT_TOKEN},
                                          {"tls-cert", 1, NULL, OPT_CERT},
                                          {"tls-key", 1, NULL, OPT_KEY},
                                          {"load", 1, NULL, OPT_LOAD},
                                          {"audit", 1, NULL, OPT_AUDIT},
                                          {"help", 0, NULL, OPT_HELP},
                                          {NULL, 0, NULL, 0}};
    *o = (struct sim_options){.start_delay_us = 500000, .stop_delay_us = 200000, .nodes = 3};
    for (int c; (c = getopt_long(argc, argv, "h", longs, NULL)) != -1;) {
        switch (c) {
        case OPT_PORT:
            o->port = (uint16_t)strtoul(optarg, NULL, 10);
            break;
        case OPT_START:
            o->start_delay_us = seconds(optarg);
            break;
        case OPT_STOP:
            o->stop_delay_us = seconds(optarg);
            break;
        case OPT_NODES:
            o->nodes = (int)strtol(optarg, NULL, 10);
            break;
        case OPT_TOKEN:
            o->token = optarg;
            break;
        case OPT_CERT:
            o->tls_cert = optarg;
            break;
        case OPT_KEY:
            o->tls_key = optarg;
            break;
        case OPT_LOAD:
            o->load_path = optarg;
            break;
        case OPT_AUDIT:
            o->audit_path = optarg;
            break;
        case OPT_HELP:
        case 'h':
            usage(stdout);
            exit(0);
        default:
            return -1;
        }
    }
    return optind == argc && !o->tls_cert == !o->tls_key ? 0 : -1;
}

static int load_file(struct sim *sim, struct error *err)
{
    _cleanup_free_ char *text = NULL;
    size_t len;
    int r = file_read(sim->options.load_path, 64u << 20, &text, &len, err);
    if (r < 0)
        return r;
    _cleanup_json_ json_t *value = json_parse(text, len, 64u << 20, false, err);
    if (!value)
        return err->code;
    _cleanup_free_ char *why = load_any(sim, value);
    return why ? error_set(err, -22, "%s: %s", sim->options.load_path, why) : 0;
}

static void run(struct sim *sim, struct http *http)
{
    struct pollfd fd = {.fd = http_epoll_fd(http), .events = POLLIN};
    int64_t last_us = 0;
    sigset_t unblocked, ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, &unblocked);
    while (!stopped) {
        int timeout_ms = http_run(http);
        sim->now = now_read();
        if (sim->now.boot_us - last_us >= TICK_US) {
            last_us = sim->now.boot_us;
            controllers_tick(sim);
        }
        /* something changed and waits for the next tick, or a pod's time comes */
        int64_t due_us = store_version(sim->store) != sim->seen_version ? last_us + TICK_US : sim->wake_us;
        if (due_us) {
            const int64_t wait_us = due_us > sim->now.boot_us ? due_us - sim->now.boot_us : 0;
            const int wait_ms = (int)((wait_us + 999) / 1000);
            if (timeout_ms < 0 || wait_ms < timeout_ms)
                timeout_ms = wait_ms;
        }
        /* signals are blocked but while waiting: none gets lost between the look at `stopped` and the wait */
        const struct timespec wait = {timeout_ms / 1000, (timeout_ms % 1000) * 1000000L};
        ppoll(&fd, 1, timeout_ms < 0 ? NULL : &wait, &unblocked);
    }
}

static int start(struct sim *sim, struct http **ret, struct error *err)
{
    sim->store = store_new();
    sim->faults = faults_new();
    sim->now = now_read();
    if (sim->options.audit_path && !(sim->audit = fopen(sim->options.audit_path, "ae")))
        return error_set(err, -1, "cannot write %s", sim->options.audit_path);
    seed_world(sim);
    int r = sim->options.load_path ? load_file(sim, err) : 0;
    if (r < 0)
        return r;
    *ret = http_new(sim, err);
    return *ret ? 0 : err->code;
}

int main(int argc, char **argv)
{
    struct sim sim = {0};
    struct http *http = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    if (parse_options(argc, argv, &sim.options) < 0) {
        usage(stderr);
        return 2;
    }
    const struct sigaction stop = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
    int r = start(&sim, &http, &err);
    if (r < 0) {
        fprintf(stderr, "kubesim: %s\n", error_message(&err));
    } else {
        printf("ready %s://127.0.0.1:%u\n", sim.options.tls_cert ? "https" : "http", http_port(http));
        fflush(stdout);
        run(&sim, http);
    }
    http_free(http);
    store_free(sim.store);
    faults_free(sim.faults);
    json_decref(sim.rbac);
    if (sim.audit)
        fclose(sim.audit);
    return r < 0 ? 1 : 0;
}
