/* mendctl replay: what mendd would have done with a recorded history of webhooks.
 *
 * A file of NDJSON: one webhook payload a line with its time, either {"time": "2026-01-05T10:00:00Z", "payload": {…}}
 * or the payload itself with a key "time". The daemon's core decides over all of it, on the history's own clock, as
 * with --dry-run: limits keep their shadow, so that a cooldown or a budget stands in the way as it would have. The
 * world: --objects, else what the alerts name is taken to exist (imagine.h). */
#include "cli.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"
#include "core/record.h"
#include "decide.h"
#include "world.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <string.h>

enum { OPT_OBJECTS = 256, LINE_MAX_BYTES = 16 << 20, TURNS_MAX = 1000000 };
#define AFTERWARDS_US (24 * 3600 * USEC_PER_SEC) /* what still waits then is shown as it waits */
#define BOOT_AT_START_US (3600 * USEC_PER_SEC)

static const struct option options[] = {{"objects", required_argument, NULL, OPT_OBJECTS}, {0}};

struct replay {
    struct cli *cli;
    const char *file;
    struct loaded loaded;
    struct world *world;
    struct driver driver;
    json_t *records; /* run id -> record, in the order of their first save */
    json_t *told;    /* run id -> ["trigger pager", …] */
    size_t webhooks, alerts, malformed, line;
};

/* ---- the core's outside ---- */

static json_t *answer(const json_t *question, void *userdata)
{
    struct replay *r = userdata;
    return world_answer_new(r->world, question);
}

static void keep(json_t *record, void *userdata)
{
    struct replay *r = userdata;
    json_object_set(r->records, json_text_or(record, "id", "?"), record);
}

static void told(const json_t *notice, void *userdata)
{
    struct replay *r = userdata;
    const char *run = json_text_or(notice, "run", "");
    json_t *list = json_object_get(r->told, run);
    if (!list)
        json_object_set_new(r->told, run, list = json_array());
    _cleanup_free_ char *words =
        xasprintf("%s %s", json_text_or(notice, "event", "?"), json_text_or(notice, "receiver", "?"));
    json_array_append_new(list, json_string(words));
}

/* Time passes as the core wants to be woken. */
static void pass_until(struct replay *r, int64_t wall_us)
{
    struct driver *d = &r->driver;
    const int64_t end_us = d->now.boot_us + (wall_us - d->now.wall_us);
    for (int i = 0; i < TURNS_MAX; i++) {
        const int64_t next_us = core_next_boot_us(d->core);
        if (next_us > end_us)
            break;
        const int64_t step_us = next_us > d->now.boot_us ? next_us - d->now.boot_us : 0;
        d->now = (struct now){.wall_us = d->now.wall_us + step_us, .boot_us = d->now.boot_us + step_us};
        driver_turn(d, &(struct event){.type = EVENT_TICK});
    }
    d->now = (struct now){.wall_us = wall_us, .boot_us = end_us};
}

/* ---- the history ---- */

static int read_time(const json_t *value, int64_t *ret_us)
{
    if (json_is_string(value))
        return time_parse(json_string_value(value), ret_us);
    const double s = json_is_number(value) ? json_number_value(value) : -1;
    if (!(s > 0 && s < 1e11)) /* seconds since 1970; not milliseconds by mistake */
        return -EINVAL;
    *ret_us = llround(s * 1e6);
    return 0;
}

static void feed_alert(struct replay *r, const json_t *item, const char *status)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_(alert_freep) struct alert *alert = alert_from_json(item, status, r->driver.now, &err);
    r->alerts++;
    if (alert) {
        driver_turn(&r->driver, &(struct event){.type = EVENT_ALERT, .alert = alert});
        return;
    }
    r->malformed++;
    driver_turn(&r->driver,
                &(struct event){.type = EVENT_MALFORMED, .malformed = {.why = error_message(&err), .raw = item}});
}

