/* Runs one golden case: playbooks and settings, timed events, a fake world, and what must come of it.
 *
 *   playbooks: [ … ]                as in a playbook file
 *   settings: {alertmanagers: 1, prometheus: false, dry_run: false, unmatched: escalate, protected_namespaces: [..],
 *              target_attempts: 3/1h, alertmanager_fires: true}
 *   config: { … }                   a config file's content (budgets, storm, receivers, …); settings go over it
 *   objects: [ … ]                  what the cluster holds
 *   world: {"PATCH /apis/…": {status: 409}, "tcp api:80": [{error: refused}, {status: 0}]}
 *   events:                         `at` since the start (2026-01-05T10:00:00Z)
 *   - {at: 0s, firing: {alertname: X, …}}      - {at: 1m, resolved: {…}}     - {at: 2m, world: {…}}
 *   - {at: 1m, fires: false}  - {at: 1m, reload: true}  - {at: 1m, restart: 30s} (down this long)
 *   - {at: 1m, delete: "/apis/…"}  - {at: 1m, objects: [ … ]}  - {at: 1m, malformed: "why"}  - {at: 1m, clock: 1h}
 *   - {at: 1m, clock_back: 1h}  - {at: 1m, stall: 1m}
 *   - {at: 1m, command: {do: approve, run: 0, by: ann}}   run: which record, from 0; left out: the newest
 *   world: {"notify pager": [{status: 500}, {status: 202}]}   what a receiver answers; 200 if it is not said
 *   until: 1h
 *   expect: {records: [{…a part of the record…}], sent: ["PATCH /apis/…"], reads: 2, posts: 1,
 *            replies: [{status: 200}], notices: [{event: trigger, receiver: pager}], status: {…a part…},
 *            kept: {"escalation/…": {…}}, events: [{reason: Repaired, object: {…}}]}   events: Kubernetes Events
 *
 * In `records` an object is a part (keys that are not named are not looked at), a list is whole. */
#include "actions/registry.h"
#include "base/alloc.h"
#include "base/text.h"
#include "checks/registry.h"
#include "config/config.h"
#include "core/core.h"
#include "world.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LATENCY_US (10 * USEC_PER_MSEC)

struct pending {
    int64_t at_us;
    uint64_t op;
    json_t *answer;
};

struct game {
    struct registry registry;
    struct settings settings;
    struct config *config;
    struct playbook_table *table;
    struct world world;
    struct core *core;
    struct now now;
    struct pending pending[4096];
    size_t n_pending;
    json_t *saves; /* id -> doc, in order of creation */
    json_t *open;  /* id -> true */
    json_t *kept;  /* key -> document */
    json_t *replies, *notices, *events;
    bool verbose;
};

static void die(const char *what, const char *detail)
{
    fprintf(stderr, "%s: %s\n", what, detail);
    exit(2);
}

static int64_t ms_of(const json_t *v, const char *what)
{
    int64_t ms = 0;
    _cleanup_error_ struct error err = ERROR_NONE;
    if (!v)
        return 0;
    _cleanup_free_ char *text = json_is_string(v) ? xstrdup(json_string_value(v)) : json_compact(v);
    if (duration_parse(text, &ms, &err) < 0)
        die(what, error_message(&err));
    return ms;
}

/* ---- the shell ---- */

static void keep(struct game *g, const struct effects *out)
{
    for (size_t i = 0; i < out->n_keeps; i++) {
        if (out->keeps[i].doc)
            json_object_set(g->kept, out->keeps[i].key, out->keeps[i].doc);
        else
            json_object_del(g->kept, out->keeps[i].key);
    }
    for (size_t i = 0; i < out->n_amends; i++)
        json_object_set(json_object_get(json_object_get(g->saves, out->amends[i].run), "record"), "escalations",
                        out->amends[i].escalations);
    for (size_t i = 0; i < out->n_replies; i++) {
        const struct reply *r = &out->replies[i];
        json_array_append_new(g->replies, json_pack("{s:i, s:s*, s:s, s:O*}", "status", r->status, "code", r->code,
                                                    "message", r->message, "body", r->body));
    }
}

