/* mendctl reset: a budget counts from nothing again, a breaker closes. */
#include "cli.h"

#include "base/text.h"

static int run(struct cli *cli, int argc, char *argv[])
{
    if (argc < 2 || argc > 3 || (!str_eq(argv[1], "budget") && !str_eq(argv[1], "breaker")))
        return cli_usage(&verb_reset, "reset what: budget or breaker");
    if (argc == 3 && (!argv[2][0] || argv[2][0] == '-'))
        return cli_usage(&verb_reset, "'%s' is no name", argv[2]);
    json_t *body = json_pack("{s:s}", "what", argv[1]);
    json_set_text(body, "name", argc == 3 ? argv[2] : NULL);
    return command_send(cli, "/-/reset", body);
}

const struct verb verb_reset = {
    .name = "reset",
    .synopsis = "reset budget|breaker [NAME]",
    .summary = "forget what a budget has spent, close a breaker; without a name all of them",
    .run = run,
};