static int feed_line(struct replay *r, const char *text, size_t len, struct error *err)
{
    _cleanup_json_ json_t *document = json_parse(text, len, LINE_MAX_BYTES, false, err);
    const json_t *inner = json_object_get(document, "payload");
    struct payload payload;
    int64_t at_us = 0;
    if (!document)
        return -EINVAL;
    if (read_time(json_object_get(document, "time"), &at_us) < 0)
        return error_set(err, -EINVAL, "\"time\" must be RFC 3339 (2026-01-05T10:00:00Z) or seconds since 1970");
    if (payload_from_json(inner ? inner : document, &payload, err) < 0)
        return -EINVAL;
    if (r->webhooks++ == 0)
        r->driver.now = (struct now){.wall_us = at_us, .boot_us = BOOT_AT_START_US};
    if (at_us < r->driver.now.wall_us)
        return error_set(err, -EINVAL, "its time lies before the line above: sort the history by time");
    pass_until(r, at_us);
    size_t i;
    json_t *item;
    json_array_foreach (payload.alerts, i, item)
        feed_alert(r, item, payload.status);
    return 0;
}

static int feed_file(struct replay *r)
{
    _cleanup_free_ char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    FILE *f = str_eq(r->file, "-") ? stdin : fopen(r->file, "re");
    int k = 0;
    if (!f) {
        fprintf(stderr, "mendctl: %s: %s\n", r->file, strerror(errno));
        return EXIT_NO;
    }
    while (k == 0 && (len = getline(&line, &cap, f)) >= 0) {
        _cleanup_error_ struct error err = ERROR_NONE;
        r->line++;
        if (line[strspn(line, " \t\r\n")])
            k = feed_line(r, line, (size_t)len, &err);
        if (k < 0)
            fprintf(stderr, "%s:%zu: %s\n", r->file, r->line, error_message(&err));
    }
    if (f != stdin)
        fclose(f);
    return k < 0 ? EXIT_NO : EXIT_OK;
}

/* ---- what came of it ---- */

static json_t *decision_new(const struct replay *r, const json_t *record)
{
    json_t *d = json_object(), *requests = json_array(), *q;
    const char *id = json_text_or(record, "id", "");
    size_t i;
    _cleanup_free_ char *target = print_target_new(record);
    json_set_text(d, "time", json_text(record, "created"));
    json_set_text(d, "alertname", json_path_text(record, "alert", "labels", "alertname", NULL));
    json_object_set(d, "labels", json_path(record, "alert", "labels", NULL));
    json_set_text(d, "playbook", json_text(record, "playbook"));
    json_set_text(d, "target", str_eq(target, "-") ? NULL : target);
    json_set_text(d, "decision", decision_of(&r->loaded, record));
    json_set_text(d, "message", json_text(record, "message"));
    json_object_set(d, "seen", json_object_get(record, "seen"));
    json_object_set(d, "escalated", json_object_get(record, "escalated"));
    json_array_foreach (json_path(record, "plan", "requests", NULL), i, q) {
        _cleanup_free_ char *text = xasprintf("%s %s", json_text_or(q, "method", "?"), json_text_or(q, "path", "?"));
        json_array_append_new(requests, json_string(text));
    }
    json_object_set_new(d, "requests", requests);
    json_t *notices = json_object_get(r->told, id);
    json_object_set_new(d, "told", notices ? json_incref(notices) : json_array());
    return d;
}

static json_t *report_new(const struct replay *r)
{
    json_t *decisions = json_array(), *counts = json_object(), *record;
    const char *id;
    json_object_foreach (r->records, id, record) {
        json_t *d = decision_new(r, record);
        const char *word = json_text_or(d, "decision", "none");
        json_object_set_new(counts, word, json_integer(json_int_or(counts, word, 0) + 1));
        json_array_append_new(decisions, d);
    }
    return json_pack("{s:o, s:{s:I, s:I, s:I, s:o}}", "decisions", decisions, "summary", "webhooks",
                     (json_int_t)r->webhooks, "alerts", (json_int_t)r->alerts, "malformed", (json_int_t)r->malformed,
                     "decisions", counts);
}

