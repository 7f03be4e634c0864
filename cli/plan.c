/* mendctl plan: what mendd would do with an alert, and why; with the API server's own opinion on request. */
#include "cli.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "cluster.h"
#include "config/node.h"
#include "core/record.h"
#include "decide.h"
#include "diff.h"
#include "plan_now.h"
#include "world.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

enum { OPT_ALERT = 256, OPT_OBJECTS, OPT_SERVER_DRY_RUN, MAX_ALERT = 8 << 20 };

static const struct option options[] = {
    {"alert", required_argument, NULL, OPT_ALERT},
    {"objects", required_argument, NULL, OPT_OBJECTS},
    {"server-dry-run", no_argument, NULL, OPT_SERVER_DRY_RUN},
    {0},
};

struct planning {
    struct cli *cli;
    const char *alert;
    struct world *world;            /* --objects, or */
    struct cluster_reader *cluster; /* the real one */
    bool server_dry_run;
    json_t *status; /* of the daemon, if --url names one */
    struct loaded loaded;
};

/* ---- the alert: a webhook's payload, Alertmanager's list, one alert; JSON or YAML ---- */

static int read_alerts(const char *path, json_t **ret, struct error *err)
{
    _cleanup_free_ char *text = NULL;
    _cleanup_(node_freep) struct node *node = NULL;
    size_t len = 0;
    const bool in = str_eq(path, "-");
    int r = file_read(in ? "/dev/stdin" : path, MAX_ALERT, &text, &len, err);
    if (r < 0)
        return r;
    _cleanup_json_ json_t *document = json_parse(text, len, MAX_ALERT, false, NULL);
    if (!document) {
        r = node_load_text(in ? "stdin" : path, text, len, &node, err);
        if (r < 0)
            return r;
        document = node_to_json(node);
    }
    json_t *alerts = json_object_get(document, "alerts");
    if (json_is_array(document))
        *ret = json_incref(document);
    else if (json_is_array(alerts))
        *ret = json_incref(alerts);
    else
        *ret = json_pack("[O]", document);
    if (json_array_size(*ret) > 0)
        return 0;
    json_decref(*ret);
    return error_set(err, -EINVAL, "%s: holds no alert", path);
}

static json_t *answer(const json_t *question, void *userdata)
{
    struct planning *p = userdata;
    return p->world ? world_answer_new(p->world, question) : cluster_answer_new(p->cluster, question);
}

/* ---- what comes of it ---- */

/* NULL: the API server can say what would become of it. */
static const char *cannot_be_tried(const json_t *request)
{
    const char *method = json_text(request, "method"), *kind = json_path_text(request, "object", "kind", NULL);
    if (str_eq(method, "EXEC")) /* its request is a GET */
        return "a command cannot be tried without running";
    if (str_eq(method, "FILE"))
        return "a file on mendd's host";
    return str_eq(kind, "Secret") && !str_eq(method, "DELETE") ? "a Secret's values are put in when mendd sends it"
                                                               : NULL;
}

static void add_diff(struct planning *p, json_t *request)
{
    _cleanup_json_ json_t *question = NULL, *before = NULL, *after = NULL;
    const char *path = json_text_or(request, "path", "/");
    if (!str_starts(path, "/")) { /* not Kubernetes: nothing there can be tried */
        json_object_set_new(request, "server_dry_run",
                            json_pack("{s:i, s:s}", "status", 0, "error", "another system has no dry run"));
        return;
    }
    const char *untried = cannot_be_tried(request);
    if (untried) {
        json_object_set_new(request, "server_dry_run", json_pack("{s:i, s:s}", "status", 0, "error", untried));
        return;
    }
    _cleanup_free_ char *read = xstrndup(path, strcspn(path, "?"));
    question =
        json_pack("{s:s, s:s, s:s}", "ask", "kube", "cluster", json_text_or(request, "cluster", ""), "path", read);
    before = cluster_answer_new(p->cluster, question);
    after = cluster_dry_run_new(p->cluster, request);
    json_t *diff = json_object();
    const int64_t status = json_int_or(after, "status", 0);
    json_object_set_new(diff, "status", json_integer(status));
    if (status < 200 || status > 299)
        json_set_text(
            diff, "error",
            json_text_or(json_object_get(after, "body"), "message", json_text_or(after, "message", "no answer")));
    else if (!str_eq(json_text(request, "method"), "DELETE"))
        json_object_set_new(diff, "changes", diff_new(json_object_get(before, "body"), json_object_get(after, "body")));
    json_object_set_new(request, "server_dry_run", diff);
}

