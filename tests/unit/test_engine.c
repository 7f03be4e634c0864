/* Webhooks into the journal and out of it again: 200 only after the commit, each alert decided exactly once whatever
 * fails or dies in between, memory bounded. */
#include "engine_fixture.h"

#include "engine/parser.h"

#define IGNORED_SQL "SELECT count(*) FROM runs WHERE reason = 'ignored'"

static void two_hundred_comes_only_after_the_commit(void **state)
{
    struct world *w = *state;
    store_hold_writer(engine_store(w->engine), true);
    world_post(w, world_payload("Ignored", 0, 2, 0));
    world_turn(w, 50);
    assert_int_equal(w->answered, 0);
    assert_int_equal(w->records, 0);
    store_hold_writer(engine_store(w->engine), false);
    WORLD_UNTIL(w, w->answered == 1);
    assert_int_equal(w->last_status, 200);
    assert_int_equal(w->accepted, 2);
    WORLD_UNTIL(w, w->done == 2);
    assert_true(world_all_decided(w, 2));
}

static void a_failed_commit_is_503_and_the_next_webhook_is_taken(void **state)
{
    struct world *w = *state;
    const char *why = NULL;
    store_fail_next_commit(engine_store(w->engine));
    world_post(w, world_payload("Ignored", 0, 1, 0));
    WORLD_UNTIL(w, w->answered == 1);
    assert_int_equal(w->last_status, 503);
    assert_true(w->last_retry_after_s > 0);
    assert_false(engine_is_ready(w->engine, &why));
    assert_non_null(why);
    world_post(w, world_payload("Ignored", 0, 1, 0)); /* while it is broken */
    assert_int_equal(w->answered, 2);
    assert_int_equal(w->last_status, 503);
    WORLD_UNTIL(w, engine_is_ready(w->engine, &why));
    assert_int_equal(w->records, 0);
    world_post(w, world_payload("Ignored", 0, 1, 0));
    WORLD_UNTIL(w, w->done == 1);
    assert_int_equal(w->last_status, 200);
    assert_int_equal(world_sql(w, IGNORED_SQL), 1);
}

/* The webhook is in the journal; the commit of its decision is what fails. */
static void fail_the_next(struct world *w)
{
    store_fail_commits(engine_store(w->engine), 1);
}

static void a_decision_that_could_not_be_written_is_made_again_once(void **state)
{
    struct world *w = *state;
    w->on_answer = fail_the_next;
    world_post(w, world_payload("Ignored", 0, 300, 0));
    WORLD_UNTIL(w, w->done == 300);
    world_turn(w, 50);
    assert_int_equal(w->answered, 1);
    assert_int_equal(w->last_status, 200);
    assert_int_equal(w->records, 300);
    assert_true(world_all_decided(w, 300));
}

/* What was submitted behind a failure belongs to the core that is gone: it must not slip in after the journal was
 * opened again. */
static void nothing_of_the_old_core_is_written_after_the_journal_was_opened_again(void **state)
{
    struct world *w = *state;
    struct store *s = engine_store(w->engine);
    store_fail_next_commit(s);
    world_post(w, world_payload("Ignored", 0, 1, 0));
    while (store_pending(s) && w->answered == 0)
        sd_event_run(w->event, 1000);
    store_hold_writer(s, true);
    struct store_batch *b = store_batch_new();
    store_batch_meta(b, "ghost", "1");
    store_submit(s, b, NULL, NULL);
    assert_int_equal(store_reopen(s, NULL), 0);
    store_hold_writer(s, false);
    WORLD_UNTIL(w, store_pending(s) == 0);
    assert_int_equal(world_sql(w, "SELECT count(*) FROM meta WHERE key = 'ghost'"), 0);
}

static void stop_at_once(struct world *w)
{
    sd_event_source_set_enabled(w->engine->decide_source, SD_EVENT_OFF);
}

static void journalled_alerts_are_decided_after_a_restart(void **state)
{
    struct world *w = *state;
    WORLD_UNTIL(w, !w->engine->spilled); /* the start's own look into the inbox would decide some of them */
    world_post(w, world_payload("Ignored", 0, 500, 0));
    while (w->answered == 0)
        assert_true(sd_event_run(w->event, 1000 * 1000) >= 0);
    stop_at_once(w);
    world_close(w);
    assert_int_equal(world_sql(w, "SELECT count(*) FROM inbox"), 500);
    assert_int_equal(w->records, 0);
    world_open(w);
    WORLD_UNTIL(w, w->done == 500);
    assert_true(world_all_decided(w, 500));
}