static json_t *answer_notify(struct game *g, const json_t *notice)
{
    _cleanup_free_ char *key = xasprintf("notify %s", json_text_or(notice, "receiver", ""));
    json_t *answer = world_answer_scripted(&g->world, key);
    json_array_append_new(g->notices, json_deep_copy(notice));
    return answer ? answer : json_pack("{s:i}", "status", 200);
}

static void feed(struct game *g, const struct event *event)
{
    struct effects out;
    core_handle(g->core, event, g->now, &out);
    keep(g, &out);
    for (size_t i = 0; i < out.n_saves; i++) {
        json_object_set(g->saves, out.saves[i].run, out.saves[i].doc);
        json_object_set_new(g->open, out.saves[i].run, json_boolean(out.saves[i].open));
    }
    for (size_t i = 0; i < out.n_notes; i++)
        if (g->verbose)
            printf("%8.3f  %s\n", (double)g->now.boot_us / 1e6, out.notes[i].message);
    for (size_t i = 0; i < out.n_cluster_events; i++)
        json_array_append(g->events, out.cluster_events[i].what);
    for (size_t i = 0; i < out.n_outs; i++) {
        const struct out *o = &out.outs[i];
        json_t *answer = o->type == OUT_ASK      ? world_answer_ask(&g->world, o->what)
                         : o->type == OUT_SEND   ? world_answer_send(&g->world, o->what)
                         : o->type == OUT_NOTIFY ? answer_notify(g, o->what)
                                                 : world_answer_post(&g->world, o->what);
        if (json_bool_or(answer, "never", false)) { /* lost with the process */
            json_decref(answer);
            continue;
        }
        if (g->n_pending == ARRAY_SIZE(g->pending))
            die("golden", "too many questions at once");
        g->pending[g->n_pending++] = (struct pending){g->now.boot_us + LATENCY_US, o->op, answer};
    }
    effects_clear(&out);
}

static void feed_alert(struct game *g, const json_t *labels, const char *status)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_json_ json_t *j = json_pack("{s:s, s:O, s:{}, s:s}", "status", status, "labels", labels, "annotations",
                                         "startsAt", "2026-01-05T09:59:00Z");
    _cleanup_(alert_freep) struct alert *alert = alert_from_json(j, status, g->now, &err);
    if (!alert)
        die("alert", error_message(&err));
    world_alert(&g->world, labels, str_eq(status, "firing"));
    const struct event event = {.type = EVENT_ALERT, .inbox_seq = 1, .alert = alert};
    feed(g, &event);
}

static void restart(struct game *g, int64_t down_ms)
{
    const struct event resume = {.type = EVENT_RESUME, .last_alive_wall_us = g->now.wall_us};
    const char *id;
    json_t *doc;
    core_free(g->core);
    for (size_t i = 0; i < g->n_pending; i++)
        json_decref(g->pending[i].answer);
    g->n_pending = 0;
    g->core = core_new(&g->registry, &g->settings, 99);
    json_object_foreach (g->kept, id, doc) {
        _cleanup_error_ struct error err = ERROR_NONE;
        if (core_restore_kept(g->core, id, doc, &err) < 0)
            die("restart", error_message(&err));
    }
    json_object_foreach (g->saves, id, doc) {
        _cleanup_error_ struct error err = ERROR_NONE;
        const json_t *record = json_object_get(doc, "record");
        bool done = str_eq(json_text(record, "state"), "done");
        struct playbook *p = NULL;
        for (size_t i = 0; i < g->table->n; i++)
            if (str_eq(g->table->playbooks[i]->hash, json_text(record, "playbook_hash")))
                p = g->table->playbooks[i];
        int r = done ? core_restore_history(g->core, doc, &err) : core_restore_run(g->core, doc, p, &err);
        if (r < 0)
            die("restart", error_message(&err));
    }
    g->now.wall_us += down_ms * USEC_PER_MSEC;
    g->now.boot_us += down_ms * USEC_PER_MSEC;
    feed(g, &resume);
}

