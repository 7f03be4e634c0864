/* mendctl fire: posts a test alert, to mendd's webhook or through Alertmanager. */
#include "cli.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"

#include <getopt.h>
#include <string.h>

enum { OPT_ALERTMANAGER = 256, OPT_RESOLVED, OPT_ANNOTATION };

static const struct option options[] = {
    {"alertmanager", required_argument, NULL, OPT_ALERTMANAGER},
    {"resolved", no_argument, NULL, OPT_RESOLVED},
    {"annotation", required_argument, NULL, OPT_ANNOTATION},
    {0},
};

static bool add_pair(json_t *object, const char *pair)
{
    const char *equals = strchr(pair, '=');
    if (!equals || equals == pair)
        return false;
    _cleanup_free_ char *name = xstrndup(pair, (size_t)(equals - pair));
    json_set_text(object, name, equals + 1);
    return true;
}

static json_t *alert_new(json_t *labels, json_t *annotations, bool resolved, bool webhook)
{
    char now[TIME_TEXT_MAX];
    time_format(now_read().wall_us, now);
    json_t *alert = json_pack("{s:O, s:O, s:s}", "labels", labels, "annotations", annotations, "startsAt", now);
    if (resolved)
        json_set_text(alert, "endsAt", now);
    if (webhook)
        json_set_text(alert, "status", resolved ? "resolved" : "firing");
    return alert;
}

static int send(struct cli *cli, const char *alertmanager, json_t *alert_taken, bool resolved)
{
    _cleanup_json_ json_t *alert = alert_taken, *body = NULL, *answer = NULL;
    int r;
    if (alertmanager) {
        _cleanup_free_ char *url = xasprintf("%s/api/v2/alerts", alertmanager);
        body = json_pack("[O]", alert);
        r = client_request_url(cli, "POST", url, body, NULL);
    } else {
        body = json_pack("{s:s, s:s, s:s, s:[O]}", "version", "4", "status", resolved ? "resolved" : "firing",
                         "receiver", "mendctl", "alerts", alert);
        r = client_request(cli, "POST", "/webhook", body, &answer);
    }
    if (r == EXIT_OK && !print_structured(cli, alert))
        printf("%s %s sent to %s\n", resolved ? "resolved" : "firing",
               json_path_text(alert, "labels", "alertname", NULL),
               alertmanager ? alertmanager : "mendd; see mendctl actions");
    return r;
}

static int run(struct cli *cli, int argc, char *argv[])
{
    _cleanup_json_ json_t *labels = json_object(), *annotations = json_object();
    const char *alertmanager = NULL;
    bool resolved = false;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == OPT_ALERTMANAGER)
            alertmanager = optarg;
        else if (option == OPT_RESOLVED)
            resolved = true;
        else if (option != OPT_ANNOTATION)
            return cli_usage(&verb_fire, "wrong flag");
        else if (!add_pair(annotations, optarg))
            return cli_usage(&verb_fire, "--annotation '%s' is not name=value", optarg);
    }
    if (optind >= argc || strchr(argv[optind], '='))
        return cli_usage(&verb_fire, "the alert's name is missing");
    json_set_text(labels, "alertname", argv[optind++]);
    for (; optind < argc; optind++)
        if (!add_pair(labels, argv[optind]))
            return cli_usage(&verb_fire, "'%s' is not label=value", argv[optind]);
    return send(cli, alertmanager, alert_new(labels, annotations, resolved, !alertmanager), resolved);
}

const struct verb verb_fire = {
    .name = "fire",
    .synopsis = "fire NAME [label=value…] [--annotation name=value] [--resolved] [--alertmanager URL]",
    .summary = "post a test alert to mendd, or to Alertmanager with --alertmanager",
    .run = run,
};
