/* The JSON Schemas that ship for editors are what the loader's own tables say. */
#include "actions/registry.h"
#include "base/alloc.h"
#include "base/file.h"
#include "checks/registry.h"
#include "config/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct registry registry = {all_actions, all_checks};

static void is_shipped(const char *name, json_t *schema_taken)
{
    _cleanup_json_ json_t *schema = schema_taken;
    _cleanup_free_ char *path = xasprintf("docs/schema/%s.schema.json", name), *text = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    size_t len;
    assert_int_equal(file_read(path, 1 << 20, &text, &len, &err), 0);
    _cleanup_json_ json_t *shipped = json_parse(text, len, 1 << 20, true, &err);
    if (!json_equal(shipped, schema))
        fail_msg("%s is out of date: mendctl schema %s > %s", path, name, path);
}

static void test_shipped(void **state)
{
    (void)state;
    is_shipped("playbook", schema_playbook_new(&registry));
    is_shipped("config", schema_config_new());
}

static void test_every_action_and_check_is_there(void **state)
{
    (void)state;
    _cleanup_json_ json_t *s = schema_playbook_new(&registry);
    size_t n = 0;
    while (all_actions[n])
        n++;
    assert_int_equal(json_array_size(json_pointer(s, "/$defs/step/properties/action/enum")), n);
    for (n = 0; all_checks[n];)
        n++;
    assert_int_equal(json_array_size(json_pointer(s, "/$defs/check/properties/check/enum")), n);
    assert_int_equal(json_array_size(json_pointer(s, "/$defs/check/allOf")), n);
    json_t *evidence = json_pointer(s, "/$defs/evidence/properties/action/enum"), *item;
    assert_true(json_array_size(evidence) > 0);
    json_array_foreach (evidence, n, item)
        assert_int_equal(registry_action(&registry, json_string_value(item))->class, ACTION_EVIDENCE);
}

static void test_keys_of_later_versions_are_not(void **state)
{
    (void)state;
    _cleanup_json_ json_t *p = schema_playbook_new(&registry), *c = schema_config_new();
    assert_non_null(json_pointer(p, "/properties/playbooks/items/properties/verify"));
    assert_null(json_pointer(p, "/properties/playbooks/items/properties/resource"));
    assert_non_null(json_pointer(c, "/properties/alertmanager/properties/auth/properties/basic_auth"));
    assert_null(json_pointer(c, "/properties/coordination"));
    assert_non_null(json_pointer(c, "/properties/cluster_sets/items/properties/primary"));
    assert_true(json_is_false(json_object_get(c, "additionalProperties")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shipped),
        cmocka_unit_test(test_every_action_and_check_is_there),
        cmocka_unit_test(test_keys_of_later_versions_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
