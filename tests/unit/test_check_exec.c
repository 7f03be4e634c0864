/* The check exec: pass, fail, unknown, and which pod is asked after an effect. */
#include "world.h"

extern const struct check check_exec;
#define OURS "/api/v1/namespaces/shop/pods?labelSelector=app%3Dapi"
#define READY "'status':{'conditions':[{'type':'Ready','status':'True'}]}"
#define POD(name, born, rest)                                                                                          \
    "{'metadata':{'name':'" name "','uid':'u-" name "','creationTimestamp':'" born                                     \
    "'},'spec':{'containers':[{'name':'main'}]}," rest "}"
#define PING "'command':['redis-cli','PING']"
#define CHANGED                                                                                                        \
    "[{'object':{'kind':'Deployment','name':'api'},'changes':{'/spec/template/metadata/annotations':{'after':1}}}]"

static void begin(struct world *w)
{
    world_init(w, "Deployment", "api", "app=api");
    world_body(w, OURS,
               "{'items':[" POD("a", "2026-01-05T10:00:00Z", READY) "," POD("b", "2026-01-05T11:00:00Z", READY) "]}");
    world_answer(w, "exec a", "{'status':101,'exit_code':0,'stdout':'PONG\\n','stderr':''}");
    world_answer(w, "exec b", "{'status':101,'exit_code':0,'stdout':'of b','stderr':''}");
}

static void passes_and_fails(void **s _unused_)
{
    struct world w;
    begin(&w);
    world_verdict(&w, &check_exec, "{" PING "}", NULL, VERDICT_PASS, "a: exit 0: PONG");
    world_verdict(&w, &check_exec, "{" PING ",'expect':'ON'}", NULL, VERDICT_PASS, "a: exit 0: PONG");
    world_verdict(&w, &check_exec, "{" PING ",'expect':'pong'}", NULL, VERDICT_FAIL,
                  "\"pong\" is not in what it printed: PONG");
    world_verdict(&w, &check_exec, "{" PING ",'exit_code':1}", NULL, VERDICT_FAIL, "exited with 0, 1 was expected");
    world_answer(&w, "exec a", "{'status':101,'exit_code':3,'stdout':'','stderr':'password=hunter2secret lost'}");
    world_verdict(&w, &check_exec, "{" PING "}", NULL, VERDICT_FAIL,
                  "a: exited with 3, 0 was expected: password=[redacted]");
    world_verdict(&w, &check_exec, "{" PING ",'exit_code':3}", NULL, VERDICT_PASS, "a: exit 3");
    world_verdict(&w, &check_exec, "{" PING ",'exit_code':3,'expect':'x'}", NULL, VERDICT_FAIL,
                  "is not in what it printed");
    world_body(&w, OURS, "{'items':[]}");
    world_verdict(&w, &check_exec, "{" PING "}", NULL, VERDICT_FAIL, "there is no Ready pod");
    world_clear(&w);
}

static void does_not_know(void **s _unused_)
{
    struct world w;
    begin(&w);
    world_answer(&w, "exec a", "{'status':403,'body':{'message':'pods/exec is forbidden'}}");
    world_verdict(&w, &check_exec, "{" PING "}", NULL, VERDICT_UNKNOWN, "forbidden (403)");
    world_answer(&w, "exec a", "{'error':'protocol','message':'the connection closed without a status'}");
    world_verdict(&w, &check_exec, "{" PING "}", NULL, VERDICT_UNKNOWN, "without a status");
    world_answer(&w, "exec a", "{'error':'timeout','message':'no end within 10000 ms','stdout':'PONG','stderr':''}");
    world_verdict(&w, &check_exec, "{" PING ",'expect':'PONG'}", NULL, VERDICT_UNKNOWN, "no end within");
    world_answer(&w, "exec a", "{'status':200,'body':{}}");
    world_verdict(&w, &check_exec, "{" PING "}", NULL, VERDICT_UNKNOWN, "none to a command");
    world_verdict(&w, &check_exec, "{" PING ",'container':'nope'}", NULL, VERDICT_UNKNOWN, "no container nope");
    world_answer(&w, OURS, "{'error':'refused','message':'refused'}");
    world_verdict(&w, &check_exec, "{" PING "}", NULL, VERDICT_UNKNOWN, "refused");
    world_clear(&w);
}

static void after_an_effect_only_what_it_made_is_asked(void **s _unused_)
{
    struct world w;
    begin(&w);
    world_verdict(&w, &check_exec, "{" PING "}", "[{'made':{'deleted':['u-a']}}]", VERDICT_PASS, "b: exit 0: of b");
    world_verdict(&w, &check_exec, "{" PING "}", CHANGED, VERDICT_PASS, "b: exit 0: of b");
    world_body(
        &w, OURS,
        "{'items':[" POD("a", "2026-01-05T10:00:00Z", READY) "," POD("b", "2026-01-05T11:00:00Z", "'status':{}") "]}");
    world_verdict(&w, &check_exec, "{" PING "}", CHANGED, VERDICT_FAIL,
                  "there is no Ready pod to run the command in (b");
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_and_fails),
        cmocka_unit_test(does_not_know),
        cmocka_unit_test(after_an_effect_only_what_it_made_is_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
