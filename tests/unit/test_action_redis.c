/* redis.command: what is planned of a step, what is refused, and what Redis' answers mean for it. */
#include "actions/registry.h"
#include "core/foreign.h"
#include "core/redis_ask.h"
#include "world.h"

extern const struct action action_redis_command, action_redis_read;
#define AT "'address':'redis:6379'"

static void planned(void **s _unused_)
{
    struct world w;
    struct action_plan plan = {0};
    world_init(&w, "Deployment", "api", "app=api");
    world_expect(&w, &action_redis_command, "{" AT ",'command':['DEL','lock a'],'password_file':'pw'}", 0,
                 "DEL on redis:6379", &plan);
    assert_effect(&plan, 0,
                  "{'key':'run/0/1/redis','method':'REDIS','path':'redis:6379 DEL','body':['DEL','lock a'],"
                  "'recognise':'never','reversible':false,'request':{'ask':'redis'," AT
                  ",'command':['DEL','lock a'],'password_file':'pw','timeout_ms':10000}}");
    assert_false(foreign_may_repeat(json_array_get(plan.effects, 0)));
    action_plan_clear(&plan);
    world_expect(&w, &action_redis_command, "{" AT ",'command':['config','set','maxmemory','1gb'],'idempotent':true}",
                 0, "config on redis:6379", &plan);
    assert_true(foreign_may_repeat(json_array_get(plan.effects, 0)));
    action_plan_clear(&plan);
    world_clear(&w);
}

static void refused(void **s _unused_)
{
    static const char *const cases[][2] = {
        {"{'address':'redis','command':['DEL','a']}", "no address"},
        {"{" AT ",'command':[]}", "is empty"},
        {"{" AT ",'command':['ping']}", "only reads: ask it with the check redis"},
        {"{" AT ",'command':['CONFIG','GET','save']}", "only reads"},
        {"{" AT ",'command':['auth','x']}", "would put a password into the journal"},
        {"{" AT ",'command':['CONFIG','SET','RequirePass','x']}", "would put a password into the journal"},
        {"{" AT ",'command':['CONFIG','SET','save','','masterauth','x']}", "would put a password into the journal"},
        {"{" AT ",'command':['Subscribe','x']}", "means nothing on a connection"},
    };
    struct world w;
    struct action_plan plan = {0};
    world_init(&w, "Deployment", "api", "app=api");
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        world_expect(&w, &action_redis_command, cases[i][0], -EINVAL, cases[i][1], &plan);
    world_clear(&w);
}

static void judged(void **s _unused_)
{
    static const struct {
        const char *answer;
        enum foreign_end end;
    } cases[] = {{"{'status':0,'integer':1}", FOREIGN_DONE},
                 {"{'status':0,'text':'OK'}", FOREIGN_DONE},
                 {"{'status':0,'redis_error':'WRONGTYPE Operation'}", FOREIGN_REFUSED},
                 {"{'status':0,'redis_error':'READONLY You cannot'}", FOREIGN_REFUSED},
                 {"{'status':0,'redis_error':'NOAUTH Authentication required.'}", FOREIGN_FORBIDDEN},
                 {"{'status':0,'redis_error':'LOADING Redis is loading'}", FOREIGN_LATER},
                 {"{'error':'reset','message':'closed'}", FOREIGN_UNSURE}};
    _cleanup_json_ json_t *effect = J("{'method':'REDIS','path':'redis:6379 DEL','request':{'ask':'redis'}}");
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_json_ json_t *answer = J(cases[i].answer);
        _cleanup_free_ char *words = NULL;
        assert_int_equal(foreign_judge(effect, answer, &words), cases[i].end);
    }
    _cleanup_json_ json_t *one = J("{'status':0,'integer':3}"), *kept = foreign_evidence_new(effect, one);
    assert_string_equal(json_text(kept, "name"), "REDIS redis:6379 DEL");
    assert_string_equal(json_text(kept, "text"), "3");
}

static void what_it_says(void **s _unused_)
{
    static const struct {
        const char *answer, *text;
        bool missing;
    } cases[] = {{"{'status':0,'integer':7}", "7", false},
                 {"{'status':0,'text':'# Memory\\nused:1'}", "# Memory\nused:1", false},
                 {"{'status':0,'redis_error':'NOAUTH required'}", "could not be asked: NOAUTH required", true},
                 {"{'error':'refused','message':'redis:6379: refused'}", "could not be asked: ", true}};
    struct world w;
    world_init(&w, "Deployment", "api", "app=api");
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct action_plan plan = {0};
        world_answer(&w, "redis:6379", cases[i].answer);
        world_expect(&w, &action_redis_read, "{" AT ",'command':['XLEN','ci:jobs']}", 0, "", &plan);
        const json_t *item = json_array_get(plan.evidence, 0);
        assert_string_equal(json_text(item, "name"), "XLEN on redis:6379");
        assert_int_equal(json_bool_or(item, "missing", false), cases[i].missing);
        if (strncmp(json_text(item, "text"), cases[i].text, strlen(cases[i].text)) != 0)
            fail_msg("%zu: %s", i, json_text(item, "text"));
        action_plan_clear(&plan);
    }
    struct action_plan plan = {0};
    world_expect(&w, &action_redis_read, "{" AT ",'command':['DEL','a']}", -EINVAL, "changes nothing", &plan);
    world_expect(&w, &action_redis_read, "{'address':'redis','command':['PING']}", -EINVAL, "no address", &plan);
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(planned), cmocka_unit_test(refused), cmocka_unit_test(judged),
                                       cmocka_unit_test(what_it_says)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