static json_t *plan_alert(struct planning *p, const json_t *j, bool *ret_act)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    const struct now now = now_read();
    _cleanup_(alert_freep) struct alert *alert = alert_from_json(j, "firing", now, &err);
    if (!alert) {
        json_t *o = json_pack("{s:s}", "decision", "malformed");
        json_set_text(o, "message", error_message(&err));
        return o;
    }
    alert->firing = true; /* what would be done, were it firing */
    json_t *record = decide_new(&p->loaded, alert, now, answer, p);
    json_set_text(record, "decision", decision_of(&p->loaded, record));
    if (p->status)
        json_object_set_new(record, "now", plan_now_new(p->status, record));
    *ret_act = *ret_act || str_eq(json_text(record, "decision"), "act");
    size_t i;
    json_t *request;
    if (p->server_dry_run)
        json_array_foreach (json_path(record, "plan", "requests", NULL), i, request)
            add_diff(p, request);
    return record;
}

static void print_requests(const json_t *record)
{
    size_t i;
    json_t *r;
    json_array_foreach (json_path(record, "plan", "requests", NULL), i, r) {
        const json_t *body = json_object_get(r, "body"), *dry = json_object_get(r, "server_dry_run");
        printf("  %zu. %s %s\n", i + 1, json_text_or(r, "method", "?"), json_text_or(r, "path", "?"));
        if (json_is_object(body) || json_is_array(body)) {
            _cleanup_free_ char *text = json_compact(body);
            printf("     %s\n     %s\n", json_text_or(r, "content_type", ""), text);
        }
        if (!dry)
            continue;
        const char *error = json_text(dry, "error"), *pointer;
        json_t *change;
        if (error)
            printf("     the API server refuses (%lld): %s\n", (long long)json_int_or(dry, "status", 0), error);
        else
            printf("     the API server accepts it (%lld)\n", (long long)json_int_or(dry, "status", 0));
        json_object_foreach (json_object_get(dry, "changes"), pointer, change) {
            _cleanup_free_ char *before = json_compact(json_object_get(change, "before")),
                                *after = json_compact(json_object_get(change, "after"));
            printf("       %s: %s -> %s\n", pointer, json_object_get(change, "before") ? before : "(not there)",
                   json_object_get(change, "after") ? after : "(removed)");
        }
    }
}

static void print_matchers(const struct loaded *l, const json_t *record)
{
    const struct playbook *p = playbook_of(l, record);
    size_t i;
    json_t *m;
    if (!p)
        return;
    printf("  because   ");
    json_array_foreach (json_object_get(p->source, "matchers"), i, m)
        printf("%s%s", i ? ", " : "", json_string_value(m));
    printf("   (%s:%d)\n", p->file, p->line);
}

static void print_target(const json_t *record)
{
    const json_t *t = json_object_get(record, "target");
    const char *namespace = json_text(t, "namespace"), *name = json_text(t, "name");
    if (json_is_object(t))
        printf("  target    %s %s%s%s   (cluster %s)\n", json_text_or(t, "kind", "?"), namespace ? namespace : "",
               namespace ? "/" : "", name ? name : json_text_or(t, "selector", "?"),
               json_text_or(record, "cluster", "?"));
}

