/* mendctl actions approve|reject|acknowledge|cancel, and mendctl cancel: a person's answer to a run.
 *
 * approve shows the plan first and approves that plan, by its hash: if another one stands there when the answer
 * arrives, the daemon refuses. On a terminal it asks; in a pipe it must have been told, by --yes or by --hash. */
#include "cli.h"

#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/text.h"

#include <getopt.h>
#include <string.h>
#include <unistd.h>

enum { OPT_HASH = 256, OPT_YES, OPT_REASON, OPT_ROLLBACK, HASH_MIN = 8 };

/* ---- what is approved ---- */

static void print_line(FILE *f, const char *name, const char *value)
{
    _cleanup_free_ char *text = print_clean_new(value);
    if (!str_empty(value))
        fprintf(f, "%-10s %s\n", name, text);
}

static void print_request(FILE *f, size_t i, const json_t *q)
{
    const char *pointer;
    json_t *change;
    _cleanup_free_ char *path = print_clean_new(json_text_or(q, "path", "?"));
    fprintf(f, "  %zu. %s %s\n", i + 1, json_text_or(q, "method", "?"), path);
    json_object_foreach (json_object_get(q, "changes"), pointer, change) {
        const json_t *before = json_object_get(change, "before"), *after = json_object_get(change, "after");
        _cleanup_free_ char *old = json_compact(before), *new = json_compact(after), *at = print_clean_new(pointer);
        fprintf(f, "     %s: %s -> %s\n", at, before ? old : "(not there)", after ? new : "(removed)");
    }
    const json_t *body = json_object_get(q, "body");
    if (json_object_size(json_object_get(q, "changes")) == 0 && (json_is_object(body) || json_is_array(body))) {
        _cleanup_free_ char *text = json_compact(body);
        fprintf(f, "     %s\n", text);
    }
}

static void print_plan(FILE *f, const json_t *record)
{
    size_t i;
    json_t *item;
    print_line(f, "run", json_text(record, "id"));
    print_line(f, "alert", json_path_text(record, "alert", "labels", "alertname", NULL));
    print_line(f, "playbook", json_text(record, "playbook"));
    print_line(f, "namespace", json_path_text(record, "target", "namespace", NULL));
    print_line(f, "target", json_path_text(record, "target", "name", NULL));
    print_line(f, "cluster", json_text(record, "cluster"));
    print_line(f, "plan", json_path_text(record, "approval", "hash", NULL));
    print_line(f, "expires", json_path_text(record, "approval", "expires", NULL));
    fputs("What would be done:\n", f);
    json_array_foreach (json_path(record, "plan", "requests", NULL), i, item)
        print_request(f, i, item);
    json_array_foreach (json_path(record, "plan", "notes", NULL), i, item) {
        _cleanup_free_ char *note = print_clean_new(json_text_or(item, "note", ""));
        fprintf(f, "  %s %s: %s\n", json_bool_or(item, "fails", false) ? "FAILS" : "note",
                json_text_or(item, "action", "?"), note);
    }
    fputs("Then it would be proven by:\n", f);
    json_array_foreach (json_path(record, "plan", "checks", NULL), i, item)
        fprintf(f, "  - %s\n", json_text_or(item, "check", "?"));
}

static bool person_says_yes(void)
{
    char line[16] = "";
    fputs("Approve this plan? [y/N] ", stderr);
    if (!fgets(line, sizeof(line), stdin))
        return false;
    line[strcspn(line, "\n")] = '\0';
    return strcasecmp(line, "y") == 0 || strcasecmp(line, "yes") == 0;
}

struct approval {
    const char *hash; /* as it was given, or NULL */
    bool yes;
};

static int approve_record(struct cli *cli, const struct approval *a, const json_t *record)
{
    const char *state = json_text_or(record, "state", "?"), *id = json_text_or(record, "id", "?");
    const char *stands = json_path_text(record, "approval", "hash", NULL);
    const bool tables = cli->output == OUTPUT_TABLE || cli->output == OUTPUT_WIDE;
    if (!str_eq(state, "awaiting_approval") || !stands) {
        fprintf(stderr, "mendctl: run %s does not wait for an approval: it is %s\n", id, state);
        return EXIT_NO;
    }
    print_plan(tables ? stdout : stderr, record);
    if (a->hash && !str_starts(stands, a->hash)) {
        fprintf(stderr, "mendctl: the plan is another one by now (%s): look at it again before you approve\n", stands);
        return EXIT_NO;
    }
    if (!a->yes && isatty(STDIN_FILENO) && !person_says_yes()) {
        fputs("mendctl: not approved\n", stderr);
        return EXIT_NO;
    }
    return command_send_to_run(cli, id, "approve", json_pack("{s:s}", "hash", stands));
}

static int approve(struct cli *cli, const char *prefix, const struct approval *a)
{
    _cleanup_free_ char *id = NULL;
    _cleanup_json_ json_t *record = NULL;
    _cleanup_strbuf_ struct strbuf path = STRBUF_INIT;
    if (!a->yes && !a->hash && !isatty(STDIN_FILENO))
        return cli_usage(&verb_actions, "approve asks on a terminal only: here it needs --yes or --hash");
    if (a->hash && strlen(a->hash) < HASH_MIN)
        return cli_usage(&verb_actions, "--hash needs at least the first %d characters", HASH_MIN);
    int r = actions_find_id(cli, prefix, &id);
    if (r != EXIT_OK)
        return r;
    strbuf_puts(&path, "/actions/");
    url_encode(&path, id);
    r = client_request(cli, "GET", strbuf_str(&path), NULL, &record);
    return r == EXIT_OK ? approve_record(cli, a, record) : r;
}

/* ---- the verbs ---- */

static const struct option options[] = {
    {"hash", required_argument, NULL, OPT_HASH},
    {"yes", no_argument, NULL, OPT_YES},
    {"reason", required_argument, NULL, OPT_REASON},
    {"rollback", no_argument, NULL, OPT_ROLLBACK},
    {0},
};

/* Which flag belongs to which verb. */
static bool belongs(int option, const char *verb)
{
    if (option == OPT_HASH || option == OPT_YES)
        return str_eq(verb, "approve");
    return str_eq(verb, option == OPT_REASON ? "reject" : "cancel");
}

static int answer(struct cli *cli, const struct verb *v, int argc, char *argv[])
{
    struct approval a = {0};
    _cleanup_json_ json_t *body = json_object();
    const char *verb = argv[0];
    int option;
    optind = 0;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option < OPT_HASH || !belongs(option, verb))
            return cli_usage(v, "wrong flag for %s", verb);
        if (option == OPT_HASH)
            a.hash = optarg;
        else if (option == OPT_YES)
            a.yes = true;
        else if (option == OPT_REASON)
            json_set_text(body, "reason", optarg);
        else
            json_object_set_new(body, "rollback", json_true());
    }
    if (argc - optind != 1)
        return cli_usage(v, "%s needs the id of one run", verb);
    if (str_eq(verb, "approve"))
        return approve(cli, argv[optind], &a);
    return command_send_to_run(cli, argv[optind], verb, TAKE_PTR(body));
}

int actions_answer(struct cli *cli, int argc, char *argv[])
{
    return answer(cli, &verb_actions, argc, argv);
}

static int run_cancel(struct cli *cli, int argc, char *argv[])
{
    return answer(cli, &verb_cancel, argc, argv);
}

const struct verb verb_cancel = {
    .name = "cancel",
    .synopsis = "cancel ID [--rollback]",
    .summary = "end a run after the step in flight; --rollback also puts back what it changed",
    .run = run_cancel,
};
