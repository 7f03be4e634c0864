/* node.cordon, node.uncordon, node.drain, pods.evict, and the check node.drained. */
#include "world.h"

extern const struct action action_node_cordon, action_node_uncordon, action_node_drain, action_pods_evict;
extern const struct check check_node_drained;

#define NODES "/api/v1/nodes"
#define NODE NODES "/a"
#define PODS "/api/v1/pods?fieldSelector=spec.nodeName%3Da"
#define READY "'status':{'conditions':[{'type':'Ready','status':'True'}]}"
#define SICK "'status':{'conditions':[{'type':'Ready','status':'Unknown'}]}"
#define PLANE "'labels':{'node-role.kubernetes.io/control-plane':''}"
#define N(name, more) "{'metadata':{'name':'" name "','uid':'u" name "'}," more "}"
#define P(name, more) "{'metadata':{'name':'" name "','uid':'u" name "'," PLANE "}," more "}"
#define CORDONED "'spec':{'unschedulable':true},"
#define OWNED(kind) "'ownerReferences':[{'kind':'" kind "','name':'o','controller':true,'uid':'x'}]"
#define POD(ns, name, meta, more)                                                                                      \
    "{'metadata':{'namespace':'" ns "','name':'" name "','uid':'p" ns name "'" meta "},'spec':{'nodeName':'a'" more    \
    "},'status':{'phase':'Running'}}"

static void node_world(struct world *w, const char *node, const char *nodes)
{
    _cleanup_free_ char *list = xasprintf("{'items':[%s]}", nodes);
    world_init(w, "Node", "a", "app=api");
    free(w->target.owners[0].api_version);
    free(w->target.owners[0].namespace);
    free(w->target.namespace);
    w->target.owners[0].api_version = xstrdup("v1");
    w->target.owners[0].namespace = w->target.namespace = NULL;
    world_body(w, NODE, node);
    world_body(w, NODES, list);
    world_body(w, "/api/v1",
               "{'resources':[{'name':'pods','kind':'Pod'},{'name':'pods/eviction','kind':'Eviction','group':'policy',"
               "'version':'v1beta1'}]}");
}

static void plan(const struct action *a, const char *node, const char *nodes, const char *with, int code,
                 const char *words, size_t n_effects)
{
    struct world w;
    struct action_plan plan = {0};
    node_world(&w, node, nodes);
    world_expect(&w, a, with, code, words, &plan);
    assert_int_equal(json_array_size(plan.effects), n_effects);
    action_plan_clear(&plan);
    world_clear(&w);
}

static void cordons(void **s _unused_)
{
    struct world w;
    struct action_plan plan = {0};
    node_world(&w, N("a", "'spec':{'podCIDR':'x'}," READY), N("a", READY) "," N("b", READY) "," N("c", READY));
    world_expect(&w, &action_node_cordon, NULL, 0, "cordon Node a", &plan);
    assert_int_equal(w.rounds, 2);
    assert_effect(&plan, 0,
                  "{'method':'PATCH','path':'/api/v1/nodes/a','recognise':'mark','reversible':true,'content_type':"
                  "'application/merge-patch+json','changes':{'/spec/unschedulable':{'after':true}},'body':{'metadata':{"
                  "'uid':'ua','annotations':{'mendd.io/last-effect':'run/0/1/Node.a'}},'spec':{'unschedulable':true}},"
                  "'object':{'apiVersion':'v1','kind':'Node','name':'a','uid':'ua'}}");
    action_plan_clear(&plan);
    world_clear(&w);
}

static void keeps_the_minimum(void **s _unused_)
{
    static const char all[] = N("a", READY) "," N("b", READY) "," N("c", READY);
    static const char one_sick[] = N("a", READY) "," N("b", READY) "," N("c", SICK);
    static const char one_out[] = N("a", READY) "," N("b", READY) "," N("c", CORDONED READY);
    const struct action *a = &action_node_cordon;
    plan(a, N("a", READY), all, NULL, 0, "cordon", 1);
    plan(a, N("a", READY), all, "{'min_ready':3}", -EPERM, "2 of 3 nodes would be Ready and schedulable", 0);
    plan(a, N("a", READY), one_sick, NULL, -EPERM, "min_ready is 2", 0);
    plan(a, N("a", READY), one_out, NULL, -EPERM, "1 of 3", 0);
    plan(a, N("a", READY), one_out, "{'min_ready':1}", 0, "cordon", 1);
    plan(a, N("a", READY), N("a", READY), NULL, -EPERM, "0 of 1 nodes", 0);
    plan(a, N("a", READY), N("a", READY) "," N("b", READY), NULL, 0, "cordon", 1);
    plan(a, N("a", READY), N("a", READY) "," N("b", SICK), NULL, -EPERM, "min_ready is 1", 0);
    plan(a, N("a", SICK), N("a", SICK) "," N("b", READY) "," N("c", READY), NULL, 0, "cordon", 1);
    plan(a, N("a", CORDONED READY), N("a", READY), NULL, 0, "Node a is cordoned already", 0);
    plan(a, N("a", READY), "", NULL, -EPERM, "0 of 0 nodes", 0);
}

