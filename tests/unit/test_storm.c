/* Storms through the core itself: what is counted, held, kept and told (the golden cases storm_* show whole stories).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/text.h"
#include "core/core.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int plan_nothing(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    (void)in, (void)err;
    ret->effects = json_array();
    return 0;
}

static const struct action act = {.name = "fake.act", .class = ACTION_EFFECT, .plan = plan_nothing};
static const struct action *const actions[] = {&act, NULL};
static const struct check *const checks[] = {NULL};

struct fixture {
    struct registry registry;
    struct settings settings;
    struct step step;
    struct rung rung;
    struct matcher *matcher;
    struct playbook *playbook;
    struct core *core;
    struct now now;
    json_t *records; /* id -> record */
    json_t *states;  /* id -> document */
    json_t *kept;    /* the document "storms" */
    int writes;      /* of it */
};

static int set_up(void **state)
{
    struct fixture *f = xnew0(struct fixture);
    f->registry = (struct registry){actions, checks};
    f->step = (struct step){.action = &act, .with = json_object()};
    f->rung = (struct rung){.name = (char *)"r", .steps = &f->step, .n_steps = 1, .mode = MODE_AUTO};
    struct playbook *p = f->playbook = xnew0(struct playbook);
    *p = (struct playbook){.refs = 2, .name = (char *)"p", .hash = (char *)"h", .mode = MODE_AUTO, .n_rungs = 1};
    p->has_target = true;
    p->target = (struct target_spec){.kind = (char *)"Deployment",
                                     .namespace = (char *)"{{ labels.namespace }}",
                                     .name = (char *)"{{ labels.deployment }}"};
    p->ladder = &f->rung;
    p->limits = (struct limits){.expires_ms = 1800000, .pods = 10};
    p->run_timeout_ms = 3600000;
    p->settle_ms = 900000;
    p->vars = json_object();
    assert_int_equal(matcher_parse("alertname=Down", &f->matcher, NULL), 0);
    p->matchers = &f->matcher;
    p->n_matchers = 1;
    f->settings = (struct settings){.default_cluster = (char *)"prod", .storm = {true, 3, 60000}};
    f->settings.table = playbook_table_new();
    playbook_table_add(f->settings.table, p);
    f->core = core_new(&f->registry, &f->settings, 7);
    f->now = (struct now){.wall_us = INT64_C(1767607200000000), .boot_us = 100 * USEC_PER_SEC};
    f->records = json_object();
    f->states = json_object();
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    core_free(f->core);
    playbook_table_free(f->settings.table);
    json_decref(f->step.with);
    json_decref(f->playbook->vars);
    json_decref(f->records);
    json_decref(f->states);
    json_decref(f->kept);
    matcher_free(f->matcher);
    free(f->playbook);
    free(f);
    return 0;
}

/* Every object is there, and nobody opted out. */
static json_t *object_at(const char *path)
{
    char namespace[64] = "", name[64] = "";
    if (sscanf(path, "/apis/apps/v1/namespaces/%63[^/]/deployments/%63[^/?]", namespace, name) == 2)
        return json_pack("{s:i, s:{s:s, s:{s:s, s:s, s:s}, s:{s:{s:{s:s}}}}}", "status", 200, "body", "kind",
                         "Deployment", "metadata", "name", name, "namespace", namespace, "uid", name, "spec",
                         "selector", "matchLabels", "app", name);
    if (str_starts(path, "/api/v1/namespaces/"))
        return json_pack("{s:i, s:{s:{s:s}}}", "status", 200, "body", "metadata", "name", "x");
    return json_pack("{s:i, s:{s:s}}", "status", 404, "body", "message", "not found");
}

static void keep(struct fixture *f, const struct effects *out)
{
    for (size_t i = 0; i < out->n_saves; i++) {
        json_object_set(f->states, out->saves[i].run, out->saves[i].doc);
        json_object_set(f->records, out->saves[i].run, json_object_get(out->saves[i].doc, "record"));
    }
    for (size_t i = 0; i < out->n_keeps; i++) {
        if (!str_eq(out->keeps[i].key, "storms"))
            continue;
        f->writes++;
        json_decref(f->kept);
        f->kept = json_incref(out->keeps[i].doc);
    }
}

static void feed(struct fixture *f, const struct event *event)
{
    struct effects out;
    core_handle(f->core, event, f->now, &out);
    keep(f, &out);
    for (size_t i = 0; i < out.n_outs; i++) {
        if (out.outs[i].type != OUT_ASK)
            continue;
        json_t *answer = object_at(json_text_or(out.outs[i].what, "path", ""));
        feed(f, &(struct event){.type = EVENT_ANSWER, .answer = {out.outs[i].op, answer}});
    }
    effects_clear(&out);
}

