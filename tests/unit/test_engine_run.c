/* Runs through the engine: effects leave once whatever commit fails, a stop or a restart in the middle costs nothing,
 * the playbook of a run survives reloads, --dry-run sends nothing. */
#include "engine_fixture.h"

#include <netdb.h>

/* Stands in libcurl's way: a resolver that does not answer until the test lets it. */
static pthread_mutex_t resolver = PTHREAD_MUTEX_INITIALIZER;
static int resolving;

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **ret)
{
    (void)node, (void)service, (void)hints, (void)ret;
    __atomic_add_fetch(&resolving, 1, __ATOMIC_SEQ_CST);
    pthread_mutex_lock(&resolver);
    pthread_mutex_unlock(&resolver);
    return EAI_AGAIN;
}

static bool is(struct world *w, const char *field, const char *value)
{
    return str_eq(world_field(w, "Down", field), value);
}

static void fire(struct world *w)
{
    world_post(w, world_alert("firing"));
}

/* Verified, then Alertmanager reports it resolved. */
static void finish(struct world *w)
{
    WORLD_UNTIL(w, is(w, "state", "settling") || is(w, "state", "done"));
    world_post(w, world_alert("resolved"));
    WORLD_UNTIL(w, is(w, "state", "done"));
    if (!is(w, "reason", "repaired")) {
        _cleanup_free_ char *text = json_dumps(json_object_get(w->last, "Down"), JSON_INDENT(1));
        fail_msg("not repaired: %s", text);
    }
    assert_int_equal(world_count(w, &w->patches), 1);
}

static void an_alert_is_repaired_with_one_effect(void **state)
{
    struct world *w = *state;
    struct engine_stats st;
    fire(w);
    finish(w);
    engine_stats(w->engine, &st);
    assert_int_equal(st.effects_sent, 1);
    assert_int_equal(st.effects_failed, 0);
    assert_int_equal(st.decisions[REASON_REPAIRED], 1);
    assert_int_equal(st.outcomes[OUTCOME_RESOLVED], 1);
    assert_int_equal(st.repair_buckets[0], 1); /* proven within the first bucket's 5 s */
    assert_true(st.repair_sum_us > 0 && st.repair_sum_us < repair_bucket_us[0]);
    assert_true(world_all_decided(w, 1));
}

static void dry_run_sends_nothing(void **state)
{
    struct world *w = *state;
    world_close(w);
    w->dry_run = true;
    world_open(w);
    fire(w);
    WORLD_UNTIL(w, is(w, "state", "done"));
    assert_true(is(w, "reason", "dry_run"));
    world_post(w, world_alert("resolved"));
    world_turn(w, 100);
    assert_int_equal(world_count(w, &w->patches), 0);
    assert_int_equal(world_count(w, &w->posts), 0);
    /* the last lock on the door, should the core ever get there */
    struct out post = {.type = OUT_POST, .what = json_pack("{s:i, s:[{}]}", "peer", 0, "alerts"), .timeout_ms = 1000};
    struct out send = {
        .type = OUT_SEND, .what = json_pack("{s:s, s:s}", "method", "PATCH", "path", "/api"), .timeout_ms = 1000};
    send_out(w->engine, &post);
    send_out(w->engine, &send);
    WORLD_UNTIL(w, w->engine->ops_in_flight == 0);
    assert_int_equal(world_count(w, &w->patches), 0);
    assert_int_equal(world_count(w, &w->posts), 0);
    json_decref(post.what);
    json_decref(send.what);
}

/* Whichever commit of a run's life fails: the run is repaired, with one effect and one record. */
static void any_commit_may_fail(void **state)
{
    struct world *w = *state;
    struct store *s = engine_store(w->engine);
    for (int k = 0; k < 10; k++) {
        struct store_stats st, now;
        const char *why;
        WORLD_SET(w, patches, 0);
        json_object_del(w->last, "Down");
        store_stats(s, &st);
        const uint64_t failed = st.failed_commits;
        fire(w);
        do {
            store_stats(s, &now);
            if (now.commits - st.commits >= (uint64_t)k && now.failed_commits == failed)
                store_fail_commits(s, 1);
            assert_true(sd_event_run(w->event, 5 * 1000) >= 0);
            if (w->last_status == 503 && engine_is_ready(w->engine, &why)) {
                w->last_status = 0;
                fire(w); /* as Alertmanager would */
            }
        } while (!is(w, "state", "settling") && !is(w, "state", "done"));
        store_fail_commits(s, 0);
        WORLD_UNTIL(w, engine_is_ready(w->engine, &why));
        finish(w);
        assert_int_equal(world_sql(w, "SELECT count(*) FROM runs"), k + 1);
    }
}

