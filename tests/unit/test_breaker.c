/* Breakers: what counts, when they open, who may try, what closes them, and what is kept. */
#include "base/alloc.h"
#include "base/text.h"
#include "core/breaker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

enum { RUNS = 4 };

struct fixture {
    struct core core;
    struct settings settings;
    struct playbook p, q;
    struct run runs[RUNS]; /* the last one of playbook q */
};

static int set_up(void **state)
{
    struct fixture *f = xnew0(struct fixture);
    struct core *c = &f->core;
    c->settings = &f->settings;
    c->now = (struct now){.wall_us = 100000 * USEC_PER_SEC, .boot_us = 500 * USEC_PER_SEC};
    c->desk_wake_us = INT64_MAX;
    f->settings.breaker = (struct breaker_settings){.enabled = true,
                                                    .playbook_failures = 2,
                                                    .api_faults = 3,
                                                    .within_ms = 600 * MSEC_PER_SEC,
                                                    .open_ms = 60 * MSEC_PER_SEC};
    f->p = (struct playbook){.name = (char *)"p"};
    f->q = (struct playbook){.name = (char *)"q"};
    for (size_t i = 0; i < RUNS; i++) {
        struct run *r = &f->runs[i];
        *r = (struct run){.arrival = i, .playbook = i + 1 < RUNS ? &f->p : &f->q};
        r->target.cluster = (char *)"prod";
        snprintf(r->id, sizeof(r->id), "%026zu", i);
        HASH_ADD(hh_id, c->runs, id, ULID_LEN, r);
    }
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    HASH_CLEAR(hh_id, f->core.runs);
    breakers_free(&f->core);
    free(f);
    return 0;
}

static void pass_time(struct fixture *f, int64_t seconds)
{
    f->core.now.wall_us += seconds * USEC_PER_SEC;
    f->core.now.boot_us += seconds * USEC_PER_SEC;
    breaker_tick(&f->core);
}

static void end(struct fixture *f, size_t i, enum run_outcome outcome, enum reason reason)
{
    f->runs[i].outcome = outcome;
    f->runs[i].reason = reason;
    breaker_ended(&f->core, &f->runs[i]);
}

static void fail_run(struct fixture *f, size_t i)
{
    end(f, i, OUTCOME_FAILED, REASON_VERIFY_FAILED);
}

/* Seconds until which run i is held; 0: it is not, -1: nobody can tell. */
static int64_t held(struct fixture *f, size_t i)
{
    int64_t until = 0;
    const char *name = NULL;
    if (!breaker_holds(&f->core, &f->runs[i], &until, &name))
        return 0;
    assert_non_null(name);
    return until == INT64_MAX ? -1 : (until - f->core.now.boot_us) / USEC_PER_SEC;
}

static void opens_after_so_many_within_the_window(void **state)
{
    struct fixture *f = *state;
    int64_t until = 0;
    const char *name = NULL;
    fail_run(f, 0);
    pass_time(f, 600);
    fail_run(f, 1);
    assert_int_equal(held(f, 2), 0); /* the first is forgotten */
    pass_time(f, 599);
    fail_run(f, 0);
    assert_true(breaker_holds(&f->core, &f->runs[2], &until, &name));
    assert_string_equal(name, "p");
    assert_int_equal(until, f->core.now.boot_us + 60 * USEC_PER_SEC);
    assert_int_equal(f->core.desk_wake_us, until);
    assert_int_equal(held(f, 3), 0); /* another playbook */
}

