/* Effects that cannot be recognised, and those that go one by one: with actions of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/text.h"
#include "core/core.h"

#include <errno.h>

static int plan_calls(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    (void)err;
    ret->effects = json_array();
    for (int i = 0; i < 2; i++) {
        _cleanup_free_ char *key = xasprintf("%s/call%d", in->key, i);
        json_t *e = effect_new(key, "POST", "/call", "application/json", NULL, RECOGNISE_NEVER);
        json_object_set_new(e, "settle_each", json_true());
        json_array_append_new(ret->effects, e);
    }
    return 0;
}

static enum verdict ready;

static int judge_ready(const struct check_in *in, struct check_result *ret)
{
    (void)in;
    return check_say(ret, ready, "as the test says");
}

static const struct action call = {.name = "fake.call", .class = ACTION_EFFECT, .plan = plan_calls};
static const struct check pods_ready = {.name = "pods.ready", .judge = judge_ready};
static const struct action *const actions[] = {&call, NULL};
static const struct check *const checks[] = {&pods_ready, NULL};

struct fixture {
    struct registry registry;
    struct settings settings;
    struct step step;
    struct rung rung;
    struct check_step check;
    struct matcher *matcher;
    struct playbook *playbook;
    struct core *core;
    struct now now;
    uint64_t op; /* the last effect that left */
    int sent;
    json_t *record;
};

static int set_up(void **state)
{
    struct fixture *f = xnew0(struct fixture);
    f->registry = (struct registry){actions, checks};
    f->step = (struct step){.action = &call, .with = json_object()};
    f->rung = (struct rung){.name = (char *)"r", .steps = &f->step, .n_steps = 1, .mode = MODE_AUTO};
    f->check = (struct check_step){.check = &pods_ready, .with = json_object()};
    struct playbook *p = f->playbook = xnew0(struct playbook);
    *p = (struct playbook){.refs = 2, .name = (char *)"p", .hash = (char *)"h", .mode = MODE_AUTO, .n_rungs = 1};
    p->ladder = &f->rung;
    p->limits = (struct limits){.expires_ms = 1800000, .concurrent = 1, .pods = 10};
    p->run_timeout_ms = 3600000;
    p->vars = json_object();
    assert_int_equal(matcher_parse("alertname=X", &f->matcher, NULL), 0);
    p->matchers = &f->matcher;
    p->n_matchers = 1;
    f->settings = (struct settings){.default_cluster = (char *)"c"};
    f->settings.table = playbook_table_new();
    playbook_table_add(f->settings.table, p); /* the second reference is the test's */
    f->core = core_new(&f->registry, &f->settings, 7);
    f->now = (struct now){.wall_us = 1000000 * USEC_PER_SEC, .boot_us = 100 * USEC_PER_SEC};
    ready = VERDICT_PASS;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    core_free(f->core);
    playbook_table_free(f->settings.table);
    json_decref(f->record);
    json_decref(f->step.with);
    json_decref(f->check.with);
    json_decref(f->playbook->vars);
    matcher_free(f->matcher);
    free(f->playbook);
    free(f);
    return 0;
}

static void feed(struct fixture *f, const struct event *event)
{
    struct effects out;
    core_handle(f->core, event, f->now, &out);
    for (size_t i = 0; i < out.n_saves; i++) {
        json_decref(f->record);
        f->record = json_incref(json_object_get(out.saves[i].doc, "record"));
    }
    for (size_t i = 0; i < out.n_outs; i++) {
        f->sent += out.outs[i].type == OUT_SEND;
        f->op = out.outs[i].op;
    }
    effects_clear(&out);
}

static void fire(struct fixture *f)
{
    _cleanup_json_ json_t *j = json_pack("{s:{s:s}, s:s}", "labels", "alertname", "X", "status", "firing");
    _cleanup_(alert_freep) struct alert *a = alert_from_json(j, "firing", f->now, NULL);
    feed(f, &(struct event){.type = EVENT_ALERT, .alert = a});
}

static void answer(struct fixture *f, json_t *answer_new)
{
    feed(f, &(struct event){.type = EVENT_ANSWER, .answer = {f->op, answer_new}});
}

static json_t *reset_new(void)
{
    return json_pack("{s:s, s:s}", "error", "reset", "message", "connection reset");
}

static void tick(struct fixture *f, int64_t us)
{
    f->now.boot_us += us;
    f->now.wall_us += us;
    feed(f, &(struct event){.type = EVENT_TICK});
}

static void is_never_sent_twice(void **state)
{
    struct fixture *f = *state;
    fire(f);
    assert_int_equal(f->sent, 1);
    answer(f, reset_new());
    assert_int_equal(f->sent, 1);
    assert_string_equal(json_text(f->record, "reason"), "interrupted");
    assert_true(json_bool_or(f->record, "escalated", false));
}

static void is_sent_again_if_the_step_says_so(void **state)
{
    struct fixture *f = *state;
    f->step.idempotent = true;
    fire(f);
    answer(f, reset_new());
    assert_int_equal(f->sent, 1);
    assert_int_equal(core_next_boot_us(f->core), f->now.boot_us + 200 * USEC_PER_MSEC);
    tick(f, 200 * USEC_PER_MSEC);
    assert_int_equal(f->sent, 2);
}

static void the_next_waits_until_the_one_before_is_back(void **state)
{
    struct fixture *f = *state;
    ready = VERDICT_FAIL;
    fire(f);
    answer(f, json_pack("{s:i}", "status", 200));
    assert_int_equal(f->sent, 1);
    tick(f, 2 * USEC_PER_SEC);
    assert_int_equal(f->sent, 1);
    ready = VERDICT_PASS;
    tick(f, 2 * USEC_PER_SEC);
    assert_int_equal(f->sent, 2);
}

static void one_that_does_not_come_back_stops_the_rest(void **state)
{
    struct fixture *f = *state;
    ready = VERDICT_FAIL;
    fire(f);
    answer(f, json_pack("{s:i}", "status", 200));
    for (int i = 0; i < 40; i++)
        tick(f, 2 * USEC_PER_SEC);
    assert_int_equal(f->sent, 1);
    assert_string_equal(json_text(f->record, "reason"), "action_failed");
}

static void a_late_answer_is_dropped(void **state)
{
    struct fixture *f = *state;
    fire(f);
    const uint64_t op = f->op;
    answer(f, reset_new());
    f->op = op;
    answer(f, json_pack("{s:i}", "status", 200));
    assert_string_equal(json_text(f->record, "reason"), "interrupted");
    assert_int_equal(core_next_boot_us(f->core), INT64_MAX);
}

static void the_same_events_give_the_same_record(void **state)
{
    struct fixture *f = *state, *g = NULL;
    set_up((void **)&g);
    struct fixture *both[] = {f, g};
    char *texts[2];
    for (int i = 0; i < 2; i++) {
        fire(both[i]);
        answer(both[i], reset_new());
        texts[i] = json_canonical(both[i]->record);
    }
    assert_string_equal(texts[0], texts[1]);
    free(texts[0]);
    free(texts[1]);
    tear_down((void **)&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(is_never_sent_twice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(is_sent_again_if_the_step_says_so, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_next_waits_until_the_one_before_is_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_does_not_come_back_stops_the_rest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_late_answer_is_dropped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_same_events_give_the_same_record, set_up, tear_down)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
