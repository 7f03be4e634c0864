/* command.run: the rules of its command line, as it is written and as templates leave it, and what is planned. */
#include "actions/registry.h"
#include "core/exec.h"
#include "core/host_command.h"
#include "core/params.h"
#include "world.h"

extern const struct action action_command_run;

static void checks(const char *command, const char *words)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_json_ json_t *list = J(command);
    const int r = host_command_check(list, &err);
    if (words ? r != -EINVAL || !strstr(error_message(&err), words) : r != 0)
        fail_msg("%s: %d %s", command, r, error_message(&err));
}

static void as_it_is_written(void **s _unused_)
{
    checks("['/usr/bin/x','-v','{{ labels.x }}','']", NULL);
    static const char *const odd[] = {"[]",
                                      "['x']",
                                      "['./x']",
                                      "['/']",
                                      "['/usr/bin/../x']",
                                      "['/a//b']",
                                      "['/a/./b']",
                                      "['{{ vars.x }}']",
                                      "['/opt/{{ vars.x }}']"};
    for (size_t i = 0; i < ARRAY_SIZE(odd); i++)
        checks(odd[i], "absolute path, without templates");
    checks("['/bin/x',7]", "argument 1 is no text");
    _cleanup_json_ json_t *nul = json_pack("[s, o]", "/bin/x", json_stringn("a\0b", 3));
    assert_int_equal(host_command_check(nul, NULL), -EINVAL);
    _cleanup_json_ json_t *many = json_pack("[s]", "/bin/x");
    for (int i = 0; i < HOST_COMMAND_ARGS_MAX; i++)
        json_array_append_new(many, json_string("a"));
    _cleanup_error_ struct error err = ERROR_NONE;
    assert_int_equal(host_command_check(many, &err), -EINVAL);
}

static void as_templates_leave_it(void **s _unused_)
{
    static const struct {
        const char *written, *expanded, *words;
    } cases[] = {
        {"['/x','{{ labels.a }}']", "['/x','web; rm -rf /']", NULL}, /* one argument, whatever it holds */
        {"['/x','{{ labels.a }}']", "['/x','--force']", "would be an option"},
        {"['/x','{{ labels.a }}.b']", "['/x','-.b']", "would be an option"},
        {"['/x','{{ labels.a }}']", "['/x','']", "came out empty"},
        {"['/x','--name={{ labels.a }}']", "['/x','--name=-x']", NULL},
        {"['/x','-v']", "['/x','-v']", NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_error_ struct error err = ERROR_NONE;
        _cleanup_json_ json_t *written = J(cases[i].written), *expanded = J(cases[i].expanded);
        const int r = host_command_check_expanded(written, expanded, &err);
        if (cases[i].words ? r != -EINVAL || !strstr(error_message(&err), cases[i].words) : r != 0)
            fail_msg("%zu: %d %s", i, r, error_message(&err));
    }
}

static void the_effect(void **s _unused_)
{
    struct world w;
    struct action_plan plan = {0};
    world_init(&w, "Deployment", "api", "app=api");
    world_expect(&w, &action_command_run,
                 "{'command':['/opt/failover','to','b'],'env':{'A':'1'},'pass_env':['HOME'],'directory':'/tmp',"
                 "'timeout':5000,'expect_exit':3}",
                 0, "/opt/failover with 2 arguments, on mendd's host", &plan);
    assert_effect(&plan, 0,
                  "{'key':'run/0/1/command','method':'COMMAND','path':'/opt/failover','recognise':'never',"
                  "'reversible':false,'body':{'command':['/opt/failover','to','b'],'env':{'A':'1'},'pass_env':['HOME'],"
                  "'directory':'/tmp','timeout_ms':5000,'expect_exit':3}}");
    assert_true(effect_is_exec(json_array_get(plan.effects, 0)));
    action_plan_clear(&plan);
    world_expect(&w, &action_command_run, "{'command':['x']}", -EINVAL, "absolute path", &plan);
    world_expect(&w, &action_command_run, "{'command':['/x'],'env':{'A=B':'1'}}", -EINVAL, "no name of a variable",
                 &plan);
    world_expect(&w, &action_command_run, "{'command':['/x'],'env':{'1A':'1'}}", -EINVAL, "no name of a variable",
                 &plan);
    world_expect(&w, &action_command_run, "{'command':['/x'],'pass_env':['A B']}", -EINVAL, "no name of a variable",
                 &plan);
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_it_is_written), cmocka_unit_test(as_templates_leave_it),
                                       cmocka_unit_test(the_effect)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