static void set_world(struct game *g, const json_t *table)
{
    json_object_update(g->world.table, (json_t *)table);
}

static void add_objects(struct game *g, const json_t *list)
{
    size_t i;
    json_t *o;
    json_array_foreach ((json_t *)list, i, o)
        world_add_object(&g->world, o);
}

static void command(struct game *g, const json_t *what)
{
    _cleanup_json_ json_t *copy = json_deep_copy(what);
    json_int_t wanted = json_int_or(what, "run", (json_int_t)json_object_size(g->saves) - 1), n = 0;
    const char *id;
    json_t *doc;
    json_object_foreach (g->saves, id, doc)
        if (n++ == wanted && !json_text(what, "run"))
            json_set_text(copy, "run", id);
    const struct event event = {.type = EVENT_COMMAND, .command = {.what = copy, .ticket = 1}};
    feed(g, &event);
}

static void play(struct game *g, const json_t *e)
{
    const json_t *v;
    if ((v = json_object_get(e, "command")))
        command(g, v);
    if ((v = json_object_get(e, "firing")))
        feed_alert(g, v, "firing");
    if ((v = json_object_get(e, "resolved")))
        feed_alert(g, v, "resolved");
    if ((v = json_object_get(e, "world")))
        set_world(g, v);
    if ((v = json_object_get(e, "fires")))
        g->world.alertmanager_fires = json_is_true(v);
    if ((v = json_object_get(e, "objects")))
        add_objects(g, v);
    if ((v = json_object_get(e, "delete")))
        json_object_del(g->world.objects, json_string_value(v));
    if ((v = json_object_get(e, "restart")))
        restart(g, ms_of(v, "restart"));
    if ((v = json_object_get(e, "clock")))
        g->now.wall_us += ms_of(v, "clock") * USEC_PER_MSEC;
    if ((v = json_object_get(e, "clock_back")))
        g->now.wall_us -= ms_of(v, "clock_back") * USEC_PER_MSEC;
    if ((v = json_object_get(e, "stall")))
        g->now.boot_us += ms_of(v, "stall") * USEC_PER_MSEC, g->now.wall_us += ms_of(v, "stall") * USEC_PER_MSEC;
    if (json_object_get(e, "reload")) {
        const struct event event = {.type = EVENT_SETTINGS, .settings = &g->settings};
        feed(g, &event);
    }
    if ((v = json_object_get(e, "malformed"))) {
        const struct event event = {.type = EVENT_MALFORMED, .malformed = {json_string_value(v), NULL}};
        feed(g, &event);
    }
}

/* ---- time ---- */

static size_t next_pending(const struct game *g)
{
    size_t best = 0;
    for (size_t i = 1; i < g->n_pending; i++)
        if (g->pending[i].at_us < g->pending[best].at_us ||
            (g->pending[i].at_us == g->pending[best].at_us && g->pending[i].op < g->pending[best].op))
            best = i;
    return best;
}

static void advance_to(struct game *g, int64_t boot_us)
{
    if (boot_us > g->now.boot_us) {
        g->now.wall_us += boot_us - g->now.boot_us;
        g->now.boot_us = boot_us;
    }
}

static void run_until(struct game *g, int64_t end_us)
{
    for (int steps = 0;; steps++) {
        int64_t tick = core_next_boot_us(g->core);
        size_t i = next_pending(g);
        int64_t answer = g->n_pending ? g->pending[i].at_us : INT64_MAX;
        if (steps > 200000)
            die("golden", "the core never comes to rest");
        if (tick > end_us && answer > end_us)
            break;
        struct event event = {.type = EVENT_TICK};
        if (answer <= tick) {
            advance_to(g, answer);
            event = (struct event){.type = EVENT_ANSWER, .answer = {g->pending[i].op, g->pending[i].answer}};
            g->pending[i] = g->pending[--g->n_pending];
        } else {
            advance_to(g, tick);
        }
        feed(g, &event);
    }
    advance_to(g, end_us);
}

