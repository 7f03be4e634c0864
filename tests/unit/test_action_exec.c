/* exec and exec.read: which pod and container, what is frozen, what is kept; and what an effect's answer means. */
#include "core/exec.h"
#include "core/redact.h"
#include "world.h"

extern const struct action action_exec, action_exec_read;
#define PODS "/api/v1/namespaces/shop/pods"
#define OURS PODS "?labelSelector=app%3Dapi"
#define READY "'status':{'conditions':[{'type':'Ready','status':'True'}]}"
#define SICK "'status':{'containerStatuses':[{'name':'main','state':{'waiting':{'reason':'CrashLoopBackOff'}}}]}"
#define SPEC "'spec':{'containers':[{'name':'main'},{'name':'side'}]}"
#define POD(name, rest) "{'metadata':{'name':'" name "','uid':'u-" name "'}," SPEC "," rest "}"
#define PING "'command':['redis-cli','PING']"

static void begin(struct world *w, const char *pods)
{
    world_init(w, "Deployment", "api", "app=api");
    world_body(w, OURS, pods);
}

static void the_first_ready_pod_is_taken(void **s _unused_)
{
    struct world w;
    struct action_plan plan = {0};
    begin(&w, "{'items':[" POD("c", READY) "," POD("a", SICK) "," POD("b", READY) "]}");
    world_expect(&w, &action_exec, "{" PING "}", 0, "redis-cli in b", &plan);
    assert_int_equal(json_array_size(plan.effects), 1);
    assert_effect(&plan, 0,
                  "{'key':'run/0/1/Pod.b','method':'EXEC','path':'" PODS
                  "/b/exec','cluster':'prod','recognise':'never','reversible':false,"
                  "'object':{'apiVersion':'v1','kind':'Pod','namespace':'shop','name':'b','uid':'u-b'},"
                  "'body':{'container':'main','command':['redis-cli','PING'],'timeout_ms':30000,'max':65536,"
                  "'expect_exit':0}}");
    assert_non_null(json_text(json_array_get(plan.effects, 0), "irreversible"));
    action_plan_clear(&plan);
    world_expect(&w, &action_exec, "{" PING ",'all':true,'container':'side','expect_exit':2,'timeout':5000}", 0,
                 "redis-cli in b; redis-cli in c", &plan);
    assert_int_equal(json_array_size(plan.effects), 2);
    assert_effect(&plan, 1,
                  "{'body':{'container':'side','command':['redis-cli','PING'],'timeout_ms':5000,'max':65536,"
                  "'expect_exit':2}}");
    action_plan_clear(&plan);
    world_clear(&w);
}

static void one_that_is_named(void **s _unused_)
{
    struct world w;
    struct action_plan plan = {0};
    begin(&w, "{'items':[]}");
    world_body(&w, PODS "/x", POD("x", READY));
    world_body(&w, PODS "?labelSelector=role%3Ddb", "{'items':[" POD("y", READY) "]}");
    world_expect(&w, &action_exec, "{" PING ",'pod':'x'}", 0, "in x", &plan);
    action_plan_clear(&plan);
    world_expect(&w, &action_exec, "{" PING ",'selector':'role=db'}", 0, "in y", &plan);
    action_plan_clear(&plan);
    world_body(
        &w, PODS "/x",
        "{'metadata':{'name':'x','uid':'u','annotations':{'kubectl.kubernetes.io/default-container':'side'}}," SPEC
        "," READY "}");
    world_expect(&w, &action_exec, "{" PING ",'pod':'x'}", 0, "in x", &plan);
    assert_string_equal(json_path_text(json_array_get(plan.effects, 0), "body", "container", NULL), "side");
    action_plan_clear(&plan);
    world_clear(&w);
}

static void refusals(void **s _unused_)
{
    struct world w;
    struct action_plan plan = {0};
    begin(&w, "{'items':[" POD("a", SICK) ",{'metadata':{'name':'t','deletionTimestamp':'x'}," SPEC "," READY "}]}");
    world_expect(&w, &action_exec, "{" PING "}", -ENOENT, "no Ready pod to run the command in (a: CrashLoopBackOff",
                 &plan);
    world_expect(&w, &action_exec, "{'command':[]}", -EINVAL, "names no program", &plan);
    world_expect(&w, &action_exec, "{'command':['','x']}", -EINVAL, "names no program", &plan);
    world_body(&w, OURS, "{'items':[]}");
    world_expect(&w, &action_exec, "{" PING "}", -ENOENT, "no Ready pod", &plan);
    world_body(&w, OURS, "{'items':[" POD("a", READY) "]}");
    world_expect(&w, &action_exec, "{" PING ",'container':'nope'}", -EINVAL, "pod a has no container nope", &plan);
    world_answer(&w, OURS, "{'status':403,'body':{'message':'pods is forbidden'}}");
    world_expect(&w, &action_exec, "{" PING "}", -EACCES, "forbidden", &plan);
    world_body(&w, OURS, "{'items':[" POD("a", READY) "," POD("b", READY) "," POD("c", READY) "," POD("d", READY) "]}");
    world_expect(&w, &action_exec, "{" PING ",'all':true}", -E2BIG, "in 4 pods, limits.pods allows 3: it runs in none",
                 &plan);
    world_clear(&w);
}

