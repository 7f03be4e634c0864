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

static char *describe_target(const json_t *record)
{
    const json_t *t = json_object_get(record, "target");
    const char *namespace = json_text(t, "namespace"), *name = json_text(t, "name");
    if (!json_is_object(t))
        return xstrdup("-");
    return xasprintf("%s %s%s%s", json_text_or(t, "kind", "?"), namespace ? namespace : "", namespace ? "/" : "",
                     name ? name : "*");
}

static void add_row(struct table *t, const json_t *record)
{
    char age[40];
    const json_t *alert = json_object_get(record, "alert");
    _cleanup_free_ char *target = describe_target(record);
    const char *id = json_text_or(record, "id", "?");
    const char *held = json_path_text(record, "held", "reason", NULL);
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

static void print_field(const char *name, const char *value)
{
    if (!str_empty(value))
        printf("%-10s %s\n", name, value);
}

static void print_requests(const json_t *requests)
{
    size_t i;
    json_t *q;
    json_array_foreach (requests, i, q) {
        _cleanup_free_ char *changes = json_compact(json_object_get(q, "changes"));
        printf("      %s %s  %s", json_text_or(q, "method", "?"), json_text_or(q, "path", "?"),
               json_text_or(q, "status", "?"));
        if (json_int_or(q, "code", 0))
            printf(" (%d)", (int)json_int_or(q, "code", 0));
        putchar('\n');
        if (json_object_size(json_object_get(q, "changes")))
            printf("      changed %s\n", changes);
        if (json_text(q, "error"))
            printf("      %s\n", json_text(q, "error"));
    }
}

static void print_steps(const json_t *steps)
{
    size_t i;
    json_t *s;
    json_array_foreach (steps, i, s) {
        const char *words = json_text(s, "error") ? json_text(s, "error") : json_text_or(s, "note", "");
        printf("  %-8s %s  [%s]  %s\n", json_text_or(s, "status", "?"), json_text_or(s, "action", "?"),
               json_text_or(s, "rung_name", ""), words);
        print_requests(json_object_get(s, "requests"));
    }
}

static void print_checks(const json_t *checks)
{
    size_t i;
    json_t *c;
    json_array_foreach (checks, i, c)
        printf("  %-8s %s  (%d tries)  %s\n", json_text_or(c, "verdict", "?"), json_text_or(c, "check", "?"),
               (int)json_int_or(c, "tries", 0), json_text_or(c, "seen", ""));
}

static void print_timeline(const json_t *timeline)
{
    size_t i;
    json_t *t;
    json_array_foreach (timeline, i, t)
        printf("  %s  %-12s %s\n", json_text_or(t, "time", "?"), json_text_or(t, "state", "?"),
               json_text_or(t, "event", ""));
}

static void print_record(const json_t *r)
{
    _cleanup_free_ char *target = describe_target(r);
    _cleanup_free_ char *labels = json_compact(json_path(r, "alert", "labels", NULL));
    const char *outcome = json_text(r, "outcome"), *colour = print_outcome_colour(outcome);
    print_field("run", json_text(r, "id"));
    print_field("alert", json_path_text(r, "alert", "labels", "alertname", NULL));
    print_field("labels", labels);
    print_field("target", target);
    print_field("playbook", json_text(r, "playbook"));
    print_field("cluster", json_text(r, "cluster"));
    printf("%-10s %s%s%s%s\n", "state", colour, json_text_or(r, "state", "?"), outcome ? ", " : "",
           outcome ? outcome : "");
    if (*colour)
        fputs("\033[0m", stdout);
    print_field("reason", json_text(r, "reason"));
    print_field("held by", json_path_text(r, "held", "reason", NULL));
    print_field("because", json_text(r, "message"));
    print_field("rollback", json_text(r, "rollback"));
    puts("steps");
    print_steps(json_object_get(r, "steps"));
    puts("checks");
    print_checks(json_object_get(r, "checks"));
    puts("timeline");
    print_timeline(json_object_get(r, "timeline"));
}

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
    _cleanup_free_ char *target = describe_target(record);
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

static int run(struct cli *cli, int argc, char *argv[])
{
    const char *what = argc > 1 && argv[1][0] != '-' ? argv[1] : "list";
    const bool said = argc > 1 && argv[1][0] != '-';
    if (str_eq(what, "list"))
        return list(cli, said ? argc - 1 : argc, said ? argv + 1 : argv);
    if (str_eq(what, "show"))
        return show(cli, argc - 1, argv + 1);
    if (str_eq(what, "report"))
        return actions_report(cli, argc - 1, argv + 1);
    if (str_eq(what, "tail"))
        return client_stream(cli, "/events", on_line, cli);
    return cli_usage(&verb_actions, "'%s' is none of list, show, report, tail", what);
}

const struct verb verb_actions = {
    .name = "actions",
    .synopsis = "actions [list [--state S] [--outcome O] [--playbook P] [--target T] [--since 1h] [--until T] [--limit "
                "N] | show ID | report ID | tail]",
    .summary = "what mendd decided and did: the history, one record, or as it happens",
    .run = run,
};
