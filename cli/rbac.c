/* mendctl rbac: the least that mendd must be allowed for the loaded playbooks to work. Needs neither a daemon nor a
 * cluster. */
#include "rbac.h"

#include "base/alloc.h"
#include "base/text.h"
#include "cli.h"
#include "decide.h"

#include <ctype.h>
#include <getopt.h>
#include <string.h>

static void subject_clear(struct rbac_subject *s)
{
    free(s->namespace);
    free(s->name);
}

/* "serviceaccount:NS/NAME", "user:NAME". */
static bool parse_subject(const char *text, struct rbac_subject *ret)
{
    static const char account[] = "serviceaccount:", user[] = "user:";
    if (str_starts(text, user)) {
        ret->user = true;
        ret->name = xstrdup(text + strlen(user));
        return *ret->name != '\0';
    }
    const char *slash = strchr(text, '/');
    if (!str_starts(text, account) || !slash)
        return false;
    text += strlen(account);
    ret->namespace = xstrndup(text, (size_t)(slash - text));
    ret->name = xstrdup(slash + 1);
    return is_dns1123_label(ret->namespace) && is_dns1123_subdomain(ret->name);
}

/* A name for the roles: of the subject, as far as an object may be called that. */
static char *role_name_new(const struct rbac_subject *s)
{
    char *name = xstrdup(s->name);
    for (char *c = name; *c; c++)
        *c = isalnum((unsigned char)*c) || strchr(".-", *c) ? (char)tolower((unsigned char)*c) : '-';
    if (is_dns1123_subdomain(name))
        return name;
    free(name);
    return xstrdup("mendd");
}

static bool knows_cluster(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->n_clusters; i++)
        if (str_eq(config->clusters[i].name, name))
            return true;
    return false;
}

/* One row a right. */
static void print_rights(const struct rights *rights, bool wide)
{
    static const char *const columns[] = {"NAMESPACE", "RESOURCE", "NAME", "VERB", "NEEDED BY"};
    struct table *t = table_new(columns, ARRAY_SIZE(columns));
    for (size_t i = 0; i < rights->n; i++) {
        const struct right *r = &rights->items[i];
        _cleanup_free_ char *resource = xasprintf("%s%s%s", r->resource, *r->group ? "." : "", r->group);
        _cleanup_strbuf_ struct strbuf whys = STRBUF_INIT;
        for (size_t k = 0; k < r->n_whys && (k == 0 || wide); k++)
            strbuf_printf(&whys, "%s%s", k ? "; " : "", r->whys[k]);
        if (!wide && r->n_whys > 1)
            strbuf_printf(&whys, " and %zu more", r->n_whys - 1);
        const char *cells[] = {r->namespace    ? r->namespace
                               : r->namespaced ? "*"
                                               : NULL,
                               resource, r->name ? r->name : "*", r->verb, strbuf_str(&whys)};
        table_row(t, cells);
    }
    table_print(t, stdout);
}

static void print_head(const struct loaded *l, const struct rights *rights, const char *cluster)
{
    _cleanup_json_ json_t *others = json_object();
    const char *name;
    json_t *value;
    printf("# What mendd needs for %zu playbook%s in cluster %s, and nothing else; made by `mendctl rbac`.\n",
           l->table->n, l->table->n == 1 ? "" : "s", cluster);
    for (size_t i = 0; i < rights->n; i++)
        if (rights->items[i].cluster && !str_eq(rights->items[i].cluster, cluster))
            json_object_set_new(others, rights->items[i].cluster, json_true());
    json_object_foreach (others, name, value)
        printf("# They work on cluster %s too: mendctl rbac --cluster %s\n", name, name);
}

static int emit(struct cli *cli, const struct loaded *l, const char *cluster, const struct rbac_subject *subject,
                const char *name)
{
    struct settings settings;
    _cleanup_rights_ struct rights all = {0}, rights = {0};
    settings_from_config(l->config, l->table, &settings);
    cluster = cluster ? cluster : settings.default_cluster;
    if (!knows_cluster(l->config, cluster)) {
        fprintf(stderr, "mendctl: the config names no cluster '%s'\n", cluster);
        return EXIT_USAGE;
    }
    rights_of_table(&settings, &all);
    for (size_t i = 0; i < all.n_faults; i++)
        fprintf(stderr, "%s\n", all.faults[i]);
    if (all.n_faults)
        return EXIT_NO;
    rights_of_cluster(&all, cluster, &rights);
    _cleanup_json_ json_t *manifests = rbac_manifests_new(&rights, subject, name);
    if (cli->output_given && cli->output == OUTPUT_JSON) {
        _cleanup_json_ json_t *list = rbac_list_new(manifests);
        print_json(list);
    } else if (cli->output_given && cli->output != OUTPUT_YAML) {
        print_rights(&rights, cli->output == OUTPUT_WIDE);
    } else {
        print_head(l, &all, cluster);
        rbac_print_yaml(manifests, stdout);
    }
    return EXIT_OK;
}

static int run(struct cli *cli, int argc, char *argv[])
{
    static const struct option options[] = {{"subject", required_argument, NULL, 's'},
                                            {"cluster", required_argument, NULL, 'c'},
                                            {"name", required_argument, NULL, 'n'},
                                            {0}};
    const char *subject_text = "serviceaccount:mendd/mendd", *cluster = NULL, *said = NULL;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
        if (option == '?')
            return cli_usage(&verb_rbac, "wrong flag");
        *(option == 's' ? &subject_text : option == 'c' ? &cluster : &said) = optarg;
    }
    if (optind < argc)
        return cli_usage(&verb_rbac, "'%s' is too much: playbooks come by --playbooks", argv[optind]);
    if (!cli->playbooks)
        return cli_usage(&verb_rbac, "which playbooks? name them with --playbooks");
    _cleanup_(subject_clear) struct rbac_subject subject = {0};
    if (!parse_subject(subject_text, &subject))
        return cli_usage(&verb_rbac, "--subject '%s': expected serviceaccount:NAMESPACE/NAME or user:NAME",
                         subject_text);
    if (said && !is_dns1123_subdomain(said))
        return cli_usage(&verb_rbac, "--name '%s' is no name of a role", said);
    _cleanup_(loaded_clear) struct loaded loaded = {0};
    if (load_all(cli->config_file, cli->playbooks, false, &loaded) < 0)
        return EXIT_NO;
    _cleanup_free_ char *name = said ? xstrdup(said) : role_name_new(&subject);
    return emit(cli, &loaded, cluster, &subject, name);
}

const struct verb verb_rbac = {
    .name = "rbac",
    .synopsis = "rbac --playbooks PATH… [--config.file FILE] [--subject serviceaccount:NAMESPACE/NAME|user:NAME]\n"
                "                   [--cluster NAME] [--name ROLE] [-o yaml|json|table|wide]",
    .summary = "the least RBAC manifests that the playbooks need",
    .run = run,
};
