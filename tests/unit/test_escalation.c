/* Escalation: who is told what, when, until somebody is on it or it is over. */
#include "escalation_fixture.h"

static void level_0_is_triggered_once_each(void **state)
{
    struct fixture *f = *state;
    fires(f);
    fires(f); /* again: only counted */
    const json_t *n = json_object_get(json_array_get(f->sent, 0), "notice");
    assert_string_equal(json_text(n, "severity"), "critical");
    assert_string_equal(json_text(n, "reason"), "no_playbook");
    assert_string_equal(json_text(n, "summary"), "Down: not repaired (no_playbook)");
    assert_string_equal(json_text(n, "namespace"), "shop");
    assert_string_equal(json_text(n, "respond_by"), "2026-01-05T10:15:00.000000Z");
    assert_string_equal(json_path_text(n, "annotations", "summary", NULL), "it is down");
    _cleanup_free_ char *key = xasprintf("mendd/%s", f->last_run), *path = xasprintf("/actions/%s", f->last_run);
    assert_string_equal(json_text(n, "key"), key);
    assert_string_equal(json_text(n, "path"), path);
    TOLD(f, "trigger pager 0", "trigger chat 0"); /* pager stands twice in the list */
    answer(f, NULL, 202);
    const json_t *e = json_array_get(record_of(f, f->last_run), 0);
    assert_int_equal(json_int_or(e, "level", -1), 0);
    assert_string_equal(json_text(e, "severity"), "critical");
    assert_string_equal(json_text(e, "respond_by"), "2026-01-05T10:15:00.000000Z");
    assert_int_equal(json_array_size(json_object_get(e, "receivers")), 2);
    const json_t *r = json_array_get(json_object_get(e, "receivers"), 1);
    assert_string_equal(json_text(r, "receiver"), "chat");
    assert_string_equal(json_text(r, "event"), "trigger");
    assert_string_equal(json_text(r, "status"), "sent");
    assert_int_equal(json_int_or(r, "tries", 0), 1);
}

static void nobody_answers_the_next_level_is_told(void **state)
{
    struct fixture *f = *state;
    fires(f);
    answer(f, NULL, 202);
    pass(f, 15 * MIN_US - USEC_PER_SEC);
    TOLD(f, "trigger pager 0", "trigger chat 0");
    pass(f, 2 * USEC_PER_SEC);
    TOLD(f, "update mail 1");
    const json_t *n = json_object_get(json_array_get(f->sent, 0), "notice");
    assert_non_null(strstr(json_text(n, "message"), "nobody acknowledged within 15m at level 0"));
    assert_string_equal(json_text(n, "respond_by"), "2026-01-05T10:45:00.000000Z");
    /* the overdue alert is a record of its own, of which nobody is told by another escalation */
    bool found = false;
    const char *id;
    json_t *doc;
    json_object_foreach (f->saves, id, doc) {
        const json_t *labels = json_path(doc, "record", "alert", "labels", NULL);
        if (!str_eq(json_text(labels, "alertname"), "MenddEscalationOverdue"))
            continue;
        found = true;
        assert_string_equal(json_text(labels, "run"), f->last_run);
        assert_string_equal(json_text(labels, "alert"), "Down");
        assert_string_equal(json_text(labels, "level"), "0");
        assert_string_equal(json_text(labels, "severity"), "critical");
        const json_t *e = json_array_get(json_path(doc, "record", "escalations", NULL), 0);
        assert_int_equal(json_array_size(json_object_get(e, "receivers")), 0);
        assert_non_null(strstr(json_text(e, "message"), "the overdue escalation itself goes on"));
    }
    assert_true(found);
    answer(f, NULL, 202);
    pass(f, 31 * MIN_US); /* the last level's time is over too: overdue once more, and that is all */
    assert_true(noted(f, "nobody acknowledged within 30m at level 1; there is no further level"));
    pass(f, 3 * 24 * HOUR_US);
    expect_told(f, NULL, 0);
    assert_int_equal(json_object_size(f->saves), 3);
}

