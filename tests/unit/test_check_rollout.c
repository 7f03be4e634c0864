/* rollout.complete and replicas by kubectl's rules, for each kind and for several owners; conditions and endpoints. */
#include "checks/registry.h"
#include "world.h"

extern const struct check check_rollout_complete, check_replicas, check_condition, check_endpoints_ready;
#define APPS "/apis/apps/v1/namespaces/shop/"

struct row {
    const char *spec, *status;
    enum verdict verdict;
    const char *words;
};

static void rows(const struct check *c, const char *kind, const char *plural, const struct row *r)
{
    struct world w;
    _cleanup_free_ char *path = xasprintf(APPS "%s/x", plural);
    world_init(&w, kind, "x", "app=x");
    for (; r->words; r++) {
        _cleanup_free_ char *object =
            xasprintf("{'metadata':{'name':'x','generation':2},'spec':{%s},'status':{'observedGeneration':2%s}}",
                      r->spec, r->status);
        world_body(&w, path, object);
        world_verdict(&w, c, NULL, NULL, r->verdict, r->words);
    }
    world_clear(&w);
}

static void of_a_deployment(void **s _unused_)
{
    static const struct row r[] = {
        {"'replicas':2", ",'replicas':2,'updatedReplicas':2,'availableReplicas':2", VERDICT_PASS, "is rolled out"},
        {"'replicas':2", ",'replicas':2,'updatedReplicas':1", VERDICT_FAIL, "1 of 2 replicas are updated"},
        {"'replicas':2", ",'replicas':3,'updatedReplicas':2", VERDICT_FAIL, "1 old replicas are still there"},
        {"'replicas':2", ",'replicas':2,'updatedReplicas':2,'availableReplicas':1", VERDICT_FAIL, "1 of 2 updated"},
        {"'replicas':2",
         ",'replicas':2,'updatedReplicas':2,'availableReplicas':2,'conditions':[{'type':'Progressing','status':'False',"
         "'reason':'ProgressDeadlineExceeded'}]",
         VERDICT_FAIL, "exceeded its progress deadline"},
        {"", ",'replicas':1,'updatedReplicas':1,'availableReplicas':1", VERDICT_PASS, ""}, /* one by default */
        {"'replicas':0", "", VERDICT_PASS, ""},
        {"", ",'observedGeneration':1", VERDICT_FAIL, "has not seen the change"},
        {0},
    };
    rows(&check_rollout_complete, "Deployment", "deployments", r);
}

static void of_a_daemonset(void **s _unused_)
{
    static const struct row r[] = {
        {"", ",'desiredNumberScheduled':3,'updatedNumberScheduled':3,'numberAvailable':3", VERDICT_PASS, "rolled out"},
        {"", ",'desiredNumberScheduled':3,'updatedNumberScheduled':2,'numberAvailable':3", VERDICT_FAIL,
         "2 of 3 pods are up"},
        {"", ",'desiredNumberScheduled':3,'updatedNumberScheduled':3,'numberAvailable':1", VERDICT_FAIL,
         "1 of 3 pods are av"},
        {"'updateStrategy':{'type':'OnDelete'}", ",'desiredNumberScheduled':0", VERDICT_FAIL, "no rollout to wait for"},
        {0},
    };
    rows(&check_rollout_complete, "DaemonSet", "daemonsets", r);
}

static void of_a_statefulset(void **s _unused_)
{
#define PARTITION(n) "'replicas':3,'updateStrategy':{'rollingUpdate':{'partition':" n "}}"
    static const struct row r[] = {
        {PARTITION("0"), ",'readyReplicas':3,'updateRevision':'b','currentRevision':'b'", VERDICT_PASS, "rolled out"},
        {PARTITION("0"), ",'readyReplicas':3,'updatedReplicas':1,'updateRevision':'b','currentRevision':'a'",
         VERDICT_FAIL, "1 of 3 replicas are at the new revision"},
        {"'replicas':3", ",'readyReplicas':2,'updateRevision':'b','currentRevision':'b'", VERDICT_FAIL,
         "2 of 3 replicas are r"},
        {PARTITION("2"), ",'readyReplicas':3,'updatedReplicas':1,'updateRevision':'b','currentRevision':'a'",
         VERDICT_PASS, ""},
        {PARTITION("1"), ",'readyReplicas':3,'updatedReplicas':1,'updateRevision':'b','currentRevision':'a'",
         VERDICT_FAIL, "1 of 2 replicas are updated"},
        {0},
    };
    rows(&check_rollout_complete, "StatefulSet", "statefulsets", r);
}

