/* mendctl playbooks: the table, as the daemon has it or as the files say; --coverage: which procedures it covers. */
#include "cli.h"

#include "base/alloc.h"
#include "base/text.h"
#include "coverage.h"
#include "decide.h"

#include <getopt.h>
#include <unistd.h>

static json_t *playbook_to_json(const struct playbook *p)
{
    json_t *o = json_object();
    json_set_text(o, "name", p->name);
    json_set_text(o, "mode", mode_name(p->mode));
    json_set_text(o, "summary", p->summary);
    json_set_text(o, "runbook", p->runbook);
    json_set_text(o, "file", p->file);
    json_object_set(o, "matchers", json_object_get(p->source, "matchers"));
    return o;
}

static int load_files(const struct cli *cli, json_t **ret)
{
    _cleanup_(loaded_clear) struct loaded l = {0};
    if (load_all(cli->config_file, cli->playbooks, false, &l) < 0)
        return EXIT_NO;
    json_t *list = json_array();
    for (size_t i = 0; i < l.table->n; i++)
        json_array_append_new(list, playbook_to_json(l.table->playbooks[i]));
    *ret = json_pack("{s:o}", "playbooks", list);
    return EXIT_OK;
}

static void print_table(const json_t *playbooks, bool wide)
{
    static const char *const columns[] = {"NAME", "MODE", "FILE", "RUNBOOK", "SUMMARY"};
    struct table *t = table_new(columns, wide ? 5 : 4);
    size_t i;
    json_t *p;
    json_array_foreach (playbooks, i, p) {
        const char *cells[] = {json_text(p, "name"), json_text(p, "mode"), json_text(p, "file"),
                               json_text(p, "runbook"), json_text(p, "summary")};
        table_row(t, cells);
    }
    table_print(t, stdout);
}

/* ---- --coverage ---- */

struct options {
    bool coverage, strict, markdown;
    const char *cases;
};

/* The cases lie in the source tree only, beside the playbooks that it ships; installed playbooks have none. */
static char *cases_beside(const char *const *playbooks)
{
    for (; *playbooks; playbooks++) {
        _cleanup_free_ char *path = xasprintf("%s/../tests/real/cases", *playbooks);
        if (access(path, R_OK) == 0)
            return TAKE_PTR(path);
    }
    return NULL;
}

static int cover(const struct cli *cli, const struct options *o)
{
    _cleanup_(loaded_clear) struct loaded l = {0};
    if (!cli->playbooks)
        return cli_usage(&verb_playbooks, "--coverage looks at files: give --playbooks");
    if (load_all(cli->config_file, cli->playbooks, false, &l) < 0)
        return EXIT_NO;
    _cleanup_free_ char *cases = o->cases ? xstrdup(o->cases) : cases_beside(cli->playbooks);
    _cleanup_json_ json_t *coverage = coverage_new(l.table, cases);
    if (o->markdown)
        coverage_print_markdown(coverage);
    else if (!print_structured(cli, coverage))
        coverage_print(coverage, cli->output == OUTPUT_WIDE);
    const json_t *faults = json_object_get(coverage, "faults");
    size_t i;
    json_t *f;
    json_array_foreach (faults, i, f)
        fprintf(stderr, "%s\n", json_string_value(f));
    if (!cases)
        fputs("mendctl: no end-to-end cases beside these playbooks: they lie in the source tree (--cases DIR)\n",
              stderr);
    const bool complete = json_int_or(coverage, "done", 0) == json_int_or(coverage, "total", 0);
    return json_array_size(faults) || (o->strict && !complete) ? EXIT_NO : EXIT_OK;
}

static int parse(struct options *o, int argc, char *argv[])
{
    static const struct option options[] = {{"coverage", no_argument, NULL, 'c'},
                                            {"strict", no_argument, NULL, 's'},
                                            {"markdown", no_argument, NULL, 'm'},
                                            {"cases", required_argument, NULL, 'd'},
                                            {0}};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) >= 0;) {
        if (c == '?')
            return EXIT_USAGE;
        o->coverage |= c == 'c';
        o->strict |= c == 's';
        o->markdown |= c == 'm';
        if (c == 'd')
            o->cases = optarg;
    }
    if (optind < argc)
        return cli_usage(&verb_playbooks, "unexpected argument '%s'", argv[optind]);
    if (!o->coverage && (o->strict || o->markdown || o->cases))
        return cli_usage(&verb_playbooks, "--strict, --markdown and --cases go with --coverage");
    return EXIT_OK;
}

static int run(struct cli *cli, int argc, char *argv[])
{
    struct options o = {0};
    int r = parse(&o, argc, argv);
    if (r != EXIT_OK || o.coverage)
        return r != EXIT_OK ? r : cover(cli, &o);
    _cleanup_json_ json_t *answer = NULL;
    r = cli->playbooks ? load_files(cli, &answer) : client_request(cli, "GET", "/playbooks", NULL, &answer);
    if (r == EXIT_OK && !print_structured(cli, answer))
        print_table(json_object_get(answer, "playbooks"), cli->output == OUTPUT_WIDE);
    return r;
}

const struct verb verb_playbooks = {
    .name = "playbooks",
    .synopsis = "playbooks [--playbooks PATH…] [--coverage [--strict] [--markdown] [--cases DIR]]",
    .summary = "the playbooks in the order in which they are tried; of the daemon, or of files; --coverage: which "
               "procedures they cover",
    .run = run,
};
