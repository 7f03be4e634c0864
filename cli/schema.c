/* mendctl schema playbook|config: the JSON Schema that ships in docs/schema, made from the same tables that read. */
#include "cli.h"

#include "base/text.h"
#include "config/schema.h"
#include "decide.h"

static int run(struct cli *cli, int argc, char *argv[])
{
    (void)cli;
    _cleanup_json_ json_t *schema = NULL;
    if (argc == 2 && str_eq(argv[1], "playbook"))
        schema = schema_playbook_new(&cli_registry);
    else if (argc == 2 && str_eq(argv[1], "config"))
        schema = schema_config_new();
    else
        return cli_usage(&verb_schema, "playbook or config");
    print_json(schema);
    return EXIT_OK;
}

const struct verb verb_schema = {
    .name = "schema",
    .synopsis = "schema playbook|config",
    .summary = "the JSON Schema for editors",
    .hidden = true,
    .run = run,
};
