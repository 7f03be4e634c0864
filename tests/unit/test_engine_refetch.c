/* What Alertmanager left out of a webhook, or what was too large to be read: a person is told once, and the active
 * alerts are read from Alertmanager's API. */
#include "engine_fixture.h"

static const char three_active[] =
    "[{\"labels\":{\"alertname\":\"Ignored1\"},\"annotations\":{},\"startsAt\":\"2026-01-05T10:00:00Z\",\"endsAt\":"
    "\"2036-01-05T10:00:00Z\",\"fingerprint\":\"a\",\"receivers\":[{\"name\":\"x\"}],\"status\":{\"state\":\"active\","
    "\"inhibitedBy\":[],\"silencedBy\":[]}},{\"labels\":{\"alertname\":\"Ignored2\"}},{\"labels\":{\"alertname\":"
    "\"Ignored3\"}}]";

static void serve_alerts(struct world *w, char *taken)
{
    pthread_mutex_lock(&w->server->lock);
    free(w->alerts);
    w->alerts = taken;
    pthread_mutex_unlock(&w->server->lock);
}

static const char truncated[] =
    "{\"status\":\"firing\",\"truncatedAlerts\":2,\"alerts\":[{\"labels\":{\"alertname\":\"Ignored1\"}}]}";

static bool escalated(struct world *w, const char *words)
{
    const json_t *record = json_object_get(w->last, "malformed");
    _cleanup_free_ char *text = record ? json_compact(record) : NULL;
    return text && json_is_true(json_object_get(record, "escalated")) && strstr(text, words);
}

static void truncated_alerts_are_escalated_and_the_active_ones_read(void **state)
{
    struct world *w = *state;
    serve_alerts(w, xstrdup(three_active));
    world_post(w, xstrdup(truncated));
    WORLD_UNTIL(w, json_object_get(w->last, "Ignored3"));
    assert_int_equal(w->last_status, 200);
    assert_int_equal(w->accepted, 1);
    assert_int_equal(w->malformed, 0); /* the note is mendd's, not the sender's */
    assert_true(escalated(w, "left 2 alerts out"));
    assert_string_equal(world_field(w, "malformed", "reason"), "malformed");
    assert_non_null(json_object_get(w->last, "Ignored2"));
    WORLD_UNTIL(w, world_all_decided(w, 4)); /* Ignored1 came twice: one episode */
    assert_int_equal(world_count(w, &w->lists), 1);
}

static void an_oversized_webhook_is_escalated_and_the_active_alerts_read(void **state)
{
    struct world *w = *state;
    serve_alerts(w, xstrdup(three_active));
    engine_note_oversized(w->engine, UINT64_MAX);
    WORLD_UNTIL(w, json_object_get(w->last, "Ignored3"));
    assert_true(escalated(w, "--web.max-body"));
}

static char *many_objects(const char *before, const char *after)
{
    struct strbuf b = STRBUF_INIT;
    strbuf_puts(&b, before);
    for (int i = 0; i < 300 * 1000; i++)
        strbuf_puts(&b, "{},");
    strbuf_puts(&b, "{}");
    strbuf_puts(&b, after);
    return strbuf_take(&b);
}

static void a_body_with_too_much_in_it_is_413_and_read_from_alertmanager(void **state)
{
    struct world *w = *state;
    serve_alerts(w, xstrdup(three_active));
    world_post(w, many_objects("{\"alerts\":[", "]}"));
    WORLD_UNTIL(w, json_object_get(w->last, "Ignored3"));
    assert_int_equal(w->last_status, 413);
    assert_true(escalated(w, "too large"));
}

/* A list that is itself too long must not ask for itself again and again. */
static void a_list_that_is_too_long_is_not_noted_again(void **state)
{
    struct world *w = *state;
    serve_alerts(w, many_objects("[", "]"));
    engine_note_oversized(w->engine, 1 << 30);
    WORLD_UNTIL(w, w->engine->refetch.tries == 1);
    world_turn(w, 200);
    assert_int_equal(world_sql(w, "SELECT count(*) FROM runs"), 1);
    assert_int_equal(world_count(w, &w->lists), 1);
}