static void die_at_once(struct world *w _unused_)
{
    raise(SIGKILL);
}

static void alerts_outlive_kill_nine(void **state)
{
    struct world *w = *state;
    world_close(w);
    const pid_t child = fork();
    if (child == 0) {
        sd_event_new(&w->event); /* a loop is its process' own */
        world_open(w);
        w->on_answer = die_at_once;
        world_post(w, world_payload("Ignored", 0, 40, 0));
        for (;;)
            sd_event_run(w->event, 1000 * 1000);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(world_sql(w, "SELECT count(*) FROM inbox"), 40);
    world_open(w);
    WORLD_UNTIL(w, w->done == 40);
    assert_true(world_all_decided(w, 40));
}

struct order {
    int next, wrong;
};

static void look_at_order(const json_t *record, void *userdata)
{
    struct order *o = userdata;
    const char *name = json_path_text(record, "alert", "labels", "alertname", NULL);
    o->wrong += atoi(name + strlen("Ignored")) != o->next;
    o->next++;
}

static void more_alerts_than_the_queue_holds_are_decided_once_and_in_order(void **state)
{
    struct world *w = *state;
    struct order order = {0};
    enum { N = 25000, EACH = 1000 };
    engine_on_record(w->engine, look_at_order, &order);
    store_hold_writer(engine_store(w->engine), true);
    for (int i = 0; i < N; i += EACH)
        world_post(w, world_payload("Ignored", i, EACH, 0));
    store_hold_writer(engine_store(w->engine), false);
    while (w->answered < N / EACH)
        assert_true(sd_event_run(w->event, 1000 * 1000) >= 0);
    assert_true(w->engine->spilled);
    assert_true(w->engine->queue_len <= 20000);
    WORLD_UNTIL(w, order.next == N);
    assert_int_equal(order.wrong, 0);
    assert_int_equal(w->accepted, N);
    WORLD_UNTIL(w, !w->engine->spilled);
    assert_true(world_all_decided(w, N));
}

static void the_queue_is_bounded_in_bytes_too(void **state)
{
    struct world *w = *state;
    enum { N = 200 };
    store_hold_writer(engine_store(w->engine), true);
    for (int i = 0; i < N; i++)
        world_post(w, world_payload("Ignored", i, 1, 200 * 1000));
    store_hold_writer(engine_store(w->engine), false);
    while (w->answered < N)
        assert_true(sd_event_run(w->event, 1000 * 1000) >= 0);
    assert_int_equal(w->accepted, N);
    assert_true(w->engine->spilled);
    assert_true(w->engine->queue_bytes <= 32 << 20);
    while (w->done < N) {
        assert_true(sd_event_run(w->event, 1000 * 1000) >= 0);
        assert_true(w->engine->queue_bytes <= 32 << 20);
    }
    assert_int_equal(w->engine->queue_bytes, 0);
    assert_true(world_all_decided(w, N));
}

static void decisions_wait_for_a_slow_journal(void **state)
{
    struct world *w = *state;
    enum { N = 12000, EACH = 1000 };
    store_hold_writer(engine_store(w->engine), true);
    for (int i = 0; i < N; i += EACH)
        world_post(w, world_payload("Ignored", i, EACH, 0));
    store_hold_writer(engine_store(w->engine), false);
    while (w->answered < N / EACH)
        assert_true(sd_event_run(w->event, 1000 * 1000) >= 0);
    store_hold_writer(engine_store(w->engine), true);
    WORLD_UNTIL(w, w->engine->saves_in_flight >= 4096);
    world_turn(w, 100);
    assert_true(w->engine->saves_in_flight < 6000);
    store_hold_writer(engine_store(w->engine), false);
    WORLD_UNTIL(w, w->done == N);
    assert_int_equal(w->engine->saves_in_flight, 0);
    assert_true(world_all_decided(w, N));
}

static void spilled_alerts_that_could_not_be_read_are_read_later(void **state)
{
    struct world *w = *state;
    struct store *s = engine_store(w->engine);
    world_post(w, world_payload("Ignored", 0, 10, 0));
    while (w->answered == 0)
        assert_true(sd_event_run(w->event, 1000 * 1000) >= 0);
    queue_clear(w->engine); /* as if they had never fitted */
    w->engine->last_queued_seq = 0;
    w->engine->spilled = true;
    sqlite3 *reader = TAKE_PTR(s->reader);
    queue_kick(w->engine);
    WORLD_UNTIL(w, w->engine->spill_unread);
    s->reader = reader;
    WORLD_UNTIL(w, w->done == 10);
    assert_true(world_all_decided(w, 10));
}

/* The row is in the table, its commit is not told yet, and the table is read: the alert must not be queued again. */
static void an_alert_that_was_read_from_the_table_is_not_queued_again(void **state)
{
    struct world *w = *state;
    WORLD_UNTIL(w, !w->engine->spilled);
    assert_int_equal(sd_event_source_set_priority(w->engine->decide_source, -10), 0);
    world_post(w, world_payload("Ignored", 0, 3, 0));
    while (world_sql(w, "SELECT count(*) FROM inbox") == 0)
        usleep(1000);
    w->engine->spilled = true;
    queue_kick(w->engine);
    WORLD_UNTIL(w, w->answered == 1 && w->done == 3 && !w->engine->queue_head);
    world_turn(w, 50);
    assert_int_equal(w->records, 3); /* told again, each would be seen a second time */
}

static void a_large_body_is_read_on_the_helper_thread(void **state)
{
    struct world *w = *state;
    char *body = world_payload("Ignored", 0, 1000, 400);
    assert_true(strlen(body) > PARSER_INLINE);
    world_post(w, body);
    assert_int_equal(w->answered, 0);
    WORLD_UNTIL(w, w->done == 1000);
    assert_int_equal(w->answered, 1);
    assert_int_equal(w->accepted, 1000);
    body = world_payload("Ignored", 0, 1000, 400);
    body[strlen(body) - 1] = '\0';
    world_post(w, body);
    WORLD_UNTIL(w, w->answered == 2);
    assert_int_equal(w->last_status, 400);
}

static void too_many_large_bodies_are_503(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 17; i++)
        world_post(w, world_payload("Ignored", i, 1, 300 * 1000));
    assert_int_equal(w->answered, 1);
    assert_int_equal(w->last_status, 503);
    WORLD_UNTIL(w, w->done == 16);
    assert_int_equal(w->answered, 17);
    assert_int_equal(w->engine->ingest_waiting, 0);
    assert_int_equal(w->engine->ingest_bytes, 0);
}