/* A full disk: mendd comes back by itself, and does not rebuild itself ten times a second until then. */
static void a_journal_that_stays_broken_is_tried_less_and_less_often(void **state)
{
    struct world *w = *state;
    const char *why;
    WORLD_SET(w, healthy, false);
    fire(w);
    WORLD_UNTIL(w, is(w, "state", "verifying"));
    const uint64_t generation = w->engine->core_generation;
    store_fail_commits(engine_store(w->engine), 1000000);
    world_post(w, world_payload("Ignored", 0, 1, 0)); /* the first to fail; then what each rebuild writes */
    world_turn(w, 1600);                              /* 0.1, 0.2, 0.4, 0.8 s */
    assert_in_range(w->engine->core_generation - generation, 2, 4);
    store_fail_commits(engine_store(w->engine), 0);
    WORLD_SET(w, healthy, true);
    WORLD_UNTIL(w, engine_is_ready(w->engine, &why));
    finish(w);
    assert_int_equal(w->engine->recover_us, 0);
}

static void answers_of_a_core_that_is_gone_are_dropped(void **state)
{
    struct world *w = *state;
    const char *why;
    WORLD_SET(w, stall_reads, true);
    fire(w);
    WORLD_UNTIL(w, world_count(w, &w->reads) > 0 && w->engine->ops_in_flight > 0); /* the start asks for its rights */
    assert_true(w->engine->ops_in_flight > 0);
    const uint64_t generation = w->engine->core_generation;
    store_fail_next_commit(engine_store(w->engine));
    world_post(w, world_payload("Ignored", 0, 1, 0));
    WORLD_UNTIL(w, !engine_is_ready(w->engine, &why));
    WORLD_SET(w, stall_reads, false);
    WORLD_UNTIL(w, engine_is_ready(w->engine, &why));
    assert_true(w->engine->core_generation > generation);
    finish(w);
    assert_int_equal(world_sql(w, "SELECT count(*) FROM runs WHERE alertname = 'Down'"), 1);
}

/* The effect is on its way when the journal fails: it may have been done. */
static void an_effect_in_flight_is_looked_for_after_a_rebuild(void **state)
{
    struct world *w = *state;
    const char *why;
    WORLD_SET(w, stall_patch, true);
    fire(w);
    WORLD_UNTIL(w, world_count(w, &w->patches) == 1);
    store_fail_next_commit(engine_store(w->engine));
    world_post(w, world_payload("Ignored", 0, 1, 0));
    WORLD_UNTIL(w, !engine_is_ready(w->engine, &why));
    WORLD_SET(w, stall_patch, false);
    WORLD_SET(w, patches, 0); /* the first one never reached the object */
    finish(w);
}

static void a_stop_with_requests_in_flight_is_quick_and_the_run_goes_on(void **state)
{
    struct world *w = *state;
    WORLD_SET(w, stall_reads, true);
    fire(w);
    WORLD_UNTIL(w, world_count(w, &w->reads) > 0 && w->engine->ops_in_flight > 0); /* the start asks for its rights */
    const int64_t before_us = now_read().boot_us;
    world_close(w);
    assert_true(now_read().boot_us - before_us < 2 * USEC_PER_SEC);
    assert_int_equal(world_sql(w, "SELECT count(*) FROM runs WHERE open = 1"), 1);
    WORLD_SET(w, stall_reads, false);
    world_open(w);
    finish(w);
}

static void a_stop_does_not_wait_for_the_resolver(void **state)
{
    struct world *w = *state;
    world_kubeconfig(w, "https://slow.example:1", "first");
    pthread_mutex_lock(&resolver);
    assert_int_equal(world_reload(w), 0);
    fire(w);
    WORLD_UNTIL(w, __atomic_load_n(&resolving, __ATOMIC_SEQ_CST) > 0);
    const int64_t before_us = now_read().boot_us;
    world_close(w);
    const int64_t took_us = now_read().boot_us - before_us;
    pthread_mutex_unlock(&resolver);
    assert_true(took_us < 2 * USEC_PER_SEC);
    world_open(w);
}

