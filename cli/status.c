/* mendctl status: is it well, what does it do, what does it see. */
#include "cli.h"

#include "base/alloc.h"
#include "base/text.h"

#include <inttypes.h>

static void print_clusters(const json_t *clusters)
{
    size_t i;
    json_t *c;
    json_array_foreach (clusters, i, c) {
        const char *error = json_text(c, "error");
        printf("cluster    %s  %s%s\n", json_text_or(c, "name", "?"), error ? "UNUSABLE: " : "",
               error ? error : json_text_or(c, "server", "?"));
    }
}

static void print_rights(const json_t *rights)
{
    size_t i;
    json_t *words;
    json_array_foreach (json_object_get(rights, "words"), i, words) {
        _cleanup_free_ char *clean = print_clean_new(json_string_value(words));
        printf("rights     %s\n", clean);
    }
}

static void print_runs(const json_t *runs)
{
    const char *state;
    json_t *n;
    printf("runs      ");
    json_object_foreach ((json_t *)runs, state, n)
        printf(" %s %" JSON_INTEGER_FORMAT, state, json_integer_value(n));
    putchar('\n');
}

/* What stands in the way of repairs, and what waits for a person. */
static void print_safety(const json_t *status)
{
    static const struct {
        const char *key, *title;
    } lists[] = {{"paused", "Paused"},          {"half_way", "Stands half-way"}, {"maintenance", "Maintenance windows"},
                 {"budgets", "Budgets"},        {"breakers", "Breakers"},        {"storms", "Storms"},
                 {"escalations", "Escalations"}};
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        print_objects(lists[i].title, json_object_get(status, lists[i].key));
}

static int run(struct cli *cli, int argc, char *argv[])
{
    if (argc > 1)
        return cli_usage(&verb_status, "unexpected argument '%s'", argv[1]);
    _cleanup_json_ json_t *status = NULL;
    int r = client_request(cli, "GET", "/status", NULL, &status);
    if (r != EXIT_OK || print_structured(cli, status))
        return r;
    char age[40];
    const char *not_ready = json_text(status, "not_ready");
    printf("mendd      %s, started %s ago, %s%s%s\n", json_text_or(status, "version", "?"),
           print_age(json_text(status, "started"), age), not_ready ? "NOT READY: " : "ready",
           not_ready ? not_ready : "", json_bool_or(status, "dry_run", false) ? ", dry run" : "");
    printf("playbooks  %" PRId64 "%s\n", json_int_or(status, "playbooks", 0),
           json_bool_or(status, "last_reload_ok", true) ? "" : " (THE LAST RELOAD FAILED: the old ones stay)");
    print_runs(json_object_get(status, "runs"));
    printf("waiting    %" PRId64 " alerts\n", json_int_or(status, "waiting_alerts", 0));
    print_clusters(json_object_get(status, "clusters"));
    print_rights(json_object_get(status, "rights"));
    print_safety(status);
    return EXIT_OK;
}

const struct verb verb_status = {
    .name = "status",
    .synopsis = "status",
    .summary = "whether mendd is well, what runs, what is paused or half-way, what waits for a person",
    .run = run};