static void an_empty_list_is_well(void **state)
{
    struct world *w = *state;
    engine_note_oversized(w->engine, 1 << 30);
    WORLD_UNTIL(w, world_count(w, &w->lists) == 1);
    WORLD_UNTIL(w, w->engine->refetch.in_flight == 0);
    assert_int_equal(w->engine->refetch.tries, 0);
    assert_int_equal(world_sql(w, "SELECT count(*) FROM runs"), 1);
}

static void a_burst_is_three_records_and_asks_at_most_twice(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 50; i++)
        engine_note_oversized(w->engine, 1 << 30);
    WORLD_UNTIL(w, w->done == 3);
    WORLD_UNTIL(w, w->engine->refetch.in_flight == 0 && !w->engine->refetch.again);
    assert_in_range(world_count(w, &w->lists), 1, 2);
    assert_int_equal(world_sql(w, "SELECT count(*) FROM runs"), 3);
}

static void an_alertmanager_that_fails_is_asked_again(void **state)
{
    struct world *w = *state;
    serve_alerts(w, NULL);
    engine_note_oversized(w->engine, 1 << 30);
    WORLD_UNTIL(w, w->engine->refetch.tries == 1);
    serve_alerts(w, xstrdup(three_active));
    sd_event_source_set_time_relative(w->engine->refetch.timer, 0); /* the five seconds are over */
    WORLD_UNTIL(w, json_object_get(w->last, "Ignored3"));
    assert_int_equal(w->engine->refetch.tries, 0);
}

/* The webhook was answered, mendd stopped: the note stands in the journal and asks at the next start. */
static void what_is_missing_is_remembered_across_a_restart(void **state)
{
    struct world *w = *state;
    serve_alerts(w, xstrdup(three_active));
    world_post(w, xstrdup(truncated));
    while (w->answered == 0) { /* and nothing is decided meanwhile */
        sd_event_source_set_enabled(w->engine->decide_source, SD_EVENT_OFF);
        assert_true(sd_event_run(w->event, 1000 * 1000) >= 0);
    }
    sd_event_source_set_enabled(w->engine->decide_source, SD_EVENT_OFF);
    world_close(w);
    assert_int_equal(world_sql(w, "SELECT count(*) FROM inbox"), 2);
    assert_int_equal(world_count(w, &w->lists), 0);
    world_open(w);
    WORLD_UNTIL(w, json_object_get(w->last, "Ignored3"));
    assert_true(escalated(w, "left 2 alerts out"));
}

/* Committed by the stop itself: nothing may be asked of clients that are gone. */
static void a_truncated_webhook_that_is_committed_by_the_stop(void **state)
{
    struct world *w = *state;
    store_hold_writer(engine_store(w->engine), true);
    world_post(w, xstrdup(truncated));
    world_close(w);
    assert_int_equal(w->answered, 1);
    assert_int_equal(w->last_status, 200);
    assert_int_equal(world_sql(w, "SELECT count(*) FROM inbox"), 2);
    world_open(w);
    WORLD_UNTIL(w, json_object_get(w->last, "malformed"));
}

static void a_stop_while_alertmanager_is_asked(void **state)
{
    struct world *w = *state;
    serve_alerts(w, xstrdup(three_active));
    engine_note_oversized(w->engine, 1 << 30);
    WORLD_UNTIL(w, w->engine->refetch.in_flight == 1);
    world_close(w);
    world_open(w);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(truncated_alerts_are_escalated_and_the_active_ones_read),
        TEST(an_oversized_webhook_is_escalated_and_the_active_alerts_read),
        TEST(a_body_with_too_much_in_it_is_413_and_read_from_alertmanager),
        TEST(a_list_that_is_too_long_is_not_noted_again),
        TEST(an_empty_list_is_well),
        TEST(a_burst_is_three_records_and_asks_at_most_twice),
        TEST(an_alertmanager_that_fails_is_asked_again),
        TEST(what_is_missing_is_remembered_across_a_restart),
        TEST(a_truncated_webhook_that_is_committed_by_the_stop),
        TEST(a_stop_while_alertmanager_is_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