static void counts_what_is_a_failed_repair(void **state)
{
    static const enum reason failures[] = {REASON_ACTION_FAILED, REASON_VERIFY_FAILED, REASON_VERIFY_UNKNOWN,
                                           REASON_STILL_FIRING};
    static const enum reason others[] = {REASON_FORBIDDEN, REASON_OPTED_OUT, REASON_INTERRUPTED, REASON_BUDGET};
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        end(f, 0, OUTCOME_FAILED, others[i]);
    end(f, 0, OUTCOME_SKIPPED, REASON_ACTION_FAILED);
    end(f, 0, OUTCOME_CANCELLED, REASON_CANCELLED);
    end(f, 0, OUTCOME_RESOLVED, REASON_REPAIRED);
    assert_null(f->core.breakers);
    for (size_t i = 0; i < ARRAY_SIZE(failures); i++) {
        end(f, 0, OUTCOME_FAILED, failures[i]);
        assert_int_equal(held(f, 1) != 0, i > 0);
    }
}

static void all_playbooks_together_hold_all(void **state)
{
    struct fixture *f = *state;
    f->settings.breaker.playbook_failures = 0;
    f->settings.breaker.global_failures = 2;
    fail_run(f, 0);
    assert_int_equal(held(f, 1), 0);
    fail_run(f, 3);
    assert_int_equal(held(f, 1), 60);
    assert_int_equal(held(f, 3), 60);
}

static void open_it(struct fixture *f)
{
    fail_run(f, 0);
    fail_run(f, 0);
    assert_int_equal(held(f, 1), 60);
}

static void half_open_lets_exactly_one_try(void **state)
{
    struct fixture *f = *state;
    open_it(f);
    breaker_begins(&f->core, &f->runs[1]);
    assert_false(f->runs[1].probing); /* not yet */
    f->core.recheck = false;
    pass_time(f, 60);
    assert_true(f->core.recheck);
    assert_int_equal(held(f, 1), 0);
    assert_int_equal(held(f, 2), 0);
    breaker_begins(&f->core, &f->runs[1]);
    breaker_begins(&f->core, &f->runs[2]);
    assert_true(f->runs[1].probing);
    assert_false(f->runs[2].probing);
    assert_int_equal(held(f, 1), 0); /* not by itself, mid-run */
    assert_int_equal(held(f, 2), -1);
    breaker_lets_go(&f->core, &f->runs[1]);
    assert_int_equal(held(f, 2), 0);
    breaker_begins(&f->core, &f->runs[2]);
    end(f, 2, OUTCOME_SKIPPED, REASON_CLEARED_BEFORE_ACTION); /* neither way: another may try */
    assert_int_equal(held(f, 1), 0);
    breaker_begins(&f->core, &f->runs[1]);
    f->runs[1].phase = PHASE_DONE; /* gone without a word: nobody waits for it for ever */
    assert_int_equal(held(f, 2), 0);
}

static void a_failed_try_doubles_up_to_eight_times(void **state)
{
    static const int64_t open_s[] = {60, 120, 240, 480, 480};
    struct fixture *f = *state;
    open_it(f);
    for (size_t i = 0; i < ARRAY_SIZE(open_s); i++) {
        assert_int_equal(held(f, 1), open_s[i]);
        pass_time(f, open_s[i] - 1);
        assert_int_equal(held(f, 1), 1);
        pass_time(f, 1);
        breaker_begins(&f->core, &f->runs[1]);
        fail_run(f, 1);
    }
    pass_time(f, 480);
    breaker_begins(&f->core, &f->runs[1]);
    end(f, 1, OUTCOME_RESOLVED, REASON_REPAIRED);
    assert_int_equal(held(f, 2), 0);
    fail_run(f, 1); /* the books are cleared: one alone opens nothing */
    assert_int_equal(held(f, 2), 0);
    fail_run(f, 1);
    assert_int_equal(held(f, 2), 60); /* and it begins with the short time again */
}

static void only_who_tries_decides(void **state)
{
    struct fixture *f = *state;
    open_it(f);
    pass_time(f, 60);
    breaker_begins(&f->core, &f->runs[1]);
    fail_run(f, 2); /* it began before the breaker opened */
    assert_int_equal(held(f, 2), -1);
    end(f, 2, OUTCOME_RESOLVED, REASON_REPAIRED);
    assert_int_equal(held(f, 2), -1);
    end(f, 1, OUTCOME_RESOLVED, REASON_REPAIRED);
    assert_int_equal(held(f, 2), 0);
}

