/* mendctl check: config and playbooks, every fault with its place. */
#include "cli.h"

#include "base/alloc.h"
#include "base/text.h"
#include "check_cluster.h"
#include "check_kinds.h"
#include "decide.h"
#include "engine/reviews.h"

#include <getopt.h>

static json_t *texts_json(char **texts, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_string(texts[i]));
    return list;
}

/* `rights`: what the clusters said, or NULL. */
static void print_faults(const struct cli *cli, const struct faults *f, size_t n_playbooks, const json_t *rights)
{
    _cleanup_json_ json_t *report =
        json_pack("{s:b, s:o, s:o, s:I}", "ok", f->n == 0, "faults", texts_json(f->texts, f->n), "warnings",
                  texts_json(f->warnings, f->n_warnings), "playbooks", (json_int_t)n_playbooks);
    if (rights)
        json_object_set(report, "rights", (json_t *)(uintptr_t)rights);
    if (print_report_structured(cli, report))
        return;
    for (size_t i = 0; i < f->n; i++)
        fprintf(stderr, "%s\n", f->texts[i]);
    for (size_t i = 0; i < f->n_warnings; i++)
        fprintf(stderr, "warning: %s\n", f->warnings[i]);
    if (f->n)
        printf("%zu fault%s, %zu warning%s\n", f->n, f->n == 1 ? "" : "s", f->n_warnings,
               f->n_warnings == 1 ? "" : "s");
    else
        printf("ok: %zu playbook%s, %zu warning%s\n", n_playbooks, n_playbooks == 1 ? "" : "s", f->n_warnings,
               f->n_warnings == 1 ? "" : "s");
}

/* A file that has clusters, vars, … and no playbooks is a config: `mendctl check mendd.yaml` does what one hopes for.
 */
static bool looks_like_config(const char *path)
{
    _cleanup_(node_freep) struct node *root = NULL;
    if (node_load_file(path, &root, NULL) < 0 || root->type != NODE_MAP || node_get(root, "playbooks"))
        return false;
    static const char *const keys[] = {"clusters", "alertmanager", "prometheus", "vars",   "limits",  "defaults",
                                       "storage",  "receivers",    "escalation", "tokens", "budgets", "maintenance"};
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (node_get(root, keys[i]))
            return true;
    return false;
}

/* Only warnings: who checks a configuration need not be the one who may read its secrets. */
static void warn_of_tokens(struct config *config, struct faults *faults)
{
    _cleanup_(faults_clear) struct faults of_files = {0};
    config_read_tokens(config, &of_files);
    for (size_t i = 0; i < of_files.n; i++)
        faults_warn(faults, NULL, "%s (mendd would not start with it)", of_files.texts[i]);
}

/* What is missing is a fault as any other. */
static json_t *ask_clusters(const struct loaded *l, struct faults *faults)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    json_t *rights = check_cluster_new(l->config, l->table, &err);
    _cleanup_json_ json_t *words = rights ? reviews_words_new(rights) : json_pack("[s]", error_message(&err));
    size_t i;
    json_t *line;
    json_array_foreach (words, i, line)
        faults_add(faults, NULL, "%s", json_string_value(line));
    if (json_array_size(json_object_get(rights, "missing")) > 0)
        faults_warn(faults, NULL, "`mendctl rbac` prints the roles that allow what is missing");
    if (check_kinds(l->config, l->table, faults, &err) < 0)
        faults_add(faults, NULL, "%s", error_message(&err));
    return rights;
}

static int run(struct cli *cli, int argc, char *argv[])
{
    _cleanup_(loaded_clear) struct loaded loaded = {0};
    _cleanup_(faults_clear) struct faults faults = {0};
    size_t n = 0;
    for (; cli->playbooks && cli->playbooks[n];)
        n++;
    _cleanup_free_ const char **paths = xcalloc(n + (size_t)argc + 1, sizeof(char *));
    for (size_t i = 0; i < n; i++)
        paths[i] = cli->playbooks[i];
    const char *config = cli->config_file;
    bool cluster = false;
    for (int i = 1; i < argc; i++) {
        if (str_eq(argv[i], "--cluster")) {
            cluster = true;
            continue;
        }
        if (argv[i][0] == '-' && argv[i][1])
            return cli_usage(&verb_check, "wrong flag '%s'", argv[i]);
        if (!config && looks_like_config(argv[i]))
            config = argv[i];
        else
            paths[n++] = argv[i];
    }
    if (n == 0 && !config)
        return cli_usage(&verb_check, "nothing to check: name files, --playbooks or --config.file");
    if (config_load(config, &loaded.config, &faults) == 0)
        warn_of_tokens(loaded.config, &faults);
    _cleanup_(config_freep) struct config *builtin = NULL;
    struct faults none = {0};
    if (!loaded.config) /* the playbooks' own faults are wanted all the same */
        config_load(NULL, &builtin, &none);
    if (cli_feature_command)
        config_enable(loaded.config ? loaded.config : builtin, "command");
    playbooks_load(paths, loaded.config ? loaded.config : builtin, &cli_registry, &loaded.table, &faults);
    _cleanup_json_ json_t *rights = cluster && faults.n == 0 ? ask_clusters(&loaded, &faults) : NULL;
    print_faults(cli, &faults, loaded.table ? loaded.table->n : 0, rights);
    return faults.n ? EXIT_NO : EXIT_OK;
}

const struct verb verb_check = {
    .name = "check",
    .synopsis = "check [--cluster] [--config.file FILE] [--playbooks PATH…] [FILE…]\n"
                "       --cluster also asks the API servers whether mendd may do what the playbooks need, and\n"
                "       whether they have the resources that these are about",
    .summary = "validate the config and playbooks; every fault as file:line:column",
    .run = run,
};