/* ---- judging ---- */

static bool part_of(const json_t *want, const json_t *have, struct strbuf *at)
{
    size_t mark = at->len, i;
    const char *key;
    json_t *v;
    if (json_is_object(want) && json_is_object(have)) {
        json_object_foreach ((json_t *)want, key, v) {
            strbuf_printf(at, ".%s", key);
            if (!part_of(v, json_object_get(have, key), at))
                return false;
            at->len = mark;
        }
        return true;
    }
    if (json_is_array(want) && json_is_array(have) && json_array_size(want) == json_array_size(have)) {
        json_array_foreach ((json_t *)want, i, v) {
            strbuf_printf(at, "[%zu]", i);
            if (!part_of(v, json_array_get(have, i), at))
                return false;
            at->len = mark;
        }
        return true;
    }
    if (json_is_null(want) && !have)
        return true;
    const char *text = json_string_value(want), *got = json_string_value(have);
    if (text && got && str_starts(text, "~")) /* ~text: holds it */
        return strstr(got, text + 1) != NULL;
    return have && json_equal(want, have);
}

static int compare(const json_t *want, const json_t *have, const char *what)
{
    struct strbuf at = STRBUF_INIT;
    if (!want || part_of(want, have, &at)) {
        strbuf_free(&at);
        return 0;
    }
    _cleanup_free_ char *w = json_dumps(want, JSON_INDENT(1) | JSON_ENCODE_ANY);
    _cleanup_free_ char *h = json_dumps(have, JSON_INDENT(1) | JSON_ENCODE_ANY);
    fprintf(stderr, "%s differs at %.*s\nexpected: %s\nhave: %s\n", what, (int)at.len, at.data ? at.data : "", w, h);
    strbuf_free(&at);
    return 1;
}

static int judge(struct game *g, const json_t *expect)
{
    _cleanup_json_ json_t *records = json_array();
    const char *id;
    json_t *doc;
    json_object_foreach (g->saves, id, doc)
        json_array_append(records, json_object_get(doc, "record"));
    int misses = compare(json_object_get(expect, "records"), records, "records");
    misses += compare(json_object_get(expect, "sent"), g->world.sent, "sent");
    _cleanup_json_ json_t *numbers = json_pack("{s:i, s:i}", "reads", g->world.reads, "posts", g->world.posts);
    _cleanup_json_ json_t *status = core_status_new(g->core, g->now);
    misses += compare(json_object_get(expect, "replies"), g->replies, "replies");
    misses += compare(json_object_get(expect, "notices"), g->notices, "notices");
    misses += compare(json_object_get(expect, "events"), g->events, "events");
    misses += compare(json_object_get(expect, "status"), status, "status");
    misses += compare(json_object_get(expect, "kept"), g->kept, "kept");
    for (size_t i = 0; i < 2; i++) {
        const char *key = i ? "posts" : "reads";
        misses += compare(json_object_get(expect, key), json_object_get(numbers, key), key);
    }
    return misses;
}

/* ---- set-up ---- */

static void write_yaml(char *path, const json_t *doc)
{
    _cleanup_free_ char *text = json_dumps(doc, JSON_INDENT(1));
    int fd = mkstemps(path, 5);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        die(path, "cannot be written");
    close(fd);
}

static void load_files(struct game *g, const json_t *playbooks, const json_t *config)
{
    char path[] = "/tmp/golden-XXXXXX.yaml", config_path[] = "/tmp/golden-XXXXXX.yaml";
    _cleanup_(faults_clear) struct faults faults = {0};
    _cleanup_json_ json_t *file = json_pack("{s:O}", "playbooks", playbooks);
    write_yaml(path, file);
    if (config)
        write_yaml(config_path, config);
    const char *const paths[] = {path, NULL};
    int r = config_load(config ? config_path : NULL, &g->config, &faults);
    if (r == 0)
        r = playbooks_load(paths, g->config, &g->registry, &g->table, &faults);
    unlink(path);
    if (config)
        unlink(config_path);
    if (r < 0)
        die("config or playbooks", faults.n ? faults.texts[0] : "cannot be loaded");
}