static void alert(struct fixture *f, const char *name, const char *namespace, const char *deployment, bool own)
{
    _cleanup_json_ json_t *j = json_pack("{s:{s:s, s:s, s:s}, s:s}", "labels", "alertname", name, "namespace",
                                         namespace, "deployment", deployment, "status", "firing");
    _cleanup_(alert_freep) struct alert *a = alert_from_json(j, "firing", f->now, NULL);
    feed(f, &(struct event){.type = EVENT_ALERT, .own = own, .alert = a});
}

static void down(struct fixture *f, const char *namespace, int from, int to)
{
    for (int i = from; i < to; i++) {
        char name[16];
        snprintf(name, sizeof(name), "d%d", i);
        alert(f, "Down", namespace, name, false);
    }
}

static void tick_after(struct fixture *f, int64_t us)
{
    f->now.boot_us += us;
    f->now.wall_us += us;
    feed(f, &(struct event){.type = EVENT_TICK});
}

static json_t *storms_new(struct fixture *f)
{
    _cleanup_json_ json_t *status = core_status_new(f->core, f->now);
    return json_incref(json_object_get(status, "storms"));
}

static size_t open_storms(struct fixture *f)
{
    _cleanup_json_ json_t *list = storms_new(f);
    return json_array_size(list);
}

static size_t count_of(struct fixture *f, const char *alertname, const char *reason)
{
    const char *id;
    json_t *r;
    size_t n = 0;
    json_object_foreach (f->records, id, r)
        n += str_eq(json_path_text(r, "alert", "labels", "alertname", NULL), alertname) &&
             (str_eq(json_text(r, "reason"), reason) || str_eq(json_path_text(r, "held", "reason", NULL), reason));
    return n;
}

/* ---- tests ---- */

static void more_than_the_limit_opens_it(void **state)
{
    struct fixture *f = *state;
    down(f, "shop", 0, 3);
    assert_int_equal(open_storms(f), 0);
    assert_int_equal(f->writes, 0); /* what only counts is not kept */
    down(f, "shop", 3, 6);
    assert_int_equal(open_storms(f), 1);
    assert_int_equal(count_of(f, "MenddStorm", "no_playbook"), 1);
    assert_int_equal(count_of(f, "Down", "storm"), 3); /* the first three were through before */
    _cleanup_json_ json_t *list = storms_new(f);
    const json_t *s = json_array_get(list, 0);
    assert_string_equal(json_text(s, "namespace"), "shop");
    assert_int_equal(json_int_or(s, "targets", 0), 6);
    assert_int_equal(json_int_or(s, "held", 0), 3);
    assert_non_null(json_text(s, "run"));
}

static void without_the_section_there_is_none(void **state)
{
    struct fixture *f = *state;
    f->settings.storm.enabled = false;
    down(f, "shop", 0, 10);
    assert_int_equal(open_storms(f), 0);
    assert_int_equal(count_of(f, "Down", "storm"), 0);
}

static void a_reload_without_it_ends_it(void **state)
{
    struct fixture *f = *state;
    down(f, "shop", 0, 5);
    assert_int_equal(open_storms(f), 1);
    struct settings off = f->settings;
    off.storm.enabled = false;
    feed(f, &(struct event){.type = EVENT_SETTINGS, .settings = &off});
    assert_int_equal(open_storms(f), 0);
    assert_int_equal(count_of(f, "Down", "storm"), 0);
}

static void it_sleeps_until_its_end(void **state)
{
    struct fixture *f = *state;
    down(f, "shop", 0, 5);
    assert_true(core_next_boot_us(f->core) <= f->now.boot_us + 60 * USEC_PER_SEC);
    tick_after(f, 59 * USEC_PER_SEC);
    assert_int_equal(open_storms(f), 1);
    tick_after(f, USEC_PER_SEC);
    assert_int_equal(open_storms(f), 0);
    assert_int_equal(json_array_size(json_object_get(f->kept, "storms")), 0);
    assert_int_equal(count_of(f, "Down", "storm"), 0);
}

static void the_wall_clock_does_not_end_it(void **state)
{
    struct fixture *f = *state;
    down(f, "shop", 0, 5);
    f->now.wall_us += 3600 * USEC_PER_SEC;
    tick_after(f, USEC_PER_SEC);
    assert_int_equal(open_storms(f), 1);
    f->now.wall_us -= 7200 * USEC_PER_SEC;
    tick_after(f, 60 * USEC_PER_SEC);
    assert_int_equal(open_storms(f), 0);
}