static void a_stop_answers_every_webhook_once(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 10; i++)
        world_post(w, world_payload("Ignored", i, 1, 300 * 1000));
    store_hold_writer(engine_store(w->engine), true);
    for (int i = 10; i < 20; i++)
        world_post(w, world_payload("Ignored", i, 1, 0));
    assert_int_equal(w->answered, 0);
    world_close(w);
    assert_int_equal(w->answered, 20);
    const int64_t kept = world_sql(w, "SELECT count(*) FROM inbox");
    assert_int_equal(kept, (int64_t)w->accepted); /* 200 where it is kept, 503 where it is not */
    assert_true(kept >= 10);
    world_open(w);
    WORLD_UNTIL(w, w->done == kept);
}

static void a_failed_commit_while_stopping_is_503(void **state)
{
    struct world *w = *state;
    store_hold_writer(engine_store(w->engine), true);
    world_post(w, world_payload("Ignored", 0, 1, 0));
    store_fail_next_commit(engine_store(w->engine));
    world_close(w);
    assert_int_equal(w->answered, 1);
    assert_int_equal(w->last_status, 503);
    world_open(w);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(two_hundred_comes_only_after_the_commit),
        TEST(a_failed_commit_is_503_and_the_next_webhook_is_taken),
        TEST(a_decision_that_could_not_be_written_is_made_again_once),
        TEST(nothing_of_the_old_core_is_written_after_the_journal_was_opened_again),
        TEST(journalled_alerts_are_decided_after_a_restart),
        TEST(alerts_outlive_kill_nine),
        TEST(more_alerts_than_the_queue_holds_are_decided_once_and_in_order),
        TEST(the_queue_is_bounded_in_bytes_too),
        TEST(decisions_wait_for_a_slow_journal),
        TEST(spilled_alerts_that_could_not_be_read_are_read_later),
        TEST(an_alert_that_was_read_from_the_table_is_not_queued_again),
        TEST(a_large_body_is_read_on_the_helper_thread),
        TEST(too_many_large_bodies_are_503),
        TEST(a_stop_answers_every_webhook_once),
        TEST(a_failed_commit_while_stopping_is_503),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
