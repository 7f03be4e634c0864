/* notify: who is told by default and by name, and what is planned of the words. */
#include "actions/registry.h"
#include "core/settings.h"
#include "world.h"

extern const struct action action_notify;

static char *pager[] = {(char[]){"pager"}, (char[]){"oncall"}, (char[]){"pager"}, NULL},
            *mail[] = {(char[]){"mail"}, NULL};
static struct escalation_level loud = {.notify = pager}, quiet = {.notify = mail};
static struct escalation_policy policies[] = {{.severity = (char[]){"critical"}, .levels = &loud, .n_levels = 1},
                                              {.severity = (char[]){"default"}, .levels = &quiet, .n_levels = 1}};
static const struct escalation_settings both = {.policies = policies, .n_policies = 2}, none = {0};

static int plan(const char *with, const struct escalation_settings *escalation, const char *severity,
                struct action_plan *ret, struct error *err)
{
    _cleanup_json_ json_t *params = J(with);
    const struct action_in in = {
        .with = params, .key = "run/0/1", .cluster = "prod", .escalation = escalation, .severity = severity};
    *ret = (struct action_plan){0};
    return action_notify.plan(&in, ret, err);
}

static void who_is_told(void **s _unused_)
{
    static const struct {
        const char *with, *severity, *path, *shown;
    } cases[] = {
        {"{'title':'t'}", "critical", "pager, oncall", "critical"},
        {"{'title':'t'}", "odd", "mail", "odd"},
        {"{'title':'t'}", NULL, "mail", "default"},
        {"{'title':'t','severity':'critical'}", "odd", "pager, oncall", "critical"},
        {"{'title':'t','to':['boss','mail','boss']}", "critical", "boss, mail", "critical"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct action_plan p;
        assert_int_equal(plan(cases[i].with, &both, cases[i].severity, &p, NULL), 0);
        const json_t *effect = json_array_get(p.effects, 0);
        assert_string_equal(json_text(effect, "path"), cases[i].path);
        assert_string_equal(json_path_text(effect, "body", "severity", NULL), cases[i].shown);
        action_plan_clear(&p);
    }
}

static void the_effect(void **s _unused_)
{
    struct action_plan p;
    assert_int_equal(plan("{'title':'full','text':'scale it','to':['boss']}", &both, "P1", &p, NULL), 0);
    assert_effect(&p, 0,
                  "{'key':'run/0/1/notice','method':'NOTIFY','path':'boss','recognise':'never','reversible':false,"
                  "'body':{'receivers':['boss'],'title':'full','text':'scale it','severity':'P1'}}");
    assert_string_equal(p.note, "tell boss: full");
    action_plan_clear(&p);
}

static void nobody_is_no_failure(void **s _unused_)
{
    struct action_plan p;
    assert_int_equal(plan("{'title':'t'}", &none, "critical", &p, NULL), 0);
    assert_int_equal(json_array_size(p.effects), 0);
    assert_non_null(strstr(p.note, "no escalation for severity critical"));
    action_plan_clear(&p);
    assert_int_equal(plan("{'title':'t'}", NULL, NULL, &p, NULL), 0);
    assert_int_equal(json_array_size(p.effects), 0);
    action_plan_clear(&p);
}

static void long_words_are_cut(void **s _unused_)
{
    char with[9000], long_text[4300];
    struct action_plan p;
    memset(long_text, 'a', sizeof(long_text));
    memcpy(long_text + 199, "\xc3\xa4", 2); /* a character over the 200th byte */
    long_text[sizeof(long_text) - 1] = '\0';
    snprintf(with, sizeof(with), "{'title':'%.210s','text':'%s'}", long_text, long_text);
    assert_int_equal(plan(with, &both, "critical", &p, NULL), 0);
    const json_t *body = json_object_get(json_array_get(p.effects, 0), "body");
    assert_int_equal(strlen(json_text(body, "title")), 199);
    assert_int_equal(strlen(json_text(body, "text")), 4000);
    action_plan_clear(&p);
    _cleanup_error_ struct error err = ERROR_NONE;
    assert_int_equal(plan("{'title':''}", &both, "critical", &p, &err), -EINVAL);
    assert_string_equal(error_message(&err), "the title is empty");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(who_is_told), cmocka_unit_test(the_effect),
                                       cmocka_unit_test(nobody_is_no_failure), cmocka_unit_test(long_words_are_cut)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
