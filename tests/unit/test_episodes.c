/* Alerts without end: what the core keeps of them is bounded, and nothing is lost with what it lets go of. */
#include "actions/registry.h"
#include "base/alloc.h"
#include "checks/registry.h"
#include "core/core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MANY = 30200, BOUND = 30000 };

static void alert(struct core *c, size_t n, struct effects *fx)
{
    char pod[32];
    snprintf(pod, sizeof(pod), "p%zu", n);
    const struct now now = {.wall_us = INT64_C(1767607200000000) + (int64_t)n * 1000, .boot_us = (int64_t)n * 1000 + 1};
    _cleanup_json_ json_t *j = json_pack("{s:{s:s, s:s}}", "labels", "alertname", "Unknown", "pod", pod);
    _cleanup_(alert_freep) struct alert *a = alert_from_json(j, "firing", now, NULL);
    core_handle(c, &(struct event){.type = EVENT_ALERT, .inbox_seq = (int64_t)n, .alert = a}, now, fx);
}

static void open_episodes_are_bounded(void **state)
{
    (void)state;
    const struct registry registry = {.actions = all_actions, .checks = all_checks};
    _cleanup_(playbook_table_freep) struct playbook_table *table = playbook_table_new();
    const struct settings settings = {.table = table, .default_cluster = (char *)"default", .escalate_unmatched = true};
    _cleanup_(core_freep) struct core *c = core_new(&registry, &settings, 1);
    size_t opened = 0, closed = 0;
    for (size_t i = 1; i <= MANY; i++) {
        _cleanup_(effects_clear) struct effects fx = {0};
        alert(c, i, &fx);
        assert_int_equal(fx.n_inbox_done, 1);
        for (size_t k = 0; k < fx.n_saves; k++)
            *(fx.saves[k].open ? &opened : &closed) += 1;
    }
    struct core_stats st;
    core_stats(c, &st);
    assert_int_equal(st.episodes, BOUND);
    assert_int_equal(opened, MANY);
    assert_int_equal(closed, MANY - BOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(open_episodes_are_bounded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
