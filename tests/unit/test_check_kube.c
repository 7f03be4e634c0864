#include "checks/registry.h"
#include "world.h"

extern const struct check check_pods_ready, check_rollout_complete, check_alert_cleared, check_http, check_tcp,
    check_redis, check_endpoints_ready, check_condition;
#define API "/apis/apps/v1/namespaces/shop/deployments/api"
#define SEL "?labelSelector=app%3Dapi"
#define PODS "/api/v1/namespaces/shop/pods" SEL
#define RS "/apis/apps/v1/namespaces/shop/replicasets" SEL
#define EFFECT                                                                                                         \
    "[{'object':{'kind':'Deployment','namespace':'shop','name':'api'},'changes':{'/spec/template/x':{}},"              \
    "'answer':{'metadata':{'generation':4}}}]"

static void judged(struct world *w, const struct check *c, const char *with, const char *effects, enum verdict expected,
                   const char *words)
{
    _cleanup_free_ char *seen = NULL;
    asks_clear(&w->asks);
    asks_init(&w->asks);
    w->rounds = 0;
    const enum verdict v = world_judge(w, c, with, effects, &seen);
    if (v != expected || !strstr(seen, words))
        fail_msg("%s: \"%s\", expected %s with \"%s\"", verdict_name(v), seen, verdict_name(expected), words);
}

static void deployment(struct world *w, int generation, int observed)
{
    _cleanup_free_ char *text = xasprintf(
        "{'metadata':{'name':'api','uid':'u1','generation':%d,'annotations':{'deployment.kubernetes.io/revision':'2'}},"
        "'spec':{'replicas':1,'selector':{'matchLabels':{'app':'api'}}},'status':{'observedGeneration':%d,'replicas':1,"
        "'updatedReplicas':1,'availableReplicas':1,'conditions':[{'type':'Available','status':'true'}]}}",
        generation, observed);
    world_body(w, API, text);
}

static void workloads(void **s _unused_)
{
    struct world w;
    world_init(&w, "Deployment", "api", "app=api");
    deployment(&w, 4, 4);
    world_body(&w, RS,
               "{'items':[{'metadata':{'labels':{'pod-template-hash':'new'},'ownerReferences':[{'controller':true,"
               "'uid':'u1'}],'annotations':{'deployment.kubernetes.io/revision':'2'}}}]}");
    world_body(&w, PODS,
               "{'items':[{'metadata':{'name':'old','uid':'po','labels':{'pod-template-hash':'old'}},'status':{"
               "'conditions':[{'type':'Ready','status':'True'}]}}]}");
    judged(&w, &check_pods_ready, NULL, NULL, VERDICT_PASS, "1 of 1");
    judged(&w, &check_pods_ready, NULL, EFFECT, VERDICT_FAIL, "0 of 1");
    judged(&w, &check_pods_ready, NULL, "[{'made':{'deleted':['po']}}]", VERDICT_FAIL, "0 of 1");
    judged(&w, &check_pods_ready, "{'min':2}", NULL, VERDICT_FAIL, "1 of 2");
    judged(&w, &check_rollout_complete, NULL, EFFECT, VERDICT_PASS, "is rolled out");
    judged(&w, &check_condition, "{'type':'available'}", NULL, VERDICT_PASS, "available");
    deployment(&w, 4, 3);
    judged(&w, &check_rollout_complete, NULL, EFFECT, VERDICT_FAIL, "not seen");
    judged(&w, &check_condition, "{'type':'Available'}", NULL, VERDICT_FAIL, "before the last change");
    deployment(&w, 3, 3);
    judged(&w, &check_rollout_complete, NULL, EFFECT, VERDICT_FAIL, "not visible");
    judged(&w, &check_pods_ready, NULL, EFFECT, VERDICT_FAIL, "not visible");
    world_body(&w, PODS,
               "{'items':[{'metadata':{'name':'p'},'status':{'containerStatuses':[{'name':'c','restartCount':7,"
               "'state':{'waiting':{'reason':'CrashLoopBackOff'}},'lastState':{'terminated':{'reason':"
               "'OOMKilled'}}}]}}]}");
    judged(&w, &check_pods_ready, NULL, NULL, VERDICT_FAIL, "p: CrashLoopBackOff (OOMKilled, 7 restarts)");
    world_answer(&w, API, "{'status':403,'body':{'message':'no'}}");
    judged(&w, &check_pods_ready, NULL, NULL, VERDICT_UNKNOWN, "");
    world_body(&w, "/api/v1/namespaces/shop/endpoints/api", "{'subsets':[{'notReadyAddresses':[{'ip':'1'}]}]}");
    judged(&w, &check_endpoints_ready, NULL, NULL, VERDICT_FAIL, "0 ready");
    world_body(&w, "/api/v1/namespaces/shop/endpoints/api", /* two ports; two pods on their node's address */
               "{'subsets':[{'addresses':[{'ip':'1','targetRef':{'uid':'a'}},{'ip':'1','targetRef':{'uid':'b'}}]},"
               "{'addresses':[{'ip':'1','targetRef':{'uid':'a'}}]}]}");
    judged(&w, &check_endpoints_ready, "{'min':2}", NULL, VERDICT_PASS, "2 ready");
    judged(&w, &check_endpoints_ready, "{'min':3}", NULL, VERDICT_FAIL, "2 ready");
    world_clear(&w);
}