static void acknowledged_nobody_else_is_told(void **state)
{
    struct fixture *f = *state;
    fires(f);
    answer(f, NULL, 202);
    assert_int_equal(command(f, "acknowledge"), 200);
    assert_int_equal(command(f, "acknowledge"), 200); /* again: nothing new */
    TOLD(f, "trigger pager 0", "trigger chat 0", "acknowledge pager 0", "acknowledge chat 0");
    answer(f, NULL, 200);
    pass(f, 2 * HOUR_US);
    expect_told(f, NULL, 0);
    _cleanup_json_ json_t *s = core_status_new(f->core, f->now);
    const json_t *e = json_array_get(json_object_get(s, "escalations"), 0);
    assert_string_equal(json_path_text(e, "acknowledged", "by", NULL), "ann");
    assert_true(json_is_null(json_object_get(e, "respond_by")));
}

static void resolved_is_told_to_all_and_ends_it(void **state)
{
    struct fixture *f = *state;
    fires(f);
    answer(f, NULL, 202);
    pass(f, 16 * MIN_US);
    answer(f, NULL, 202);
    json_array_clear(f->told);
    clears(f);
    TOLD(f, "resolve pager 0", "resolve chat 0", "resolve mail 1");
    assert_int_equal(escalations_open(f), 1); /* until they know */
    answer(f, NULL, 202);
    assert_int_equal(escalations_open(f), 0);
    _cleanup_free_ char *key = xasprintf("escalation/%s", f->last_run);
    assert_null(json_object_get(f->kept, key));
    const json_t *list = record_of(f, f->last_run);
    assert_int_equal(json_array_size(list), 2);
    assert_int_equal(json_array_size(json_object_get(json_array_get(list, 0), "receivers")), 4);
    assert_int_equal(command(f, "acknowledge"), 404);
    pass(f, 24 * HOUR_US);
    expect_told(f, NULL, 0);
}

static void without_a_policy_the_record_says_it(void **state)
{
    struct fixture *f = *state;
    f->settings.escalation.n_policies = 0;
    fires(f);
    expect_told(f, NULL, 0);
    const json_t *e = json_array_get(record_of(f, f->last_run), 0);
    assert_int_equal(json_int_or(e, "level", -1), 0);
    assert_string_equal(json_text(e, "reason"), "no_playbook");
    assert_string_equal(json_text(e, "message"), "no playbook matches this alert");
    assert_int_equal(json_array_size(json_object_get(e, "receivers")), 0);
    assert_int_equal(escalations_open(f), 0);
    assert_int_equal(json_object_size(f->kept), 0);
}

static void severity_without_a_policy_of_its_own_goes_by_default(void **state)
{
    struct fixture *f = *state;
    alert_named(f, "Down", "P2", "firing");
    assert_string_equal(json_path_text(json_array_get(f->sent, 0), "notice", "severity", NULL), "P2");
    TOLD(f, "trigger boss 0");
    answer(f, NULL, 200);
    pass(f, 24 * HOUR_US);
    expect_told(f, NULL, 0); /* response 0: nobody is overdue */
}

static void what_nothing_clears_ends_when_it_was_told(void **state)
{
    struct fixture *f = *state;
    feed(f, &(struct event){.type = EVENT_MALFORMED, .malformed = {.why = "no labels"}});
    TOLD(f, "trigger boss 0");
    answer(f, NULL, 200);
    assert_int_equal(escalations_open(f), 0);
    assert_int_equal(json_object_size(f->kept), 0);
}

/* ---- deliveries ---- */

static void what_fails_is_told_again_with_pauses(void **state)
{
    struct fixture *f = *state;
    fires(f);
    answer(f, "chat", 200);
    json_array_clear(f->told);
    answer(f, "pager", 503);
    size_t keeps = f->n_keeps, saves = f->n_saves;
    pass(f, 5 * USEC_PER_SEC - 1);
    expect_told(f, NULL, 0);
    pass(f, 1);
    TOLD(f, "trigger pager 0");
    answer(f, "pager", 0);
    assert_int_equal(f->n_keeps, keeps); /* a further try is no news for disk or record */
    assert_int_equal(f->n_saves, saves);
    pass(f, 10 * USEC_PER_SEC);
    TOLD(f, "trigger pager 0");
    answer(f, "pager", 429);
    pass(f, 20 * USEC_PER_SEC);
    TOLD(f, "trigger pager 0");
    answer(f, "pager", 200);
    pass(f, 10 * MIN_US);
    expect_told(f, NULL, 0);
    const json_t *r = json_array_get(json_object_get(json_array_get(record_of(f, f->last_run), 0), "receivers"), 0);
    assert_string_equal(json_text(r, "status"), "sent");
    assert_int_equal(json_int_or(r, "tries", 0), 4);
}

