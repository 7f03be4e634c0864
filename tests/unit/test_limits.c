#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/text.h"
#include "core/internal.h"

/* Three runs of one playbook; the first two share an owner, the third wants both owners. */
struct fixture {
    struct core core;
    struct settings settings;
    struct playbook_table table;
    struct rate rate;
    struct playbook playbook;
    struct run runs[3];
    char *keys[3][2];
};

static int set_up(void **state)
{
    struct fixture *f = xnew0(struct fixture);
    f->core.settings = &f->settings;
    f->settings.table = &f->table;
    f->core.now = (struct now){.wall_us = 1000000 * USEC_PER_SEC, .boot_us = 500 * USEC_PER_SEC};
    f->rate = (struct rate){2, 3600 * MSEC_PER_SEC};
    f->playbook = (struct playbook){.name = (char *)"p"};
    f->playbook.limits = (struct limits){.cooldown_ms = 300 * MSEC_PER_SEC, .attempts = &f->rate, .n_attempts = 1};
    static const char *const names[3][2] = {{"a", NULL}, {"a", NULL}, {"a", "b"}};
    for (size_t i = 0; i < 3; i++) {
        struct run *r = &f->runs[i];
        *r = (struct run){.arrival = i, .playbook = &f->playbook, .keys = f->keys[i], .n_keys = names[i][1] ? 2 : 1};
        snprintf(r->id, sizeof(r->id), "run%zu", i);
        f->keys[i][0] = (char *)(uintptr_t)names[i][0];
        f->keys[i][1] = (char *)(uintptr_t)names[i][1];
    }
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    owners_free(&f->core);
    free(f);
    return 0;
}

static void locks_go_in_order_of_arrival(void **state)
{
    struct fixture *f = *state;
    struct core *c = &f->core;
    limits_lock(c, &f->runs[0]);
    assert_ptr_equal(limits_lock_blocker(c, &f->runs[1]), &f->runs[0]);
    limits_line_up(c, &f->runs[2]);
    limits_line_up(c, &f->runs[1]);
    limits_release(c, &f->runs[0]);
    assert_true(c->recheck);
    assert_null(limits_lock_blocker(c, &f->runs[1]));
    assert_ptr_equal(limits_lock_blocker(c, &f->runs[2]), &f->runs[1]);
    limits_lock(c, &f->runs[1]);
    assert_ptr_equal(limits_lock_blocker(c, &f->runs[2]), &f->runs[1]);
    limits_release(c, &f->runs[1]);
    assert_null(limits_lock_blocker(c, &f->runs[2]));
}

static void cooldown_counts_from_the_end(void **state)
{
    struct fixture *f = *state;
    const char *who = NULL;
    limits_ended(&f->core, &f->runs[0], f->core.now.wall_us - 100 * USEC_PER_SEC);
    assert_int_equal(limits_cooldown_until(&f->core, &f->runs[1], &who), f->core.now.wall_us + 200 * USEC_PER_SEC);
    assert_string_equal(who, "run0");
    assert_int_equal(limits_cooldown_until(&f->core, &f->runs[0], &who), 0); /* not its own */
    limits_shift(&f->core, -3600 * USEC_PER_SEC);
    assert_int_equal(limits_cooldown_until(&f->core, &f->runs[1], &who), 0);
}

static void attempts_count_within_their_window(void **state)
{
    struct fixture *f = *state;
    struct core *c = &f->core;
    const int64_t now = c->now.wall_us;
    limits_attempt(c, "a", "x1", "p", now - 3601 * USEC_PER_SEC, false);
    limits_attempt(c, "a", "x2", "p", now - 10 * USEC_PER_SEC, false);
    limits_attempt(c, "a", "x2", "p", now - 10 * USEC_PER_SEC, false); /* a run counts once */
    limits_attempt(c, "a", "x3", "q", now - 10 * USEC_PER_SEC, false);
    assert_null(limits_exhausted(c, &f->runs[0], &f->rate, 1, "p"));
    assert_ptr_equal(limits_exhausted(c, &f->runs[0], &f->rate, 1, NULL), &f->rate);
    limits_note_attempt(c, &f->runs[0]);
    assert_null(limits_exhausted(c, &f->runs[0], &f->rate, 1, "p")); /* its own does not stop it */
    assert_ptr_equal(limits_exhausted(c, &f->runs[1], &f->rate, 1, "p"), &f->rate);
}

static void concurrency_leaves_out_oneself(void **state)
{
    struct fixture *f = *state;
    limits_set_active(&f->core, &f->runs[0], true);
    limits_set_active(&f->core, &f->runs[0], true);
    assert_int_equal(limits_active(&f->core, &f->runs[0]), 0);
    assert_int_equal(limits_active(&f->core, &f->runs[1]), 1);
    limits_release(&f->core, &f->runs[0]);
    assert_int_equal(limits_active(&f->core, &f->runs[1]), 0);
}

static void forgets_what_no_window_needs(void **state)
{
    struct fixture *f = *state;
    limits_attempt(&f->core, "a", "x1", "p", f->core.now.wall_us - 25 * 3600 * USEC_PER_SEC, false);
    limits_attempt(&f->core, "b", "x2", "p", f->core.now.wall_us, false);
    limits_prune(&f->core);
    assert_int_equal(HASH_COUNT(f->core.owners), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(locks_go_in_order_of_arrival, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cooldown_counts_from_the_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(attempts_count_within_their_window, set_up, tear_down),
        cmocka_unit_test_setup_teardown(concurrency_leaves_out_oneself, set_up, tear_down),
        cmocka_unit_test_setup_teardown(forgets_what_no_window_needs, set_up, tear_down)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