static void a_large_one_is_bounded(void **state)
{
    struct fixture *f = *state;
    down(f, "shop", 0, 1200);
    const json_t *s = json_array_get(json_object_get(f->kept, "storms"), 0);
    assert_int_equal(json_int_or(s, "count", 0), 1200);
    assert_int_equal(json_array_size(json_object_get(s, "targets")), 1000);
    const json_t *record = json_object_get(f->records, json_text_or(s, "run", ""));
    const char *targets = json_path_text(record, "alert", "annotations", "targets", NULL);
    assert_true(str_starts(targets, "Deployment/shop/d0, Deployment/shop/d1, "));
    assert_string_equal(targets + strlen(targets) - strlen(", and 1180 more"), ", and 1180 more");
    assert_string_equal(json_path_text(record, "alert", "annotations", "count", NULL), "1200");
}

/* A new core from what was saved, `down_us` later. */
static void restart(struct fixture *f, int64_t down_us)
{
    const char *id;
    json_t *doc;
    const int64_t alive_us = f->now.wall_us;
    core_free(f->core);
    f->core = core_new(&f->registry, &f->settings, 8);
    if (f->kept)
        assert_int_equal(core_restore_kept(f->core, "storms", f->kept, NULL), 0);
    json_object_foreach (f->states, id, doc) {
        const json_t *r = json_object_get(doc, "record");
        if (str_eq(json_text(r, "state"), "done"))
            assert_int_equal(core_restore_history(f->core, doc, NULL), 0);
        else
            assert_int_equal(core_restore_run(f->core, doc, f->playbook, NULL), 0);
    }
    f->now.wall_us += down_us;
    f->now.boot_us = 5 * USEC_PER_SEC; /* the machine was started anew */
    feed(f, &(struct event){.type = EVENT_RESUME, .last_alive_wall_us = alive_us});
}

static void it_survives_a_restart(void **state)
{
    struct fixture *f = *state;
    down(f, "shop", 0, 5);
    tick_after(f, 20 * USEC_PER_SEC);
    restart(f, 3600 * USEC_PER_SEC);
    assert_int_equal(open_storms(f), 1);
    assert_int_equal(count_of(f, "Down", "storm"), 2);
    tick_after(f, 39 * USEC_PER_SEC);
    assert_int_equal(open_storms(f), 1);
    tick_after(f, USEC_PER_SEC);
    assert_int_equal(open_storms(f), 0);
    assert_int_equal(count_of(f, "MenddStorm", "no_playbook"), 1);
}

static void what_only_counted_counts_on_after_a_restart(void **state)
{
    struct fixture *f = *state;
    down(f, "shop", 0, 3);
    restart(f, 600 * USEC_PER_SEC);
    assert_int_equal(open_storms(f), 0);
    down(f, "shop", 3, 4);
    assert_int_equal(open_storms(f), 1);
}

static void a_document_that_is_not_understood_stops_the_start(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {
        "{\"storms\": [{\"cluster\": \"prod\", \"since\": \"soon\", \"last\": \"2026-01-05T10:00:00Z\"}]}",
        "{\"storms\": [{\"since\": \"2026-01-05T10:00:00Z\", \"last\": \"2026-01-05T10:00:00Z\"}]}",
        "{\"storms\": [{\"cluster\": \"prod\", \"run\": \"x\", \"since\": \"2026-01-05T10:00:00Z\", \"last\": "
        "\"2026-01-05T10:00:00Z\"}]}"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        _cleanup_json_ json_t *doc = json_loads(bad[i], 0, NULL);
        assert_int_equal(core_restore_kept(f->core, "storms", doc, NULL), -EBADMSG);
    }
}

static void its_name_is_refused_from_outside(void **state)
{
    struct fixture *f = *state;
    alert(f, "MenddStorm", "shop", "d", false);
    assert_int_equal(count_of(f, "MenddStorm", "malformed"), 1);
    alert(f, "MenddStorm", "shop", "d", true); /* mendctl plan */
    assert_int_equal(count_of(f, "MenddStorm", "no_playbook"), 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {T(more_than_the_limit_opens_it),
                                       T(without_the_section_there_is_none),
                                       T(a_reload_without_it_ends_it),
                                       T(it_sleeps_until_its_end),
                                       T(the_wall_clock_does_not_end_it),
                                       T(a_large_one_is_bounded),
                                       T(it_survives_a_restart),
                                       T(what_only_counted_counts_on_after_a_restart),
                                       T(a_document_that_is_not_understood_stops_the_start),
                                       T(its_name_is_refused_from_outside)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