static void replicas(void **s _unused_)
{
    static const struct row deployment[] = {
        {"'replicas':2", ",'readyReplicas':2", VERDICT_PASS, "enough ready replicas"},
        {"'replicas':2", ",'readyReplicas':1", VERDICT_FAIL, "1 replicas are ready, 2 are needed"},
        {"'replicas':0", "", VERDICT_FAIL, "0 replicas are ready, 1 are needed"}, /* nothing is no health */
        {"'replicas':1", ",'readyReplicas':1,'observedGeneration':1", VERDICT_FAIL, "has not seen"},
        {0},
    };
    static const struct row daemonset[] = {
        {"", ",'desiredNumberScheduled':3,'numberReady':3", VERDICT_PASS, ""},
        {"", ",'desiredNumberScheduled':3,'numberReady':2", VERDICT_FAIL, "2 replicas are ready, 3"},
        {0},
    };
    struct world w;
    rows(&check_replicas, "Deployment", "deployments", deployment);
    rows(&check_replicas, "DaemonSet", "daemonsets", daemonset);
    world_init(&w, "Deployment", "a", "app=x");
    world_owner(&w, "Deployment", "b");
    world_body(&w, APPS "deployments/a", "{'spec':{'replicas':5},'status':{'readyReplicas':3}}");
    world_body(&w, APPS "deployments/b", "{'spec':{'replicas':3},'status':{'readyReplicas':3}}");
    world_verdict(&w, &check_replicas, "{'min':3}", NULL, VERDICT_PASS, "shop/b has enough");
    assert_int_equal(w.rounds, 1);
    world_verdict(&w, &check_replicas, NULL, NULL, VERDICT_FAIL, "Deployment shop/a: 3 replicas are ready, 5");
    world_verdict(&w, &check_replicas, "{'name':'b'}", NULL, VERDICT_PASS, "");
    world_verdict(&w, &check_replicas, "{'name':'c'}", NULL, VERDICT_FAIL, "404"); /* it is not there */
    world_answer(&w, APPS "deployments/b", "{'status':403,'body':{'message':'no'}}");
    world_verdict(&w, &check_replicas, NULL, NULL, VERDICT_UNKNOWN, "forbidden");
    world_verdict(&w, &check_rollout_complete, "{'kind':'Job','name':'x'}", NULL, VERDICT_UNKNOWN, "Job x is not a");
    world_clear(&w);
}

/* ---- condition ---- */

