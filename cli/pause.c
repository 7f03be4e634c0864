/* mendctl pause, resume: the big red button, for everything or for one cluster, namespace or playbook. */
#include "cli.h"

#include "base/text.h"

#include <getopt.h>

enum { OPT_FOR = 256, OPT_REASON, OPT_CLUSTER, OPT_NAMESPACE, OPT_PLAYBOOK };

static const struct option options[] = {
    {"for", required_argument, NULL, OPT_FOR},           {"reason", required_argument, NULL, OPT_REASON},
    {"cluster", required_argument, NULL, OPT_CLUSTER},   {"namespace", required_argument, NULL, OPT_NAMESPACE},
    {"playbook", required_argument, NULL, OPT_PLAYBOOK}, {0},
};

static int parse(const struct verb *v, int argc, char *argv[], json_t *body)
{
    json_t *scope = json_object();
    int option;
    json_object_set_new(body, "scope", scope);
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option < OPT_FOR)
            return cli_usage(v, "wrong flag");
        if (option <= OPT_REASON && v == &verb_resume)
            return cli_usage(v, "--%s belongs to pause", options[option - OPT_FOR].name);
        if (str_empty(optarg))
            return cli_usage(v, "--%s is empty", options[option - OPT_FOR].name);
        json_set_text(option <= OPT_REASON ? body : scope, options[option - OPT_FOR].name, optarg);
    }
    return optind < argc ? cli_usage(v, "unexpected argument '%s'", argv[optind]) : EXIT_OK;
}

static int run(struct cli *cli, const struct verb *v, const char *path, int argc, char *argv[])
{
    _cleanup_json_ json_t *body = json_object();
    int r = parse(v, argc, argv, body);
    return r == EXIT_OK ? command_send(cli, path, TAKE_PTR(body)) : r;
}

static int run_pause(struct cli *cli, int argc, char *argv[])
{
    return run(cli, &verb_pause, "/-/pause", argc, argv);
}

static int run_resume(struct cli *cli, int argc, char *argv[])
{
    return run(cli, &verb_resume, "/-/resume", argc, argv);
}

const struct verb verb_pause = {
    .name = "pause",
    .synopsis = "pause [--for 1h] [--reason WORDS] [--cluster C] [--namespace N] [--playbook P]",
    .summary = "no new effect from now on, rollback included; everything, or what the flags name",
    .run = run_pause,
};

const struct verb verb_resume = {
    .name = "resume",
    .synopsis = "resume [--cluster C] [--namespace N] [--playbook P]",
    .summary = "end the pause of exactly this scope (mendctl status lists what is paused)",
    .run = run_resume,
};
