/* mendctl: global flags, then a verb. Each verb is a file of its own. */
#include "cli.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/text.h"
#include "config/config.h"
#include "decide.h"

#include <curl/curl.h>
#include <getopt.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

static const struct verb *const verbs[] = {
    &verb_check, &verb_plan,   &verb_rbac,  &verb_test,   &verb_replay,   &verb_fire,      &verb_actions, &verb_cancel,
    &verb_pause, &verb_resume, &verb_reset, &verb_status, &verb_clusters, &verb_playbooks, &verb_schema,  &verb_yaml};

enum {
    OPT_URL = 256,
    OPT_TOKEN,
    OPT_USER,
    OPT_PASSWORD,
    OPT_CA,
    OPT_CERT,
    OPT_KEY,
    OPT_CONFIG,
    OPT_PLAYBOOKS,
    OPT_FEATURE,
    OPT_VERSION
};

static const struct option global_options[] = {
    {"url", required_argument, NULL, OPT_URL},
    {"token-file", required_argument, NULL, OPT_TOKEN},
    {"user", required_argument, NULL, OPT_USER},
    {"password-file", required_argument, NULL, OPT_PASSWORD},
    {"ca-file", required_argument, NULL, OPT_CA},
    {"cert-file", required_argument, NULL, OPT_CERT},
    {"key-file", required_argument, NULL, OPT_KEY},
    {"config.file", required_argument, NULL, OPT_CONFIG},
    {"playbooks", required_argument, NULL, OPT_PLAYBOOKS},
    {"enable-feature", required_argument, NULL, OPT_FEATURE},
    {"output", required_argument, NULL, 'o'},
    {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static void print_help(FILE *f)
{
    fputs("mendctl " MENDD_VERSION
          ": looks at mendd, answers it, checks and tries playbooks.\n\nUsage: mendctl [flags] VERB [arguments]\n\n",
          f);
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
        if (!verbs[i]->hidden)
            fprintf(f, "  %-10s %s\n", verbs[i]->name, verbs[i]->summary);
    fputs("\n"
          "      --url=URL            mendd's address (MENDCTL_URL; default http://127.0.0.1:9490; unix:PATH too)\n"
          "      --token-file=FILE    bearer token for mendd\n"
          "      --user=NAME          user for mendd, with\n"
          "      --password-file=FILE  the password\n"
          "      --ca-file=FILE       https: who signs mendd's certificate (default: whom the system trusts)\n"
          "      --cert-file=FILE     https: client certificate, with\n"
          "      --key-file=FILE      its key\n"
          "      --config.file=FILE   mendd's configuration, for the verbs that need no daemon\n"
          "      --playbooks=PATH     playbooks, for the verbs that need no daemon; may be given several times\n"
          "      --enable-feature=command   playbooks may hold command.run, as in a mendd with that flag\n"
          "  -o, --output=FORMAT      table, wide, json, yaml (default: table on a terminal, json in a pipe)\n"
          "      --version            print the version\n"
          "  -h, --help               this text; mendctl VERB --help for a verb's\n"
          "\n"
          "Exit codes: 0 ok, 1 the answer is no, 2 wrong usage, 3 the daemon cannot be reached.\n",
          f);
}

int cli_usage(const struct verb *v, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fputs("mendctl: ", stderr);
    vfprintf(stderr, fmt, args);
    fprintf(stderr, "\nUsage: mendctl %s\n", v->synopsis);
    va_end(args);
    return EXIT_USAGE;
}

static const struct verb *find_verb(const char *name)
{
    const char *names[ARRAY_SIZE(verbs) + 1] = {0};
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
        names[i] = verbs[i]->name;
        if (str_eq(name, verbs[i]->name))
            return verbs[i];
    }
    const char *near = did_you_mean(name, names);
    fprintf(stderr, "mendctl: there is no verb '%s'%s%s%s (see mendctl --help)\n", name, near ? " (did you mean " : "",
            near ? near : "", near ? "?)" : "");
    return NULL;
}

static bool set_output(struct cli *cli, const char *s)
{
    static const char *const names[] = {"table", "wide", "json", "yaml"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (str_eq(s, names[i])) {
            cli->output = (enum output)i;
            cli->output_given = true;
            return true;
        }
    fprintf(stderr, "mendctl: -o %s: none of table, wide, json, yaml\n", s);
    return false;
}

static void add_playbooks(struct cli *cli, const char *path)
{
    size_t n = 0;
    while (cli->playbooks && cli->playbooks[n])
        n++;
    cli->playbooks = xreallocarray(cli->playbooks, n + 2, sizeof(*cli->playbooks));
    cli->playbooks[n] = path;
    cli->playbooks[n + 1] = NULL;
}

/* -1: go on; else the exit code. */
static int set_option(struct cli *cli, int option)
{
    switch (option) {
    case OPT_URL:
        cli->url = optarg;
        cli->url_given = true;
        return -1;
    case OPT_TOKEN:
        cli->token_file = optarg;
        return -1;
    case OPT_USER:
        cli->user = optarg;
        return -1;
    case OPT_PASSWORD:
        cli->password_file = optarg;
        return -1;
    case OPT_CA:
        cli->ca_file = optarg;
        return -1;
    case OPT_CERT:
        cli->cert_file = optarg;
        return -1;
    case OPT_KEY:
        cli->key_file = optarg;
        return -1;
    case OPT_CONFIG:
        cli->config_file = optarg;
        return -1;
    case OPT_PLAYBOOKS:
        add_playbooks(cli, optarg);
        return -1;
    case OPT_FEATURE:
        if (!feature_exists(optarg)) {
            fprintf(stderr, "mendctl: --enable-feature=%s: there is no such feature (command)\n", optarg);
            return EXIT_USAGE;
        }
        cli_feature_command = true;
        return -1;
    case 'o':
        return set_output(cli, optarg) ? -1 : EXIT_USAGE;
    case OPT_VERSION:
        puts("mendctl " MENDD_VERSION);
        return EXIT_OK;
    case 'h':
        print_help(stdout);
        return EXIT_OK;
    default:
        return EXIT_USAGE;
    }
}

/* "mendctl help", "mendctl help VERB": what people type. */
static int run_help(int argc, char *argv[])
{
    const struct verb *v = argc > 1 ? find_verb(argv[1]) : NULL;
    if (argc < 2)
        print_help(stdout);
    else if (v)
        printf("%s\n\nUsage: mendctl %s\n", v->summary, v->synopsis);
    return argc < 2 || v ? EXIT_OK : EXIT_USAGE;
}

static int run_verb(struct cli *cli, int argc, char *argv[])
{
    if (str_eq(argv[0], "help"))
        return run_help(argc, argv);
    const struct verb *v = find_verb(argv[0]);
    if (!v)
        return EXIT_USAGE;
    for (int i = 1; i < argc; i++)
        if (str_eq(argv[i], "--help") || str_eq(argv[i], "-h")) {
            printf("%s\n\nUsage: mendctl %s\n", v->summary, v->synopsis);
            return EXIT_OK;
        }
    optind = 0; /* the verb reads its own flags from the start */
    return v->run(cli, argc, argv);
}

/* Global flags may stand after the verb too, where people put them: they are moved in front of it; the verb sees the
 * rest. */
static int parse_globals(struct cli *cli, int argc, char *argv[], char **rest, int *ret_n)
{
    int n = 0;
    for (int i = 1; i < argc; i++) {
        static const char *const with_value[] = {"--url",       "--token-file", "--user",     "--password-file",
                                                 "--ca-file",   "--cert-file",  "--key-file", "--config.file",
                                                 "--playbooks", "--output",     "-o",         NULL};
        char *equals = strchr(argv[i], '=');
        _cleanup_free_ char *name = xstrndup(argv[i], equals ? (size_t)(equals - argv[i]) : strlen(argv[i]));
        const bool global = str_in(name, with_value), early = n == 0 && argv[i][0] == '-';
        if (!global && !early) {
            rest[n++] = argv[i];
            continue;
        }
        char *one[] = {argv[0], argv[i], global && !equals && i + 1 < argc ? argv[++i] : NULL, NULL};
        optind = 0;
        const int option = getopt_long(one[2] ? 3 : 2, one, "+o:h", global_options, NULL);
        const int r = set_option(cli, option);
        if (r >= 0)
            return r;
    }
    *ret_n = n;
    const char *half = !cli->user != !cli->password_file   ? "--user and --password-file belong together"
                       : !cli->cert_file != !cli->key_file ? "--cert-file and --key-file belong together"
                       : cli->user && cli->token_file      ? "either --user or --token-file"
                                                           : NULL;
    if (half)
        fprintf(stderr, "mendctl: %s\n", half);
    return half ? EXIT_USAGE : -1;
}

int main(int argc, char *argv[])
{
    const char *url = getenv("MENDCTL_URL");
    struct cli cli = {.url = url && *url ? url : "http://127.0.0.1:9490",
                      .output = isatty(STDOUT_FILENO) ? OUTPUT_TABLE : OUTPUT_JSON};
    _cleanup_free_ char **rest = xcalloc((size_t)argc + 1, sizeof(char *));
    int n = 0;
    log_open(LOG_LEVEL_WARN, LOG_FORMAT_LOGFMT);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    int r = parse_globals(&cli, argc, argv, rest, &n);
    if (r < 0 && n == 0) {
        print_help(stderr);
        r = EXIT_USAGE;
    }
    if (r < 0)
        r = run_verb(&cli, n, rest);
    free(cli.playbooks);
    curl_global_cleanup();
    return r;
}