static void a_reload_with_calls_in_flight(void **state)
{
    struct world *w = *state;
    _cleanup_free_ char *url = xasprintf("http://127.0.0.1:%d", w->server->port);
    WORLD_SET(w, stall_reads, true);
    fire(w);
    WORLD_UNTIL(w, world_count(w, &w->reads) > 0 && w->engine->ops_in_flight > 0); /* the start asks for its rights */
    for (int i = 0; i < 3; i++) { /* another token: another client; what the old one had under way is asked again */
        _cleanup_free_ char *token = xasprintf("token-%d", i);
        world_kubeconfig(w, url, token);
        assert_int_equal(world_reload(w), 0);
        world_turn(w, 20);
    }
    WORLD_SET(w, stall_reads, false);
    world_kubeconfig(w, url, "last");
    assert_int_equal(world_reload(w), 0);
    finish(w);
}

static void a_reload_while_the_journal_is_broken(void **state)
{
    struct world *w = *state;
    const char *why;
    store_fail_next_commit(engine_store(w->engine));
    fire(w);
    WORLD_UNTIL(w, w->answered == 1);
    assert_false(engine_is_ready(w->engine, &why));
    assert_int_equal(world_reload(w), 0);
    WORLD_UNTIL(w, engine_is_ready(w->engine, &why));
    fire(w);
    finish(w);
}

static void other_playbooks(struct world *w, const char *text)
{
    free(world_file(w, "playbooks.yaml", text));
}

static const char all_ignored[] = "playbooks:\n- name: nothing\n  matchers: ['alertname!=\"\"']\n  decision: ignore\n"
                                  "  reason: none\n";

static void a_run_keeps_its_playbook_across_reload_and_restart(void **state)
{
    struct world *w = *state;
    WORLD_SET(w, healthy, false);
    fire(w);
    WORLD_UNTIL(w, is(w, "state", "verifying"));
    other_playbooks(w, "playbooks:\n- name: half\n  matchers: [\n");
    assert_int_equal(world_reload(w), -EINVAL);
    assert_int_equal(engine_playbooks(w->engine)->n, 2);
    struct engine_stats st;
    engine_stats(w->engine, &st);
    assert_false(st.last_reload_ok);
    other_playbooks(w, all_ignored);
    assert_int_equal(world_reload(w), 0);
    assert_int_equal(engine_playbooks(w->engine)->n, 1);
    world_turn(w, 150);
    assert_true(is(w, "state", "verifying"));
    world_close(w);
    world_open(w); /* the files know nothing of the playbook any more */
    WORLD_SET(w, healthy, true);
    finish(w);
    assert_true(is(w, "playbook", "restart"));
    world_post(w, world_alert("firing"));
    WORLD_UNTIL(w, is(w, "playbook", "nothing"));
}

/* Old records go, and with them playbooks that no record names; one that is used again is kept again. */
static void a_pruned_playbook_is_kept_again(void **state)
{
    struct world *w = *state;
    fire(w);
    finish(w);
    w->engine->config->retention_ms = -1000 * MSEC_PER_SEC; /* everything is old */
    sd_event_source_set_time_relative(w->engine->prune_source, 0);
    WORLD_UNTIL(w, world_sql(w, "SELECT count(*) FROM runs") == 0);
    assert_int_equal(world_sql(w, "SELECT count(*) FROM playbooks"), 0);
    WORLD_SET(w, healthy, false);
    WORLD_SET(w, patches, 0);
    w->last_status = 0;
    json_object_clear(w->last);
    fire(w);
    WORLD_UNTIL(w, is(w, "state", "verifying"));
    world_close(w);
    WORLD_SET(w, healthy, true);
    world_open(w);
    finish(w);
}

static void a_failed_prune_opens_the_journal_again(void **state)
{
    struct world *w = *state;
    const char *why;
    const uint64_t generation = w->engine->core_generation;
    world_turn(w, 20); /* what the start has to write is written: only the deletion fails */
    WORLD_UNTIL(w, store_pending(engine_store(w->engine)) == 0);
    store_fail_next_commit(engine_store(w->engine));
    sd_event_source_set_time_relative(w->engine->prune_source, 0);
    WORLD_UNTIL(w, w->engine->core_generation > generation && engine_is_ready(w->engine, &why));
    fire(w);
    finish(w);
}

