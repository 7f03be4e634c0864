#include "actions/registry.h"
#include "world.h"

extern const struct action action_rollout_restart, action_rollout_undo, action_scale;
#define API "/apis/apps/v1/namespaces/shop/deployments/api"

static void restart_needs_one_get(void **s _unused_)
{
    struct world w;
    struct action_plan plan = {0};
    world_init(&w, "Deployment", "api", "app=api");
    world_body(&w, API, "{'metadata':{'name':'api','uid':'u1'},'spec':{'template':{}}}");
    assert_int_equal(world_plan(&w, &action_rollout_restart, NULL, &plan, NULL), 0);
    assert_int_equal(json_array_size(w.asked), 1);
    assert_effect(&plan, 0,
                  "{'method':'PATCH','path':'" API "','content_type':'application/strategic-merge-patch+json',"
                  "'key':'run/0/1/Deployment.api','recognise':'mark','reversible':false,"
                  "'made':{'restartedAt':'2026-01-05T10:00:00Z'},"
                  "'body':{'metadata':{'uid':'u1','annotations':{'mendd.io/last-effect':'run/0/1/Deployment.api'}},"
                  "'spec':{'template':{'metadata':{'annotations':{'kubectl.kubernetes.io/restartedAt':"
                  "'2026-01-05T10:00:00Z'}}}}}}");
    action_plan_clear(&plan);
    world_clear(&w);
}

static void restart_in_the_same_second(void **s _unused_)
{
    struct world w;
    struct action_plan plan = {0};
    world_init(&w, "Deployment", "api", "app=api");
    world_body(&w, API,
               "{'metadata':{'name':'api','uid':'u1'},'spec':{'template':{'metadata':{'annotations':"
               "{'kubectl.kubernetes.io/restartedAt':'2026-01-05T10:00:00Z'}}}}}");
    assert_int_equal(world_plan(&w, &action_rollout_restart, NULL, &plan, NULL), 0);
    assert_effect(&plan, 0, "{'made':{'restartedAt':'2026-01-05T10:00:01Z'}}");
    action_plan_clear(&plan);
    world_clear(&w);
}

static void refused(const struct action *a, const char *with, const char *object, int code, const char *words)
{
    struct world w;
    struct action_plan plan = {0};
    _cleanup_error_ struct error err = ERROR_NONE;
    world_init(&w, "Deployment", "api", "app=api");
    if (object)
        world_body(&w, API, object);
    world_body(&w, API "/scale", "{'metadata':{'uid':'u1'},'spec':{'replicas':2}}");
    world_body(&w, "/apis/autoscaling/v1/namespaces/shop/horizontalpodautoscalers",
               "{'items':[{'metadata':{'name':'h'},'spec':{'scaleTargetRef':{'kind':'Deployment','name':'api'}}}]}");
    assert_int_equal(world_plan(&w, a, with, &plan, &err), code);
    if (!strstr(error_message(&err), words))
        fail_msg("%s lacks %s", error_message(&err), words);
    assert_null(plan.effects);
    world_clear(&w);
}

static void refusals(void **s _unused_)
{
    const char *paused = "{'metadata':{'name':'api','uid':'u1'},'spec':{'paused':true}}";
    const char *owned =
        "{'metadata':{'uid':'u1','ownerReferences':[{'controller':true,'kind':'ReplicaSet','name':'x'}]}}";
    refused(&action_rollout_restart, NULL, paused, -EBUSY, "is paused");
    refused(&action_rollout_undo, NULL, paused, -EBUSY, "is paused");
    refused(&action_rollout_restart, NULL, owned, -EPERM, "belongs to ReplicaSet x");
    refused(&action_rollout_restart, NULL, NULL, -ENOENT, "deployments.apps \"api\" in shop");
    refused(&action_rollout_restart, "{'kind':'Job','name':'j'}", NULL, -EINVAL,
            "Deployment, StatefulSet or DaemonSet");
    refused(&action_scale, "{'replicas':3}", "{'metadata':{'uid':'u1'}}", -EPERM, "use hpa.set");
    refused(&action_scale, "{'replicas':3}", owned, -EPERM, "belongs to ReplicaSet x");
}

#define REPLICASET                                                                                                     \
    "{'metadata':{'name':'api-%s','ownerReferences':[{'controller':true,'uid':'%s'}],'annotations':{"                  \
    "'deployment.kubernetes.io/revision':'%s','note':'%s'}},'spec':{'template':{'metadata':{'labels':{"                \
    "'app':'api','pod-template-hash':'%s'}},'image':'%s'}}}"

