#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "actions/registry.h"
#include "base/alloc.h"
#include "base/cron.h"
#include "base/text.h"
#include "base/zone.h"
#include "checks/registry.h"
#include "core/internal.h"

#include <errno.h>
#include <string.h>

#define MIN_US (60 * USEC_PER_SEC)
#define HOUR_US (60 * MIN_US)
#define HOUR_MS (3600 * MSEC_PER_SEC)

static const struct registry registry = {all_actions, all_checks};
static char *boss[] = {(char *)"boss", NULL};
static char *shop[] = {(char *)"sh*", NULL};
static char *prod[] = {(char *)"prod", NULL};
static char *fix[] = {(char *)"fix", NULL};

/* Monday 2026-01-05, 10:00 UTC; a run of playbook "fix" on Deployment shop/api of cluster prod. */
struct fixture {
    struct core *core;
    struct settings settings;
    struct window windows[3];
    struct playbook_table *table;
    struct now now;
    struct playbook playbook;
    struct object_ref owner;
    struct run run;
    json_t *told; /* [["title time", …] of each notice] */
    json_t *kept;
    int ticks;
};

static void handle(struct fixture *f, const struct event *event)
{
    struct effects out;
    core_handle(f->core, event, f->now, &out);
    for (size_t i = 0; i < out.n_outs; i++) {
        json_t *list = json_array(), *item;
        size_t k;
        json_array_foreach (json_object_get(out.outs[i].what, "items"), k, item) {
            _cleanup_free_ char *line = xasprintf("%s %.16s", json_text(item, "title"), json_text(item, "time"));
            json_array_append_new(list, json_string(line));
        }
        json_array_append_new(f->told, list);
    }
    for (size_t i = 0; i < out.n_keeps; i++)
        if (str_eq(out.keeps[i].key, "maintenance"))
            json_object_set_new(f->kept, "maintenance", json_deep_copy(out.keeps[i].doc));
    effects_clear(&out);
}

static void tick(struct fixture *f)
{
    f->ticks++;
    handle(f, &(struct event){.type = EVENT_TICK});
}

static void resume(struct fixture *f)
{
    handle(f, &(struct event){.type = EVENT_RESUME});
}

static void pass(struct fixture *f, int64_t us)
{
    int64_t end = f->now.boot_us + us;
    while (core_next_boot_us(f->core) <= end) {
        int64_t step = core_next_boot_us(f->core) - f->now.boot_us;
        f->now.wall_us += step > 0 ? step : 0;
        f->now.boot_us += step > 0 ? step : 0;
        tick(f);
        assert_true(f->ticks < 10000);
    }
    f->now.wall_us += end - f->now.boot_us;
    f->now.boot_us = end;
}

static struct window *add(struct fixture *f, const char *name, const char *cron, int64_t duration_ms)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    struct window *w = &f->windows[f->settings.n_windows++];
    *w = (struct window){.name = (char *)(uintptr_t)name, .duration_ms = duration_ms};
    assert_int_equal(cron_parse(cron, &w->cron, &err), 0);
    assert_int_equal(zone_load("UTC", &w->zone, &err), 0);
    return w;
}

static int set_up(void **state)
{
    struct fixture *f = xnew0(struct fixture);
    f->table = playbook_table_new();
    f->settings = (struct settings){
        .table = f->table, .default_cluster = (char *)"prod", .windows = f->windows, .escalate_unmatched = true};
    f->now = (struct now){.boot_us = 1000 * USEC_PER_SEC};
    time_parse("2026-01-05T10:00:00Z", &f->now.wall_us);
    f->core = core_new(&registry, &f->settings, 1);
    f->playbook = (struct playbook){.name = (char *)"fix"};
    f->owner = (struct object_ref){.namespace = (char *)"shop"};
    f->run.playbook = &f->playbook;
    f->run.target = (struct target){.cluster = (char *)"prod", .owners = &f->owner, .n_owners = 1};
    f->told = json_array();
    f->kept = json_object();
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    core_free(f->core);
    playbook_table_free(f->table);
    for (size_t i = 0; i < ARRAY_SIZE(f->windows); i++) {
        cron_free(f->windows[i].cron);
        zone_unref(f->windows[i].zone);
    }
    json_decref(f->told);
    json_decref(f->kept);
    free(f);
    return 0;
}

/* Hours from now until it is let go; -1: not held. */
static double held_for(struct fixture *f, const char **ret_window)
{
    const char *window = NULL;
    int64_t until_us = INT64_MAX;
    bool held = maintenance_holds(f->core, &f->run, &until_us, &window);
    if (ret_window)
        *ret_window = window;
    return !held ? -1 : until_us == INT64_MAX ? 1e9 : (double)(until_us - f->now.boot_us) / (double)HOUR_US;
}

#define HELD_FOR(f, hours) assert_true(held_for(f, NULL) == (hours))