static void conditions(void **s _unused_)
{
    static const char *const effect =
        "[{'object':{'kind':'Deployment','namespace':'shop','name':'x'},'answer':{'metadata':{'generation':4}}}]";
    static const struct {
        int generation;
        const char *status, *with;
        bool effect;
        enum verdict verdict;
        const char *words;
    } r[] = {
        /* the condition's own observedGeneration counts, else the status's; without either it is taken as it is */
        {2, "'conditions':[{'type':'Ready','status':'True'}]", "", false, VERDICT_PASS, "Ready=True"},
        {2, "'observedGeneration':1,'conditions':[{'type':'Ready','status':'True'}]", "", false, VERDICT_FAIL,
         "before the last"},
        {2, "'observedGeneration':1,'conditions':[{'type':'Ready','status':'True','observedGeneration':2}]", "", false,
         VERDICT_PASS, ""},
        {2, "'observedGeneration':2,'conditions':[{'type':'Ready','status':'True','observedGeneration':1}]", "", false,
         VERDICT_FAIL, "before"},
        {2, "'conditions':[{'type':'ready','status':'true'}]", "", false, VERDICT_PASS, ""}, /* whatever the case */
        {2, "'conditions':[{'type':'Ready','status':'False','message':'Boom'}]", "", false, VERDICT_FAIL,
         "Ready=False Boom"},
        {2, "'conditions':[{'type':'Ready','status':'False'}]", ",'status':'False'", false, VERDICT_PASS, ""},
        {2, "'conditions':[{'type':'Other','status':'True'}]", "", false, VERDICT_FAIL, "has no condition Ready"},
        {2, "'conditions':'none'", "", false, VERDICT_FAIL, "has no condition Ready"},
        {3, "'conditions':[{'type':'Ready','status':'True'}]", "", true, VERDICT_FAIL, "is not visible yet"},
        {4, "'conditions':[{'type':'Ready','status':'True'}]", "", true, VERDICT_PASS, ""},
    };
    struct world w;
    world_init(&w, "Deployment", "x", "app=x");
    for (size_t i = 0; i < ARRAY_SIZE(r); i++) {
        _cleanup_free_ char *object =
            xasprintf("{'metadata':{'name':'x','generation':%d},'status':{%s}}", r[i].generation, r[i].status);
        _cleanup_free_ char *with = xasprintf("{'type':'Ready'%s}", r[i].with);
        world_body(&w, APPS "deployments/x", object);
        world_verdict(&w, &check_condition, with, r[i].effect ? effect : NULL, r[i].verdict, r[i].words);
    }
    world_clear(&w);
}

static void conditions_of_several(void **s _unused_)
{
    struct world w;
    world_init(&w, "Deployment", "a", "app=x");
    world_owner(&w, "Deployment", "b");
    world_body(&w, APPS "deployments/a", "{'status':{'conditions':[{'type':'Ready','status':'True'}]}}");
    world_body(&w, APPS "deployments/b", "{'status':{'conditions':[{'type':'Ready','status':'Unknown'}]}}");
    world_verdict(&w, &check_condition, "{'type':'Ready'}", NULL, VERDICT_FAIL, "shop/b: Ready=Unknown");
    world_clear(&w);
}

/* ---- endpoints.ready ---- */

static void endpoints(void **s _unused_)
{
    struct world w;
    const char *path = "/api/v1/namespaces/shop/endpoints/x";
    world_init(&w, "Deployment", "x", "app=x");
    world_body(&w, path, /* one address a port is one address */
               "{'subsets':[{'addresses':[{'ip':'10.0.0.1'},{'ip':'10.0.0.2'}],'ports':[{'port':80}]},{'addresses':[{"
               "'ip':'10.0.0.1'},{'hostname':'no-ip'}],'notReadyAddresses':[{'ip':'10.0.0.3'}]}]}");
    world_verdict(&w, &check_endpoints_ready, NULL, NULL, VERDICT_PASS,
                  "service shop/x has 2 ready addresses, 1 needed");
    world_verdict(&w, &check_endpoints_ready, "{'min':2}", NULL, VERDICT_PASS, "");
    world_verdict(&w, &check_endpoints_ready, "{'min':3}", NULL, VERDICT_FAIL, "2 ready addresses, 3 needed");
    world_verdict(&w, &check_endpoints_ready, "{'service':'y'}", NULL, VERDICT_FAIL, "GET endpoints \"y\" in shop");
    world_body(&w, path, "{'subsets':null}");
    world_verdict(&w, &check_endpoints_ready, NULL, NULL, VERDICT_FAIL, "0 ready addresses");
    world_answer(&w, path, "{'status':401,'body':{'message':'no'}}");
    world_verdict(&w, &check_endpoints_ready, NULL, NULL, VERDICT_UNKNOWN, "401");
    world_answer(&w, path, "{'error':'refused','message':'nobody'}");
    world_verdict(&w, &check_endpoints_ready, NULL, NULL, VERDICT_UNKNOWN, "nobody");
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_a_deployment),
        cmocka_unit_test(of_a_daemonset),
        cmocka_unit_test(of_a_statefulset),
        cmocka_unit_test(replicas),
        cmocka_unit_test(conditions),
        cmocka_unit_test(endpoints),
        cmocka_unit_test(conditions_of_several),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