static void control_planes_one_at_a_time(void **s _unused_)
{
    static const char workers[] = "," N("d", READY) "," N("e", READY) "," N("f", READY);
    _cleanup_free_ char *well = xasprintf("%s,%s%s", P("a", READY), P("b", READY), workers);
    _cleanup_free_ char *sick = xasprintf("%s,%s%s", P("a", READY), P("b", SICK), workers);
    _cleanup_free_ char *out = xasprintf("%s,%s%s", P("a", READY), P("b", CORDONED READY), workers);
    _cleanup_free_ char *worker = xasprintf("%s,%s%s", N("a", READY), P("b", SICK), workers);
    plan(&action_node_cordon, P("a", READY), well, NULL, 0, "cordon", 1);
    plan(&action_node_cordon, P("a", READY), sick, NULL, -EPERM, "b, another one, is not Ready", 0);
    plan(&action_node_cordon, P("a", READY), out, NULL, -EPERM, "b, another one, is cordoned", 0);
    plan(&action_node_cordon, N("a", READY), worker, NULL, 0, "cordon", 1);
}

static void selects(void **s _unused_)
{
    struct world w;
    struct action_plan plan = {0};
    node_world(&w, N("a", READY),
               P("a", READY) "," P("b", READY) "," N("c", READY) "," N("d", READY) "," N("e", READY));
    world_body(&w, NODES "?labelSelector=x%3Dy", "{'items':[" P("b", READY) "," P("a", READY) "]}");
    world_expect(&w, &action_node_cordon, "{'selector':'x=y'}", -EPERM, "2 of them are control-plane nodes", &plan);
    world_body(&w, NODES "?labelSelector=x%3Dy", "{'items':[" N("d", READY) "," N("c", READY) "]}");
    world_expect(&w, &action_node_cordon, "{'selector':'x=y'}", 0, "cordon Node c; cordon Node d", &plan);
    action_plan_clear(&plan);
    world_expect(&w, &action_node_cordon, "{'selector':'x=y','min_ready':4}", -EPERM, "3 of 5 nodes", &plan);
    world_expect(&w, &action_node_drain, "{'selector':'x=y'}", -E2BIG, "one at a time", &plan);
    world_expect(&w, &action_node_cordon, "{'name':'nope'}", -ENOENT, "nope", &plan);
    world_clear(&w);
    world_init(&w, "Deployment", "api", "app=api");
    world_expect(&w, &action_node_cordon, NULL, -EINVAL, "no Node", &plan);
    world_clear(&w);
}

static void uncordons(void **s _unused_)
{
    struct world w;
    struct action_plan got = {0};
    plan(&action_node_uncordon, N("a", READY), "", NULL, 0, "Node a is not cordoned", 0);
    node_world(&w, N("a", CORDONED READY), "");
    world_expect(&w, &action_node_uncordon, NULL, 0, "uncordon Node a", &got);
    assert_effect(&got, 0,
                  "{'method':'PATCH','recognise':'mark','reversible':true,'changes':{'/spec/unschedulable':{'before':"
                  "true,'after':null}}}");
    action_plan_clear(&got);
    world_clear(&w);
}

/* ---- drain ---- */

static void drain(const char *pods, const char *with, int code, const char *words, size_t n_effects)
{
    struct world w;
    struct action_plan got = {0};
    _cleanup_free_ char *list = xasprintf("{'items':[%s]}", pods);
    node_world(&w, N("a", READY), N("a", READY) "," N("b", READY) "," N("c", READY));
    world_body(&w, PODS, list);
    world_expect(&w, &action_node_drain, with, code, words, &got);
    assert_int_equal(json_array_size(got.effects), n_effects);
    action_plan_clear(&got);
    world_clear(&w);
}

#define GOOD(ns, name) POD(ns, name, "," OWNED("ReplicaSet"), "")