static void alerts(void **s _unused_)
{
    const char *path =
        "/api/v2/alerts?active=true&silenced=true&inhibited=true&unprocessed=true&filter=alertname%3D%22Down%22";
    struct world w;
    world_init(&w, "Deployment", "api", "app=api");
    world_body(&w, path, "[]");
    world_body(&w, "/api/v2/status", "{'uptime':'2026-01-05T09:00:00Z'}");
    judged(&w, &check_alert_cleared, NULL, NULL, VERDICT_PASS, "gone");
    world_body(&w, "/api/v2/status", "{'uptime':'2026-01-05T11:00:00Z'}");
    judged(&w, &check_alert_cleared, NULL, NULL, VERDICT_UNKNOWN, "not running");
    world_body(&w, path, "[{'labels':{'x':'a','alertname':'Down'},'status':{'state':'suppressed'}}]");
    judged(&w, &check_alert_cleared, NULL, NULL, VERDICT_FAIL, "fires");
    world_answer(&w, path, "{'error':'refused','message':'x'}");
    judged(&w, &check_alert_cleared, NULL, NULL, VERDICT_UNKNOWN, "x");
    world_clear(&w);
}

static void network(void **s _unused_)
{
    struct world w;
    world_init(&w, "Deployment", "api", "app=api");
    world_answer(&w, "h:1", "{'error':'refused','message':'x'}");
    judged(&w, &check_tcp, "{'address':'h:1'}", NULL, VERDICT_FAIL, "refused");
    world_answer(&w, "h:1", "{'error':'dns','message':'x'}");
    judged(&w, &check_tcp, "{'address':'h:1'}", NULL, VERDICT_UNKNOWN, "dns");
    judged(&w, &check_tcp, "{'address':'h'}", NULL, VERDICT_UNKNOWN, "no address");
    world_answer(&w, "h:1", "{'status':0,'text':'PONG'}");
    judged(&w, &check_redis, "{'address':'h:1'}", NULL, VERDICT_PASS, "PONG");
    judged(&w, &check_redis, "{'address':'h:1','command':['FLUSHALL']}", NULL, VERDICT_UNKNOWN, "changes nothing");
    world_answer(&w, "h:1", "{'status':0,'redis_error':'NOAUTH x'}");
    judged(&w, &check_redis, "{'address':'h:1'}", NULL, VERDICT_UNKNOWN, "NOAUTH");
    world_answer(&w, "h:1", "{'status':0,'integer':5}");
    judged(&w, &check_redis, "{'address':'h:1','command':['LLEN','q'],'at_most':4}", NULL, VERDICT_FAIL, "at most 4");
    json_object_set_new(w.answers, "http://h/",
                        json_pack("{s:i, s:s, s:i}", "status", 200, "text", "{\"a\":3}", "latency_ms", 9));
    judged(&w, &check_http, "{'url':'http://h/','json':{'pointer':'/a','equals':3}}", NULL, VERDICT_PASS, "200");
    judged(&w, &check_http, "{'url':'http://h/','json':{'pointer':'/a','equals':4}}", NULL, VERDICT_FAIL, "/a");
    judged(&w, &check_http, "{'url':'http://h/','max_latency':5}", NULL, VERDICT_FAIL, "9 ms");
    judged(&w, &check_http, "{'url':'http://h/','status':[204]}", NULL, VERDICT_FAIL, "answered 200");
    const char *proxy = "/api/v1/namespaces/x/services/web:80/proxy/up?a=b";
    world_answer(&w, proxy, "{'status':200,'text':''}");
    judged(&w, &check_http, "{'url':'http://web.x/up?a=b','via':'service'}", NULL, VERDICT_PASS, "service x/web");
    judged(&w, &check_http, "{'url':'http://web/../../../secrets','via':'service'}", NULL, VERDICT_UNKNOWN, "proxy");
    judged(&w, &check_http, "{'url':'http://web/%252e%2E/s','via':'service'}", NULL, VERDICT_UNKNOWN, "proxy");
    judged(&w, &check_http, "{'url':'file:///etc/passwd'}", NULL, VERDICT_UNKNOWN, "no http");
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(workloads),
        cmocka_unit_test(alerts),
        cmocka_unit_test(network),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
