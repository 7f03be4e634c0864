/* mendctl yaml FILE…: files as JSON, read by the same reader as playbooks and config. The tests' cases come in this
 * way, so that there is one idea of YAML, and nothing beside mendd is needed to read it. */
#include "cli.h"

#include "config/node.h"

static int run(struct cli *cli, int argc, char *argv[])
{
    (void)cli;
    if (argc < 2)
        return cli_usage(&verb_yaml, "name files");
    _cleanup_json_ json_t *documents = json_object();
    int r = EXIT_OK;
    for (int i = 1; i < argc; i++) {
        _cleanup_(node_freep) struct node *root = NULL;
        _cleanup_error_ struct error err = ERROR_NONE;
        if (node_load_file(argv[i], &root, &err) < 0) {
            fprintf(stderr, "%s\n", error_message(&err));
            r = EXIT_NO;
            continue;
        }
        json_object_set_new(documents, argv[i], node_to_json(root));
    }
    if (r == EXIT_OK)
        print_json(documents);
    return r;
}

const struct verb verb_yaml = {
    .name = "yaml",
    .synopsis = "yaml FILE…",
    .summary = "files as one JSON object {FILE: document}, as mendd reads them",
    .hidden = true,
    .run = run,
};
