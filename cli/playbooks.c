/* mendctl playbooks: the table, as the daemon has it or as the files say. */
#include "cli.h"

#include "actions/registry.h"
#include "base/text.h"
#include "checks/registry.h"
#include "config/config.h"

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
    static const struct registry registry = {.actions = all_actions, .checks = all_checks};
    struct faults faults = {0};
    _cleanup_(config_freep) struct config *config = NULL;
    _cleanup_(playbook_table_freep) struct playbook_table *table = NULL;
    int r = config_load(cli->config_file, &config, &faults);
    if (r >= 0)
        r = playbooks_load(cli->playbooks, config, &registry, &table, &faults);
    for (size_t i = 0; i < faults.n; i++)
        fprintf(stderr, "%s\n", faults.texts[i]);
    faults_clear(&faults);
    if (r < 0)
        return EXIT_NO;
    json_t *list = json_array();
    for (size_t i = 0; i < table->n; i++)
        json_array_append_new(list, playbook_to_json(table->playbooks[i]));
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

static int run(struct cli *cli, int argc, char *argv[])
{
    if (argc > 1)
        return cli_usage(&verb_playbooks, "unexpected argument '%s'", argv[1]);
    _cleanup_json_ json_t *answer = NULL;
    int r = cli->playbooks ? load_files(cli, &answer) : client_request(cli, "GET", "/playbooks", NULL, &answer);
    if (r == EXIT_OK && !print_structured(cli, answer))
        print_table(json_object_get(answer, "playbooks"), cli->output == OUTPUT_WIDE);
    return r;
}

const struct verb verb_playbooks = {
    .name = "playbooks",
    .synopsis = "playbooks [--playbooks PATH…]",
    .summary = "the playbooks in the order in which they are tried; of the daemon, or of files",
    .run = run,
};
