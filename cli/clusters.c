/* mendctl clusters: which are there, how many nodes they have, and the sets that stand in for each other. */
#include "cli.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"

static char *number_new(const json_t *o, const char *key, const char *unit)
{
    const json_t *n = json_object_get(o, key);
    return json_is_integer(n) ? xasprintf("%" JSON_INTEGER_FORMAT "%s", json_integer_value(n), unit) : NULL;
}

static const char *reach_word(const json_t *cluster)
{
    const json_t *reachable = json_object_get(cluster, "reachable");
    if (json_text(cluster, "error"))
        return "UNUSABLE";
    if (!json_bool_or(cluster, "watched", false))
        return "not watched";
    return json_is_true(reachable) ? "yes" : json_is_false(reachable) ? "NO" : "not known yet";
}

static void print_cluster(struct table *t, const json_t *c)
{
    char age[TIME_TEXT_MAX];
    const json_t *nodes = json_object_get(c, "nodes"), *capacity = json_object_get(c, "capacity");
    _cleanup_free_ char *ready = number_new(nodes, "ready", ""), *total = number_new(nodes, "total", "");
    _cleanup_free_ char *counted = ready && total ? xasprintf("%s/%s", ready, total) : NULL;
    _cleanup_free_ char *pods = number_new(capacity, "pods_percent", " %"),
                        *cpu = number_new(capacity, "cpu_percent", " %"),
                        *memory = number_new(capacity, "memory_percent", " %");
    _cleanup_free_ char *requests = number_new(c, "requests", ""), *errors = number_new(c, "errors", "");
    const char *words = json_text(c, "error") ? json_text(c, "error") : json_text(c, "trouble");
    const char *cells[] = {json_text(c, "name"),
                           reach_word(c),
                           json_text(c, "cause"),
                           print_age(json_text(c, "last_contact"), age),
                           counted,
                           pods,
                           cpu,
                           memory,
                           requests,
                           errors,
                           json_text(c, "server"),
                           words};
    table_row(t, cells);
}

static void print_clusters(const json_t *list, bool wide)
{
    static const char *const columns[] = {"CLUSTER", "REACHABLE", "CAUSE",    "LAST CONTACT", "NODES READY", "PODS",
                                          "CPU",     "MEMORY",    "REQUESTS", "ERRORS",       "SERVER",      "TROUBLE"};
    struct table *t = table_new(columns, wide ? 12 : 10);
    size_t i;
    json_t *c;
    json_array_foreach (list, i, c)
        print_cluster(t, c);
    table_print(t, stdout);
}

static char *side_new(const json_t *set, const char *side)
{
    const json_t *s = json_object_get(set, side), *available = json_object_get(s, "available");
    const char *cause = json_text(s, "cause");
    _cleanup_free_ char *full = number_new(s, "capacity_percent", " % full");
    return xasprintf("%s%s%s%s", json_text_or(s, "cluster", "?"),
                     json_is_false(available)  ? ": "
                     : json_is_null(available) ? ": not known yet"
                     : full                    ? ", "
                                               : "",
                     json_is_false(available) && cause ? cause : "", json_is_true(available) && full ? full : "");
}

static void print_sets(const json_t *list)
{
    static const char *const columns[] = {"SET",       "STATUS",          "SINCE",        "PRIMARY",
                                          "SECONDARY", "EFFECTIVE NODES", "TOO FEW NODES"};
    if (json_array_size(list) == 0)
        return;
    struct table *t = table_new(columns, ARRAY_SIZE(columns));
    size_t i;
    json_t *set;
    json_array_foreach (list, i, set) {
        char age[TIME_TEXT_MAX];
        _cleanup_free_ char *primary = side_new(set, "primary"), *secondary = side_new(set, "secondary");
        _cleanup_free_ char *nodes = number_new(set, "total_effective_nodes", "");
        const char *status = json_text_or(set, "status", "not known yet");
        const char *cells[] = {json_text(set, "name"),
                               status,
                               print_age(json_text(set, "since"), age),
                               primary,
                               secondary,
                               nodes,
                               json_path_text(set, "balance", "constraining_side", NULL)};
        table_row(t, cells);
    }
    putchar('\n');
    table_print(t, stdout);
}

static int run(struct cli *cli, int argc, char *argv[])
{
    if (argc > 1)
        return cli_usage(&verb_clusters, "unexpected argument '%s'", argv[1]);
    _cleanup_json_ json_t *answer = NULL;
    int r = client_request(cli, "GET", "/clusters", NULL, &answer);
    if (r != EXIT_OK || print_structured(cli, answer))
        return r;
    print_clusters(json_object_get(answer, "clusters"), cli->output == OUTPUT_WIDE);
    print_sets(json_object_get(answer, "sets"));
    return EXIT_OK;
}

const struct verb verb_clusters = {.name = "clusters",
                                   .synopsis = "clusters",
                                   .summary = "which clusters are there, their nodes, and the sets of them",
                                   .run = run};
