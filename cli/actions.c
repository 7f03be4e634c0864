/* mendctl actions: the history, one record, and what happens as it happens. */
#include "cli.h"

#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/text.h"

#include <getopt.h>
#include <string.h>

enum { OPT_STATE = 256, OPT_OUTCOME, OPT_PLAYBOOK, OPT_TARGET, OPT_SINCE, OPT_UNTIL, OPT_LIMIT };

static const struct option filters[] = {
    {"state", required_argument, NULL, OPT_STATE},       {"outcome", required_argument, NULL, OPT_OUTCOME},
    {"playbook", required_argument, NULL, OPT_PLAYBOOK}, {"target", required_argument, NULL, OPT_TARGET},
    {"since", required_argument, NULL, OPT_SINCE},       {"until", required_argument, NULL, OPT_UNTIL},
    {"limit", required_argument, NULL, OPT_LIMIT},       {0},
};

/* ---- list ---- */

static void add_row(struct table *t, const json_t *record)
{
    char age[40];
    const json_t *alert = json_object_get(record, "alert");
    _cleanup_free_ char *target = print_target_new(record);
    const char *id = json_text_or(record, "id", "?");
    const char *held = json_path_text(record, "held", "reason", NULL);
    if (str_eq(json_text(record, "state"), "awaiting_approval")) /* and what holds it meanwhile is no matter */
        held = "awaiting_approval";
    const char *cells[] = {id,
                           print_age(json_text(record, "created"), age),
                           json_path_text(alert, "labels", "alertname", NULL),
                           target,
                           json_text(record, "playbook"),
                           json_text(record, "state"),
                           json_text(record, "outcome"),
                           held ? held : json_text(record, "reason"),
                           json_text(record, "message")};
    table_row(t, cells);
}

static void print_list(const json_t *records, bool wide)
{
    static const char *const columns[] = {"ID",    "AGE",     "ALERT",  "TARGET", "PLAYBOOK",
                                          "STATE", "OUTCOME", "REASON", "MESSAGE"};
    struct table *t = table_new(columns, wide ? 9 : 8);
    size_t i;
    json_t *record;
    json_array_foreach (records, i, record)
        add_row(t, record);
    table_print(t, stdout);
}

static void add_query(struct strbuf *path, const char *key, const char *value)
{
    strbuf_putc(path, strchr(strbuf_str(path), '?') ? '&' : '?');
    strbuf_printf(path, "%s=", key);
    url_encode(path, value);
}

static int list(struct cli *cli, int argc, char *argv[])
{
    _cleanup_strbuf_ struct strbuf path = STRBUF_INIT;
    strbuf_puts(&path, "/actions");
    int option;
    optind = 0;
    while ((option = getopt_long(argc, argv, "", filters, NULL)) != -1) {
        if (option < OPT_STATE)
            return cli_usage(&verb_actions, "wrong flag");
        add_query(&path, filters[option - OPT_STATE].name, optarg);
    }
    if (optind < argc)
        return cli_usage(&verb_actions, "unexpected argument '%s'", argv[optind]);
    _cleanup_json_ json_t *answer = NULL;
    int r = client_request(cli, "GET", strbuf_str(&path), NULL, &answer);
    if (r != EXIT_OK || print_structured(cli, answer))
        return r;
    print_list(json_object_get(answer, "actions"), cli->output == OUTPUT_WIDE);
    return EXIT_OK;
}

/* ---- show ---- */

/* People paste the first characters of an id: the newest records are searched for the one that begins so. */
int actions_find_id(struct cli *cli, const char *prefix, char **ret)
{
    *ret = xstrdup(prefix);
    if (strlen(prefix) >= 26)
        return EXIT_OK;
    _cleanup_json_ json_t *answer = NULL;
    int r = client_request(cli, "GET", "/actions?limit=1000", NULL, &answer);
    if (r != EXIT_OK)
        return r;
    size_t i, found = 0;
    json_t *record;
    json_array_foreach (json_object_get(answer, "actions"), i, record) {
        if (!str_starts(json_text(record, "id"), prefix))
            continue;
        found++;
        str_replace(ret, json_text(record, "id"));
    }
    if (found == 1)
        return EXIT_OK;
    fprintf(stderr, "mendctl: %zu of the newest 1000 records begin with '%s'\n", found, prefix);
    return EXIT_NO;
}