/* mendd must not start on a record that it does not understand, and must not say that it was alive. */
static void a_start_that_fails_does_not_touch_the_journal(void **state)
{
    struct world *w = *state;
    _cleanup_error_ struct error err = ERROR_NONE;
    WORLD_SET(w, healthy, false);
    fire(w);
    WORLD_UNTIL(w, is(w, "state", "verifying"));
    world_close(w);
    world_sql(w, "CREATE TABLE saved_docs AS SELECT * FROM docs");
    world_sql(w, "UPDATE docs SET doc = '{}'");
    world_sql(w, "UPDATE meta SET value = '1000' WHERE key = 'alive'");
    assert_int_equal(world_try_open(w, &err), -EBADMSG);
    assert_non_null(strstr(error_message(&err), "record"));
    assert_int_equal(world_sql(w, "SELECT value FROM meta WHERE key = 'alive'"), 1000);
    world_sql(w, "UPDATE docs SET doc = (SELECT doc FROM saved_docs WHERE saved_docs.id = docs.id)");
    WORLD_SET(w, healthy, true);
    world_open(w);
    finish(w);
}

static bool record_says(const struct world *w, const char *alertname, const char *words)
{
    _cleanup_free_ char *text = json_compact(json_object_get(w->last, alertname));
    return text && strstr(text, words);
}

static void a_cluster_that_cannot_be_set_up_is_said_in_words(void **state)
{
    struct world *w = *state;
    world_close(w);
    _cleanup_free_ char *kubeconfig = xasprintf("%s/kubeconfig", w->path);
    assert_int_equal(unlink(kubeconfig), 0);
    world_open(w);
    _cleanup_json_ json_t *status = engine_status_new(w->engine);
    const json_t *cluster = json_array_get(json_object_get(status, "clusters"), 0);
    assert_non_null(json_text(cluster, "error"));
    fire(w);
    WORLD_UNTIL(w, record_says(w, "Down", "cannot be used"));
    assert_int_equal(world_count(w, &w->patches), 0);
}

static void an_unknown_cluster_is_said_in_words(void **state)
{
    struct world *w = *state;
    const char *why = NULL;
    assert_null(clusters_find(w->engine->clusters, "nowhere", &why));
    assert_non_null(strstr(why, "no cluster of that name"));
    assert_non_null(clusters_find(w->engine->clusters, "", &why));
    assert_non_null(clusters_find(w->engine->clusters, "prod", &why));
    struct out ask = {.type = OUT_ASK,
                      .what = json_pack("{s:s, s:s, s:s}", "ask", "kube", "cluster", "nowhere", "path", "/version"),
                      .timeout_ms = 1000};
    struct out peer = {.type = OUT_POST, .what = json_pack("{s:i, s:[]}", "peer", 7, "alerts"), .timeout_ms = 1000};
    send_out(w->engine, &ask);
    send_out(w->engine, &peer);
    assert_int_equal(w->engine->ops_in_flight, 2); /* never from within */
    WORLD_UNTIL(w, w->engine->ops_in_flight == 0);
    send_out(w->engine, &ask);
    send_out(w->engine, &peer);
    world_close(w); /* with answers that nobody will hear */
    json_decref(ask.what);
    json_decref(peer.what);
    world_open(w);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_alert_is_repaired_with_one_effect),
        TEST(dry_run_sends_nothing),
        TEST(any_commit_may_fail),
        TEST(a_journal_that_stays_broken_is_tried_less_and_less_often),
        TEST(answers_of_a_core_that_is_gone_are_dropped),
        TEST(an_effect_in_flight_is_looked_for_after_a_rebuild),
        TEST(a_stop_with_requests_in_flight_is_quick_and_the_run_goes_on),
        TEST(a_stop_does_not_wait_for_the_resolver),
        TEST(a_reload_with_calls_in_flight),
        TEST(a_reload_while_the_journal_is_broken),
        TEST(a_run_keeps_its_playbook_across_reload_and_restart),
        TEST(a_pruned_playbook_is_kept_again),
        TEST(a_failed_prune_opens_the_journal_again),
        TEST(a_start_that_fails_does_not_touch_the_journal),
        TEST(a_cluster_that_cannot_be_set_up_is_said_in_words),
        TEST(an_unknown_cluster_is_said_in_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