/* ---- exec.read ---- */

static void reads(struct world *w, const char *with, const char *name, const char *text)
{
    struct action_plan plan = {0};
    world_expect(w, &action_exec_read, with, 0, "", &plan);
    const json_t *item = json_array_get(plan.evidence, json_array_size(plan.evidence) - 1);
    assert_int_equal(json_array_size(plan.effects), 0);
    if (!str_eq(json_text(item, "name"), name) || !strstr(json_text_or(item, "text", ""), text))
        fail_msg("\"%s\": \"%s\"", json_text_or(item, "name", ""), json_text_or(item, "text", ""));
    action_plan_clear(&plan);
}

static void what_it_prints_is_evidence(void **s _unused_)
{
    struct world w;
    begin(&w, "{'items':[" POD("a", READY) "," POD("b", READY) "]}");
    world_answer(&w, "exec a", "{'status':101,'exit_code':0,'stdout':'PONG\\n','stderr':''}");
    world_answer(&w, "exec b", "{'status':101,'exit_code':1,'stdout':'half','stderr':'no'}");
    reads(&w, "{" PING "}", "exec in a: redis-cli PING (exit 0)", "PONG\n");
    reads(&w, "{'command':['sh','-c','echo a b']}", "exec in a: sh -c 'echo a b' (exit 0)", "PONG");
    reads(&w, "{" PING ",'all':true}", "exec in b: redis-cli PING (exit 1)", "half\nstderr:\nno");
    reads(&w, "{'command':['mysql','--password=hunter2x']}", "exec in a: mysql --password=[redacted] (exit 0)", "PONG");
    /* what cannot be asked is evidence too, and never stops the run */
    reads(&w, "{" PING ",'container':'nope'}", "exec in a", "could not be asked: pod a has no container nope");
    world_answer(&w, "exec a", "{'error':'protocol','message':'closed without a status','stdout':'x','stderr':''}");
    reads(&w, "{" PING "}", "exec in a", "could not be asked: exec in pod a: closed without a status (protocol)");
    world_answer(&w, "exec a", "{'status':403,'body':{'message':'no pods/exec for you'}}");
    reads(&w, "{" PING "}", "exec in a", "forbidden (403): no pods/exec for you");
    world_answer(&w, OURS, "{'error':'refused','message':'connection refused'}");
    reads(&w, "{" PING "}", "exec", "connection refused");
    world_clear(&w);
}

/* ---- what an effect's answer means ---- */

static void the_exit_code_decides(void **s _unused_)
{
    _cleanup_json_ json_t *effect = J("{'method':'EXEC','body':{'expect_exit':1}}");
    _cleanup_json_ json_t *one = J("{'status':101,'exit_code':1,'stdout':'','stderr':''}");
    _cleanup_json_ json_t *zero = J(
        "{'status':101,'exit_code':0,'stdout':'only this','stderr':'FATAL:\\n no  such\\tthing token=abcdefgh12345'}");
    _cleanup_json_ json_t *odd = J("{'status':101}");
    char *words = NULL;
    assert_true(effect_is_exec(effect));
    assert_true(exec_effect_ok(effect, one, &words));
    assert_false(exec_effect_ok(effect, zero, &words));
    assert_string_equal(words, "exited with 0, 1 was expected: FATAL: no such thing token=[redacted]");
    free(words);
    assert_false(exec_effect_ok(effect, odd, &words));
    free(words);
    assert_int_equal(exec_answer_error(NULL, "p", NULL), -EAGAIN);
    assert_int_equal(exec_answer_error(one, "p", NULL), 0);
    assert_int_equal(exec_answer_error(odd, "p", NULL), -EIO);
    assert_null(exec_evidence_new("p", NULL, odd));
}

static void words_stay_short_and_whole(void **s _unused_)
{
    struct strbuf b = STRBUF_INIT;
    for (int i = 0; i < 500; i++)
        strbuf_puts(&b, "\xe4\xbd\xa0 ");
    _cleanup_json_ json_t *answer = json_pack("{s:s, s:s}", "stdout", strbuf_str(&b), "stderr", "");
    strbuf_free(&b);
    _cleanup_free_ char *said = exec_excerpt(answer);
    assert_true(strlen(said) <= 200 && strlen(said) > 150);
    assert_true(utf8_valid(said, strlen(said)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_ready_pod_is_taken),
        cmocka_unit_test(one_that_is_named),
        cmocka_unit_test(refusals),
        cmocka_unit_test(what_it_prints_is_evidence),
        cmocka_unit_test(the_exit_code_decides),
        cmocka_unit_test(words_stay_short_and_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
