/* silence.create: once in every Alertmanager, and how one is recognised. */
#include "actions/registry.h"
#include "core/foreign.h"
#include "world.h"

extern const struct action action_silence_create;
#define PATH "/api/v2/silences"

static void planned(void **s _unused_)
{
    struct world w;
    struct action_plan plan = {0};
    world_init(&w, "Deployment", "api", "app=api");
    world_body(&w, PATH, "[]");
    world_expect(&w, &action_silence_create,
                 "{'matchers':{'alertname':'Down','ns':'a\\nb'},'duration':600000,'comment':'c'}", 0,
                 "silence in Alertmanager 0; silence in Alertmanager 1", &plan);
    assert_int_equal(json_array_size(plan.effects), 2);
    assert_effect(&plan, 1,
                  "{'key':'run/0/1/silence.1','method':'POST','path':'alertmanager 1 /api/v2/silences',"
                  "'recognise':'comment','read':'/api/v2/silences','reversible':false,'body':{"
                  "'matchers':[{'name':'alertname','value':'Down','isRegex':false,'isEqual':true},"
                  "{'name':'ns','value':'a\\nb','isRegex':false,'isEqual':true}],'createdBy':'mendd',"
                  "'startsAt':'2026-01-05T10:00:00.000000Z','endsAt':'2026-01-05T10:10:00.000000Z',"
                  "'comment':'c [run/0/1/silence.1]'}}");
    const json_t *q = json_object_get(json_array_get(plan.effects, 1), "request");
    assert_string_equal(json_text(q, "ask"), "alertmanager");
    assert_int_equal(json_int_or(q, "peer", 0), 1);
    assert_true(json_equal(json_object_get(q, "body"), json_object_get(json_array_get(plan.effects, 1), "body")));
    action_plan_clear(&plan);
    /* one has it already, the other is away */
    world_body(&w, "0:" PATH, "[{'comment':'c [run/0/1/silence.0]','status':{'state':'active'}}]");
    world_answer(&w, "1:" PATH, "{'error':'refused','message':'nobody there'}");
    world_expect(&w, &action_silence_create, "{'matchers':{'a':'b'}}", 0,
                 "Alertmanager 0 has it already; Alertmanager 1: ", &plan);
    assert_int_equal(json_array_size(plan.effects), 0);
    action_plan_clear(&plan);
    world_clear(&w);
}

static void refused(void **s _unused_)
{
    struct world w;
    struct action_plan plan = {0};
    world_init(&w, "Deployment", "api", "app=api");
    world_body(&w, PATH, "[]");
    world_expect(&w, &action_silence_create, "{'matchers':{}}", -EINVAL, "everything would be silenced", &plan);
    world_expect(&w, &action_silence_create, "{'matchers':{'a':'b','ns':''}}", -EINVAL, "the value of ns is empty",
                 &plan);
    world_expect(&w, &action_silence_create, "{'matchers':{'a':'b'},'duration':604800001}", -EINVAL,
                 "between 1s and 7d", &plan);
    world_answer(&w, PATH, "{'error':'timeout','message':'silent'}");
    world_expect(&w, &action_silence_create, "{'matchers':{'a':'b'}}", -EIO, "no Alertmanager can be asked", &plan);
    world_clear(&w);
}

static void recognised(void **s _unused_)
{
    static const struct {
        const char *list;
        bool bears;
    } cases[] = {{"[]", false},
                 {"[{'comment':'x [r/0/1/silence.1]','status':{'state':'active'}}]", true},
                 {"[{'comment':'x [r/0/1/silence.1]','status':{'state':'pending'}}]", true},
                 {"[{'comment':'x [r/0/1/silence.1]','status':{'state':'expired'}}]", false},
                 {"[{'comment':'x [r/0/1/silence.10]'}]", false},
                 {"[{'comment':'xr/0/1/silence.1'}]", false},
                 {"[7,{},{'comment':'[r/0/1/silence.1]'}]", true}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_json_ json_t *list = J(cases[i].list);
        assert_int_equal(silence_bears(list, "r/0/1/silence.1"), cases[i].bears);
    }
    _cleanup_json_ json_t *any = J("[{'comment':'[]'}]");
    assert_false(silence_bears(any, ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(planned), cmocka_unit_test(refused),
                                       cmocka_unit_test(recognised)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