static int show(struct cli *cli, int argc, char *argv[])
{
    if (argc != 2)
        return cli_usage(&verb_actions, "show needs the id of one record");
    _cleanup_free_ char *id = NULL;
    _cleanup_json_ json_t *record = NULL;
    _cleanup_strbuf_ struct strbuf path = STRBUF_INIT;
    int r = actions_find_id(cli, argv[1], &id);
    if (r != EXIT_OK)
        return r;
    strbuf_puts(&path, "/actions/");
    url_encode(&path, id);
    r = client_request(cli, "GET", strbuf_str(&path), NULL, &record);
    if (r == EXIT_OK && !print_structured(cli, record))
        print_record(record);
    return r;
}

/* ---- tail ---- */

static void print_event(const json_t *record)
{
    const json_t *timeline = json_object_get(record, "timeline");
    const json_t *last = json_array_get(timeline, json_array_size(timeline) ? json_array_size(timeline) - 1 : 0);
    _cleanup_free_ char *target = print_target_new(record);
    const char *outcome = json_text(record, "outcome"), *colour = print_outcome_colour(outcome);
    printf("%s  %.26s  %-28s %-32s %s%s%s%s%s  %s\n", json_text_or(last, "time", ""), json_text_or(record, "id", "?"),
           json_text_or(json_path(record, "alert", "labels", NULL), "alertname", "?"), target, colour,
           json_text_or(record, "state", "?"), outcome ? " " : "", outcome ? outcome : "", *colour ? "\033[0m" : "",
           json_text_or(last, "event", ""));
    fflush(stdout);
}

static bool on_line(const char *text, void *userdata)
{
    const struct cli *cli = userdata;
    if (!str_starts(text, "data:"))
        return true;
    const char *data = text + strlen("data:");
    _cleanup_json_ json_t *record = json_parse(data, strlen(data), 1 << 20, false, NULL);
    if (!record)
        return true;
    if (cli->output == OUTPUT_JSON) {
        puts(data + strspn(data, " "));
        fflush(stdout);
    } else {
        print_event(record);
    }
    return true;
}

static int tail(struct cli *cli, int argc, char *argv[])
{
    if (argc > 1)
        return cli_usage(&verb_actions, "unexpected argument '%s'", argv[1]);
    return client_stream(cli, "/events", on_line, cli);
}

static int run(struct cli *cli, int argc, char *argv[])
{
    static const struct {
        const char *name;
        int (*run)(struct cli *cli, int argc, char *argv[]);
    } parts[] = {{"list", list},
                 {"show", show},
                 {"report", actions_report},
                 {"approve", actions_answer},
                 {"reject", actions_answer},
                 {"cancel", actions_answer},
                 {"acknowledge", actions_answer},
                 {"tail", tail}};
    if (argc < 2 || argv[1][0] == '-')
        return list(cli, argc, argv);
    const char *names[ARRAY_SIZE(parts) + 1] = {0};
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        names[i] = parts[i].name;
        if (str_eq(parts[i].name, argv[1]))
            return parts[i].run(cli, argc - 1, argv + 1);
    }
    const char *near = did_you_mean(argv[1], names);
    return cli_usage(&verb_actions, "there is no 'actions %s'%s%s%s", argv[1], near ? " (did you mean " : "",
                     near ? near : "", near ? "?)" : "");
}

const struct verb verb_actions = {
    .name = "actions",
    .synopsis = "actions [list [--state S] [--outcome O] [--playbook P] [--target T] [--since 1h] [--until T] [--limit "
                "N] | show ID | report ID | approve ID [--hash H] [--yes] | reject ID [--reason WORDS] | cancel ID "
                "[--rollback] | acknowledge ID | tail]",
    .summary = "what mendd decided and did, and a person's answer to it: history, reports, approvals",
    .run = run,
};
