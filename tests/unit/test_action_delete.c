/* pods.delete: all one by one, what is spared, and what is refused whole. */
#include "actions/registry.h"
#include "world.h"

extern const struct action action_pods_delete;
#define PODS "/api/v1/namespaces/shop/pods"
#define OURS PODS "?labelSelector=app%3Dapi"
#define OWNED "'ownerReferences':[{'controller':true,'uid':'rs'}]"
#define READY "'status':{'conditions':[{'type':'Ready','status':'True'}]}"
#define POD(n, more) "{'metadata':{'name':'" n "','uid':'u" n "'," OWNED more "}"

static void plans(const char *with, const char *items, int code, const char *words, const char *names)
{
    struct world w;
    struct action_plan plan = {0};
    _cleanup_free_ char *list = xasprintf("{'items':[%s]}", items);
    _cleanup_json_ json_t *wanted = J(names), *have = json_array();
    world_init(&w, "Deployment", "api", "app=api");
    world_body(&w, OURS, list);
    world_body(&w, PODS "?labelSelector=tier%3Dweb", list);
    world_expect(&w, &action_pods_delete, with, code, words, &plan);
    size_t i;
    json_t *effect;
    json_array_foreach (plan.effects, i, effect)
        json_array_append(have, json_path(effect, "object", "name", NULL));
    assert_true(json_equal(have, wanted));
    action_plan_clear(&plan);
    world_clear(&w);
}

static void all_one_by_one(void **s _unused_)
{
    struct world w;
    struct action_plan plan = {0};
    world_init(&w, "Deployment", "api", "app=api");
    world_body(&w, OURS, "{'items':[" POD("b", "}," READY) "," POD("a", "}") "]}");
    world_expect(&w, &action_pods_delete, "{'only':'all','grace':1500}", 0, "delete a (not ready); delete b (ready)",
                 &plan);
    for (size_t i = 0; i < 2; i++)
        assert_effect(&plan, i, "{'settle_each':true,'recognise':'uid','reversible':false}");
    assert_effect(&plan, 1,
                  "{'path':'" PODS "/b','object':{'apiVersion':'v1','kind':'Pod','namespace':'shop','name':'b','uid':"
                  "'ub'},'body':{'apiVersion':'v1','kind':'DeleteOptions','gracePeriodSeconds':2,'preconditions':{"
                  "'uid':'ub'}}}");
    action_plan_clear(&plan);
    world_expect(&w, &action_pods_delete, NULL, 0, "delete a", &plan);
    assert_null(json_object_get(json_array_get(plan.effects, 0), "settle_each"));
    assert_null(json_path(json_array_get(plan.effects, 0), "body", "gracePeriodSeconds", NULL));
    action_plan_clear(&plan);
    world_clear(&w);
}

static void spared(void **s _unused_)
{
    const char *leaving = POD("a", ",'deletionTimestamp':'2026-01-05T09:00:00Z'}"),
               *finished = POD("a", "},'status':{'phase':'Succeeded'}");
    plans("{'only':'all'}", leaving, 0, "none of the 1 pods is there to delete", "[]");
    plans("{'only':'all'}", finished, 0, "none of the 1 pods is there to delete", "[]");
    plans(NULL, POD("a", "}," READY) "," POD("b", "}," READY), 0, "none of the 2 pods is not ready", "[]");
    plans(NULL, POD("a", "},'status':{'phase':'Failed','reason':'Evicted'}"), 0, "delete a (Evicted)", "['a']");
    /* a terminating pod does not count as one of those to delete either */
    plans("{'only':'all'}", POD("a", "}") "," POD("b", "}") "," POD("c", "}") "," POD("d", ",'deletionTimestamp':'x'}"),
          0, "delete c", "['a','b','c']");
}

#define MIRROR "{'metadata':{'name':'m','uid':'um','annotations':{'kubernetes.io/config.mirror':'x'}}," READY "}"
#define BARE "{'metadata':{'name':'p','uid':'up'},'spec':{'volumes':[{'name':'x'},{'persistentVolumeClaim':{}}]}}"
static void refused(void **s _unused_)
{
    plans("{'only':'all'}", POD("a", "}") "," MIRROR, -EPERM, "pod shop/m mirrors a static pod", "[]");
    plans(NULL, POD("a", "}") "," MIRROR, 0, "delete a", "['a']"); /* it is ready: it is not meant */
    plans(NULL, POD("a", "}") "," BARE, -EPERM, "pod shop/p has a volume claim and no controller", "[]");
    plans(NULL, POD("a", "},'spec':{'volumes':[{'persistentVolumeClaim':{}}]}"), 0, "delete a", "['a']");
    plans("{'only':'all'}", POD("a", "}") "," POD("b", "}") "," POD("c", "}") "," POD("d", "}," READY), -E2BIG,
          "4 pods would be deleted, limits.pods allows 3: none is", "[]");
    plans(NULL, POD("a", "}") "," POD("b", "}") "," POD("c", "}") "," POD("d", "}," READY), 0, "delete c",
          "['a','b','c']");
    plans("{'grace':0}", POD("a", "}"), -EPERM, "force-delete", "[]");
    plans("{'only':'all'}", "", -ENOENT, "there are no pods", "[]");
}

static void others_than_the_targets(void **s _unused_)
{
    struct world w;
    struct action_plan plan = {0};
    plans("{'selector':'tier=web'}", POD("a", "}"), 0, "delete a", "['a']");
    world_init(&w, "Deployment", "api", "app=api");
    world_body(&w, PODS "/a", POD("a", "}"));
    world_expect(&w, &action_pods_delete, "{'name':'a'}", 0, "delete a", &plan);
    action_plan_clear(&plan);
    world_expect(&w, &action_pods_delete, "{'name':'b'}", -ENOENT, "GET pods \"b\" in shop", &plan);
    world_answer(&w, OURS, "{'status':403,'body':{'message':'pods is forbidden'}}");
    world_expect(&w, &action_pods_delete, NULL, -EACCES, "LIST pods in shop: forbidden (403): pods is", &plan);
    world_clear(&w);
}

/* Each owner's own selector says which pods are its. */
static void several_owners(void **s _unused_)
{
    struct world w;
    struct action_plan plan = {0};
    world_init(&w, "Deployment", "api", "tier=web");
    world_owner(&w, "StatefulSet", "db");
    world_body(&w, "/apis/apps/v1/namespaces/shop/deployments/api",
               "{'metadata':{'name':'api'},'spec':{'selector':{'matchLabels':{'app':'api'}}}}");
    world_body(
        &w, "/apis/apps/v1/namespaces/shop/statefulsets/db",
        "{'metadata':{'name':'db'},'spec':{'selector':{'matchExpressions':[{'key':'app','operator':'In','values':"
        "['db']}]}}}");
    world_body(&w, OURS, "{'items':[" POD("api-1", "}") "]}");
    world_body(&w, PODS "?labelSelector=app%20in%20%28db%29", "{'items':[" POD("db-0", "}") "]}");
    world_expect(&w, &action_pods_delete, NULL, 0, "delete api-1 (not ready); delete db-0", &plan);
    assert_int_equal(w.rounds, 2); /* both owners, both lists */
    action_plan_clear(&plan);
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_one_by_one),          cmocka_unit_test(spared),         cmocka_unit_test(refused),
        cmocka_unit_test(others_than_the_targets), cmocka_unit_test(several_owners),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
