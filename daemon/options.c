#include "options.h"

#include "base/alloc.h"
#include "base/text.h"
#include "config/config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_CONFIG "/etc/mendd/mendd.yaml"
#define DEFAULT_PLAYBOOKS "/etc/mendd/playbooks"
#define DEFAULT_STORAGE "/var/lib/mendd"
#define DEFAULT_LISTEN "127.0.0.1:9490"
enum { DEFAULT_MAX_BODY = 8 << 20, LEAST_MAX_BODY = 1024, MOST_MAX_BODY = 256 << 20 };

enum {
    OPT_CONFIG = 256,
    OPT_PLAYBOOKS,
    OPT_LISTEN,
    OPT_WEB_CONFIG,
    OPT_MAX_BODY,
    OPT_ANONYMOUS,
    OPT_EXTERNAL_URL,
    OPT_STORAGE,
    OPT_LEVEL,
    OPT_FORMAT,
    OPT_DRY_RUN,
    OPT_FEATURE,
    OPT_VERSION
};

static const struct option long_options[] = {
    {"config.file", required_argument, NULL, OPT_CONFIG},
    {"playbooks", required_argument, NULL, OPT_PLAYBOOKS},
    {"web.listen-address", required_argument, NULL, OPT_LISTEN},
    {"web.config.file", required_argument, NULL, OPT_WEB_CONFIG},
    {"web.max-body", required_argument, NULL, OPT_MAX_BODY},
    {"web.external-url", required_argument, NULL, OPT_EXTERNAL_URL},
    {"web.allow-anonymous", no_argument, NULL, OPT_ANONYMOUS},
    {"storage.path", required_argument, NULL, OPT_STORAGE},
    {"log.level", required_argument, NULL, OPT_LEVEL},
    {"log.format", required_argument, NULL, OPT_FORMAT},
    {"dry-run", no_argument, NULL, OPT_DRY_RUN},
    {"enable-feature", required_argument, NULL, OPT_FEATURE},
    {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static const char help[] =
    "mendd " MENDD_VERSION ": turns Alertmanager's alerts into proven repairs.\n"
    "\n"
    "Usage: mendd [flags]\n"
    "\n"
    "      --config.file=FILE          configuration (default " DEFAULT_CONFIG " if it is there)\n"
    "      --playbooks=DIR|FILE        playbooks; may be given several times (default " DEFAULT_PLAYBOOKS
    " if it is there)\n"
    "      --storage.path=DIR          the journal (default $STATE_DIRECTORY, else " DEFAULT_STORAGE ")\n"
    "      --web.listen-address=ADDR   host:port, [v6]:port or unix:PATH (default " DEFAULT_LISTEN ")\n"
    "      --web.config.file=FILE      TLS, client certificates, users; exporter-toolkit's format\n"
    "      --web.allow-anonymous       let others reach it without a login (default: refuse to start)\n"
    "      --web.external-url=URL      where people reach mendd, for the links in notices\n"
    "      --web.max-body=SIZE         largest webhook: bytes, or with KiB, MiB (default 8MiB)\n"
    "      --dry-run                   decide and plan everything, change nothing\n"
    "      --enable-feature=command    playbooks may run programs on this host (command.run)\n"
    "      --log.level=LEVEL           debug, info, warn, error (default info)\n"
    "      --log.format=FORMAT         auto, logfmt, json, journal (default auto)\n"
    "      --version                   print the version\n"
    "  -h, --help                      this text\n"
    "\n"
    "Exit codes: 0 stopped by a signal, 1 could not start or failed, 2 wrong usage, or faults in configuration or "
    "playbooks.\n";

static _printf_(1, 2) int usage(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fputs("mendd: ", stderr);
    vfprintf(stderr, fmt, args);
    fputs(" (see mendd --help)\n", stderr);
    va_end(args);
    return -EINVAL;
}

static int size_parse(const char *s, size_t *ret)
{
    char *end;
    errno = 0;
    unsigned long long n = strtoull(s, &end, 10);
    const unsigned shift = str_eq(end, "MiB") ? 20 : str_eq(end, "KiB") ? 10 : 0;
    if (errno || end == s || *s == '-' || (*end && !shift) || n > MOST_MAX_BODY)
        return -EINVAL;
    n <<= shift;
    if (n < LEAST_MAX_BODY || n > MOST_MAX_BODY)
        return -EINVAL;
    *ret = (size_t)n;
    return 0;
}

static void add_playbooks(struct options *o, const char *path)
{
    size_t n = 0;
    while (o->playbooks && o->playbooks[n])
        n++;
    o->playbooks = xreallocarray(o->playbooks, n + 2, sizeof(*o->playbooks));
    o->playbooks[n] = path;
    o->playbooks[n + 1] = NULL;
}

static int set_option(struct options *o, int option, const char *value)
{
    switch (option) {
    case OPT_CONFIG:
        o->config_file = value;
        return 1;
    case OPT_PLAYBOOKS:
        add_playbooks(o, value);
        return 1;
    case OPT_LISTEN:
        o->listen_address = value;
        return 1;
    case OPT_MAX_BODY:
        return size_parse(value, &o->max_body) < 0
                   ? usage("--web.max-body: '%s' is not a size from 1KiB to 256MiB", value)
                   : 1;
    case OPT_EXTERNAL_URL: {
        const char *why;
        if (!url_ok(value, &why))
            return usage("--web.external-url: '%s' cannot be used: %s", value, why);
        o->external_url = value;
        return 1;
    }
    case OPT_ANONYMOUS:
        o->allow_anonymous = true;
        return 1;
    case OPT_STORAGE:
        o->storage_path = value;
        return 1;
    case OPT_LEVEL:
        return log_level_parse(value, &o->log_level) < 0
                   ? usage("--log.level: '%s' is none of debug, info, warn, error", value)
                   : 1;
    case OPT_FORMAT:
        return log_format_parse(value, &o->log_format) < 0
                   ? usage("--log.format: '%s' is none of auto, logfmt, json, journal", value)
                   : 1;
    case OPT_DRY_RUN:
        o->dry_run = true;
        return 1;
    case OPT_WEB_CONFIG:
        o->web_config_file = value;
        return 1;
    case OPT_FEATURE:
        if (!feature_exists(value))
            return usage("--enable-feature: there is no feature '%s' (command)", value);
        o->feature_command = true;
        return 1;
    case OPT_VERSION:
        puts("mendd " MENDD_VERSION);
        return 0;
    case 'h':
        fputs(help, stdout);
        return 0;
    default:
        return usage("wrong usage");
    }
}

/* $STATE_DIRECTORY is systemd's StateDirectory=; a list of several does not say which is meant. */
static const char *default_storage(void)
{
    const char *dir = getenv("STATE_DIRECTORY");
    return dir && *dir && !strchr(dir, ':') ? dir : DEFAULT_STORAGE;
}

int options_parse(int argc, char *argv[], struct options *ret)
{
    *ret = (struct options){.listen_address = DEFAULT_LISTEN,
                            .storage_path = default_storage(),
                            .max_body = DEFAULT_MAX_BODY,
                            .log_level = LOG_LEVEL_INFO,
                            .log_format = LOG_FORMAT_AUTO};
    int option, r = 1;
    while (r > 0 && (option = getopt_long(argc, argv, "h", long_options, NULL)) != -1)
        r = set_option(ret, option, optarg);
    if (r > 0 && optind < argc)
        r = usage("unexpected argument '%s'", argv[optind]);
    if (r <= 0)
        return r;
    if (!ret->config_file && access(DEFAULT_CONFIG, F_OK) == 0)
        ret->config_file = DEFAULT_CONFIG;
    if (!ret->playbooks && access(DEFAULT_PLAYBOOKS, F_OK) == 0)
        add_playbooks(ret, DEFAULT_PLAYBOOKS);
    return 1;
}

void options_clear(struct options *o)
{
    free(o->playbooks);
    free(o->passed_address);
    o->playbooks = NULL;
    o->passed_address = NULL;
}

/* Only a literal address: "127.example.org" is whatever its owner says. */
static bool is_loopback_v4(const char *address)
{
    char host[INET_ADDRSTRLEN];
    struct in_addr in;
    const size_t len = strcspn(address, ":");
    if (len >= sizeof(host))
        return false;
    memcpy(host, address, len);
    host[len] = '\0';
    return inet_pton(AF_INET, host, &in) == 1 && ntohl(in.s_addr) >> 24 == 127;
}

bool listen_address_is_local(const char *address)
{
    return str_starts(address, "unix:") || is_loopback_v4(address) || str_starts(address, "localhost:") ||
           str_starts(address, "[::1]:");
}
