/* The table of playbooks: order, the index, others that match, a regex at its limit, references. */
#include "core/playbook.h"

#include "base/alloc.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct playbook *add(struct playbook_table *t, const char *name, const char *matcher, const char *second)
{
    struct playbook *p = xnew0(struct playbook);
    p->refs = 1;
    p->name = xstrdup(name);
    p->matchers = xcalloc(2, sizeof(struct matcher *));
    assert_int_equal(matcher_parse(matcher, &p->matchers[p->n_matchers++], NULL), 0);
    if (second)
        assert_int_equal(matcher_parse(second, &p->matchers[p->n_matchers++], NULL), 0);
    playbook_table_add(t, p);
    return p;
}

static const char *found(const struct playbook_table *t, const char *alertname, const char *namespace, json_t *others)
{
    _cleanup_json_ json_t *labels = json_pack("{s:s*, s:s*}", "alertname", alertname, "namespace", namespace);
    const struct playbook *p = playbook_table_find(t, labels, others, NULL);
    return p ? p->name : NULL;
}

/* The index must not change the order: a regex before an equality wins, and the other way round. */
static void first_match_wins_in_order(void **state)
{
    (void)state;
    _cleanup_(playbook_table_freep) struct playbook_table *t = playbook_table_new();
    _cleanup_json_ json_t *others = json_array();
    assert_null(found(t, "A", NULL, NULL));
    add(t, "a-in-x", "alertname=A", "namespace=x");
    add(t, "re", "alertname=~\"A|B\"", NULL);
    add(t, "a", "alertname=A", NULL);
    add(t, "not-c", "alertname!=C", NULL);
    add(t, "nameless", "alertname=\"\"", NULL);
    assert_string_equal(found(t, "A", "x", NULL), "a-in-x");
    assert_string_equal(found(t, "A", "y", others), "re");
    _cleanup_free_ char *text = json_canonical(others);
    assert_string_equal(text, "[\"a\",\"not-c\"]");
    assert_string_equal(found(t, "D", NULL, NULL), "not-c");
    assert_null(found(t, "C", NULL, NULL));
    assert_string_equal(found(t, "", NULL, NULL), "not-c");
}

static void a_missing_alertname_is_empty(void **state)
{
    (void)state;
    _cleanup_(playbook_table_freep) struct playbook_table *t = playbook_table_new();
    add(t, "nameless", "alertname=\"\"", NULL);
    assert_string_equal(found(t, NULL, "x", NULL), "nameless");
    assert_null(found(t, "A", "x", NULL));
}

static void a_regex_at_its_limit_chooses_nothing(void **state)
{
    (void)state;
    _cleanup_(playbook_table_freep) struct playbook_table *t = playbook_table_new();
    _cleanup_error_ struct error err = ERROR_NONE;
    add(t, "greedy", "x!~\"(a|aa)+[bc]\"", NULL);
    add(t, "any", "alertname=~\".*\"", NULL);
    char value[4001];
    memset(value, 'a', 4000);
    value[4000] = '\0';
    _cleanup_json_ json_t *labels = json_pack("{s:s}", "x", value);
    assert_null(playbook_table_find(t, labels, NULL, &err));
    assert_int_equal(err.code, -ELOOP);
    assert_non_null(strstr(error_message(&err), "greedy"));
}

static void references_outlive_the_table(void **state)
{
    (void)state;
    struct playbook_table *t = playbook_table_new();
    _cleanup_(playbook_unrefp) struct playbook *p = playbook_ref(add(t, "kept", "alertname=A", NULL));
    playbook_table_free(t);
    assert_string_equal(p->name, "kept");
    assert_null(playbook_unref(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_match_wins_in_order), cmocka_unit_test(a_missing_alertname_is_empty),
        cmocka_unit_test(a_regex_at_its_limit_chooses_nothing), cmocka_unit_test(references_outlive_the_table)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