static void a_receiver_that_is_away_for_a_day_is_given_up(void **state)
{
    struct fixture *f = *state;
    fires(f);
    answer(f, "pager", 200);
    command(f, "acknowledge");
    tick(f);
    answer(f, "pager", 200);
    size_t tries = 0;
    for (int64_t us = 0; us < 25 * HOUR_US; us += MIN_US) {
        tries += json_array_size(f->sent);
        answer(f, "chat", 0);
        pass(f, MIN_US);
    }
    assert_in_range(tries, 200, 300); /* at most each 5 min */
    assert_true(noted(f, "receiver chat cannot be told (trigger), given up after"));
    const json_t *r = json_array_get(json_object_get(json_array_get(record_of(f, f->last_run), 0), "receivers"), 1);
    assert_string_equal(json_text(r, "status"), "failed");
    assert_string_equal(json_text(r, "error"), "timeout: no answer");
    assert_int_equal(json_array_size(f->sent), 0); /* nor is the acknowledgement tried, of what was never told */
}

static void none_of_a_level_can_be_told_the_next_is_told_at_once(void **state)
{
    struct fixture *f = *state;
    fires(f);
    json_array_clear(f->told);
    answer(f, "pager", 403);
    expect_told(f, NULL, 0); /* chat may still be */
    answer(f, "chat", 404);
    TOLD(f, "update mail 1");
    assert_true(noted(f, "receiver pager cannot be told (trigger), given up after 1 try: status 403: so it says"));
    answer(f, "mail", 400);
    assert_true(noted(f, "no receiver of the level could be told; there is no further level"));
    pass(f, HOUR_US);
    expect_told(f, NULL, 0);
}

static void trigger_goes_before_acknowledge_before_resolve(void **state)
{
    struct fixture *f = *state;
    fires(f);
    command(f, "acknowledge");
    clears(f);
    TOLD(f, "trigger pager 0", "trigger chat 0"); /* nobody answered yet */
    answer(f, "chat", 500);
    answer(f, "pager", 200);
    TOLD(f, "acknowledge pager 0", "resolve pager 0");
    pass(f, 5 * USEC_PER_SEC);
    TOLD(f, "trigger chat 0");
    answer(f, "chat", 200);
    TOLD(f, "acknowledge chat 0", "resolve chat 0");
    assert_int_equal(escalations_open(f), 0);
}

static void an_outage_holds_up_its_own_line_only(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 10; i++) {
        _cleanup_free_ char *name = xasprintf("Down%d", i);
        alert_named(f, name, "critical", "firing");
        answer(f, "chat", 200); /* pager hangs */
    }
    size_t pager = 0, chat = 0, i;
    json_t *line;
    json_array_foreach (f->told, i, line) {
        pager += str_eq(json_string_value(line), "trigger pager 0");
        chat += str_eq(json_string_value(line), "trigger chat 0");
    }
    assert_int_equal(chat, 10);
    assert_int_equal(pager, 4);
    answer(f, "pager", 200); /* comes back: the rest leaves */
    assert_int_equal(json_array_size(f->told), 20);
}

/* ---- restarts, clocks, bounds ---- */

static void after_a_restart_what_was_not_surely_told_is_told_again(void **state)
{
    struct fixture *f = *state;
    fires(f);
    answer(f, "chat", 200);
    json_array_clear(f->told);
    restart(f, MIN_US);
    TOLD(f, "trigger pager 0");
    answer(f, "pager", 200);
    pass(f, 15 * MIN_US); /* people's time went on while mendd was down */
    TOLD(f, "update mail 1");
    answer(f, "mail", 200);
    restart(f, MIN_US);
    expect_told(f, NULL, 0);
    clears(f);
    TOLD(f, "resolve pager 0", "resolve chat 0", "resolve mail 1");
}

static void overdue_while_mendd_was_down(void **state)
{
    struct fixture *f = *state;
    fires(f);
    answer(f, NULL, 200);
    json_array_clear(f->told);
    restart(f, HOUR_US);
    TOLD(f, "update mail 1");
}

