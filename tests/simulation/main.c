/* simulation [--seeds N] [--from SEED] [--seconds MAX]: runs seeds until one violates an invariant.
 * simulation --seed SEED [-v]: runs one, with everything that happens. */
#include "simulation.h"

#include "actions/registry.h"
#include "base/alloc.h"
#include "base/text.h"
#include "checks/registry.h"
#include "config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct options {
    uint64_t from, seeds;
    int64_t seconds;
    bool one, verbose, quiet;
};

static const char usage[] = "usage: simulation [--seeds N] [--from SEED] [--seed SEED [-v]] [--seconds MAX]\n";

static uint64_t number(const char *option, const char *text)
{
    char *end = NULL;
    uint64_t n = text ? strtoull(text, &end, 10) : 0;
    if (!text || !*text || *end) {
        fprintf(stderr, "simulation: %s takes a number\n%s", option, usage);
        exit(2);
    }
    return n;
}

static struct options read_options(int argc, char **argv)
{
    struct options o = {.from = 1, .seeds = 500, .seconds = 0};
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (str_eq(argv[i], "-v")) {
            o.verbose = true;
            continue;
        }
        if (str_eq(argv[i], "--seeds")) {
            o.seeds = number(argv[i], value);
        } else if (str_eq(argv[i], "--from")) {
            o.from = number(argv[i], value);
        } else if (str_eq(argv[i], "--seconds")) {
            o.seconds = (int64_t)number(argv[i], value);
        } else if (str_eq(argv[i], "--seed")) {
            o.from = number(argv[i], value);
            o.seeds = 1;
            o.one = true;
        } else {
            fputs(usage, stderr);
            exit(2);
        }
        i++;
    }
    return o;
}

static const struct action **actions_new(void)
{
    size_t n = 0;
    while (all_actions[n])
        n++;
    const struct action **list = xcalloc(n + 2, sizeof(*list));
    memcpy(list, all_actions, n * sizeof(*list));
    list[n] = &sim_action_poke;
    return list;
}

static void tell_violation(const struct sim *s)
{
    fprintf(stderr, "seed %llu violates \"%s\": %s\n  %s\n  replay: build/bin/simulation --seed %llu -v\n",
            (unsigned long long)s->seed, s->invariant, s->violation, invariant_sentence(s->invariant),
            (unsigned long long)s->seed);
}

static void tell_json(const json_t *value)
{
    char *text = json_dumps(value, JSON_INDENT(1));
    printf("%s\n", text);
    free(text);
}

/* The journal's last word on the runs that the violation names, and what mendd would show as its status. */
static void tell_records(const struct sim *s)
{
    json_t *status = s->process.up ? core_status_new(s->process.core, s->now) : NULL;
    if (status)
        tell_json(status);
    json_decref(status);
    for (const struct jrun *run = s->journal.runs; run; run = run->hh.next) {
        if (!run->doc || !strstr(s->violation, run->id))
            continue;
        tell_json(run->doc);
    }
}

static void tell_counts(const struct counts *c, double seconds)
{
    printf(
        "%lld seeds, %lld virtual hours in %.1f s: %lld alerts, %lld effects sent (%lld again, %lld faults), %lld "
        "applied, %lld posts, %lld notices, %lld commands, %lld crashes, %lld stalls, %lld clock jumps, %lld reloads;",
        (long long)c->seeds, (long long)(c->virtual_us / HOUR_US), seconds, (long long)c->alerts, (long long)c->effects,
        (long long)c->sent_again, (long long)c->faults, (long long)c->applied, (long long)c->posts,
        (long long)c->notices, (long long)c->commands, (long long)c->crashes, (long long)c->stalls, (long long)c->jumps,
        (long long)c->reloads);
    for (int i = 1; i < REASON_COUNT; i++)
        if (c->reasons[i] > 0)
            printf(" %s %lld", reason_name((enum reason)i), (long long)c->reasons[i]);
    putchar('\n');
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Only the length of the whole is measured by a clock; no seed sees it. */
int main(int argc, char **argv)
{
    const struct options o = read_options(argc, argv);
    const double began = now_s();
    const bool tty = isatty(STDERR_FILENO) && !o.verbose;
    struct counts counts = {0};
    _cleanup_(faults_clear) struct faults faults = {0};
    struct config *config = NULL;
    const struct action **actions = actions_new();
    bool ok = true;
    if (config_load(NULL, &config, &faults) < 0) {
        fprintf(stderr, "simulation: no configuration: %s\n", faults.n ? faults.texts[0] : "");
        return 2;
    }
    for (uint64_t i = 0; ok && i < o.seeds && (o.seconds == 0 || now_s() - began < (double)o.seconds); i++) {
        struct sim *s = xnew0(struct sim);
        *s = (struct sim){.seed = o.from + i, .verbose = o.verbose, .config = config, .counts = &counts};
        s->registry = (struct registry){actions, all_checks};
        if (tty && i % 10 == 0)
            fprintf(stderr, "\r%llu of %llu seeds", (unsigned long long)i, (unsigned long long)o.seeds);
        ok = simulate(s);
        if (tty && (!ok || i + 1 == o.seeds))
            fputs("\r\033[K", stderr);
        if (!ok)
            tell_violation(s);
        if (!ok && o.verbose)
            tell_records(s);
        sim_clear(s);
        free(s);
    }
    tell_counts(&counts, now_s() - began);
    free(actions);
    config_free(config);
    return ok ? 0 : 1;
}
