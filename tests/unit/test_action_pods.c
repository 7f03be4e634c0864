#include "actions/registry.h"
#include "world.h"

extern const struct action action_pods_delete, action_resource_patch, action_pod_logs, action_pod_describe;
#define PODS "/api/v1/namespaces/shop/pods?labelSelector=app%3Dapi"
#define OWNED "'ownerReferences':[{'controller':true,'uid':'rs'}]"
#define READY "'status':{'conditions':[{'type':'Ready','status':'True'}]}"

static void plan_pods(const char *with, const char *items, int expected, const char *words, size_t n_effects)
{
    struct world w;
    struct action_plan plan = {0};
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_free_ char *list = xasprintf("{'items':[%s]}", items);
    world_init(&w, "Deployment", "api", "app=api");
    world_body(&w, PODS, list);
    assert_int_equal(world_plan(&w, &action_pods_delete, with, &plan, &err), expected);
    if (!strstr(expected < 0 ? error_message(&err) : plan.note, words))
        fail_msg("%s lacks %s", expected < 0 ? error_message(&err) : plan.note, words);
    assert_int_equal(json_array_size(plan.effects), n_effects);
    if (n_effects == 1 && expected == 0)
        assert_effect(
            &plan, 0,
            "{'method':'DELETE','path':'/api/v1/namespaces/shop/pods/a','recognise':'uid','body':{'apiVersion':"
            "'v1','kind':'DeleteOptions','preconditions':{'uid':'ua'}},'made':{'deleted':['ua']}}");
    action_plan_clear(&plan);
    world_clear(&w);
}

#define SICK(n) "{'metadata':{'name':'" n "','uid':'u" n "'," OWNED "}}"
static void deletes(void **s _unused_)
{
    plan_pods(NULL, SICK("a") ",{'metadata':{'name':'b','uid':'ub'," OWNED "}," READY "}", 0, "delete a", 1);
    plan_pods(NULL, "{'metadata':{'name':'b'}," READY "}", 0, "not ready", 0);
    plan_pods(NULL, "{'metadata':{'name':'b','deletionTimestamp':'x'}}", 0, "not ready", 0);
    plan_pods(NULL, "{'metadata':{'name':'b'},'status':{'phase':'Succeeded'}}", 0, "not ready", 0);
    plan_pods(NULL, SICK("a") "," SICK("b") "," SICK("c") "," SICK("d"), -E2BIG, "4 pods", 0);
    plan_pods("{'grace':0}", SICK("a"), -EPERM, "force-delete", 0);
    plan_pods(NULL, "{'metadata':{'name':'a'},'spec':{'volumes':[{'persistentVolumeClaim':{}}]}}", -EPERM, "claim", 0);
    plan_pods(NULL, "{'metadata':{'name':'a','annotations':{'kubernetes.io/config.mirror':'x'}}}", -EPERM, "static", 0);
    plan_pods(NULL, "", -ENOENT, "no pods", 0);
}

static void patch(const char *with, int expected, const char *words)
{
    struct world w;
    struct action_plan plan = {0};
    _cleanup_error_ struct error err = ERROR_NONE;
    world_init(&w, "Deployment", "api", "app=api");
    world_body(&w, "/apis/apps/v1/namespaces/shop/deployments/api",
               "{'metadata':{'name':'api','uid':'u1'},'spec':{'paused':false,'replicas':2}}");
    world_body(&w, "/apis/autoscaling/v1/namespaces/shop/horizontalpodautoscalers",
               "{'items':[{'metadata':{'name':'h'},'spec':{'scaleTargetRef':{'kind':'Deployment','name':'api'}}}]}");
    assert_int_equal(world_plan(&w, &action_resource_patch, with, &plan, &err), expected);
    if (expected < 0) {
        if (!strstr(error_message(&err), words))
            fail_msg("%s lacks %s", error_message(&err), words);
    } else {
        assert_effect(&plan, 0, words);
    }
    action_plan_clear(&plan);
    world_clear(&w);
}

static void patches(void **s _unused_)
{
    patch("{'patch':{'spec':{'paused':true,'x':{'y':1}}}}", 0,
          "{'changes':{'/spec/paused':{'before':false,'after':true},'/spec/x':{'after':{'y':1}}},'body':{'metadata':{"
          "'uid':'u1','annotations':{'mendd.io/last-effect':'run/0/1/"
          "Deployment.api'}},'spec':{'paused':true,'x':{'y':1}}}}");
    patch(
        "{'type':'json','patch':[{'op':'replace','path':'/spec/paused','value':true}]}", 0,
        "{'changes':{'/spec/paused':{'before':false}},'body':[{'op':'test','path':'/metadata/uid','value':'u1'},{'op':"
        "'add','path':'/metadata/annotations','value':{}},{'op':'replace','path':'/spec/paused','value':true},{'op':"
        "'add','path':'/metadata/annotations/mendd.io~1last-effect','value':'run/0/1/Deployment.api'}]}");
    patch("{'kind':'Secret','name':'x','patch':{'data':{}}}", -EPERM, "Secret");
    patch("{'patch':{'metadata':{'finalizers':null}}}", -EPERM, "/metadata/finalizers");
    patch("{'patch':{'metadata':null}}", -EPERM, "metadata");
    patch("{'type':'json','patch':[{'op':'move','from':'/metadata/uid','path':'/spec/x'}]}", -EPERM, "/metadata/uid");
    patch("{'patch':{'spec':{'replicas':3}}}", -EPERM, "use hpa.set");
}

static void evidence_never_stops(void **s _unused_)
{
    struct world w;
    struct action_plan plan = {0};
    world_init(&w, "Deployment", "api", "app=api");
    world_answer(&w, PODS, "{'status':403,'body':{'message':'pods is forbidden'}}");
    assert_int_equal(world_plan(&w, &action_pod_logs, NULL, &plan, NULL), 0);
    assert_non_null(strstr(json_text(json_array_get(plan.evidence, 0), "text"), "could not be read"));
    action_plan_clear(&plan);
    world_body(&w, PODS,
               "{'items':[{'metadata':{'name':'a'},'spec':{'containers':[{'name':'c','env':[{'name':'TOKEN',"
               "'value':'hunter2'}]}]}}]}");
    asks_clear(&w.asks);
    asks_init(&w.asks);
    assert_int_equal(world_plan(&w, &action_pod_describe, NULL, &plan, NULL), 0);
    const char *text = json_text(json_array_get(plan.evidence, 0), "text");
    assert_non_null(strstr(text, "TOKEN"));
    assert_null(strstr(text, "hunter2"));
    action_plan_clear(&plan);
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deletes),
        cmocka_unit_test(patches),
        cmocka_unit_test(evidence_never_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