static void print_plan(const struct planning *p, const json_t *record)
{
    const char *decision = json_text(record, "decision"), *message = json_text(record, "message");
    enum reason reason;
    size_t i;
    json_t *item;
    printf("%s\n  playbook  %s\n", json_text_or(json_path(record, "alert", "labels", NULL), "alertname", "alert"),
           json_text_or(record, "playbook", "none"));
    print_matchers(&p->loaded, record);
    print_target(record);
    printf("  decision  %s", decision);
    if (reason_parse(decision, &reason))
        printf(": %s", reason_explain(reason));
    printf("\n");
    if (message && !str_eq(decision, "act"))
        printf("            %s\n", message);
    json_array_foreach (json_object_get(record, "now"), i, item)
        printf("  now       %s\n", json_string_value(item));
    if (p->status && json_array_size(json_object_get(record, "now")) == 0)
        printf("  now       no pause, window, breaker, storm or budget stands in the way; cooldowns, attempts and "
               "locks of "
               "the target are not asked for\n");
    json_array_foreach (json_path(record, "plan", "notes", NULL), i, item)
        printf("  %s %s: %s\n", json_bool_or(item, "fails", false) ? "FAILS    " : "note     ",
               json_text_or(item, "action", "?"), json_text_or(item, "note", ""));
    if (json_is_object(json_object_get(record, "plan")))
        printf("Requests of rung \"%s\":\n", json_text_or(json_object_get(record, "plan"), "rung", "?"));
    print_requests(record);
    if (json_array_size(json_path(record, "plan", "checks", NULL)) > 0)
        printf("Then it would be proven by:\n");
    json_array_foreach (json_path(record, "plan", "checks", NULL), i, item) {
        _cleanup_free_ char *with = json_compact(json_object_get(item, "with"));
        printf("  - %s %s\n", json_text_or(item, "check", "?"), json_text_or(item, "error", with));
    }
}

static int plan_all(struct planning *p)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_json_ json_t *alerts = NULL, *plans = json_array();
    size_t i;
    json_t *item;
    bool act = false;
    if (read_alerts(p->alert, &alerts, &err) < 0) {
        fprintf(stderr, "mendctl: %s\n", error_message(&err));
        return EXIT_USAGE;
    }
    json_array_foreach (alerts, i, item)
        json_array_append_new(plans, plan_alert(p, item, &act));
    _cleanup_json_ json_t *all = json_pack("{s:O}", "plans", plans);
    if (!print_report_structured(p->cli, all))
        json_array_foreach (plans, i, item)
            print_plan(p, item);
    return act ? EXIT_OK : EXIT_NO;
}

static int start(struct planning *p)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    if (load_all(p->cli->config_file, p->cli->playbooks, false, &p->loaded) < 0)
        return EXIT_NO;
    if (!p->world && cluster_reader_new(p->loaded.config, &p->cluster, &err) < 0) {
        fprintf(stderr, "mendctl: %s\n", error_message(&err));
        return EXIT_UNREACHABLE;
    }
    if (p->cli->url_given) {
        int r = client_request(p->cli, "GET", "/status", NULL, &p->status);
        if (r != EXIT_OK)
            return r;
    }
    return plan_all(p);
}

static int run(struct cli *cli, int argc, char *argv[])
{
    struct planning p = {.cli = cli};
    _cleanup_error_ struct error err = ERROR_NONE;
    int option, r = EXIT_OK;
    while (r == EXIT_OK && (option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == OPT_ALERT)
            p.alert = optarg;
        else if (option == OPT_SERVER_DRY_RUN)
            p.server_dry_run = true;
        else if (option != OPT_OBJECTS)
            r = cli_usage(&verb_plan, "wrong flag");
        else if (world_add_file(p.world ? p.world : (p.world = world_new()), optarg, &err) < 0)
            r = cli_usage(&verb_plan, "--objects: %s", error_message(&err));
    }
    if (r == EXIT_OK && !p.alert)
        r = cli_usage(&verb_plan, "--alert FILE is missing (- reads it from stdin)");
    else if (r == EXIT_OK && !cli->playbooks)
        r = cli_usage(&verb_plan, "--playbooks is missing");
    else if (r == EXIT_OK && p.world && p.server_dry_run)
        r = cli_usage(&verb_plan, "--server-dry-run asks a real API server: it does not go with --objects");
    if (r == EXIT_OK)
        r = start(&p);
    json_decref(p.status);
    cluster_reader_free(p.cluster);
    world_free(p.world);
    loaded_clear(&p.loaded);
    return r;
}

const struct verb verb_plan = {
    .name = "plan",
    .synopsis = "plan --alert FILE|- --playbooks PATH… [--config.file FILE] [--server-dry-run | --objects FILE…]",
    .summary = "what mendd would do with an alert: playbook, target, guard, requests, checks",
    .run = run,
};
