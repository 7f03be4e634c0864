/* Templates: what they yield, and what is refused at load. */
#include "base/alloc.h"
#include "core/template.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct world {
    json_t *labels, *vars, *target, *run;
    struct template_vars v;
};

static int setup(void **state)
{
    struct world *w = xnew0(struct world);
    w->labels = json_pack("{s:s, s:s, s:s}", "namespace", "shop", "odd name", "x", "pod", "  Api-1  ");
    w->vars = json_pack("{s:s, s:i}", "redis", "redis", "n", 3);
    w->target = json_pack("{s:s}", "name", "api");
    w->run = json_pack("{s:s}", "id", "01abc");
    w->v = (struct template_vars){.labels = w->labels, .vars = w->vars, .target = w->target, .run = w->run};
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    json_decref(w->labels);
    json_decref(w->vars);
    json_decref(w->target);
    json_decref(w->run);
    free(w);
    return 0;
}

static void expect(const struct world *w, const char *text, const char *result)
{
    _cleanup_free_ char *s = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    if (template_expand(text, &w->v, &s, &err) < 0)
        fail_msg("%s: %s", text, error_message(&err));
    assert_string_equal(s, result);
}

static void values(void **state)
{
    const struct world *w = *state;
    expect(w, "plain", "plain");
    expect(w, "{{ labels.namespace }}/{{target.name}}-{{ run.id }}", "shop/api-01abc");
    expect(w, "{{ labels[\"odd name\"] }}", "x");
    expect(w, "{{ vars.n }}", "3");
    expect(w, "[{{ labels.missing }}]", "[]");
}

static void filters(void **state)
{
    const struct world *w = *state;
    expect(w, "{{ labels.missing | default: vars.redis }}", "redis");
    expect(w, "{{ labels.missing | default: \"lit\" | upper }}", "LIT");
    expect(w, "{{ labels.namespace | default: vars.redis }}", "shop");
    expect(w, "{{ labels.pod | trim | lower }}", "api-1");
    expect(w, "{{ labels.namespace | replace: \"sh\", \"\" }}", "op");
}

static void values_are_never_templates(void **state)
{
    struct world *w = *state;
    json_object_set_new(w->labels, "evil", json_string("{{ vars.redis }}"));
    expect(w, "{{ labels.evil }}", "{{ vars.redis }}");
}

static void results_are_bounded(void **state)
{
    struct world *w = *state;
    _cleanup_free_ char *big = xmalloc(TEMPLATE_MAX);
    memset(big, 'x', TEMPLATE_MAX);
    json_object_set_new(w->labels, "big", json_stringn(big, TEMPLATE_MAX));
    char *s = NULL;
    assert_int_equal(template_expand("{{ labels.big }}{{ labels.big }}", &w->v, &s, NULL), -E2BIG);
    assert_null(s);
    assert_int_equal(template_expand("{{ labels.big | replace: \"x\", \"xxxxxxxxxxxxxxxx\" }}", &w->v, &s, NULL),
                     -E2BIG);
}

static void json_keeps_its_shape(void **state)
{
    const struct world *w = *state;
    _cleanup_json_ json_t *in = json_loads(
        "{\"{{ labels.namespace }}\":[\"{{ labels.namespace }}\",3,true,{\"a\":\"\\\"{{ target.name }}\"}]}", 0, NULL);
    _cleanup_json_ json_t *expected =
        json_loads("{\"{{ labels.namespace }}\":[\"shop\",3,true,{\"a\":\"\\\"api\"}]}", 0, NULL);
    _cleanup_json_ json_t *out = NULL;
    assert_int_equal(template_expand_json(in, &w->v, &out, NULL), 0);
    assert_true(json_equal(out, expected));
}

static void expect_fault(const struct world *w, const char *text, unsigned flags, const char *words)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    if (template_check(text, w->vars, flags, &err) == 0)
        fail_msg("%s was accepted", text);
    if (!strstr(error_message(&err), words))
        fail_msg("%s: '%s' does not say '%s'", text, error_message(&err), words);
}

static void faults(void **state)
{
    const struct world *w = *state;
    expect_fault(w, "{{ labels.x", 0, "expected }}");
    expect_fault(w, "{{ label.x }}", 0, "did you mean \"labels\"?");
    expect_fault(w, "{{ vars.rediss }}", 0, "did you mean \"vars.redis\"?");
    expect_fault(w, "{{ labels.x | lowr }}", 0, "did you mean \"lower\"?");
    expect_fault(w, "{{ labels.x | default }}", 0, "takes 1 arguments, here are 0");
    expect_fault(w, "{{ labels.x | replace: \"a\" }}", 0, "takes 2 arguments, here are 1");
    expect_fault(w, "{{ target.name }}", TEMPLATE_NO_TARGET, "not known yet");
    expect_fault(w, "{{ labels.x | default: \"prod\" }}", TEMPLATE_NO_LITERAL_DEFAULT, "vars only");
    expect_fault(w, "{{ labels.x | default: labels.y }}", TEMPLATE_NO_LITERAL_DEFAULT, "vars only");
    expect_fault(w, "{{ labels }}", 0, "a dot and a name");
    assert_int_equal(template_check("{{ labels.x | default: vars.redis }}", w->vars, TEMPLATE_NO_LITERAL_DEFAULT, NULL),
                     0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(values, setup, teardown),
        cmocka_unit_test_setup_teardown(filters, setup, teardown),
        cmocka_unit_test_setup_teardown(values_are_never_templates, setup, teardown),
        cmocka_unit_test_setup_teardown(results_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(json_keeps_its_shape, setup, teardown),
        cmocka_unit_test_setup_teardown(faults, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