static void undo_takes_the_second_highest(void **s _unused_)
{
    struct world w;
    struct action_plan plan = {0};
    _cleanup_free_ char *a = xasprintf(REPLICASET, "a", "u1", "2", "old", "a", "i2"),
                        *b = xasprintf(REPLICASET, "b", "u1", "10", "new", "b", "i10");
    _cleanup_free_ char *c = xasprintf(REPLICASET, "c", "other", "9", "no", "c", "i9");
    _cleanup_free_ char *list = xasprintf("{'items':[%s,%s,%s]}", b, c, a);
    world_init(&w, "Deployment", "api", "app=api");
    world_body(&w, API,
               "{'metadata':{'name':'api','uid':'u1','annotations':{'deployment.kubernetes.io/revision':'10',"
               "'note':'new'}},'spec':{'selector':{'matchLabels':{'app':'api'}},'template':{'metadata':{"
               "'labels':{'app':'api'}},'image':'i10'}}}");
    world_body(&w, "/apis/apps/v1/namespaces/shop/replicasets?labelSelector=app%3Dapi", list);
    assert_int_equal(world_plan(&w, &action_rollout_undo, NULL, &plan, NULL), 0);
    assert_int_equal(json_array_size(w.asked), 2);
    assert_effect(&plan, 0,
                  "{'made':{'revision':2},'reversible':true,'changes':{'/spec/template':{"
                  "'before':{'metadata':{'labels':{'app':'api'}},'image':'i10'},"
                  "'after':{'metadata':{'labels':{'app':'api'}},'image':'i2'}}},"
                  "'body':[{'op':'test','path':'/metadata/uid','value':'u1'},"
                  "{'op':'replace','path':'/spec/template','value':{'metadata':{'labels':{'app':'api'}},'image':'i2'}},"
                  "{'op':'replace','path':'/metadata/annotations','value':{'deployment.kubernetes.io/revision':'10',"
                  "'note':'old','mendd.io/last-effect':'run/0/1/Deployment.api'}}]}");
    action_plan_clear(&plan);
    world_clear(&w);
}

static void undo_of_a_statefulset(void **s _unused_)
{
    struct world w;
    struct action_plan plan = {0};
    world_init(&w, "StatefulSet", "db", "app=db");
    world_body(
        &w, "/apis/apps/v1/namespaces/shop/statefulsets/db",
        "{'metadata':{'name':'db','uid':'u1'},'spec':{'selector':{'matchLabels':{'app':'db'}},'template':{'i':2}}}");
    world_body(
        &w, "/apis/apps/v1/namespaces/shop/controllerrevisions?labelSelector=app%3Ddb",
        "{'items':[{'revision':2,'metadata':{'ownerReferences':[{'controller':true,'uid':'u1'}]},'data':{'spec':{"
        "'template':{'$patch':'replace','i':2}}}},{'revision':1,'metadata':{'ownerReferences':[{'controller':true,"
        "'uid':'u1'}]},'data':{'spec':{'template':{'$patch':'replace','i':1}}}}]}");
    assert_int_equal(world_plan(&w, &action_rollout_undo, NULL, &plan, NULL), 0);
    assert_effect(
        &plan, 0,
        "{'content_type':'application/strategic-merge-patch+json','changes':{'/spec/template':{'before':{'i':2}}},"
        "'made':{'revision':1},'body':{'metadata':{'uid':'u1','annotations':{'mendd.io/last-effect':"
        "'run/0/1/StatefulSet.db'}},'spec':{'template':{'$patch':'replace','i':1}}}}");
    action_plan_clear(&plan);
    asks_clear(&w.asks);
    asks_init(&w.asks);
    assert_int_equal(world_plan(&w, &action_rollout_undo, "{'to_revision':2}", &plan, NULL), 0);
    assert_int_equal(json_array_size(plan.effects), 0);
    assert_non_null(strstr(plan.note, "already has"));
    action_plan_clear(&plan);
    world_clear(&w);
}

static void scale_to(const char *with, int expected)
{
    struct world w;
    struct action_plan plan = {0};
    world_init(&w, "Deployment", "api", "app=api");
    world_body(&w, API, "{'metadata':{'uid':'u1'}}");
    world_body(&w, API "/scale", "{'metadata':{'uid':'u1'},'spec':{'replicas':3}}");
    world_body(&w, "/apis/autoscaling/v1/namespaces/shop/horizontalpodautoscalers", "{'items':[]}");
    const int r = world_plan(&w, &action_scale, with, &plan, NULL);
    assert_int_equal(w.rounds, 1);
    if (expected < 0) {
        assert_int_equal(r, expected);
    } else if (expected == 0) {
        assert_int_equal(json_array_size(plan.effects), 0);
        assert_non_null(plan.note);
    } else {
        _cleanup_free_ char *want = xasprintf("{'path':'" API "/scale','recognise':'value','body':{'metadata':{'uid':"
                                              "'u1'},'spec':{'replicas':%d}},'changes':{'/spec/replicas':{'before':3,"
                                              "'after':%d}}}",
                                              expected, expected);
        assert_effect(&plan, 0, want);
    }
    action_plan_clear(&plan);
    world_clear(&w);
}

static void scales(void **s _unused_)
{
    scale_to("{'replicas':5}", 5);
    scale_to("{'replicas':'+1'}", 4);
    scale_to("{'replicas':'x1.5'}", 5);
    scale_to("{'replicas':'x2','max':4}", 4);
    scale_to("{'replicas':'x2','max':2}", 0); /* never down by an upward step */
    scale_to("{'replicas':3}", 0);
    scale_to("{'replicas':0}", -EINVAL);
    scale_to("{'replicas':'-1'}", -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(restart_needs_one_get),
        cmocka_unit_test(restart_in_the_same_second),
        cmocka_unit_test(refusals),
        cmocka_unit_test(undo_takes_the_second_highest),
        cmocka_unit_test(undo_of_a_statefulset),
        cmocka_unit_test(scales),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