static void drains(void **s _unused_)
{
    struct world w;
    struct action_plan got = {0};
    node_world(&w, N("a", READY), N("a", READY) "," N("b", READY));
    world_body(&w, PODS, "{'items':[" GOOD("shop", "x") "," GOOD("bank", "x") "]}");
    world_expect(&w, &action_node_drain, "{'grace':10000}", 0, "cordon Node a; evict 2 pods", &got);
    assert_int_equal(w.rounds, 2); /* the node; then nodes, discovery and pods together */
    assert_effect(&got, 0, "{'method':'PATCH','path':'/api/v1/nodes/a','made':{'drained':'a'},'drains':null}");
    assert_effect(&got, 1,
                  "{'key':'run/0/1/Pod.bank/x','method':'POST','path':'/api/v1/namespaces/bank/pods/x/eviction',"
                  "'read':'/api/v1/namespaces/bank/pods/x','recognise':'uid','reversible':false,'drains':null,"
                  "'object':{'apiVersion':'v1','kind':'Pod','name':'x','namespace':'bank','uid':'pbankx'},'body':{"
                  "'apiVersion':'policy/v1beta1','kind':'Eviction','metadata':{'name':'x','namespace':'bank'},"
                  "'deleteOptions':{'preconditions':{'uid':'pbankx'},'gracePeriodSeconds':10}},"
                  "'made':{'deleted':['pbankx'],'drained':'a'}}");
    assert_effect(&got, 2, "{'key':'run/0/1/Pod.shop/x','drains':true}");
    action_plan_clear(&got);
    world_body(&w, NODE, N("a", CORDONED READY));
    world_expect(&w, &action_node_drain, NULL, 0, "Node a is cordoned already; evict 2 pods", &got);
    assert_int_equal(json_array_size(got.effects), 2);
    action_plan_clear(&got);
    world_clear(&w);
}

static void leaves_out_and_refuses(void **s _unused_)
{
    static const char daemon[] = POD("shop", "d", "," OWNED("DaemonSet"), "");
    static const char mirror[] = POD("shop", "m", ",'annotations':{'kubernetes.io/config.mirror':'x'}", "");
    static const char leaving[] = POD("shop", "l", ",'deletionTimestamp':'x'", "");
    static const char elsewhere[] = "{'metadata':{'namespace':'shop','name':'e'},'spec':{'nodeName':'b'}}";
    static const char finished[] = "{'metadata':{'namespace':'shop','name':'f'},'spec':{'nodeName':'a'},'status':{"
                                   "'phase':'Failed'}}";
    static const char solo[] = POD("shop", "s", "", "");
    static const char claim[] = POD("shop", "c", "", ",'volumes':[{'persistentVolumeClaim':{'claimName':'x'}}]");
    static const char empty[] = POD("shop", "v", "," OWNED("ReplicaSet"), ",'volumes':[{'emptyDir':{}}]");
    drain(daemon, NULL, 0, "cordon Node a; evict 0 pods", 1);
    drain(mirror, NULL, 0, "evict 0 pods", 1);
    drain(finished, NULL, 0, "evict 0 pods", 1);
    drain(elsewhere, NULL, 0, "evict 0 pods", 1);
    drain(leaving, NULL, 0, "evict 0 pods; 1 more is leaving already", 1);
    drain(daemon, "{'ignore_daemonsets':false}", -EPERM, "shop/d is a DaemonSet's", 0);
    drain(solo, NULL, -EPERM, "pod shop/s has no controller", 0);
    drain(solo, "{'unmanaged':true}", 0, "evict 1 pod", 2);
    drain(claim, "{'unmanaged':true}", -EPERM, "volume claim and no controller", 0);
    drain(empty, NULL, -EPERM, "pod shop/v keeps data in an emptyDir", 0);
    drain(empty, "{'delete_emptydir':true}", 0, "evict 1 pod", 2);
    drain(GOOD("a", "1") "," GOOD("a", "2") "," GOOD("a", "3") "," GOOD("a", "4"), NULL, -E2BIG, "4 pods", 0);
    drain(GOOD("a", "1"), "{'grace':0}", -EPERM, "force-delete", 0);
    drain(GOOD("a", "1"), "{'min_ready':3}", -EPERM, "min_ready is 3", 0);
}

/* ---- pods.evict ---- */