/* ---- API servers ---- */

static void say(struct fixture *f, const char *question, const char *answer)
{
    _cleanup_json_ json_t *q = json_loads(question, 0, NULL), *a = json_loads(answer, 0, NULL);
    assert_non_null(q);
    assert_non_null(a);
    breaker_answer(&f->core, q, a);
}

#define KUBE "{\"ask\": \"kube\", \"cluster\": \"prod\", \"path\": \"/api/v1/nodes\"}"
#define EFFECT "{\"cluster\": \"prod\", \"method\": \"PATCH\", \"path\": \"/apis/x\"}"

static void silence_and_5xx_are_the_api_servers_fault(void **state)
{
    static const char *const faults[] = {
        "{\"status\": 500}",        "{\"status\": 503}",    "{\"error\": \"timeout\"}", "{\"error\": \"reset\"}",
        "{\"error\": \"refused\"}", "{\"error\": \"tls\"}", "{\"error\": \"protocol\"}"};
    static const char *const fine[] = {"{\"status\": 200}", "{\"status\": 401}",      "{\"status\": 403}",
                                       "{\"status\": 404}", "{\"status\": 409}",      "{\"status\": 422}",
                                       "{\"status\": 429}", "{\"error\": \"local\"}", "{\"error\": \"cancelled\"}"};
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_SIZE(fine); i++)
        for (int k = 0; k < 4; k++)
            say(f, KUBE, fine[i]);
    assert_int_equal(held(f, 1), 0);
    f->settings.breaker.api_faults = ARRAY_SIZE(faults);
    for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
        assert_int_equal(held(f, 1), 0);
        say(f, i % 2 ? KUBE : EFFECT, faults[i]);
    }
    assert_int_equal(held(f, 1), 60);
    assert_int_equal(held(f, 3), 60); /* all of this cluster … */
    f->runs[2].target.cluster = (char *)"other";
    assert_int_equal(held(f, 2), 0); /* … and of no other */
}

static void what_is_not_the_api_server_does_not_count(void **state)
{
    static const char *const questions[] = {
        "{\"ask\": \"http\", \"url\": \"http://x\", \"cluster\": \"prod\"}", "{\"ask\": \"tcp\", \"address\": \"x:1\"}",
        "{\"ask\": \"alertmanager\", \"peer\": 0, \"path\": \"/api/v2/alerts\"}",
        "{\"ask\": \"kube\", \"cluster\": \"prod\", \"path\": \"/api/v1/…/proxy/\", \"text\": true}"};
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_SIZE(questions); i++)
        for (int k = 0; k < 4; k++)
            say(f, questions[i], "{\"status\": 503}");
    assert_null(f->core.breakers);
}

static void the_first_sensible_answer_closes_half_open(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 3; i++)
        say(f, KUBE, "{\"status\": 503}");
    say(f, KUBE, "{\"status\": 200}"); /* open: not yet believed */
    assert_int_equal(held(f, 1), 60);
    pass_time(f, 60);
    say(f, KUBE, "{\"error\": \"timeout\"}");
    assert_int_equal(held(f, 1), 120);
    pass_time(f, 120);
    say(f, KUBE, "{\"status\": 429}");
    breaker_begins(&f->core, &f->runs[1]);
    assert_int_equal(held(f, 2), -1);
    say(f, KUBE, "{\"status\": 404}");
    assert_int_equal(held(f, 2), 0);
    assert_int_equal(f->core.breakers->list->n, 0);
}

/* ---- an operator, kept, time ---- */