static void held_from_opening_to_end(void **state)
{
    struct fixture *f = *state;
    const char *window = NULL;
    add(f, "night", "0 12 * * *", 2 * HOUR_MS);
    resume(f);
    HELD_FOR(f, -1);
    pass(f, 2 * HOUR_US - 1);
    tick(f);
    HELD_FOR(f, -1);
    pass(f, 1);
    assert_true(held_for(f, &window) == 2);
    assert_string_equal(window, "night");
    pass(f, HOUR_US);
    HELD_FOR(f, 1);
    pass(f, HOUR_US);
    HELD_FOR(f, -1);
}

static void told_before_the_first_tick_too(void **state)
{
    struct fixture *f = *state;
    add(f, "now", "0 9 * * *", 2 * HOUR_MS);
    f->core->now = f->now;
    HELD_FOR(f, 1);
}

static void waiting_runs_are_decided_again_at_the_edges(void **state)
{
    struct fixture *f = *state;
    add(f, "night", "0 12 * * *", 2 * HOUR_MS);
    resume(f);
    f->ticks = 0;
    pass(f, 24 * HOUR_US);
    assert_in_range(f->ticks, 2, 4); /* and at no other time */
    f->core->now = f->now = (struct now){f->now.wall_us + 2 * HOUR_US, f->now.boot_us + 2 * HOUR_US};
    f->core->recheck = false;
    maintenance_tick(f->core);
    assert_true(f->core->recheck);
    f->core->recheck = false;
    maintenance_tick(f->core);
    assert_false(f->core->recheck);
}

static void covers_clusters_namespaces_playbooks(void **state)
{
    struct fixture *f = *state;
    struct window *w = add(f, "now", "0 10 * * *", HOUR_MS);
    w->clusters = prod;
    w->namespaces = shop;
    w->playbooks = fix;
    resume(f);
    HELD_FOR(f, 1);
    f->run.target.cluster = (char *)"test";
    HELD_FOR(f, -1);
    f->run.target.cluster = (char *)"prod";
    f->owner.namespace = (char *)"bank";
    HELD_FOR(f, -1);
    f->run.target.namespace = (char *)"shop"; /* by the target's own */
    HELD_FOR(f, 1);
    f->playbook.name = (char *)"fixed";
    HELD_FOR(f, -1);
    f->playbook.name = (char *)"fix";
    f->run.target.namespace = f->owner.namespace = NULL; /* a node has none */
    HELD_FOR(f, -1);
}

static void the_longest_is_named(void **state)
{
    struct fixture *f = *state;
    const char *window = NULL;
    add(f, "short", "0 10 * * *", HOUR_MS);
    add(f, "long", "0 9 * * *", 4 * HOUR_MS);
    add(f, "middle", "0 10 * * *", 2 * HOUR_MS);
    resume(f);
    assert_true(held_for(f, &window) == 3);
    assert_string_equal(window, "long");
}

static void longer_than_their_period_they_stay_open(void **state)
{
    struct fixture *f = *state;
    add(f, "twice", "0 10,11 * * *", 3 * HOUR_MS / 2);
    resume(f);
    HELD_FOR(f, 2.5);
    struct window *w = add(f, "always", "0 * * * *", 2 * HOUR_MS);
    w->notice_ms = 30 * 60 * MSEC_PER_SEC;
    w->notify = boss;
    handle(f, &(struct event){.type = EVENT_SETTINGS, .settings = &f->settings});
    for (int i = 0; i < 200; i++) {
        assert_true(held_for(f, NULL) > 0);
        pass(f, HOUR_US / 2);
    }
    assert_int_equal(json_array_size(f->told), 0); /* it never opens: it is open */
    assert_true(f->ticks < 40);
}

static void only_inside(void **state)
{
    struct fixture *f = *state;
    const char *window = NULL;
    f->playbook.maintenance_only = true;
    resume(f);
    assert_true(held_for(f, NULL) > 1e8); /* there is none */
    add(f, "later", "0 14 * * *", HOUR_MS);
    add(f, "soon", "0 11 * * *", HOUR_MS)->observe = true;
    add(f, "elsewhere", "0 10 * * *", 12 * HOUR_MS)->namespaces = prod;
    handle(f, &(struct event){.type = EVENT_SETTINGS, .settings = &f->settings});
    assert_true(held_for(f, &window) == 1);
    assert_string_equal(window, "soon");
    pass(f, HOUR_US);
    HELD_FOR(f, -1); /* inside; what only observes the others is its own time */
    assert_false(maintenance_observes(f->core, &f->run, &window));
    pass(f, HOUR_US);
    HELD_FOR(f, 2);
    pass(f, 2 * HOUR_US);
    HELD_FOR(f, -1);
}