static void print_table(const json_t *report)
{
    static const char *const columns[] = {"TIME", "ALERT", "TARGET", "PLAYBOOK", "DECISION", "SEEN", "WHAT"};
    struct table *t = table_new(columns, ARRAY_SIZE(columns));
    size_t i;
    json_t *d;
    const char *word;
    json_array_foreach (json_object_get(report, "decisions"), i, d) {
        const json_t *requests = json_object_get(d, "requests");
        const size_t n = json_array_size(requests);
        _cleanup_free_ char *seen = xasprintf("%d", (int)json_int_or(d, "seen", 1));
        _cleanup_free_ char *what =
            n > 1    ? xasprintf("%s (and %zu more)", json_string_value(json_array_get(requests, 0)), n - 1)
            : n == 1 ? xstrdup(json_string_value(json_array_get(requests, 0)))
                     : xstrdup(json_text_or(d, "message", ""));
        const char *cells[] = {json_text(d, "time"),
                               json_text(d, "alertname"),
                               json_text(d, "target"),
                               json_text(d, "playbook"),
                               json_text(d, "decision"),
                               seen,
                               what};
        table_row(t, cells);
    }
    table_print(t, stdout);
    const json_t *summary = json_object_get(report, "summary");
    printf("\n%d webhooks, %d alerts:", (int)json_int_or(summary, "webhooks", 0),
           (int)json_int_or(summary, "alerts", 0));
    json_object_foreach (json_object_get(summary, "decisions"), word, d)
        printf(" %s %d", word, (int)json_integer_value(d));
    putchar('\n');
}

/* Shares of "all workloads" cannot be told without a cluster. */
static void forget_percentages(struct budget_settings *b)
{
    struct budget *const all[] = {&b->global, &b->cluster, &b->namespace};
    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        all[i]->workloads_percent = all[i]->nodes_percent = 0;
}

static int replay(struct replay *r, bool imagined)
{
    struct settings settings;
    if (load_all(r->cli->config_file, r->cli->playbooks, false, &r->loaded) < 0)
        return EXIT_NO;
    settings_from_config(r->loaded.config, r->loaded.table, &settings);
    settings.n_watched = settings.n_cluster_sets = 0; /* what was heard is played; nothing is watched */
    settings.dry_run = true;
    if (imagined) {
        world_imagine(r->world);
        forget_percentages(&settings.budgets);
    }
    _cleanup_(core_freep) struct core *core = core_new(&cli_registry, &settings, 1);
    r->driver = (struct driver){.core = core, .answer = answer, .keep = keep, .told = told, .userdata = r};
    int k = feed_file(r);
    if (k != EXIT_OK)
        return k;
    if (r->webhooks > 0)
        pass_until(r, r->driver.now.wall_us + AFTERWARDS_US);
    _cleanup_json_ json_t *report = report_new(r);
    if (!print_structured(r->cli, report))
        print_table(report);
    return EXIT_OK;
}

static int run(struct cli *cli, int argc, char *argv[])
{
    struct replay r = {.cli = cli, .world = world_new(), .records = json_object(), .told = json_object()};
    _cleanup_error_ struct error err = ERROR_NONE;
    int option, k = EXIT_OK;
    bool imagined = true;
    while (k == EXIT_OK && (option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option != OPT_OBJECTS)
            k = cli_usage(&verb_replay, "wrong flag");
        else if (world_add_file(r.world, optarg, &err) < 0)
            k = cli_usage(&verb_replay, "--objects: %s", error_message(&err));
        imagined = false;
    }
    if (k == EXIT_OK && argc - optind != 1)
        k = cli_usage(&verb_replay, "name one file of webhooks (- reads stdin)");
    else if (k == EXIT_OK && !cli->playbooks)
        k = cli_usage(&verb_replay, "--playbooks is missing");
    if (k == EXIT_OK) {
        r.file = argv[optind];
        k = replay(&r, imagined);
    }
    json_decref(r.records);
    json_decref(r.told);
    world_free(r.world);
    loaded_clear(&r.loaded);
    return k;
}

const struct verb verb_replay = {
    .name = "replay",
    .synopsis = "replay FILE|- --playbooks PATH… [--config.file FILE] [--objects FILE…]",
    .summary = "what mendd would have done with a recorded history of webhooks, a payload a line with its time",
    .run = run,
};
