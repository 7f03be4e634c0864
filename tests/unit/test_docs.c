/* The pages tell what the program knows: every reason with the program's own words, every action and check with each of
 * its parameters. */
#include "actions/registry.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "checks/registry.h"
#include "config/read.h"
#include "core/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static char *page(const char *path)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    char *text = NULL;
    size_t len = 0;
    if (file_read(path, 1 << 20, &text, &len, &err) < 0)
        fail_msg("%s", error_message(&err));
    return text;
}

/* The part of the page from the line that begins with `head` to the next line that begins with `until`. */
static char *part(const char *text, const char *head, const char *until)
{
    _cleanup_free_ char *needle = xasprintf("\n%s", head), *end_needle = xasprintf("\n%s", until);
    const char *start = strstr(text, needle);
    if (!start)
        return NULL;
    const char *end = strstr(start + strlen(needle), end_needle);
    return end ? xstrndup(start, (size_t)(end - start)) : xstrdup(start);
}

static void every_reason_is_explained_in_the_programs_words(void **state)
{
    (void)state;
    _cleanup_free_ char *whole = page("docs/record.md"), *text = part(whole, "## Reasons", "## ");
    assert_non_null(text);
    for (int r = 1; r < REASON_COUNT; r++) {
        _cleanup_free_ char *head = xasprintf("| `%s` | ", reason_name((enum reason)r));
        _cleanup_free_ char *row = part(text, head, "");
        if (!row || !strstr(row, reason_explain((enum reason)r)))
            fail_msg("docs/record.md: no row for %s: \"%s\"", reason_name((enum reason)r),
                     reason_explain((enum reason)r));
    }
}

static void every_state_and_outcome_is_explained(void **state)
{
    (void)state;
    _cleanup_free_ char *text = page("docs/record.md");
    for (int s = RUN_QUEUED; s <= RUN_DONE; s++) {
        _cleanup_free_ char *row = xasprintf("\n| `%s` | ", run_state_name((enum run_state)s));
        assert_non_null(strstr(text, row));
    }
    for (int o = OUTCOME_RESOLVED; o <= OUTCOME_CANCELLED; o++) {
        _cleanup_free_ char *row = xasprintf("\n| `%s` | ", run_outcome_name((enum run_outcome)o));
        assert_non_null(strstr(text, row));
    }
}

/* A section "## NAME" that speaks of each parameter. */
static void has_section(const char *file, const char *text, const char *name, const struct param *params)
{
    _cleanup_free_ char *head = xasprintf("## %s\n", name), *section = part(text, head, "## ");
    if (!section)
        fail_msg("%s: no section on %s", file, name);
    for (const struct param *p = params; p && p->name; p++) {
        _cleanup_free_ char *parameter = xasprintf("`%s`", p->name), *nested = xasprintf("`%s:", p->name);
        if (!strstr(section, parameter) && !strstr(section, nested))
            fail_msg("%s: %s: nothing on its parameter %s", file, name, p->name);
    }
}

static void every_action_has_its_section(void **state)
{
    (void)state;
    _cleanup_free_ char *text = page("docs/actions.md");
    size_t n = 0;
    for (; all_actions[n]; n++)
        has_section("docs/actions.md", text, all_actions[n]->name, all_actions[n]->params);
    assert_true(n > 0);
}

static void every_check_has_its_section(void **state)
{
    (void)state;
    _cleanup_free_ char *text = page("docs/checks.md");
    size_t n = 0;
    for (; all_checks[n]; n++)
        has_section("docs/checks.md", text, all_checks[n]->name, all_checks[n]->params);
    assert_true(n > 0);
}

static void has_keys(const char *file, const char *text, const struct key *keys)
{
    for (; keys->name; keys++) {
        _cleanup_free_ char *quoted = xasprintf("`%s`", keys->name);
        if (keys->form != FORM_ABSENT && !strstr(text, quoted))
            fail_msg("%s: nothing on the key %s (%s)", file, keys->name, keys->doc);
    }
}

static void every_key_of_a_playbook_is_explained(void **state)
{
    (void)state;
    _cleanup_free_ char *text = page("docs/playbooks.md");
    const struct key *const maps[] = {playbook_keys, target_keys, limits_keys, step_keys, verify_keys, check_keys};
    for (size_t i = 0; i < ARRAY_SIZE(maps); i++)
        has_keys("docs/playbooks.md", text, maps[i]);
}

static void every_key_of_the_configuration_is_explained(void **state)
{
    (void)state;
    _cleanup_free_ char *text = page("docs/operations.md");
    has_keys("docs/operations.md", text, config_keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reason_is_explained_in_the_programs_words),
        cmocka_unit_test(every_state_and_outcome_is_explained),
        cmocka_unit_test(every_action_has_its_section),
        cmocka_unit_test(every_check_has_its_section),
        cmocka_unit_test(every_key_of_a_playbook_is_explained),
        cmocka_unit_test(every_key_of_the_configuration_is_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