static void load_settings(struct game *g, const json_t *s, bool has_config)
{
    static struct rate rates[2];
    static char *namespaces[16] = {(char *)"kube-system"};
    settings_from_config(g->config, g->table, &g->settings);
    g->settings.n_alertmanagers = (int)json_int_or(s, "alertmanagers", 1);
    g->settings.has_prometheus = json_bool_or(s, "prometheus", false);
    g->settings.dry_run = json_bool_or(s, "dry_run", false);
    g->settings.escalate_unmatched = !str_eq(json_text(s, "unmatched"), "record");
    g->settings.default_cluster = (char *)"prod";
    const json_t *self = json_object_get(s, "self"); /* where mendd runs */
    if (self)
        g->settings.self = (struct self){.cluster = g->settings.default_cluster,
                                         .namespace = (char *)(uintptr_t)json_text(self, "namespace"),
                                         .pod = (char *)(uintptr_t)json_text(self, "pod"),
                                         .node = (char *)(uintptr_t)json_text(self, "node")};
    if (!has_config)
        g->settings.protected_namespaces = namespaces;
    rates[0] = (struct rate){(int)json_int_or(s, "target_attempts", 100), 3600 * MSEC_PER_SEC};
    if (!has_config || json_object_get(s, "target_attempts"))
        g->settings.target_attempts = rates;
    g->world.alertmanager_fires = json_bool_or(s, "alertmanager_fires", true);
}

int main(int argc, char **argv)
{
    static struct game g = {.registry = {all_actions, all_checks}};
    _cleanup_error_ struct error err = ERROR_NONE;
    if (argc < 2)
        die("usage", "golden CASE.yaml [-v]");
    struct node *tree = NULL;
    if (node_load_file(argv[1], &tree, &err) < 0)
        die(argv[1], error_message(&err));
    _cleanup_json_ json_t *doc = node_to_json(tree);
    node_free(tree);
    g.verbose = argc > 2;
    g.now = (struct now){.boot_us = 1000 * USEC_PER_SEC};
    time_parse("2026-01-05T10:00:00Z", &g.now.wall_us);
    g.saves = json_object();
    g.open = json_object();
    world_init(&g.world);
    g.kept = json_object();
    g.replies = json_array();
    g.notices = json_array();
    g.events = json_array();
    load_files(&g, json_object_get(doc, "playbooks"), json_object_get(doc, "config"));
    load_settings(&g, json_object_get(doc, "settings"), json_object_get(doc, "config"));
    add_objects(&g, json_object_get(doc, "objects"));
    set_world(&g, json_object_get(doc, "world"));
    g.core = core_new(&g.registry, &g.settings, 1);
    const int64_t start = g.now.boot_us;
    size_t i;
    json_t *e;
    json_array_foreach (json_object_get(doc, "events"), i, e) {
        run_until(&g, start + ms_of(json_object_get(e, "at"), "at") * USEC_PER_MSEC);
        play(&g, e);
    }
    run_until(&g, start + ms_of(json_object_get(doc, "until"), "until") * USEC_PER_MSEC);
    int misses = judge(&g, json_object_get(doc, "expect"));
    core_free(g.core);
    for (i = 0; i < g.n_pending; i++)
        json_decref(g.pending[i].answer);
    json_decref(g.saves);
    json_decref(g.open);
    json_decref(g.kept);
    json_decref(g.replies);
    json_decref(g.notices);
    json_decref(g.events);
    world_clear(&g.world);
    playbook_table_free(g.table);
    config_free(g.config);
    return misses ? 1 : 0;
}