static void shows_and_is_reset_by_name(void **state)
{
    struct fixture *f = *state;
    f->settings.breaker.global_failures = 9;
    open_it(f);
    f->runs[1].held = REASON_BREAKER_OPEN;
    f->core.waiting_head = &f->runs[1];
    json_t *s = breakers_status_new(&f->core), *first = json_array_get(s, 0);
    assert_int_equal(json_array_size(s), 2);
    assert_string_equal(json_text(first, "name"), "p");
    assert_string_equal(json_text(first, "state"), "open");
    assert_string_equal(json_text(first, "until"), "1970-01-02T03:47:40.000000Z");
    assert_int_equal(json_int_or(first, "failures", 0), 2);
    assert_int_equal(json_int_or(first, "held", 0), 1);
    assert_string_equal(json_text(json_array_get(s, 1), "state"), "closed");
    json_decref(s);
    f->core.recheck = false;
    assert_false(breaker_reset(&f->core, "q"));
    assert_true(breaker_reset(&f->core, "p"));
    assert_true(f->core.recheck);
    assert_int_equal(held(f, 1), 0);
    assert_true(breaker_reset(&f->core, NULL));
    s = breakers_status_new(&f->core);
    assert_int_equal(json_array_size(s), 0);
    json_decref(s);
}

static void is_kept_and_read_back(void **state)
{
    struct fixture *f = *state;
    _cleanup_error_ struct error err = ERROR_NONE;
    open_it(f);
    pass_time(f, 60);
    breaker_begins(&f->core, &f->runs[1]);
    fail_run(f, 1);
    assert_true(f->core.kept_dirty & 1U << KEPT_BREAKERS);
    _cleanup_json_ json_t *doc = breakers_doc_new(&f->core);
    breakers_free(&f->core);
    assert_int_equal(breakers_restore(&f->core, doc, &err), 0);
    assert_int_equal(held(f, 1), 120);
    pass_time(f, 120);
    breaker_begins(&f->core, &f->runs[1]);
    _cleanup_json_ json_t *tried = breakers_doc_new(&f->core);
    breakers_free(&f->core);
    assert_int_equal(breakers_restore(&f->core, tried, &err), 0);
    assert_int_equal(held(f, 1), 0); /* it goes on trying */
    assert_int_equal(held(f, 2), -1);
    static const char *const broken[] = {"name", "state", "until", "doublings", "failures"};
    for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
        _cleanup_json_ json_t *copy = json_deep_copy(doc);
        json_t *b = json_array_get(json_object_get(copy, "breakers"), 0);
        if (i == 4)
            json_array_append_new(json_object_get(b, "failures"), json_string("yesterday"));
        else
            json_object_set_new(b, broken[i], i == 3 ? json_integer(70) : json_string("nonsense"));
        assert_int_equal(breakers_restore(&f->core, copy, &err), -EBADMSG);
    }
}

static void clocks_give_nothing_back(void **state)
{
    struct fixture *f = *state;
    open_it(f);
    f->core.now.wall_us += 7200 * USEC_PER_SEC;
    breakers_shift(&f->core, 7200 * USEC_PER_SEC);
    assert_int_equal(held(f, 1), 60);
}

static void off_is_off(void **state)
{
    struct fixture *f = *state;
    open_it(f);
    f->settings.breaker.enabled = false;
    assert_int_equal(held(f, 1), 0);
    fail_run(f, 3);
    fail_run(f, 3);
    assert_int_equal(HASH_COUNT(f->core.breakers->list), 1);
    _cleanup_json_ json_t *s = breakers_status_new(&f->core);
    assert_int_equal(json_array_size(s), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {TEST(opens_after_so_many_within_the_window),
                                       TEST(counts_what_is_a_failed_repair),
                                       TEST(all_playbooks_together_hold_all),
                                       TEST(half_open_lets_exactly_one_try),
                                       TEST(a_failed_try_doubles_up_to_eight_times),
                                       TEST(only_who_tries_decides),
                                       TEST(silence_and_5xx_are_the_api_servers_fault),
                                       TEST(what_is_not_the_api_server_does_not_count),
                                       TEST(the_first_sensible_answer_closes_half_open),
                                       TEST(shows_and_is_reset_by_name),
                                       TEST(is_kept_and_read_back),
                                       TEST(clocks_give_nothing_back),
                                       TEST(off_is_off)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
