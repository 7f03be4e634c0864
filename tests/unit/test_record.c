/* The closed sets: every name reads back, every reason is explained in a sentence. */
#include "core/record.h"

#include "base/macro.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* As semantics.md lists them: a reason that is missing here is no part of the outside. */
static const char *const closed_set[] = {"no_playbook",
                                         "ignored",
                                         "malformed",
                                         "no_target",
                                         "ambiguous_target",
                                         "already_healthy",
                                         "cleared_before_action",
                                         "duplicate",
                                         "paused",
                                         "maintenance",
                                         "protected_namespace",
                                         "opted_out",
                                         "cooldown",
                                         "attempts_exhausted",
                                         "concurrent",
                                         "breaker_open",
                                         "storm",
                                         "budget",
                                         "expired",
                                         "observe_mode",
                                         "plan_mode",
                                         "dry_run",
                                         "awaiting_approval",
                                         "not_approved",
                                         "gitops",
                                         "forbidden",
                                         "action_failed",
                                         "verify_failed",
                                         "verify_unknown",
                                         "still_firing",
                                         "interrupted",
                                         "cancelled",
                                         "repaired"};

static void reasons_are_the_closed_set(void **state)
{
    (void)state;
    assert_int_equal(ARRAY_SIZE(closed_set), REASON_COUNT - 1);
    for (size_t i = 0; i < ARRAY_SIZE(closed_set); i++) {
        enum reason r = REASON_NONE;
        assert_true(reason_parse(closed_set[i], &r));
        assert_string_equal(reason_name(r), closed_set[i]);
        const char *words = reason_explain(r);
        assert_true(strlen(words) > 20 && words[strlen(words) - 1] == '.');
        for (int other = 1; other < REASON_COUNT; other++)
            if (other != (int)r)
                assert_string_not_equal(words, reason_explain((enum reason)other));
    }
    assert_null(reason_name(REASON_NONE));
}

static void states_and_outcomes_read_back(void **state)
{
    (void)state;
    for (int i = RUN_QUEUED; i <= RUN_DONE; i++) {
        enum run_state s;
        assert_true(run_state_parse(run_state_name((enum run_state)i), &s));
        assert_int_equal(s, i);
    }
    assert_null(run_outcome_name(OUTCOME_NONE));
    for (int i = OUTCOME_RESOLVED; i <= OUTCOME_CANCELLED; i++) {
        enum run_outcome o;
        assert_true(run_outcome_parse(run_outcome_name((enum run_outcome)i), &o));
        assert_int_equal(o, i);
    }
}

static void other_texts_leave_the_result_alone(void **state)
{
    (void)state;
    enum reason r = REASON_STORM;
    enum run_state s = RUN_SETTLING;
    enum run_outcome o = OUTCOME_FAILED;
    static const char *const bad[] = {"", "Repaired", "repaired ", "none", NULL};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_false(reason_parse(bad[i], &r));
        assert_false(run_state_parse(bad[i], &s));
        assert_false(run_outcome_parse(bad[i], &o));
    }
    assert_true(r == REASON_STORM && s == RUN_SETTLING && o == OUTCOME_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reasons_are_the_closed_set),
                                       cmocka_unit_test(states_and_outcomes_read_back),
                                       cmocka_unit_test(other_texts_leave_the_result_alone)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