static void evicts(void **s _unused_)
{
    struct world w;
    struct action_plan got = {0};
    world_init(&w, "Deployment", "api", "app=api");
    world_body(&w, "/api/v1", "{'resources':[{'name':'pods/eviction','group':'policy','version':'v1'}]}");
    world_body(&w, "/api/v1/namespaces/shop/pods?labelSelector=app%3Dapi",
               "{'items':[{'metadata':{'name':'x','uid':'ux'," OWNED("ReplicaSet") "}},{'metadata':{'name':'y','uid':"
                                                                                   "'uy'," OWNED(
                                                                                       "ReplicaSet") "}," READY "}]}");
    world_expect(&w, &action_pods_evict, NULL, 0, "evict x", &got);
    assert_int_equal(json_array_size(got.effects), 1);
    assert_effect(&got, 0,
                  "{'key':'run/0/1/Pod.x','path':'/api/v1/namespaces/shop/pods/x/eviction','settle_each':null,'body':{"
                  "'apiVersion':'policy/v1','kind':'Eviction','metadata':{'name':'x','namespace':'shop'},"
                  "'deleteOptions':{'preconditions':{'uid':'ux'}}},'made':{'deleted':['ux']}}");
    action_plan_clear(&got);
    world_expect(&w, &action_pods_evict, "{'only':'all'}", 0, "evict x", &got);
    assert_int_equal(json_array_size(got.effects), 2);
    assert_effect(&got, 1, "{'settle_each':true}");
    action_plan_clear(&got);
    world_body(&w, "/api/v1", "{'resources':[{'name':'pods'}]}");
    world_expect(&w, &action_pods_evict, NULL, -ENOENT, "no evictions", &got);
    world_answer(&w, "/api/v1", "{'status':403,'body':{'message':'no'}}");
    world_expect(&w, &action_pods_evict, NULL, -EACCES, "discovery of v1", &got);
    world_expect(&w, &action_pods_evict, "{'grace':0}", -EPERM, "force-delete", &got);
    world_clear(&w);
}

/* ---- node.drained ---- */

static void drained(void **s _unused_)
{
    struct world w;
    node_world(&w, N("a", READY), "");
    world_body(&w, PODS, "{'items':[" POD("shop", "d", "," OWNED("DaemonSet"), "") "]}");
    world_verdict(&w, &check_node_drained, NULL, NULL, VERDICT_PASS, "no pod is left");
    world_body(&w, PODS, "{'items':[" POD("shop", "x", ",'deletionTimestamp':'x'", "") "]}");
    world_verdict(&w, &check_node_drained, NULL, NULL, VERDICT_FAIL, "1 pod is left: shop/x on a (Terminating)");
    world_verdict(&w, &check_node_drained, "{'name':'b'}", NULL, VERDICT_FAIL, "pods");
    world_body(&w, "/api/v1/pods?fieldSelector=spec.nodeName%3Db", "{'items':[]}");
    world_verdict(&w, &check_node_drained, "{'name':'b'}", NULL, VERDICT_PASS, "no pod is left");
    world_verdict(&w, &check_node_drained, NULL, "[{'made':{'drained':'b'}}]", VERDICT_PASS, "no pod is left");
    world_verdict(&w, &check_node_drained, NULL, "[{'made':{'drained':'b'}},{'made':{'drained':'a'}}]", VERDICT_FAIL,
                  "shop/x on a");
    world_answer(&w, PODS, "{'status':403,'body':{'message':'no'}}");
    world_verdict(&w, &check_node_drained, NULL, NULL, VERDICT_UNKNOWN, "forbidden");
    world_clear(&w);
    world_init(&w, "Deployment", "api", "app=api");
    world_verdict(&w, &check_node_drained, NULL, NULL, VERDICT_UNKNOWN, "say its name");
    world_clear(&w);
}

static void names_the_budget(void **s _unused_)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_json_ json_t *answer =
        J("{'status':429,'body':{'message':'Cannot evict pod.','details':{'causes':[{'reason':'Other','message':'x'},{"
          "'reason':'DisruptionBudget','message':'The disruption budget web needs 2'}]}}}");
    assert_int_equal(answer_error(answer, "POST Pod shop/a", &err), -EBUSY);
    assert_string_equal(error_message(&err), "POST Pod shop/a: HTTP 429: Cannot evict pod. The disruption budget web "
                                             "needs 2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cordons),
        cmocka_unit_test(keeps_the_minimum),
        cmocka_unit_test(control_planes_one_at_a_time),
        cmocka_unit_test(selects),
        cmocka_unit_test(uncordons),
        cmocka_unit_test(drains),
        cmocka_unit_test(leaves_out_and_refuses),
        cmocka_unit_test(evicts),
        cmocka_unit_test(drained),
        cmocka_unit_test(names_the_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