static void a_set_clock_moves_no_deadline(void **state)
{
    struct fixture *f = *state;
    fires(f);
    answer(f, NULL, 200);
    json_array_clear(f->told);
    f->now.wall_us += 2 * HOUR_US;
    tick(f);
    pass(f, 10 * MIN_US);
    expect_told(f, NULL, 0);
    const json_t *e = json_array_get(record_of(f, f->last_run), 0);
    assert_string_equal(json_text(e, "respond_by"), "2026-01-05T12:15:00.000000Z");
    f->now.wall_us -= 10 * HOUR_US;
    pass(f, 6 * MIN_US);
    TOLD(f, "update mail 1");
}

static void the_run_is_gone_its_record_is_amended(void **state)
{
    struct fixture *f = *state;
    fires(f);
    reload(f); /* closes episodes without a run */
    tick(f);
    assert_int_equal(f->n_amends, 0);
    answer(f, "pager", 200);
    assert_int_equal(f->n_amends, 1);
    const json_t *r = json_array_get(json_object_get(json_array_get(record_of(f, f->last_run), 0), "receivers"), 0);
    assert_string_equal(json_text(r, "status"), "sent");
    answer(f, "chat", 200);
    json_array_clear(f->told);
    clears(f); /* no run is left, but the alert is known */
    TOLD(f, "resolve pager 0", "resolve chat 0");
}

static void open_escalations_are_bounded(void **state)
{
    struct fixture *f = *state;
    f->policies[0].n_levels = 1;
    f->levels[0].response_ms = 0;
    for (int i = 0; i < 2001; i++) {
        _cleanup_free_ char *name = xasprintf("Down%04d", i);
        alert_named(f, name, "critical", "firing");
        answer(f, NULL, 200);
    }
    assert_int_equal(escalations_open(f), 2000);
    assert_true(noted(f, "(Down0000): too many escalations are open"));
    assert_int_equal(json_object_size(f->kept), 2000);
}

static void a_week_without_a_word_closes_it(void **state)
{
    struct fixture *f = *state;
    f->policies[0].n_levels = 1;
    fires(f);
    answer(f, NULL, 200);
    reload(f); /* or the week without the alert would end it */
    pass(f, 8 * 24 * HOUR_US);
    assert_int_equal(escalations_open(f), 0);
    assert_int_equal(json_object_size(f->kept), 0);
}

static void damaged_documents_stop_the_start(void **state)
{
    struct fixture *f = *state;
    fires(f);
    _cleanup_error_ struct error err = ERROR_NONE;
    const char *key;
    json_t *doc;
    struct core *c = core_new(&registry, &f->settings, 5);
    assert_int_equal(core_restore_kept(c, "unheard-of", json_object_get(f->kept, "x"), &err), -EBADMSG);
    json_object_foreach (f->kept, key, doc) {
        json_object_set_new(doc, "respond_by", json_string("yesterday"));
        assert_int_equal(core_restore_kept(c, key, doc, &err), -EBADMSG);
    }
    core_free(c);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {TEST(level_0_is_triggered_once_each),
                                       TEST(nobody_answers_the_next_level_is_told),
                                       TEST(acknowledged_nobody_else_is_told),
                                       TEST(resolved_is_told_to_all_and_ends_it),
                                       TEST(without_a_policy_the_record_says_it),
                                       TEST(severity_without_a_policy_of_its_own_goes_by_default),
                                       TEST(what_nothing_clears_ends_when_it_was_told),
                                       TEST(what_fails_is_told_again_with_pauses),
                                       TEST(a_receiver_that_is_away_for_a_day_is_given_up),
                                       TEST(none_of_a_level_can_be_told_the_next_is_told_at_once),
                                       TEST(trigger_goes_before_acknowledge_before_resolve),
                                       TEST(an_outage_holds_up_its_own_line_only),
                                       TEST(after_a_restart_what_was_not_surely_told_is_told_again),
                                       TEST(overdue_while_mendd_was_down),
                                       TEST(a_set_clock_moves_no_deadline),
                                       TEST(the_run_is_gone_its_record_is_amended),
                                       TEST(open_escalations_are_bounded),
                                       TEST(a_week_without_a_word_closes_it),
                                       TEST(damaged_documents_stop_the_start)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