static void observes_inside(void **state)
{
    struct fixture *f = *state;
    const char *window = NULL;
    add(f, "watch", "0 11 * * *", HOUR_MS)->observe = true;
    resume(f);
    assert_false(maintenance_observes(f->core, &f->run, &window));
    pass(f, HOUR_US);
    assert_true(maintenance_observes(f->core, &f->run, &window));
    assert_string_equal(window, "watch");
    HELD_FOR(f, -1);
}

static void follows_a_set_clock(void **state)
{
    struct fixture *f = *state;
    add(f, "night", "0 22 * * *", 2 * HOUR_MS);
    resume(f);
    f->now.wall_us += 13 * HOUR_US; /* 23:00 */
    tick(f);
    HELD_FOR(f, 1);
    f->now.wall_us -= 10 * HOUR_US; /* 13:00 */
    tick(f);
    HELD_FOR(f, -1);
    pass(f, 9 * HOUR_US);
    HELD_FOR(f, 2);
}

static void notice_once_an_opening(void **state)
{
    struct fixture *f = *state;
    struct window *w = add(f, "daily", "0 12 * * *", HOUR_MS);
    w->notice_ms = 48 * HOUR_MS;
    w->notify = boss;
    resume(f);
    tick(f);
    assert_int_equal(json_array_size(f->told), 1); /* what comes within 48 h, together */
    const json_t *first = json_array_get(f->told, 0);
    assert_int_equal(json_array_size(first), 2);
    assert_string_equal(json_string_value(json_array_get(first, 0)), "daily 2026-01-05T12:00");
    assert_string_equal(json_string_value(json_array_get(first, 1)), "daily 2026-01-06T12:00");
    pass(f, 2 * HOUR_US);
    assert_int_equal(json_array_size(f->told), 2);
    assert_string_equal(json_string_value(json_array_get(json_array_get(f->told, 1), 0)), "daily 2026-01-07T12:00");
    f->now.wall_us -= HOUR_US; /* the clock is set back: nothing is told twice */
    tick(f);
    /* nor after a restart */
    _cleanup_error_ struct error err = ERROR_NONE;
    core_free(f->core);
    f->core = core_new(&registry, &f->settings, 2);
    assert_int_equal(core_restore_kept(f->core, "maintenance", json_object_get(f->kept, "maintenance"), &err), 0);
    resume(f);
    assert_int_equal(json_array_size(f->told), 2);
    pass(f, 25 * HOUR_US);
    assert_int_equal(json_array_size(f->told), 3);
    assert_true(json_array_size(json_path(f->kept, "maintenance", "told", NULL)) < 6); /* what is past is forgotten */
    json_array_append_new(json_path(f->kept, "maintenance", "told", NULL), json_object());
    assert_int_equal(core_restore_kept(f->core, "maintenance", json_object_get(f->kept, "maintenance"), &err),
                     -EBADMSG);
}

static void a_moved_window_is_told_anew(void **state)
{
    struct fixture *f = *state;
    _cleanup_error_ struct error err = ERROR_NONE;
    struct window *w = add(f, "weekly", "0 12 * * sat", HOUR_MS);
    w->notice_ms = 7 * 24 * HOUR_MS;
    w->notify = boss;
    resume(f);
    assert_int_equal(json_array_size(f->told), 1);
    struct settings moved = f->settings;
    cron_free(w->cron);
    assert_int_equal(cron_parse("0 12 * * fri", &w->cron, &err), 0);
    handle(f, &(struct event){.type = EVENT_SETTINGS, .settings = &moved});
    assert_int_equal(json_array_size(f->told), 2);
    assert_string_equal(json_string_value(json_array_get(json_array_get(f->told, 1), 0)), "weekly 2026-01-09T12:00");
    handle(f, &(struct event){.type = EVENT_SETTINGS, .settings = &f->settings});
    assert_int_equal(json_array_size(f->told), 2);
}

static void asked_thousands_of_times(void **state)
{
    struct fixture *f = *state;
    add(f, "leap", "0 12 29 2 mon", HOUR_MS)->namespaces = shop; /* a long search */
    add(f, "leap too", "0 12 29 2 *", HOUR_MS);
    resume(f);
    f->playbook.maintenance_only = true;
    struct now start = now_read();
    for (int i = 0; i < 300000; i++)
        (void)held_for(f, NULL);
    assert_true(now_read().boot_us - start.boot_us < 2 * USEC_PER_SEC);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {TEST(held_from_opening_to_end),
                                       TEST(told_before_the_first_tick_too),
                                       TEST(waiting_runs_are_decided_again_at_the_edges),
                                       TEST(covers_clusters_namespaces_playbooks),
                                       TEST(the_longest_is_named),
                                       TEST(longer_than_their_period_they_stay_open),
                                       TEST(only_inside),
                                       TEST(observes_inside),
                                       TEST(follows_a_set_clock),
                                       TEST(notice_once_an_opening),
                                       TEST(a_moved_window_is_told_anew),
                                       TEST(asked_thousands_of_times)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
